// A client's address beside a UDP datagram (DPVS src/ipvs/ip_vs_proto_udp.c, kmod/uoa): put into
// the datagram's packet on its way to the server, or sent ahead of it in an empty datagram of its
// own where there is no room; and on the server's side read, and taken out where it would be in the
// way. By the worker that has the frame; hot path: no allocation, no exception.
import { put16 } from "../../wire/bytes.js";
import { checksum, pseudoSumIpv4, pseudoSumIpv6 } from "../../wire/checksum.js";
import { IP_PROTO, IPV4, ipv4HeaderLength } from "../../wire/ipv4.js";
import { IPV6 } from "../../wire/ipv6.js";
import { optionSize } from "../../wire/options/tcp-options.js";
import type { ClientAddress } from "../../wire/options/toa.js";
import {
  putUoa,
  putUoaHeader,
  readUoaHeader,
  readUoaOption,
  UOA,
  uoaHeaderLength,
  uoaSize,
} from "../../wire/options/uoa.js";
import { UDP } from "../../wire/transport.js";
import { putVnetHeader } from "../../wire/vnet-header.js";
import { REFUSAL } from "./refusals.js";
import {
  closeGap,
  type EditableFrame,
  hasHeadroom,
  lookAt,
  openGap,
  packetLength,
  sealNetwork,
  type Segment,
  wireLength,
} from "./segment.js";

/**
 * How the address travels: `option` as an IPv4 option, which servers without a decoder skip, for
 * IPv4 clients of IPv4 servers; `protocol` in a header of protocol 248, which somebody must take
 * out before the server's UDP sees the packet.
 */
export type UoaForm = "option" | "protocol";

const IP_LENGTH_MAX = 0xffff;
const IPV4_HEADER_MAX = 60;
const PLAIN_IPV4 = 0x45;
const DONT_FRAGMENT = 0x4000;
/** Kind 1, as in TCP. */
const NO_OPERATION = 1;

function uoaGrowth(client: ClientAddress, form: UoaForm): number {
  return uoaSize(client.family) + (form === "protocol" ? UOA.header : 0);
}

function isPossible(segment: Segment, client: ClientAddress, form: UoaForm): boolean {
  const { places, gsoSize } = segment;
  if (form === "option") return places.kind === 4 && client.family === 4;
  // The kernel cuts UDP super-frames only if the IP header names UDP; and a next header behind
  // extension headers of IPv6 is not looked for.
  const isPlain = places.kind === 4 || places.transport === places.network + IPV6.header;
  return isPlain && gsoSize === 0;
}

function checkRoom(segment: Segment, size: number, form: UoaForm, mtu: number): number {
  const { frame, places } = segment;
  if (mtu <= 0) return REFUSAL["unknown-mtu"];
  if (wireLength(segment) + size > mtu) return REFUSAL["needs-fragment"];
  if (packetLength(segment) + size > IP_LENGTH_MAX) return REFUSAL["needs-fragment"];
  if (form === "option") {
    const header = ipv4HeaderLength(frame.bytes, places.network);
    if (header + size > IPV4_HEADER_MAX) return REFUSAL["no-room"];
  }
  return hasHeadroom(segment, size) ? 0 : REFUSAL["no-buffer"];
}

function setProtocol(segment: Segment, protocol: number): void {
  const { places, frame } = segment;
  const place = places.kind === 4 ? IPV4.protocol : IPV6.nextHeader;
  frame.bytes[places.network + place] = protocol;
}

/**
 * Puts the client's address into a datagram's packet, between `openSegment` and `sealSegment`. The
 * UDP checksum covers nothing of it.
 * @param mtu bytes of an IP packet towards the server, 0 when unknown.
 * @returns 0, or why not (`REFUSAL`), with the packet untouched: `putStandaloneUoa` is left then.
 */
export function insertUoa(
  segment: Segment,
  client: ClientAddress,
  form: UoaForm,
  mtu: number,
): number {
  const { places, frame } = segment;
  if (places.protocol !== IP_PROTO.udp) return REFUSAL["not-tcp-or-udp"];
  if (!isPossible(segment, client, form)) return REFUSAL["no-such-form"];
  const size = uoaGrowth(client, form);
  const refusal = checkRoom(segment, size, form, mtu);
  if (refusal !== 0) return refusal;
  if (form === "protocol") {
    putUoaHeader(frame.bytes, openGap(segment, places.transport, size), client);
    setProtocol(segment, UOA.protocol);
    return 0;
  }
  const at = openGap(segment, places.network + IPV4.headerMin, size);
  putUoa(frame.bytes, at, client);
  frame.bytes[places.network] = frame.bytes[places.network]! + size / 4;
  return 0;
}

/**
 * Overwrites address options that the client sent itself with NOPs; the counterpart of `blankToas`.
 * Between `openSegment` and `sealSegment`. A header of protocol 248 from a client is no datagram
 * and gets no further than `openSegment`.
 */
export function blankUoas(segment: Segment): void {
  const { places, frame } = segment;
  if (places.kind !== 4) return;
  const end = places.network + ipv4HeaderLength(frame.bytes, places.network);
  let at = places.network + IPV4.headerMin;
  for (let size = 0; (size = optionSize(frame.bytes, at, end)) > 0; at += size) {
    if (frame.bytes[at] === UOA.kind) frame.bytes.fill(NO_OPERATION, at, at + size);
  }
}

/**
 * Writes the address in an empty datagram between the same addresses and ports, to be sent ahead of
 * a datagram that `insertUoa` refused. Without the IP options of the original (as DPVS does).
 * @param segment the datagram, addresses and ports already the server's.
 * @param out where to write: `bytes`, `offset` and `vnetOffset` say where, at most 120 bytes;
 *   `length` is set.
 */
export function putStandaloneUoa(
  segment: Segment,
  client: ClientAddress,
  form: UoaForm,
  out: EditableFrame,
): void {
  const { places, frame } = segment;
  const fixed = places.kind === 4 ? IPV4.headerMin : IPV6.header;
  const head = places.network - frame.offset + fixed;
  const { bytes, offset } = out;
  for (let i = 0; i < head; i++) bytes[offset + i] = frame.bytes[frame.offset + i]!;
  if (out.vnetOffset >= 0) putVnetHeader(bytes, out.vnetOffset, {});
  const ip = offset + head - fixed;
  let udp = offset + head;
  if (form === "option") udp += putUoa(bytes, udp, client);
  else udp += putUoaHeader(bytes, udp, client);
  const protocol = form === "option" ? IP_PROTO.udp : UOA.protocol;
  const length = udp + UDP.header - ip;
  if (places.kind === 4) {
    bytes[ip + IPV4.protocol] = protocol;
    putIpv4Lengths(bytes, ip, form === "option" ? udp - ip : fixed, length);
  } else {
    bytes[ip + IPV6.nextHeader] = protocol;
    put16(bytes, ip + IPV6.payloadLength, length - fixed);
  }
  for (let i = 0; i < UDP.length; i++) bytes[udp + i] = frame.bytes[places.transport + i]!;
  put16(bytes, udp + UDP.length, UDP.header);
  putEmptyUdpChecksum(bytes, ip, udp, places.kind);
  out.length = udp + UDP.header - offset;
}

function putIpv4Lengths(bytes: Uint8Array, ip: number, header: number, length: number): void {
  bytes[ip] = PLAIN_IPV4 + (header - IPV4.headerMin) / 4;
  put16(bytes, ip + IPV4.totalLength, length);
  // Not to be fragmented, so the identification means nothing (RFC 6864).
  put16(bytes, ip + IPV4.identification, 0);
  put16(bytes, ip + IPV4.fragment, DONT_FRAGMENT);
  put16(bytes, ip + IPV4.checksum, 0);
  put16(bytes, ip + IPV4.checksum, checksum(bytes, ip, header));
}

function putEmptyUdpChecksum(bytes: Uint8Array, ip: number, udp: number, kind: number): void {
  const sum = kind === 4 ? pseudoSumIpv4 : pseudoSumIpv6;
  put16(bytes, udp + UDP.checksum, 0);
  const value = checksum(bytes, udp, UDP.header, sum(bytes, ip, IP_PROTO.udp, UDP.header));
  put16(bytes, udp + UDP.checksum, value === 0 ? 0xffff : value);
}

/**
 * The server's side: reads the client's address from a frame that is on its way to the server, and
 * takes a header of protocol 248 out, so that the server's UDP gets a plain datagram; the IPv4
 * option stays where it is, servers skip it.
 * @param floor as in `openSegment`; the frame only becomes shorter.
 * @returns whether there was an address.
 */
export function takeUoa(
  segment: Segment,
  frame: EditableFrame,
  floor: number,
  out: ClientAddress,
): boolean {
  if (lookAt(segment, frame, floor) !== 0) return false;
  const { places } = segment;
  const { bytes } = frame;
  if (places.protocol === IP_PROTO.udp) {
    return places.kind === 4 && readUoaOption(bytes, places.network, out);
  }
  if (places.protocol !== UOA.protocol) return false;
  const at = places.transport;
  const size = uoaHeaderLength(bytes, at, places.end - at);
  if (size === 0) return false;
  const isRead = readUoaHeader(bytes, at, size, out);
  places.transport += size;
  places.protocol = IP_PROTO.udp;
  closeGap(segment, at, size);
  setProtocol(segment, IP_PROTO.udp);
  sealNetwork(segment);
  return isRead;
}
