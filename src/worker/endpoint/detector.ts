// Finds out who waits for whom among the threads of an endpoint, from their words alone, and says
// when that goes in a circle. Main thread; the threads know nothing of it.
//
// A circle is no guess by a timeout: a thread that waits for a lock goes on only when the holder
// gives it back, one that waits for a group only when every member has left it. It is told when two
// looks have found the same waits, with no wait begun or ended in between.
import { nowMs } from "../../base/clock.js";
import type { Addr, Mem } from "../../sync/memory.js";
import { MUTEX, RWMUTEX } from "../../sync/program/go.js";
import { THREAD, threadBlock, WAIT } from "../../sync/program/layout.js";
import { LOOP } from "./layout.js";

/** One thread of a circle. */
export interface DeadlockSide {
  readonly thread: string;
  readonly tid: number;
  /** "mu for writing", "control", "a packet". */
  readonly holds: readonly string[];
  /** "wg[0]", "mu". */
  readonly waitsFor: string;
  /** As Go names the call that it does not come back from: "RLock", "WaitGroup.Wait". */
  readonly in: string;
}

export interface Deadlock {
  readonly sides: readonly DeadlockSide[];
  /** Further threads that wait for one of these. */
  readonly others: readonly string[];
  /** From the first look that found it to the one that told it. */
  readonly confirmedAfterMs: number;
  readonly text: string;
}

export interface Watched {
  readonly m: Mem;
  /** By thread number. */
  readonly threads: readonly string[];
  readonly names: ReadonlyMap<Addr, string>;
  readonly rwMutexes: readonly Addr[];
  readonly mutexes: readonly Addr[];
}

const CALLS: Readonly<Record<number, string>> = {
  [WAIT.readLock]: "RLock",
  [WAIT.writeLock]: "Lock",
  [WAIT.mutex]: "Mutex.Lock",
  [WAIT.group]: "WaitGroup.Wait",
};

export class DeadlockDetector {
  private readonly watched: Watched;
  private last = "";
  private firstMs = 0;

  constructor(watched: Watched) {
    this.watched = watched;
  }

  /** One look; a deadlock once it has been seen twice in the same state. */
  look(): Deadlock | null {
    const cycle = this.cycle();
    if (cycle === null) {
      this.last = "";
      return null;
    }
    const state = cycle.map((one) => `${one}:${this.word(one, THREAD.sequence)}`).join();
    if (state === this.last) return this.told(cycle);
    this.last = state;
    this.firstMs = nowMs();
    return null;
  }

  private word(thread: number, word: number): number {
    return Atomics.load(this.watched.m, threadBlock(thread) + word);
  }

  /** Threads that a thread waits for: any of them keeps it. */
  private awaited(thread: number): number[] {
    const object = this.word(thread, THREAD.waitsFor);
    const { m, threads } = this.watched;
    switch (this.word(thread, THREAD.wait)) {
      case WAIT.readLock:
      case WAIT.writeLock:
        return [Atomics.load(m, object + RWMUTEX.holder) - 1].filter((one) => one >= 0);
      case WAIT.mutex:
        return [Atomics.load(m, object + MUTEX.holder) - 1].filter((one) => one >= 0);
      case WAIT.group:
        return [...threads.keys()].filter((one) => this.word(one, THREAD.memberOf) === object);
      default:
        return [];
    }
  }

  /** Threads each of which waits for the next, and the last for the first. */
  private cycle(): number[] | null {
    const done = new Set<number>();
    const walk = (thread: number, path: readonly number[]): number[] | null => {
      const start = path.indexOf(thread);
      // A writer that waits for readers has the lock's name on it, and does not wait for itself.
      if (start >= 0) return path.length - start > 1 ? path.slice(start) : this.selfWait(thread);
      if (done.has(thread)) return null;
      done.add(thread);
      for (const next of this.awaited(thread)) {
        const found = walk(next, [...path, thread]);
        if (found !== null) return found;
      }
      return null;
    };
    for (const thread of this.watched.threads.keys()) {
      const found = walk(thread, []);
      if (found !== null) return found;
    }
    return null;
  }

  private selfWait(thread: number): number[] | null {
    const wait = this.word(thread, THREAD.wait);
    return wait === WAIT.group || wait === WAIT.mutex ? [thread] : null;
  }

  private told(cycle: readonly number[]): Deadlock {
    // The holder of a lock first: it is whom the others wait for.
    const first = Math.max(
      cycle.findIndex((one) => this.locksOf(one).length > 0),
      0,
    );
    const order = [...cycle.slice(first), ...cycle.slice(0, first)];
    const sides = order.map((one) => this.side(one));
    const { threads } = this.watched;
    const isStuck = (one: number) => !cycle.includes(one) && this.awaited(one).length > 0;
    const others = [...threads.keys()].filter(isStuck).map((one) => threads[one]!);
    const text = [
      ...sides.map(({ thread, holds, waitsFor, in: call }) => {
        const has = holds.length === 0 ? "" : ` holds ${holds.join(" and ")}, and`;
        return `${thread}${has} waits in ${call} for ${waitsFor}`;
      }),
      ...others.map((one) => `${one} waits for one of these`),
    ].join("; ");
    return { sides, others, confirmedAfterMs: nowMs() - this.firstMs, text };
  }

  private side(thread: number): DeadlockSide {
    const { threads, names } = this.watched;
    const object = this.word(thread, THREAD.waitsFor);
    const packet = this.word(thread, LOOP.inHand) === 1 ? ["a packet"] : [];
    return {
      thread: threads[thread]!,
      tid: this.word(thread, THREAD.tid),
      holds: [...this.locksOf(thread), ...packet],
      waitsFor: names.get(object) ?? "?",
      in: CALLS[this.word(thread, THREAD.wait)] ?? "?",
    };
  }

  private locksOf(thread: number): string[] {
    const { m, names, rwMutexes, mutexes } = this.watched;
    const has = (address: Addr) => Atomics.load(m, address) === thread + 1;
    const written = rwMutexes.filter((one) => has(one + RWMUTEX.holder));
    const held = mutexes.filter((one) => has(one + MUTEX.holder));
    return [
      ...written.map((one) => `${names.get(one) ?? "?"} for writing`),
      ...held.map((one) => names.get(one) ?? "?"),
    ];
  }
}
