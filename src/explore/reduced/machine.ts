// A system as a machine over one vector: the local state of each thread, then the words of shared
// memory that threads have touched, in the order in which they did. Takes steps; which of them
// commute is in commuting.ts. Knows nothing of searching.
import { OP, type Step } from "../types.js";
import { Commuting } from "./commuting.js";
import { LOCAL, LocalStates } from "./local-states.js";
import { isRead } from "./sets.js";
import type { SharedThread } from "./shared-thread.js";
import { SystemThread } from "./thread.js";

export type Vector = Int32Array;

/** Most words that threads touch, and most threads: those are bits of a number. */
export const WORDS_MAX = 256;
export const THREADS_MAX = 31;

/** The order of the local state that a thread begins in. */
const FIRST = 1;

export class SystemMachine {
  readonly threads: readonly SystemThread[];
  readonly locals = new LocalStates();
  readonly commuting: Commuting;
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
  readonly own: Int32Array;
  /** Per word, bits of the threads that may ever touch it, and of those that may write it. */
  readonly readers: Int32Array;
  readonly writers: Int32Array;
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
    this.own = new Int32Array(threads.length);
    this.vectors.push(this.memory);
    const wordOf = (slot: number) => this.wordOf(slot);
    // Not by map(): V8 gives its results two kinds of elements, before and after it compiles this,
    // and compiles all that reads `threads` once more.
    const made: SystemThread[] = [];
    for (const one of threads) made.push(new SystemThread(one, this.locals, wordOf));
    made.forEach(({ start }, t) => (this.memory[t] = start));
    this.threads = made;
    this.commuting = new Commuting(this);
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
    return this.locals.columns[s[t]! + LOCAL.kind]!;
  }

  step(s: Vector, t: number): Step {
    return this.threads[t]!.step(s[t]!);
  }

  isEnabled(s: Vector, t: number): boolean {
    const { columns } = this.locals;
    const at = s[t]!;
    const kind = columns[at + LOCAL.kind]!;
    if (kind === OP.lock) return s[columns[at + LOCAL.word]!] === 0;
    if (kind === OP.waitWhile) return s[columns[at + LOCAL.word]!] !== columns[at + LOCAL.a];
    if (kind === OP.waitUntil) return s[columns[at + LOCAL.word]!] === columns[at + LOCAL.a];
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

  /** Takes an enabled step. */
  take(s: Vector, t: number): void {
    const { columns } = this.locals;
    const at = s[t]!;
    const word = columns[at + LOCAL.word]!;
    const kind = columns[at + LOCAL.kind]!;
    const old = s[word]!;
    let value = old;
    if (!isRead(kind)) {
      if (this.written[word] === 0) this.addWritten(word);
      if (kind === OP.st || kind === OP.lock || kind === OP.unlock) value = 0;
      if (kind === OP.unlock && old !== t + 1) {
        s[t] = this.threads[t]!.nextBad(at);
        return;
      }
      s[word] = after(kind, old, columns[at + LOCAL.a]!, columns[at + LOCAL.b]!, t);
    }
    s[t] = this.threads[t]!.next(at, value);
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
    const { readers, writers } = this;
    const others = ~(1 << t);
    let count = 0;
    let start = 0;
    for (let rounds = 1; count < most; rounds++) {
      const { columns } = this.locals;
      const at = s[t]!;
      const word = columns[at + LOCAL.word]!;
      const kind = columns[at + LOCAL.kind]!;
      const reads = isRead(kind);
      if (kind >= OP.done || ((reads ? writers[word]! : readers[word]!) & others) !== 0) break;
      if (kind === OP.ld && writers[word] === 0) {
        const taken = this.glide(s, t, most - count);
        if (taken < 0) return -1;
        count += taken;
        continue;
      }
      if (!this.isEnabled(s, t)) break;
      // Brent: back at a local state with nothing written.
      if (!reads) start = 0;
      else if (at === start) return -1;
      else if ((rounds & (rounds - 1)) === 0) start = at;
      this.take(s, t);
      count++;
    }
    return count;
  }

  /**
   * Takes loads of words that nobody writes, which lead the same way each time: where to is kept.
   * Returns how many, or -1 if it would go on for ever.
   */
  glide(s: Vector, t: number, most: number): number {
    const { locals, writers } = this;
    const thread = this.threads[t]!;
    let { columns } = locals;
    const first = s[t]!;
    let at = first;
    let start = first;
    let count = 0;
    for (let rounds = 1; ; rounds++) {
      const ahead = columns[at + LOCAL.aheadCount]!;
      if (ahead > 0 && count + ahead <= most) {
        count += ahead;
        at = columns[at + LOCAL.aheadTo]!;
      } else {
        const word = columns[at + LOCAL.word]!;
        const isFree = columns[at + LOCAL.kind] === OP.ld && writers[word] === 0;
        if (count === most || !isFree) break;
        count++;
        at = thread.next(at, s[word]!);
        columns = locals.columns;
      }
      if (at === start) return -1;
      if ((rounds & (rounds - 1)) === 0) start = at;
    }
    columns[first + LOCAL.aheadTo] = at;
    columns[first + LOCAL.aheadCount] = count;
    s[t] = at;
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
      for (const word of thread.sets.touched(FIRST, false)) readers[word]! |= 1 << t;
      for (const word of thread.sets.touched(FIRST, true)) writers[word]! |= 1 << t;
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
    this.commuting.forget();
    return isTooLittle;
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
