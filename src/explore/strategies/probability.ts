// How likely it is that a scheduler which picks among the threads that can run, all with the same
// chance, and among the outcomes of a choice likewise, meets a failure. From the state graph, so
// that no run is needed. Any thread.
import { nowMs } from "../../base/clock.js";
import { racingStates } from "../detect/races.js";
import { topologicalOrder } from "../states/count.js";
import { END, type StateGraph } from "../states/state-graph.js";
import type { Verdict } from "../types.js";

export interface Probability {
  /** 0 to 1; the nearest double to the fraction if there is one. */
  readonly value: number;
  /** The exact value as "p/q" in lowest terms; null where executions are without number. */
  readonly fraction: string | null;
}

/** Most bits of a common denominator, and most states, of an exact value. */
const BITS_MAX = 4096;
const EXACT_STATES_MAX = 500_000;
/** Where the graph has cycles: how near the last two rounds are, and most edges looked at. */
const CLOSE = 1e-13;
const EDGES_MAX = 400_000_000;

/**
 * The chance of a run to show the verdict: to end in one of the graph's violations, to come by a
 * state in which a race is next (RACE), not to end at all (LIVELOCK). Null for a graph that is not
 * finished, or that iteration does not settle, or when the clock passes `endMs`.
 */
export function bugProbability(
  graph: StateGraph,
  verdict: Verdict,
  endMs: number,
): Probability | null {
  if (graph.bound !== null || nowMs() > endMs) return null;
  const isTarget = verdict === "LIVELOCK" ? withoutEnd(graph) : new Uint8Array(graph.count);
  if (verdict === "RACE") for (const state of racingStates(graph)) isTarget[state] = 1;
  else if (verdict !== "LIVELOCK") for (const { state } of graph.violations) isTarget[state] = 1;
  const order = topologicalOrder(graph);
  if (order.length === graph.count) return byPaths(graph, order, { isTarget, endMs });
  const value = byIteration(graph, { isTarget, endMs });
  return value === null ? null : { value, fraction: null };
}

/** The states that a run is to come by, and until when. */
interface Sought {
  readonly isTarget: Uint8Array;
  readonly endMs: number;
}

/** States between two looks at the clock. */
const CLOCK_STATES = 1024;

/** Marks the states from which no execution comes to an end. */
function withoutEnd(graph: StateGraph): Uint8Array {
  const marks = new Uint8Array(graph.count).fill(1);
  for (let state = 0; state < graph.count; state++) {
    if (graph.ends.data[state] !== END.none) marks[state] = 0;
  }
  for (let isChanged = true; isChanged;) {
    isChanged = false;
    // Backwards: edges mostly lead to states found later.
    for (let state = graph.count - 1; state >= 0; state--) {
      const end = graph.firstEdge.data[state + 1]!;
      for (let e = graph.firstEdge.data[state]!; e < end && marks[state] === 1; e++) {
        if (marks[graph.edgeTo.data[e]!] === 1) continue;
        marks[state] = 0;
        isChanged = true;
      }
    }
  }
  return marks;
}

/** Weights of a state's edges: its threads share alike, the outcomes of one thread's choice too. */
function edgeOdds(graph: StateGraph, state: number): { edge: number; odds: number }[] {
  const outcomes = new Map<number, number>();
  const all: { edge: number; odds: number }[] = [];
  const end = graph.firstEdge.data[state + 1]!;
  for (let edge = graph.firstEdge.data[state]!; edge < end; edge++) {
    const thread = graph.edgeBy.data[edge]! & 0xff;
    outcomes.set(thread, (outcomes.get(thread) ?? 0) + 1);
    all.push({ edge, odds: thread });
  }
  return all.map(({ edge, odds }) => ({ edge, odds: outcomes.size * outcomes.get(odds)! }));
}

/**
 * Probabilities forward, from the start. All have one denominator: the least common multiple of all
 * odds, to the power of the longest path.
 */
function byPaths(
  graph: StateGraph,
  order: Int32Array,
  { isTarget, endMs }: Sought,
): Probability | null {
  const depth = new Int32Array(graph.count);
  let unit = 1n;
  let longest = 0;
  for (const state of order) {
    for (const { edge, odds } of edgeOdds(graph, state)) {
      const to = graph.edgeTo.data[edge]!;
      depth[to] = Math.max(depth[to]!, depth[state]! + 1);
      longest = Math.max(longest, depth[to]!);
      unit = (unit / gcd(unit, BigInt(odds))) * BigInt(odds);
    }
  }
  const bits = unit.toString(2).length * longest;
  if (bits > BITS_MAX || graph.count > EXACT_STATES_MAX) return inDoubles(graph, order, isTarget);
  const whole = unit ** BigInt(longest);
  const shares: bigint[] = new Array<bigint>(graph.count).fill(0n);
  shares[0] = whole;
  let hit = 0n;
  for (const [i, state] of order.entries()) {
    if (i % CLOCK_STATES === 0 && nowMs() > endMs) return null;
    const here = shares[state]!;
    shares[state] = 0n;
    if (isTarget[state] === 1) {
      hit += here;
      continue;
    }
    for (const { edge, odds } of edgeOdds(graph, state)) {
      const to = graph.edgeTo.data[edge]!;
      shares[to] = shares[to]! + here / BigInt(odds);
    }
  }
  const common = gcd(hit, whole);
  return { value: ratio(hit, whole), fraction: `${hit / common}/${whole / common}` };
}

function inDoubles(graph: StateGraph, order: Int32Array, isTarget: Uint8Array): Probability {
  const shares = new Float64Array(graph.count);
  shares[0] = 1;
  let value = 0;
  for (const state of order) {
    if (isTarget[state] === 1) {
      value += shares[state]!;
      continue;
    }
    for (const { edge, odds } of edgeOdds(graph, state)) {
      shares[graph.edgeTo.data[edge]!]! += shares[state]! / odds;
    }
  }
  return { value: Math.min(1, value), fraction: null };
}

/** The chance to get from the start to a target, by going over all states until nothing changes. */
function byIteration(graph: StateGraph, { isTarget, endMs }: Sought): number | null {
  const chance = Float64Array.from(isTarget);
  const odds = new Float64Array(graph.edgeTo.length);
  for (let state = 0; state < graph.count; state++) {
    for (const one of edgeOdds(graph, state)) odds[one.edge] = 1 / one.odds;
  }
  const rounds = Math.max(100, Math.floor(EDGES_MAX / Math.max(1, odds.length)));
  for (let round = 0; round < rounds; round++) {
    if (nowMs() > endMs) return null;
    let change = 0;
    for (let state = graph.count - 1; state >= 0; state--) {
      const from = graph.firstEdge.data[state]!;
      const end = graph.firstEdge.data[state + 1]!;
      if (from === end || isTarget[state] === 1) continue;
      let sum = 0;
      for (let e = from; e < end; e++) sum += odds[e]! * chance[graph.edgeTo.data[e]!]!;
      change = Math.max(change, sum - chance[state]!);
      chance[state] = sum;
    }
    if (change < CLOSE) return Math.min(1, chance[0]!);
  }
  return null;
}

function gcd(a: bigint, b: bigint): bigint {
  while (b !== 0n) [a, b] = [b, a % b];
  return a;
}

/** The quotient of two numbers of any size, to 60 bits. */
function ratio(p: bigint, q: bigint): number {
  return Number((p << 60n) / q) / 2 ** 60;
}
