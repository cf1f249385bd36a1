// Go's sync.Mutex, sync.RWMutex and sync.WaitGroup on real threads: the algorithms of Go's own
// package sync (1.22), with a futex for each semaphore. Threads that are bound to a program.
//
// What an explorer knows by its rules is here an outcome of these algorithms: a writer that waits
// keeps new readers out, because it makes the readers' count negative first; the readers that
// waited go before the next writer, because it lets that one in last.
import type { Addr } from "../memory.js";
import { WAIT } from "./layout.js";
import { blockWhile, m, ProgramMisuse, thread } from "./thread.js";

/** Words of a mutex: 0 free, 1 locked, 2 locked and somebody may sleep for it; and by whom. */
export const MUTEX = { state: 0, holder: 1 } as const;

/** Words of an RWMutex, named as Go names them; `holder` is the writer's thread + 1, or 0. */
export const RWMUTEX = {
  readerCount: 0,
  readerWait: 1,
  readerSem: 2,
  writerSem: 3,
  holder: 4,
  /** The mutex that writers take first. */
  w: 5,
} as const;

/** Words of a wait group: its counter above 16 bits of waiters, and their semaphore. */
export const GROUP = { state: 0, sem: 1 } as const;

const READERS_MAX = 2 ** 30;
const WAITERS_MASK = 0xffff;
const ONE = 0x10000;

/** sync.Mutex.Lock. */
export function goLock(lock: Addr): void {
  takeMutex(lock, lock, WAIT.mutex);
}

function takeMutex(lock: Addr, object: Addr, wait: number): void {
  if (Atomics.compareExchange(m, lock, 0, 1) !== 0) {
    // Whoever has slept locks it with 2: there may be others that still sleep.
    while (Atomics.exchange(m, lock, 2) !== 0) blockWhile(lock, 2, wait, object);
  }
  Atomics.store(m, lock + MUTEX.holder, thread + 1);
}

/** sync.Mutex.Unlock. @throws ProgramMisuse for one that nobody has locked. */
export function goUnlock(lock: Addr): void {
  Atomics.store(m, lock + MUTEX.holder, 0);
  const before = Atomics.exchange(m, lock, 0);
  if (before === 0) throw new ProgramMisuse("sync: unlock of unlocked mutex");
  if (before === 2) Atomics.notify(m, lock, 1);
}

/** sync.RWMutex.RLock. */
export function rlock(lock: Addr): void {
  if (Atomics.add(m, lock + RWMUTEX.readerCount, 1) + 1 >= 0) return;
  acquire(lock + RWMUTEX.readerSem, WAIT.readLock, lock);
}

/** sync.RWMutex.RUnlock. @throws ProgramMisuse for one that nobody reads. */
export function runlock(lock: Addr): void {
  const readers = Atomics.add(m, lock + RWMUTEX.readerCount, -1) - 1;
  if (readers >= 0) return;
  if (readers + 1 === 0 || readers + 1 === -READERS_MAX) {
    throw new ProgramMisuse("sync: RUnlock of unlocked RWMutex");
  }
  // The last of those readers whom a writer waits for.
  if (Atomics.add(m, lock + RWMUTEX.readerWait, -1) - 1 === 0) release(lock + RWMUTEX.writerSem);
}

/** sync.RWMutex.Lock. */
export function rwlock(lock: Addr): void {
  takeMutex(lock + RWMUTEX.w, lock, WAIT.writeLock);
  Atomics.store(m, lock + RWMUTEX.holder, thread + 1);
  const readers = Atomics.add(m, lock + RWMUTEX.readerCount, -READERS_MAX);
  if (readers !== 0 && Atomics.add(m, lock + RWMUTEX.readerWait, readers) + readers !== 0) {
    acquire(lock + RWMUTEX.writerSem, WAIT.writeLock, lock);
  }
}

/** sync.RWMutex.Unlock. @throws ProgramMisuse for one that no writer has. */
export function rwunlock(lock: Addr): void {
  Atomics.store(m, lock + RWMUTEX.holder, 0);
  const readers = Atomics.add(m, lock + RWMUTEX.readerCount, READERS_MAX) + READERS_MAX;
  if (readers >= READERS_MAX) throw new ProgramMisuse("sync: Unlock of unlocked RWMutex");
  for (let i = 0; i < readers; i++) release(lock + RWMUTEX.readerSem);
  goUnlock(lock + RWMUTEX.w);
}

/** sync.WaitGroup.Add. @throws ProgramMisuse as Go panics. */
export function wgAdd(group: Addr, count: number): void {
  const state = (Atomics.add(m, group, count * ONE) + count * ONE) | 0;
  const counter = state >> 16;
  const waiters = state & WAITERS_MASK;
  if (counter < 0) throw new ProgramMisuse("sync: negative WaitGroup counter");
  if (waiters !== 0 && count > 0 && counter === count) {
    throw new ProgramMisuse("sync: WaitGroup misuse: Add called concurrently with Wait");
  }
  if (counter > 0 || waiters === 0) return;
  if (Atomics.load(m, group) !== state) {
    throw new ProgramMisuse("sync: WaitGroup misuse: Add called concurrently with Wait");
  }
  Atomics.store(m, group, 0);
  for (let i = 0; i < waiters; i++) release(group + GROUP.sem);
}

/** sync.WaitGroup.Done. */
export function wgDone(group: Addr): void {
  wgAdd(group, -1);
}

/** sync.WaitGroup.Wait. @throws ProgramMisuse if the group is used again before it wakes. */
export function wgWait(group: Addr): void {
  for (;;) {
    const state = Atomics.load(m, group);
    if (state >> 16 === 0) return;
    if (Atomics.compareExchange(m, group, state, state + 1) !== state) continue;
    acquire(group + GROUP.sem, WAIT.group, group);
    if (Atomics.load(m, group) === 0) return;
    throw new ProgramMisuse("sync: WaitGroup is reused before previous Wait has returned");
  }
}

/** Takes one from a semaphore; blocks at 0. */
function acquire(sem: Addr, wait: number, object: Addr): void {
  for (;;) {
    const count = blockWhile(sem, 0, wait, object);
    if (Atomics.compareExchange(m, sem, count, count - 1) === count) return;
  }
}

function release(sem: Addr): void {
  Atomics.add(m, sem, 1);
  Atomics.notify(m, sem, 1);
}
