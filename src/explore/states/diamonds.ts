// Successors that are known without looking them up. A state is first met by a step of some thread
// t. When another thread's step commutes with that one, both orders lead to the same state, and the
// other order may have been seen already: then its edge leads there, too.
//
//            parent --t--> state
//              |u            |u        there once `sibling` has been expanded
//            sibling --t--> target
//
// In a graph of many commuting steps that is most edges, and each costs a few reads of neighboring
// words in the place of a search in a table that is larger than the processor's caches. For
// programs of cells and plain locks; owned by the search of a state graph.
import type { Machine } from "../search/machine.js";
import { NODE, NODE_SHIFT } from "../search/node.js";
import type { Edges } from "./edges.js";
import type { StateStore } from "./state-store.js";

export class Diamonds {
  private readonly machine: Machine;
  private readonly store: StateStore;
  private readonly edges: Edges;
  private state = 0;
  /** The first edge to the state, and the state that it comes from. Both only go up. */
  private edge = 0;
  private parent = -1;
  /** By thread: where its step leads from the parent, or -1. */
  private readonly siblings: Int32Array;
  /** The step that led to the state: who took it, on which cell, and whether it may write. */
  private by = -1;
  private addr = 0;
  private writes = 0;

  constructor(machine: Machine, store: StateStore, edges: Edges) {
    this.machine = machine;
    this.store = store;
    this.edges = edges;
    this.siblings = new Int32Array(machine.threads.length);
  }

  /** Goes on to a state; their numbers only go up. */
  enter(state: number): void {
    if (state === 0) return;
    const { to, by, first } = this.edges;
    let { edge, parent } = this;
    // States get their numbers in the order of the edges that first led to them.
    while (to.data[edge] !== state) edge++;
    while (parent < 0 || first.data[parent + 1]! <= edge) parent++;
    if (parent !== this.parent) this.setParent(parent);
    this.edge = edge;
    this.state = state;
    this.by = by.data[edge]!;
    const { words } = this.machine.table;
    const node = this.store.word(parent, this.machine.firstThread + (this.by & 0xff));
    this.addr = words[(node << NODE_SHIFT) + NODE.addr]!;
    this.writes = words[(node << NODE_SHIFT) + NODE.writes]!;
  }

  private setParent(parent: number): void {
    const { siblings, edges } = this;
    const { first, to, by } = edges;
    this.parent = parent;
    siblings.fill(-1);
    const end = first.data[parent + 1]!;
    for (let e = first.data[parent]!; e < end; e++) siblings[by.data[e]! & 0xff] = to.data[e]!;
  }

  /** An edge that leads where the step of `thread`, which is no free choice, does; -1: none. */
  like(thread: number, node: number): number {
    const { by, addr, edges } = this;
    if (by < 0 || (by & 0xff) === thread) return -1;
    const { words } = this.machine.table;
    const at = node << NODE_SHIFT;
    const isSame = words[at + NODE.addr] === addr && addr !== 0;
    if (isSame && (this.writes | words[at + NODE.writes]!) !== 0) return -1;
    const sibling = this.siblings[thread]!;
    if (sibling < 0 || sibling >= this.state) return -1;
    const { first } = edges;
    const end = first.data[sibling + 1]!;
    for (let e = first.data[sibling]!; e < end; e++) {
      if (edges.by.data[e] === by) return e;
    }
    return -1;
  }
}
