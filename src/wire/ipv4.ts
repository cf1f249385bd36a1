// IPv4 (RFC 791).
//
//   0     1     2        4    6            8     9       10       12    16    20
//   | v,l | tos | length | id | flags,frag | ttl | proto | checksum | src | dst | options |
//
// Any thread; no allocation except in the builder.
import { get16, get32, put16, put32 } from "./bytes.js";
import { checksum, pseudoSumIpv4 } from "./checksum.js";
import { finishTransport } from "./transport.js";

export const IPV4 = {
  versionLength: 0,
  tos: 1,
  totalLength: 2,
  identification: 4,
  fragment: 6,
  ttl: 8,
  protocol: 9,
  checksum: 10,
  source: 12,
  destination: 16,
  headerMin: 20,
} as const;

export const IP_PROTO = { icmp: 1, tcp: 6, udp: 17, icmpv6: 58, sctp: 132 } as const;

/** 0, or 1 when version, header length and total length do not fit together and into `length`. */
export function checkIpv4(bytes: Uint8Array, at: number, length: number): number {
  if (length < IPV4.headerMin || bytes[at]! >>> 4 !== 4) return 1;
  return checkIpv4Lengths(bytes, at, length);
}

/** As `checkIpv4`, whatever version the header says: what a switch asks for. */
export function checkIpv4Lengths(bytes: Uint8Array, at: number, length: number): number {
  if (length < IPV4.headerMin) return 1;
  const header = ipv4HeaderLength(bytes, at);
  const total = ipv4TotalLength(bytes, at);
  return header < IPV4.headerMin || total < header || total > length ? 1 : 0;
}

export function ipv4HeaderLength(bytes: Uint8Array, at: number): number {
  return (bytes[at]! & 15) * 4;
}

export function ipv4TotalLength(bytes: Uint8Array, at: number): number {
  return get16(bytes, at + IPV4.totalLength);
}

/** In units of 8 bytes. */
export function ipv4FragmentOffset(bytes: Uint8Array, at: number): number {
  return get16(bytes, at + IPV4.fragment) & 0x1fff;
}

export function ipv4Protocol(bytes: Uint8Array, at: number): number {
  return bytes[at + IPV4.protocol]!;
}

export function ipv4Source(bytes: Uint8Array, at: number): number {
  return get32(bytes, at + IPV4.source);
}

export function ipv4Destination(bytes: Uint8Array, at: number): number {
  return get32(bytes, at + IPV4.destination);
}

export function ipv4ChecksumHolds(bytes: Uint8Array, at: number): boolean {
  return checksum(bytes, at, ipv4HeaderLength(bytes, at)) === 0;
}

/** 32-bit number of a dotted address; for tests and configuration. */
export function ipv4Number(text: string): number {
  return text.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
}

export function ipv4Text(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join(".");
}

/**
 * Builds a packet and finishes the checksum of its transport.
 * @param fields.transportChecksum `full` (default), `partial` (pseudo-header sum only, as with
 *   NEEDS_CSUM) or `keep` (the payload's bytes are left alone).
 */
export function buildIpv4(fields: {
  source: string;
  destination: string;
  protocol: number;
  payload?: Uint8Array;
  ttl?: number;
  tos?: number;
  identification?: number;
  /** Flags and offset, as on the wire. */
  fragment?: number;
  /** A multiple of 4 bytes. */
  options?: Uint8Array;
  transportChecksum?: "full" | "partial" | "keep";
}): Uint8Array {
  const payload = fields.payload ?? new Uint8Array(0);
  const options = fields.options ?? new Uint8Array(0);
  const header = IPV4.headerMin + options.length;
  const bytes = new Uint8Array(header + payload.length);
  bytes[0] = 0x40 | (header / 4);
  bytes[IPV4.tos] = fields.tos ?? 0;
  put16(bytes, IPV4.totalLength, bytes.length);
  put16(bytes, IPV4.identification, fields.identification ?? 0);
  put16(bytes, IPV4.fragment, fields.fragment ?? 0);
  bytes[IPV4.ttl] = fields.ttl ?? 64;
  bytes[IPV4.protocol] = fields.protocol;
  put32(bytes, IPV4.source, ipv4Number(fields.source));
  put32(bytes, IPV4.destination, ipv4Number(fields.destination));
  bytes.set(options, IPV4.headerMin);
  bytes.set(payload, header);
  put16(bytes, IPV4.checksum, checksum(bytes, 0, header));
  finishTransport(bytes, {
    at: header,
    protocol: fields.protocol,
    pseudoSum: pseudoSumIpv4(bytes, 0, fields.protocol, payload.length),
    mode: fields.transportChecksum ?? "full",
  });
  return bytes;
}
