// The states of a search, each kept whole and once: the words that some thread may write, then the
// local state of each thread. Words that nobody writes are the same in all states.
import type { Machine, Vector } from "../search/machine.js";
import type { Futures } from "./futures.js";

export class StateTable {
  count = 0;
  /** Indices into the machine's vector that a state consists of. */
  private readonly live: Int32Array;
  private readonly width: number;
  private arena: Int32Array;
  private table = new Int32Array(1 << 10);

  constructor(machine: Machine, futures: Futures) {
    const live: number[] = [];
    for (let slot = 1; slot < machine.firstThread; slot++) {
      if (machine.threads.some((one) => futures.mayWrite(one.start, slot))) live.push(slot);
    }
    for (let t = 0; t < machine.threads.length; t++) live.push(machine.firstThread + t);
    this.live = Int32Array.from(live);
    this.width = live.length;
    this.arena = new Int32Array(256 * this.width);
  }

  /** The state's number; -1 - number if it was there already. */
  add(s: Vector): number {
    const { live, width } = this;
    if ((this.count + 1) * width > this.arena.length) this.growArena();
    const { arena } = this;
    const at = this.count * width;
    let hash = 0x9e3779b9 | 0;
    for (let i = 0; i < width; i++) {
      const word = s[live[i]!]!;
      arena[at + i] = word;
      hash = Math.imul(hash ^ word, 0x85ebca6b);
      hash ^= hash >>> 15;
    }
    if (2 * this.count > this.table.length) this.growTable();
    const mask = this.table.length - 1;
    let place = hash & mask;
    for (; ; place = (place + 1) & mask) {
      const entry = this.table[place]!;
      if (entry === 0) break;
      if (this.equals((entry - 1) * width, at)) return -entry;
    }
    this.table[place] = ++this.count;
    return this.count - 1;
  }

  /** Writes a state's words into a vector. */
  restore(state: number, s: Vector): void {
    const { live, width, arena } = this;
    const at = state * width;
    for (let i = 0; i < width; i++) s[live[i]!] = arena[at + i]!;
  }

  private equals(x: number, y: number): boolean {
    const { arena, width } = this;
    for (let i = 0; i < width; i++) if (arena[x + i] !== arena[y + i]) return false;
    return true;
  }

  private growArena(): void {
    const wider = new Int32Array(2 * this.arena.length);
    wider.set(this.arena);
    this.arena = wider;
  }

  private growTable(): void {
    const { arena, width } = this;
    this.table = new Int32Array(4 * this.table.length);
    const mask = this.table.length - 1;
    for (let state = 0; state < this.count; state++) {
      let hash = 0x9e3779b9 | 0;
      for (let i = 0; i < width; i++) {
        hash = Math.imul(hash ^ arena[state * width + i]!, 0x85ebca6b);
        hash ^= hash >>> 15;
      }
      let place = hash & mask;
      while (this.table[place] !== 0) place = (place + 1) & mask;
      this.table[place] = state + 1;
    }
  }
}
