// One part of all traces: those whose executions have certain beginnings. Near the start every
// enabled step is taken, and sleep sets keep each trace to one beginning; from there on the search
// is the reduced one. So parts know nothing of each other, and their counts add up. Any thread.
import { nowMs } from "../../base/clock.js";
import {
  exploreTraces,
  type Prefix,
  type TraceBounds,
  type TraceResult,
} from "../search/traces/dpor.js";
import type { Machine, Vector } from "../search/machine.js";
import type { Shard, Verdict } from "../types.js";
import { inShard } from "./shards.js";

/** Beginnings per shard: enough that no part gets all of the work. */
const PREFIXES_PER_SHARD = 16;
const LEVELS_MAX = 40;
/** Bits of a sleep set. */
const THREADS_MAX = 30;

/** Explores the shard's traces; all of them if it is the only one. */
export function exploreShare(
  machine: Machine,
  bounds: TraceBounds & { readonly shard: Shard },
  verdictOf: (end: Vector) => Verdict,
): TraceResult {
  const { shard } = bounds;
  if (shard.count === 1 || machine.threads.length > THREADS_MAX) {
    return exploreTraces(machine, bounds, verdictOf);
  }
  const total = { traces: 0, blocked: 0, executions: 0, redundant: 0 };
  const endMs = nowMs() + 1000 * bounds.maxSeconds;
  const starts = prefixes(machine, PREFIXES_PER_SHARD * shard.count);
  for (const start of starts.filter((_one, i) => inShard(i, shard))) {
    const maxSeconds = Math.max(0, (endMs - nowMs()) / 1000);
    const maxExecutions = bounds.maxExecutions - total.executions;
    const maxSteps = bounds.maxSteps - start.moves.length;
    const limits = { ...bounds, maxSeconds, maxExecutions, maxSteps, start };
    const { bound, bad, ...counts } = exploreTraces(machine, limits, verdictOf);
    total.traces += counts.traces;
    total.blocked += counts.blocked;
    total.executions += counts.executions;
    total.redundant += counts.redundant;
    if (bound !== null || bad !== null) return { ...total, bound: boundOf(bound, bounds), bad };
  }
  return { ...total, bound: null, bad: null };
}

/** The bound as the user set it, not what was left of it. */
function boundOf(bound: string | null, { maxSeconds, maxSteps, maxExecutions }: TraceBounds) {
  if (bound === null) return null;
  if (bound.endsWith(" s")) return `${maxSeconds} s`;
  if (bound.endsWith(" executions")) return `${maxExecutions} executions`;
  return bound.endsWith("of one execution") ? `${maxSteps} steps of one execution` : bound;
}

/**
 * Beginnings that every trace has exactly one of; at least `count`, if the program has as many.
 * The same for the same program and count, whoever asks.
 */
export function prefixes(machine: Machine, count: number): Prefix[] {
  let level: Prefix[] = [{ moves: [], state: machine.initial(), sleep: 0 }];
  for (let depth = 0; depth < LEVELS_MAX && level.length < count; depth++) {
    const before = level;
    level = before.flatMap((one) => longer(machine, one));
    if (level.length === before.length && level.every((one, i) => one === before[i])) break;
  }
  return level;
}

/** The beginnings with one step more; the same one where executions end. */
function longer(machine: Machine, prefix: Prefix): Prefix[] {
  const { state } = prefix;
  if (machine.ended(state) >= 0) return [prefix];
  const threads = machine.threads.map((_one, t) => t);
  // Free choices commute with everything and are taken at once.
  const chooser = threads.find((t) => machine.choices(state, t) > 0);
  const enabled = threads.filter((t) => machine.isEnabled(state, t));
  if (enabled.length === 0) return [prefix];
  const longer: Prefix[] = [];
  let { sleep } = prefix;
  for (const t of chooser === undefined ? enabled : [chooser]) {
    if ((sleep & (1 << t)) !== 0) continue;
    for (let choice = 0; choice < Math.max(1, machine.choices(state, t)); choice++) {
      longer.push(afterStep(machine, { ...prefix, sleep }, { thread: t, choice }));
    }
    sleep |= 1 << t;
  }
  return longer;
}

function afterStep(
  machine: Machine,
  { moves, state, sleep }: Prefix,
  { thread, choice }: { readonly thread: number; readonly choice: number },
): Prefix {
  let asleep = 0;
  for (let u = 0; u < machine.threads.length; u++) {
    const isAsleep = (sleep & (1 << u)) !== 0 && u !== thread;
    if (isAsleep && !machine.threadsConflict(state, thread, u)) asleep |= 1 << u;
  }
  const isChoice = machine.choices(state, thread) > 0;
  const next = state.slice();
  machine.take(next, thread, choice);
  return { moves: [...moves, { thread, choice, isChoice }], state: next, sleep: asleep };
}
