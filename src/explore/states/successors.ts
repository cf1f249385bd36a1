// The successors of states, made packed: a step changes one cell and one thread's node, so a
// successor is the state's own words with two fields written over. Steps of kernel kinds may change
// anything and are packed whole. Owned by a state graph.
import { HOW, act, isOpen, NODE, NODE_SHIFT } from "../search/node-table.js";
import { OP } from "../types.js";
import type { Machine, Vector } from "../search/machine.js";
import { hashOf, type Lookups, type StateStore } from "./state-store.js";

/** What `expand` says when no step can be taken, or a value has no room in the packing. */
export const NO_ROOM = -1;

export class Successors implements Lookups {
  packed: Int32Array;
  hashes = new Int32Array(1024);
  numbers = new Int32Array(1024);
  /** Thread of each successor's step, and its choice above bit 8. */
  by = new Int32Array(1024);
  length = 0;
  /** A state that had no room. */
  readonly misfit: Vector;
  private readonly machine: Machine;
  private readonly store: StateStore;
  private readonly isPlain: boolean;

  constructor(machine: Machine, store: StateStore) {
    this.machine = machine;
    this.store = store;
    this.packed = new Int32Array(1024 * store.packing.words);
    this.misfit = machine.initial();
    this.isPlain = machine.program.kernel === undefined;
  }

  /** Adds the successors of a state that is unpacked in `s`; how many, or NO_ROOM. */
  expand(index: number, s: Vector): number {
    const before = this.length;
    const threads = this.machine.threads.length;
    for (let t = 0; t < threads; t++) {
      const isMade = this.isPlain ? this.plainStep(index, s, t) : this.anyStep(s, t);
      if (isMade) continue;
      this.length = before;
      return NO_ROOM;
    }
    return this.length - before;
  }

  /** Adds what a thread's step makes of a state, if it is enabled; false if that has no room. */
  private plainStep(index: number, s: Vector, t: number): boolean {
    const { machine } = this;
    const { words, edges } = machine.table;
    const place = machine.firstThread + t;
    const node = s[place]!;
    const at = node << NODE_SHIFT;
    const how = words[at + NODE.how]!;
    if (how === HOW.end || (how === HOW.guarded && !isOpen(words, at, s))) return true;
    if (how === HOW.kernel || words[at + NODE.kind] === OP.choose) return this.anyStep(s, t);
    const addr = words[at + NODE.addr]!;
    const old = s[addr]!;
    const value = act(words, at, s, 0);
    const now = s[addr]!;
    s[addr] = old;
    let next = 0;
    if (value >>> 0 < words[at + NODE.edgeCount]!) {
      next = edges[words[at + NODE.edges]! + value]!;
    }
    if (next === 0) next = machine.threads[t]!.next(node, value);
    const { packing, arena } = this.store;
    const size = packing.words;
    if (this.length === this.hashes.length) this.grow();
    const { packed } = this;
    const to = this.length * size;
    const from = index * size;
    for (let w = 0; w < size; w++) packed[to + w] = arena[from + w]!;
    const { word, shift, mask, least } = packing;
    const cell = (now - least[addr]!) | 0;
    const local = (next - least[place]!) | 0;
    if (((cell & ~mask[addr]!) | (local & ~mask[place]!)) !== 0) {
      this.misfit.set(s);
      this.misfit[addr] = now;
      this.misfit[place] = next;
      return false;
    }
    const cellWord = to + word[addr]!;
    packed[cellWord] =
      (packed[cellWord]! & ~(mask[addr]! << shift[addr]!)) | (cell << shift[addr]!);
    const nodeWord = to + word[place]!;
    packed[nodeWord] =
      (packed[nodeWord]! & ~(mask[place]! << shift[place]!)) | (local << shift[place]!);
    this.by[this.length] = t;
    this.hashes[this.length++] = hashOf(packed, to, size);
    return true;
  }

  /** The same for any kind of step and all of its choices. */
  private anyStep(s: Vector, t: number): boolean {
    const { machine, misfit } = this;
    if (!machine.isEnabled(s, t)) return true;
    const { packing } = this.store;
    const count = Math.max(1, machine.choices(s, t));
    for (let choice = 0; choice < count; choice++) {
      if (this.length === this.hashes.length) this.grow();
      misfit.set(s);
      machine.take(misfit, t, choice);
      const to = this.length * packing.words;
      if (!packing.pack(misfit, this.packed, to)) return false;
      this.by[this.length] = t | (choice << 8);
      this.hashes[this.length++] = hashOf(this.packed, to, packing.words);
    }
    return true;
  }

  private grow(): void {
    const wider = (array: Int32Array) => {
      const twice = new Int32Array(2 * array.length);
      twice.set(array);
      return twice;
    };
    this.packed = wider(this.packed);
    this.hashes = wider(this.hashes);
    this.numbers = wider(this.numbers);
    this.by = wider(this.by);
  }

  /** Forgets all, and makes room for a new packing. */
  clear(): void {
    this.length = 0;
    const size = this.hashes.length * this.store.packing.words;
    if (this.packed.length < size) this.packed = new Int32Array(size);
  }
}
