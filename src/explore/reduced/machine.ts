// A system as a machine over one vector: the local state of each thread, then the words of shared
// memory that threads have touched, in the order in which they did. Takes steps and tells which
// commute; knows nothing of searching.
import { BAD_VALUE } from "../search/automaton.js";
import { OP, type Step } from "../types.js";
import { isRead, type Sets } from "./sets.js";
import type { SharedThread } from "./shared-thread.js";
import { START, SystemThread } from "./thread.js";

export type Vector = Int32Array;

/** Most words that threads touch, and most threads: those are bits of a number. */
export const WORDS_MAX = 256;
export const THREADS_MAX = 31;

export class SystemMachine {
  readonly threads: readonly SystemThread[];
  /** Words of a state so far. */
  width: number;
  /** Slots by word, from the first behind the threads on. */
  readonly slots: number[] = [];
  /** Words that are known to be written, and how many those are. */
  readonly written: Uint8Array;
  writtenCount = 0;
  /** Whether local states that are new since `settle` are taken to touch everything, or nothing. */
  isWary = true;
  private readonly memory: Vector;
  private readonly words = new Map<number, number>();
  private readonly valueOf: (slot: number) => number;
  /** Per thread: a word that only it writes and that others wait on, or 0. */
  private readonly own: number[];
  /** Per word, bits of the threads that may ever touch it, and of those that may write it. */
  private readonly readers: Int32Array;
  private readonly writers: Int32Array;
  /** Those that are in use; see `wordOf`. */
  private readonly vectors: Vector[] = [];

  /** `valueOf`: what a slot of the automata's steps holds at the start. */
  constructor(threads: readonly SharedThread[], valueOf: (slot: number) => number) {
    if (threads.length > THREADS_MAX) throw new Error(`more than ${THREADS_MAX} threads`);
    const most = threads.length + WORDS_MAX;
    this.valueOf = valueOf;
    this.width = threads.length;
    this.memory = new Int32Array(most);
    this.written = new Uint8Array(most);
    this.readers = new Int32Array(most);
    this.writers = new Int32Array(most);
    this.own = threads.map(() => 0);
    this.vectors.push(this.memory);
    const wordOf = (slot: number) => this.wordOf(slot);
    this.threads = threads.map((one) => new SystemThread(one, wordOf));
    this.memory.fill(START, 0, threads.length);
  }

  initial(): Vector {
    const s = this.memory.slice();
    this.vectors.push(s);
    return s;
  }

  /**
   * The word that stands for a slot. When it comes into use, nobody has touched it so far, so that
   * it holds its first value in every state. Without it a thread would load 0, and go where it
   * never goes.
   */
  private wordOf(slot: number): number {
    if (slot === 0) return 0;
    const known = this.words.get(slot);
    if (known !== undefined) return known;
    const word = this.width++;
    if (word === this.memory.length) throw new Error(`more than ${WORDS_MAX} words are touched`);
    this.words.set(slot, word);
    this.slots.push(slot);
    const value = this.valueOf(slot);
    for (const s of this.vectors) s[word] = value;
    return word;
  }

  /** The word that stands for a slot that some step has touched; else 0. */
  wordAt(slot: number): number {
    return this.words.get(slot) ?? 0;
  }

  kind(s: Vector, t: number): number {
    return this.threads[t]!.kinds[s[t]!]!;
  }

  step(s: Vector, t: number): Step {
    return this.threads[t]!.step(s[t]!);
  }

  isEnabled(s: Vector, t: number): boolean {
    const thread = this.threads[t]!;
    const node = s[t]!;
    const kind = thread.kinds[node]!;
    if (kind === OP.lock) return s[thread.words[node]!] === 0;
    if (kind === OP.waitWhile) return s[thread.words[node]!] !== thread.as[node];
    if (kind === OP.waitUntil) return s[thread.words[node]!] === thread.as[node];
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
    const node = s[t]!;
    const word = thread.words[node]!;
    const kind = thread.kinds[node]!;
    const old = s[word]!;
    let value = old;
    if (!isRead(kind)) {
      if (this.written[word] === 0) this.addWritten(word);
      if (kind === OP.st || kind === OP.lock || kind === OP.unlock) value = 0;
      if (kind === OP.unlock && old !== t + 1) value = BAD_VALUE;
      else s[word] = after(kind, old, thread.as[node]!, thread.bs[node]!, t);
    }
    s[t] = thread.next(node, value);
    return value;
  }

  private addWritten(word: number): void {
    this.written[word] = 1;
    this.writtenCount++;
  }

  /**
   * Takes a thread's steps as long as no other thread ever touches what they touch, at most `most`;
   * returns how many, or -1 if it would go on for ever. The same as `take` again and again, without
   * looking around.
   */
  advance(s: Vector, t: number, most: number): number {
    const thread = this.threads[t]!;
    const { kinds, words, as, firstNodes } = thread;
    const { readers, writers, written } = this;
    const others = ~(1 << t);
    let count = 0;
    let start = 0;
    for (let rounds = 1; count < most; rounds++) {
      const node = s[t]!;
      const word = words[node]!;
      const kind = kinds[node]!;
      if (kind === OP.ld) {
        if ((writers[word]! & others) !== 0) break;
        // Brent: back at a local state with nothing written.
        if (node === start) return -1;
        if ((rounds & (rounds - 1)) === 0) start = node;
        const taken = writers[word] === 0 ? this.glide(s, t, most - count) : 1;
        if (taken < 0) return -1;
        if (writers[word] !== 0) s[t] = thread.next(node, s[word]!);
        count += taken;
        continue;
      }
      start = 0;
      if (kind === OP.st && (readers[word]! & others) === 0 && written[word] === 1) {
        s[word] = as[node]!;
        s[t] = firstNodes[node]! !== 0 ? firstNodes[node]! : thread.next(node, 0);
        count++;
        continue;
      }
      if (kind >= OP.done) break;
      const touching = isRead(kind) ? writers[word]! : readers[word]!;
      if ((touching & others) !== 0 || !this.isEnabled(s, t)) break;
      this.take(s, t);
      count++;
    }
    return count;
  }

  /**
   * Takes loads of words that nobody writes, which lead the same way each time: where to is kept.
   * Returns how many, or -1 if it would go on for ever.
   */
  private glide(s: Vector, t: number, most: number): number {
    const thread = this.threads[t]!;
    const { kinds, words, aheadNodes, aheadCounts } = thread;
    const first = s[t]!;
    let node = first;
    let start = first;
    let count = 0;
    for (let rounds = 1; ; rounds++) {
      const ahead = aheadCounts[node]!;
      if (ahead > 0 && count + ahead <= most) {
        count += ahead;
        node = aheadNodes[node]!;
      } else {
        const word = words[node]!;
        if (count === most || kinds[node] !== OP.ld || this.writers[word] !== 0) break;
        count++;
        node = thread.next(node, s[word]!);
      }
      if (node === start) return -1;
      if ((rounds & (rounds - 1)) === 0) start = node;
    }
    aheadNodes[first] = node;
    aheadCounts[first] = count;
    s[t] = node;
    return count;
  }

  /**
   * Makes the ground of `commutes` anew, before a search and after it. Says whether what was known
   * before has proved too little: then a search that went by it has to be repeated.
   */
  settle(): boolean {
    const { threads, readers, writers } = this;
    let isTooLittle = false;
    readers.fill(0);
    writers.fill(0);
    const awaited = new Set<number>();
    threads.forEach((thread, t) => {
      if (thread.settle()) isTooLittle = true;
      for (const word of thread.sets.touched(START, false)) readers[word]! |= 1 << t;
      for (const word of thread.sets.touched(START, true)) writers[word]! |= 1 << t;
      for (const word of thread.awaited.keys()) awaited.add(word);
    });
    for (let word = threads.length; word < this.width; word++) {
      // Who writes a word conflicts with those who write it, too.
      readers[word]! |= writers[word]!;
      if (writers[word] !== 0 && this.written[word] === 0) this.addWritten(word);
    }
    threads.forEach((_thread, t) => {
      this.own[t] = [...awaited].find((word) => writers[word] === 1 << t) ?? 0;
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
    const node = s[t]!;
    const word = thread.words[node]!;
    const isWrite = !isRead(thread.kinds[node]!);
    const touching = isWrite ? this.readers[word]! : this.writers[word]!;
    const others = touching & ~(1 << t);
    if (word === 0 || others === 0) return true;
    let blocked = 0;
    for (let u = 0; others >> u !== 0; u++) {
      if ((others & (1 << u)) === 0) continue;
      if (!this.whileStanding(s, u, t).mayConflict(s[u]!, word, isWrite, this.isWary)) continue;
      if (this.isEnabled(s, u)) return false;
      blocked |= 1 << u;
    }
    return blocked === 0 || (blocked & this.movable(s, t)) === 0;
  }

  /** What thread u may touch while thread t stands still. */
  private whileStanding(s: Vector, u: number, t: number): Sets {
    const own = this.own[t]!;
    const thread = this.threads[u]!;
    return own === 0 ? thread.sets : thread.setsWhile(own, s[own]!);
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
    const word = this.threads[u]!.words[s[u]!]!;
    let able = by & this.writers[word]!;
    for (let v = 0; able !== 0; v++, able >>>= 1) {
      if ((able & 1) === 0) continue;
      if (this.whileStanding(s, v, t).mayWrite(s[v]!, word, this.isWary)) return true;
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
