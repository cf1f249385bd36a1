// The headers above IP: TCP (RFC 9293), UDP (RFC 768), SCTP's common header (RFC 9260), ICMP
// (RFC 792), ICMPv6 and neighbor discovery (RFC 4443, 4861). They share their shape: ports or type
// and code in front, a checksum at a fixed place. Any thread; no allocation except in builders.
//
//   TCP   | src | dst | sequence | acknowledgment | offset,flags | window | checksum@16 | urgent |
//   UDP   | src | dst | length@4 | checksum@6 |         SCTP | src | dst | tag | CRC32c@8 |
//   ICMP  | type | code | checksum@2 | rest@4 |         ND   ... | target@8 | options@24 |
import { get16, put16, put32 } from "./bytes.js";
import { checksum, foldSum, putSctpChecksum, sctpChecksum } from "./checksum.js";

export const TCP = {
  source: 0,
  destination: 2,
  sequence: 4,
  acknowledgment: 8,
  offsetFlags: 12,
  window: 14,
  checksum: 16,
  urgent: 18,
  headerMin: 20,
  headerMax: 60,
} as const;

export const TCP_FLAG = { fin: 1, syn: 2, rst: 4, psh: 8, ack: 16, urg: 32 } as const;

export const UDP = { source: 0, destination: 2, length: 4, checksum: 6, header: 8 } as const;

export const SCTP = { source: 0, destination: 2, tag: 4, checksum: 8, header: 12 } as const;

export const ICMP = { type: 0, code: 1, checksum: 2, rest: 4, header: 8 } as const;

export const ND = { solicit: 135, advert: 136, target: 8, options: 24 } as const;

/** 0, or 1 when the header does not fit or its data offset is less than 20 bytes. */
export function checkTcp(bytes: Uint8Array, at: number, length: number): number {
  if (length < TCP.headerMin) return 1;
  const header = tcpHeaderLength(bytes, at);
  return header < TCP.headerMin || header > length ? 1 : 0;
}

/** 20 to 60 bytes where `checkTcp` agreed. */
export function tcpHeaderLength(bytes: Uint8Array, at: number): number {
  return (bytes[at + TCP.offsetFlags]! >>> 4) * 4;
}

/** The low 12 bits: reserved bits and flags, as Open vSwitch matches them. */
export function tcpFlags(bytes: Uint8Array, at: number): number {
  return get16(bytes, at + TCP.offsetFlags) & 0xfff;
}

/** 0, or 1 when the header does not fit or its length field is impossible. */
export function checkUdp(bytes: Uint8Array, at: number, length: number): number {
  if (length < UDP.header) return 1;
  const said = get16(bytes, at + UDP.length);
  // 0 stands for a length above 65535 (RFC 2675); super-frames carry it.
  return said !== 0 && (said < UDP.header || said > length) ? 1 : 0;
}

/** 0, or 1 when the common header does not fit. */
export function checkSctp(_bytes: Uint8Array, _at: number, length: number): number {
  return length < SCTP.header ? 1 : 0;
}

/** 0, or 1 when type, code and checksum do not fit. */
export function checkIcmp(_bytes: Uint8Array, _at: number, length: number): number {
  return length < ICMP.header ? 1 : 0;
}

/** Where a protocol keeps its 16-bit Internet checksum; -1 if it has none. */
export function checksumPlace(protocol: number): number {
  if (protocol === 6) return TCP.checksum;
  if (protocol === 17) return UDP.checksum;
  if (protocol === 58 || protocol === 1) return ICMP.checksum;
  return -1;
}

export function buildTcp(fields: {
  source: number;
  destination: number;
  flags?: number;
  sequence?: number;
  acknowledgment?: number;
  /** Default: all 16 bits. */
  window?: number;
  /** A multiple of 4 bytes, at most 40. */
  options?: Uint8Array;
  payload?: Uint8Array;
}): Uint8Array {
  const options = fields.options ?? new Uint8Array(0);
  const payload = fields.payload ?? new Uint8Array(0);
  const header = TCP.headerMin + options.length;
  const bytes = new Uint8Array(header + payload.length);
  put16(bytes, TCP.source, fields.source);
  put16(bytes, TCP.destination, fields.destination);
  put32(bytes, TCP.sequence, fields.sequence ?? 0);
  put32(bytes, TCP.acknowledgment, fields.acknowledgment ?? 0);
  put16(bytes, TCP.offsetFlags, ((header / 4) << 12) | (fields.flags ?? TCP_FLAG.ack));
  put16(bytes, TCP.window, fields.window ?? 0xffff);
  bytes.set(options, TCP.headerMin);
  bytes.set(payload, header);
  return bytes;
}

export function buildUdp(fields: {
  source: number;
  destination: number;
  payload?: Uint8Array;
}): Uint8Array {
  const payload = fields.payload ?? new Uint8Array(0);
  const bytes = new Uint8Array(UDP.header + payload.length);
  put16(bytes, UDP.source, fields.source);
  put16(bytes, UDP.destination, fields.destination);
  put16(bytes, UDP.length, bytes.length);
  bytes.set(payload, UDP.header);
  return bytes;
}

export function buildSctp(fields: {
  source: number;
  destination: number;
  payload?: Uint8Array;
}): Uint8Array {
  const payload = fields.payload ?? new Uint8Array(0);
  const bytes = new Uint8Array(SCTP.header + payload.length);
  put16(bytes, SCTP.source, fields.source);
  put16(bytes, SCTP.destination, fields.destination);
  bytes.set(payload, SCTP.header);
  return bytes;
}

/** ICMP and ICMPv6; `rest` is what follows the checksum, at least 4 bytes. */
export function buildIcmp(fields: { type: number; code?: number; rest?: Uint8Array }): Uint8Array {
  const rest = fields.rest ?? new Uint8Array(4);
  const bytes = new Uint8Array(ICMP.rest + rest.length);
  bytes[ICMP.type] = fields.type;
  bytes[ICMP.code] = fields.code ?? 0;
  bytes.set(rest, ICMP.rest);
  return bytes;
}

/**
 * Fills in the checksum of a transport that ends with the array; for the IP builders.
 * @param transport.at where the transport begins.
 * @param transport.pseudoSum sum of the pseudo-header; ICMP for IPv4 has none.
 */
export function finishTransport(
  bytes: Uint8Array,
  transport: { at: number; protocol: number; pseudoSum: number; mode: "full" | "partial" | "keep" },
): void {
  const { at, protocol, pseudoSum, mode } = transport;
  if (mode === "keep") return;
  if (protocol === 132 && bytes.length - at >= SCTP.header) {
    putSctpChecksum(bytes, at, sctpChecksum(bytes, at, bytes.length));
    return;
  }
  const place = checksumPlace(protocol);
  if (place < 0 || at + place + 2 > bytes.length) return;
  const pseudo = protocol === 1 ? 0 : pseudoSum;
  if (mode === "partial") {
    put16(bytes, at + place, foldSum(pseudo));
    return;
  }
  put16(bytes, at + place, 0);
  const value = checksum(bytes, at, bytes.length - at, pseudo);
  put16(bytes, at + place, value === 0 ? 0xffff : value);
}
