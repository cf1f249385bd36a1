// The virtio_net_hdr in front of each frame of a TAP with IFF_VNET_HDR (virtio 1.2, 5.1.6;
// include/uapi/linux/virtio_net.h). Little-endian: the host's order on x86-64 and arm64.
//
//   0       1          2         4          6            8             10            12
//   | flags | gso type | hdr len | gso size | csum start | csum offset | num buffers |
//
// csum start counts from the Ethernet header, csum offset from csum start. hdr len is a hint: on
// forwarded packets the kernel writes the whole length there, so nothing here believes it.
// Any thread; no allocation.
import { DROP } from "../base/drop-reasons.js";
import { get16 } from "./bytes.js";
import { completeChecksum } from "./checksum.js";
import { ETHERNET, isVlanType } from "./ethernet.js";
import { TCP, UDP, tcpHeaderLength } from "./transport.js";

export const VNET = {
  flags: 0,
  gsoType: 1,
  headerLength: 2,
  gsoSize: 4,
  checksumStart: 6,
  checksumOffset: 8,
  buffers: 10,
  size: 12,
} as const;

/** Flag bits. */
export const VNET_FLAG = { needsChecksum: 1, dataValid: 2 } as const;

/** GSO types; `ecn` is a bit beside them. */
export const VNET_GSO = { none: 0, tcpv4: 1, udp: 3, tcpv6: 4, udpL4: 5, ecn: 0x80 } as const;

function le16(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8);
}

function putLe16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
}

export function vnetGsoSize(bytes: Uint8Array, vnet: number): number {
  return le16(bytes, vnet + VNET.gsoSize);
}

/** The GSO type without its ECN bit. */
export function vnetGsoType(bytes: Uint8Array, vnet: number): number {
  return bytes[vnet + VNET.gsoType]! & ~VNET_GSO.ecn;
}

/** True for a super-frame. */
export function isGso(bytes: Uint8Array, vnet: number): boolean {
  return bytes[vnet + VNET.gsoType] !== VNET_GSO.none;
}

export function needsChecksum(bytes: Uint8Array, vnet: number): boolean {
  return (bytes[vnet + VNET.flags]! & VNET_FLAG.needsChecksum) !== 0;
}

export function vnetChecksumStart(bytes: Uint8Array, vnet: number): number {
  return le16(bytes, vnet + VNET.checksumStart);
}

export function vnetChecksumOffset(bytes: Uint8Array, vnet: number): number {
  return le16(bytes, vnet + VNET.checksumOffset);
}

/** Writes a header; `flags` 0 and `gsoType` none make the header of an ordinary frame. */
export function putVnetHeader(
  bytes: Uint8Array,
  vnet: number,
  fields: {
    flags?: number;
    gsoType?: number;
    headerLength?: number;
    gsoSize?: number;
    checksumStart?: number;
    checksumOffset?: number;
  },
): void {
  bytes[vnet + VNET.flags] = fields.flags ?? 0;
  bytes[vnet + VNET.gsoType] = fields.gsoType ?? VNET_GSO.none;
  putLe16(bytes, vnet + VNET.headerLength, fields.headerLength ?? 0);
  putLe16(bytes, vnet + VNET.gsoSize, fields.gsoSize ?? 0);
  putLe16(bytes, vnet + VNET.checksumStart, fields.checksumStart ?? 0);
  putLe16(bytes, vnet + VNET.checksumOffset, fields.checksumOffset ?? 0);
  putLe16(bytes, vnet + VNET.buffers, 0);
}

/**
 * Whether the header is one that the kernel would accept back with this frame
 * (virtio_net_hdr_to_skb, include/linux/virtio_net.h) and whose super-frame can be cut at packet
 * borders.
 * @param vnet where the header lies.
 * @param frame where the frame begins; `length` its bytes.
 * @returns 0 or DROP["bad-vnet-header"].
 */
export function checkVnetHeader(
  bytes: Uint8Array,
  vnet: number,
  frame: number,
  length: number,
): number {
  const bad = DROP["bad-vnet-header"];
  const start = vnetChecksumStart(bytes, vnet);
  const wantsChecksum = needsChecksum(bytes, vnet);
  if (wantsChecksum) {
    const field = start + vnetChecksumOffset(bytes, vnet);
    if (start < ETHERNET.header || field + 2 > length) return bad;
  }
  if (!isGso(bytes, vnet)) return 0;
  if (vnetGsoSize(bytes, vnet) === 0 || !wantsChecksum) return bad;
  const offset = vnetChecksumOffset(bytes, vnet);
  const type = vnetGsoType(bytes, vnet);
  if (type === VNET_GSO.tcpv4 || type === VNET_GSO.tcpv6) {
    if (offset !== TCP.checksum || start + TCP.headerMin > length) return bad;
    const header = tcpHeaderLength(bytes, frame + start);
    return header < TCP.headerMin || start + header > length ? bad : 0;
  }
  if (type === VNET_GSO.udpL4 || type === VNET_GSO.udp) {
    return offset !== UDP.checksum || start + UDP.header > length ? bad : 0;
  }
  return bad;
}

/** Bytes of all headers of a super-frame, from the frame itself; only after `checkVnetHeader`. */
export function gsoHeaderLength(bytes: Uint8Array, vnet: number, frame: number): number {
  const start = vnetChecksumStart(bytes, vnet);
  const type = vnetGsoType(bytes, vnet);
  if (type === VNET_GSO.udpL4 || type === VNET_GSO.udp) return start + UDP.header;
  return start + tcpHeaderLength(bytes, frame + start);
}

/** How many packets a frame stands for on a wire: 1 for ordinary frames. */
export function gsoSegments(
  bytes: Uint8Array,
  vnet: number,
  frame: number,
  length: number,
): number {
  if (!isGso(bytes, vnet)) return 1;
  const size = vnetGsoSize(bytes, vnet);
  const payload = length - gsoHeaderLength(bytes, vnet, frame);
  return size === 0 || payload <= size ? 1 : Math.ceil(payload / size);
}

/**
 * Moves the header and its offsets along with a tag that is pushed (`delta` 4) or popped (-4).
 * Call it before `pushVlanTag`, which writes where the header's last bytes were, and after
 * `popVlanTag`.
 * @returns where the header now lies: as far in front of the frame as before.
 */
export function shiftVnetHeader(bytes: Uint8Array, vnet: number, delta: number): number {
  const at = vnet - delta;
  bytes.copyWithin(at, vnet, vnet + VNET.size);
  shiftVnetOffsets(bytes, at, delta, delta);
  return at;
}

/**
 * Says that headers have become longer (or shorter, below 0) by `headers` bytes in all, and by
 * `beforeTransport` in front of the transport header.
 */
export function shiftVnetOffsets(
  bytes: Uint8Array,
  vnet: number,
  headers: number,
  beforeTransport: number,
): void {
  if (needsChecksum(bytes, vnet)) {
    putLe16(bytes, vnet + VNET.checksumStart, vnetChecksumStart(bytes, vnet) + beforeTransport);
  }
  const headerLength = le16(bytes, vnet + VNET.headerLength);
  if (headerLength !== 0) putLe16(bytes, vnet + VNET.headerLength, headerLength + headers);
}

/**
 * Completes a partial checksum in the frame and clears the flag, for targets without checksum
 * offload and for captures. Only for ordinary frames: a super-frame's checksum is finished when it
 * is cut.
 */
export function completeVnetChecksum(
  bytes: Uint8Array,
  vnet: number,
  frame: number,
  length: number,
): void {
  if (!needsChecksum(bytes, vnet)) return;
  const start = frame + vnetChecksumStart(bytes, vnet);
  completeChecksum(bytes, start, start + vnetChecksumOffset(bytes, vnet), frame + length);
  bytes[vnet + VNET.flags] = bytes[vnet + VNET.flags]! & ~VNET_FLAG.needsChecksum;
  putLe16(bytes, vnet + VNET.checksumStart, 0);
  putLe16(bytes, vnet + VNET.checksumOffset, 0);
}

/** Offset of the network header from the frame's begin, behind all tags that fit. */
export function networkOffset(bytes: Uint8Array, frame: number, length: number): number {
  let at: number = ETHERNET.header;
  for (let tags = 0; tags < 2 && at + ETHERNET.tag <= length; tags++) {
    if (!isVlanType(get16(bytes, frame + at - 2))) break;
    at += ETHERNET.tag;
  }
  return at;
}
