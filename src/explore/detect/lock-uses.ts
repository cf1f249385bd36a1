// What a step does with a lock, for the lock graph: which kinds take, try, give back. Pure.
import { SPIN } from "../search/kernel/spin.js";
import { OP, type Step } from "../types.js";
import { baseKind } from "./accesses.js";

export interface LockUse {
  readonly action: "take" | "try" | "give" | "wait";
  readonly isRead: boolean;
  /** Only spin locks are taken in interrupts, and only they have variants. */
  readonly isSpin: boolean;
  /** What the variant keeps off while the lock is held. */
  readonly offBh: boolean;
  readonly offIrq: boolean;
  /** How programs call it. */
  readonly name: string;
}

const use = (action: LockUse["action"], name: string, more: Partial<LockUse> = {}): LockUse => ({
  action,
  name,
  isRead: false,
  isSpin: false,
  offBh: false,
  offIrq: false,
  ...more,
});

const READ = { isRead: true };
const SPINS = { isSpin: true };

const USES = new Map<number, LockUse>([
  [OP.lock, use("take", "lock")],
  [OP.tryLock, use("try", "tryLock")],
  [OP.unlock, use("give", "unlock")],
  [OP.goLock, use("take", "goLock")],
  [OP.goTryLock, use("try", "goTryLock")],
  [OP.goUnlock, use("give", "goUnlock")],
  [OP.rlock, use("take", "rlock", READ)],
  [OP.rlockWait, use("wait", "rlock", READ)],
  [OP.runlock, use("give", "runlock", READ)],
  [OP.rwlock, use("take", "rwlock")],
  [OP.rwlockWait, use("wait", "rwlock")],
  [OP.rwunlock, use("give", "rwunlock")],
  [OP.mutexLock, use("take", "mutexLock")],
  [OP.mutexTrylock, use("try", "mutexTrylock")],
  [OP.mutexUnlock, use("give", "mutexUnlock")],
  [OP.spinLock, use("take", "spinLock", SPINS)],
  [OP.spinWait, use("wait", "spinLock", SPINS)],
  [OP.spinTrylock, use("try", "spinTrylock", SPINS)],
  [OP.spinUnlock, use("give", "spinUnlock", SPINS)],
]);

const VARIANTS = new Map<number, Partial<LockUse>>([
  [SPIN.bh, { name: "spinLockBh", offBh: true }],
  [SPIN.irq, { name: "spinLockIrq", offIrq: true }],
  [SPIN.irqsave, { name: "spinLockIrqsave", offIrq: true }],
]);

/** Null for steps that are no lock's. */
export function lockUseOf(step: Step): LockUse | null {
  const kind = baseKind(step.kind);
  const found = USES.get(kind);
  if (found === undefined) return null;
  if (kind !== OP.spinLock && kind !== OP.spinWait) return found;
  return { ...found, ...VARIANTS.get(step.a) };
}

/** How often softirqs are disabled on a CPU, and whether interrupts are off. */
export interface Switches {
  readonly bh: number;
  readonly isOff: boolean;
}

/** How they stand after a step that gives something back; other steps leave them alone. */
export function switchesOf({ kind, a, b }: Step, { bh, isOff }: Switches): Switches {
  const isUnlock = kind === OP.spinUnlock;
  if (kind === OP.localBhEnable || (isUnlock && a === SPIN.bh)) {
    return { bh: Math.max(bh - 1, 0), isOff };
  }
  if (kind === OP.localIrqEnable || (isUnlock && a === SPIN.irq)) return { bh, isOff: false };
  if (kind === OP.localIrqRestore) return { bh, isOff: a !== 0 };
  if (isUnlock && a === SPIN.irqsave) return { bh, isOff: b !== 0 };
  return { bh, isOff };
}
