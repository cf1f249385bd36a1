// Go's sync.Mutex, sync.RWMutex and sync.WaitGroup, and eventfd. A lock of Go has no owner: any
// goroutine may unlock it. A writer that waits keeps new readers out, and the readers that waited
// for a writer all go before the next one. Called by the machine, one step at a time.
import { OP, type Step } from "../../types.js";
import type { Vector } from "../machine.js";
import { failure } from "./failures.js";
import { AUX, auxWord, type KernelLayout } from "./layout.js";
import { FINISHED, MUST_WAIT, YES } from "./result.js";

/** What an eventfd can hold; the kernel's limit is 2^64 - 2. */
const EVENT_MAX = 2 ** 31 - 2;

export function isGoEnabled(k: KernelLayout, s: Vector, step: Step, thread: number): boolean {
  const { kind, addr, a } = step;
  switch (kind) {
    // A writer waits for the writer before it; readers are a second step.
    case OP.goLock:
    case OP.rwlock:
      return s[addr] === 0;
    case OP.rwlockWait:
      return s[auxWord(k, addr, AUX.readers)] === 0;
    case OP.rlockWait:
    case OP.wgWake:
      return ((s[auxWord(k, addr, AUX.waiting)] as number) & (1 << thread)) === 0;
    case OP.eventRead:
      return s[addr] !== 0;
    case OP.eventWrite:
      return a < 0 || a > EVENT_MAX || (s[addr] as number) <= EVENT_MAX - a;
    default:
      return true;
  }
}

export function takeGo(k: KernelLayout, s: Vector, step: Step, thread: number): number {
  const { kind, addr, a } = step;
  switch (kind) {
    case OP.goLock:
      s[addr] = thread + 1;
      return FINISHED;
    case OP.goTryLock:
      if (s[addr] !== 0) return FINISHED;
      s[addr] = thread + 1;
      return FINISHED + YES;
    case OP.goUnlock:
      if (s[addr] === 0) return failure("notLocked");
      s[addr] = 0;
      return FINISHED;
    case OP.wgAdd:
    case OP.wgWait:
    case OP.wgWake:
      return takeWaitGroup(k, s, step, thread);
    case OP.eventRead: {
      const value = s[addr] as number;
      s[addr] = 0;
      return value;
    }
    case OP.eventWrite:
      if (a < 0 || a > EVENT_MAX) return failure("eventRange");
      s[addr]! += a;
      return FINISHED;
    default:
      return takeReadWrite(k, s, step, thread);
  }
}

function takeReadWrite(k: KernelLayout, s: Vector, step: Step, thread: number): number {
  const { kind, addr } = step;
  const readers = auxWord(k, addr, AUX.readers);
  const waiting = auxWord(k, addr, AUX.waiting);
  switch (kind) {
    case OP.rlock:
      if (s[addr] !== 0) {
        s[waiting]! |= 1 << thread;
        return MUST_WAIT;
      }
      s[readers]!++;
      return FINISHED;
    case OP.runlock:
      if (s[readers] === 0) return failure("notReadLocked");
      s[readers]!--;
      return FINISHED;
    case OP.rwlock:
      s[addr] = thread + 1;
      return s[readers] === 0 ? FINISHED : MUST_WAIT;
    case OP.rwunlock:
      if (s[addr] === 0) return failure("notLocked");
      s[readers]! += bits(s[waiting] as number);
      s[waiting] = 0;
      s[addr] = 0;
      return FINISHED;
    default:
      return FINISHED;
  }
}

function takeWaitGroup(k: KernelLayout, s: Vector, step: Step, thread: number): number {
  const { kind, addr, a } = step;
  const waiting = auxWord(k, addr, AUX.waiting);
  if (kind === OP.wgWait) {
    if (s[addr] === 0) return FINISHED;
    s[waiting]! |= 1 << thread;
    return MUST_WAIT;
  }
  if (kind === OP.wgWake) return s[addr] === 0 ? FINISHED : failure("groupReused");
  const counter = (s[addr] as number) + a;
  if (counter < 0) return failure("negativeCounter");
  s[addr] = counter;
  if (counter === 0) s[waiting] = 0;
  return FINISHED;
}

function bits(mask: number): number {
  let count = 0;
  for (let rest = mask; rest !== 0; rest &= rest - 1) count++;
  return count;
}
