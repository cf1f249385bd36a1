// A program as random runs read it: in one integer array the state, the living threads and all
// nodes with their edges. A plain step is some reads and two writes of it; with one array instead
// of six, the compiler keeps its address and length in registers. One owner, the random walk,
// which makes a new one when enough has been added to the automata.
import { OP } from "../types.js";
import type { Machine, Vector } from "./machine.js";
import { HOW, NODE, NODE_SHIFT } from "./node.js";
import type { NodeTable } from "./node-table.js";

/**
 * What a node's words are. A plain step leaves `(old & and) + plus` in the word at `addr` and gets
 * `old & value`. The edge of that value is the place of the next node, its negative if the thread
 * has returned there, or 0 if the edge is not on the tape.
 */
export const TAPE = {
  addr: 0,
  value: 1,
  /** Values below this have an edge: 0 in nodes whose step is not plain. */
  edgeCount: 2,
  /** Where the edges are. */
  edges: 3,
  and: 4,
  plus: 5,
  /** The node's number. */
  node: 6,
} as const;

const NODE_WORDS = 8;

export class Tape {
  readonly words: Int32Array;
  /** The machine's state: the first words. Its nodes are behind while a run is on the tape. */
  readonly s: Vector;
  /** Where the places of the threads' nodes are, the living first. */
  readonly nodes: number;
  /** Where the numbers of these threads are. */
  readonly alive: number;
  private readonly first: number;
  private readonly end: number;

  constructor(machine: Machine) {
    const { table, threads, width } = machine;
    this.nodes = width;
    this.alive = width + threads.length;
    this.first = this.alive + threads.length;
    this.end = this.first + table.steps.length * NODE_WORDS;
    this.words = new Int32Array(this.end + table.edges.length);
    this.s = this.words.subarray(0, width);
    for (let node = 1; node < table.steps.length; node++) this.putNode(table, node);
    for (let i = 0; i < table.edges.length; i++) {
      const next = table.edges[i]!;
      if (next !== 0) this.words[this.end + i] = this.target(table, next);
    }
  }

  /** Where a node is; where nobody's node 0 is, which has no edges, if it was added later. */
  placeOf(node: number): number {
    const place = this.first + node * NODE_WORDS;
    return place < this.end ? place : this.first;
  }

  private putNode({ words: from }: NodeTable, node: number): void {
    const { words } = this;
    const at = node << NODE_SHIFT;
    const to = this.first + node * NODE_WORDS;
    const isPlain = from[at + NODE.how] === HOW.plain;
    words[to + TAPE.addr] = from[at + NODE.addr]!;
    words[to + TAPE.value] = from[at + NODE.value]!;
    words[to + TAPE.edgeCount] = isPlain ? from[at + NODE.edgeCount]! : 0;
    words[to + TAPE.edges] = this.end + from[at + NODE.edges]!;
    words[to + TAPE.and] = from[at + NODE.and]!;
    // Bits are flipped only where `and` leaves none.
    words[to + TAPE.plus] = from[at + NODE.xor]! + from[at + NODE.plus]!;
    words[to + TAPE.node] = node;
  }

  /** An edge's word. A thread that fails ends the run: that is rare, and not done here. */
  private target(table: NodeTable, node: number): number {
    const at = node << NODE_SHIFT;
    if (table.words[at + NODE.how] !== HOW.end) return this.placeOf(node);
    return table.words[at + NODE.kind] === OP.done ? -this.placeOf(node) : 0;
  }
}
