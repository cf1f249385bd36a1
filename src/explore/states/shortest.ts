// The counterexample with the fewest context switches, and among those the fewest steps, by
// Dijkstra's algorithm over pairs of state and thread that ran last. On a finished graph the answer
// is a minimum, not a good guess.
import { nowMs } from "../../base/clock.js";
import type { StateGraph } from "./state-graph.js";

export interface Schedule {
  /** Thread of each step, and its choice above bit 8. */
  readonly moves: readonly number[];
  /** The state it leads to. */
  readonly state: number;
  readonly isExact: boolean;
}

/** Steps weigh 1 and switches so much; no execution has more steps than that. */
const SWITCH = 2 ** 26;

/** Pairs between two looks at the clock. */
const CLOCK_PAIRS = 1024;

/** Most pairs of state and thread for the exact answer. */
const PAIRS_MAX = 6_000_000;

/**
 * The cheapest way from the start to a state in `targets`; `isExact`: none has fewer switches. When
 * the clock passes `endMs` it is one with the fewest steps.
 */
export function shortestTo(
  graph: StateGraph,
  targets: ReadonlySet<number>,
  endMs: number,
): Schedule {
  const threads = graph.machine.threads.length;
  if (graph.count * threads > PAIRS_MAX) return fewestSteps(graph, targets);
  // Pair number: state * (threads + 1) + last thread + 1; 0 stands for "nobody has run".
  const stride = threads + 1;
  const cost = new Map<number, number>([[0, 0]]);
  const cameFrom = new Map<number, { pair: number; by: number }>();
  const settled = new Set<number>();
  const heap = new Heap();
  heap.push(0, 0);
  for (let top = heap.pop(); top !== null; top = heap.pop()) {
    const { item: pair } = top;
    if (settled.has(pair)) continue;
    settled.add(pair);
    if (settled.size % CLOCK_PAIRS === 0 && nowMs() > endMs) return fewestSteps(graph, targets);
    const state = Math.floor(pair / stride);
    const last = (pair % stride) - 1;
    if (targets.has(state)) return { moves: movesTo(pair, cameFrom), state, isExact: true };
    const end = graph.firstEdge.data[state + 1] as number;
    for (let e = graph.firstEdge.data[state] as number; e < end; e++) {
      const by = graph.edgeBy.data[e] as number;
      const thread = by & 0xff;
      const next = (graph.edgeTo.data[e] as number) * stride + thread + 1;
      const price = top.cost + 1 + (last >= 0 && last !== thread ? SWITCH : 0);
      if (price >= (cost.get(next) ?? Infinity)) continue;
      cost.set(next, price);
      cameFrom.set(next, { pair, by });
      heap.push(next, price);
    }
  }
  throw new Error("no path to a state that was reached");
}

function movesTo(
  pair: number,
  cameFrom: ReadonlyMap<number, { pair: number; by: number }>,
): number[] {
  const moves: number[] = [];
  for (let at = cameFrom.get(pair); at !== undefined; at = cameFrom.get(at.pair)) {
    moves.push(at.by);
  }
  return moves.reverse();
}

/** Breadth first, for graphs that are too big for pairs: fewest steps, switches as they come. */
function fewestSteps(graph: StateGraph, targets: ReadonlySet<number>): Schedule {
  // States are numbered in breadth-first order: the first one is the nearest.
  let state = Infinity;
  for (const one of targets) state = Math.min(state, one);
  return { moves: stepsTo(graph, state), state, isExact: false };
}

/**
 * The steps of a shortest way to a state, as in `Schedule`; also of a graph whose search has been
 * ended at any point after it expanded the state.
 */
export function stepsTo(graph: StateGraph, target: number): number[] {
  const parent = new Int32Array(target + 1).fill(-1);
  const parentBy = new Int32Array(target + 1);
  // The first edge to a state is on a shortest way, and comes from a batch before its own.
  for (let state = 0; state < target && parent[target] === -1; state++) {
    const end = graph.firstEdge.data[state + 1] as number;
    for (let e = graph.firstEdge.data[state] as number; e < end; e++) {
      const to = graph.edgeTo.data[e] as number;
      if (to <= 0 || to > target || parent[to] !== -1) continue;
      parent[to] = state;
      parentBy[to] = graph.edgeBy.data[e] as number;
    }
  }
  const moves: number[] = [];
  for (let at = target; at !== 0; at = parent[at]!) moves.push(parentBy[at]!);
  return moves.reverse();
}

/** A binary heap of numbers by cost. */
class Heap {
  private readonly items: number[] = [];
  private readonly costs: number[] = [];

  push(item: number, cost: number): void {
    const { items, costs } = this;
    let at = items.length;
    items.push(item);
    costs.push(cost);
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (costs[above]! <= cost) break;
      items[at] = items[above]!;
      costs[at] = costs[above]!;
      at = above;
    }
    items[at] = item;
    costs[at] = cost;
  }

  pop(): { item: number; cost: number } | null {
    const { items, costs } = this;
    if (items.length === 0) return null;
    const top = { item: items[0]!, cost: costs[0]! };
    const item = items.pop()!;
    const cost = costs.pop()!;
    if (items.length === 0) return top;
    let at = 0;
    for (let below = 1; below < items.length; below = 2 * at + 1) {
      if (below + 1 < items.length && costs[below + 1]! < costs[below]!) below++;
      if (costs[below]! >= cost) break;
      items[at] = items[below]!;
      costs[at] = costs[below]!;
      at = below;
    }
    items[at] = item;
    costs[at] = cost;
    return top;
  }
}
