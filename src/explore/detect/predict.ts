// From the runs that were looked at to predictions: the lock graph's suspicions, each with its
// report, and with a schedule that shows it where one is found. Any thread.
import { endOf, type Found, narrate } from "../outcome.js";
import type { Machine } from "../search/machine.js";
import { turnScheduler } from "../strategies/schedulers.js";
import { walk } from "../strategies/walk.js";
import type { TokenMove } from "../text/token.js";
import { encodeToken } from "../text/token.js";
import type { Counterexample, Prediction, Verdict } from "../types.js";
import { stateAfter } from "./clocks.js";
import { confirm } from "./confirm.js";
import { type EarlyUse, earlyUse, earlyUseReport, earlyUseText } from "./init-order.js";
import type { LockGraph } from "./lock-graph.js";
import { type Suspicion, suspicions } from "./lock-order.js";
import { suspicionReport, suspicionText } from "./lockdep-report.js";

/** Most suspicions for which a schedule is looked for. */
const CONFIRMED_MAX = 10;
/** Most steps of one of the plainest runs. */
const STEPS_MAX = 1_000;

/** Lets each thread be the first to run alone, the others after it: the plainest runs there are. */
export function runInTurns(machine: Machine, graph: LockGraph): void {
  for (let first = 0; first < machine.threads.length; first++) {
    walk(machine, {
      scheduler: turnScheduler(machine, first),
      bounds: { maxExecutions: 1, maxSteps: STEPS_MAX, maxSeconds: 10 },
      verdictOf: () => "SAFE",
      watchers: () => [graph],
      isFound: () => false,
    });
  }
}

/** Adds predictions. One that is confirmed decides what nothing else has decided. */
export function withPredictions(machine: Machine, graph: LockGraph, found: Found): Found {
  runInTurns(machine, graph);
  const isProved = found.complete && found.verdict === "SAFE";
  const { predicted, shown } = predict(machine, graph, isProved);
  return found.verdict === "UNDECIDED"
    ? { ...found, predicted, ...shown }
    : { ...found, predicted };
}

export interface Predicted {
  readonly predicted: Prediction[];
  /** The first that was confirmed; null if none was. */
  readonly shown: { readonly verdict: Verdict; readonly counterexample: Counterexample } | null;
}

/** @param isProved whether all schedules have been covered, and none is a deadlock. */
export function predict(machine: Machine, graph: LockGraph, isProved: boolean): Predicted {
  const { program } = machine;
  const predicted: Prediction[] = [];
  let shown: Predicted["shown"] = null;
  for (const [i, suspicion] of suspicions(graph).entries()) {
    const moves = isProved || i >= CONFIRMED_MAX ? null : confirm(machine, suspicion);
    predicted.push({
      kind: suspicion.kind,
      message: suspicionText(program, suspicion),
      report: suspicionReport(program, graph, suspicion),
      threads: threadsOf(suspicion).map((thread) => program.threads[thread]!.name),
      confirmed: moves === null ? null : encodeToken(program.sourceHash, moves),
      isRuledOut: isProved,
    });
    if (moves !== null) shown ??= show(machine, moves, predicted.at(-1)!.message);
  }
  const early = earlyUse(machine, STEPS_MAX);
  if (early !== null) {
    predicted.push(earlyPrediction(machine, early, isProved));
    if (early.moves !== null) shown ??= show(machine, early.moves, predicted.at(-1)!.message);
  }
  return { predicted, shown };
}

function earlyPrediction(machine: Machine, use: EarlyUse, isProved: boolean): Prediction {
  const { program } = machine;
  return {
    kind: "uninitialised",
    message: earlyUseText(program, use),
    report: earlyUseReport(program, use),
    threads: use.threads.map((thread) => program.threads[thread]!.name),
    confirmed: use.moves === null ? null : encodeToken(program.sourceHash, use.moves),
    isRuledOut: isProved,
  };
}

function show(machine: Machine, moves: TokenMove[], message: string): Predicted["shown"] {
  const { verdict } = endOf(machine, stateAfter(machine, moves)!);
  return { verdict, counterexample: narrate(machine, moves, { message, minimal: false }) };
}

function threadsOf({ circle, inversion }: Suspicion): number[] {
  if (inversion !== null) return [inversion.inside.thread, inversion.outside.thread];
  return circle.map((one) => one.thread);
}
