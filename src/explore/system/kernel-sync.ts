// The primitives of `src/sync` as the explorer means them: what production does with Atomics, time
// and CPUs is said here in single steps. This file is rewritten together with the path that calls
// it; nothing else runs it. Blocking is a step that is not enabled, so nothing here polls.
//
// A grace period is two things: a look at who is inside a read section, and the end, when each of
// those has left it. That is all that RCU promises, and no time is in it.
import { add, cas, ld, lock, st, unlock, waitUntil, waitWhile } from "../primitives.js";
import {
  type Addr,
  CALLBACK_RING_SIZE,
  callbackRing,
  CPU,
  cpuBlock,
  HEADER,
  type Mem,
  smpProcessorId,
} from "../../sync/index.js";

export function rcuReadLock(_m: Mem): void {
  const block = cpuBlock(smpProcessorId());
  const depth = ld(block + CPU.rcuNesting);
  st(block + CPU.rcuNesting, depth + 1);
  if (depth === 0) add(block + CPU.rcuSequence, 1);
}

export function rcuReadUnlock(_m: Mem): void {
  const block = cpuBlock(smpProcessorId());
  const depth = ld(block + CPU.rcuNesting) - 1;
  st(block + CPU.rcuNesting, depth);
  if (depth === 0) add(block + CPU.rcuSequence, 1);
}

export function synchronizeRcu(_m: Mem, _expedited: boolean): void {
  const cpus = ld(HEADER.cpuCount);
  const inside: number[] = [];
  for (let cpu = 0; cpu < cpus; cpu++) {
    const sequence = ld(cpuBlock(cpu) + CPU.rcuSequence);
    inside.push((sequence & 1) === 0 ? 0 : sequence);
  }
  for (let cpu = 0; cpu < cpus; cpu++) {
    const sequence = inside[cpu]!;
    if (sequence !== 0) waitWhile(cpuBlock(cpu) + CPU.rcuSequence, sequence);
    // Whom it waited for does not matter any more: fewer local states.
    inside[cpu] = 0;
  }
}

export function callRcu(_m: Mem, fn: number, argument: number): void {
  lock(HEADER.callbackLock);
  const queued = ld(HEADER.callbacksQueued);
  const slot = callbackRing(ld(HEADER.cpuCount)) + 2 * (queued % CALLBACK_RING_SIZE);
  st(slot, fn);
  st(slot + 1, argument);
  st(HEADER.callbacksQueued, queued + 1);
  unlock(HEADER.callbackLock);
}

export function rcuBarrier(_m: Mem): void {
  const target = ld(HEADER.callbacksQueued);
  for (let done = ld(HEADER.callbacksDone); done - target < 0;) {
    done = waitWhile(HEADER.callbacksDone, done);
  }
}

export function mutexLock(_m: Mem, a: Addr): void {
  lock(a);
}

export function mutexUnlock(_m: Mem, a: Addr): void {
  unlock(a);
}

export function spinLock(_m: Mem, a: Addr): void {
  lock(a);
}

export function spinUnlock(_m: Mem, a: Addr): void {
  unlock(a);
}

export function queueWork(_m: Mem, a: Addr, onCpu: number): boolean {
  if (cas(a, 0, 1) !== 0) return false;
  st(a + 1, onCpu);
  return true;
}

/** Without its time limit: what a waiter does again each second changes nothing for others. */
export function waitUntilEqual(_m: Mem, a: Addr, value: number, _timeoutMs: number): boolean {
  waitUntil(a, value);
  return true;
}
