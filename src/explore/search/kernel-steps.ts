// Steps beyond plain cells and locks (kinds 30 to 99): what each needs to run, does, and conflicts
// with. Called by the machine, with one thread's step at a time; any thread of the host.
import { type LoadedProgram, OP, type Step } from "../types.js";
import {
  disableBh,
  disableIrq,
  disablePreemption,
  enableBh,
  enablePreemption,
  mayMigrate,
  mayRun,
  migrate,
  setIrq,
  sleepFailure,
} from "./kernel/cpu.js";
import { failure } from "./kernel/failures.js";
import { isGoEnabled, takeGo } from "./kernel/go.js";
import { isHandlerEnabled, takeHandler } from "./kernel/handlers.js";
import {
  allocate,
  leaks,
  markWritten,
  release,
  SHADOWED,
  SHADOWED_READ,
  shadowedFailure,
  takePlain,
  unshadow,
} from "./kernel/heap.js";
import type { KernelLayout } from "./kernel/layout.js";
import { isRcuEnabled, leaveReaders, takeRcu } from "./kernel/rcu.js";
import { FINISHED, YES } from "./kernel/result.js";
import {
  canDisableBh,
  isSpinEnabled,
  lockFailure,
  takeSpin,
  UNINITIALIZED_LOCK,
} from "./kernel/spin.js";
import type { Machine, Vector } from "./machine.js";

/** Steps of this kind and above, up to `OP.done`, are this file's. */
export const KERNEL_FIRST = 30;

function layoutOf(machine: Machine): KernelLayout {
  const { kernel } = machine.program;
  if (kernel === undefined) throw new Error("a program of kernel steps without their words");
  return kernel;
}

/** Whether the CPU of a thread is free for it; asked for programs with shared CPUs. */
export function ownsCpu(kernel: KernelLayout, s: Vector, step: Step, thread: number): boolean {
  // What comes in from outside asks for itself.
  if (step.kind === OP.enter || step.kind === OP.migrate) return true;
  return mayRun(kernel, s, thread);
}

/** Whether the thread can take its step in this state, as far as others' steps decide it. */
export function kernelEnabled(machine: Machine, s: Vector, step: Step, thread: number): boolean {
  const { kind } = step;
  if (kind === OP.read || kind === OP.write) return true;
  const k = layoutOf(machine);
  if (kind >= SHADOWED) {
    const plain = unshadow(step);
    if (shadowedFailure(k, s, plain) !== 0) return true;
    if (plain.kind === OP.lock) return s[plain.addr] === 0 || isUninitialized(s, plain);
    if (plain.kind === OP.waitWhile) return s[plain.addr] !== plain.a;
    return plain.kind !== OP.waitUntil || s[plain.addr] === plain.a;
  }
  if (kind <= OP.wgWake) return isGoEnabled(k, s, step, thread);
  if (kind <= OP.spinTrylock) return isSpinEnabled(k, s, step, thread);
  if (kind === OP.localBhDisable) return canDisableBh(k, s, thread);
  if (kind === OP.migrate) {
    const task = k.placements[thread]!.mover;
    return machine.stepOf(s, task).kind < OP.done && mayMigrate(k, s, task);
  }
  if (kind >= OP.enter && kind <= OP.handlerWait) return isHandlerEnabled(k, s, step, thread);
  if (kind >= OP.rcuReadLock && kind <= OP.gracePeriod) return isRcuEnabled(k, s, step, thread);
  return isGoEnabled(k, s, step, thread);
}

/** How many values a fault has that may strike or not; 0 when it cannot, and for other steps. */
export function kernelChoices(machine: Machine, s: Vector, step: Step): number {
  if (step.kind !== OP.fault && step.kind !== OP.alloc) return 0;
  return s[layoutOf(machine).faults] === 0 ? 0 : 2;
}

/** Takes the step; returns the value that the thread gets. */
export function kernelTake(
  machine: Machine,
  s: Vector,
  step: Step,
  thread: number,
  choice: number,
): number {
  const { kind, addr, a } = step;
  if (kind === OP.read) return s[addr] as number;
  if (kind === OP.write) {
    s[addr] = a;
    return 0;
  }
  const k = layoutOf(machine);
  if (kind >= SHADOWED) return takeShadowed(k, s, step, thread);
  if (kind <= OP.wgWake || kind === OP.eventRead || kind === OP.eventWrite) {
    return takeGo(k, s, step, thread);
  }
  if (kind >= OP.enter && kind <= OP.handlerWait) return takeHandler(k, s, step, thread);
  if (kind >= OP.rcuReadLock && kind <= OP.gracePeriod) return takeRcu(k, s, step, thread);
  if (kind >= OP.fault) return takeMemory(k, s, step, choice);
  const value = kind <= OP.spinTrylock ? takeSpin(k, s, step, thread) : takeCpu(k, s, step, thread);
  leaveReaders(k, s, thread);
  return value;
}

function takeShadowed(k: KernelLayout, s: Vector, step: Step, thread: number): number {
  const plain = unshadow(step);
  const wrong = shadowedFailure(k, s, plain);
  if (wrong !== 0) return wrong;
  if (isUninitialized(s, plain)) return failure("uninitializedLock");
  if (plain.kind === OP.read) return s[plain.addr] as number;
  if (plain.kind === OP.st || plain.kind === OP.write) {
    markWritten(k, s, plain.addr);
    s[plain.addr] = plain.a;
    return 0;
  }
  return takePlain(s, plain, thread);
}

function isUninitialized(s: Vector, { kind, addr }: Step): boolean {
  const isLock = kind === OP.lock || kind === OP.unlock || kind === OP.tryLock;
  return isLock && s[addr] === UNINITIALIZED_LOCK;
}

function takeCpu(k: KernelLayout, s: Vector, step: Step, thread: number): number {
  const finished = (wrong: number) => (wrong === 0 ? FINISHED : wrong);
  switch (step.kind) {
    case OP.localBhDisable:
      return finished(disableBh(k, s, thread));
    case OP.localBhEnable:
      return finished(enableBh(k, s, thread));
    case OP.localIrqSave:
      return disableIrq(k, s, thread);
    case OP.localIrqEnable:
      setIrq(k, s, thread, false);
      return FINISHED;
    case OP.localIrqRestore:
      setIrq(k, s, thread, step.a !== 0);
      return FINISHED;
    case OP.preemptDisable:
      disablePreemption(k, s, thread);
      return FINISHED;
    case OP.preemptEnable:
      return finished(enablePreemption(k, s, thread));
    case OP.thisCpu:
      return s[k.cpuOf + thread] as number;
    case OP.migrate:
      migrate(k, s, k.placements[thread]!.mover);
      return FINISHED;
    case OP.sleep:
      return finished(sleepFailure(k, s, thread));
    default:
      throw new Error(`no step of kind ${step.kind}`);
  }
}

function takeMemory(k: KernelLayout, s: Vector, step: Step, choice: number): number {
  const { kind, addr, a } = step;
  if (kind === OP.fault || kind === OP.alloc) {
    s[k.faults]! -= choice;
    if (kind === OP.fault) return choice === 0 ? FINISHED : FINISHED + YES;
    return choice === 0 ? allocate(k, s, a) : 0;
  }
  if (kind === OP.free) return release(k, s, addr);
  const isLock = addr >= k.firstLock;
  const wrong = lockFailure(k, s, addr);
  if (wrong === 0) return failure("initializedTwice");
  if (wrong !== failure("uninitializedLock")) return wrong;
  s[addr] = 0;
  if (!isLock) markWritten(k, s, addr);
  return FINISHED;
}

/**
 * Whether two steps, one of them of this file, do not commute in this state. Precise where traces
 * are counted; wherever else, everything is said to conflict.
 */
export function kernelConflict(
  machine: Machine,
  s: Vector,
  [x, threadX]: readonly [step: Step, thread: number],
  [y, threadY]: readonly [step: Step, thread: number],
): boolean {
  const { kernel } = machine.program;
  if (kernel === undefined) return machine.conflict(s, x, y);
  if (!kernel.hasTraces) return true;
  if (isAlone(kernel, s, x, threadX) || isAlone(kernel, s, y, threadY)) return false;
  if (rcuRole(x) * rcuRole(y) === READS * GRACE) return true;
  const heap = heapRole(x) * heapRole(y);
  if (heap !== 0) return true;
  if (x.kind === OP.free || y.kind === OP.free) return freeConflict(kernel, s, x, y);
  if (x.kind >= SHADOWED || y.kind >= SHADOWED) {
    return machine.conflict(s, unshadowed(x), unshadowed(y));
  }
  return machine.conflict(s, x, y);
}

const READS = 1;
const GRACE = 2;

/** What can end or begin a read section, against what waits for them. */
function rcuRole({ kind }: Step): number {
  if (kind === OP.synchronizeRcu) return GRACE;
  const isRead = kind === OP.rcuReadLock || kind === OP.rcuReadUnlock;
  const pins = kind >= OP.spinLock && kind <= OP.preemptEnable;
  return isRead || pins ? READS : 0;
}

/**
 * Allocations give out addresses in turn. That faults share one budget makes no conflict: they
 * touch no cell, and the outcomes that one thread leaves to another are the same in both orders.
 */
function heapRole({ kind }: Step): number {
  return kind === OP.alloc ? 1 : 0;
}

/** A step that neither changes nor reads what another thread's step touches. */
function isAlone(k: KernelLayout, s: Vector, step: Step, thread: number): boolean {
  switch (step.kind) {
    case OP.rlockWait:
    case OP.rwlockWait:
    case OP.gracePeriod:
    case OP.handlerWait:
    case OP.sleep:
    case OP.thisCpu:
      return true;
    case OP.rcuReadLock:
      return s[k.nesting + thread] !== 0;
    case OP.rcuReadUnlock:
      return (s[k.nesting + thread] as number) > 1;
    default:
      return false;
  }
}

function freeConflict(k: KernelLayout, s: Vector, x: Step, y: Step): boolean {
  const [free, other] = x.kind === OP.free ? [x, y] : [y, x];
  if (other.kind === OP.free) return free.addr === other.addr;
  if (free.addr === 0 || free.addr < k.firstHeap || other.addr < free.addr) return false;
  const words = (s[k.shadow + free.addr - k.firstShadowed] as number) >> 2;
  return other.addr < free.addr + words;
}

function unshadowed(step: Step): Step {
  return step.kind >= SHADOWED && step.kind <= SHADOWED_READ + 1 ? unshadow(step) : step;
}

/** Whether a thread may stand at this step when the program is over. */
export function mayIdle(program: LoadedProgram, s: Vector, step: Step, thread: number): boolean {
  const { kernel } = program;
  if (kernel === undefined) return false;
  if (step.kind === OP.enter) return s[kernel.raised + thread] === 0;
  return step.kind === OP.migrate;
}

/** What is wrong at the end of a complete execution, as the step that would say so; or null. */
export function kernelFinal(program: LoadedProgram, s: Vector): string | null {
  const { kernel } = program;
  if (kernel === undefined || !kernel.areLeaksWrong) return null;
  const left = leaks(kernel, s);
  if (left.length === 0) return null;
  return `never freed: ${left.map((at) => program.names[at]).join(", ")}`;
}
