// Runs of bits of any length in a key, and sub-fields as such runs. Used by the actions that move
// bits about: move, push, pop, learn. The slow path of each worker; may allocate.
import { fieldOf, getBits, setBits, type Field } from "../../flow/fields.js";
import type { SubField } from "../../flow/types.js";

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

/** Where a sub-field lies in the bit stream of a key, without the bits that no key has. */
function placeOf({ field: id, offset, width }: SubField): { start: number; width: number } {
  const { start, stored } = fieldOf(id);
  // Of the 16 bits of an ARP operation, a key has 8.
  const present = Math.max(0, Math.min(width, stored - offset));
  return { start: start + stored - offset - present, width: present };
}

/** Reads a sub-field of a key; as of `readRun`. Bits that no key has are 0. */
export function readSub(words: Uint32Array, sub: SubField): Uint32Array {
  const { start, width } = placeOf(sub);
  const present = readRun(words, start, width);
  const out = new Uint32Array(Math.ceil(sub.width / 32));
  out.set(present, out.length - present.length);
  return out;
}

/** Writes a sub-field of a key; as of `writeRun`. Bits that no key has are lost. */
export function writeSub(words: Uint32Array, sub: SubField, value: Uint32Array): void {
  const { start, width } = placeOf(sub);
  writeRun(words, start, width, value);
}

/** Notes that a sub-field was looked at. */
export function markSub(wildcards: Uint32Array, sub: SubField): void {
  writeSub(wildcards, sub, ones(sub.width));
}

/** Where a sub-field begins in a value of its field alone (`field.words` words). */
export function startInValue(field: Field, sub: SubField): number {
  return field.words * 32 - sub.offset - sub.width;
}
