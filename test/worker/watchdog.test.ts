// The soft-lockup detector over the queue workers, with a time of its own: after how long it
// speaks, what it says, that it repeats itself, and that an idle worker is not stuck.
import { describe, expect, it } from "vitest";
import { nowNs } from "../../src/base/clock.js";
import { WATCHDOG_UNIT_NS } from "../../src/path/watchdog.js";
import { CPU, CPU_STATE, cpuBlock, firstFreeWord } from "../../src/sync/memory.js";
import { type LockupNotice, Watchdog } from "../../src/worker/watchdog.js";

const STEP_NS = 100e6;

class Bench {
  readonly m = new Int32Array(new SharedArrayBuffer(4 * firstFreeWord(4)));
  readonly notices: (LockupNotice & { afterSeconds: number })[] = [];
  readonly watchdog: Watchdog;
  /** What the host's kernel says each worker has waited for a CPU. */
  waitedNs = 0;
  private now: number;
  private readonly begin: number;

  constructor(thresh = 2, workers = 2) {
    this.begin = nowNs();
    this.now = this.begin;
    const heard = (notice: LockupNotice) => {
      this.notices.push({ ...notice, afterSeconds: (this.now - this.begin) / 1e9 });
    };
    this.watchdog = new Watchdog(this.m, workers, thresh, heard, (tid) =>
      tid === 4001 ? this.waitedNs : 0,
    );
    for (let worker = 0; worker < workers; worker++) {
      this.m[cpuBlock(worker) + CPU.state] = CPU_STATE.forwarding;
      this.m[cpuBlock(worker) + CPU.tid] = 4000 + worker;
    }
  }

  suspects(): boolean {
    return this.watchdog.suspects(this.now);
  }

  /** Lets so many seconds pass; `alive` workers show life at every look. */
  pass(seconds: number, alive: readonly number[]): void {
    for (let passed = 0; passed < seconds * 1e9; passed += STEP_NS) {
      this.now += STEP_NS;
      for (const worker of alive) this.m[cpuBlock(worker) + CPU.heartbeat]!++;
      this.watchdog.look(this.now);
    }
  }
}

describe("a worker whose heartbeat stands still", () => {
  it("is reported after twice the threshold, and not before", () => {
    const bench = new Bench(2);
    bench.pass(3.8, [0]);
    expect(bench.notices).toEqual([]);
    bench.pass(4, [0]);
    const { afterSeconds, worker, first } = bench.notices[0]!;
    expect(worker).toBe(1);
    expect(first).toBe(true);
    // More than 4 units of 2^30 ns, looked at every 2/5 of the threshold.
    expect(afterSeconds).toBeGreaterThan((4 * WATCHDOG_UNIT_NS) / 1e9);
    expect(afterSeconds).toBeLessThan(4 * 1.074 + 1.074 + 0.8 + 0.2);
  });

  it("is reported in the kernel's words", () => {
    const bench = new Bench(2);
    bench.pass(8, [0]);
    expect(bench.notices[0]!.message).toMatch(
      /^watchdog: BUG: soft lockup - CPU#1 stuck for [4-6]s! \[rxq1:4001\]$/,
    );
  });

  it("is reported again, with a longer time, and counted once", () => {
    const bench = new Bench(2);
    bench.pass(20, [0]);
    const seconds = bench.notices.map((notice) => notice.seconds);
    expect(seconds.length).toBeGreaterThanOrEqual(2);
    expect(seconds.length).toBeLessThanOrEqual(5);
    expect(seconds).toEqual([...seconds].sort((a, b) => a - b));
    expect(bench.notices.map(({ first }) => first)).toEqual([
      true,
      ...seconds.slice(1).map(() => false),
    ]);
    expect([...bench.watchdog.lockedUp()]).toEqual([1]);
  });

  it("is not reported for the time that the host kept it from running", () => {
    const bench = new Bench(2);
    bench.waitedNs = 60e9;
    for (let i = 0; i < 20; i++) {
      bench.pass(1, [0]);
      bench.waitedNs += 0.9e9;
    }
    expect(bench.notices).toEqual([]);
    bench.pass(6, [0]);
    expect(bench.notices.map(({ worker, seconds }) => [worker, seconds])).toEqual([[1, 5]]);
  });

  it("that shows life now and then is never reported", () => {
    const bench = new Bench(2);
    for (let i = 0; i < 10; i++) {
      bench.pass(3, []);
      bench.pass(0.1, [0, 1]);
    }
    expect(bench.notices).toEqual([]);
  });
});

describe("a run that wants to end", () => {
  it("waits for the verdict on a worker that has shown no life for half a second", () => {
    const bench = new Bench(2);
    bench.pass(0.3, [0]);
    expect(bench.suspects()).toBe(false);
    bench.pass(0.5, [0]);
    expect(bench.suspects()).toBe(true);
    bench.pass(8, [0]);
    expect(bench.notices).not.toEqual([]);
    expect(bench.suspects()).toBe(false);
  });

  it("does not wait for workers that move, or sleep, or when the detector is off", () => {
    const bench = new Bench(2);
    bench.m[cpuBlock(1) + CPU.state] = CPU_STATE.idle;
    bench.pass(3, [0]);
    expect(bench.suspects()).toBe(false);
    const off = new Bench(0);
    off.pass(3, []);
    expect(off.suspects()).toBe(false);
  });
});

describe("a worker that is not stuck", () => {
  it.each(["idle", "stalled", "stopped", "off"] as const)("says that it is %s", (state) => {
    const bench = new Bench(2);
    bench.m[cpuBlock(1) + CPU.state] = CPU_STATE[state];
    bench.pass(60, [0]);
    expect(bench.notices).toEqual([]);
  });

  it("a threshold of 0 turns the detector off", () => {
    const bench = new Bench(0);
    bench.pass(60, []);
    expect(bench.notices).toEqual([]);
  });
});
