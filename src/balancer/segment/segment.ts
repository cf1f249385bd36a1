// One TCP segment or UDP datagram being edited where it lies, in a worker's frame slot, vnet header
// in front. Between `openSegment` and `sealSegment` the other files of this folder change
// addresses, ports, numbers and options and pay no heed to checksums; sealing brings them up to
// date once.
// Owned by one queue worker; hot path: no allocation, no exception.
//
//   | floor ... free | vnet header | Ethernet | IP | TCP or UDP header | payload | padding |
//
// Headers grow towards lower addresses, the payload stays: 20 bytes more in a 64 KiB super-frame
// move a hundred bytes, not 64 thousand.
//
// Checksums follow by difference (RFC 1624) over the headers, before against after. A payload that
// arrived damaged therefore leaves damaged and the receiver notices; recomputed in full, as DPVS
// does it, the checksum would vouch for the damage. A partial checksum (vnet NEEDS_CSUM) is the sum
// of the pseudo-header and nothing else, so it is written anew.
import { get16, put16 } from "../../wire/bytes.js";
import { foldSum, pseudoSumIpv4, pseudoSumIpv6, sumBytes } from "../../wire/checksum.js";
import { IP_PROTO, IPV4, ipv4HeaderLength } from "../../wire/ipv4.js";
import { IPV6, IPV6_EXTENSION } from "../../wire/ipv6.js";
import { type HeaderPlaces, locateHeaders, newHeaderPlaces } from "../../wire/rewrite.js";
import { checkTcp, checksumPlace, checkUdp, tcpHeaderLength, UDP } from "../../wire/transport.js";
import {
  checkVnetHeader,
  isGso,
  needsChecksum,
  shiftVnetOffsets,
  vnetChecksumOffset,
  vnetChecksumStart,
  vnetGsoSize,
} from "../../wire/vnet-header.js";
import { REFUSAL } from "./refusals.js";

/** A frame as the worker has it; edits change all but the buffer. */
export interface EditableFrame {
  readonly bytes: Uint8Array;
  /** The Ethernet header. */
  offset: number;
  /** Bytes of the frame, without the vnet header. */
  length: number;
  /** The 12-byte vnet header, directly in front of the frame; -1 without one. */
  vnetOffset: number;
}

/** What is known about the segment in hand. One object per worker, reused. */
export interface Segment {
  frame: EditableFrame;
  /** Lowest index of the buffer that edits may write. */
  floor: number;
  /** Network and transport header, IP version, protocol, end of the packet. */
  readonly places: HeaderPlaces;
  /** The transport's checksum was left to the device. */
  isPartial: boolean;
  /** Payload of each packet that the frame will be cut into; 0 for an ordinary frame. */
  gsoSize: number;
  /** Folded sums of what the two checksums cover and edits may change, when it was opened. */
  networkSum: number;
  transportSum: number;
}

const NO_FRAME: EditableFrame = { bytes: new Uint8Array(0), offset: 0, length: 0, vnetOffset: -1 };

export function newSegment(): Segment {
  return {
    frame: NO_FRAME,
    floor: 0,
    places: newHeaderPlaces(),
    isPartial: false,
    gsoSize: 0,
    networkSum: 0,
    transportSum: 0,
  };
}

/** Bytes of the TCP or UDP header. */
function transportHeader(segment: Segment): number {
  const { places, frame } = segment;
  if (places.protocol === IP_PROTO.udp) return UDP.header;
  return tcpHeaderLength(frame.bytes, places.transport);
}

/** The TCP options lie from the 20th byte of the header to here. */
export function headersEnd(segment: Segment): number {
  return segment.places.transport + transportHeader(segment);
}

const MORE_FRAGMENTS = 0x2000;
const FRAGMENT_MASK = MORE_FRAGMENTS | 0x1fff;
const EXTENSIONS_MAX = 16;

/** Only after `locateHeaders` found a transport: every extension header up to it is in bounds. */
function isIpv6Fragment(bytes: Uint8Array, places: HeaderPlaces): boolean {
  let next = bytes[places.network + IPV6.nextHeader]!;
  let at = places.network + IPV6.header;
  for (let i = 0; i < EXTENSIONS_MAX && at < places.transport; i++) {
    if (next === IPV6_EXTENSION.fragment) return (get16(bytes, at + 2) & 0xfff9) !== 0;
    const units = bytes[at + 1]!;
    next = bytes[at]!;
    at += next === IPV6_EXTENSION.authentication ? (units + 2) * 4 : (units + 1) * 8;
  }
  return false;
}

function isFragment(bytes: Uint8Array, places: HeaderPlaces): boolean {
  if (places.kind === 6) return isIpv6Fragment(bytes, places);
  return (get16(bytes, places.network + IPV4.fragment) & FRAGMENT_MASK) !== 0;
}

/** Folded sum of the IPv4 header but its checksum; 0 for IPv6, which has none. */
function networkSum(bytes: Uint8Array, places: HeaderPlaces): number {
  if (places.kind !== 4) return 0;
  const ip = places.network;
  const sum = sumBytes(bytes, ip, ipv4HeaderLength(bytes, ip), 0);
  return foldSum(sum - get16(bytes, ip + IPV4.checksum));
}

/** Sum of the pseudo-header. */
function pseudoSum(bytes: Uint8Array, places: HeaderPlaces): number {
  const { network, protocol, transport, end } = places;
  return places.kind === 4
    ? pseudoSumIpv4(bytes, network, protocol, end - transport)
    : pseudoSumIpv6(bytes, network, protocol, end - transport);
}

/** Folded sum of pseudo-header and transport header but the checksum. */
function transportSum(segment: Segment): number {
  const { places, frame } = segment;
  const { bytes } = frame;
  const at = places.transport;
  const field = get16(bytes, at + checksumPlace(places.protocol));
  const sum = sumBytes(bytes, at, transportHeader(segment), pseudoSum(bytes, places));
  return foldSum(sum - field);
}

/** Whether the vnet header, if there is one, speaks of this very transport. */
function checkVnet(segment: Segment): number {
  const { frame, places } = segment;
  const { bytes, vnetOffset } = frame;
  segment.isPartial = false;
  segment.gsoSize = 0;
  if (vnetOffset < 0) return 0;
  const bad = REFUSAL["bad-vnet-header"];
  if (checkVnetHeader(bytes, vnetOffset, frame.offset, frame.length) !== 0) return bad;
  if (needsChecksum(bytes, vnetOffset)) {
    if (frame.offset + vnetChecksumStart(bytes, vnetOffset) !== places.transport) return bad;
    if (vnetChecksumOffset(bytes, vnetOffset) !== checksumPlace(places.protocol)) return bad;
    segment.isPartial = true;
  }
  if (isGso(bytes, vnetOffset)) segment.gsoSize = vnetGsoSize(bytes, vnetOffset);
  return 0;
}

/**
 * Finds the headers of a frame, whatever its transport. Nothing in it is changed.
 * @param floor lowest index of the buffer that may be written; at most where the frame (with its
 *   vnet header) begins.
 * @returns 0, or why it is no whole IP packet (`REFUSAL`).
 */
export function lookAt(segment: Segment, frame: EditableFrame, floor: number): number {
  const { places } = segment;
  segment.frame = frame;
  segment.floor = floor;
  locateHeaders(frame.bytes, frame.offset, frame.length, places);
  if (places.kind !== 4 && places.kind !== 6) return REFUSAL["not-ip"];
  if (places.transport < 0 || isFragment(frame.bytes, places)) return REFUSAL.fragment;
  segment.networkSum = networkSum(frame.bytes, places);
  return 0;
}

/**
 * Takes a frame for editing, if it is a TCP segment or a UDP datagram. Nothing in it is changed.
 * @param floor as in `lookAt`.
 * @returns 0, or why it cannot be edited (`REFUSAL`).
 */
export function openSegment(segment: Segment, frame: EditableFrame, floor: number): number {
  const unfit = lookAt(segment, frame, floor);
  if (unfit !== 0) return unfit;
  const { transport, protocol, end } = segment.places;
  if (protocol === IP_PROTO.tcp) {
    if (checkTcp(frame.bytes, transport, end - transport) !== 0) return REFUSAL.truncated;
  } else if (protocol === IP_PROTO.udp) {
    if (checkUdp(frame.bytes, transport, end - transport) !== 0) return REFUSAL.truncated;
  } else {
    return REFUSAL["not-tcp-or-udp"];
  }
  const refusal = checkVnet(segment);
  if (refusal === 0) segment.transportSum = transportSum(segment);
  return refusal;
}

/** RFC 1624, equation 3, over whole headers. */
function follow(stored: number, before: number, after: number): number {
  return ~foldSum((~stored & 0xffff) + (~before & 0xffff) + after) & 0xffff;
}

/** Brings both checksums up to date with what was edited since `openSegment`. */
export function sealSegment(segment: Segment): void {
  sealNetwork(segment);
  const { places, frame } = segment;
  const { bytes } = frame;
  const at = places.transport + checksumPlace(places.protocol);
  if (segment.isPartial) {
    put16(bytes, at, foldSum(pseudoSum(bytes, places)));
    return;
  }
  const stored = get16(bytes, at);
  const isUdp = places.protocol === IP_PROTO.udp;
  // 0 in UDP means that there is none, and stays.
  if (isUdp && stored === 0) return;
  const value = follow(stored, segment.transportSum, transportSum(segment));
  put16(bytes, at, isUdp && value === 0 ? 0xffff : value);
}

/** The checksum of the IPv4 header alone, where the transport was not edited. */
export function sealNetwork(segment: Segment): void {
  const { places, frame } = segment;
  if (places.kind !== 4) return;
  const at = places.network + IPV4.checksum;
  const after = networkSum(frame.bytes, places);
  put16(frame.bytes, at, follow(get16(frame.bytes, at), segment.networkSum, after));
}

/** Moves all headers below `at` by `by` bytes, and what is known about them. */
function moveHead(segment: Segment, at: number, by: number): void {
  const { frame, places } = segment;
  const start = frame.vnetOffset >= 0 ? frame.vnetOffset : frame.offset;
  frame.bytes.copyWithin(start + by, start, at);
  frame.offset += by;
  frame.length -= by;
  places.frame += by;
  places.network += by;
  const isBehindTransport = at > places.transport;
  if (isBehindTransport) places.transport += by;
  if (frame.vnetOffset < 0) return;
  frame.vnetOffset += by;
  shiftVnetOffsets(frame.bytes, frame.vnetOffset, -by, isBehindTransport ? 0 : -by);
}

function addIpLength(segment: Segment, delta: number): void {
  const { places, frame } = segment;
  const at = places.network + (places.kind === 4 ? IPV4.totalLength : IPV6.payloadLength);
  put16(frame.bytes, at, get16(frame.bytes, at) + delta);
}

/** Whether `size` more bytes of headers fit in front of the frame. */
export function hasHeadroom(segment: Segment, size: number): boolean {
  const { frame } = segment;
  const start = frame.vnetOffset >= 0 ? frame.vnetOffset : frame.offset;
  return start - size >= segment.floor;
}

/** Bytes of the IP packet. */
export function packetLength(segment: Segment): number {
  return segment.places.end - segment.places.network;
}

/**
 * Bytes of the longest packet that the frame stands for on a wire: the packet itself, or of a
 * super-frame headers and one `gso_size`.
 */
export function wireLength(segment: Segment): number {
  const { places, gsoSize } = segment;
  const headers = headersEnd(segment) - places.network;
  const payload = places.end - headersEnd(segment);
  return headers + (gsoSize > 0 && payload > gsoSize ? gsoSize : payload);
}

/**
 * Makes room of `size` bytes that ends at `at`, between the network header's fixed part and the
 * payload. The IP length follows; what the bytes are is the caller's. Only where `hasHeadroom`.
 * @returns where the room begins.
 */
export function openGap(segment: Segment, at: number, size: number): number {
  moveHead(segment, at, -size);
  addIpLength(segment, size);
  return at - size;
}

/** The opposite: takes the `size` bytes that begin at `at` out. */
export function closeGap(segment: Segment, at: number, size: number): void {
  moveHead(segment, at, size);
  addIpLength(segment, -size);
}
