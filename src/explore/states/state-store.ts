// All states of a search, packed, each once: an arena of states by number and a hash table that
// finds the number. States come in batches, because nearly every lookup misses the processor's
// caches: the places of a whole batch are touched first, so that these misses overlap. One owner.
import type { Vector } from "../search/machine.js";
import type { Packing } from "./packing.js";

/** Packed states to be looked up. */
export interface Lookups {
  /** One after the other, each in as many words as the packing says. */
  readonly packed: Int32Array;
  readonly hashes: Int32Array;
  /** The edge that leads to each. */
  readonly edges: Int32Array;
  readonly length: number;
}

/** Up to so many states, the table grows fourfold. */
const WIDE_COUNT = 1 << 22;

/** Low bits of an entry: a state's number + 1. Above them are the high bits of its hash. */
const NUMBER_BITS = 27;
const NUMBER = (1 << NUMBER_BITS) - 1;

/** Most states. */
export const STATES_MAX = NUMBER - 1;

export class StateStore {
  packing: Packing;
  count = 0;
  arena: Int32Array;
  /** Open addressing; 0 marks an empty entry. */
  private table = new Int32Array(1 << 12);
  /**
   * The first state that a new one may be equal to. Entries of those before it count as empty, so
   * that a table of all is needed only when a state may come back.
   */
  private first = 0;
  /** Written so that touching is no dead code. */
  touched = 0;

  constructor(packing: Packing) {
    this.packing = packing;
    this.arena = new Int32Array(1024 * packing.words);
  }

  read(index: number, s: Vector): void {
    this.packing.unpack(this.arena, index * this.packing.words, s);
  }

  /** One word of a state. */
  word(index: number, i: number): number {
    const { word, shift, mask, least, words } = this.packing;
    return ((this.arena[index * words + word[i]!]! >>> shift[i]!) & mask[i]!) + least[i]!;
  }

  /** Gives the first state its number, 0. */
  insertFirst(s: Vector): void {
    const { packing, arena } = this;
    packing.pack(s, arena, 0);
    this.place(this.count++);
  }

  /** From now on no state is looked up that is equal to one of those so far. */
  forget(): void {
    this.first = this.count;
  }

  /** Any state may be looked up again. */
  recall(): void {
    if (this.first === 0) return;
    this.first = 0;
    this.table = new Int32Array(tableSize(this.count));
    for (let i = 0; i < this.count; i++) this.place(i);
  }

  /**
   * Makes the batch's edges lead to the numbers of its states; new ones get the next numbers, in
   * the batch's order.
   */
  insert(batch: Lookups, numbers: Int32Array): void {
    this.reserve(batch.length);
    this.touch(batch);
    const { table, arena, first } = this;
    const { words } = this.packing;
    const { packed, hashes, edges, length } = batch;
    const mask = table.length - 1;
    let { count } = this;
    for (let k = 0; k < length; k++) {
      const hash = hashes[k]!;
      const from = k * words;
      for (let at = hash & mask; ; at = (at + 1) & mask) {
        const entry = table[at]!;
        if ((entry & NUMBER) <= first) {
          table[at] = (hash & ~NUMBER) | (count + 1);
          for (let w = 0; w < words; w++) arena[count * words + w] = packed[from + w]!;
          numbers[edges[k]!] = count++;
          break;
        }
        if (((entry ^ hash) & ~NUMBER) !== 0) continue;
        const start = ((entry & NUMBER) - 1) * words;
        let w = 0;
        while (w < words && arena[start + w] === packed[from + w]) w++;
        if (w < words) continue;
        numbers[edges[k]!] = (entry & NUMBER) - 1;
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
    for (let i = this.first; i < this.count; i++) this.place(i);
  }

  private touch({ hashes, length }: Lookups): void {
    const { table } = this;
    const mask = table.length - 1;
    let touched = 0;
    for (let k = 0; k < length; k++) touched ^= table[hashes[k]! & mask]!;
    this.touched = touched;
  }

  /** Makes room for so many more states, with a table that is half full at most. */
  private reserve(more: number): void {
    const count = this.count + more;
    const { words } = this.packing;
    if ((count + 1) * words > this.arena.length) {
      const wider = new Int32Array(2 * (count + 1) * words);
      wider.set(this.arena);
      this.arena = wider;
    }
    const alive = count - this.first;
    if (2 * alive <= this.table.length) return;
    this.table = new Int32Array(tableSize(alive));
    for (let i = this.first; i < this.count; i++) this.place(i);
  }

  private place(index: number): void {
    const { table, arena } = this;
    const { words } = this.packing;
    const hash = hashOf(arena, index * words, words);
    const mask = table.length - 1;
    let at = hash & mask;
    while (table[at] !== 0) at = (at + 1) & mask;
    table[at] = (hash & ~NUMBER) | (index + 1);
  }
}

/** Entries for so many states: four times as wide, while that is cheap, for a new table costs. */
function tableSize(count: number): number {
  const factor = count < WIDE_COUNT ? 8 : 4;
  return 2 ** Math.ceil(Math.log2(factor * count));
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
