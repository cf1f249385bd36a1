// Spin locks of the kernel in all their variants, and mutexes. Spinning is a second step that
// waits: the first one has disabled by then what the variant disables, so that a CPU which spins
// keeps its tasks and softirqs waiting, as it really does. Called by the machine, one step at a
// time.
import { OP, type Step } from "../../types.js";
import type { Vector } from "../machine.js";
import {
  disableBh,
  disableIrq,
  disablePreemption,
  enableBh,
  enablePreemption,
  setIrq,
  sleepFailure,
} from "./cpu.js";
import { failure } from "./failures.js";
import { shadowFailure } from "./heap.js";
import { CPU, cpuWord, type KernelLayout } from "./layout.js";
import { FINISHED, MUST_WAIT, YES } from "./result.js";

/** Variants of spin locks: `a` of their steps. */
export const SPIN = { plain: 0, bh: 1, irq: 2, irqsave: 3 } as const;

/** What a lock word holds before it is initialised. */
export const UNINITIALIZED_LOCK = -1;

/** What is wrong with using a lock, or 0. */
export function lockFailure(k: KernelLayout, s: Vector, addr: number): number {
  if (addr >= k.firstLock) {
    return s[addr] === UNINITIALIZED_LOCK ? failure("uninitializedLock") : 0;
  }
  return shadowFailure(k, s, addr, "lock");
}

export function isSpinEnabled(k: KernelLayout, s: Vector, step: Step, thread: number): boolean {
  const { kind, addr, a } = step;
  const isFree = s[addr] === 0;
  if (kind === OP.spinWait) return isFree;
  if (kind !== OP.spinLock && kind !== OP.mutexLock) return true;
  // What is wrong is said by the step itself.
  const isWrong = s[addr] === thread + 1 || lockFailure(k, s, addr) !== 0;
  if (kind === OP.mutexLock) return isFree || isWrong || sleepFailure(k, s, thread) !== 0;
  if (k.kernel === "up" || k.isShared) return true;
  const isBhFree = a !== SPIN.bh || canDisableBh(k, s, thread);
  return isWrong || (isFree && isBhFree);
}

/** On PREEMPT_RT, disabling softirqs takes a lock of the CPU. */
export function canDisableBh(k: KernelLayout, s: Vector, thread: number): boolean {
  if (k.kernel !== "rt") return true;
  const base = cpuWord(k, s, thread, 0);
  const soft = s[base + CPU.soft] as number;
  const owner = s[base + CPU.owner] as number;
  return (soft === 0 || soft === thread + 1) && (owner === 0 || owner === thread + 1);
}

export function takeSpin(k: KernelLayout, s: Vector, step: Step, thread: number): number {
  const { kind, addr } = step;
  const wrong = lockFailure(k, s, addr);
  if (wrong !== 0) return wrong;
  switch (kind) {
    case OP.spinLock:
      return spin(k, s, step, thread);
    case OP.spinWait:
      s[addr] = thread + 1;
      return FINISHED;
    case OP.spinTrylock:
      if (s[addr] !== 0) return FINISHED;
      disablePreemption(k, s, thread);
      if (k.kernel !== "up") s[addr] = thread + 1;
      return FINISHED + YES;
    case OP.spinUnlock:
      return unspin(k, s, step, thread);
    case OP.mutexLock: {
      const sleeps = sleepFailure(k, s, thread);
      if (sleeps !== 0) return sleeps;
      if (s[addr] === thread + 1) return failure("selfMutex");
      s[addr] = thread + 1;
      return FINISHED;
    }
    case OP.mutexTrylock:
      if (s[addr] !== 0) return FINISHED;
      s[addr] = thread + 1;
      return FINISHED + YES;
    default:
      if (s[addr] !== thread + 1) return failure("notHeld");
      s[addr] = 0;
      return FINISHED;
  }
}

function spin(k: KernelLayout, s: Vector, step: Step, thread: number): number {
  const { addr, a } = step;
  let flags: number = FINISHED;
  const wrong = a === SPIN.bh ? disableBh(k, s, thread) : 0;
  if (wrong !== 0) return wrong;
  if (a >= SPIN.irq) flags = disableIrq(k, s, thread);
  disablePreemption(k, s, thread);
  // Without other CPUs there is nobody to spin for: the lock is not even there.
  if (k.kernel === "up") return flags;
  const holder = (s[addr] as number) - 1;
  if (holder < 0) {
    s[addr] = thread + 1;
    return flags;
  }
  // A holder below on the same CPU cannot go on while this one spins.
  if (s[k.cpuOf + holder] === s[k.cpuOf + thread]) return failure("selfLock");
  return flags - FINISHED + MUST_WAIT;
}

function unspin(k: KernelLayout, s: Vector, step: Step, thread: number): number {
  const { addr, a, b } = step;
  if (k.kernel !== "up") {
    if (s[addr] !== thread + 1) return failure("notHeld");
    s[addr] = 0;
  }
  if (a === SPIN.irq) setIrq(k, s, thread, false);
  if (a === SPIN.irqsave) setIrq(k, s, thread, b !== 0);
  let wrong = 0;
  // Softirqs run before preemption is allowed again (__local_bh_enable_ip).
  if (a === SPIN.bh) wrong = enableBh(k, s, thread);
  if (wrong === 0) wrong = enablePreemption(k, s, thread);
  return wrong === 0 ? FINISHED : wrong;
}
