// States in as few words as their values need: each cell, lock and node gets a field of some bits
// in one word. What values need is not known before the search; a field that turns out too narrow
// is widened, and the states so far are packed anew. One owner, the state graph that keeps them.
import { Random } from "../../base/random.js";
import type { Machine, Vector } from "../search/machine.js";

/** Steps of random runs from which the first widths are guessed. */
const GUESS_STEPS = 10_000;
const GUESS_RUN_STEPS = 500;
/** After so many runs in a row that came by no new value, none is waited for: a small program. */
const GUESS_QUIET_RUNS = 30;

const WORD_BITS = 32;

/** Numbers that say where a field is. */
const FIELD = 5;

export class Packing {
  /** Of each word of a state: the packed word that holds it. */
  readonly word: Int32Array;
  /** How far up in it. */
  readonly shift: Int32Array;
  /** As many low bits as the field has. */
  readonly mask: Int32Array;
  /** What a field of zeros stands for. */
  readonly least: Int32Array;
  /** All of the above, of those words that have bits: index, word, shift, mask, least. */
  private readonly fields: Int32Array;
  /** Packed words of a state. */
  readonly words: number;

  /** @param spans least and greatest value of each word of a state. */
  constructor(spans: Spans) {
    const width = spans.least.length;
    const bits = spans.least.map((least, i) => bitsOf(spans.greatest[i]! - least));
    this.least = spans.least;
    this.word = new Int32Array(width);
    this.shift = new Int32Array(width);
    this.mask = new Int32Array(width);
    const free: number[] = [];
    // First fit, widest first; what is left over in a word goes to its fields, the nodes first.
    const order = [...bits.keys()].sort((x, y) => bits[y]! - bits[x]! || x - y);
    for (const i of order) {
      let word = free.findIndex((left) => left >= bits[i]!);
      if (word < 0) word = free.push(WORD_BITS) - 1;
      free[word]! -= bits[i]!;
      this.word[i] = word;
    }
    for (let i = width - 1; i >= 0; i--) {
      const word = this.word[i]!;
      if (bits[i] === 0 || bits[i] === WORD_BITS || free[word] === 0) continue;
      bits[i]!++;
      free[word]!--;
    }
    const used = free.map(() => 0);
    for (let i = 0; i < width; i++) {
      const word = this.word[i]!;
      this.shift[i] = bits[i] === 0 ? 0 : used[word]!;
      this.mask[i] = bits[i] === WORD_BITS ? -1 : (1 << bits[i]!) - 1;
      used[word]! += bits[i]!;
    }
    this.words = Math.max(1, free.length);
    this.fields = Int32Array.from(
      [...bits.keys()]
        .filter((i) => bits[i]! > 0)
        .flatMap((i) => [i, this.word[i]!, this.shift[i]!, this.mask[i]!, this.least[i]!]),
    );
  }

  /** Writes a state to `into` from `at`; false if a value of it does not fit. */
  pack(s: Vector, into: Int32Array, at: number): boolean {
    const { word, shift, mask, least, words } = this;
    for (let w = 0; w < words; w++) into[at + w] = 0;
    for (let i = 0; i < s.length; i++) {
      const value = (s[i]! - least[i]!) | 0;
      if ((value & ~mask[i]!) !== 0) return false;
      into[at + word[i]!]! |= value << shift[i]!;
    }
    return true;
  }

  /** Reads the state at `at` into `s`. */
  unpack(from: Int32Array, at: number, s: Vector): void {
    const { fields } = this;
    s.set(this.least);
    for (let f = 0; f < fields.length; f += FIELD) {
      const value = (from[at + fields[f + 1]!]! >>> fields[f + 2]!) & fields[f + 3]!;
      s[fields[f]!] = value + fields[f + 4]!;
    }
  }

  /** A packing that has room for these values, for all that had room before, and for some more. */
  widened(s: Vector): Packing {
    const least = this.least.slice();
    const greatest = least.map((low, i) => {
      const high = low + (this.mask[i]! >>> 0);
      const value = s[i]!;
      if (value >= low && value <= high) return Math.min(high, INT_MAX);
      // Twice as wide, so that the states are seldom packed anew.
      least[i] = Math.min(low, value);
      const span = Math.max(high, value) - least[i]!;
      return Math.min(least[i]! + 2 * span + 1, INT_MAX);
    });
    return new Packing({ least, greatest });
  }
}

const INT_MAX = 2 ** 31 - 1;

function bitsOf(span: number): number {
  return span === 0 ? 0 : Math.floor(Math.log2(span)) + 1;
}

interface Spans {
  readonly least: Int32Array;
  readonly greatest: Int32Array;
}

/** A packing for the values that some random runs come by. */
export function guessPacking(machine: Machine): Packing {
  const spans = { least: machine.initial(), greatest: machine.initial() };
  const random = new Random(1);
  for (let left = GUESS_STEPS, quiet = 0; left > 0 && quiet < GUESS_QUIET_RUNS; left--) {
    const s = machine.initial();
    quiet++;
    for (let run = 0; run < GUESS_RUN_STEPS && left > 0; run++, left--) {
      const enabled = enabledThreads(machine, s);
      if (enabled.length === 0) break;
      const thread = random.pick(enabled);
      const choices = machine.choices(s, thread);
      machine.take(s, thread, choices === 0 ? 0 : random.below(choices));
      if (see(spans, s)) quiet = 0;
    }
  }
  return new Packing(spans);
}

function enabledThreads(machine: Machine, s: Vector): number[] {
  if (machine.ended(s) >= 0) return [];
  return [...machine.threads.keys()].filter((t) => machine.isEnabled(s, t));
}

/** Makes room for the values of a state; whether there was none for one of them. */
function see({ least, greatest }: Spans, s: Vector): boolean {
  let isNew = false;
  for (let i = 0; i < s.length; i++) {
    const value = s[i]!;
    if (value >= least[i]! && value <= greatest[i]!) continue;
    if (value < least[i]!) least[i] = value;
    else greatest[i] = value;
    isNew = true;
  }
  return isNew;
}
