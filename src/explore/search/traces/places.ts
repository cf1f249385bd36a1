// The nodes of a program's automata as the trace search steps through them: objects, whose fields
// are read without the checks of array indexes, and which know each other. A copy of the table's
// words; nodes that nobody has been at are asked from the automata. One owner, the execution.
import { OP } from "../../types.js";
import type { Automaton } from "../automaton.js";
import { HOW, NODE, NODE_SHIFT } from "../node.js";
import type { NodeTable } from "../node-table.js";

/** Values below this lead to the next place by an array; others through the table. */
const NEAR_VALUES = 64;

/** Never written: an array of no length is made wider first. */
const NOWHERE: (Place | null)[] = [];

/** One node. What each step reads comes first, to be in one line of the processor's cache. */
export class Place {
  readonly how: number;
  readonly addr: number;
  /** What the step touches; of a compare-and-exchange, when it fails. */
  readonly what: number;
  /** A plain step leaves `(old & and) + plus`; the thread gets `old & value`. */
  readonly and: number;
  readonly plus: number;
  readonly value: number;
  /** The place that one value leads to; itself until there is one. Most steps get one value. */
  near: Place = this;
  nearValue = 0;
  /** By value, those that others lead to; null where nobody has been. */
  next: (Place | null)[] = NOWHERE;
  readonly node: number;
  readonly kind: number;
  /** What a compare-and-exchange expects. */
  private readonly a: number;

  constructor(node: number, words: Int32Array) {
    const at = node << NODE_SHIFT;
    this.how = words[at + NODE.how]!;
    this.addr = words[at + NODE.addr]!;
    this.what = words[at + NODE.what]!;
    this.and = words[at + NODE.and]!;
    // A bit is changed by `xor` only where `and` has taken it away.
    this.plus = words[at + NODE.xor]! + words[at + NODE.plus]!;
    this.value = words[at + NODE.value]!;
    this.node = node;
    this.kind = words[at + NODE.kind]!;
    this.a = words[at + NODE.a]!;
  }

  /** What the step would touch if its cell held `value`. */
  whatWith(value: number): number {
    const isExchange = this.how === HOW.special && this.kind === OP.cas && value === this.a;
    return isExchange ? this.what | 1 : this.what;
  }
}

export class Places {
  private readonly table: NodeTable;
  private readonly threads: readonly Automaton[];
  private readonly all: (Place | undefined)[] = [];

  constructor(table: NodeTable, threads: readonly Automaton[]) {
    this.table = table;
    this.threads = threads;
  }

  at(node: number): Place {
    return (this.all[node] ??= new Place(node, this.table.words));
  }

  /** Where a thread comes to from a place by a value for the first time, or by a large one. */
  follow(from: Place, thread: number, value: number): Place {
    const to = this.at(this.threads[thread]!.next(from.node, value));
    if (from.near === from) {
      from.near = to;
      from.nearValue = value;
    } else if (value >>> 0 < NEAR_VALUES) {
      if (value >= from.next.length) from.next = widened(from.next, value);
      from.next[value] = to;
    }
    return to;
  }
}

/** A copy with a place for `value`, and as much room again. */
function widened(next: readonly (Place | null)[], value: number): (Place | null)[] {
  const wider: (Place | null)[] = [];
  const length = Math.max(2 * next.length, value + 1);
  for (let at = 0; at < length; at++) wider.push(next[at] ?? null);
  return wider;
}
