// A system as a machine over one vector: the slots of shared memory, then the local state of each
// thread. Takes steps and tells which commute; knows nothing of searching.
import { BAD_VALUE } from "../search/automaton.js";
import { OP, type Step } from "../types.js";
import { isRead, mayConflict, mayWrite, type Sets, type SystemThread } from "./thread.js";

export type Vector = Int32Array;

export class SystemMachine {
  readonly threads: readonly SystemThread[];
  /** Index of the first thread's local state: the number of slots. */
  readonly firstThread: number;
  readonly width: number;
  /** Slots that are known to be written: the words of a state. */
  readonly written: Uint8Array;
  /** Whether no step has written another slot since this was set. */
  isComplete = true;
  /** Per thread: a slot that only it writes and that others wait on, or 0. */
  private readonly own: number[];
  /** Per slot, bits of the threads that may ever touch it, and of those that may write it. */
  private readers = new Int32Array(0);
  private writers = new Int32Array(0);
  private readonly memory: readonly number[];
  /** Those that are in use; see `learn`. */
  private readonly vectors: Vector[] = [];

  /** `memory`: what the slots hold at the start; it may get more values as slots come into use. */
  constructor(threads: readonly SystemThread[], memory: readonly number[]) {
    this.threads = threads;
    this.memory = memory;
    this.firstThread = memory.length;
    this.width = memory.length + threads.length;
    this.written = new Uint8Array(memory.length);
    this.own = threads.map(() => 0);
  }

  initial(): Vector {
    const s = new Int32Array(this.width);
    s.set(this.memory);
    this.threads.forEach((one, t) => (s[this.firstThread + t] = one.automaton.start));
    this.vectors.push(s);
    return s;
  }

  /**
   * A slot has come into use. Nobody has touched its word so far, so it holds this value in every
   * state. Without it a thread would load 0, and go where it never goes.
   */
  learn(slot: number, value: number): void {
    for (const s of this.vectors) s[slot] = value;
  }

  kind(s: Vector, t: number): number {
    return this.threads[t]!.kinds[s[this.firstThread + t]!]!;
  }

  step(s: Vector, t: number): Step {
    return this.threads[t]!.step(s[this.firstThread + t]!);
  }

  isEnabled(s: Vector, t: number): boolean {
    const thread = this.threads[t]!;
    const node = s[this.firstThread + t]!;
    const kind = thread.kinds[node]!;
    if (kind === OP.lock) return s[thread.slots[node]!] === 0;
    if (kind === OP.waitWhile) return s[thread.slots[node]!] !== thread.as[node];
    if (kind === OP.waitUntil) return s[thread.slots[node]!] === thread.as[node];
    return kind < OP.done;
  }

  /** The thread whose end is a verdict or a bound, or -1. */
  ended(s: Vector): number {
    for (let t = 0; t < this.threads.length; t++) if (this.kind(s, t) > OP.done) return t;
    return -1;
  }

  /** Every thread has returned, or is a daemon that waits for work. */
  isOver(s: Vector): boolean {
    return this.threads.every(({ code }, t) => {
      const kind = this.kind(s, t);
      const waits = kind === OP.waitWhile || kind === OP.waitUntil;
      return kind === OP.done || (code.isDaemon && waits);
    });
  }

  /** Takes an enabled step; returns the value that it got. */
  take(s: Vector, t: number): number {
    const thread = this.threads[t]!;
    const at = this.firstThread + t;
    const node = s[at]!;
    const slot = thread.slots[node]!;
    const kind = thread.kinds[node]!;
    const a = thread.as[node]!;
    const old = s[slot]!;
    let value = old;
    if (!isRead(kind)) {
      if (this.written[slot] === 0) {
        this.written[slot] = 1;
        this.isComplete = false;
      }
      if (kind === OP.st || kind === OP.lock || kind === OP.unlock) value = 0;
      if (kind === OP.unlock && old !== t + 1) value = BAD_VALUE;
      else s[slot] = after(kind, old, a, thread.bs[node]!, t);
    }
    s[at] = thread.next(node, value);
    return value;
  }

  /**
   * Takes a thread's steps as long as no other thread ever touches what they touch, at most `most`;
   * returns how many. The same as `take` again and again, without looking around.
   */
  advance(s: Vector, t: number, most: number): number {
    const thread = this.threads[t]!;
    const { kinds, slots, as, firstValues, firstNodes } = thread;
    const { readers, writers, written } = this;
    const at = this.firstThread + t;
    const others = ~(1 << t);
    let count = 0;
    for (; count < most; count++) {
      const node = s[at]!;
      const slot = slots[node]!;
      // Loads are most of it, and the rest of them are of words that nobody writes.
      if (kinds[node] === OP.ld) {
        if ((writers[slot]! & others) !== 0) break;
        const value = s[slot]!;
        const next = firstNodes[node]!;
        s[at] = next !== 0 && firstValues[node] === value ? next : thread.next(node, value);
        continue;
      }
      if (kinds[node] === OP.st && (readers[slot]! & others) === 0 && written[slot] === 1) {
        s[slot] = as[node]!;
        s[at] = firstNodes[node]! !== 0 ? firstNodes[node]! : thread.next(node, 0);
        continue;
      }
      if (kinds[node]! >= OP.done) break;
      const touching = isRead(kinds[node]!) ? writers[slot]! : readers[slot]!;
      if ((touching & others) !== 0 || !this.isEnabled(s, t)) break;
      this.take(s, t);
    }
    return count;
  }

  /**
   * Makes the ground of `commutes` anew, before a search and after it. Says whether what was known
   * before has proved too little: then a search that went by it has to be repeated.
   */
  settle(): boolean {
    const { threads, firstThread } = this;
    let isTooLittle = !this.isComplete;
    this.isComplete = true;
    this.readers = new Int32Array(firstThread);
    this.writers = new Int32Array(firstThread);
    const awaited = new Set<number>();
    threads.forEach((thread, t) => {
      if (thread.settle()) isTooLittle = true;
      for (const slot of thread.touched(false)) this.readers[slot]! |= 1 << t;
      for (const slot of thread.touched(true)) this.writers[slot]! |= 1 << t;
      for (const slot of thread.awaited.keys()) awaited.add(slot);
    });
    this.writers.forEach((bits, slot) => {
      // Who writes a word conflicts with those who write it, too.
      this.readers[slot]! |= bits;
      if (bits !== 0) this.written[slot] = 1;
    });
    threads.forEach((_thread, t) => {
      this.own[t] = [...awaited].find((slot) => this.writers[slot] === 1 << t) ?? 0;
    });
    return isTooLittle;
  }

  /**
   * Whether nothing that others can do before this thread's next step is in conflict with it. A
   * thread that is blocked, and that only this one can wake, does nothing before that; and one that
   * comes to wait for this one stops there, as a grace period does for a reader.
   */
  commutes(s: Vector, t: number): boolean {
    const thread = this.threads[t]!;
    const node = s[this.firstThread + t]!;
    const slot = thread.slots[node]!;
    const isWrite = !isRead(thread.kinds[node]!);
    const touching = isWrite ? this.readers[slot]! : this.writers[slot]!;
    const others = touching & ~(1 << t);
    if (slot === 0 || others === 0) return true;
    let blocked = 0;
    for (let u = 0; others >> u !== 0; u++) {
      if ((others & (1 << u)) === 0) continue;
      const { sets } = this.whileStanding(s, u, t);
      if (!mayConflict(sets, s[this.firstThread + u]!, slot, isWrite)) continue;
      if (this.isEnabled(s, u)) return false;
      blocked |= 1 << u;
    }
    return blocked === 0 || (blocked & this.movable(s, t)) === 0;
  }

  /** What thread u may touch while thread t stands still. */
  private whileStanding(s: Vector, u: number, t: number): { readonly sets: Sets } {
    const own = this.own[t]!;
    const thread = this.threads[u]!;
    return own === 0 ? thread : thread.settledWhile(own, s[own]!);
  }

  /** Bits of the threads that can take a step while thread t stands still. */
  private movable(s: Vector, t: number): number {
    const count = this.threads.length;
    let movable = 0;
    let blocked = 0;
    for (let u = 0; u < count; u++) {
      if (u === t) continue;
      if (this.isEnabled(s, u)) movable |= 1 << u;
      else if (this.kind(s, u) < OP.done) blocked |= 1 << u;
    }
    for (let before = 0; before !== movable && blocked !== 0;) {
      before = movable;
      for (let u = 0; u < count; u++) {
        if ((blocked & (1 << u)) === 0 || !this.canBeWoken(s, u, t, movable)) continue;
        movable |= 1 << u;
        blocked &= ~(1 << u);
      }
    }
    return movable;
  }

  private canBeWoken(s: Vector, u: number, t: number, by: number): boolean {
    const slot = this.threads[u]!.slots[s[this.firstThread + u]!]!;
    let able = by & this.writers[slot]!;
    for (let v = 0; able !== 0; v++, able >>>= 1) {
      if ((able & 1) === 0) continue;
      const { sets } = this.whileStanding(s, v, t);
      if (mayWrite(sets, s[this.firstThread + v]!, slot)) return true;
    }
    return false;
  }
}

/** What a word is after a step that may write it. */
function after(kind: number, old: number, a: number, b: number, t: number): number {
  switch (kind) {
    case OP.add:
      return old + a;
    case OP.cas:
      return old === a ? b : old;
    case OP.setBits:
      return old | a;
    case OP.clearBits:
      return old & ~a;
    case OP.lock:
      return t + 1;
    case OP.unlock:
      return 0;
    default:
      return a;
  }
}
