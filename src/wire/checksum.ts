// Checksums: the Internet checksum (RFC 1071), its incremental update (RFC 1624) and its completion
// for frames whose checksum was left to the device (virtio NEEDS_CSUM); CRC32c for SCTP (RFC 9260).
// Any thread; hot path: no allocation after the module is loaded.
import { put16 } from "./bytes.js";

/** Folds a sum of 16-bit words to 16 bits with end-around carry. Sums up to 2^48 are exact. */
export function foldSum(sum: number): number {
  let folded = sum;
  if (folded > 0xffffffff) folded = Math.floor(folded / 0x10000) + (folded % 0x10000);
  folded = (folded >>> 16) + (folded & 0xffff);
  folded = (folded >>> 16) + (folded & 0xffff);
  return (folded >>> 16) + (folded & 0xffff);
}

/** Adds `length` bytes as 16-bit words to `sum`; an odd last byte is padded with zero. */
export function sumBytes(bytes: Uint8Array, at: number, length: number, sum: number): number {
  let total = sum;
  const end = at + (length & ~1);
  let i = at;
  for (; i < end; i += 2) total += (bytes[i]! << 8) | bytes[i + 1]!;
  if ((length & 1) !== 0) total += bytes[i]! << 8;
  return total;
}

/** The checksum of a run of bytes: 0 when the run holds its own, correct checksum. */
export function checksum(bytes: Uint8Array, at: number, length: number, sum = 0): number {
  return ~foldSum(sumBytes(bytes, at, length, sum)) & 0xffff;
}

/** RFC 1624 equation 3: a stored checksum after a 16-bit word under it changed. */
export function updateChecksum16(stored: number, before: number, after: number): number {
  return ~foldSum((~stored & 0xffff) + (~before & 0xffff) + after) & 0xffff;
}

/** As `updateChecksum16`, for a 32-bit word that begins at an even offset. */
export function updateChecksum32(stored: number, before: number, after: number): number {
  const sum = (~stored & 0xffff) + (~(before >>> 16) & 0xffff) + (~before & 0xffff);
  return ~foldSum(sum + (after >>> 16) + (after & 0xffff)) & 0xffff;
}

/**
 * As `updateChecksum32`, for a partial checksum: with NEEDS_CSUM the field holds the folded, not
 * complemented sum of the pseudo-header, which the device adds to (virtio 1.2, 5.1.6.2).
 */
export function updatePartial32(stored: number, before: number, after: number): number {
  const sum = stored + (~(before >>> 16) & 0xffff) + (~before & 0xffff);
  return foldSum(sum + (after >>> 16) + (after & 0xffff));
}

/** Sum of the IPv4 pseudo-header (RFC 793) for a transport of `length` bytes. */
export function pseudoSumIpv4(
  bytes: Uint8Array,
  ip: number,
  proto: number,
  length: number,
): number {
  return sumBytes(bytes, ip + 12, 8, proto + length);
}

/** Sum of the IPv6 pseudo-header (RFC 8200, 8.1) for a transport of `length` bytes. */
export function pseudoSumIpv6(
  bytes: Uint8Array,
  ip: number,
  proto: number,
  length: number,
): number {
  return sumBytes(bytes, ip + 8, 32, proto + (length >>> 16) + (length & 0xffff));
}

/**
 * Completes a partial checksum, as the kernel's `skb_checksum_help` does: the bytes from `start`
 * to `end` are summed (with the pseudo-header sum that lies in the field) and the field is set. A
 * result of 0 is written as 0xffff, which means the same and cannot be read as "none" in UDP.
 */
export function completeChecksum(
  bytes: Uint8Array,
  start: number,
  field: number,
  end: number,
): void {
  const value = checksum(bytes, start, end - start);
  put16(bytes, field, value === 0 ? 0xffff : value);
}

/** True when the 16-bit field and the bytes from `start` to `end` sum up with `pseudoSum`. */
export function checksumHolds(
  bytes: Uint8Array,
  start: number,
  end: number,
  pseudoSum: number,
): boolean {
  return checksum(bytes, start, end - start, pseudoSum) === 0;
}

function crcTable(): Int32Array {
  const table = new Int32Array(256);
  for (let n = 0; n < 256; n++) {
    let c = n;
    for (let k = 0; k < 8; k++) c = (c & 1) !== 0 ? (c >>> 1) ^ 0x82f63b78 : c >>> 1;
    table[n] = c;
  }
  return table;
}

const CRC32C = crcTable();

/** CRC32c of an SCTP packet, its checksum field (bytes 8..11) taken as zero; 0 to 2^32 - 1. */
export function sctpChecksum(bytes: Uint8Array, at: number, end: number): number {
  let crc = -1;
  for (let i = at; i < end; i++) {
    const byte = i >= at + 8 && i < at + 12 ? 0 : bytes[i]!;
    crc = (crc >>> 8) ^ CRC32C[(crc ^ byte) & 0xff]!;
  }
  return ~crc >>> 0;
}

/** Reads an SCTP checksum; see `putSctpChecksum`. */
export function getSctpChecksum(bytes: Uint8Array, at: number): number {
  let value = 0;
  for (let i = 0; i < 4; i++) value |= bytes[at + 8 + i]! << (8 * i);
  return value >>> 0;
}

/** Writes an SCTP checksum, which is little-endian on the wire (RFC 9260, appendix A). */
export function putSctpChecksum(bytes: Uint8Array, at: number, value: number): void {
  for (let i = 0; i < 4; i++) bytes[at + 8 + i] = value >>> (8 * i);
}
