// The primitives of the kernel and of Go that programs import from "packetpath/explore". As in
// primitives.ts, an explored program gets the explorer's steps in their place.
import { outside } from "./primitives.js";
import type { Cell } from "./types.js";

/** sync.Mutex.Lock: blocks while it is locked; any goroutine may unlock it. */
export function goLock(_lock: Cell): void {
  outside("goLock");
}

/** sync.Mutex.Unlock; of an unlocked one: MISUSE (a fatal error in Go). */
export function goUnlock(_lock: Cell): void {
  outside("goUnlock");
}

/** sync.Mutex.TryLock. */
export function goTryLock(_lock: Cell): boolean {
  return outside("goTryLock");
}

/** sync.RWMutex.RLock: blocks while a writer has it or waits for it. */
export function rlock(_lock: Cell): void {
  outside("rlock");
}

/** sync.RWMutex.RUnlock. */
export function runlock(_lock: Cell): void {
  outside("runlock");
}

/** sync.RWMutex.Lock: keeps new readers out, then blocks until those inside have left. */
export function rwlock(_lock: Cell): void {
  outside("rwlock");
}

/** sync.RWMutex.Unlock: lets in all readers that waited, before the next writer. */
export function rwunlock(_lock: Cell): void {
  outside("rwunlock");
}

/**
 * sync.WaitGroup.Add; a counter below 0 is MISUSE (a panic in Go). Groups are declared in
 * `locks`.
 */
export function wgAdd(_group: Cell, _count: number): void {
  outside("wgAdd");
}

/** sync.WaitGroup.Done. */
export function wgDone(_group: Cell): void {
  outside("wgDone");
}

/**
 * sync.WaitGroup.Wait: blocks until the counter is 0; MISUSE if it is reused before it wakes.
 */
export function wgWait(_group: Cell): void {
  outside("wgWait");
}

/** Adds to an eventfd, which is a cell; blocks at 2^31 - 2. */
export function eventWrite(_counter: Cell, _value: number): void {
  outside("eventWrite");
}

/** Takes all that is in an eventfd; blocks at 0. */
export function eventRead(_counter: Cell): number {
  return outside("eventRead");
}

/**
 * The kernel's mutex: sleeps, so MISUSE in atomic context; taking it twice is a DEADLOCK at
 * once.
 */
export function mutexLock(_lock: Cell): void {
  outside("mutexLock");
}

/** Gives a mutex back; MISUSE if the thread does not hold it. */
export function mutexUnlock(_lock: Cell): void {
  outside("mutexUnlock");
}

/** Takes a mutex if it is free; says whether it did. */
export function mutexTrylock(_lock: Cell): boolean {
  return outside("mutexTrylock");
}

/** Disables preemption and spins; a DEADLOCK at once if this CPU holds the lock already. */
export function spinLock(_lock: Cell): void {
  outside("spinLock");
}

/** Gives a spin lock back. */
export function spinUnlock(_lock: Cell): void {
  outside("spinUnlock");
}

/** Takes a spin lock if it is free; says whether it did. */
export function spinTrylock(_lock: Cell): boolean {
  return outside("spinTrylock");
}

/** The same with softirqs disabled on this CPU. */
export function spinLockBh(_lock: Cell): void {
  outside("spinLockBh");
}

/** Gives it back; softirqs that were raised meanwhile run now. */
export function spinUnlockBh(_lock: Cell): void {
  outside("spinUnlockBh");
}

/** The same with interrupts disabled on this CPU. */
export function spinLockIrq(_lock: Cell): void {
  outside("spinLockIrq");
}

/** Gives it back and enables interrupts, whatever they were before. */
export function spinUnlockIrq(_lock: Cell): void {
  outside("spinUnlockIrq");
}

/** The same; returns flags for spinUnlockIrqrestore: 1 if interrupts were off before. */
export function spinLockIrqsave(_lock: Cell): number {
  return outside("spinLockIrqsave");
}

/** Gives it back and sets interrupts as they were. */
export function spinUnlockIrqrestore(_lock: Cell, _flags: number): void {
  outside("spinUnlockIrqrestore");
}

/** Keeps softirqs from this CPU; nests. */
export function localBhDisable(): void {
  outside("localBhDisable");
}

/** Ends it; at the outermost, softirqs that were raised meanwhile run before this returns. */
export function localBhEnable(): void {
  outside("localBhEnable");
}

/** Keeps interrupts from this CPU; does not nest. */
export function localIrqDisable(): void {
  outside("localIrqDisable");
}

/** Lets interrupts in. */
export function localIrqEnable(): void {
  outside("localIrqEnable");
}

/** Disables interrupts; returns 1 if they were off before. */
export function localIrqSave(): number {
  return outside("localIrqSave");
}

/** Sets interrupts to what localIrqSave returned. */
export function localIrqRestore(_flags: number): void {
  outside("localIrqRestore");
}

/** Keeps other tasks from this CPU and this task on it; nests. */
export function preemptDisable(): void {
  outside("preemptDisable");
}

/** Ends it. */
export function preemptEnable(): void {
  outside("preemptEnable");
}

/** The CPU that the thread runs on now (smp_processor_id). */
export function thisCpu(): number {
  return outside("thisCpu");
}

/** Makes a softirq pending on its CPU. */
export function raiseSoftirq(_handler: Cell, _argument?: number): void {
  outside("raiseSoftirq");
}

/** Makes an interrupt pending on its CPU. */
export function raiseHardirq(_handler: Cell, _argument?: number): void {
  outside("raiseHardirq");
}

/** Queues work on this CPU; false, and nothing done, if it is pending already. */
export function queueWork(_work: Cell, _argument?: number): boolean {
  return outside("queueWork");
}

/** Waits until the last queued run of the work has ended; says whether it had to. Sleeps. */
export function flushWork(_work: Cell): boolean {
  return outside("flushWork");
}

/** Takes work out of the queue and waits for its run; says whether it was pending. Sleeps. */
export function cancelWorkSync(_work: Cell): boolean {
  return outside("cancelWorkSync");
}

/**
 * Arms a timer on this CPU: it fires once, at any time from now on; says whether it was armed.
 */
export function modTimer(_timer: Cell, _argument?: number): boolean {
  return outside("modTimer");
}

/** Disarms a timer; does not wait if it runs. Says whether it was armed. */
export function delTimer(_timer: Cell): boolean {
  return outside("delTimer");
}

/** Disarms a timer and waits for its run; in the timer itself, a DEADLOCK. */
export function delTimerSync(_timer: Cell): boolean {
  return outside("delTimerSync");
}

/** Begins an RCU read section; nests. Sleeping inside is MISUSE. */
export function rcuReadLock(): void {
  outside("rcuReadLock");
}

/** Ends it. */
export function rcuReadUnlock(): void {
  outside("rcuReadUnlock");
}

/** Waits until every read section that has begun by now has ended. Sleeps. */
export function synchronizeRcu(): void {
  outside("synchronizeRcu");
}

/** Has a handler of context rcu run after a grace period; MISUSE if it is queued already. */
export function callRcu(_handler: Cell, _argument?: number): void {
  outside("callRcu");
}

/** Waits for all callbacks queued by now. Sleeps. */
export function rcuBarrier(): void {
  outside("rcuBarrier");
}

/** Anything that may sleep: MISUSE in atomic context and in a read section. */
export function sleep(): void {
  outside("sleep");
}

/** Whether a fault strikes here; both are explored, up to `maxFaults` per execution. */
export function fault(_name: string): boolean {
  return outside("fault");
}

/** New memory, not initialised, or NULL if a fault strikes; it is never given out again. */
export function alloc(_words: number): Cell {
  return outside("alloc");
}

/** Gives memory back; NULL is allowed. */
export function free(_object: Cell): void {
  outside("free");
}

/** Initialises a lock that is UNINIT, or one in memory from alloc. */
export function initLock(_lock: Cell): void {
  outside("initLock");
}
