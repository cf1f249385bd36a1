// The file format of libpcap (draft-ietf-opsawg-pcap): a header, then packets, each with its own.
// Read as Open vSwitch reads it, written as it writes it (lib/pcap-file.c, 3.1). Pure; any thread.

/** Times in microseconds, times in nanoseconds; either end may come first. */
const MAGIC = 0xa1b2c3d4;
const MAGIC_NANOSECONDS = 0xa1b23c4d;
const FILE_HEADER_BYTES = 24;
const PACKET_HEADER_BYTES = 16;
/** What Open vSwitch names as the limit; longer frames are written whole all the same. */
const SNAP_LENGTH = 1518;
const LINKTYPE_ETHERNET = 1;
/** Longer packets are no packets. */
const PACKET_BYTES_MAX = 65_535;

/** What a file of Ethernet frames begins with. */
export function pcapFileHeader(): DataView {
  const head = new DataView(new ArrayBuffer(FILE_HEADER_BYTES));
  head.setUint32(0, MAGIC, true);
  head.setUint16(4, 2, true);
  head.setUint16(6, 4, true);
  head.setUint32(16, SNAP_LENGTH, true);
  head.setUint32(20, LINKTYPE_ETHERNET, true);
  return head;
}

/** What stands in front of a packet. @param epochMs its time, in milliseconds since 1970. */
export function pcapPacketHeader(epochMs: number, length: number): DataView {
  const head = new DataView(new ArrayBuffer(PACKET_HEADER_BYTES));
  head.setUint32(0, Math.floor(epochMs / 1000), true);
  head.setUint32(4, Math.floor((epochMs % 1000) * 1000), true);
  head.setUint32(8, length, true);
  head.setUint32(12, length, true);
  return head;
}

/** The packets of a file, without those behind a damaged one; a string: why it cannot be read. */
export function pcapPackets(bytes: Uint8Array): Uint8Array[] | string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < FILE_HEADER_BYTES) return "End of file";
  const isMagic = (word: number): boolean => word === MAGIC || word === MAGIC_NANOSECONDS;
  const little = isMagic(view.getUint32(0, true));
  if (!little && !isMagic(view.getUint32(0))) return "Protocol error";
  const packets: Uint8Array[] = [];
  for (let at = FILE_HEADER_BYTES; at + PACKET_HEADER_BYTES <= bytes.length;) {
    const length = view.getUint32(at + 8, little);
    at += PACKET_HEADER_BYTES;
    if (length > PACKET_BYTES_MAX || at + length > bytes.length) break;
    packets.push(bytes.subarray(at, at + length));
    at += length;
  }
  return packets;
}
