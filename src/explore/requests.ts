// What each primitive's call means as a step: its kind, what it is done to, what its caller gets.
// One table; the runtime goes by it, and the names in it are what programs may import. Pure.
import { SHADOWED, SHADOWED_READ } from "./search/kernel/heap.js";
import { SPIN } from "./search/kernel/spin.js";
import { OP } from "./types.js";

/** What the first argument names. */
export type Target = "cell" | "lock" | "anyLock" | "handler" | "object" | "none";

/** What the caller gets: nothing, the step's value, whether it said yes, or that as 0 or 1. */
export type Result = "nothing" | "value" | "boolean" | "flag";

export interface Primitive {
  readonly kind: number;
  readonly target: Target;
  /** Fewest and most numbers after the target. */
  readonly numbers: readonly [number, number];
  readonly result: Result;
  /** `a` of the step, if no argument is. */
  readonly a: number | null;
  /** The step by which it waits if the first one says so. */
  readonly then: number;
}

interface Options {
  readonly result?: Result;
  readonly a?: number;
  readonly then?: number;
}

function primitive(
  kind: number,
  target: Target,
  numbers: number | readonly [number, number] = 0,
  { result = "nothing", a, then = 0 }: Options = {},
): Primitive {
  const range = typeof numbers === "number" ? ([numbers, numbers] as const) : numbers;
  return { kind, target, numbers: range, result, a: a ?? null, then };
}

const value = { result: "value" } as const;
const boolean = { result: "boolean" } as const;

/** Steps on cells and locks. */
const PLAIN: Readonly<Record<string, Primitive>> = {
  ld: primitive(OP.ld, "cell", 0, value),
  st: primitive(OP.st, "cell", 1),
  add: primitive(OP.add, "cell", 1, value),
  cas: primitive(OP.cas, "cell", 2, value),
  xchg: primitive(OP.xchg, "cell", 1, value),
  setBits: primitive(OP.setBits, "cell", 1, value),
  clearBits: primitive(OP.clearBits, "cell", 1, value),
  lock: primitive(OP.lock, "anyLock"),
  unlock: primitive(OP.unlock, "anyLock"),
  tryLock: primitive(OP.tryLock, "anyLock", 0, boolean),
  waitWhile: primitive(OP.waitWhile, "cell", 1, value),
  waitUntil: primitive(OP.waitUntil, "cell", 1),
  choose: primitive(OP.choose, "none", 1, value),
  read: primitive(OP.read, "cell", 0, value),
  write: primitive(OP.write, "cell", 1),
};

/** Steps of search/kernel-steps.ts. */
const KERNEL: Readonly<Record<string, Primitive>> = {
  goLock: primitive(OP.goLock, "anyLock"),
  goUnlock: primitive(OP.goUnlock, "anyLock"),
  goTryLock: primitive(OP.goTryLock, "anyLock", 0, boolean),
  rlock: primitive(OP.rlock, "lock", 0, { then: OP.rlockWait }),
  runlock: primitive(OP.runlock, "lock"),
  rwlock: primitive(OP.rwlock, "lock", 0, { then: OP.rwlockWait }),
  rwunlock: primitive(OP.rwunlock, "lock"),
  wgAdd: primitive(OP.wgAdd, "lock", 1),
  wgDone: primitive(OP.wgAdd, "lock", 0, { a: -1 }),
  wgWait: primitive(OP.wgWait, "lock", 0, { then: OP.wgWake }),
  eventWrite: primitive(OP.eventWrite, "cell", 1),
  eventRead: primitive(OP.eventRead, "cell", 0, value),
  mutexLock: primitive(OP.mutexLock, "anyLock"),
  mutexUnlock: primitive(OP.mutexUnlock, "anyLock"),
  mutexTrylock: primitive(OP.mutexTrylock, "anyLock", 0, boolean),
  spinLock: primitive(OP.spinLock, "anyLock", 0, { a: SPIN.plain, then: OP.spinWait }),
  spinUnlock: primitive(OP.spinUnlock, "anyLock", 0, { a: SPIN.plain }),
  spinTrylock: primitive(OP.spinTrylock, "anyLock", 0, boolean),
  spinLockBh: primitive(OP.spinLock, "anyLock", 0, { a: SPIN.bh, then: OP.spinWait }),
  spinUnlockBh: primitive(OP.spinUnlock, "anyLock", 0, { a: SPIN.bh }),
  spinLockIrq: primitive(OP.spinLock, "anyLock", 0, { a: SPIN.irq, then: OP.spinWait }),
  spinUnlockIrq: primitive(OP.spinUnlock, "anyLock", 0, { a: SPIN.irq }),
  spinLockIrqsave: primitive(OP.spinLock, "anyLock", 0, {
    a: SPIN.irqsave,
    then: OP.spinWait,
    result: "flag",
  }),
  spinUnlockIrqrestore: primitive(OP.spinUnlock, "anyLock", 1, { a: SPIN.irqsave }),
  localBhDisable: primitive(OP.localBhDisable, "none"),
  localBhEnable: primitive(OP.localBhEnable, "none"),
  localIrqDisable: primitive(OP.localIrqSave, "none"),
  localIrqEnable: primitive(OP.localIrqEnable, "none"),
  localIrqSave: primitive(OP.localIrqSave, "none", 0, { result: "flag" }),
  localIrqRestore: primitive(OP.localIrqRestore, "none", 1),
  preemptDisable: primitive(OP.preemptDisable, "none"),
  preemptEnable: primitive(OP.preemptEnable, "none"),
  thisCpu: primitive(OP.thisCpu, "none", 0, value),
  raiseSoftirq: primitive(OP.raiseSoftirq, "handler", [0, 1]),
  raiseHardirq: primitive(OP.raiseHardirq, "handler", [0, 1]),
  queueWork: primitive(OP.queueWork, "handler", [0, 1], boolean),
  flushWork: primitive(OP.flushWork, "handler", 0, { ...boolean, then: OP.handlerWait }),
  cancelWorkSync: primitive(OP.cancelWorkSync, "handler", 0, { ...boolean, then: OP.handlerWait }),
  modTimer: primitive(OP.modTimer, "handler", [0, 1], boolean),
  delTimer: primitive(OP.delTimer, "handler", 0, boolean),
  delTimerSync: primitive(OP.delTimerSync, "handler", 0, { ...boolean, then: OP.handlerWait }),
  callRcu: primitive(OP.callRcu, "handler", [0, 1]),
  rcuBarrier: primitive(OP.rcuBarrier, "none", 0, { then: OP.handlerWait }),
  rcuReadLock: primitive(OP.rcuReadLock, "none"),
  rcuReadUnlock: primitive(OP.rcuReadUnlock, "none"),
  synchronizeRcu: primitive(OP.synchronizeRcu, "none", 0, { then: OP.gracePeriod }),
  sleep: primitive(OP.sleep, "none"),
  fault: primitive(OP.fault, "none", 0, boolean),
  alloc: primitive(OP.alloc, "none", 1, value),
  free: primitive(OP.free, "object"),
  initLock: primitive(OP.initLock, "anyLock"),
};

export const PRIMITIVE_TABLE: ReadonlyMap<string, Primitive> = new Map(
  Object.entries({ ...PLAIN, ...KERNEL }),
);

/** Names whose steps need the words of search/kernel/layout.ts. */
export const KERNEL_PRIMITIVES: readonly string[] = Object.keys(KERNEL);

/** The kind of the same step on a cell with a shadow word. */
export function shadowedKind(kind: number): number {
  if (kind <= OP.waitUntil) return kind + SHADOWED;
  if (kind === OP.read || kind === OP.write) return kind - OP.read + SHADOWED_READ;
  return kind;
}
