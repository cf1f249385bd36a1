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

/** Where a sub-field begins in the bit stream of a key. */
export function startOf(sub: SubField): number {
  const field = fieldOf(sub.field);
  return field.start + field.stored - sub.offset - sub.width;
}

/** Where a sub-field begins in a value of its field alone (`field.words` words). */
export function startInValue(field: Field, sub: SubField): number {
  return field.words * 32 - sub.offset - sub.width;
}
