// What a schedule comes to: the verdict of the state in which it ends, and the schedule told as a
// counterexample. Every engine and strategy asks here, so that none has a verdict of its own.
import type { Machine, Vector } from "./search/machine.js";
import type { StateGraph } from "./search/states.js";
import { tell, tellEnd, waitCycle } from "./text/timeline.js";
import { encodeToken, type TokenMove } from "./text/token.js";
import { type Counterexample, OP, VERDICTS, type Verdict } from "./types.js";

/** The steps of a way through the state graph. */
export function movesOf(graph: StateGraph, moves: readonly number[]): TokenMove[] {
  const s = graph.machine.initial();
  return moves.map((by) => {
    const thread = by & 0xff;
    const isChoice = graph.machine.stepOf(s, thread).kind === OP.choose;
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
  if (!isStuck) return { verdict: "UNDECIDED", message: "the schedule ends before the program" };
  if (!machine.isDone(s)) {
    const cycle = waitCycle(machine, s);
    return { verdict: "DEADLOCK", message: cycle === "" ? "nobody can go on" : cycle };
  }
  const wrong = machine.checkFinal(s);
  if (wrong === null) return { verdict: "SAFE", message: "" };
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
  const timeline = [...story.timeline, ...tellEnd(machine, story.end)];
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
