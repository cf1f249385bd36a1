// pcapng, the capture format (draft-ietf-opsawg-pcapng): writes blocks into the caller's buffer.
// A queue worker writes one section header and one interface description when it opens a
// capture, then one enhanced packet block for each frame; `writePacketBlock` is called in the hot
// loop and neither allocates nor throws. All words are little-endian; every block starts and ends
// at a multiple of 4, and a reader tells byte order and completeness from the lengths at both ends.
//
//   0        4        8        12       16       20       24       28
//   | type 6 | total  | if id  | ts hi  | ts lo  | caplen | len    | frame, padded to 4 | options |
//   ... | total |

/** Block types. */
export const PCAPNG_BLOCK = {
  sectionHeader: 0x0a0d0d0a,
  interfaceDescription: 1,
  enhancedPacket: 6,
} as const;

/** LINKTYPE_ETHERNET of the tcpdump link-type registry. */
export const LINKTYPE_ETHERNET = 1;
/** LINKTYPE_RAW: the packet begins with an IPv4 or IPv6 header (TUN devices). */
export const LINKTYPE_RAW = 101;

/** `epb_flags`, bits 0 and 1: the direction, as the device that was captured on sees it. */
export const PACKET_DIRECTION = { unknown: 0, inbound: 1, outbound: 2 } as const;

const BYTE_ORDER_MAGIC = 0x1a2b3c4d;
const SECTION_LENGTH_UNKNOWN = 0xffffffff;
const PACKET_HEADER_BYTES = 28;
const TOTAL_LENGTH_BYTES = 4;
/** epb_flags, epb_packetid, epb_queue and opt_endofopt, each with its 4-byte option header. */
const FIXED_OPTION_BYTES = 8 + 12 + 8 + 4;

const OPTION = {
  end: 0,
  comment: 1,
  interfaceName: 2,
  interfaceDescription: 3,
  timestampResolution: 9,
  packetFlags: 2,
  packetId: 5,
  packetQueue: 6,
  sectionUserApplication: 4,
} as const;

/** The buffer that blocks are written into, with the views that the writers need. */
export interface PcapngBuffer {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly words: Uint32Array;
}

/**
 * Wraps a buffer for the writers below.
 * @param buffer its length is a multiple of 4.
 */
export function pcapngBuffer(buffer: ArrayBuffer | SharedArrayBuffer): PcapngBuffer {
  return {
    bytes: new Uint8Array(buffer),
    view: new DataView(buffer),
    words: new Uint32Array(buffer),
  };
}

/** What is said about one frame. A worker keeps one of these and overwrites it for every frame. */
export interface PacketInfo {
  /** Place of the interface description in the section, from 0. */
  interfaceId: number;
  /** Nanoseconds since 1970, upper and lower 32 bits; see `setPacketTime`. */
  timeHigh: number;
  timeLow: number;
  /** Bytes that are stored here. */
  capturedBytes: number;
  /** Bytes that the frame had. */
  originalBytes: number;
  /** A value of `PACKET_DIRECTION`. */
  direction: number;
  /** The queue of the device (epb_queue). */
  queue: number;
  /** The same in every capture of one frame (epb_packetid), upper and lower 32 bits. */
  packetIdHigh: number;
  packetIdLow: number;
  /** UTF-8 bytes of a comment (a drop reason, made once), or null. At most 65535 bytes. */
  comment: Uint8Array | null;
}

export function packetInfo(): PacketInfo {
  return {
    interfaceId: 0,
    timeHigh: 0,
    timeLow: 0,
    capturedBytes: 0,
    originalBytes: 0,
    direction: 0,
    queue: 0,
    packetIdHigh: 0,
    packetIdLow: 0,
    comment: null,
  };
}

/**
 * Sets the time of a frame. Nanoseconds since 1970 do not fit a double (they need 61 bits), so
 * the product is made in two halves, each exact.
 * @param seconds since 1970, a whole number below 2^33.
 * @param nanoseconds 0 or more, below 2^53 - 2^46; may be a monotonic time, with `seconds` the
 *   wall-clock time at its zero.
 */
export function setPacketTime(info: PacketInfo, seconds: number, nanoseconds: number): void {
  const upperSeconds = Math.floor(seconds / 65536);
  const upper = upperSeconds * 1e9;
  const lower = (seconds - upperSeconds * 65536) * 1e9 + nanoseconds;
  // total = upper * 2^16 + lower; upper = a * 2^16 + b, so total = a * 2^32 + (b * 2^16 + lower).
  const a = Math.floor(upper / 65536);
  const rest = (upper - a * 65536) * 65536 + lower;
  const carry = Math.floor(rest / 0x1_0000_0000);
  info.timeHigh = (a + carry) >>> 0;
  info.timeLow = (rest - carry * 0x1_0000_0000) >>> 0;
}

/**
 * Writes a section header block of unknown length.
 * @param application the program's name, stored as shb_userappl.
 * @returns bytes written, or 0 if they do not fit.
 */
export function writeSectionHeader(out: PcapngBuffer, offset: number, application: string): number {
  const name = new TextEncoder().encode(application);
  const total = 24 + optionBytes(name.length) + 4 + TOTAL_LENGTH_BYTES;
  if (offset + total > out.bytes.length) return 0;
  const { view } = out;
  view.setUint32(offset, PCAPNG_BLOCK.sectionHeader, true);
  view.setUint32(offset + 4, total, true);
  view.setUint32(offset + 8, BYTE_ORDER_MAGIC, true);
  view.setUint16(offset + 12, 1, true);
  view.setUint16(offset + 14, 0, true);
  view.setUint32(offset + 16, SECTION_LENGTH_UNKNOWN, true);
  view.setUint32(offset + 20, SECTION_LENGTH_UNKNOWN, true);
  const at = putOption(out, offset + 24, OPTION.sectionUserApplication, name);
  return finishBlock(out, offset, at, total);
}

/** One interface of a section. */
export interface InterfaceInfo {
  /** if_name, as users know the port: `veth-server`. */
  readonly name: string;
  /** if_description; "" leaves it out. */
  readonly description: string;
  readonly linkType: number;
  /** Longest stored frame in bytes; 0 means no limit. */
  readonly snapLengthBytes: number;
}

/**
 * Writes an interface description block; times of its packets are in nanoseconds (if_tsresol 9).
 * @returns bytes written, or 0 if they do not fit.
 */
export function writeInterface(out: PcapngBuffer, offset: number, info: InterfaceInfo): number {
  const encoder = new TextEncoder();
  const name = encoder.encode(info.name);
  const description = encoder.encode(info.description);
  const described = description.length > 0 ? optionBytes(description.length) : 0;
  const total = 16 + optionBytes(name.length) + described + 8 + 4 + TOTAL_LENGTH_BYTES;
  if (offset + total > out.bytes.length) return 0;
  const { view } = out;
  view.setUint32(offset, PCAPNG_BLOCK.interfaceDescription, true);
  view.setUint32(offset + 4, total, true);
  view.setUint16(offset + 8, info.linkType, true);
  view.setUint16(offset + 10, 0, true);
  view.setUint32(offset + 12, info.snapLengthBytes, true);
  let at = putOption(out, offset + 16, OPTION.interfaceName, name);
  if (described > 0) at = putOption(out, at, OPTION.interfaceDescription, description);
  at = putOption(out, at, OPTION.timestampResolution, Uint8Array.of(9));
  return finishBlock(out, offset, at, total);
}

/** Bytes that `writePacketBlock` will need. */
export function packetBlockBytes(capturedBytes: number, commentBytes: number): number {
  const comment = commentBytes > 0 ? optionBytes(commentBytes) : 0;
  return (
    PACKET_HEADER_BYTES + padded(capturedBytes) + comment + FIXED_OPTION_BYTES + TOTAL_LENGTH_BYTES
  );
}

/**
 * Writes one frame as an enhanced packet block with epb_flags, epb_packetid, epb_queue and, if
 * there is one, a comment. Hot path: allocates nothing, throws nothing.
 * @param offset a multiple of 4.
 * @param frame where the frame lies (a pool that other threads write too); `frameOffset` its first
 *   byte. `info.capturedBytes` bytes are copied.
 * @returns bytes written, or 0 if they do not fit: write the buffer out and call again.
 */
export function writePacketBlock(
  out: PcapngBuffer,
  offset: number,
  info: PacketInfo,
  frame: PcapngBuffer,
  frameOffset: number,
): number {
  const comment = info.comment;
  const captured = info.capturedBytes;
  const total = packetBlockBytes(captured, comment === null ? 0 : comment.length);
  if (offset + total > out.bytes.length) return 0;
  const view = out.view;
  view.setUint32(offset, PCAPNG_BLOCK.enhancedPacket, true);
  view.setUint32(offset + 4, total, true);
  view.setUint32(offset + 8, info.interfaceId, true);
  view.setUint32(offset + 12, info.timeHigh, true);
  view.setUint32(offset + 16, info.timeLow, true);
  view.setUint32(offset + 20, captured, true);
  view.setUint32(offset + 24, info.originalBytes, true);
  copyFrame(out, offset + PACKET_HEADER_BYTES, frame, frameOffset, captured);
  let at = offset + PACKET_HEADER_BYTES + padded(captured);
  if (comment !== null && comment.length > 0) at = putOption(out, at, OPTION.comment, comment);
  view.setUint32(at, OPTION.packetFlags | (4 << 16), true);
  view.setUint32(at + 4, info.direction, true);
  view.setUint32(at + 8, OPTION.packetId | (8 << 16), true);
  view.setUint32(at + 12, info.packetIdLow, true);
  view.setUint32(at + 16, info.packetIdHigh, true);
  view.setUint32(at + 20, OPTION.packetQueue | (4 << 16), true);
  view.setUint32(at + 24, info.queue, true);
  return finishBlock(out, offset, at + 28, total);
}

function padded(length: number): number {
  return (length + 3) & ~3;
}

function optionBytes(length: number): number {
  return 4 + padded(length);
}

// `Uint8Array.set` would need a view of the frame, one object for each frame; words are copied
// instead. The target is always aligned, the source whenever the pool's slots are.
function copyFrame(
  out: PcapngBuffer,
  target: number,
  frame: PcapngBuffer,
  source: number,
  length: number,
): void {
  let done = 0;
  if (((target | source) & 3) === 0) {
    const words = length >>> 2;
    const to = out.words;
    const from = frame.words;
    const toIndex = target >>> 2;
    const fromIndex = source >>> 2;
    for (let i = 0; i < words; i++) to[toIndex + i] = from[fromIndex + i]!;
    done = words << 2;
  }
  const to = out.bytes;
  const from = frame.bytes;
  for (let i = done; i < length; i++) to[target + i] = from[source + i]!;
  for (let i = length; i < padded(length); i++) to[target + i] = 0;
}

function putOption(out: PcapngBuffer, at: number, code: number, value: Uint8Array): number {
  const { view, bytes } = out;
  view.setUint16(at, code, true);
  view.setUint16(at + 2, value.length, true);
  for (let i = 0; i < value.length; i++) bytes[at + 4 + i] = value[i]!;
  for (let i = value.length; i < padded(value.length); i++) bytes[at + 4 + i] = 0;
  return at + 4 + padded(value.length);
}

/** Ends the options and repeats the length, so that the file can be walked backwards too. */
function finishBlock(out: PcapngBuffer, offset: number, at: number, total: number): number {
  out.view.setUint32(at, OPTION.end, true);
  out.view.setUint32(offset + total - TOTAL_LENGTH_BYTES, total, true);
  return total;
}
