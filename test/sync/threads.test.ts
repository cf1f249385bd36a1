// The laws of the primitives between real threads: exclusion, turns on a CPU, grace periods that
// wait for exactly the readers that were inside, and a way out when the run is torn down.
import { Worker } from "node:worker_threads";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { nowMs } from "../../src/base/clock.js";
import { eventually } from "../../src/base/eventually.js";
import { EVENT_RING_BYTES, EventRing } from "../../src/sync/events.js";
import {
  bindThread,
  callRcu,
  CPU,
  cpuBlock,
  firstFreeWord,
  HEADER,
  initMemory,
  ld,
  type Mem,
  rcuReadLock,
  rcuReadUnlock,
  st,
} from "../../src/sync/index.js";

const CPUS = 4;
const LOCK = firstFreeWord(CPUS);
const WORD = LOCK + 1;
const TIMEOUT = { timeoutMs: 60_000 };

interface Answer {
  readonly name: string;
  readonly answer?: unknown;
  readonly error?: string;
}

class Thread {
  readonly ring = new SharedArrayBuffer(EVENT_RING_BYTES);
  readonly answers: Answer[] = [];
  private readonly worker: Worker;

  constructor(memory: SharedArrayBuffer, task: number, cpu: number, maySleep: boolean) {
    const workerData = { memory, task, cpu, maySleep, ring: this.ring };
    this.worker = new Worker(new URL("./sync-thread.mjs", import.meta.url), { workerData });
    this.worker.on("message", (answer: Answer) => void this.answers.push(answer));
  }

  send(name: string, ...args: unknown[]): void {
    this.worker.postMessage({ name, args });
  }

  next(what: string): Promise<Answer> {
    return eventually(what, () => this.answers.shift(), TIMEOUT);
  }

  async call(name: string, ...args: unknown[]): Promise<Answer> {
    this.send(name, ...args);
    return this.next(name);
  }

  stop(): Promise<number> {
    return this.worker.terminate();
  }
}

let m: Mem;
let memory: SharedArrayBuffer;
let threads: Thread[];

beforeEach(() => {
  memory = new SharedArrayBuffer(4 * (firstFreeWord(CPUS) + 64));
  m = new Int32Array(memory);
  initMemory(m, CPUS, { expeditedMin: 0, expeditedMax: 0, normalMin: 0, normalMax: 0 }, 1);
  threads = [];
});

afterEach(async () => {
  st(m, HEADER.abort, 1);
  for (const one of threads) await one.stop();
});

async function thread(cpu: number, maySleep = true): Promise<Thread> {
  const made = new Thread(memory, threads.length + 10, cpu, maySleep);
  threads.push(made);
  await made.next("a thread");
  return made;
}

const waiters = () => ld(m, HEADER.gracePeriodWaiters);

describe("locks", () => {
  it.each(["countUnderMutex", "countUnderSpinLock"])("%s loses no addition", async (count) => {
    const sleeps = count === "countUnderMutex";
    const two = [await thread(0, sleeps), await thread(1, sleeps)];
    if (sleeps) for (const one of two) await one.call("acquireCpu");
    for (const one of two) one.send(count, LOCK, WORD, 20_000);
    for (const one of two) expect((await one.next(count)).error).toBeUndefined();
    expect([m[WORD], m[LOCK]]).toEqual([40_000, 0]);
  });

  it("a waiter gets the mutex when it is unlocked, and sleeps until then", async () => {
    const holder = await thread(0);
    const waiter = await thread(1);
    await holder.call("mutexLock", LOCK);
    await waiter.call("acquireCpu");
    waiter.send("mutexLock", LOCK);
    const sleeps = () => ld(m, cpuBlock(1) + CPU.runningTask) === 0;
    await eventually("the waiter to give its CPU up", sleeps, TIMEOUT);
    expect([waiter.answers, m[LOCK]]).toEqual([[], 11]);
    await holder.call("mutexUnlock", LOCK);
    await waiter.next("mutexLock");
    expect([m[LOCK], ld(m, cpuBlock(1) + CPU.runningTask)]).toEqual([12, 12]);
  });

  it("nobody but the holder unlocks, and the attempt changes nothing", async () => {
    const [holder, other] = [await thread(0), await thread(1)];
    await holder.call("mutexLock", LOCK);
    expect((await other.call("mutexUnlock", LOCK)).error).toBe("Error");
    expect(m[LOCK]).toBe(11);
    expect((await holder.call("mutexUnlock", LOCK)).error).toBeUndefined();
    expect((await holder.call("mutexUnlock", LOCK)).error).toBe("Error");
  });
});

describe("turns on a CPU", () => {
  it("two tasks of one CPU never run at once", async () => {
    const two = [await thread(2), await thread(2)];
    for (const one of two) one.send("countOnCpu", WORD, 20_000);
    for (const one of two) await one.next("countOnCpu");
    expect([m[WORD], ld(m, cpuBlock(2) + CPU.runningTask)]).toEqual([40_000, 0]);
  });

  it.each([
    ["sleepFor", [60_000]],
    ["waitUntilEqual", [WORD, 5, 60_000]],
    ["synchronizeRcu", [true]],
    ["rcuBarrier", []],
    ["mutexLock", [LOCK]],
  ])("a task that sleeps in %s gives its CPU up, and takes it again", async (name, args) => {
    const [sleeper, other] = [await thread(2), await thread(2)];
    await sleeper.call("acquireCpu");
    other.send("acquireCpu");
    // What each of them would sleep for.
    rcuHolder();
    m[LOCK] = 99;
    m[HEADER.callbacksQueued] = 1;
    sleeper.send(name, ...args);
    await other.next("its turn");
    expect(ld(m, cpuBlock(2) + CPU.runningTask)).toBe(12);
    bindThread({ task: 1, cpu: 3, maySleep: false, events: null, deed: null });
    rcuReadUnlock(m);
    st(m, LOCK, 0);
    st(m, HEADER.callbacksDone, 1);
    st(m, WORD, 5);
    expect(sleeper.answers).toEqual([]);
    await other.call("releaseCpu");
    if (name === "sleepFor") {
      st(m, HEADER.abort, 1);
      expect((await sleeper.next(name)).error).toBe("SyncAborted");
    } else {
      expect((await sleeper.next(name)).error).toBeUndefined();
      expect(ld(m, cpuBlock(2) + CPU.runningTask)).toBe(11);
    }
  });
});

/** This thread, as CPU 3, enters a read section. */
function rcuHolder(): void {
  bindThread({ task: 1, cpu: 3, maySleep: false, events: null, deed: null });
  rcuReadLock(m);
}

describe("grace periods", () => {
  it("wait for the readers that were inside, and not for those that came later", async () => {
    const [early, late, waiter] = [await thread(0, false), await thread(1, false), await thread(2)];
    await early.call("rcuReadLock");
    waiter.send("synchronizeRcu", true);
    await eventually("the grace period to begin", () => waiters() === 1, TIMEOUT);
    await late.call("rcuReadLock");
    expect(waiter.answers).toEqual([]);
    await early.call("rcuReadUnlock");
    expect((await waiter.next("synchronizeRcu")).error).toBeUndefined();
    expect([waiters(), ld(m, HEADER.gracePeriods)]).toEqual([0, 1]);
    // The late reader is still inside.
    expect(ld(m, cpuBlock(1) + CPU.rcuSequence) & 1).toBe(1);
  });

  it("an early reader that leaves and enters again does not hold it up", async () => {
    const [reader, waiter] = [await thread(0, false), await thread(2)];
    await reader.call("rcuReadLock");
    waiter.send("synchronizeRcu", true);
    await eventually("the grace period to begin", () => waiters() === 1, TIMEOUT);
    await reader.call("rcuReadUnlock");
    await reader.call("rcuReadLock");
    expect((await waiter.next("synchronizeRcu")).error).toBeUndefined();
  });

  it("nested sections end with the outermost", async () => {
    const [reader, waiter] = [await thread(0, false), await thread(2)];
    for (let i = 0; i < 3; i++) await reader.call("rcuReadLock");
    waiter.send("synchronizeRcu", true);
    await eventually("the grace period to begin", () => waiters() === 1, TIMEOUT);
    for (let i = 0; i < 2; i++) await reader.call("rcuReadUnlock");
    expect([waiter.answers, ld(m, cpuBlock(0) + CPU.rcuSequence) & 1]).toEqual([[], 1]);
    await reader.call("rcuReadUnlock");
    await waiter.next("synchronizeRcu");
  });

  it("a reader that never ends blocks it; a torn-down run gets out with SyncAborted", async () => {
    const [reader, waiter] = [await thread(0, false), await thread(2)];
    await reader.call("rcuReadLock");
    waiter.send("synchronizeRcu", true);
    await eventually("the grace period to begin", () => waiters() === 1, TIMEOUT);
    st(m, HEADER.abort, 1);
    expect((await waiter.next("synchronizeRcu")).error).toBe("SyncAborted");
    expect(ld(m, HEADER.gracePeriods)).toBe(0);
  });

  it.each([
    ["mutexLock", [LOCK]],
    ["rcuBarrier", []],
    ["sleepFor", [60_000]],
    ["waitUntilEqual", [WORD, 5, 60_000]],
  ])("%s gets out with SyncAborted too", async (name, args) => {
    m[LOCK] = 99;
    m[HEADER.callbacksQueued] = 1;
    const sleeper = await thread(0);
    await sleeper.call("acquireCpu");
    sleeper.send(name, ...args);
    await eventually("it to sleep", () => ld(m, cpuBlock(0) + CPU.runningTask) === 0, TIMEOUT);
    st(m, HEADER.abort, 1);
    expect((await sleeper.next(name)).error).toBe("SyncAborted");
  });

  it.each([
    { expedited: true, leastMs: 30 },
    { expedited: false, leastMs: 60 },
  ])("take their least time without readers: expedited $expedited", async (one) => {
    const us = { expeditedMin: 30_000, expeditedMax: 31_000, normalMin: 60_000, normalMax: 61_000 };
    initMemory(m, CPUS, us, 7);
    const waiter = await thread(2);
    const before = nowMs();
    await waiter.call("synchronizeRcu", one.expedited);
    expect(nowMs() - before).toBeGreaterThanOrEqual(one.leastMs);
    expect(ld(m, HEADER.longestGracePeriodUs)).toBeGreaterThanOrEqual(one.leastMs * 1000);
  });

  it("rcu_barrier waits for the callbacks queued before it, and for no later one", async () => {
    bindThread({ task: 1, cpu: 3, maySleep: false, events: null, deed: null });
    callRcu(m, 1, 100);
    callRcu(m, 1, 101);
    const waiter = await thread(2);
    await waiter.call("acquireCpu");
    waiter.send("rcuBarrier");
    await eventually("it to sleep", () => ld(m, cpuBlock(2) + CPU.runningTask) === 0, TIMEOUT);
    callRcu(m, 1, 102);
    st(m, HEADER.callbacksDone, 1);
    Atomics.notify(m, HEADER.callbacksDone);
    expect(waiter.answers).toEqual([]);
    st(m, HEADER.callbacksDone, 2);
    expect((await waiter.next("rcuBarrier")).error).toBeUndefined();
  });
});

it("what a thread traced last survives its sudden end", async () => {
  const writer = await thread(1);
  await writer.call("trace", 3);
  await writer.stop();
  const { records } = new EventRing(writer.ring, { realNumTxQueues: 0, regState: 1 }).read(0);
  expect(records.map(({ a, cpu }) => [a, cpu])).toEqual([
    [0, 1],
    [1, 1],
    [2, 1],
  ]);
});
