// The digest of a set of states: a sum over its states, so their order does not matter, of what
// each has in its cells and locks and of the step that each thread wants to take; local states have
// no numbers in it. Pure; any thread.
import { OP, type Step } from "../types.js";

/** Scrambles 32 bits. */
export function mix(x: number): number {
  let h = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/** What a word in this place of a state counts; odd. */
export function weight(place: number): number {
  return mix(Math.imul(place + 1, 0x9e3779b1)) | 1;
}

export function stepHash({ kind, addr, a, b, site }: Step): number {
  if (kind >= OP.done) return mix(kind);
  return [addr, a, b, site].reduce((sum, one) => mix(Math.imul(sum, 31) + one), mix(kind));
}

export class Digest {
  private low = 0;
  private high = 0;
  private readonly cells: number;
  private readonly weights: Int32Array;

  constructor(cells: number, threads: number) {
    this.cells = cells;
    this.weights = Int32Array.from({ length: 2 * (cells + threads) }, (_one, i) => weight(~i));
  }

  /** Adds the state whose words begin at `at`; `hashes` by local state are those of their steps. */
  add(words: Int32Array, at: number, hashes: (thread: number, node: number) => number): void {
    const { cells, weights } = this;
    const width = weights.length / 2;
    let x = 0;
    let y = 0;
    for (let i = 0; i < width; i++) {
      const word = words[at + i]!;
      const value = i < cells ? word : hashes(i - cells, word);
      x = (x + Math.imul(value, weights[i]!)) | 0;
      y = (y + Math.imul(value, weights[width + i]!)) | 0;
    }
    this.low = (this.low + mix(x)) | 0;
    this.high = (this.high + mix(y ^ mix(x))) | 0;
  }

  /** 64 bits in hexadecimal. */
  text(): string {
    const half = (word: number) => (word >>> 0).toString(16).padStart(8, "0");
    return half(this.high) + half(this.low);
  }
}
