// IPv6 (RFC 8200).
//
//   0                       4        6      7           8           24               40
//   | ver, class, label     | length | next | hop limit | source    | destination    |
//
// Any thread; no allocation except in the builder.
import { get16, get32, put16, put32 } from "./bytes.js";
import { pseudoSumIpv6 } from "./checksum.js";
import { finishTransport } from "./transport.js";

export const IPV6 = {
  versionClassLabel: 0,
  payloadLength: 4,
  nextHeader: 6,
  hopLimit: 7,
  source: 8,
  destination: 24,
  header: 40,
} as const;

/** Extension headers, by next-header number. */
export const IPV6_EXTENSION = {
  hopByHop: 0,
  routing: 43,
  fragment: 44,
  authentication: 51,
  destinationOptions: 60,
} as const;

/** 0, or 1 when the version is not 6 or header and payload do not fit into `length` bytes. */
export function checkIpv6(bytes: Uint8Array, at: number, length: number): number {
  if (length < IPV6.header || bytes[at]! >>> 4 !== 6) return 1;
  return checkIpv6Lengths(bytes, at, length);
}

/** As `checkIpv6`, whatever version the header says: what a switch asks for. */
export function checkIpv6Lengths(bytes: Uint8Array, at: number, length: number): number {
  if (length < IPV6.header) return 1;
  return get16(bytes, at + IPV6.payloadLength) > length - IPV6.header ? 1 : 0;
}

export function ipv6PayloadLength(bytes: Uint8Array, at: number): number {
  return get16(bytes, at + IPV6.payloadLength);
}

export function ipv6TrafficClass(bytes: Uint8Array, at: number): number {
  return (get16(bytes, at) >>> 4) & 0xff;
}

export function setIpv6TrafficClass(bytes: Uint8Array, at: number, value: number): void {
  put16(bytes, at, (get16(bytes, at) & 0xf00f) | (value << 4));
}

export function ipv6Label(bytes: Uint8Array, at: number): number {
  return get32(bytes, at) & 0xfffff;
}

export function setIpv6Label(bytes: Uint8Array, at: number, value: number): void {
  put32(bytes, at, (get32(bytes, at) & 0xfff00000) | value);
}

/** The 16 bytes of an address text; for tests and configuration. An empty group is all zeros. */
export function ipv6Bytes(text: string): Uint8Array {
  const [head = "", tail] = text.split("::");
  const first = head === "" ? [] : head.split(":");
  const last = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? 0 : 8 - first.length - last.length;
  const groups = [...first, ...new Array<string>(zeros).fill("0"), ...last];
  const bytes = new Uint8Array(16);
  groups.forEach((group, i) => put16(bytes, 2 * i, Number.parseInt(group, 16)));
  return bytes;
}

/** Builds a packet; `nextHeader` is the first one, `protocol` that of the transport in it. */
export function buildIpv6(fields: {
  source: string;
  destination: string;
  protocol: number;
  payload?: Uint8Array;
  hopLimit?: number;
  trafficClass?: number;
  label?: number;
  /** Bytes of extension headers, complete; the last one's next-header names the transport. */
  extensions?: { nextHeader: number; bytes: Uint8Array };
  transportChecksum?: "full" | "partial" | "keep";
}): Uint8Array {
  const payload = fields.payload ?? new Uint8Array(0);
  const extensions = fields.extensions?.bytes ?? new Uint8Array(0);
  const bytes = new Uint8Array(IPV6.header + extensions.length + payload.length);
  put32(bytes, 0, 0x60000000 | ((fields.trafficClass ?? 0) << 20) | (fields.label ?? 0));
  put16(bytes, IPV6.payloadLength, bytes.length - IPV6.header);
  bytes[IPV6.nextHeader] = fields.extensions?.nextHeader ?? fields.protocol;
  bytes[IPV6.hopLimit] = fields.hopLimit ?? 64;
  bytes.set(ipv6Bytes(fields.source), IPV6.source);
  bytes.set(ipv6Bytes(fields.destination), IPV6.destination);
  bytes.set(extensions, IPV6.header);
  const at = IPV6.header + extensions.length;
  bytes.set(payload, at);
  finishTransport(bytes, {
    at,
    protocol: fields.protocol,
    pseudoSum: pseudoSumIpv6(bytes, 0, fields.protocol, payload.length),
    mode: fields.transportChecksum ?? "full",
  });
  return bytes;
}
