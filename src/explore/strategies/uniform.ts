// Random runs in which every complete execution has the same chance (URW). With the state graph at
// hand the chances are exact, blocking included: an edge is taken in proportion to the number of
// executions that begin with it. Without it, threads weigh as many steps as they are thought to
// have left (Sen, ASE 2007). Any thread.
import type { Random } from "../../base/random.js";
import { topologicalOrder } from "../states/count.js";
import type { Machine } from "../search/machine.js";
import type { StateGraph } from "../states/state-graph.js";
import type { Scheduler } from "./walk.js";

/**
 * For a finished graph; null if it has a cycle, as executions are without number then.
 * Chances are doubles: each off by less than one part in 2^50.
 */
export function uniformOverGraph(graph: StateGraph, random: Random): Scheduler | null {
  const order = topologicalOrder(graph);
  if (order.length < graph.count) return null;
  const shares = edgeShares(graph, order);
  let state = 0;
  let choice = 0;
  return {
    begin() {
      state = 0;
    },
    pick() {
      const from = graph.firstEdge.data[state]!;
      const last = graph.firstEdge.data[state + 1]! - 1;
      const dice = random.fraction() + random.fraction() / 2 ** 32;
      let edge = from;
      for (let sum = shares[from]!; edge < last && sum <= dice; sum += shares[edge]!) edge++;
      state = graph.edgeTo.data[edge]!;
      const by = graph.edgeBy.data[edge]!;
      choice = by >> 8;
      return by & 0xff;
    },
    outcome: () => choice,
  };
}

/** Per edge, which share of the executions through its source goes on over it. */
function edgeShares(graph: StateGraph, order: Int32Array): Float64Array {
  const shares = new Float64Array(graph.edgeTo.length);
  const completions: bigint[] = new Array<bigint>(graph.count).fill(1n);
  for (let i = order.length - 1; i >= 0; i--) {
    const state = order[i]!;
    const from = graph.firstEdge.data[state]!;
    const end = graph.firstEdge.data[state + 1]!;
    if (from === end) continue;
    let sum = 0n;
    for (let e = from; e < end; e++) sum += completions[graph.edgeTo.data[e]!]!;
    completions[state] = sum;
    for (let e = from; e < end; e++) {
      shares[e] = Number((completions[graph.edgeTo.data[e]!]! << 53n) / sum) / 2 ** 53;
    }
  }
  return shares;
}

/** Threads by their remaining steps, as the longest runs so far let one think. */
export function uniformByEstimate(machine: Machine, random: Random): Scheduler {
  const threads = machine.threads.length;
  const longest = new Int32Array(threads).fill(1);
  const taken = new Int32Array(threads);
  return {
    begin() {
      for (let t = 0; t < threads; t++) longest[t] = Math.max(longest[t]!, taken[t]!);
      taken.fill(0);
    },
    pick(_s, enabled) {
      const weight = (t: number) => Math.max(1, longest[t]! - taken[t]!);
      let dice = random.below(enabled.reduce((sum, t) => sum + weight(t), 0));
      const thread = enabled.find((t) => (dice -= weight(t)) < 0) ?? enabled[0]!;
      taken[thread]!++;
      return thread;
    },
    outcome: (outcomes) => random.below(outcomes),
  };
}
