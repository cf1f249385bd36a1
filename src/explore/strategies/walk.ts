// Runs a program again and again, each time in the order that a scheduler picks, until a run goes
// wrong or a bound is met. A scheduler chooses the order and nothing else: what a run comes to is
// read from the state in which it ends. Synchronous; any thread.
import { nowMs } from "../../base/clock.js";
import type { Machine, Vector } from "../search/machine.js";
import type { TokenMove } from "../text/token.js";
import type { Verdict } from "../types.js";

/** Who goes next. Deterministic: all chance comes from the generator it was made with. */
export interface Scheduler {
  /** A run begins; `s` is its first state. */
  begin(s: Vector): void;
  /** One of the `enabled` threads (never none), which takes its step next. */
  pick(s: Vector, enabled: readonly number[]): number;
  /** The outcome of the free choice of the thread just picked, 0 to `outcomes` - 1. */
  outcome(outcomes: number): number;
}

/** Looks at each step of a run before it is taken. */
export interface Watcher {
  begin(): void;
  step(s: Vector, thread: number): void;
  /** The run is over; `s` is its last state. */
  end?(s: Vector): void;
}

export interface WalkBounds {
  readonly maxExecutions: number;
  readonly maxSteps: number;
  readonly maxSeconds: number;
}

export interface Bad {
  readonly moves: TokenMove[];
  readonly end: Vector;
}

export interface WalkResult {
  readonly executions: number;
  readonly bound: string;
  /** Runs that were given up because of their length. */
  readonly endless: number;
  /** The first run that went wrong; null if none did. */
  readonly bad: Bad | null;
  /** The run in which a watcher found something; null if none did. */
  readonly noticed: TokenMove[] | null;
}

/** What a walk needs to know of its run. */
export interface WalkPlan {
  readonly scheduler: Scheduler;
  readonly bounds: WalkBounds;
  readonly verdictOf: (end: Vector) => Verdict;
  /** Those that look on in the run with this number, counted from 0. */
  watchers(run: number): readonly Watcher[];
  /** Asked after each run: whether a watcher has found something that ends the walk. */
  isFound(): boolean;
}

export function walk(machine: Machine, plan: WalkPlan): WalkResult {
  const { bounds } = plan;
  const endMs = nowMs() + 1000 * bounds.maxSeconds;
  let endless = 0;
  for (let run = 0; run < bounds.maxExecutions; run++) {
    const s = machine.initial();
    const moves: TokenMove[] = [];
    const watchers = plan.watchers(run);
    const isWhole = walkOnce(machine, s, plan, { watchers, moves });
    for (const one of watchers) one.end?.(s);
    if (!isWhole) endless++;
    const bad = isWhole && isBadVerdict(plan.verdictOf(s)) ? { moves, end: s } : null;
    const noticed = plan.isFound() ? moves : null;
    const executions = run + 1;
    if (bad !== null || noticed !== null) {
      return { executions, bound: "first failure", endless, bad, noticed };
    }
    if ((run & 0xf) === 0 && nowMs() > endMs) {
      return { executions, bound: `${bounds.maxSeconds} s`, endless, bad, noticed };
    }
  }
  const executions = bounds.maxExecutions;
  return { executions, bound: `${executions} executions`, endless, bad: null, noticed: null };
}

/** Whether a verdict is a failure of the program. */
export function isBadVerdict(verdict: Verdict): boolean {
  return verdict !== "SAFE" && verdict !== "UNDECIDED";
}

/** One run from `s`, which it changes; false when it was given up because of its length. */
function walkOnce(
  machine: Machine,
  s: Vector,
  plan: WalkPlan,
  { watchers, moves }: { watchers: readonly Watcher[]; moves: TokenMove[] },
): boolean {
  const { scheduler, bounds } = plan;
  const enabled: number[] = [];
  scheduler.begin(s);
  for (const one of watchers) one.begin();
  for (let step = 0; step <= bounds.maxSteps; step++) {
    listEnabled(machine, s, enabled);
    if (enabled.length === 0 || machine.ended(s) >= 0) return true;
    const thread = scheduler.pick(s, enabled);
    const outcomes = machine.choices(s, thread);
    const choice = outcomes > 0 ? scheduler.outcome(outcomes) : 0;
    for (const one of watchers) one.step(s, thread);
    machine.take(s, thread, choice);
    moves.push({ thread, choice, isChoice: outcomes > 0 });
  }
  return false;
}

/** Puts the threads that can take a step into `enabled`, in their order. */
export function listEnabled(machine: Machine, s: Vector, enabled: number[]): void {
  enabled.length = 0;
  for (let t = 0; t < machine.threads.length; t++) if (machine.isEnabled(s, t)) enabled.push(t);
}

/** Repeats a schedule with somebody looking on. */
export function watchMoves(
  machine: Machine,
  moves: readonly TokenMove[],
  watchers: readonly Watcher[],
): Vector {
  const s = machine.initial();
  for (const one of watchers) one.begin();
  for (const { thread, choice } of moves) {
    for (const one of watchers) one.step(s, thread);
    machine.take(s, thread, choice);
  }
  for (const one of watchers) one.end?.(s);
  return s;
}
