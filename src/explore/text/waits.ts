// Why a thread stands where it does: what it waits for and who could end that; and circles of such
// waits through locks, CPUs, grace periods and handlers alike. Pure.
import { baseKind } from "../detect/accesses.js";
import { CPU, cpuWord, type KernelLayout } from "../search/kernel/layout.js";
import type { Machine, Vector } from "../search/machine.js";
import { ownsCpu } from "../search/kernel-steps.js";
import { OP, OP_NAMES, type Step } from "../types.js";

/** One thing that a thread waits for. */
interface Wait {
  readonly what: string;
  /** What the other one does with it: "held by", "kept by". */
  readonly how: string;
  readonly thread: number;
}

const HELD: ReadonlySet<number> = new Set([
  OP.lock,
  OP.goLock,
  OP.rlockWait,
  OP.rwlock,
  OP.mutexLock,
  OP.spinLock,
  OP.spinWait,
]);

/** Whom a blocked thread waits for, as far as it is known. */
function waitsOf(machine: Machine, s: Vector, thread: number): Wait[] {
  const step = machine.stepOf(s, thread);
  if (step.kind >= OP.done || machine.isEnabled(s, thread)) return [];
  const { kernel, names } = machine.program;
  if (kernel !== undefined && kernel.isShared) {
    const isHeld = HELD.has(step.kind) && s[step.addr] !== 0;
    const keeper = keeperOf(kernel, s, step, thread);
    if (keeper >= 0 && !isHeld) {
      const what = `CPU ${s[kernel.cpuOf + thread]}`;
      return [{ what, how: "kept by", thread: keeper }];
    }
  }
  if (HELD.has(baseKind(step.kind))) {
    const holder = (s[step.addr] as number) - 1;
    if (holder < 0 || holder >= machine.threads.length) return [];
    return [{ what: names[step.addr]!, how: "held by", thread: holder }];
  }
  if (kernel === undefined) return [];
  if (step.kind === OP.gracePeriod || (step.kind === OP.enter && s[kernel.grace + thread] !== 0)) {
    const readers = threadsIn(s[kernel.grace + thread] as number);
    return readers.map((t) => ({ what: "a grace period", how: "kept open by", thread: t }));
  }
  if (step.kind !== OP.handlerWait) return [];
  return kernel.placements.flatMap((_one, t) => {
    const mask = (s[kernel.waitNext + t] as number) | (s[kernel.waitRun + t] as number);
    const isFor = (mask & (1 << thread)) !== 0;
    return isFor ? [{ what: "the end", how: "of", thread: t }] : [];
  });
}

/** The thread that keeps another one from its CPU, or -1. */
function keeperOf(k: KernelLayout, s: Vector, step: Step, thread: number): number {
  const base = cpuWord(k, s, thread, 0);
  const isEntering = step.kind === OP.enter && s[k.raised + thread] !== 0;
  if (!isEntering && ownsCpu(k, s, step, thread)) return -1;
  for (const word of [CPU.hard, CPU.soft, CPU.owner]) {
    const holder = (s[base + word] as number) - 1;
    if (holder >= 0 && holder !== thread) return holder;
  }
  return -1;
}

function threadsIn(mask: number): number[] {
  return Array.from({ length: 31 }, (_, t) => t).filter((t) => (mask & (1 << t)) !== 0);
}

/** Who waits for whom in a circle, as `a -> m (held by b) -> n (held by a)`; "" if nobody does. */
export function waitCycle(machine: Machine, s: Vector): string {
  const { threads } = machine.program;
  const search = (start: number, at: number, text: string, seen: Set<number>): string => {
    for (const { what, how, thread } of waitsOf(machine, s, at)) {
      const longer = `${text} -> ${what} (${how} ${threads[thread]!.name})`;
      if (thread === start) return longer;
      if (seen.has(thread)) continue;
      seen.add(thread);
      const found = search(start, thread, longer, seen);
      if (found !== "") return found;
    }
    return "";
  };
  for (const [start, { name }] of threads.entries()) {
    const found = search(start, start, name, new Set([start]));
    if (found !== "") return found;
  }
  return "";
}

/** Why a blocked thread stands at its step. */
export function waitText(machine: Machine, s: Vector, thread: number): string {
  const step = machine.stepOf(s, thread);
  const { names, threads, kernel } = machine.program;
  const [first, ...others] = waitsOf(machine, s, thread);
  if (first !== undefined) {
    const { what, how } = first;
    const who = [first, ...others].map((one) => threads[one.thread]!.name).join(", ");
    return `waits for ${what}${how === "of" ? "" : ","} ${how} ${who}`;
  }
  const name = names[step.addr] ?? "";
  const kind = baseKind(step.kind);
  if (kind === OP.rwlockWait) return `waits for the readers of ${name}`;
  if (kind === OP.wgWake) return `waits: the counter of ${name} is ${s[step.addr]}`;
  if (kind === OP.eventRead) return `waits: ${name} is 0`;
  if (kind === OP.eventWrite) return `waits: ${name} is full`;
  if (kind === OP.enter) return "is raised and cannot come in";
  if (kernel !== undefined && kernel.isShared && !ownsCpu(kernel, s, step, thread)) {
    return `waits for CPU ${s[kernel.cpuOf + thread]}: softirqs come first`;
  }
  const value = s[step.addr] as number;
  if (HELD.has(kind)) return `waits for ${name}, held by nobody`;
  return `waits: ${name} is ${value} (${OP_NAMES[kind]} ${step.a})`;
}

/** Whether a thread that cannot take its step waits for something, and does not just rest. */
export function isStuck(machine: Machine, s: Vector, thread: number): boolean {
  const step = machine.stepOf(s, thread);
  if (step.kind >= OP.done || machine.isEnabled(s, thread)) return false;
  const { kernel } = machine.program;
  const isHandlerStep = step.kind === OP.enter && kernel !== undefined;
  if (isHandlerStep) return s[kernel.raised + thread] !== 0;
  return step.kind !== OP.migrate;
}
