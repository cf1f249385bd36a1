// Runs of bits of any length in a key, and sub-fields as such runs. Used by the actions that move
// bits about: move, push, pop, learn. The slow path of each worker; may allocate.
import { fieldOf, getBits, setBits, type Field } from "../../flow/fields.js";
import { WORD } from "../../flow/key.js";
import { OFPP, type SubField } from "../../flow/types.js";

/** Reads `width` bits that begin at bit `start`; as words, the lowest bits in the last. */
export function readRun(words: Uint32Array, start: number, width: number): Uint32Array {
  const out = new Uint32Array(Math.ceil(width / 32));
  let left = width;
  for (let i = out.length - 1; i >= 0; i--) {
    const size = Math.min(32, left);
    left -= size;
    out[i] = getBits(words, start + left, size);
  }
  return out;
}

/** Writes `width` bits at bit `start`. @param value as of `readRun`; missing high bits are 0. */
export function writeRun(
  words: Uint32Array,
  start: number,
  width: number,
  value: Uint32Array,
): void {
  let left = width;
  for (let i = value.length - 1; left > 0; i--) {
    const size = Math.min(32, left);
    left -= size;
    setBits(words, start + left, size, i < 0 ? 0 : value[i]!);
  }
}

/** All ones, as a value for `writeRun`. */
export function ones(width: number): Uint32Array {
  return new Uint32Array(Math.ceil(width / 32)).fill(0xffffffff);
}

/** Bits of nw_tos, the lowest, that are nw_ecn's. */
const ECN_BITS = 2;

/** Where the bits of a sub-field lie that are its field's own. */
interface Place {
  /** In the bit stream of a key. */
  readonly start: number;
  readonly width: number;
  /** Bits of the sub-field below them. */
  readonly below: number;
}

function placeOf({ field: id, offset, width }: SubField): Place {
  const { start, stored } = fieldOf(id);
  const from = Math.max(offset, id === "nw_tos" ? ECN_BITS : 0);
  // Of the 16 bits of an ARP operation, a key has 8.
  const to = Math.max(from, Math.min(offset + width, stored));
  return { start: start + stored - to, width: to - from, below: from - offset };
}

/** What a reserved port has on top of its number in 16 bits (ofputil_port_to_ofp11). */
const RESERVED_HIGH = 0xffff_0000;

/** A key whose actset_output has 32 bits, as fields of OpenFlow have it; keys hold 16. */
function widePort(words: Uint32Array): Uint32Array {
  const wide = words.slice();
  if (wide[WORD.actsetOutput]! >= OFPP.max) wide[WORD.actsetOutput]! += RESERVED_HIGH;
  return wide;
}

/** Reads a sub-field of a key; as of `readRun`. Bits that are not its field's own are 0. */
export function readSub(words: Uint32Array, sub: SubField): Uint32Array {
  const { start, width, below } = placeOf(sub);
  const own = readRun(sub.field === "actset_output" ? widePort(words) : words, start, width);
  const out = new Uint32Array(Math.ceil(sub.width / 32));
  out.set(own, out.length - own.length);
  if (below > 0) out[out.length - 1]! <<= below;
  return out;
}

/** Writes a sub-field of a key; as of `writeRun`. Bits that are not its field's own are lost. */
export function writeSub(words: Uint32Array, sub: SubField, value: Uint32Array): void {
  const { start, width, below } = placeOf(sub);
  const own = below === 0 ? value : Uint32Array.of(value[value.length - 1]! >>> below);
  writeRun(words, start, width, own);
}

/** Notes that a sub-field was looked at. */
export function markSub(wildcards: Uint32Array, sub: SubField): void {
  writeSub(wildcards, sub, ones(sub.width));
}

/** Where a sub-field begins in a value of its field alone (`field.words` words). */
export function startInValue(field: Field, sub: SubField): number {
  return field.words * 32 - sub.offset - sub.width;
}
