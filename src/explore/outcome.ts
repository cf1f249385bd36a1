// What a schedule comes to: the verdict of the state in which it ends, and the schedule told as a
// counterexample. Every engine and strategy asks here, so that none has a verdict of its own.
import { baseKind } from "./detect/accesses.js";
import { RaceWatcher } from "./detect/clocks.js";
import { nextRace, raceText } from "./detect/races.js";
import type { Machine, Vector } from "./search/machine.js";
import type { StateGraph } from "./states/state-graph.js";
import { tell, tellEnd } from "./text/timeline.js";
import { stuckText, waitCycle } from "./text/waits.js";
import { encodeToken, type TokenMove } from "./text/token.js";
import { watchMoves } from "./strategies/walk.js";
import {
  type Counterexample,
  type Exploration,
  type ExploreOptions,
  OP,
  OP_NAMES,
  type TimelineStep,
  VERDICTS,
  type Verdict,
} from "./types.js";

export interface Settings extends Required<Omit<ExploreOptions, "strategy">> {
  /** When `maxSeconds` are over, on the clock of `nowMs`. */
  readonly endMs: number;
  readonly sighting: Sighting;
}

/** The failure that a search has met so far, for when it is ended before it can say so. */
export interface Sighting {
  /** Tells it, if there is one, without running any of the threads' code. */
  tell: () => Failed | null;
}

export interface Failed {
  readonly verdict: Verdict;
  readonly counterexample: Counterexample;
}

/** What a strategy has found. */
export type Found = Omit<
  Exploration,
  "program" | "expected" | "strategy" | "seconds" | "executionsPerSecond"
>;

/** What a strategy says that knows nothing but its verdict. */
export const NOTHING = {
  traces: null,
  blocked: null,
  states: null,
  transitions: null,
  interleavings: null,
  cyclic: null,
  counterexample: null,
  executions: null,
  bugProbability: null,
  bugProbabilityFraction: null,
  coverage: null,
  race: null,
  predicted: [],
  certificate: null,
} as const;

/** The steps of a way through the state graph. */
export function movesOf(graph: StateGraph, moves: readonly number[]): TokenMove[] {
  const s = graph.machine.initial();
  return moves.map((by) => {
    const thread = by & 0xff;
    const isChoice = graph.machine.choices(s, thread) > 0;
    graph.machine.take(s, thread, by >> 8);
    return { thread, choice: by >> 8, isChoice };
  });
}

export interface Ending {
  readonly verdict: Verdict;
  readonly message: string;
}

/** What a final state means. */
export function endOf(machine: Machine, s: Vector): Ending {
  const ended = machine.ended(s);
  if (ended >= 0) {
    const step = machine.stepOf(s, ended);
    if (step.kind === OP.limit) return { verdict: "UNDECIDED", message: step.message };
    return { verdict: VERDICTS[step.a] ?? "ASSERT", message: step.message };
  }
  const isStuck = machine.program.threads.every((_one, t) => !machine.isEnabled(s, t));
  if (!isStuck) {
    const race = nextRace(machine, s);
    if (race !== null) return { verdict: "RACE", message: raceText(machine, race) };
    return { verdict: "UNDECIDED", message: "the schedule ends before the program" };
  }
  if (!machine.isDone(s)) {
    const cycle = waitCycle(machine, s);
    return { verdict: "DEADLOCK", message: cycle === "" ? stuckText(machine, s) : cycle };
  }
  const wrong = machine.checkFinal(s);
  if (wrong === null) return { verdict: "SAFE", message: "" };
  if (wrong.kind === OP.limit) return { verdict: "UNDECIDED", message: wrong.message };
  const site = machine.program.sites[wrong.site];
  const place = site === undefined ? "" : ` (line ${site.line})`;
  const verdict = VERDICTS[wrong.a] ?? "ASSERT";
  return { verdict, message: `final check: ${wrong.message}${place}` };
}

/** @throws Error when a step of the schedule cannot be taken: it was not found, but made up. */
export function narrate(
  machine: Machine,
  moves: readonly TokenMove[],
  what: { readonly message: string; readonly minimal: boolean },
): Counterexample {
  const story = tell(machine, moves);
  if (story === null) throw new Error("a schedule that was found cannot be repeated");
  const ends = tellEnd(machine, story.end);
  const timeline = [...story.timeline, ...ends, ...tellRace(machine, story.end)];
  const taking = new Set(timeline.map((one) => one.thread));
  return {
    token: encodeToken(machine.program.sourceHash, moves),
    steps: moves.length,
    switches: story.switches,
    minimal: what.minimal,
    message: what.message,
    threads: machine.program.threads.map((one) => one.name).filter((one) => taking.has(one)),
    timeline,
  };
}

/** Lines about two threads whose next steps race. */
function tellRace(machine: Machine, s: Vector): TimelineStep[] {
  const race = machine.ended(s) < 0 ? nextRace(machine, s) : null;
  return (race?.threads ?? []).map((t) => {
    const step = machine.stepOf(s, t);
    const site = machine.program.sites[step.site];
    const text = `next: ${OP_NAMES[baseKind(step.kind)]} ${machine.program.names[step.addr]}`;
    const thread = machine.program.threads[t]!.name;
    const { line = 0, column = 0, file = "" } = site ?? {};
    return { thread, file, line, column, text };
  });
}

/** The data race that a schedule comes by, in a sentence; null if there is none. */
export function raceAlong(machine: Machine, moves: readonly TokenMove[]): string | null {
  const watcher = new RaceWatcher(machine);
  watchMoves(machine, moves, [watcher]);
  if (watcher.found === null) return null;
  const { addr, first, second } = watcher.found;
  return raceText(machine, { addr, threads: [moves[first]!.thread, moves[second]!.thread] });
}
