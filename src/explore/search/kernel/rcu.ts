// RCU: read sections that nest, and grace periods. A grace period is a look at who reads, and its
// end, when each of those has left; no time is in it. As since Linux 5.0, whoever cannot be
// preempted or is a handler reads too. Called by the machine, one step at a time.
import { OP, type Step } from "../../types.js";
import type { Vector } from "../machine.js";
import { isAtomic, sleepFailure } from "./cpu.js";
import { failure } from "./failures.js";
import { isHandler, type KernelLayout } from "./layout.js";
import { FINISHED, MUST_WAIT } from "./result.js";

function isReader(k: KernelLayout, s: Vector, thread: number): boolean {
  if (s[k.nesting + thread] !== 0) return true;
  if (isHandler(k, thread)) return s[k.isRunning + thread] !== 0;
  return isAtomic(k, s, thread);
}

/** Bits of the threads that read now, but for one. */
export function readersOf(k: KernelLayout, s: Vector, except: number): number {
  let mask = 0;
  for (let t = 0; t < k.placements.length; t++) {
    if (t !== except && isReader(k, s, t)) mask |= 1 << t;
  }
  return mask;
}

/** After a step that may have ended a thread's reading: no grace period waits for it any more. */
export function leaveReaders(k: KernelLayout, s: Vector, thread: number): void {
  if (isReader(k, s, thread)) return;
  for (let t = 0; t < k.placements.length; t++) s[k.grace + t]! &= ~(1 << thread);
}

export function isRcuEnabled(k: KernelLayout, s: Vector, step: Step, thread: number): boolean {
  return step.kind !== OP.gracePeriod || s[k.grace + thread] === 0;
}

export function takeRcu(k: KernelLayout, s: Vector, step: Step, thread: number): number {
  switch (step.kind) {
    case OP.rcuReadLock:
      s[k.nesting + thread]!++;
      return FINISHED;
    case OP.rcuReadUnlock:
      if (s[k.nesting + thread] === 0) return failure("notReading");
      s[k.nesting + thread]!--;
      leaveReaders(k, s, thread);
      return FINISHED;
    case OP.synchronizeRcu: {
      const sleeps = sleepFailure(k, s, thread);
      if (sleeps !== 0) return sleeps;
      s[k.grace + thread] = readersOf(k, s, thread);
      return s[k.grace + thread] === 0 ? FINISHED : MUST_WAIT;
    }
    default:
      return FINISHED;
  }
}
