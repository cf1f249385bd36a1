// Which pairs of conflicting accesses of different threads were seen in both orders. From a
// finished state graph the answer is exact: the order exists or it does not. From runs it is what
// was seen. Any thread.
import { nowMs } from "../../base/clock.js";
import { firstOf } from "../search/bits.js";
import type { Machine, Vector } from "../search/machine.js";
import type { StateGraph } from "../states/state-graph.js";
import type { Watcher } from "../strategies/walk.js";
import type { Coverage, Step } from "../types.js";
import { lockUseOf } from "./lock-uses.js";
import { type Access, accessOf, doConflict } from "./accesses.js";

/** Most states of a graph whose orders are looked for, and most words of all their sets. */
const STATES_MAX = 300_000;
const WORDS_MAX = 2 ** 24;

/** Accesses of one kind: the same thread, place, cell or lock, both reads or both writes. */
interface Sort extends Access {
  readonly thread: number;
  readonly site: number;
}

/** Accesses whose order is looked at: of a lock's steps, those that take it. */
function orderedAccess(machine: Machine, s: Vector, step: Step): Access | null {
  const use = lockUseOf(step);
  return use?.action === "give" || use?.action === "wait" ? null : accessOf(machine, s, step);
}

class Sorts {
  readonly all: Sort[] = [];
  private readonly numbers = new Map<string, number>();

  number(thread: number, step: Step, access: Access): number {
    const key = `${thread},${step.site},${access.addr},${access.isWrite ? "w" : "r"}`;
    let number = this.numbers.get(key);
    if (number === undefined) {
      number = this.all.length;
      this.numbers.set(key, number);
      this.all.push({ ...access, thread, site: step.site });
    }
    return number;
  }

  doConflict(x: number, y: number): boolean {
    const [a, b] = [this.all[x]!, this.all[y]!];
    return a.thread !== b.thread && doConflict(a, b);
  }
}

/** Looks on at runs; `coverage` sums them up. */
export class CoverageWatcher implements Watcher {
  private readonly machine: Machine;
  private readonly sorts = new Sorts();
  /** Pairs of sorts, the first of which was before the second. */
  private readonly orders = new Set<number>();
  private readonly done = new Set<number>();
  private runs = 0;

  constructor(machine: Machine) {
    this.machine = machine;
  }

  begin(): void {
    this.done.clear();
    this.runs++;
  }

  step(s: Vector, thread: number): void {
    const step = this.machine.stepOf(s, thread);
    const access = orderedAccess(this.machine, s, step);
    if (access === null) return;
    const own = this.sorts.number(thread, step, access);
    for (const one of this.done) {
      if (this.sorts.doConflict(one, own)) this.orders.add(one * SORTS_MAX + own);
    }
    this.done.add(own);
  }

  coverage(): Coverage {
    return summary(this.machine, this.sorts, { orders: this.orders, runs: this.runs });
  }
}

const SORTS_MAX = 2 ** 20;

/** States between two looks at the clock. */
const CLOCK_STATES = 1024;

/**
 * The orders that the executions of a graph have; null if it is too large or unfinished, or when
 * the clock passes `endMs`.
 */
export function graphCoverage(graph: StateGraph, endMs: number): Coverage | null {
  if (graph.bound !== null || graph.count > STATES_MAX) return null;
  const { machine } = graph;
  const sorts = new Sorts();
  const edgeSort = numberEdges(graph, sorts, endMs);
  if (edgeSort === null) return null;
  const words = Math.ceil(sorts.all.length / 32);
  if (words * graph.count > WORDS_MAX) return null;
  const conflicts = sorts.all.map((_one, y) => {
    const bits = new Int32Array(words);
    sorts.all.forEach((_other, x) => {
      if (sorts.doConflict(x, y)) bits[x >> 5]! |= 1 << (x & 31);
    });
    return bits;
  });
  const before = earlierAccesses(graph, edgeSort, words, endMs);
  if (before === null) return null;
  const orders = new Set<number>();
  for (let state = 0; state < graph.count; state++) {
    const end = graph.firstEdge.data[state + 1]!;
    for (let e = graph.firstEdge.data[state]!; e < end; e++) {
      const y = edgeSort[e]!;
      if (y < 0) continue;
      for (let w = 0; w < words; w++) {
        let bits = before[state * words + w]! & conflicts[y]![w]!;
        for (; bits !== 0; bits &= bits - 1) {
          const x = 32 * w + firstOf(bits);
          orders.add(x * SORTS_MAX + y);
        }
      }
    }
  }
  return summary(machine, sorts, { orders, runs: null });
}

/** The sort of each edge's access, or -1. */
function numberEdges(graph: StateGraph, sorts: Sorts, endMs: number): Int32Array | null {
  const { machine } = graph;
  const numbers = new Int32Array(graph.edgeTo.length).fill(-1);
  for (let state = 0; state < graph.count; state++) {
    const end = graph.firstEdge.data[state + 1]!;
    if (state % CLOCK_STATES === 0 && nowMs() > endMs) return null;
    const s = graph.state(state);
    for (let e = graph.firstEdge.data[state]!; e < end; e++) {
      const thread = graph.edgeBy.data[e]! & 0xff;
      const step = machine.stepOf(s, thread);
      const access = orderedAccess(machine, s, step);
      if (access !== null) numbers[e] = sorts.number(thread, step, access);
    }
  }
  return numbers;
}

/** Per state, as bits: the sorts that an execution which leads there may have come by. */
function earlierAccesses(
  graph: StateGraph,
  edgeSort: Int32Array,
  words: number,
  endMs: number,
): Int32Array | null {
  const before = new Int32Array(words * graph.count);
  // Each round goes over all states; without cycles a second one changes nothing, and with them
  // as many are needed as edges lead back on one way.
  for (let isChanged = true; isChanged;) {
    isChanged = false;
    for (let state = 0; state < graph.count; state++) {
      if (state % CLOCK_STATES === 0 && nowMs() > endMs) return null;
      const end = graph.firstEdge.data[state + 1]!;
      for (let e = graph.firstEdge.data[state]!; e < end; e++) {
        const to = words * graph.edgeTo.data[e]!;
        const own = edgeSort[e]!;
        for (let w = 0; w < words; w++) {
          const added = own >> 5 === w && own >= 0 ? 1 << (own & 31) : 0;
          const union = before[to + w]! | before[words * state + w]! | added;
          if (union === before[to + w]) continue;
          before[to + w] = union;
          isChanged = true;
        }
      }
    }
  }
  return before;
}

interface Seen {
  readonly orders: ReadonlySet<number>;
  /** How many runs were looked at; null for all that there are. */
  readonly runs: number | null;
}

/** Sorts of one thread, place and cell count as one, whether they read or write. */
function summary(machine: Machine, sorts: Sorts, seen: Seen): Coverage {
  const { names, sites, threads } = machine.program;
  const label = ({ thread, site }: Sort) => {
    const place = sites[site];
    return `${threads[thread]!.name}:${place?.line ?? 0}:${place?.column ?? 0}`;
  };
  const pairs = new Map<string, { cell: string; first: string; second: string }>();
  for (const order of seen.orders) {
    const first = sorts.all[Math.floor(order / SORTS_MAX)]!;
    const second = sorts.all[order % SORTS_MAX]!;
    const pair = { cell: names[first.addr]!, first: label(first), second: label(second) };
    pairs.set(`${pair.cell} ${pair.first} ${pair.second}`, pair);
  }
  const missing = [...pairs.values()]
    .filter(({ cell, first, second }) => !pairs.has(`${cell} ${second} ${first}`))
    .map(({ cell, first, second }) => ({ cell, first: second, second: first }))
    .sort((x, y) => (JSON.stringify(x) < JSON.stringify(y) ? -1 : 1));
  const bothOrders = (pairs.size - missing.length) / 2;
  return { pairs: bothOrders + missing.length, bothOrders, missing, runs: seen.runs };
}
