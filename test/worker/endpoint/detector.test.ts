// Who waits for whom, from words that the test writes as threads would: a circle is told after two
// looks that agree, and nothing else is taken for one.
import { beforeEach, describe, expect, it } from "vitest";
import { MUTEX, RWMUTEX } from "../../../src/sync/program/go.js";
import {
  layOutProgram,
  newProgramMemory,
  THREAD,
  threadBlock,
  WAIT,
} from "../../../src/sync/program/layout.js";
import { DeadlockDetector } from "../../../src/worker/endpoint/detector.js";
import { LOOP } from "../../../src/worker/endpoint/layout.js";

const FREE = Symbol("FREE");
const [LOOP0, LOOP1, STOPPER, STOPPER2] = [0, 1, 2, 3];
const layout = layOutProgram({ mu: FREE, control: FREE, wg: FREE }, 4);
const { mu, control, wg } = layout.handles;

let m: Int32Array;
let detector: DeadlockDetector;

beforeEach(() => {
  m = newProgramMemory(layout);
  detector = new DeadlockDetector({
    m,
    threads: ["loop0", "loop1", "stopper", "stopper2"],
    names: layout.names,
    rwMutexes: [mu],
    mutexes: [control],
  });
});

function waits(thread: number, wait: number, address: number): void {
  const block = threadBlock(thread);
  m[block + THREAD.wait] = wait;
  m[block + THREAD.waitsFor] = address;
  m[block + THREAD.sequence]!++;
}

function joins(thread: number): void {
  m[threadBlock(thread) + THREAD.memberOf] = wg;
}

/** The stopper has `mu` and waits for the loops; the first loop wants `mu` for a packet. */
function deadlock(): void {
  m[mu + RWMUTEX.holder] = STOPPER + 1;
  joins(LOOP0);
  joins(LOOP1);
  waits(STOPPER, WAIT.group, wg);
  waits(LOOP0, WAIT.readLock, mu);
  m[threadBlock(LOOP0) + LOOP.inHand] = 1;
}

describe("a circle", () => {
  it("is told with both sides, at the second look that finds it", () => {
    deadlock();
    expect(detector.look()).toBeNull();
    const found = detector.look();
    expect(found!.sides).toMatchObject([
      { thread: "stopper", holds: ["mu for writing"], in: "WaitGroup.Wait", waitsFor: "wg" },
      { thread: "loop0", holds: ["a packet"], in: "RLock", waitsFor: "mu" },
    ]);
    expect(found!.text).toBe(
      "stopper holds mu for writing, and waits in WaitGroup.Wait for wg; " +
        "loop0 holds a packet, and waits in RLock for mu",
    );
  });

  it("names who else waits for those in it", () => {
    deadlock();
    m[control + MUTEX.holder] = STOPPER + 1;
    waits(STOPPER2, WAIT.mutex, control);
    waits(LOOP1, WAIT.readLock, mu);
    detector.look();
    const found = detector.look();
    expect(found!.sides.map((one) => one.thread)).toEqual(["stopper", "loop0"]);
    expect(found!.others).toEqual(["loop1", "stopper2"]);
  });

  it("of one: a loop that waits for its own group", () => {
    joins(LOOP1);
    waits(LOOP1, WAIT.group, wg);
    detector.look();
    expect(detector.look()!.sides).toMatchObject([{ thread: "loop1", in: "WaitGroup.Wait" }]);
  });

  it("begins anew when a wait has ended and begun in between", () => {
    deadlock();
    expect(detector.look()).toBeNull();
    waits(LOOP0, WAIT.readLock, mu);
    expect(detector.look()).toBeNull();
    expect(detector.look()).not.toBeNull();
  });
});

describe("no circle", () => {
  const cases: [what: string, arrange: () => void][] = [
    ["a loop waits for its device while it is stopped", () => waits(LOOP0, WAIT.device, mu)],
    ["a loop has not ended yet, and waits for nothing", () => waits(LOOP0, WAIT.running, mu)],
    [
      "a loop waits for the lock of somebody who goes on",
      () => {
        m[mu + RWMUTEX.holder] = STOPPER2 + 1;
        waits(LOOP0, WAIT.readLock, mu);
      },
    ],
    ["a loop waits for a lock that nobody holds any more", () => waits(LOOP0, WAIT.readLock, mu)],
  ];

  it.each(cases)("%s", (_what, arrange) => {
    joins(LOOP0);
    waits(STOPPER, WAIT.group, wg);
    arrange();
    expect([detector.look(), detector.look(), detector.look()]).toEqual([null, null, null]);
  });

  it("a writer waits for readers, and has the lock's name on it already", () => {
    m[mu + RWMUTEX.holder] = STOPPER + 1;
    waits(STOPPER, WAIT.writeLock, mu);
    waits(LOOP0, WAIT.readLock, mu);
    expect([detector.look(), detector.look()]).toEqual([null, null]);
  });
});
