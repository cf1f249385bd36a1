// Option lists as no stack writes them: lengths of 0 and 1, beyond the end, without an end, cut in
// the middle; addresses of all dialects in all sizes; and whole lists of noise.
import type { Random } from "../../../src/base/random.js";

const byte = (value: number): string => (value & 0xff).toString(16).padStart(2, "0");

const noise = (random: Random, length: number): string =>
  Array.from({ length }, () => byte(random.next())).join("");

/** Kinds that mean something to somebody on the way. */
const KINDS = [0, 1, 2, 3, 4, 5, 8, 28, 30, 31, 34, 249, 250, 252, 253, 254];
/** Signatures: rarely, as they keep addresses out. */
const SIGNED = [19, 29];
const SIZES: Readonly<Record<number, readonly number[]>> = {
  2: [4],
  3: [3],
  4: [2],
  5: [10, 18, 26, 34],
  8: [10],
  31: [8, 20],
  249: [40],
  250: [8],
  252: [20],
  253: [8, 20],
  254: [8, 16, 20],
};

function one(random: Random): string {
  const kind = random.below(40) === 0 ? random.pick(SIGNED) : random.pick(KINDS);
  if (kind <= 1) return byte(kind);
  const size = random.pick(SIZES[kind] ?? [4, 6, 12]);
  const said = random.below(8) === 0 ? random.pick([0, 1, 2, size + 1, 40, 255]) : size;
  return byte(kind) + byte(said) + noise(random, Math.max(size - 2, 0));
}

/** Hex digits of an option list that fills its header exactly: up to 40 bytes, in words. */
export function malformedOptions(random: Random, wordsMax = 10): string {
  const bytes = 4 * random.below(wordsMax + 1);
  if (random.below(6) === 0) return noise(random, bytes);
  let text = "";
  while (text.length < 2 * bytes) text += one(random);
  return text.slice(0, 2 * bytes);
}

/** Changes bytes of a frame's headers at random, or its length. @returns the new length. */
export function breakHeaders(random: Random, bytes: Uint8Array, vnet: number, end: number): number {
  const reach = Math.min(end - vnet, 12 + 14 + 40 + 60);
  for (let i = 1 + random.below(3); i > 0; i--) {
    const at = vnet + random.below(reach);
    bytes[at] = random.below(2) === 0 ? random.next() : bytes[at]! ^ (1 << random.below(8));
  }
  return random.below(2) === 0 ? end : vnet + 12 + random.below(end - vnet - 11);
}
