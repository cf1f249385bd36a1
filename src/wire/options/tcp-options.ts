// The option list of a TCP header (RFC 9293, 3.1), which IPv4 options (RFC 791, 3.1) share the law
// of: kind 0 ends the list, kind 1 is one byte, every other has its length in its second byte. Any
// thread; hot path: no allocation, no exception, no read outside the list, whatever bytes it holds.
//
//   for (let at = begin, size = 0; (size = optionSize(bytes, at, end)) > 0; at += size) ...
import { TCP, tcpHeaderLength } from "../transport.js";

/** Kinds by number (IANA, TCP parameters). */
export const TCP_OPTION = {
  end: 0,
  noOperation: 1,
  maximumSegmentSize: 2,
  windowScale: 3,
  sackPermitted: 4,
  sack: 5,
  timestamps: 8,
  /** MD5 signature (RFC 2385) and TCP-AO (RFC 5925): both cover the header's options. */
  md5: 19,
  authentication: 29,
} as const;

/** Lengths of the options that have only one. */
export const TCP_OPTION_SIZE = { maximumSegmentSize: 4, timestamps: 10, sackBlock: 8 } as const;

/**
 * Bytes of the option at `at`, 1 for a NOP. 0 where the list ends: at `end`, at kind 0, and at an
 * option whose length is missing, less than 2 or more than what is left. Receivers stop there too,
 * so what lies behind means nothing (Linux, tcp_parse_options).
 */
export function optionSize(bytes: Uint8Array, at: number, end: number): number {
  if (at >= end) return 0;
  const kind = bytes[at]!;
  if (kind === TCP_OPTION.end) return 0;
  if (kind === TCP_OPTION.noOperation) return 1;
  if (at + 2 > end) return 0;
  const size = bytes[at + 1]!;
  return size < 2 || at + size > end ? 0 : size;
}

/**
 * Where the first option of this kind and exactly this size begins; -1 if there is none.
 * @param size 0 takes any size.
 */
export function findOption(
  bytes: Uint8Array,
  begin: number,
  end: number,
  kind: number,
  size: number,
): number {
  for (let at = begin, length = 0; (length = optionSize(bytes, at, end)) > 0; at += length) {
    if (bytes[at] === kind && (size === 0 || length === size)) return at;
  }
  return -1;
}

/** Where the options of the TCP header at `tcp` begin; only where `checkTcp` agreed. */
export function optionsBegin(tcp: number): number {
  return tcp + TCP.headerMin;
}

/** Where they end, which is where the payload begins. */
export function optionsEnd(bytes: Uint8Array, tcp: number): number {
  return tcp + tcpHeaderLength(bytes, tcp);
}
