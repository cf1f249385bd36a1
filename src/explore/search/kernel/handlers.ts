// Handlers: threads that run from their beginning each time they are raised, queued, armed or
// called back, and what waits for them. Model: kernel/workqueue.c, kernel/time/timer.c, kernel/rcu.
// Called by the machine, one step at a time.
import { OP, type Step } from "../../types.js";
import type { Vector } from "../machine.js";
import { enterCpu, leaveCpu, mayInterrupt, mayRun, sleepFailure } from "./cpu.js";
import { failure } from "./failures.js";
import { CPU, type Context, cpuWord, type KernelLayout } from "./layout.js";
import { leaveReaders, readersOf } from "./rcu.js";
import { FINISHED, MUST_WAIT, YES } from "./result.js";

/** The kind of handler that a step is for. */
const CONTEXT_OF: ReadonlyMap<number, Context> = new Map([
  [OP.raiseSoftirq, "softirq"],
  [OP.raiseHardirq, "hardirq"],
  [OP.queueWork, "work"],
  [OP.flushWork, "work"],
  [OP.cancelWorkSync, "work"],
  [OP.modTimer, "timer"],
  [OP.delTimer, "timer"],
  [OP.delTimerSync, "timer"],
  [OP.callRcu, "rcu"],
]);

export function isHandlerEnabled(k: KernelLayout, s: Vector, step: Step, thread: number): boolean {
  if (step.kind === OP.handlerWait) return !isWaiting(k, s, thread);
  if (step.kind !== OP.enter) return true;
  if (s[k.raised + thread] === 0) return false;
  const { context, cpu } = k.placements[thread]!;
  if (context === "rcu" && s[k.grace + thread] !== 0) return false;
  if (context === "work" || (context === "rcu" && cpu === null)) {
    return !k.isShared || mayRun(k, s, thread);
  }
  return mayInterrupt(k, s, thread);
}

function isWaiting(k: KernelLayout, s: Vector, thread: number): boolean {
  for (let h = 0; h < k.placements.length; h++) {
    const masks = (s[k.waitNext + h] as number) | (s[k.waitRun + h] as number);
    if ((masks & (1 << thread)) !== 0) return true;
  }
  return false;
}

export function takeHandler(k: KernelLayout, s: Vector, step: Step, thread: number): number {
  const { kind, addr, a } = step;
  if (kind === OP.enter) return enter(k, s, thread);
  if (kind === OP.leave) return leave(k, s, thread);
  if (kind === OP.handlerWait) return FINISHED;
  if (kind === OP.rcuBarrier) return waitForCallbacks(k, s, thread);
  const handler = addr - k.raised;
  const placement = k.placements[handler];
  if (placement?.context !== CONTEXT_OF.get(kind)) return failure("wrongHandler");
  switch (kind) {
    case OP.flushWork:
    case OP.cancelWorkSync:
    case OP.delTimerSync:
      return waitFor(k, s, kind, handler, thread);
    case OP.delTimer:
      return withdraw(k, s, handler);
    case OP.callRcu:
      if (s[addr] !== 0) return failure("queuedTwice");
      s[k.grace + handler] = readersOf(k, s, handler);
      return raise(k, s, handler, a);
    case OP.modTimer:
    case OP.queueWork:
      return queue(k, s, step, thread);
    default:
      return raise(k, s, handler, a);
  }
}

function raise(k: KernelLayout, s: Vector, handler: number, argument: number): number {
  const isNew = s[k.raised + handler] === 0;
  s[k.raised + handler] = 1;
  s[k.argument + handler] = argument;
  return isNew ? FINISHED + YES : FINISHED;
}

/** Work that is pending stays as it is; a timer that is armed is armed anew. Returns what was. */
function queue(k: KernelLayout, s: Vector, step: Step, thread: number): number {
  const handler = step.addr - k.raised;
  const isNew = s[step.addr] === 0;
  if (step.kind === OP.queueWork && !isNew) return FINISHED;
  const { cpu, isUnbound } = k.placements[handler]!;
  const isHere = cpu === null && !isUnbound;
  // Work that still runs elsewhere is queued there, so that it never runs twice at once.
  if (isHere && s[k.isRunning + handler] === 0) {
    s[k.cpuOf + handler] = s[k.cpuOf + thread] as number;
  }
  raise(k, s, handler, step.a);
  return isNew === (step.kind === OP.queueWork) ? FINISHED + YES : FINISHED;
}

function withdraw(k: KernelLayout, s: Vector, handler: number): number {
  const wasPending = s[k.raised + handler] !== 0;
  s[k.raised + handler] = 0;
  return wasPending ? FINISHED + YES : FINISHED;
}

/** flushWork, cancelWorkSync, delTimerSync: until the handler's run has ended. */
function waitFor(
  k: KernelLayout,
  s: Vector,
  kind: number,
  handler: number,
  thread: number,
): number {
  if (thread === handler || isBelow(k, s, handler, thread)) return failure("selfWait");
  if (kind !== OP.delTimerSync) {
    const sleeps = sleepFailure(k, s, thread);
    if (sleeps !== 0) return sleeps;
  }
  let value = FINISHED;
  if (kind === OP.flushWork) {
    if (s[k.raised + handler] !== 0) {
      s[k.waitNext + handler]! |= 1 << thread;
      value = MUST_WAIT + YES;
    }
  } else {
    value = withdraw(k, s, handler);
    // Whoever waits for the run that will not be need not wait.
    s[k.waitNext + handler] = 0;
  }
  if (s[k.isRunning + handler] === 0) return value;
  s[k.waitRun + handler]! |= 1 << thread;
  return (value & YES) | MUST_WAIT;
}

/** Whether the thread has interrupted the handler's run. */
function isBelow(k: KernelLayout, s: Vector, handler: number, thread: number): boolean {
  if (k.placements[handler]!.context === "work" || s[k.isRunning + handler] === 0) return false;
  return s[cpuWord(k, s, thread, CPU.soft)] === handler + 1 && k.isShared;
}

function waitForCallbacks(k: KernelLayout, s: Vector, thread: number): number {
  const sleeps = sleepFailure(k, s, thread);
  if (sleeps !== 0) return sleeps;
  let value = FINISHED;
  for (let h = 0; h < k.placements.length; h++) {
    if (k.placements[h]!.context !== "rcu") continue;
    if (s[k.raised + h] !== 0) s[k.waitNext + h]! |= 1 << thread;
    else if (s[k.isRunning + h] !== 0) s[k.waitRun + h]! |= 1 << thread;
    else continue;
    value = MUST_WAIT;
  }
  return value;
}

/** Begins a run; returns the argument that it was raised with. */
function enter(k: KernelLayout, s: Vector, thread: number): number {
  s[k.raised + thread] = 0;
  s[k.isRunning + thread] = 1;
  s[k.waitRun + thread]! |= s[k.waitNext + thread] as number;
  s[k.waitNext + thread] = 0;
  if (!(k.placements[thread]!.context === "rcu" && k.placements[thread]!.cpu === null)) {
    enterCpu(k, s, thread);
  }
  const argument = s[k.argument + thread] as number;
  s[k.argument + thread] = 0;
  return argument;
}

function leave(k: KernelLayout, s: Vector, thread: number): number {
  for (let lock = k.firstLock; lock < k.endLocks; lock++) {
    if (s[lock] === thread + 1) return failure("returnsHolding");
  }
  if (s[k.nesting + thread] !== 0) return failure("returnsInRead");
  if (k.placements[thread]!.context === "work" && sleepFailure(k, s, thread) !== 0) {
    return failure("returnsHolding");
  }
  s[k.isRunning + thread] = 0;
  s[k.waitRun + thread] = 0;
  if (!(k.placements[thread]!.context === "rcu" && k.placements[thread]!.cpu === null)) {
    leaveCpu(k, s, thread);
  }
  leaveReaders(k, s, thread);
  return FINISHED;
}
