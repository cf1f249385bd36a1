// Executions without end: cycles of the state graph that a fair scheduler can stay on, as a way to
// one and once around it. A cycle that only starves a thread that could run all along is the
// scheduler's fault and no verdict: so a spin that somebody will end is none.
import type { StateGraph } from "./state-graph.js";

export interface FairCycle {
  /** The states that lie on it. */
  readonly states: ReadonlySet<number>;
  /** Threads that must take a step on the way around; the others cannot run somewhere on it. */
  readonly runners: readonly number[];
}

/**
 * A component of the graph in which each thread takes a step or cannot take one somewhere; null if
 * there is none. Nothing smaller than a whole component need be looked at: a thread that could run
 * all along but never does in the component does neither on a part of it.
 */
export function fairCycle(graph: StateGraph): FairCycle | null {
  const { component, size } = components(graph);
  const threads = graph.machine.threads.length;
  const found = new Map<number, { states: Set<number>; moved: Set<number>; stood: Set<number> }>();
  for (let state = 0; state < graph.count; state++) {
    const own = component[state] as number;
    const moved = movers(graph, state, component);
    if (size[own] === 1 && moved.length === 0) continue;
    const one = found.get(own) ?? { states: new Set(), moved: new Set(), stood: new Set() };
    found.set(own, one);
    one.states.add(state);
    for (const t of moved) one.moved.add(t);
    for (let t = 0; t < threads; t++) {
      if (!graph.machine.isEnabled(graph.state(state), t)) one.stood.add(t);
    }
  }
  for (const { states, moved, stood } of found.values()) {
    if (new Set([...moved, ...stood]).size === threads) return { states, runners: [...moved] };
  }
  return null;
}

/** Threads with an edge from a state to one of its own component. */
function movers(graph: StateGraph, state: number, component: Int32Array): number[] {
  const all: number[] = [];
  const end = graph.firstEdge.data[state + 1] as number;
  for (let e = graph.firstEdge.data[state] as number; e < end; e++) {
    if (component[graph.edgeTo.data[e] as number] !== component[state]) continue;
    all.push((graph.edgeBy.data[e] as number) & 0xff);
  }
  return all;
}

/** Once around the cycle from one of its states, with a step of every runner. */
export function wayAround(graph: StateGraph, cycle: FairCycle, start: number): number[] {
  const moves: number[] = [];
  let state = start;
  const waiting = new Set(cycle.runners);
  for (const thread of cycle.runners) {
    if (!waiting.has(thread)) continue;
    const way = wayTo(graph, cycle, state, (_to, by) => (by & 0xff) === thread);
    for (const by of way.moves) waiting.delete(by & 0xff);
    moves.push(...way.moves);
    state = way.state;
  }
  if (state !== start) {
    moves.push(...wayTo(graph, cycle, state, (to) => to === start).moves);
  }
  return moves;
}

/** The shortest way inside of the cycle whose last edge is one that is looked for. */
function wayTo(
  graph: StateGraph,
  cycle: FairCycle,
  from: number,
  isLast: (to: number, by: number) => boolean,
): { moves: number[]; state: number } {
  const cameFrom = new Map<number, { state: number; by: number }>();
  const queue = [from];
  for (let i = 0; i < queue.length; i++) {
    const state = queue[i]!;
    const end = graph.firstEdge.data[state + 1] as number;
    for (let e = graph.firstEdge.data[state] as number; e < end; e++) {
      const to = graph.edgeTo.data[e] as number;
      const by = graph.edgeBy.data[e] as number;
      if (!cycle.states.has(to)) continue;
      if (isLast(to, by)) {
        const moves = [by];
        for (let at = state; at !== from; at = cameFrom.get(at)!.state) {
          moves.push(cameFrom.get(at)!.by);
        }
        return { moves: moves.reverse(), state: to };
      }
      if (to === from || cameFrom.has(to)) continue;
      cameFrom.set(to, { state, by });
      queue.push(to);
    }
  }
  throw new Error("a component that does not hang together");
}

/** Edges between numbered states; those of one state are together. */
export interface EdgeList {
  readonly count: number;
  readonly firstEdge: { readonly data: Int32Array };
  readonly edgeTo: { readonly data: Int32Array };
  /** Thread of each edge, and its choice above bit 8. */
  readonly edgeBy: { readonly data: Int32Array };
}

/**
 * Tarjan's strongly connected components, without recursion: the number of each state's, and how
 * many states each has. Edges between components lead to lower numbers.
 */
export function components(graph: EdgeList): { component: Int32Array; size: number[] } {
  const { count } = graph;
  const index = new Int32Array(count);
  const low = new Int32Array(count);
  const component = new Int32Array(count).fill(-1);
  const size: number[] = [];
  const stack: number[] = [];
  const path: number[] = [];
  const edge = graph.firstEdge.data.slice(0, count);
  let clock = 0;
  const open = (state: number): void => {
    index[state] = low[state] = ++clock;
    stack.push(state);
    path.push(state);
  };
  open(0);
  while (path.length > 0) {
    const state = path[path.length - 1] as number;
    if (edge[state]! < (graph.firstEdge.data[state + 1] as number)) {
      const to = graph.edgeTo.data[edge[state]!++] as number;
      if (index[to] === 0) open(to);
      else if (component[to] === -1) low[state] = Math.min(low[state]!, index[to]!);
      continue;
    }
    path.pop();
    const above = path[path.length - 1];
    if (above !== undefined) low[above] = Math.min(low[above]!, low[state]!);
    if (low[state] !== index[state]) continue;
    let members = 0;
    for (let one = -1; one !== state; members++) {
      one = stack.pop() as number;
      component[one] = size.length;
    }
    size.push(members);
  }
  return { component, size };
}
