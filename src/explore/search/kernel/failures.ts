// What can be wrong with a step of this folder. A step that goes wrong returns a number that stands
// for it, and the runtime ends the thread with its verdict. Pure.
import type { Verdict } from "../../types.js";

interface Failure {
  readonly verdict: Verdict;
  readonly message: string;
}

const FAILURES = {
  notHeld: ["MISUSE", "unlock of a lock that this thread does not hold"],
  notLocked: ["MISUSE", "unlock of a lock that is not locked"],
  notReadLocked: ["MISUSE", "runlock of a lock that nobody has for reading"],
  negativeCounter: ["MISUSE", "negative WaitGroup counter"],
  groupReused: ["MISUSE", "WaitGroup is reused before an earlier wait has returned"],
  sleepsAtomic: ["MISUSE", "sleeps where sleeping is not allowed (atomic context)"],
  sleepsInRead: ["MISUSE", "sleeps inside of an RCU read section"],
  notReading: ["MISUSE", "rcuReadUnlock without rcuReadLock"],
  bhUnbalanced: ["MISUSE", "softirqs are enabled that nobody disabled"],
  bhWithIrqOff: ["MISUSE", "softirqs are enabled while interrupts are off"],
  bhOverflow: ["COUNTER-OVERFLOW", "softirqs are disabled 128 times over: their count overflows"],
  preemptUnbalanced: ["MISUSE", "preemption is enabled that nobody disabled"],
  returnsHolding: ["MISUSE", "the handler returns with a lock held"],
  returnsInRead: ["MISUSE", "the handler returns inside of an RCU read section"],
  wrongHandler: ["MISUSE", "this thread is not a handler of the kind that this step is for"],
  queuedTwice: ["MISUSE", "callRcu of a callback that is queued already"],
  selfLock: ["DEADLOCK", "spins on a lock that this CPU holds: it waits for itself"],
  selfMutex: ["DEADLOCK", "takes a mutex that this thread holds: it waits for itself"],
  selfWait: ["DEADLOCK", "waits for the end of the handler that it runs in"],
  uninitializedLock: ["UNINIT-LOCK", "a lock is used that was never initialised"],
  initializedTwice: ["UNINIT-LOCK", "a lock is initialised that is in use already"],
  useAfterFree: ["USE-AFTER-FREE", "the memory has been freed"],
  doubleFree: ["DOUBLE-FREE", "the memory has been freed before"],
  notAllocated: ["MISUSE", "free of what alloc did not return"],
  outOfBounds: ["CORRUPTION", "an access outside of all allocated memory"],
  unwritten: ["CORRUPTION", "a load of memory that nothing was ever stored in"],
  heapFull: ["UNDECIDED", "the heap is full; give the program a larger one (heap: words)"],
  eventRange: ["MISUSE", "an eventfd takes 0 to 2147483646"],
} as const satisfies Record<string, readonly [Verdict, string]>;

export type FailureName = keyof typeof FAILURES;

const NAMES = Object.keys(FAILURES) as FailureName[];

/**
 * The first of the numbers that stand for failures. They lie where no program counts to: a value
 * that a program stores would have to be one of some thirty out of 2^32 to be taken for one.
 */
const FIRST = -2_141_540_096;

export function failure(name: FailureName): number {
  return FIRST + NAMES.indexOf(name);
}

/** What a value stands for, or null if it is an ordinary one. */
export function failureOf(value: number): Failure | null {
  const name = NAMES[value - FIRST];
  if (name === undefined) return null;
  const [verdict, message] = FAILURES[name];
  return { verdict, message };
}
