// What real threads are to do, step by step, according to the explorer: made from a schedule, kept
// in plain values so that it can be sent to the threads. Pure; main thread.
import { KERNEL_FIRST } from "../search/kernel-steps.js";
import type { Machine } from "../search/machine.js";
import type { TokenMove } from "../text/token.js";
import { OP, type Verdict, VERDICTS } from "../types.js";

const BLOCKING: ReadonlySet<number> = new Set([OP.lock, OP.waitWhile, OP.waitUntil]);

/** One step; the thread finds that it wants just this, and gets `value`. */
export interface PlanStep {
  readonly thread: number;
  readonly kind: number;
  readonly addr: number;
  readonly a: number;
  readonly b: number;
  readonly value: number;
  /** Words that it changes: address, before, after. */
  readonly changes: readonly (readonly [number, number, number])[];
}

/** How a thread stands at the end: `open` could go on. */
export interface PlanEnd {
  readonly how: "done" | "blocked" | "failed" | "open";
  readonly verdict: Verdict | null;
}

export interface Plan {
  /** Shared memory before the first step. */
  readonly initial: Int32Array;
  /** Words after the last step: address, value. */
  readonly last: readonly (readonly [number, number])[];
  readonly steps: readonly PlanStep[];
  readonly ends: readonly PlanEnd[];
  /** Every thread has returned or may rest: the final check has its say. */
  readonly isDone: boolean;
}

/** The plan of a schedule whose steps can all be taken. */
export function planOf(machine: Machine, moves: readonly TokenMove[]): Plan {
  const s = machine.initial();
  const initial = s.slice();
  const nodes = machine.firstThread;
  const isMemory = (i: number) => i < nodes || i >= nodes + machine.threads.length;
  const steps = moves.map(({ thread, choice }): PlanStep => {
    const { kind, addr, a, b } = machine.stepOf(s, thread);
    const before = s.slice();
    const value = machine.take(s, thread, choice);
    const changes: [number, number, number][] = [];
    for (const [i, old] of before.entries()) {
      if (isMemory(i) && s[i] !== old) changes.push([i, old, s[i] as number]);
    }
    return { thread, kind, addr, a, b, value, changes };
  });
  const ends = machine.threads.map((_one, t): PlanEnd => {
    const { kind, a } = machine.stepOf(s, t);
    if (kind === OP.fail) return { how: "failed", verdict: VERDICTS[a] ?? null };
    if (kind >= OP.done) return { how: "done", verdict: null };
    // A step on a cell waits for nothing but its CPU, which real threads do not share.
    const isFree = kind < KERNEL_FIRST && !BLOCKING.has(kind);
    return { how: isFree || machine.isEnabled(s, t) ? "open" : "blocked", verdict: null };
  });
  const isDone = machine.isDone(s);
  const last = [...s.subarray(1, nodes)].map((value, i) => [i + 1, value] as const);
  return { initial, last, steps, ends, isDone };
}
