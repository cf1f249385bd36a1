// Whom a segment comes from and goes to: addresses and ports, read and rewritten. Between
// `openSegment` and `sealSegment`, by the worker that has the frame; hot path: no allocation, no
// exception. Addresses are four words, IPv4 v4-mapped (see wire/options/toa.ts).
import { get16, get32, put16, put32 } from "../../wire/bytes.js";
import { IPV4 } from "../../wire/ipv4.js";
import { IPV6 } from "../../wire/ipv6.js";
import { type ClientAddress, setIpv4Client, setIpv6Client } from "../../wire/options/toa.js";
import { TCP } from "../../wire/transport.js";
import type { Segment } from "./segment.js";

export type Side = "source" | "destination";

function addressAt(segment: Segment, side: Side): number {
  const { kind, network } = segment.places;
  return network + (kind === 4 ? IPV4[side] : IPV6[side]);
}

/** Takes address and port of one side. */
export function readAddress(segment: Segment, side: Side, out: ClientAddress): void {
  const { frame, places } = segment;
  const at = addressAt(segment, side);
  const port = get16(frame.bytes, places.transport + TCP[side]);
  if (places.kind === 4) setIpv4Client(out, get32(frame.bytes, at), port);
  else setIpv6Client(out, frame.bytes, at, port);
}

/**
 * Writes address and port of one side. The words are of the segment's own IP version.
 * @param at index of the first of the four words.
 */
export function writeAddress(
  segment: Segment,
  side: Side,
  words: Uint32Array | Int32Array,
  at: number,
  port: number,
): void {
  const { bytes } = segment.frame;
  const { kind, transport } = segment.places;
  const address = addressAt(segment, side);
  if (kind === 4) put32(bytes, address, words[at + 3]!);
  else for (let i = 0; i < 4; i++) put32(bytes, address + 4 * i, words[at + i]!);
  put16(bytes, transport + TCP[side], port);
}
