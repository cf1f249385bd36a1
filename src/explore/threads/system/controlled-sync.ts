// Stands in for sync/primitives.ts in real threads that repeat a schedule of the kernel path: the
// same names, each call one or more steps that wait for their turn. What production does with time
// and CPUs is taken from system/kernel-sync.ts, as in the explorer. Worker threads only.
import type { Addr, Mem } from "../../../sync/memory.js";
import * as direct from "./direct.js";
import { Failed } from "../turns.js";

export {
  callRcu,
  mutexLock,
  mutexUnlock,
  queueWork,
  rcuBarrier,
  rcuReadLock,
  rcuReadUnlock,
  spinLock,
  spinUnlock,
  synchronizeRcu,
  waitUntilEqual,
} from "../../system/kernel-sync.js";

let cpu = 0;

/** As in production; here only the CPU matters. */
export function bindThread(binding: { readonly cpu: number }): void {
  cpu = binding.cpu;
}

export function smpProcessorId(): number {
  return cpu;
}

/** Production throws it at the end of a run; here nothing does. */
export class SyncAborted extends Error {}

export function ld(_m: Mem, a: Addr): number {
  return direct.ld(a);
}

export function st(_m: Mem, a: Addr, value: number): void {
  direct.st(a, value);
}

export function add(_m: Mem, a: Addr, value: number): number {
  return direct.add(a, value);
}

export function cas(_m: Mem, a: Addr, expected: number, value: number): number {
  return direct.cas(a, expected, value);
}

export function xchg(_m: Mem, a: Addr, value: number): number {
  return direct.xchg(a, value);
}

export function setBits(_m: Mem, a: Addr, mask: number): number {
  return direct.setBits(a, mask);
}

export function clearBits(_m: Mem, a: Addr, mask: number): number {
  return direct.clearBits(a, mask);
}

export function waitWhile(_m: Mem, a: Addr, value: number): number {
  return direct.waitWhile(a, value);
}

export function assert(condition: boolean, message: string): void {
  if (!condition) throw new Failed("ASSERT", message);
}

export function tick(_m: Mem, ...live: readonly number[]): void {
  direct.ownTurns().tick(live);
}

// For observers, statistics and real devices: no part of the path's meaning, hence no steps.

export function tally(): number {
  return 0;
}

export function trace(): void {}

export function deed(): void {}

// Which task has a CPU is the schedule's business.

export function acquireCpu(): void {}

export function releaseCpu(): void {}

export function sleepBegin(): void {}

export function sleepEnd(): void {}

export function sleepFor(): void {}
