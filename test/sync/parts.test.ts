// The laws of src/sync that one thread can show: atomics, work items, callbacks, the event ring,
// the queue table and the counters.
import { beforeEach, describe, expect, it } from "vitest";
import { DROP, DROP_REASONS } from "../../src/base/drop-reasons.js";
import { CounterBlocks, PORT_COUNTER, portCounters } from "../../src/sync/counters.js";
import { EVENT_RING_BYTES, EventRing } from "../../src/sync/events.js";
import {
  add,
  bindThread,
  CALLBACK_RING_SIZE,
  callbackRing,
  callRcu,
  cas,
  clearBits,
  CPU,
  CPU_WORDS,
  cpuBlock,
  deed,
  firstFreeWord,
  HEADER,
  HEADER_WORDS,
  initMemory,
  ld,
  type Mem,
  queueWork,
  rcuReadLock,
  rcuReadUnlock,
  setBits,
  smpProcessorId,
  st,
  synchronizeRcu,
  tick,
  trace,
  waitUntilEqual,
  xchg,
} from "../../src/sync/index.js";
import { type PortEntry, QueueTable } from "../../src/sync/queue-table.js";

const CPUS = 2;
const FREE = firstFreeWord(CPUS);
const US = { expeditedMin: 5, expeditedMax: 9, normalMin: 100, normalMax: 100 };
let m: Mem;

beforeEach(() => {
  m = new Int32Array(new SharedArrayBuffer(4 * (FREE + 64)));
  initMemory(m, CPUS, US, 1);
  bindThread({ task: 0, cpu: 1, maySleep: false, events: null, deed: null });
});

describe("words", () => {
  it("each operation answers the old value and leaves the new one", () => {
    st(m, FREE, 5);
    expect([add(m, FREE, 2), ld(m, FREE)]).toEqual([5, 7]);
    expect([cas(m, FREE, 7, 9), cas(m, FREE, 7, 1), ld(m, FREE)]).toEqual([7, 9, 9]);
    expect([xchg(m, FREE, 4), ld(m, FREE)]).toEqual([9, 4]);
    expect([setBits(m, FREE, 3), ld(m, FREE)]).toEqual([4, 7]);
    expect([clearBits(m, FREE, 5), ld(m, FREE)]).toEqual([7, 2]);
  });

  it("the areas of the memory do not overlap, and address 0 stays free", () => {
    const header = Object.values(HEADER);
    expect(new Set(header).size).toBe(header.length);
    expect([Math.min(...header) > 0, Math.max(...header) < HEADER_WORDS]).toEqual([true, true]);
    expect(Math.max(...Object.values(CPU))).toBeLessThan(CPU_WORDS);
    expect(new Set(Object.values(CPU)).size).toBe(Object.keys(CPU).length);
    expect(cpuBlock(0)).toBe(HEADER_WORDS);
    expect(callbackRing(CPUS)).toBe(HEADER_WORDS + CPUS * CPU_WORDS);
    expect(FREE).toBe(callbackRing(CPUS) + 2 * CALLBACK_RING_SIZE);
  });
});

describe("a thread", () => {
  it("reads and traces as the CPU it was bound to; tick leaves what the loop depends on", () => {
    const ring = new SharedArrayBuffer(EVENT_RING_BYTES);
    const events = new EventRing(ring, { realNumTxQueues: 0, regState: 1 });
    const deeds: number[][] = [];
    const sink = (code: number, device: number) => void deeds.push([code, device]);
    bindThread({ task: 0, cpu: 0, maySleep: false, events, deed: sink });
    expect(smpProcessorId()).toBe(0);
    rcuReadLock(m);
    expect([ld(m, cpuBlock(0)) & 1, ld(m, cpuBlock(1)) & 1]).toEqual([1, 0]);
    rcuReadUnlock(m);
    deed(4, FREE);
    expect(deeds).toEqual([[4, FREE]]);
    st(m, FREE, 32);
    st(m, FREE + 1, 2);
    trace(m, 9, FREE, 1, 2);
    trace(m, 8, 0, 3, 4);
    expect(events.read(0).records).toMatchObject([
      { event: 9, device: FREE, a: 1, b: 2, cpu: 0, realNumTxQueues: 32, regState: 2 },
      { event: 8, device: 0, a: 3, b: 4, cpu: 0, realNumTxQueues: 0, regState: 0 },
    ]);
    tick(m, 1, FREE, 3, 2, 0);
    tick(m, 1, FREE, 3, 2, 0);
    const at = cpuBlock(0) + CPU.tickSite;
    expect(Array.from(m.subarray(at, at + 6))).toEqual([1, FREE, 3, 2, 0, 2]);
  });

  it("without a ring and a sink, events and deeds go nowhere", () => {
    expect(() => {
      trace(m, 1, FREE, 0, 0);
      deed(1, FREE);
    }).not.toThrow();
  });
});

describe("work and callbacks", () => {
  it("a work item is queued once until it is taken, for the CPU of the first who queued it", () => {
    const bell = ld(m, HEADER.workBell);
    expect([queueWork(m, FREE, 1), queueWork(m, FREE, 0)]).toEqual([true, false]);
    expect([ld(m, FREE), ld(m, FREE + 1), ld(m, HEADER.workBell)]).toEqual([1, 1, bell + 1]);
    st(m, FREE, 0);
    expect(queueWork(m, FREE, 0)).toBe(true);
    expect(ld(m, FREE + 1)).toBe(0);
  });

  it("callbacks keep their order around the ring's end", () => {
    const first = CALLBACK_RING_SIZE - 1;
    m[HEADER.callbacksQueued] = first;
    m[HEADER.callbacksDone] = first;
    for (let i = 0; i < 3; i++) callRcu(m, 1, 50 + i);
    const slots = [0, 1, 2].map((i) => {
      const at = callbackRing(CPUS) + 2 * ((first + i) % CALLBACK_RING_SIZE);
      return [ld(m, at), ld(m, at + 1)];
    });
    expect(slots).toEqual([
      [1, 50],
      [1, 51],
      [1, 52],
    ]);
  });

  it("too many callbacks are refused, and the ring's lock is free afterwards", () => {
    for (let i = 0; i < CALLBACK_RING_SIZE; i++) callRcu(m, 1, i);
    expect(() => callRcu(m, 1, 0)).toThrow(/256 RCU callbacks/);
    expect(ld(m, HEADER.callbackLock)).toBe(0);
    st(m, HEADER.callbacksDone, 1);
    expect(() => callRcu(m, 1, 0)).not.toThrow();
  });
});

describe("waiting", () => {
  it("waitUntilEqual says whether the word came, or the time was over", () => {
    expect(waitUntilEqual(m, FREE, 0, 0)).toBe(true);
    expect(waitUntilEqual(m, FREE, 1, 5)).toBe(false);
  });

  it("grace periods differ in length within their limits, by the seed", () => {
    const lengths = new Set<number>();
    for (let i = 0; i < 8; i++) {
      m[HEADER.longestGracePeriodUs] = 0;
      synchronizeRcu(m, true);
      lengths.add(ld(m, HEADER.longestGracePeriodUs));
    }
    expect(Math.min(...lengths)).toBeGreaterThanOrEqual(US.expeditedMin);
    expect(ld(m, HEADER.gracePeriods)).toBe(8);
    expect(ld(m, HEADER.draw)).not.toBe(1);
  });
});

describe("the event ring", () => {
  const CAPACITY = 4096;
  function ring() {
    return new EventRing(new SharedArrayBuffer(EVENT_RING_BYTES), {
      realNumTxQueues: 0,
      regState: 1,
    });
  }
  const write = (events: EventRing, times: number, from = 0) => {
    for (let i = 0; i < times; i++) events.write(m, 1, 0, from + i, 0, 0);
  };

  it("is read on from where the last reading ended", () => {
    const events = ring();
    write(events, 3);
    const first = events.read(0);
    expect([first.records.length, first.next, first.lost]).toEqual([3, 3, 0]);
    write(events, 2, 3);
    const second = events.read(first.next);
    expect(second.records.map(({ a }) => a)).toEqual([3, 4]);
    expect(events.read(second.next)).toEqual({ records: [], next: 5, lost: 0 });
  });

  it("keeps the newest when it overflows, and says how many were lost", () => {
    const events = ring();
    write(events, CAPACITY + 100);
    const { records, next, lost } = events.read(0);
    expect([records.length, next, lost]).toEqual([CAPACITY - 1, CAPACITY + 100, 101]);
    expect([records[0]!.a, records.at(-1)!.a]).toEqual([101, CAPACITY + 99]);
    write(events, 5, CAPACITY + 100);
    expect(events.read(next)).toMatchObject({ lost: 0, next: CAPACITY + 105 });
  });
});

describe("the queue table", () => {
  const entry = (number: number, handles: readonly number[]): PortEntry => ({
    number,
    kind: 2,
    ovsDev: 100 + number,
    wireDev: 200 + number,
    vnetHeaderBytes: 12,
    handles,
  });

  it("what is published is read back, from another view of the same memory too", () => {
    const table = new QueueTable(2, 4);
    table.publish(entry(3, [7, 8]));
    table.publish(entry(0, []));
    const other = new QueueTable(2, 4, table.shared);
    expect(other.read()).toEqual([entry(0, []), entry(3, [7, 8])]);
    expect(other.generation()).toBe(2);
    table.publish(entry(3, [9]));
    expect(other.read()[1]).toEqual(entry(3, [9]));
  });

  it("what was withdrawn settles when every worker has acknowledged it, not before", () => {
    const table = new QueueTable(2, 4);
    table.publish(entry(1, [7]));
    const generation = table.withdraw(1);
    expect([table.read(), generation]).toEqual([[], 2]);
    expect(table.isSettled(generation)).toBe(false);
    table.acknowledge(0, generation);
    table.acknowledge(1, generation - 1);
    expect(table.isSettled(generation)).toBe(false);
    table.acknowledge(1, generation + 1);
    expect(table.isSettled(generation)).toBe(true);
  });

  it("a lost worker is not waited for, and is known", () => {
    const table = new QueueTable(2, 4);
    const generation = table.withdraw(1);
    table.acknowledge(0, generation);
    expect([table.isSettled(generation), table.anyLost()]).toEqual([false, false]);
    table.markLost(1);
    expect([table.isSettled(generation), table.anyLost()]).toEqual([true, true]);
  });

  it("stop and stall requests reach their worker; a stall is taken once", () => {
    const table = new QueueTable(2, 4);
    table.requestStall(1, 30);
    expect([table.takeStall(0), table.takeStall(1), table.takeStall(1)]).toEqual([0, 30, 0]);
    expect(table.isStopping()).toBe(false);
    table.requestStop();
    expect(table.isStopping()).toBe(true);
  });
});

it("counters: workers' blocks are apart, ports within them too, and sums are over workers", () => {
  const blocks = new CounterBlocks(3, 2);
  for (let worker = 0; worker < 3; worker++) {
    const block = blocks.block(worker);
    block[portCounters(0) + PORT_COUNTER.rx]! += 1;
    block[portCounters(1) + PORT_COUNTER.rx]! += 10 ** worker;
    block[portCounters(1) + PORT_COUNTER.drops + DROP.stopped]! += 2;
  }
  expect([blocks.sum(0, PORT_COUNTER.rx), blocks.sum(1, PORT_COUNTER.rx)]).toEqual([3, 111]);
  expect(blocks.sum(1, PORT_COUNTER.drops + DROP.stopped)).toBe(6);
  expect(blocks.sum(0, PORT_COUNTER.drops + DROP.stopped)).toBe(0);
  expect(portCounters(1)).toBeGreaterThanOrEqual(PORT_COUNTER.drops + DROP_REASONS.length);
  // A cache line of 64 bytes: eight doubles.
  expect([portCounters(1) % 8, blocks.block(1).byteOffset % 64]).toEqual([0, 0]);
  expect(new CounterBlocks(3, 2, blocks.shared).sum(1, PORT_COUNTER.rx)).toBe(111);
});
