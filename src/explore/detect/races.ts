// Data races as states: two threads that both can go on, next to conflicting accesses of which at
// least one is plain. A program of which no reachable state is like that has no data race, and one
// that has a data race in any execution has such a state. Any thread.
import type { Machine, Vector } from "../search/machine.js";
import type { StateGraph } from "../states/state-graph.js";
import { OP } from "../types.js";
import { accessOf, baseKind, doRace, plainFinder } from "./accesses.js";

export interface NextRace {
  readonly addr: number;
  /** The threads, the lower one first. */
  readonly threads: readonly [number, number];
}

/** The race of two threads' next steps, or null. */
export function nextRace(machine: Machine, s: Vector): NextRace | null {
  const threads = machine.threads.length;
  for (let t = 0; t < threads; t++) {
    const x = accessOf(machine, s, machine.stepOf(s, t));
    if (x === null || !isThere(machine, s, t)) continue;
    for (let u = t + 1; u < threads; u++) {
      const y = accessOf(machine, s, machine.stepOf(s, u));
      if (y === null || !doRace(x, y) || !isThere(machine, s, u)) continue;
      return { addr: x.addr, threads: [t, u] };
    }
  }
  return null;
}

/** A thread that waits for a value looks at it all the while, before it can go on too. */
function isThere(machine: Machine, s: Vector, thread: number): boolean {
  const kind = baseKind(machine.stepOf(s, thread).kind);
  return kind === OP.waitWhile || kind === OP.waitUntil || machine.isEnabled(s, thread);
}

/** The states of a graph in which a race is next, those that were not expanded included. */
export function racingStates(graph: StateGraph): Set<number> {
  const { machine } = graph;
  const states = new Set<number>();
  if (!plainFinder(machine)()) return states;
  for (let state = 0; state < graph.count; state++) {
    const s = graph.state(state);
    if (machine.ended(s) < 0 && nextRace(machine, s) !== null) states.add(state);
  }
  return states;
}

/** `x: a and b access it at the same time, at least one of them not atomically`. */
export function raceText(machine: Machine, race: NextRace): string {
  const { names, threads } = machine.program;
  const [t, u] = race.threads;
  const who = `${threads[t]!.name} and ${threads[u]!.name}`;
  return `data race on ${names[race.addr]}: nothing orders the accesses of ${who}`;
}
