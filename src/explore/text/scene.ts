// A schedule with everything that drawings of it need: who does what to which cell, whether that
// writes, which earlier step of another thread it meets there, and how it ends. Pure; any thread.
import type { Machine } from "../search/machine.js";
import { OP_NAMES, type Verdict } from "../types.js";
import { tell, tellEnd } from "./timeline.js";
import type { TokenMove } from "./token.js";

/** One step of the drawing. */
export interface SceneStep {
  /** Index in `threads` of the scene. */
  readonly thread: number;
  readonly op: string;
  /** The cell or lock; "" if the step touches none. */
  readonly cell: string;
  /** What the step got back. */
  readonly value: number;
  readonly isWrite: boolean;
  /** The whole step in words. */
  readonly text: string;
  readonly line: number;
  readonly column: number;
  /** The function that it stands in; "" if that has no name. */
  readonly within: string;
  /** Index of the latest earlier step of another thread that it does not commute with, or -1. */
  readonly after: number;
}

/** Why a thread stands where it does at the end. */
export interface SceneEnd {
  readonly thread: number;
  /** The cell or lock that it waits for or fails at; "" if there is none. */
  readonly cell: string;
  readonly text: string;
  readonly line: number;
  readonly column: number;
}

export interface Scene {
  readonly title: string;
  readonly file: string;
  readonly verdict: Verdict;
  readonly message: string;
  readonly threads: readonly string[];
  readonly steps: readonly SceneStep[];
  readonly ends: readonly SceneEnd[];
}

export interface Ending {
  readonly verdict: Verdict;
  readonly message: string;
}

/** The scene of a schedule, or null when a step of it cannot be taken. */
export function sceneOf(
  machine: Machine,
  moves: readonly TokenMove[],
  ending: Ending,
): Scene | null {
  const story = tell(machine, moves);
  if (story === null) return null;
  const { program } = machine;
  const s = machine.initial();
  const steps: SceneStep[] = [];
  const addresses: number[] = [];
  for (const [i, { thread, choice }] of moves.entries()) {
    const step = machine.stepOf(s, thread);
    const isWrite = step.addr !== 0 && machine.isWrite(s, step);
    const meets = (one: SceneStep, j: number) =>
      one.thread !== thread && addresses[j] === step.addr && (one.isWrite || isWrite);
    const after = step.addr === 0 ? -1 : steps.findLastIndex(meets);
    const value = machine.take(s, thread, choice);
    const { text, line, column } = story.timeline[i]!;
    const op = OP_NAMES[step.kind] ?? "";
    const cell = step.addr === 0 ? "" : (program.names[step.addr] ?? "");
    const within = program.sites[step.site]?.within ?? "";
    steps.push({ thread, op, cell, value, isWrite, text, line, column, within, after });
    addresses.push(step.addr);
  }
  const names = program.threads.map((one) => one.name);
  const ends = tellEnd(machine, s).map((one): SceneEnd => {
    const thread = names.indexOf(one.thread);
    const { addr } = machine.stepOf(s, thread);
    const cell = addr === 0 ? "" : (program.names[addr] ?? "");
    return { thread, cell, text: one.text, line: one.line, column: one.column };
  });
  return { title: program.name, file: program.file, ...ending, threads: names, steps, ends };
}

const VALUED = "ld add cas xchg setBits clearBits tryLock waitWhile choose".split(" ");

/** Whether the step got a value back that is worth showing. */
export function hasValue(step: SceneStep): boolean {
  return VALUED.includes(step.op);
}

/** The last line of every drawing. */
export function endText(scene: Scene): string {
  return scene.message === "" ? scene.verdict : `${scene.verdict}: ${scene.message}`;
}
