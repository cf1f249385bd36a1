// The part of the checker for reduced sets of states, in which a step that commutes with all that
// the other threads may still do is taken at once and the state before it is not kept. What a
// thread may still do is the closure of the steps of its local states; the checker works it out.
// Pure; any thread.
import { OP, type Step } from "../types.js";
import { isRead, type Local } from "./replay.js";

/** What the checker is, as far as this part steps it. */
interface Stepper {
  readonly s: Int32Array;
  readonly cells: number;
  stepOf(thread: number): Step;
  isEnabled(thread: number): boolean;
  take(thread: number, choice: number): void;
}

/** Most steps in a row; the next state is kept. */
const CHAIN_MAX = 2_000;

/** Per local state, bits of the cells that the thread may still read (even words) and write. */
function futures({ steps, next }: Local, cells: number): Int32Array {
  const wide = 2 * Math.ceil(cells / 32);
  const sets = new Int32Array(wide * steps.length);
  for (const [node, { kind, addr }] of steps.entries()) {
    if (addr !== 0) sets[wide * node + 2 * (addr >> 5) + (isRead(kind) ? 0 : 1)]! |= 1 << addr;
  }
  for (let before = NaN, sum = 0; sum !== before;) {
    before = sum;
    sum = 0;
    for (let node = steps.length - 1; node >= 0; node--) {
      for (const to of next[node]!.values()) {
        for (let i = 0; i < wide; i++) sets[wide * node + i]! |= sets[wide * to + i]!;
      }
      for (let i = 0; i < wide; i++) sum += sets[wide * node + i]! >>> 0;
    }
  }
  return sets;
}

export class Reduction {
  private readonly futures: readonly Int32Array[];
  private readonly wide: number;

  constructor(locals: readonly Local[], cells: number) {
    this.futures = locals.map((one) => futures(one, cells));
    this.wide = 2 * Math.ceil(cells / 32);
  }

  /** Takes all steps that need no choice between threads. */
  goOn(at: Stepper): void {
    for (let length = 0, before = -1; length !== before && length < CHAIN_MAX;) {
      before = length;
      for (let t = 0; t < this.futures.length; t++) {
        for (; length < CHAIN_MAX && this.isAlone(at, t); length++) at.take(t, 0);
      }
    }
  }

  private isAlone(at: Stepper, t: number): boolean {
    const { kind, addr } = at.stepOf(t);
    if (kind >= OP.done || kind === OP.choose || !at.isEnabled(t)) return false;
    const word = 2 * (addr >> 5);
    return this.futures.every((sets, u) => {
      if (u === t || addr === 0) return true;
      const from = this.wide * at.s[at.cells + u]! + word;
      const touched = isRead(kind) ? sets[from + 1]! : sets[from]! | sets[from + 1]!;
      return (touched & (1 << addr)) === 0;
    });
  }
}
