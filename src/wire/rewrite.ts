// Changing header fields in place, checksums following by incremental update (RFC 1624), as
// packet_set_* in Open vSwitch (lib/packets.c, 3.1). Hot path: no allocation, no exceptions.
//
// Every function takes the `HeaderPlaces` that `locateHeaders` filled, and does nothing when the
// header it changes is not there; a flow's prerequisites normally see to it that it is.
//
// `partial` means that the transport's checksum was left to the device (vnet NEEDS_CSUM): the field
// then holds the sum of the pseudo-header, which changes with addresses and with nothing else.
import { ARP, checkArp } from "./arp.js";
import { get16, get32, put16, put32 } from "./bytes.js";
import {
  getSctpChecksum,
  putSctpChecksum,
  sctpChecksum,
  updateChecksum16,
  updateChecksum32,
  updatePartial32,
} from "./checksum.js";
import { ETHERNET, isVlanType } from "./ethernet.js";
import {
  IPV4,
  checkIpv4Lengths,
  ipv4FragmentOffset,
  ipv4HeaderLength,
  ipv4TotalLength,
} from "./ipv4.js";
import {
  IPV6,
  checkIpv6Lengths,
  ipv6PayloadLength,
  setIpv6Label,
  setIpv6TrafficClass,
} from "./ipv6.js";
import { ICMP, ND, checksumPlace } from "./transport.js";

/** Where the headers of one frame lie. One object per worker, reused. */
export interface HeaderPlaces {
  /** The Ethernet header. */
  frame: number;
  /** The network header, or -1. */
  network: number;
  /** 4, 6, or 0x806 for ARP; 0 for anything else. */
  kind: number;
  /** The transport header, or -1 (in later fragments, and behind broken extension headers). */
  transport: number;
  /** Protocol number of the transport, or -1. */
  protocol: number;
  /** End of the IP packet (padding excluded). */
  end: number;
}

export function newHeaderPlaces(): HeaderPlaces {
  return { frame: 0, network: -1, kind: 0, transport: -1, protocol: -1, end: 0 };
}

const EXTENSION_HEADERS_MAX = 16;
/** With more than this behind the IP packet, key extraction does not believe the header either. */
const PADDING_MAX = 255;

/** Finds the headers of a frame; see `HeaderPlaces`. */
export function locateHeaders(
  bytes: Uint8Array,
  frame: number,
  length: number,
  out: HeaderPlaces,
): void {
  const end = frame + length;
  out.frame = frame;
  out.network = -1;
  out.kind = 0;
  out.transport = -1;
  out.protocol = -1;
  out.end = end;
  if (length < ETHERNET.header) return;
  let at = frame + ETHERNET.header;
  for (let tags = 0; tags < 2 && isVlanType(get16(bytes, at - 2)); tags++) {
    if (at + ETHERNET.tag > end) return;
    at += ETHERNET.tag;
  }
  const type = get16(bytes, at - 2);
  if (type === 0x0800 && checkIpv4Lengths(bytes, at, end - at) === 0) {
    const total = ipv4TotalLength(bytes, at);
    if (end - at - total > PADDING_MAX) return;
    out.network = at;
    out.kind = 4;
    out.protocol = bytes[at + IPV4.protocol]!;
    out.end = at + total;
    if (ipv4FragmentOffset(bytes, at) === 0) out.transport = at + ipv4HeaderLength(bytes, at);
  } else if (type === 0x86dd && checkIpv6Lengths(bytes, at, end - at) === 0) {
    const total = IPV6.header + ipv6PayloadLength(bytes, at);
    if (end - at - total > PADDING_MAX) return;
    out.network = at;
    out.kind = 6;
    out.end = at + total;
    locateIpv6Transport(bytes, at, out);
  } else if ((type === 0x0806 || type === 0x8035) && checkArp(bytes, at, end - at) === 0) {
    out.network = at;
    out.kind = 0x806;
  }
}

function locateIpv6Transport(bytes: Uint8Array, ip: number, out: HeaderPlaces): void {
  let next = bytes[ip + IPV6.nextHeader]!;
  let at = ip + IPV6.header;
  for (let i = 0; i < EXTENSION_HEADERS_MAX; i++) {
    const isExtension = next === 0 || next === 43 || next === 60 || next === 51 || next === 44;
    if (!isExtension) {
      out.transport = at;
      out.protocol = next;
      return;
    }
    if (at + 8 > out.end) return;
    if (next === 44 && (get16(bytes, at + 2) & 0xfff8) !== 0) return;
    const units = bytes[at + 1]!;
    const size = next === 44 ? 8 : next === 51 ? (units + 2) * 4 : (units + 1) * 8;
    next = bytes[at]!;
    at += size;
    if (at > out.end) return;
  }
}

/** The transport's checksum field, or -1 when the protocol has none or it lies past the end. */
function transportChecksum(places: HeaderPlaces): number {
  if (places.transport < 0) return -1;
  const place = checksumPlace(places.protocol);
  if (place < 0) return -1;
  const at = places.transport + place;
  if (at + 2 > places.end) return -1;
  return at;
}

/** UDP writes a checksum of 0 as 0xffff, because 0 means that there is none (RFC 768). */
function storeChecksum(bytes: Uint8Array, places: HeaderPlaces, at: number, value: number): void {
  put16(bytes, at, value === 0 && places.protocol === 17 ? 0xffff : value);
}

function isAbsentUdp(bytes: Uint8Array, places: HeaderPlaces, at: number): boolean {
  return places.protocol === 17 && get16(bytes, at) === 0;
}

/** A 32-bit word that the pseudo-header contains changes: the transport's checksum follows. */
function followAddress(
  bytes: Uint8Array,
  places: HeaderPlaces,
  before: number,
  after: number,
  partial: boolean,
): void {
  // ICMP for IPv4 has no pseudo-header.
  if (places.protocol === 1) return;
  const at = transportChecksum(places);
  if (at < 0) return;
  if (partial) {
    put16(bytes, at, updatePartial32(get16(bytes, at), before, after));
  } else if (!isAbsentUdp(bytes, places, at)) {
    storeChecksum(bytes, places, at, updateChecksum32(get16(bytes, at), before, after));
  }
}

/** A 16-bit word inside the transport changes; nothing to do for partial checksums. */
function followTransport16(
  bytes: Uint8Array,
  places: HeaderPlaces,
  before: number,
  after: number,
): void {
  const at = transportChecksum(places);
  if (at < 0 || isAbsentUdp(bytes, places, at)) return;
  storeChecksum(bytes, places, at, updateChecksum16(get16(bytes, at), before, after));
}

/** Changes an IPv4 address. @param place IPV4.source or IPV4.destination. */
export function setIpv4Address(
  bytes: Uint8Array,
  places: HeaderPlaces,
  place: number,
  value: number,
  partial: boolean,
): void {
  if (places.kind !== 4) return;
  const at = places.network + place;
  const before = get32(bytes, at);
  const after = value >>> 0;
  if (before === after) return;
  followAddress(bytes, places, before, after, partial);
  const field = places.network + IPV4.checksum;
  put16(bytes, field, updateChecksum32(get16(bytes, field), before, after));
  put32(bytes, at, after);
}

/**
 * Changes one 32-bit word of an IPv6 address; four calls change it all.
 * @param place IPV6.source or IPV6.destination, plus 0, 4, 8 or 12.
 */
export function setIpv6AddressWord(
  bytes: Uint8Array,
  places: HeaderPlaces,
  place: number,
  value: number,
  partial: boolean,
): void {
  if (places.kind !== 6) return;
  const at = places.network + place;
  const before = get32(bytes, at);
  const after = value >>> 0;
  if (before === after) return;
  followAddress(bytes, places, before, after, partial);
  put32(bytes, at, after);
}

/** Changes a 16-bit word of the IPv4 header, its checksum following. */
function setIpv4Half(bytes: Uint8Array, ip: number, place: number, after: number): void {
  const before = get16(bytes, ip + place);
  const field = ip + IPV4.checksum;
  put16(bytes, field, updateChecksum16(get16(bytes, field), before, after));
  put16(bytes, ip + place, after);
}

/** Sets the whole TOS byte or traffic class (DSCP and ECN). */
export function setTos(bytes: Uint8Array, places: HeaderPlaces, tos: number): void {
  if (places.kind === 4) {
    const first = bytes[places.network]!;
    setIpv4Half(bytes, places.network, IPV4.versionLength, (first << 8) | (tos & 0xff));
  } else if (places.kind === 6) {
    setIpv6TrafficClass(bytes, places.network, tos & 0xff);
  }
}

/** Sets TTL or hop limit. */
export function setTtl(bytes: Uint8Array, places: HeaderPlaces, ttl: number): void {
  if (places.kind === 4) {
    const protocol = bytes[places.network + IPV4.protocol]!;
    setIpv4Half(bytes, places.network, IPV4.ttl, ((ttl & 0xff) << 8) | protocol);
  } else if (places.kind === 6) {
    bytes[places.network + IPV6.hopLimit] = ttl;
  }
}

/** Sets the 20-bit flow label. */
export function setFlowLabel(bytes: Uint8Array, places: HeaderPlaces, label: number): void {
  if (places.kind === 6) setIpv6Label(bytes, places.network, label & 0xfffff);
}

/**
 * Sets a port of TCP, UDP or SCTP.
 * @param place 0 for the source port, 2 for the destination port.
 */
export function setPort(
  bytes: Uint8Array,
  places: HeaderPlaces,
  place: number,
  value: number,
  partial: boolean,
): void {
  const { transport, protocol, end } = places;
  if (transport < 0 || transport + 4 > end) return;
  if (protocol !== 6 && protocol !== 17 && protocol !== 132) return;
  const at = transport + place;
  const before = get16(bytes, at);
  if (before === value) return;
  if (protocol === 132) {
    if (transport + 12 > end) return;
    if (partial) return put16(bytes, at, value);
    // What was wrong stays as wrong as it was (packet_set_sctp_port).
    const before = getSctpChecksum(bytes, transport) ^ sctpChecksum(bytes, transport, end);
    put16(bytes, at, value);
    putSctpChecksum(bytes, transport, before ^ sctpChecksum(bytes, transport, end));
    return;
  }
  if (!partial) followTransport16(bytes, places, before, value);
  put16(bytes, at, value);
}

/** Sets type and code of ICMP or ICMPv6. */
export function setIcmp(
  bytes: Uint8Array,
  places: HeaderPlaces,
  type: number,
  code: number,
  partial: boolean,
): void {
  const { transport, protocol, end } = places;
  if ((protocol !== 1 && protocol !== 58) || transport < 0 || transport + 4 > end) return;
  const before = get16(bytes, transport + ICMP.type);
  const after = ((type & 0xff) << 8) | (code & 0xff);
  if (!partial) followTransport16(bytes, places, before, after);
  put16(bytes, transport + ICMP.type, after);
}

/** Changes a 32-bit word of the neighbor-discovery target: `word` 0 to 3. */
export function setNdTargetWord(
  bytes: Uint8Array,
  places: HeaderPlaces,
  word: number,
  value: number,
  partial: boolean,
): void {
  if (!isNd(bytes, places)) return;
  setTransport32(bytes, places, places.transport + ND.target + 4 * word, value >>> 0, partial);
}

/** True when a solicitation or advertisement with its target is there. */
function isNd(bytes: Uint8Array, places: HeaderPlaces): boolean {
  const { transport, protocol, end } = places;
  if (protocol !== 58 || transport < 0 || transport + ND.options > end) return false;
  return bytes[transport] === ND.solicit || bytes[transport] === ND.advert;
}

function setTransport32(
  bytes: Uint8Array,
  places: HeaderPlaces,
  at: number,
  after: number,
  partial: boolean,
): void {
  if (!partial) {
    followTransport16(bytes, places, get16(bytes, at), after >>> 16);
    followTransport16(bytes, places, get16(bytes, at + 2), after & 0xffff);
  }
  put32(bytes, at, after);
}

/**
 * Sets the link-layer address of the first ND option of a kind, if there is one.
 * @param link.kind 1: source link-layer address; 2: target link-layer address.
 * @param link.high,low the MAC's upper 16 and lower 32 bits.
 */
export function setNdLinkAddress(
  bytes: Uint8Array,
  places: HeaderPlaces,
  link: { kind: number; high: number; low: number },
  partial: boolean,
): void {
  if (!isNd(bytes, places)) return;
  const { end } = places;
  for (let at = places.transport + ND.options; at + 8 <= end;) {
    const size = bytes[at + 1]! * 8;
    if (size === 0 || at + size > end) return;
    if (bytes[at] === link.kind && size === 8) {
      if (!partial) followTransport16(bytes, places, get16(bytes, at + 2), link.high);
      put16(bytes, at + 2, link.high);
      setTransport32(bytes, places, at + 4, link.low >>> 0, partial);
      return;
    }
    at += size;
  }
}

/** Sets the 16-bit ARP operation. */
export function setArpOperation(bytes: Uint8Array, places: HeaderPlaces, value: number): void {
  if (places.kind === 0x806) put16(bytes, places.network + ARP.operation, value);
}

/** Sets an ARP protocol address. @param place ARP.senderIp or ARP.targetIp. */
export function setArpAddress(
  bytes: Uint8Array,
  places: HeaderPlaces,
  place: number,
  value: number,
): void {
  if (places.kind === 0x806) put32(bytes, places.network + place, value);
}

/** Sets an ARP hardware address. @param place ARP.senderMac or ARP.targetMac. */
export function setArpMac(
  bytes: Uint8Array,
  places: HeaderPlaces,
  place: number,
  mac: { high: number; low: number },
): void {
  if (places.kind !== 0x806) return;
  put16(bytes, places.network + place, mac.high);
  put32(bytes, places.network + place + 2, mac.low);
}
