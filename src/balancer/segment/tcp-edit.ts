// The changes that FullNAT makes to TCP besides the address option: timestamps out of the SYN, MSS
// down in the SYN-ACK, sequence numbers shifted by a constant (DPVS src/ipvs/ip_vs_proto_tcp.c).
// Between `openSegment` and `sealSegment`, on TCP segments only, by the worker that has the frame;
// hot path: no allocation, no exception. Windows are passed on as they are.
import { get16, get32, put16, put32 } from "../../wire/bytes.js";
import {
  findOption,
  optionsBegin,
  optionSize,
  TCP_OPTION,
  TCP_OPTION_SIZE,
} from "../../wire/options/tcp-options.js";
import { isToa } from "../../wire/options/toa.js";
import { TCP, TCP_FLAG, tcpFlags } from "../../wire/transport.js";
import { headersEnd, type Segment } from "./segment.js";

/** Linux sends no smaller segments whatever a peer asks for (sysctl tcp_min_snd_mss, since 5.2). */
const MSS_MIN = 48;

/**
 * Lowers the MSS option by what the address option will take, so that the client leaves room.
 * DPVS subtracts whatever the MSS is, and one below the option's size wraps to 65 thousand; here
 * an MSS that would fall below 48 stays as it is.
 * @param by `toaSize` of the client.
 * @returns whether it was lowered.
 */
export function lowerMss(segment: Segment, by: number): boolean {
  const { bytes } = segment.frame;
  const begin = optionsBegin(segment.places.transport);
  const { maximumSegmentSize } = TCP_OPTION;
  const size = TCP_OPTION_SIZE.maximumSegmentSize;
  const at = findOption(bytes, begin, headersEnd(segment), maximumSegmentSize, size);
  if (at < 0) return false;
  const mss = get16(bytes, at + 2);
  if (mss < by + MSS_MIN) return false;
  put16(bytes, at + 2, mss - by);
  return true;
}

/**
 * Overwrites the timestamps option with NOPs. In a SYN that keeps timestamps from being agreed on:
 * clients whose clocks differ share one local address and port, and the server would take a later
 * one's segments for old duplicates (PAWS, RFC 7323).
 */
export function blankTimestamps(segment: Segment): void {
  const { bytes } = segment.frame;
  const begin = optionsBegin(segment.places.transport);
  const size = TCP_OPTION_SIZE.timestamps;
  const at = findOption(bytes, begin, headersEnd(segment), TCP_OPTION.timestamps, size);
  if (at >= 0) bytes.fill(TCP_OPTION.noOperation, at, at + size);
}

/**
 * Overwrites address options that the client sent itself with NOPs, so that no segment can tell
 * the server an address other than the one its frame came from.
 */
export function blankToas(segment: Segment): void {
  const { bytes } = segment.frame;
  const end = headersEnd(segment);
  let at = optionsBegin(segment.places.transport);
  for (let size = 0; (size = optionSize(bytes, at, end)) > 0; at += size) {
    if (isToa(bytes[at]!, size)) bytes.fill(TCP_OPTION.noOperation, at, at + size);
  }
}

/** Adds to the sequence number, modulo 2^32: client to server. */
export function shiftSequence(segment: Segment, delta: number): void {
  const { bytes } = segment.frame;
  const at = segment.places.transport + TCP.sequence;
  put32(bytes, at, get32(bytes, at) + delta);
}

function subtract(bytes: Uint8Array, at: number, delta: number): void {
  put32(bytes, at, get32(bytes, at) - delta);
}

/**
 * Takes the same number off what acknowledges the client's bytes: the acknowledgment number, where
 * there is one, and both edges of all SACK blocks (RFC 2018). Server to client.
 */
export function unshiftAcknowledgment(segment: Segment, delta: number): void {
  const { bytes } = segment.frame;
  const tcp = segment.places.transport;
  if ((tcpFlags(bytes, tcp) & TCP_FLAG.ack) === 0) return;
  subtract(bytes, tcp + TCP.acknowledgment, delta);
  const end = headersEnd(segment);
  let at = optionsBegin(tcp);
  for (let size = 0; (size = optionSize(bytes, at, end)) > 0; at += size) {
    if (bytes[at] !== TCP_OPTION.sack || (size - 2) % TCP_OPTION_SIZE.sackBlock !== 0) continue;
    for (let edge = at + 2; edge < at + size; edge += 4) subtract(bytes, edge, delta);
  }
}
