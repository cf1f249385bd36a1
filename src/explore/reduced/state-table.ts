// The states of a search, each kept whole and once: the words that some thread may write, then the
// local state of each thread. Words that nobody writes are the same in all states.
import type { SystemMachine, Vector } from "./machine.js";

export class StateTable {
  count = 0;
  /** Indices into the machine's vector that a state consists of. */
  private readonly live: Int32Array;
  private readonly width: number;
  private arena = new Int32Array(1 << 14);
  private table = new Int32Array(1 << 10);

  constructor(machine: SystemMachine) {
    const live: number[] = [];
    for (let slot = 1; slot < machine.firstThread; slot++) {
      if (machine.written[slot] === 1) live.push(slot);
    }
    for (let t = machine.firstThread; t < machine.width; t++) live.push(t);
    this.live = Int32Array.from(live);
    this.width = live.length;
  }

  /** The state's number; it is new if that is the last one. */
  add(s: Vector): number {
    const { live, width } = this;
    const at = this.count * width;
    if (at + width > this.arena.length) this.growArena();
    const { arena } = this;
    for (let i = 0; i < width; i++) arena[at + i] = s[live[i]!]!;
    if (2 * this.count > this.table.length) this.growTable();
    const mask = this.table.length - 1;
    for (let place = this.hash(at) & mask; ; place = (place + 1) & mask) {
      const entry = this.table[place]!;
      if (entry === 0) {
        this.table[place] = ++this.count;
        return this.count - 1;
      }
      if (this.equals((entry - 1) * width, at)) return entry - 1;
    }
  }

  /** Writes a state's words into a vector. */
  restore(state: number, s: Vector): void {
    const { live, width, arena } = this;
    const at = state * width;
    for (let i = 0; i < width; i++) s[live[i]!] = arena[at + i]!;
  }

  private hash(at: number): number {
    const { arena, width } = this;
    let hash = 0x9e3779b9 | 0;
    for (let i = at; i < at + width; i++) {
      hash = Math.imul(hash ^ arena[i]!, 0x85ebca6b);
      hash ^= hash >>> 15;
    }
    return hash;
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
    this.table = new Int32Array(4 * this.table.length);
    const mask = this.table.length - 1;
    for (let state = 0; state < this.count; state++) {
      let place = this.hash(state * this.width) & mask;
      while (this.table[place] !== 0) place = (place + 1) & mask;
      this.table[place] = state + 1;
    }
  }
}
