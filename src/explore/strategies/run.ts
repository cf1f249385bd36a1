// The strategies that pick schedules instead of going through all of them, and the bounded ones,
// from the settings to what they found. Any thread; ended by their bounds.
import { nowMs } from "../../base/clock.js";
import { Random } from "../../base/random.js";
import { type Detectors, WATCHED_RUNS } from "../detect/detectors.js";
import { endOf, type Found, narrate, NOTHING, raceAlong, type Settings } from "../outcome.js";
import type { Machine, Vector } from "../search/machine.js";
import { exploreRandomly } from "../search/random.js";
import { StateGraph } from "../states/state-graph.js";
import type { TokenMove } from "../text/token.js";
import type { Counterexample, Strategy, Verdict } from "../types.js";
import { exploreBounded } from "./bounded.js";
import { minimize, type Shortened } from "./minimize.js";
import { pctScheduler, posScheduler, uniformScheduler } from "./schedulers.js";
import { uniformByEstimate, uniformOverGraph } from "./uniform.js";
import { type Scheduler, walk, type WalkResult } from "./walk.js";

export type ChanceStrategy = Extract<Strategy, "random" | "pct" | "pos" | "urw">;
export type BoundedStrategy = Extract<Strategy, "delay" | "preemption">;

/** Most states of a graph that is made so that executions can be counted. */
const COUNTED_STATES_MAX = 200_000;

export function schedulerFor(
  machine: Machine,
  strategy: ChanceStrategy,
  settings: Pick<Settings, "seed" | "depth" | "maxSeconds">,
): Scheduler {
  const random = new Random(settings.seed);
  switch (strategy) {
    case "random":
      return uniformScheduler(random);
    case "pct":
      return pctScheduler(machine, random, settings.depth);
    case "pos":
      return posScheduler(machine, random);
    case "urw": {
      const graph = new StateGraph(machine);
      graph.explore({ maxStates: COUNTED_STATES_MAX, maxSeconds: settings.maxSeconds });
      const exact = graph.bound === null ? uniformOverGraph(graph, random) : null;
      return exact ?? uniformByEstimate(machine, random);
    }
  }
}

/** Runs by chance: they find, they never prove. */
export function byChance(
  machine: Machine,
  settings: Settings,
  strategy: ChanceStrategy,
  detectors: Detectors,
): Found {
  const isQuick = strategy === "random";
  const most = isQuick ? Math.min(WATCHED_RUNS, settings.maxExecutions) : settings.maxExecutions;
  const first = walk(machine, {
    scheduler: schedulerFor(machine, strategy, settings),
    bounds: { ...settings, maxExecutions: most },
    verdictOf: (end) => endOf(machine, end).verdict,
    watchers: () => detectors.watchers(),
    isFound: () => detectors.hasRace(),
  });
  const result = isQuick ? goOn(machine, settings, first) : first;
  if (result.noticed !== null) detectors.keepRace(result.noticed);
  const endless = result.endless === 0 ? "" : `, ${result.endless} of them given up as too long`;
  return {
    ...NOTHING,
    ...failureOf(machine, result.bad?.moves ?? null, detectors.raceSchedule, settings),
    complete: false,
    bound: `${result.bound}${endless}`,
    executions: result.executions,
    coverage: detectors.coverage(),
  };
}

/** After the runs that were watched: as fast as can be, unless they found something. */
function goOn(machine: Machine, settings: Settings, first: WalkResult): WalkResult {
  const left = settings.maxExecutions - first.executions;
  const isOver = first.bad !== null || first.noticed !== null || first.bound.endsWith(" s");
  if (isOver || left <= 0) return first;
  const maxSeconds = Math.max(0, (settings.endMs - nowMs()) / 1000);
  const result = exploreRandomly(machine, { ...settings, maxExecutions: left, maxSeconds });
  const executions = first.executions + result.executions;
  const isLate = result.bound.endsWith(" s");
  const isWhole = result.bad === null && !isLate;
  return {
    ...first,
    ...result,
    executions,
    bound: isWhole
      ? `${executions} executions`
      : isLate
        ? `${settings.maxSeconds} s`
        : result.bound,
  };
}

/**
 * All schedules within a bound, then within the next one. Once they are all that there are, the
 * verdict is `whole`'s, which is that of all states.
 */
export function byBound(
  machine: Machine,
  settings: Settings,
  strategy: BoundedStrategy,
  whole: () => Found,
): Found {
  const bounds = { ...settings, maxBound: settings.bound };
  const verdictOf = (end: Vector): Verdict => endOf(machine, end).verdict;
  const result = exploreBounded(machine, strategy, bounds, verdictOf);
  if (result.isAll) return whole();
  return {
    ...NOTHING,
    ...failureOf(machine, result.bad?.moves ?? null, null, settings),
    complete: false,
    bound: result.bound,
    states: result.states,
    transitions: result.transitions,
    executions: result.executions,
  };
}

/**
 * The verdict and the counterexample, shortened, of the first schedule that went wrong.
 * `raceSchedule`: one that leads to a data race; what goes wrong otherwise counts more.
 */
export function failureOf(
  machine: Machine,
  bad: TokenMove[] | null,
  raceSchedule: TokenMove[] | null,
  { endMs, sighting }: Pick<Settings, "endMs" | "sighting">,
): Pick<Found, "verdict" | "counterexample" | "race"> {
  const race = raceSchedule === null ? null : raceOf(machine, raceSchedule);
  const moves = bad ?? raceSchedule;
  if (moves === null) return { verdict: "UNDECIDED", counterexample: null, race };
  const verdictOf = (end: Vector): Verdict => endOf(machine, end).verdict;
  const verdict = bad === null ? "RACE" : verdictOf(endAfter(machine, moves));
  const told = (one: Shortened): Counterexample => {
    const ending = endOf(machine, endAfter(machine, one.moves));
    const message = ending.verdict === verdict ? ending.message : race!;
    return narrate(machine, one.moves, { message, minimal: one.minimal });
  };
  sighting.tell = () => ({ verdict, counterexample: told({ moves, minimal: false }) });
  const counterexample = told(minimize(machine, moves, { verdict, verdictOf, endMs }));
  return { verdict, counterexample, race: verdict === "RACE" ? counterexample.message : race };
}

/** The race that a schedule ends in or comes by. */
function raceOf(machine: Machine, moves: readonly TokenMove[]): string {
  const { verdict, message } = endOf(machine, endAfter(machine, moves));
  return verdict === "RACE" ? message : raceAlong(machine, moves)!;
}

function endAfter(machine: Machine, moves: readonly TokenMove[]): Vector {
  const s = machine.initial();
  for (const { thread, choice } of moves) machine.take(s, thread, choice);
  return s;
}
