// The primitives that `src/path` and `src/models` touch shared state with, bound to Atomics over a
// SharedArrayBuffer. Any thread may call them once it has called `bindThread`. JavaScript's Atomics
// are sequentially consistent, which is at least what the kernel's own accesses promise.
//
// An explorer may replace this file by one with the same names whose functions are scheduling
// points. Therefore: blocking is always a primitive of its own, never a retry loop in the caller.
import { nowNs } from "../base/clock.js";
import type { EventRing } from "./events.js";
import {
  type Addr,
  CALLBACK_RING_SIZE,
  callbackRing,
  CPU,
  cpuBlock,
  HEADER,
  type Mem,
} from "./memory.js";

/** What a thread is, to the primitives. */
export interface ThreadBinding {
  /** Number of the task, unique in the run; the holder recorded in mutexes is this + 1. */
  readonly task: number;
  /** The CPU it runs on. Tasks that share a CPU take turns: see `acquireCpu`. */
  readonly cpu: number;
  /** Process context: it may sleep and shares its CPU. Queue workers (softirq) do neither. */
  readonly maySleep: boolean;
  /** Where `trace` writes; null drops the events. */
  readonly events: EventRing | null;
  /** Does to the real host what the path just did to the emulated device; null does nothing. */
  readonly deed: ((code: number, device: Addr) => void) | null;
}

/** Thrown out of a blocking primitive when the run is being torn down. Never caught in a path. */
export class SyncAborted extends Error {
  constructor() {
    super("the run is being torn down");
    this.name = "SyncAborted";
  }
}

let task = 0;
let cpu = 0;
let block: Addr = cpuBlock(0);
let mayShareCpu = false;
let events: EventRing | null = null;
let deedSink: ThreadBinding["deed"] = null;

/** Says who the calling thread is. Once per thread, before any other primitive. */
export function bindThread(binding: ThreadBinding): void {
  task = binding.task;
  cpu = binding.cpu;
  block = cpuBlock(binding.cpu);
  mayShareCpu = binding.maySleep;
  events = binding.events;
  deedSink = binding.deed;
}

/** Load (READ_ONCE and stronger). */
export function ld(m: Mem, a: Addr): number {
  return Atomics.load(m, a);
}

/** Store (WRITE_ONCE and stronger). */
export function st(m: Mem, a: Addr, value: number): void {
  Atomics.store(m, a, value);
}

/** Atomic add; returns the old value. */
export function add(m: Mem, a: Addr, value: number): number {
  return Atomics.add(m, a, value);
}

/** Atomic compare-and-exchange; returns the old value, which is `expected` on success. */
export function cas(m: Mem, a: Addr, expected: number, value: number): number {
  return Atomics.compareExchange(m, a, expected, value);
}

/** Atomic exchange; returns the old value. */
export function xchg(m: Mem, a: Addr, value: number): number {
  return Atomics.exchange(m, a, value);
}

/** set_bit: sets the bits of `mask`; returns the old word. */
export function setBits(m: Mem, a: Addr, mask: number): number {
  return Atomics.or(m, a, mask);
}

/** clear_bit: clears the bits of `mask`; returns the old word. */
export function clearBits(m: Mem, a: Addr, mask: number): number {
  return Atomics.and(m, a, ~mask);
}

/** smp_processor_id(). */
export function smpProcessorId(): number {
  return cpu;
}

/** rcu_read_lock(), which since 4.20 is also rcu_read_lock_bh() for grace periods. Nests. */
export function rcuReadLock(m: Mem): void {
  const depth = m[block + CPU.rcuNesting] as number;
  m[block + CPU.rcuNesting] = depth + 1;
  // The nesting word is this CPU's alone; only the outermost entry must be seen by others, and
  // must be seen before any load of the section: hence one atomic, not two.
  if (depth === 0) Atomics.add(m, block + CPU.rcuSequence, 1);
}

/** rcu_read_unlock(). */
export function rcuReadUnlock(m: Mem): void {
  const depth = (m[block + CPU.rcuNesting] as number) - 1;
  m[block + CPU.rcuNesting] = depth;
  if (depth === 0) Atomics.add(m, block + CPU.rcuSequence, 1);
}

/**
 * Waits until every read section that was open when it was called has ended, and at least as long
 * as a kernel would take (HEADER durations). The task sleeps: work items bound to its CPU run.
 * A reader that never ends (a worker lost in a loop) makes this wait for ever, as in the kernel.
 */
export function synchronizeRcu(m: Mem, expedited: boolean): void {
  const startNs = nowNs();
  const cpuCount = m[HEADER.cpuCount] as number;
  const seen: number[] = [];
  for (let c = 0; c < cpuCount; c++) seen.push(Atomics.load(m, cpuBlock(c) + CPU.rcuSequence));
  Atomics.add(m, HEADER.gracePeriodWaiters, 1);
  sleepBegin(m);
  for (let c = 0; c < cpuCount; c++) {
    const sequence = seen[c] as number;
    if ((sequence & 1) === 0) continue;
    while (Atomics.load(m, cpuBlock(c) + CPU.rcuSequence) === sequence) pause(m, 0.05);
  }
  const endNs = startNs + 1000 * drawGracePeriodUs(m, expedited);
  for (let now = nowNs(); now < endNs; now = nowNs()) pause(m, (endNs - now) / 1e6);
  Atomics.add(m, HEADER.gracePeriodWaiters, -1);
  noteGracePeriod(m, Math.round((nowNs() - startNs) / 1000));
  sleepEnd(m);
}

function drawGracePeriodUs(m: Mem, expedited: boolean): number {
  const min = m[expedited ? HEADER.expeditedMinUs : HEADER.normalMinUs] as number;
  const spread = m[expedited ? HEADER.expeditedSpreadUs : HEADER.normalSpreadUs] as number;
  // A linear congruential step is enough: only the spread matters, not its quality.
  const x = Math.imul(Atomics.add(m, HEADER.draw, 0x61c88647), 0x5bd1e995) >>> 0;
  return min + (spread === 0 ? 0 : x % (spread + 1));
}

function noteGracePeriod(m: Mem, us: number): void {
  Atomics.add(m, HEADER.gracePeriods, 1);
  let longest = Atomics.load(m, HEADER.longestGracePeriodUs);
  while (us > longest) {
    const before = Atomics.compareExchange(m, HEADER.longestGracePeriodUs, longest, us);
    if (before === longest) return;
    longest = before;
  }
}

/** call_rcu(): after a grace period, the rcu thread runs function `fn` with `argument`. */
export function callRcu(m: Mem, fn: number, argument: number): void {
  spinLock(m, HEADER.callbackLock);
  const queued = Atomics.load(m, HEADER.callbacksQueued);
  if (queued - Atomics.load(m, HEADER.callbacksDone) >= CALLBACK_RING_SIZE) {
    spinUnlock(m, HEADER.callbackLock);
    throw new Error(`more than ${CALLBACK_RING_SIZE} RCU callbacks are waiting`);
  }
  const slot = callbackRing(m[HEADER.cpuCount] as number) + 2 * (queued % CALLBACK_RING_SIZE);
  Atomics.store(m, slot, fn);
  Atomics.store(m, slot + 1, argument);
  Atomics.store(m, HEADER.callbacksQueued, queued + 1);
  spinUnlock(m, HEADER.callbackLock);
  Atomics.notify(m, HEADER.callbacksQueued);
}

/** rcu_barrier(): waits until every callback queued before it has run. */
export function rcuBarrier(m: Mem): void {
  const target = Atomics.load(m, HEADER.callbacksQueued);
  sleepBegin(m);
  for (;;) {
    const done = Atomics.load(m, HEADER.callbacksDone);
    if (done - target >= 0) break;
    waitWhile(m, HEADER.callbacksDone, done);
  }
  sleepEnd(m);
}

/** mutex_lock() on the word at `a` (0 free, else holder's task + 1). Sleeps; not recursive. */
export function mutexLock(m: Mem, a: Addr): void {
  if (Atomics.compareExchange(m, a, 0, task + 1) === 0) return;
  sleepBegin(m);
  for (;;) {
    const holder = Atomics.compareExchange(m, a, 0, task + 1);
    if (holder === 0) break;
    waitWhile(m, a, holder);
  }
  sleepEnd(m);
}

/** mutex_unlock(). Throws, and changes nothing, when the caller's task does not hold the mutex. */
export function mutexUnlock(m: Mem, a: Addr): void {
  const holder = Atomics.compareExchange(m, a, task + 1, 0);
  if (holder !== task + 1) throw new Error(`mutex ${a} is held by ${holder}, not by ${task + 1}`);
  Atomics.notify(m, a, 1);
}

/** spin_lock() on the word at `a`. Never sleeps; hold it for a few loads and stores only. */
export function spinLock(m: Mem, a: Addr): void {
  while (Atomics.compareExchange(m, a, 0, task + 1) !== 0) {
    // The holder may have lost its real CPU: give it up too instead of burning the slice.
    if (mayShareCpu) Atomics.wait(m, HEADER.never, 0, 0.01);
  }
}

/** spin_unlock(). */
export function spinUnlock(m: Mem, a: Addr): void {
  Atomics.store(m, a, 0);
}

/**
 * queue_work_on(): marks the work item at `a` (pending word, CPU word) and wakes its worker.
 * Returns false when it was pending already. On a bound workqueue the item runs on `cpu`, so not
 * before the task that has that CPU sleeps.
 */
export function queueWork(m: Mem, a: Addr, onCpu: number): boolean {
  if (Atomics.compareExchange(m, a, 0, 1) !== 0) return false;
  Atomics.store(m, a + 1, onCpu);
  Atomics.add(m, HEADER.workBell, 1);
  Atomics.notify(m, HEADER.workBell);
  return true;
}

/** Waits until the word at `a` is `value`, or `timeoutMs` has passed; says which. Sleeps. */
export function waitUntilEqual(m: Mem, a: Addr, value: number, timeoutMs: number): boolean {
  const endNs = nowNs() + timeoutMs * 1e6;
  sleepBegin(m);
  let is = Atomics.load(m, a);
  while (is !== value && nowNs() < endNs) {
    pause(m, 0.2);
    is = Atomics.load(m, a);
  }
  sleepEnd(m);
  return is === value;
}

/**
 * Says that a loop goes round again, with the values it depends on. If the same values come back
 * at the same site and nothing else can change them, the loop is endless: that is what an explorer
 * concludes from it. Here it leaves the values where the watchdog reads them; plain stores suffice.
 */
export function tick(m: Mem, site: number, device: Addr, qm: number, hash: number, qcount: number) {
  m[block + CPU.tickSite] = site;
  m[block + CPU.tickDevice] = device;
  m[block + CPU.tickQueueMapping] = qm;
  m[block + CPU.tickHash] = hash;
  m[block + CPU.tickQcount] = qcount;
  m[block + CPU.tickCount] = (m[block + CPU.tickCount] as number) + 1;
}

/**
 * Adds 1 to a statistic and returns what it was. For numbers that people read and rate limits of
 * messages, never for what a packet's fate depends on: where schedules are explored, it is no step.
 */
export function tally(m: Mem, a: Addr): number {
  return Atomics.add(m, a, 1);
}

/** What must hold here whatever the schedule. Throws; where schedules are explored, a verdict. */
export function assert(condition: boolean, message: string): void {
  if (!condition) throw new Error(message);
}

/** Tells observers what happened. Never part of the path's meaning. */
export function trace(m: Mem, event: number, device: Addr, a: number, b: number): void {
  if (events !== null) events.write(m, event, device, a, b, cpu);
}

/** Does to the real device what the path just did to the emulated one (fault runs only). */
export function deed(code: number, device: Addr): void {
  if (deedSink !== null) deedSink(code, device);
}

/**
 * Takes the CPU for a process-context task; waits while another has it. Between two sleeps a task
 * keeps its CPU (a kernel without forced preemption), which is why a work item bound to the CPU of
 * an unregistering task starts when that task sleeps and not before.
 */
export function acquireCpu(m: Mem): void {
  const a = block + CPU.runningTask;
  for (;;) {
    const holder = Atomics.compareExchange(m, a, 0, task + 1);
    if (holder === 0) return;
    waitWhile(m, a, holder);
  }
}

/** Gives the CPU back. */
export function releaseCpu(m: Mem): void {
  Atomics.store(m, block + CPU.runningTask, 0);
  Atomics.notify(m, block + CPU.runningTask, 1);
}

/** Gives the CPU up around something that blocks outside of these primitives (a system call). */
export function sleepBegin(m: Mem): void {
  if (mayShareCpu) releaseCpu(m);
}

export function sleepEnd(m: Mem): void {
  if (mayShareCpu) acquireCpu(m);
}

/** Sleeps for a time, as msleep() does, but wakes up to notice an abort. */
export function sleepFor(m: Mem, ms: number): void {
  const endNs = nowNs() + ms * 1e6;
  sleepBegin(m);
  for (let now = nowNs(); now < endNs; now = nowNs()) pause(m, Math.min(50, (endNs - now) / 1e6));
  sleepEnd(m);
}

/** Waits until the word at `a` is no longer `value`. Returns early now and then: look again. */
export function waitWhile(m: Mem, a: Addr, value: number): void {
  checkAbort(m);
  Atomics.wait(m, a, value, 20);
}

function pause(m: Mem, ms: number): void {
  checkAbort(m);
  Atomics.wait(m, HEADER.never, 0, ms);
}

function checkAbort(m: Mem): void {
  if (Atomics.load(m, HEADER.abort) !== 0) throw new SyncAborted();
}
