// Putting a client's address into a TCP segment on its way to the server (DPVS tcp_in_add_toa,
// src/ipvs/ip_vs_proto_tcp.c): the option goes first, right behind the 20 bytes that each header
// has; the other options follow it. Between `openSegment` and `sealSegment`, by the worker that has
// the frame; hot path: no allocation, no exception.
import { TCP, TCP_FLAG, tcpFlags, tcpHeaderLength } from "../../wire/transport.js";
import {
  findOption,
  optionsBegin,
  optionSize,
  TCP_OPTION,
} from "../../wire/options/tcp-options.js";
import {
  type ClientAddress,
  isToa,
  putToa,
  toaSize,
  type ToaProfile,
} from "../../wire/options/toa.js";
import { get32, put16, get16 } from "../../wire/bytes.js";
import { REFUSAL } from "./refusals.js";
import {
  closeGap,
  hasHeadroom,
  headersEnd,
  openGap,
  packetLength,
  type Segment,
  wireLength,
} from "./segment.js";

const IP_LENGTH_MAX = 0xffff;
const WORD = 4;

/**
 * Whether the address belongs into this segment: every segment that acknowledges exactly the
 * server's SYN-ACK, i.e. the end of the handshake and all that follows until the client has seen
 * data of the server, retransmissions and FINs too; never a SYN or a RST. A lost handshake ACK is
 * thereby made good by the next segment.
 * @param firstAck sequence number of the server's SYN-ACK plus 1.
 */
export function wantsToa(segment: Segment, firstAck: number): boolean {
  const { bytes } = segment.frame;
  const tcp = segment.places.transport;
  const flags = tcpFlags(bytes, tcp);
  if ((flags & (TCP_FLAG.syn | TCP_FLAG.rst)) !== 0 || (flags & TCP_FLAG.ack) === 0) return false;
  return get32(bytes, tcp + TCP.acknowledgment) === firstAck >>> 0;
}

/**
 * DPVS's checks, in DPVS's order, for an option of `size` bytes.
 * @param saved bytes that pruning would take out of the header first.
 */
function checkRoom(segment: Segment, size: number, mtu: number, saved: number): number {
  if (mtu <= 0) return REFUSAL["unknown-mtu"];
  const grown = size - saved;
  if (wireLength(segment) + grown > mtu) return REFUSAL["needs-fragment"];
  if (packetLength(segment) + grown > IP_LENGTH_MAX) return REFUSAL["needs-fragment"];
  const header = tcpHeaderLength(segment.frame.bytes, segment.places.transport);
  if (header + grown > TCP.headerMax) return REFUSAL["no-room"];
  if (grown > 0 && !hasHeadroom(segment, grown)) return REFUSAL["no-buffer"];
  return 0;
}

/** Options that pruning leaves in the header. */
type Keep = "all-but-padding-and-toa" | "timestamps";
/** In the order in which they are tried. */
const WAYS: readonly Keep[] = ["all-but-padding-and-toa", "timestamps"];

function isKept(kind: number, size: number, keep: Keep): boolean {
  if (keep === "timestamps") return kind === TCP_OPTION.timestamps;
  return kind !== TCP_OPTION.noOperation && !isToa(kind, size);
}

/** Bytes of the options that `keep` leaves, without padding. */
function keptBytes(bytes: Uint8Array, begin: number, end: number, keep: Keep): number {
  let kept = 0;
  for (let at = begin, size = 0; (size = optionSize(bytes, at, end)) > 0; at += size) {
    if (isKept(bytes[at]!, size, keep)) kept += size;
  }
  return kept;
}

const roundUp = (size: number): number => Math.ceil(size / WORD) * WORD;

/** Takes out all options but those that `keep` names; the rest is padded to a word with kind 0. */
function prune(segment: Segment, keep: Keep): void {
  const { bytes } = segment.frame;
  const begin = optionsBegin(segment.places.transport);
  const end = headersEnd(segment);
  let to = begin;
  for (let at = begin, size = 0; (size = optionSize(bytes, at, end)) > 0; at += size) {
    if (!isKept(bytes[at]!, size, keep)) continue;
    bytes.copyWithin(to, at, at + size);
    to += size;
  }
  const kept = roundUp(to - begin);
  bytes.fill(TCP_OPTION.end, to, begin + kept);
  const saved = end - begin - kept;
  if (saved === 0) return;
  // What is kept moves up to the payload together with the headers in front of it.
  closeGap(segment, begin + kept, saved);
  addHeaderLength(segment, -saved);
}

function addHeaderLength(segment: Segment, delta: number): void {
  const { bytes } = segment.frame;
  const at = segment.places.transport + TCP.offsetFlags;
  put16(bytes, at, get16(bytes, at) + (delta / WORD) * 0x1000);
}

/** The first way of pruning after which the option fits, or null. */
function pruningThatHelps(segment: Segment, size: number, mtu: number): Keep | null {
  const { bytes } = segment.frame;
  const begin = optionsBegin(segment.places.transport);
  const end = headersEnd(segment);
  for (const keep of WAYS) {
    const saved = end - begin - roundUp(keptBytes(bytes, begin, end, keep));
    if (checkRoom(segment, size, mtu, saved) === 0) return keep;
  }
  return null;
}

function isSigned(segment: Segment): boolean {
  const { bytes } = segment.frame;
  const begin = optionsBegin(segment.places.transport);
  const end = headersEnd(segment);
  return (
    findOption(bytes, begin, end, TCP_OPTION.md5, 0) >= 0 ||
    findOption(bytes, begin, end, TCP_OPTION.authentication, 0) >= 0
  );
}

/**
 * Puts the client's address into the segment. Where DPVS refuses it for want of room, in the header
 * or under the MTU, it prunes options (NOPs and older addresses; if that is not enough all but
 * timestamps) and tries once more. So does this, with one difference: DPVS prunes and then looks,
 * so that a segment for which pruning does not help, or to which it does not apply, leaves with
 * fewer options and no address. Here a refused segment is untouched.
 * @param mtu bytes of an IP packet towards the server, 0 when unknown. For a super-frame the
 *   packets count that it will be cut into.
 * @returns 0, or why not (`REFUSAL`): the segment is then forwarded without.
 */
export function insertToa(
  segment: Segment,
  client: ClientAddress,
  profile: ToaProfile,
  mtu: number,
): number {
  const { frame, places } = segment;
  if (places.protocol !== 6) return REFUSAL["not-tcp-or-udp"];
  const flags = tcpFlags(frame.bytes, places.transport);
  if ((flags & (TCP_FLAG.syn | TCP_FLAG.rst)) !== 0) return REFUSAL["syn-or-rst"];
  if (isSigned(segment)) return REFUSAL.signed;
  const size = toaSize(client.family);
  const refusal = checkRoom(segment, size, mtu, 0);
  if (refusal === REFUSAL["needs-fragment"] || refusal === REFUSAL["no-room"]) {
    const keep = pruningThatHelps(segment, size, mtu);
    if (keep === null) return refusal;
    prune(segment, keep);
  } else if (refusal !== 0) {
    return refusal;
  }
  const at = openGap(segment, optionsBegin(places.transport), size);
  putToa(frame.bytes, at, client, profile);
  addHeaderLength(segment, size);
  return 0;
}
