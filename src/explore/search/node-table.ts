// The nodes and edges of all automata of a program as flat integer arrays, so that a step of a
// search is a few array reads. Written by the automata only, which grow it; engines read it. An
// engine that keeps `words` and `edges` in locals takes them anew after each call that may grow.
import { OP, type Step } from "../types.js";

/** Words of a node. */
export const NODE_SHIFT = 3;

/** What the words of a node are; node n's begin at n << NODE_SHIFT. */
export const NODE = {
  kind: 0,
  addr: 1,
  a: 2,
  b: 3,
  /** Where in `edges` its edges by value begin: the node that value 0 leads to, 1, 2, ... */
  edges: 4,
  /** Values below this have their place there; 0 marks an edge that nobody has followed. */
  edgeCount: 5,
  /** Node after a step that cannot be taken rightly, or 0. */
  bad: 6,
} as const;

/** Values below this have places of their own; others go through a hash. */
const DENSE_VALUES = 64;

/** Words of an entry of the hash: node, value, next node (0 marks an empty one). */
const ENTRY = 4;

export class NodeTable {
  /** Step of each node. Node 0 is nobody's, so that 0 can mean "not there". */
  readonly steps: Step[] = [];
  words = new Int32Array(1 << 10);
  edges = new Int32Array(1 << 10);
  /** How often a thread's code has run on: what growing costs, for bounds on time. */
  effort = 0;
  private edgesUsed = 1;
  private hash = new Int32Array(1 << 8);
  private hashed = 0;

  constructor() {
    this.add({ kind: OP.done, addr: 0, a: 0, b: 0, site: -1, message: "" });
  }

  /** Adds a node without edges; returns its number. */
  add(step: Step): number {
    const node = this.steps.length;
    this.steps.push(step);
    const at = node << NODE_SHIFT;
    if (at + (1 << NODE_SHIFT) > this.words.length) this.words = doubled(this.words);
    const { words } = this;
    words[at + NODE.kind] = step.kind;
    words[at + NODE.addr] = step.addr;
    words[at + NODE.a] = step.a;
    words[at + NODE.b] = step.b;
    return node;
  }

  /** The node that a 32-bit value leads to, or 0 if nobody has followed that edge. */
  next(node: number, value: number): number {
    const at = node << NODE_SHIFT;
    const { words } = this;
    if (value >>> 0 < words[at + NODE.edgeCount]!) {
      return this.edges[words[at + NODE.edges]! + value]!;
    }
    return value >>> 0 < DENSE_VALUES ? 0 : this.hash[this.place(node, value) + 2]!;
  }

  setNext(node: number, value: number, next: number): void {
    if (value >>> 0 < DENSE_VALUES) {
      const at = node << NODE_SHIFT;
      if (value >= this.words[at + NODE.edgeCount]!) this.widen(at, value);
      this.edges[this.words[at + NODE.edges]! + value] = next;
      return;
    }
    if (2 * ENTRY * ++this.hashed > this.hash.length) this.rehash();
    const at = this.place(node, value);
    this.hash[at] = node;
    this.hash[at + 1] = value;
    this.hash[at + 2] = next;
  }

  /** Moves the edges of the node whose words begin at `at` to where `value` has a place too. */
  private widen(at: number, value: number): void {
    const { words } = this;
    let count = Math.max(1, words[at + NODE.edgeCount]!);
    while (count <= value) count *= 2;
    while (this.edgesUsed + count > this.edges.length) this.edges = doubled(this.edges);
    const from = words[at + NODE.edges]!;
    this.edges.copyWithin(this.edgesUsed, from, from + words[at + NODE.edgeCount]!);
    words[at + NODE.edges] = this.edgesUsed;
    words[at + NODE.edgeCount] = count;
    this.edgesUsed += count;
  }

  /** Where in the hash an edge is, or the empty place where it would be. */
  private place(node: number, value: number): number {
    const { hash } = this;
    const mask = hash.length - 1;
    let h = Math.imul(node, 0x9e3779b1) ^ Math.imul(value, 0x85ebca6b);
    h ^= h >>> 15;
    for (let at = (h << 2) & mask; ; at = (at + ENTRY) & mask) {
      if (hash[at + 2] === 0 || (hash[at] === node && hash[at + 1] === value)) return at;
    }
  }

  private rehash(): void {
    const before = this.hash;
    this.hash = new Int32Array(4 * before.length);
    for (let from = 0; from < before.length; from += ENTRY) {
      if (before[from + 2] === 0) continue;
      this.hash.set(
        before.subarray(from, from + ENTRY),
        this.place(before[from]!, before[from + 1]!),
      );
    }
  }
}

function doubled(array: Int32Array): Int32Array<ArrayBuffer> {
  const wider = new Int32Array(2 * array.length);
  wider.set(array);
  return wider;
}
