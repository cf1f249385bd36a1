// The tuple of a connection as a packet shows it: addresses, ports or ICMP identifier, protocol and
// zone (Open vSwitch 3.1, lib/conntrack.c conn_key_extract). Each worker, per tracked packet; no
// allocation. Packets with wrong checksums have none: they are invalid.
import { checksum, checksumHolds, pseudoSumIpv4, pseudoSumIpv6 } from "../../wire/checksum.js";
import { get16, get32 } from "../../wire/bytes.js";
import { IP_PROTO, IPV4 } from "../../wire/ipv4.js";
import { IPV6 } from "../../wire/ipv6.js";
import type { HeaderPlaces } from "../../wire/rewrite.js";
import { ICMP, TCP, UDP } from "../../wire/transport.js";

/**
 * Words of a tuple: addresses of four words each (IPv4: the first), then an end point each way,
 * then zone << 16 | isIpv6 << 8 | protocol. An end point is port << 16, or ICMP's identifier << 16
 * | type << 8 | code; the destination's has the type of the answer.
 */
export const TUPLE = { source: 0, destination: 4, from: 8, to: 9, kind: 10, words: 11 } as const;

/** What `extractTuple` found. */
export const FOUND = {
  none: 0,
  plain: 1,
  /** The tuple is that of the packet an ICMP error is about, turned round. */
  related: 2,
} as const;

const IPV6_FLAG = 0x100;
/** ICMP errors carry the head of the packet they are about. */
const ICMP_ERRORS: readonly number[] = [3, 4, 5, 11, 12];
const ICMPV6_ERRORS: readonly number[] = [1, 2, 3, 4];
const ICMP_ANSWERS: ReadonlyMap<number, number> = new Map([
  ...[[8, 0] as const, [0, 8] as const, [13, 14] as const, [14, 13] as const],
  ...[[15, 16] as const, [16, 15] as const],
]);
const ICMPV6_ANSWERS: ReadonlyMap<number, number> = new Map([
  [128, 129],
  [129, 128],
]);

/**
 * Fills a tuple from a packet.
 * @param trusted nobody needs to check the sums: they are still to be made, or were checked before.
 * @returns one of FOUND.
 */
export function extractTuple(
  bytes: Uint8Array,
  places: HeaderPlaces,
  zone: number,
  trusted: boolean,
  tuple: Int32Array,
): number {
  const { network, kind, transport, protocol, end } = places;
  if ((kind !== 4 && kind !== 6) || transport < 0) return FOUND.none;
  if (!trusted && !sumsHold(bytes, places)) return FOUND.none;
  putAddresses(bytes, network, kind === 6, tuple);
  tuple[TUPLE.kind] = (zone << 16) | (kind === 6 ? IPV6_FLAG : 0) | protocol;
  if (protocol !== IP_PROTO.icmp && protocol !== IP_PROTO.icmpv6) {
    return putPorts(bytes, transport, end, protocol, tuple) ? FOUND.plain : FOUND.none;
  }
  if (transport + ICMP.header > end) return FOUND.none;
  const isV6 = protocol === IP_PROTO.icmpv6;
  const type = bytes[transport + ICMP.type]!;
  const errors = isV6 ? ICMPV6_ERRORS : ICMP_ERRORS;
  if (!errors.includes(type)) return putEcho(bytes, transport, isV6, tuple);
  return extractInner(bytes, transport + ICMP.header, end, zone, isV6, tuple);
}

/** Where the packet that an ICMP error is about begins; -1: its head is not there. */
export function innerPacket(bytes: Uint8Array, places: HeaderPlaces): number {
  const at = places.transport + ICMP.header;
  const header = places.kind === 6 ? IPV6.header : 20;
  return at + header + 8 <= places.end && bytes[at]! >>> 4 === places.kind ? at : -1;
}

function extractInner(
  bytes: Uint8Array,
  at: number,
  end: number,
  zone: number,
  isV6: boolean,
  tuple: Int32Array,
): number {
  const header = isV6 ? IPV6.header : (bytes[at]! & 15) * 4;
  if (at + header + 8 > end || bytes[at]! >>> 4 !== (isV6 ? 6 : 4)) return FOUND.none;
  const protocol = bytes[at + (isV6 ? IPV6.nextHeader : IPV4.protocol)]!;
  putAddresses(bytes, at, isV6, tuple);
  tuple[TUPLE.kind] = (zone << 16) | (isV6 ? IPV6_FLAG : 0) | protocol;
  const transport = at + header;
  if (protocol === IP_PROTO.icmp || protocol === IP_PROTO.icmpv6) {
    if (putEcho(bytes, transport, isV6, tuple) === FOUND.none) return FOUND.none;
  } else {
    tuple[TUPLE.from] = get16(bytes, transport) << 16;
    tuple[TUPLE.to] = get16(bytes, transport + 2) << 16;
  }
  reverseTuple(tuple);
  return FOUND.related;
}

function putAddresses(bytes: Uint8Array, network: number, isV6: boolean, tuple: Int32Array): void {
  tuple.fill(0);
  const at = network + (isV6 ? IPV6.source : IPV4.source);
  const words = isV6 ? 4 : 1;
  for (let i = 0; i < words; i++) {
    tuple[TUPLE.source + i] = get32(bytes, at + 4 * i);
    tuple[TUPLE.destination + i] = get32(bytes, at + 4 * (words + i));
  }
}

/** Protocols without ports are told apart by their addresses alone. */
function putPorts(
  bytes: Uint8Array,
  transport: number,
  end: number,
  protocol: number,
  tuple: Int32Array,
): boolean {
  const isTcp = protocol === IP_PROTO.tcp;
  if (!isTcp && protocol !== IP_PROTO.udp && protocol !== IP_PROTO.sctp) return true;
  if (transport + (isTcp ? TCP.headerMin : UDP.header) > end) return false;
  tuple[TUPLE.from] = get16(bytes, transport) << 16;
  tuple[TUPLE.to] = get16(bytes, transport + 2) << 16;
  return true;
}

function putEcho(bytes: Uint8Array, at: number, isV6: boolean, tuple: Int32Array): number {
  const type = bytes[at + ICMP.type]!;
  const answer = (isV6 ? ICMPV6_ANSWERS : ICMP_ANSWERS).get(type);
  if (answer === undefined) return FOUND.none;
  const id = get16(bytes, at + ICMP.rest) << 16;
  const code = bytes[at + ICMP.code]!;
  tuple[TUPLE.from] = id | (type << 8) | code;
  tuple[TUPLE.to] = id | (answer << 8) | code;
  return FOUND.plain;
}

/** Turns a tuple round: the packets that answer. */
export function reverseTuple(tuple: Int32Array): void {
  for (let i = 0; i < 4; i++) swap(tuple, TUPLE.source + i, TUPLE.destination + i);
  swap(tuple, TUPLE.from, TUPLE.to);
}

function swap(words: Int32Array, a: number, b: number): void {
  const word = words[a]!;
  words[a] = words[b]!;
  words[b] = word;
}

function sumsHold(bytes: Uint8Array, places: HeaderPlaces): boolean {
  const { network, kind, transport, protocol, end } = places;
  if (kind === 4 && checksum(bytes, network, (bytes[network]! & 15) * 4) !== 0) return false;
  const length = end - transport;
  if (protocol === IP_PROTO.icmp) return checksumHolds(bytes, transport, end, 0);
  if (protocol === IP_PROTO.udp && length >= UDP.header) {
    if (kind === 4 && get16(bytes, transport + UDP.checksum) === 0) return true;
  } else if (protocol !== IP_PROTO.tcp && protocol !== IP_PROTO.icmpv6) {
    return true;
  }
  const pseudo =
    kind === 4
      ? pseudoSumIpv4(bytes, network, protocol, length)
      : pseudoSumIpv6(bytes, network, protocol, length);
  return checksumHolds(bytes, transport, end, pseudo);
}
