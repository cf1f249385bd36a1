// Who may run on a CPU: hardirq above softirq above tasks, each to its end; softirqs with their
// depth of disabling, run in a row where the kernel runs them; preemption and migration of tasks.
// Model: kernel/softirq.c, include/linux/preempt.h. Called by the machine, one step at a time.
import type { Vector } from "../machine.js";
import { CPU, cpuWord, isHandler, type KernelLayout } from "./layout.js";
import { failure } from "./failures.js";
import { FINISHED, YES } from "./result.js";

/** Runs in a row after which softirqs are left to ksoftirqd (MAX_SOFTIRQ_RESTART). */
const SOFTIRQ_RUNS_MAX = 10;

/** Disablings that the count has room for: 8 bits of preempt_count, in steps of 2. */
const BH_MAX = 127;

/** Whether the CPU of a thread is that thread's now; only asked for shared CPUs. */
export function mayRun(k: KernelLayout, s: Vector, thread: number): boolean {
  const base = cpuWord(k, s, thread, 0);
  const hard = s[base + CPU.hard] as number;
  if (hard !== 0) return hard === thread + 1;
  const soft = s[base + CPU.soft] as number;
  if (soft !== 0) return soft === thread + 1;
  if (s[base + CPU.drain] !== 0) return false;
  const owner = s[base + CPU.owner] as number;
  return owner === 0 || owner === thread + 1;
}

/** Whether an interrupt or softirq of this thread can come in now. */
export function mayInterrupt(k: KernelLayout, s: Vector, thread: number): boolean {
  const { context } = k.placements[thread]!;
  const base = cpuWord(k, s, thread, 0);
  if (k.kernel === "rt") return s[base + CPU.bh] === 0 && s[base + CPU.soft] === 0;
  if (s[base + CPU.isIrqOff] !== 0 || s[base + CPU.hard] !== 0) return false;
  if (context === "hardirq") return true;
  if (s[base + CPU.soft] !== 0 || s[base + CPU.bh] !== 0) return false;
  const next = pendingSoftirq(k, s, s[k.cpuOf + thread] as number);
  if (context === "softirq") return next === thread;
  return s[base + CPU.drain] === 0;
}

/** The softirq that runs next on a CPU, or -1; the order is that of the program. */
function pendingSoftirq(k: KernelLayout, s: Vector, cpu: number): number {
  for (let t = 0; t < k.placements.length; t++) {
    if (k.placements[t]!.context !== "softirq" || s[k.cpuOf + t] !== cpu) continue;
    if (s[k.raised + t] !== 0) return t;
  }
  return -1;
}

/** A handler begins on its CPU. */
export function enterCpu(k: KernelLayout, s: Vector, thread: number): void {
  const { context } = k.placements[thread]!;
  const base = cpuWord(k, s, thread, 0);
  if (context === "hardirq" && k.kernel !== "rt") {
    s[base + CPU.hard] = thread + 1;
    s[base + CPU.isIrqOff] = 1;
  } else if (context !== "work") {
    s[base + CPU.soft] = thread + 1;
    if (s[base + CPU.drain] === 0 && k.kernel !== "rt") s[base + CPU.drain] = 1;
  }
}

/** A handler returns: softirqs that wait are next, and then whoever was interrupted. */
export function leaveCpu(k: KernelLayout, s: Vector, thread: number): void {
  const { context } = k.placements[thread]!;
  if (context === "work") return;
  const base = cpuWord(k, s, thread, 0);
  if (s[base + CPU.hard] === thread + 1) {
    s[base + CPU.hard] = 0;
    s[base + CPU.isIrqOff] = 0;
    drain(k, s, thread);
    return;
  }
  s[base + CPU.soft] = 0;
  const runs = s[base + CPU.drain] as number;
  const isMore = pendingSoftirq(k, s, s[k.cpuOf + thread] as number) >= 0;
  s[base + CPU.drain] = isMore && runs < SOFTIRQ_RUNS_MAX ? runs + 1 : 0;
}

/** Softirqs that wait run now, before the task goes on, if nothing keeps them from it. */
function drain(k: KernelLayout, s: Vector, thread: number): void {
  const base = cpuWord(k, s, thread, 0);
  if (k.kernel === "rt" || s[base + CPU.drain] !== 0) return;
  if (s[base + CPU.bh] !== 0 || s[base + CPU.soft] !== 0 || s[base + CPU.hard] !== 0) return;
  if (pendingSoftirq(k, s, s[k.cpuOf + thread] as number) >= 0) s[base + CPU.drain] = 1;
}

/** After a count has changed: whether the task can still be preempted. */
export function updateOwner(k: KernelLayout, s: Vector, thread: number): void {
  const base = cpuWord(k, s, thread, 0);
  if (s[base + CPU.hard] !== 0 || s[base + CPU.soft] !== 0) return;
  const isPinned =
    s[base + CPU.preempt] !== 0 || s[base + CPU.bh] !== 0 || s[base + CPU.isIrqOff] !== 0;
  s[base + CPU.owner] = isPinned ? thread + 1 : 0;
}

/** In a handler, or where the scheduler may not take the CPU away. */
export function isAtomic(k: KernelLayout, s: Vector, thread: number): boolean {
  if (k.kernel === "rt") return false;
  return isHandler(k, thread) || s[cpuWord(k, s, thread, CPU.owner)] === thread + 1;
}

/** What is wrong with sleeping here, or 0. */
export function sleepFailure(k: KernelLayout, s: Vector, thread: number): number {
  if (isAtomic(k, s, thread)) return failure("sleepsAtomic");
  return s[k.nesting + thread] === 0 ? 0 : failure("sleepsInRead");
}

export function disablePreemption(k: KernelLayout, s: Vector, thread: number): void {
  if (k.kernel === "rt") return;
  s[cpuWord(k, s, thread, CPU.preempt)]!++;
  updateOwner(k, s, thread);
}

/** Returns a failure or 0. */
export function enablePreemption(k: KernelLayout, s: Vector, thread: number): number {
  if (k.kernel === "rt") return 0;
  const at = cpuWord(k, s, thread, CPU.preempt);
  if (s[at] === 0) return failure("preemptUnbalanced");
  s[at]!--;
  updateOwner(k, s, thread);
  return 0;
}

/** Returns a failure or 0. */
export function disableBh(k: KernelLayout, s: Vector, thread: number): number {
  const at = cpuWord(k, s, thread, CPU.bh);
  if (s[at] === BH_MAX) return failure("bhOverflow");
  s[at]!++;
  updateOwner(k, s, thread);
  return 0;
}

/** Softirqs that were raised meanwhile run at once when the last disabling ends. */
export function enableBh(k: KernelLayout, s: Vector, thread: number): number {
  const at = cpuWord(k, s, thread, CPU.bh);
  if (s[at] === 0) return failure("bhUnbalanced");
  if (s[cpuWord(k, s, thread, CPU.isIrqOff)] !== 0) return failure("bhWithIrqOff");
  s[at]!--;
  drain(k, s, thread);
  updateOwner(k, s, thread);
  return 0;
}

/** Returns whether interrupts were off. */
export function disableIrq(k: KernelLayout, s: Vector, thread: number): number {
  if (k.kernel === "rt") return FINISHED;
  const at = cpuWord(k, s, thread, CPU.isIrqOff);
  const wasOff = s[at] !== 0;
  s[at] = 1;
  updateOwner(k, s, thread);
  return wasOff ? FINISHED + YES : FINISHED;
}

export function setIrq(k: KernelLayout, s: Vector, thread: number, isOff: boolean): void {
  if (k.kernel === "rt") return;
  s[cpuWord(k, s, thread, CPU.isIrqOff)] = isOff ? 1 : 0;
  updateOwner(k, s, thread);
}

/** Whether a task can be moved to another CPU: nothing pins it, and no handler runs there. */
export function mayMigrate(k: KernelLayout, s: Vector, task: number): boolean {
  if (s[k.migrations + task] === 0) return false;
  const base = cpuWord(k, s, task, 0);
  const isQuiet = s[base + CPU.hard] === 0 && s[base + CPU.soft] === 0;
  return isQuiet && s[base + CPU.drain] === 0 && s[base + CPU.owner] !== task + 1;
}

export function migrate(k: KernelLayout, s: Vector, task: number): void {
  s[k.migrations + task]!--;
  s[k.cpuOf + task] = ((s[k.cpuOf + task] as number) + 1) % k.cpus;
}
