// Exact numbers about a finished state graph: executions by counting paths, Mazurkiewicz traces by
// counting paths that sleep sets leave. Nothing is enumerated, so 10^15 executions cost no more
// than their states.
import { nowMs } from "../../base/clock.js";
import type { Machine } from "../search/machine.js";
import { END, type StateGraph } from "./state-graph.js";

/** States in an order in which edges lead forward; shorter than the graph if it has a cycle. */
export function topologicalOrder(graph: StateGraph): Int32Array {
  const { count } = graph;
  const waiting = new Int32Array(count);
  for (let e = 0; e < graph.edgeTo.length; e++) waiting[graph.edgeTo.data[e] as number]!++;
  const order = new Int32Array(count);
  let filled = 0;
  for (let i = 0; i < count; i++) if (waiting[i] === 0) order[filled++] = i;
  for (let done = 0; done < filled; done++) {
    const state = order[done] as number;
    const end = graph.firstEdge.data[state + 1] as number;
    for (let e = graph.firstEdge.data[state] as number; e < end; e++) {
      const to = graph.edgeTo.data[e] as number;
      if (--waiting[to]! === 0) order[filled++] = to;
    }
  }
  return order.subarray(0, filled);
}

/** States between two looks at the clock. */
const CLOCK_STATES = 1024;

/**
 * Counts paths; call it for graphs without cycles and without unexpanded states. Null when the
 * clock passes `endMs`.
 */
export function countInterleavings(
  graph: StateGraph,
  order: Int32Array,
  endMs: number,
): bigint | null {
  const ways: bigint[] = new Array<bigint>(graph.count).fill(0n);
  ways[0] = 1n;
  let total = 0n;
  let done = 0;
  for (const state of order) {
    if (++done % CLOCK_STATES === 0 && nowMs() > endMs) return null;
    const here = ways[state] as bigint;
    ways[state] = 0n;
    const from = graph.firstEdge.data[state] as number;
    const end = graph.firstEdge.data[state + 1] as number;
    if (from === end) total += here;
    for (let e = from; e < end; e++) {
      const to = graph.edgeTo.data[e] as number;
      ways[to] = (ways[to] as bigint) + here;
    }
  }
  return total;
}

/** Most pairs of state and sleep set, and most threads, for counting traces. */
const PAIRS_MAX = 5_000_000;
const THREADS_MAX = 30;

/**
 * Counts executions up to commuting neighboring steps. Of each class, exactly one order is left by
 * sleep sets (Godefroid 1996): a thread is asleep when its step was tried before at this point and
 * nothing that conflicts with it has happened since. Null when there are too many pairs, or when
 * the clock passes `endMs`.
 */
export function countTraces(
  graph: StateGraph,
  order: Int32Array,
  endMs: number,
): { traces: bigint; blocked: bigint } | null {
  const { machine } = graph;
  if (machine.threads.length > THREADS_MAX) return null;
  const ways: (Map<number, bigint> | null)[] = new Array<null>(graph.count).fill(null);
  ways[0] = new Map([[0, 1n]]);
  let traces = 0n;
  let blocked = 0n;
  let pairs = 0;
  let sinceClock = 0;
  for (const state of order) {
    const here = ways[state];
    ways[state] = null;
    if (here === null || here === undefined) continue;
    const end = graph.ends.data[state];
    if (end !== END.none) {
      let sum = 0n;
      for (const one of here.values()) sum += one;
      if (end === END.done) traces += sum;
      else if (end === END.blocked) blocked += sum;
      continue;
    }
    const independent = independence(machine, graph, state);
    sinceClock += here.size;
    if (sinceClock >= CLOCK_STATES) {
      sinceClock = 0;
      if (nowMs() > endMs) return null;
    }
    pairs += here.size;
    if (pairs > PAIRS_MAX) return null;
    for (const [sleep, count] of here) forward({ graph, state, sleep, count, independent }, ways);
  }
  return { traces, blocked };
}

interface Pair {
  readonly graph: StateGraph;
  readonly state: number;
  /** Bit per thread that is asleep. */
  readonly sleep: number;
  readonly count: bigint;
  readonly independent: Int32Array;
}

function forward(pair: Pair, ways: (Map<number, bigint> | null)[]): void {
  const { graph, state, count, independent } = pair;
  let { sleep } = pair;
  const end = graph.firstEdge.data[state + 1] as number;
  let before = -1;
  for (let e = graph.firstEdge.data[state] as number; e < end; e++) {
    const thread = (graph.edgeBy.data[e] as number) & 0xff;
    // A thread falls asleep only after all of its choices.
    if (before >= 0 && before !== thread) sleep |= 1 << before;
    before = thread;
    if ((pair.sleep & (1 << thread)) !== 0) continue;
    const to = graph.edgeTo.data[e] as number;
    const next = sleep & (independent[thread] as number);
    const map = ways[to] ?? new Map<number, bigint>();
    map.set(next, (map.get(next) ?? 0n) + count);
    ways[to] = map;
  }
}

/** For each thread, the bits of the threads whose steps commute with its own in this state. */
function independence(machine: Machine, graph: StateGraph, state: number): Int32Array {
  const s = graph.state(state);
  const threads = machine.threads.length;
  const bits = new Int32Array(threads);
  for (let t = 0; t < threads; t++) {
    for (let u = 0; u < threads; u++) {
      if (t === u) continue;
      if (!machine.threadsConflict(s, t, u)) bits[t]! |= 1 << u;
    }
  }
  return bits;
}
