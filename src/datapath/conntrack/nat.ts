// Address translation: which addresses and ports a new connection gets, and the rewriting of
// packets and of the packets that ICMP errors carry (Open vSwitch 3.1, lib/conntrack.c
// nat_get_unique_tuple, nat_packet, nat_inner_packet). Each worker; no allocation per packet.
// Checksums follow, partial ones as well.
import { rehash } from "../../flow/key.js";
import type { Nat } from "../../flow/types.js";
import { get16, get32, put16, put32 } from "../../wire/bytes.js";
import { checksum, pseudoSumIpv6, updateChecksum32 } from "../../wire/checksum.js";
import { IP_PROTO, IPV4 } from "../../wire/ipv4.js";
import { IPV6 } from "../../wire/ipv6.js";
import {
  setIpv4Address,
  setIpv6AddressWord,
  setPort,
  type HeaderPlaces,
} from "../../wire/rewrite.js";
import { ICMP } from "../../wire/transport.js";
import { innerPacket, TUPLE } from "./tuple.js";

/** Whether a tuple of answers is still to be had. */
export type IsFree = (reply: Int32Array) => boolean;

/** Tries over ports of one address; a range that has fewer is tried whole. */
const PORT_TRIES = 65_536;
const ADDRESS_TRIES = 256;

/**
 * Changes the tuple of the answers so that they come to the translated address.
 * @param original tuple of the connection's first packet.
 * @param chance a number that differs from call to call, for `random`.
 * @returns false when everything in the range is taken.
 */
export function chooseTranslation(
  original: Int32Array,
  reply: Int32Array,
  nat: Nat,
  isFree: IsFree,
  chance: number,
): boolean {
  if (nat.range === null || nat.direction === null) return isFree(reply);
  let hash = nat.random ? chance : 0;
  for (let i = 0; i < TUPLE.words; i++) hash = rehash(hash, original[i]!);
  // Answers to a translated source have it as their destination.
  const isSource = nat.direction === "src";
  const address = isSource ? TUPLE.destination : TUPLE.source;
  const { first, last } = nat.range;
  const count = last === null ? 1 : Math.min(ADDRESS_TRIES, addressesIn(first, last));
  for (let i = 0; i < count; i++) {
    putAddress(reply, address, first, (hash + i) % (last === null ? 1 : addressesIn(first, last)));
    if (choosePort(original, reply, nat, hash, isFree)) return true;
  }
  return false;
}

function choosePort(
  original: Int32Array,
  reply: Int32Array,
  nat: Nat,
  hash: number,
  isFree: IsFree,
): boolean {
  const protocol = original[TUPLE.kind]! & 0xff;
  const hasPorts =
    protocol === IP_PROTO.tcp || protocol === IP_PROTO.udp || protocol === IP_PROTO.sctp;
  if (!hasPorts) return isFree(reply);
  const { firstPort, lastPort } = nat.range!;
  if (nat.direction === "dst" && firstPort !== 0) {
    const last = Math.max(firstPort, lastPort);
    if (tryPorts(reply, TUPLE.from, firstPort, last, hash, isFree)) return true;
  }
  const own = original[TUPLE.from]! >>> 16;
  if (nat.direction === "src" && firstPort !== 0) {
    return tryPorts(reply, TUPLE.to, firstPort, Math.max(firstPort, lastPort), hash, isFree);
  }
  // The sender keeps its port if it can, and else gets one of the same kind.
  const [low, high] = own < 512 ? [1, 511] : own < 1024 ? [600, 1023] : [1024, 65_535];
  return tryPorts(reply, TUPLE.to, low, high, own - low, isFree);
}

function tryPorts(
  reply: Int32Array,
  end: number,
  low: number,
  high: number,
  start: number,
  isFree: IsFree,
): boolean {
  const count = high - low + 1;
  const kept = reply[end]!;
  for (let i = 0; i < Math.min(count, PORT_TRIES); i++) {
    reply[end] = (low + ((((start + i) % count) + count) % count)) << 16;
    if (isFree(reply)) return true;
  }
  reply[end] = kept;
  return false;
}

/** Addresses of a range, as many as fit 32 bits. */
function addressesIn(first: Uint8Array, last: Uint8Array): number {
  const at = first.length - 4;
  return Math.max(1, (get32(last, at) >>> 0) - (get32(first, at) >>> 0) + 1);
}

/** Writes the address `offset` after `first`. */
function putAddress(tuple: Int32Array, at: number, first: Uint8Array, offset: number): void {
  const words = first.length / 4;
  for (let i = 0; i < words; i++) tuple[at + i] = get32(first, 4 * i);
  tuple[at + words - 1] = tuple[at + words - 1]! + offset;
}

/**
 * Gives a packet the addresses and ports that its connection's other direction expects.
 * @param words where `other` lies, the tuple of the packets that answer this one.
 */
export function translatePacket(
  bytes: Uint8Array,
  places: HeaderPlaces,
  words: Int32Array,
  other: number,
  partial: boolean,
): void {
  const { kind, protocol } = places;
  for (let i = 0; i < (kind === 6 ? 4 : 1); i++) {
    const source = words[other + TUPLE.destination + i]!;
    const destination = words[other + TUPLE.source + i]!;
    if (kind === 4) {
      setIpv4Address(bytes, places, IPV4.source, source, partial);
      setIpv4Address(bytes, places, IPV4.destination, destination, partial);
    } else {
      setIpv6AddressWord(bytes, places, IPV6.source + 4 * i, source, partial);
      setIpv6AddressWord(bytes, places, IPV6.destination + 4 * i, destination, partial);
    }
  }
  if (protocol === IP_PROTO.icmp || protocol === IP_PROTO.icmpv6) return;
  setPort(bytes, places, 0, words[other + TUPLE.to]! >>> 16, partial);
  setPort(bytes, places, 2, words[other + TUPLE.from]! >>> 16, partial);
}

/**
 * The same for an ICMP error: the packet inside, which goes the other way, is translated like its
 * own kind; the sender of the error is left alone unless it is an end of the connection.
 * @param other tuple of the packets that go against the error.
 * @param own tuple of the packets that go the way of the error.
 */
export function translateError(
  bytes: Uint8Array,
  places: HeaderPlaces,
  words: Int32Array,
  other: number,
  own: number,
): void {
  const inner = innerPacket(bytes, places);
  if (inner < 0) return;
  const isV6 = places.kind === 6;
  const count = isV6 ? 4 : 1;
  const at = inner + (isV6 ? IPV6.source : IPV4.source);
  const outer = places.network + (isV6 ? IPV6.source : IPV4.source);
  const senderIsEnd = sameAddress(bytes, outer, words, own + TUPLE.source, count);
  for (let i = 0; i < count; i++) {
    const source = words[other + TUPLE.source + i]!;
    const destination = words[other + TUPLE.destination + i]!;
    setInner(bytes, inner, at + 4 * i, source, isV6);
    setInner(bytes, inner, at + 4 * (count + i), destination, isV6);
    // Outer addresses: to the inner packet's sender; from an end only if an end sent it.
    setOuter(bytes, places, count + i, source);
    if (senderIsEnd) setOuter(bytes, places, i, destination);
  }
  const transport = inner + (isV6 ? IPV6.header : (bytes[inner]! & 15) * 4);
  const protocol = bytes[inner + (isV6 ? IPV6.nextHeader : IPV4.protocol)]!;
  if (protocol !== IP_PROTO.icmp && protocol !== IP_PROTO.icmpv6) {
    put16(bytes, transport, words[other + TUPLE.from]! >>> 16);
    put16(bytes, transport + 2, words[other + TUPLE.to]! >>> 16);
  }
  sumIcmp(bytes, places, isV6);
}

function sameAddress(
  bytes: Uint8Array,
  at: number,
  words: Int32Array,
  tuple: number,
  count: number,
): boolean {
  for (let i = 0; i < count; i++) {
    if ((get32(bytes, at + 4 * i) | 0) !== words[tuple + i]) return false;
  }
  return true;
}

function setInner(
  bytes: Uint8Array,
  inner: number,
  at: number,
  value: number,
  isV6: boolean,
): void {
  if (!isV6) {
    const field = inner + IPV4.checksum;
    const sum = updateChecksum32(get16(bytes, field), get32(bytes, at), value >>> 0);
    put16(bytes, field, sum);
  }
  put32(bytes, at, value >>> 0);
}

/** @param word 0 the source (IPv6: to 3), then the destination. */
function setOuter(bytes: Uint8Array, places: HeaderPlaces, word: number, value: number): void {
  if (places.kind === 4) {
    const place = word === 0 ? IPV4.source : IPV4.destination;
    setIpv4Address(bytes, places, place, value, false);
  } else {
    setIpv6AddressWord(bytes, places, IPV6.source + 4 * word, value, false);
  }
}

function sumIcmp(bytes: Uint8Array, places: HeaderPlaces, isV6: boolean): void {
  const { network, transport, end } = places;
  const field = transport + ICMP.checksum;
  put16(bytes, field, 0);
  const length = end - transport;
  const pseudo = isV6 ? pseudoSumIpv6(bytes, network, IP_PROTO.icmpv6, length) : 0;
  put16(bytes, field, checksum(bytes, transport, length, pseudo));
}
