// The local states of all threads of one case, with their edges, as flat columns: a state of the
// search holds for each thread where its record begins, so that a step is a few array reads. Grown
// by the threads, read by the machine and the sets. One owner, the case's machine.
import { doubled } from "../search/node-table.js";
import type { Step } from "../types.js";

/** What is where in a record. */
export const LOCAL = {
  kind: 0,
  /** Index of the word of a state that the step touches, or 0. */
  word: 1,
  a: 2,
  b: 3,
  /** The edge that was met first: its value and where it leads, 0 if there is none. */
  value: 4,
  to: 5,
  /** The other edges, in the order in which they were met: the first of them in `edges`, or 0. */
  more: 6,
  /** Which one of its thread it is, from 1 on. */
  order: 7,
  /** Where loads of words that nobody writes lead, and how many these are; the machine's. */
  aheadTo: 8,
  aheadCount: 9,
  /** The same local state in the thread's automaton. */
  node: 10,
} as const;

const RECORD = 11;

/** An edge in `edges`: value, where it leads, the next edge of the same local state or 0. */
const EDGE = 3;

export class LocalStates {
  /** Made anew when it gets too small: whoever keeps it takes it again after each new edge. */
  columns = new Int32Array(1 << 12);
  edges = new Int32Array(1 << 8);
  private used = RECORD;
  private edgesUsed = EDGE;

  /**
   * A local state without edges; returns where its record begins.
   * @param word 0 for what touches none.
   */
  add({ kind, a, b }: Step, word: number, order: number, node: number): number {
    const at = this.used;
    this.used += RECORD;
    if (this.used > this.columns.length) this.columns = doubled(this.columns);
    const { columns } = this;
    columns[at + LOCAL.kind] = kind;
    columns[at + LOCAL.word] = word;
    columns[at + LOCAL.a] = a;
    columns[at + LOCAL.b] = b;
    columns[at + LOCAL.order] = order;
    columns[at + LOCAL.node] = node;
    return at;
  }

  /** Where the edge of a value leads, or 0 if it has not been met. */
  next(at: number, value: number): number {
    const { columns, edges } = this;
    const first = columns[at + LOCAL.to]!;
    if (first === 0 || columns[at + LOCAL.value] === value) return first;
    for (let edge = columns[at + LOCAL.more]!; edge !== 0; edge = edges[edge + 2]!) {
      if (edges[edge] === value) return edges[edge + 1]!;
    }
    return 0;
  }

  setNext(at: number, value: number, to: number): void {
    const { columns } = this;
    if (columns[at + LOCAL.to] === 0) {
      columns[at + LOCAL.value] = value;
      columns[at + LOCAL.to] = to;
      return;
    }
    const edge = this.edgesUsed;
    this.edgesUsed += EDGE;
    if (this.edgesUsed > this.edges.length) this.edges = doubled(this.edges);
    this.edges[edge] = value;
    this.edges[edge + 1] = to;
    let last = columns[at + LOCAL.more]!;
    if (last === 0) {
      columns[at + LOCAL.more] = edge;
      return;
    }
    while (this.edges[last + 2] !== 0) last = this.edges[last + 2]!;
    this.edges[last + 2] = edge;
  }
}
