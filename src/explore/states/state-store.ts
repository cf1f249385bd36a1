// All states of a search, packed, each once: an arena of states by number and a hash table that
// finds the number. States come in batches, because nearly every lookup misses the processor's
// caches: the places of a whole batch are touched first, so that these misses overlap. One owner.
import type { Vector } from "../search/machine.js";
import type { Packing } from "./packing.js";

/** Packed states to be looked up, and the numbers that they turn out to have. */
export interface Lookups {
  /** One after the other, each in as many words as the packing says. */
  packed: Int32Array;
  hashes: Int32Array;
  numbers: Int32Array;
  length: number;
}

/** Up to so many states, the table grows fourfold. */
const WIDE_COUNT = 1 << 22;

export class StateStore {
  packing: Packing;
  count = 0;
  arena: Int32Array;
  /** Pairs of a hash and a state's number + 1; 0 marks an empty pair. */
  private table = new Int32Array(1 << 12);
  /** Written so that touching is no dead code. */
  touched = 0;

  constructor(packing: Packing) {
    this.packing = packing;
    this.arena = new Int32Array(1024 * packing.words);
  }

  read(index: number, s: Vector): void {
    this.packing.unpack(this.arena, index * this.packing.words, s);
  }

  /** The same into an array that holds another state of this packing. */
  readOver(index: number, s: Vector): void {
    this.packing.unpackOver(this.arena, index * this.packing.words, s);
  }

  /** Numbers for all of the batch; new states get the next ones, in the batch's order. */
  insert(batch: Lookups): void {
    this.reserve(batch.length);
    this.touch(batch);
    const { table, arena } = this;
    const { words } = this.packing;
    const { packed, hashes, numbers, length } = batch;
    const mask = table.length - 1;
    let { count } = this;
    for (let k = 0; k < length; k++) {
      const hash = hashes[k]!;
      const from = k * words;
      for (let at = (hash << 1) & mask; ; at = (at + 2) & mask) {
        const number = table[at + 1]!;
        if (number === 0) {
          table[at] = hash;
          table[at + 1] = count + 1;
          for (let w = 0; w < words; w++) arena[count * words + w] = packed[from + w]!;
          numbers[k] = count++;
          break;
        }
        if (table[at] !== hash) continue;
        const start = (number - 1) * words;
        let w = 0;
        while (w < words && arena[start + w] === packed[from + w]) w++;
        if (w < words) continue;
        numbers[k] = number - 1;
        break;
      }
    }
    this.count = count;
  }

  /** Packs all states anew. Their numbers stay. */
  repack(packing: Packing, scratch: Vector): void {
    const before = this.packing;
    const arena = new Int32Array(Math.max(1024, 2 * this.count) * packing.words);
    for (let i = 0; i < this.count; i++) {
      before.unpack(this.arena, i * before.words, scratch);
      packing.pack(scratch, arena, i * packing.words);
    }
    this.packing = packing;
    this.arena = arena;
    this.table.fill(0);
    for (let i = 0; i < this.count; i++)
      this.place(hashOf(arena, i * packing.words, packing.words), i);
  }

  private touch({ hashes, length }: Lookups): void {
    const { table, arena } = this;
    const { words } = this.packing;
    const mask = table.length - 1;
    let touched = 0;
    for (let k = 0; k < length; k++) touched ^= table[(hashes[k]! << 1) & mask]!;
    for (let k = 0; k < length; k++) {
      const at = (hashes[k]! << 1) & mask;
      if (table[at] === hashes[k]) touched ^= arena[table[at + 1]! * words]!;
    }
    this.touched = touched;
  }

  /** Makes room for so many more states, with a table that is two thirds full at most. */
  private reserve(more: number): void {
    const count = this.count + more;
    const { words } = this.packing;
    if ((count + 1) * words > this.arena.length) {
      const wider = new Int32Array(2 * (count + 1) * words);
      wider.set(this.arena);
      this.arena = wider;
    }
    if (3 * count <= this.table.length) return;
    const before = this.table;
    // Four times as wide, while that is cheap: filling a new table costs as much as a search step.
    const factor = count < WIDE_COUNT ? 12 : 6;
    this.table = new Int32Array(2 ** Math.ceil(Math.log2(factor * count)));
    for (let at = 0; at < before.length; at += 2) {
      if (before[at + 1] !== 0) this.place(before[at]!, before[at + 1]! - 1);
    }
  }

  private place(hash: number, index: number): void {
    const { table } = this;
    const mask = table.length - 1;
    let at = (hash << 1) & mask;
    while (table[at + 1] !== 0) at = (at + 2) & mask;
    table[at] = hash;
    table[at + 1] = index + 1;
  }
}

/** A hash of `words` words from `at`. */
export function hashOf(from: Int32Array, at: number, words: number): number {
  let h = 0x9747b28c;
  for (let w = 0; w < words; w++) {
    h = Math.imul(h ^ from[at + w]!, 0xcc9e2d51);
    h ^= h >>> 15;
  }
  h = Math.imul(h ^ (h >>> 13), 0x85ebca6b);
  return h ^ (h >>> 16);
}
