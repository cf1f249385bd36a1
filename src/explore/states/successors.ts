// The successors of states. Of programs of cells and plain locks they are made packed: a step
// changes one cell and one thread's node, so a successor is the state's own words with two fields
// written over, and nothing else of the state is read. Steps of kernel kinds may change anything
// and are packed whole. Owned by a state graph.
import { HOW, NODE, NODE_SHIFT } from "../search/node.js";
import { act, isOpenAt } from "../search/node-table.js";
import { OP } from "../types.js";
import type { Machine, Vector } from "../search/machine.js";
import { Diamonds } from "./diamonds.js";
import type { Edges } from "./edges.js";
import { hashOf, type Lookups, type StateStore } from "./state-store.js";

/** What `expand` says when a value has no room in the packing. */
export const NO_ROOM = -1;
/** What it says when a thread has failed or met a bound: then there are no successors. */
export const ENDED = -2;

export class Successors implements Lookups {
  packed: Int32Array;
  hashes = new Int32Array(1024);
  edges = new Int32Array(1024);
  length = 0;
  /** A state that had no room. */
  readonly misfit: Vector;
  private readonly machine: Machine;
  private readonly store: StateStore;
  private readonly graph: Edges;
  private readonly diamonds: Diamonds;
  private readonly isPlain: boolean;
  /** The node of each thread in the state at hand, and words to take steps in. */
  private readonly nodes: Int32Array;
  private readonly scratch: Vector;

  constructor(machine: Machine, store: StateStore, graph: Edges) {
    this.machine = machine;
    this.store = store;
    this.graph = graph;
    this.diamonds = new Diamonds(machine, store, graph);
    this.packed = new Int32Array(1024 * store.packing.words);
    this.misfit = machine.initial();
    this.scratch = machine.initial();
    this.nodes = new Int32Array(machine.threads.length);
    this.isPlain = machine.program.kernel === undefined;
  }

  /** Forgets all, and makes room for a new packing. */
  clear(): void {
    this.length = 0;
    const size = this.hashes.length * this.store.packing.words;
    if (this.packed.length < size) this.packed = new Int32Array(size);
  }

  /** Adds the edges of the next state; how many, NO_ROOM (then none), or ENDED. */
  expand(index: number): number {
    const before = this.length;
    const { graph } = this;
    graph.begin();
    const isMade = this.isPlain ? this.expandPlain(index) : this.expandAny(index);
    if (isMade === ENDED) return ENDED;
    if (isMade !== NO_ROOM) return graph.to.length - graph.first.data[index]!;
    this.length = before;
    graph.takeBack();
    return NO_ROOM;
  }

  private expandPlain(index: number): number {
    const { machine, nodes, store, diamonds, graph } = this;
    const { words } = machine.table;
    const { arena, packing } = store;
    const { word, shift, mask, least } = packing;
    const from = index * packing.words;
    for (let t = 0, i = machine.firstThread; t < nodes.length; t++, i++) {
      const node = ((arena[from + word[i]!]! >>> shift[i]!) & mask[i]!) + least[i]!;
      const at = node << NODE_SHIFT;
      if (words[at + NODE.how] === HOW.end && words[at + NODE.kind] !== OP.done) return ENDED;
      nodes[t] = node;
    }
    diamonds.enter(index);
    for (let t = 0; t < nodes.length; t++) {
      const at = nodes[t]! << NODE_SHIFT;
      // Read anew: a step may have made the table grow.
      const table = machine.table.words;
      const how = table[at + NODE.how]!;
      if (how === HOW.end) continue;
      const outcomes = table[at + NODE.kind] === OP.choose ? table[at + NODE.a]! : 1;
      const known = outcomes === 1 ? diamonds.like(t, nodes[t]!) : -1;
      if (known >= 0) {
        graph.addLike(known, t);
        continue;
      }
      const old = store.word(index, table[at + NODE.addr]!);
      if (how === HOW.guarded && !isOpenAt(table, at, old)) continue;
      for (let choice = 0; choice < outcomes; choice++) {
        if (!this.plainStep(index, t, old, choice)) return NO_ROOM;
      }
    }
    return 0;
  }

  /** Adds what a thread's step makes of a state, whose cell holds `old`; false without room. */
  private plainStep(index: number, t: number, old: number, choice: number): boolean {
    const { machine, scratch } = this;
    const { words, edges } = machine.table;
    const node = this.nodes[t]!;
    const at = node << NODE_SHIFT;
    const addr = words[at + NODE.addr]!;
    scratch[addr] = old;
    const value = act(words, at, scratch, choice);
    const now = scratch[addr]!;
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
    const place = machine.firstThread + t;
    const cell = (now - least[addr]!) | 0;
    const local = (next - least[place]!) | 0;
    if (((cell & ~mask[addr]!) | (local & ~mask[place]!)) !== 0) {
      this.store.read(index, this.misfit);
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
    this.addLookup(t | (choice << 8));
    return true;
  }

  /** An edge to the packed state behind the last one. */
  private addLookup(by: number): void {
    const size = this.store.packing.words;
    this.edges[this.length] = this.graph.addOpen(by);
    this.hashes[this.length] = hashOf(this.packed, this.length * size, size);
    this.length++;
  }

  /** The same for any kind of step. */
  private expandAny(index: number): number {
    const { machine, misfit, scratch: s, store } = this;
    const { packing } = store;
    store.read(index, s);
    if (machine.ended(s) >= 0) return ENDED;
    for (let t = 0; t < this.nodes.length; t++) {
      if (!machine.isEnabled(s, t)) continue;
      const count = Math.max(1, machine.choices(s, t));
      for (let choice = 0; choice < count; choice++) {
        if (this.length === this.hashes.length) this.grow();
        misfit.set(s);
        machine.take(misfit, t, choice);
        if (!packing.pack(misfit, this.packed, this.length * packing.words)) return NO_ROOM;
        this.addLookup(t | (choice << 8));
      }
    }
    return 0;
  }

  private grow(): void {
    const wider = (array: Int32Array) => {
      const twice = new Int32Array(2 * array.length);
      twice.set(array);
      return twice;
    };
    this.packed = wider(this.packed);
    this.hashes = wider(this.hashes);
    this.edges = wider(this.edges);
  }
}
