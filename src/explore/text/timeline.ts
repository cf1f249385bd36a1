// A schedule as a story: each step with its place and values, then why each thread stands where it
// does; and the same as a table with one column per thread. Pure but for stepping the machine.
import { baseKind } from "../detect/accesses.js";
import { KERNEL_FIRST } from "../search/kernel-steps.js";
import { failureOf } from "../search/kernel/failures.js";
import type { Machine, Vector } from "../search/machine.js";
import { type Counterexample, OP, OP_NAMES, type Step, type TimelineStep } from "../types.js";
import { kernelText } from "./kernel-text.js";
import type { TokenMove } from "./token.js";
import { isStuck, waitText } from "./waits.js";

export interface Story {
  readonly timeline: TimelineStep[];
  /** The state after the last step. */
  readonly end: Vector;
  readonly switches: number;
}

/** Steps through a schedule. Returns null when a step of it cannot be taken. */
export function tell(machine: Machine, moves: readonly TokenMove[]): Story | null {
  const s = machine.initial();
  const timeline: TimelineStep[] = [];
  let switches = 0;
  for (const [i, { thread, choice, isChoice }] of moves.entries()) {
    const step = machine.stepOf(s, thread);
    if (machine.ended(s) >= 0 || !machine.isEnabled(s, thread)) return null;
    const choices = machine.choices(s, thread);
    if (isChoice ? choice >= choices : choice > 0) return null;
    if (i > 0 && moves[i - 1]!.thread !== thread) switches++;
    const isSuccess = baseKind(step.kind) !== OP.cas || s[step.addr] === step.a;
    const value = machine.take(s, thread, choice);
    const name = machine.program.threads[thread]!.name;
    const plain = { ...step, kind: baseKind(step.kind) };
    const text = isKernel(step)
      ? kernelText(machine, s, plain, thread, value)
      : stepText(machine, plain, value, isSuccess);
    timeline.push(at(machine, name, step, text));
  }
  return { timeline, end: s, switches };
}

/** Lines about the end: the failure, or whom each blocked thread waits for. */
export function tellEnd(machine: Machine, s: Vector): TimelineStep[] {
  const ended = machine.ended(s);
  if (ended >= 0) {
    const step = machine.stepOf(s, ended);
    return [at(machine, machine.program.threads[ended]!.name, step, step.message)];
  }
  const lines: TimelineStep[] = [];
  for (let t = 0; t < machine.threads.length; t++) {
    const step = machine.stepOf(s, t);
    if (!isStuck(machine, s, t)) continue;
    lines.push(at(machine, machine.program.threads[t]!.name, step, waitText(machine, s, t)));
  }
  return lines;
}

function isKernel({ kind }: Step): boolean {
  return baseKind(kind) >= KERNEL_FIRST && kind < OP.done;
}

function at(machine: Machine, thread: string, step: Step, text: string): TimelineStep {
  const site = machine.program.sites[step.site];
  const { line = 0, column = 0, file = "" } = site ?? {};
  return { thread, file, line, column, text };
}

function stepText(machine: Machine, step: Step, value: number, isSuccess: boolean): string {
  const name = machine.program.names[step.addr] ?? "";
  const op = OP_NAMES[step.kind] ?? "";
  // What is wrong with the access stands in the place of the value; the end of the story says it.
  if (failureOf(value) !== null) return `${op} ${name}`;
  switch (step.kind) {
    case OP.ld:
      return `ld ${name} = ${value}`;
    case OP.st:
      return `st ${name} := ${step.a}`;
    case OP.cas:
      return `cas ${name} ${step.a} -> ${step.b}: ${isSuccess ? "ok" : `fails, is ${value}`}`;
    case OP.choose:
      return `choose ${value} of ${step.a}`;
    case OP.lock:
    case OP.unlock:
      return `${op} ${name}`;
    case OP.tryLock:
      return `tryLock ${name}: ${value === 0 ? "taken" : "ok"}`;
    case OP.waitWhile:
    case OP.waitUntil:
      return `${op} ${name} ${step.a}: is ${value}`;
    default:
      return `${op} ${name} ${step.a}: was ${value}`;
  }
}

const COLUMN_MAX = 44;

/** The table: a row per step, a column per thread that takes part, in the program's order. */
export function timelineTable(counterexample: Counterexample): string {
  const { timeline, threads } = counterexample;
  const cell = (one: TimelineStep) => one.text.slice(0, COLUMN_MAX);
  const widths = threads.map((thread) =>
    Math.max(
      thread.length,
      ...timeline.filter((one) => one.thread === thread).map((one) => cell(one).length),
    ),
  );
  const areMany = new Set(timeline.map(({ file }) => file).filter((file) => file !== "")).size > 1;
  const places = timeline.map((one) => placeText(one, areMany));
  const margin = Math.max(9, ...places.map((place) => place.length));
  const row = (first: string, cells: readonly string[]) => {
    const columns = cells.map((text, i) => text.padEnd(widths[i]!)).join(" | ");
    return `${first.padStart(margin)}  ${columns}`.trimEnd();
  };
  const lines = [row("line", threads)];
  for (const [i, one] of timeline.entries()) {
    lines.push(
      row(
        places[i]!,
        threads.map((thread) => (thread === one.thread ? cell(one) : "")),
      ),
    );
  }
  return `${lines.join("\n")}\n`;
}

function placeText({ file, line, column }: TimelineStep, withFile: boolean): string {
  if (line === 0) return "";
  const name = file.slice(file.lastIndexOf("/") + 1);
  return withFile ? `${name}:${line}` : `${line}:${column}`;
}
