// The states of a search, each kept whole and once: the local state of each thread, then the words
// that some thread writes. Words that nobody has written so far are the same in all states; when
// one of them is written after all, the states that are there get it, too.
import { doubled } from "../search/node-table.js";
import { type SystemMachine, THREADS_MAX, type Vector, WORDS_MAX } from "./machine.js";

/** Odd numbers, as many as a state may have words, without a pattern: factors of a hash. */
const FACTORS = new Int32Array(WORDS_MAX + THREADS_MAX);
FACTORS.forEach((_zero, i) => {
  let one = i === 0 ? 0x9e3779b9 : FACTORS[i - 1]!;
  one ^= one << 13;
  one ^= one >>> 17;
  FACTORS[i] = (one ^ (one << 5)) | 1;
});

export class StateTable {
  count = 0;
  private readonly machine: SystemMachine;
  /** Indices into the machine's vector that a state consists of. */
  private live = new Int32Array(0);
  private width = 0;
  /** The words of the state that is looked up. */
  private key = new Int32Array(0);
  /** Words that were known to be written when `live` was made. */
  private written = -1;
  private arena = new Int32Array(1 << 8);
  private table = new Int32Array(1 << 5);
  /** What all words hold that no state has. */
  private readonly scratch: Vector;

  constructor(machine: SystemMachine) {
    this.machine = machine;
    this.scratch = machine.initial();
  }

  /** Forgets all states. */
  clear(): void {
    this.count = 0;
    this.table.fill(0);
  }

  /** The state's number; it is new if that is the last one. */
  add(s: Vector): number {
    if (this.written !== this.machine.writtenCount) this.widen();
    if (2 * this.count > this.table.length) this.place(4 * this.table.length);
    const { live, width, table, count, key } = this;
    const mask = table.length - 1;
    let hash = 0;
    for (let i = 0; i < width; i++) {
      const value = s[live[i]!]!;
      key[i] = value;
      hash = (hash + Math.imul(value, FACTORS[i]!)) | 0;
    }
    let place = mixed(hash) & mask;
    for (; table[place] !== 0; place = (place + 1) & mask) {
      const known = table[place]! - 1;
      if (this.isKey(known * width)) return known;
    }
    table[place] = ++this.count;
    const at = count * width;
    if (at + width > this.arena.length) this.arena = doubled(this.arena);
    this.arena.set(key, at);
    return count;
  }

  /** Writes a state's words into a vector. */
  restore(state: number, s: Vector): void {
    if (this.written !== this.machine.writtenCount) this.widen();
    const { live, width, arena } = this;
    const at = state * width;
    for (let i = 0; i < width; i++) s[live[i]!] = arena[at + i]!;
  }

  private hash(at: number): number {
    const { arena, width } = this;
    let hash = 0;
    for (let i = 0; i < width; i++) hash = (hash + Math.imul(arena[at + i]!, FACTORS[i]!)) | 0;
    return mixed(hash);
  }

  private isKey(at: number): boolean {
    const { arena, key } = this;
    for (let i = 0; i < key.length; i++) if (arena[at + i] !== key[i]) return false;
    return true;
  }

  /** Makes room for words that somebody has begun to write. */
  private widen(): void {
    const { machine, live: liveBefore, width: before, arena } = this;
    const live: number[] = [];
    for (let i = 0; i < machine.width; i++) {
      if (i < machine.threads.length || machine.written[i] === 1) live.push(i);
    }
    this.live = Int32Array.from(live);
    this.width = live.length;
    this.key = new Int32Array(live.length);
    this.written = machine.writtenCount;
    if (this.count === 0) return;
    this.arena = new Int32Array(2 * (this.count + 1) * this.width);
    const s = this.scratch;
    for (let state = 0; state < this.count; state++) {
      for (let i = 0; i < before; i++) s[liveBefore[i]!] = arena[state * before + i]!;
      for (let i = 0; i < this.width; i++) this.arena[state * this.width + i] = s[live[i]!]!;
    }
    this.place(this.table.length);
  }

  private place(size: number): void {
    this.table = new Int32Array(size);
    const mask = size - 1;
    for (let state = 0; state < this.count; state++) {
      let place = this.hash(state * this.width) & mask;
      while (this.table[place] !== 0) place = (place + 1) & mask;
      this.table[place] = state + 1;
    }
  }
}

function mixed(hash: number): number {
  const once = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  return once ^ (once >>> 13);
}
