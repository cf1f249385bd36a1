// The soft-lockup detector and the hung-task rule: F52 and F53 of the list in src/path/README.md;
// and the table of profiles as a whole.
import { describe, expect, it } from "vitest";
import { builtInGuard, GUARD_NAMES } from "../../src/path/guards.js";
import { findProfile, PROFILES } from "../../src/path/profiles.js";
import {
  isHungTask,
  newCpuWatch,
  samplePeriodMs,
  softLockupMessage,
  softlockupThresh,
  touch,
  WATCHDOG_UNIT_NS,
  watchdogTick,
  watchdogTimestamp,
} from "../../src/path/watchdog.js";

/** Reports of a CPU that shows life for the last time at 0, ticks from `phaseMs` on. */
function reports(thresh: number, phaseMs: number, seconds: number): number[] {
  const watch = newCpuWatch(0);
  const seen: number[] = [];
  const period = samplePeriodMs(thresh);
  for (let ms = phaseMs; ms <= seconds * 1000; ms += period) {
    const lockup = watchdogTick(watch, ms * 1e6, thresh);
    if (lockup !== null) seen.push(lockup.seconds);
  }
  return seen;
}

describe("F52 soft lockup", () => {
  it("F52 the tick is 2/5 of watchdog_thresh, the limit twice it, the unit 2^30 ns", () => {
    expect([samplePeriodMs(10), samplePeriodMs(5), samplePeriodMs(0)]).toEqual([4000, 2000, 0]);
    expect([softlockupThresh(10), softlockupThresh(5)]).toEqual([20, 10]);
    expect(WATCHDOG_UNIT_NS).toBe(1_073_741_824);
    expect([watchdogTimestamp(WATCHDOG_UNIT_NS - 1), watchdogTimestamp(22e9)]).toEqual([0, 20]);
  });

  it("F52 first report at the first tick past 20 units, then again about every 20 more", () => {
    expect(reports(10, 4000, 100)).toEqual([22, 44, 67, 89]);
    const firsts = [500, 1000, 2000, 3000, 3900].map((phase) => reports(10, phase, 40)[0]);
    for (const first of firsts) expect([21, 22, 23, 24]).toContain(first);
    expect(reports(5, 2000, 13)).toEqual([11]);
  });

  it("F52 not at the limit itself, only past it", () => {
    const watch = newCpuWatch(0);
    expect(watchdogTick(watch, 20 * WATCHDOG_UNIT_NS, 10)).toBeNull();
    expect(watchdogTick(watch, 21 * WATCHDOG_UNIT_NS, 10)).toEqual({ seconds: 21 });
    expect(watchdogTick(watch, 41 * WATCHDOG_UNIT_NS, 10)).toBeNull();
    expect(watchdogTick(watch, 42 * WATCHDOG_UNIT_NS, 10)).toEqual({ seconds: 42 });
  });

  it("F52 a sign of life starts both periods again; watchdog_thresh 0 is off", () => {
    const watch = newCpuWatch(0);
    touch(watch, 15 * WATCHDOG_UNIT_NS);
    expect(watchdogTick(watch, 35 * WATCHDOG_UNIT_NS, 10)).toBeNull();
    expect(watchdogTick(watch, 36 * WATCHDOG_UNIT_NS, 10)).toEqual({ seconds: 21 });
    expect(watchdogTick(newCpuWatch(0), 1e15, 0)).toBeNull();
  });

  it("F52 the line is the kernel's", () => {
    expect(softLockupMessage(3, 22, "rxq3", 4711)).toBe(
      "watchdog: BUG: soft lockup - CPU#3 stuck for 22s! [rxq3:4711]",
    );
  });
});

it("F53 only a task in state D counts as hung, after the timeout, and never with timeout 0", () => {
  expect([isHungTask("R", 1e6), isHungTask("S", 1e6), isHungTask("D", 119)]).toEqual([
    false,
    false,
    false,
  ]);
  expect([isHungTask("D", 120), isHungTask("D", 5, 5), isHungTask("D", 1e6, 0)]).toEqual([
    true,
    true,
    false,
  ]);
});

describe("profiles", () => {
  it("names are unique, and each ships a guard that exists", () => {
    expect(new Set(PROFILES.map(({ id }) => id)).size).toBe(PROFILES.length);
    expect(PROFILES.every(({ id }) => findProfile(id)!.id === id)).toBe(true);
    expect(findProfile("2.6")).toBeNull();
    for (const { shippedGuard } of PROFILES) expect(GUARD_NAMES).toContain(shippedGuard);
    expect(builtInGuard("registered").id).toBe(GUARD_NAMES.indexOf("registered"));
  });

  it("the guards over time", () => {
    const shipped = Object.fromEntries(PROFILES.map(({ id, shippedGuard }) => [id, shippedGuard]));
    expect(shipped).toEqual({
      "5.4": "none",
      "5.4-stable": "running-carrier",
      "5.10": "none",
      "5.10-stable": "running-carrier",
      "5.15": "none",
      "6.1": "none",
      "6.1-stable": "running-carrier",
      "6.9": "carrier",
      "6.12": "running-carrier",
      current: "running-carrier",
    });
  });

  it("the name of the unregister function over time", () => {
    const names = PROFILES.map(({ id, unregisterFunction }) => [id, unregisterFunction]);
    expect(Object.fromEntries(names)).toMatchObject({
      "5.4": "rollback_registered_many",
      "5.15": "unregister_netdevice_many",
      "6.1": "unregister_netdevice_many",
      "6.1-stable": "unregister_netdevice_many_notify",
      current: "unregister_netdevice_many_notify",
    });
  });

  it("a normal grace period takes milliseconds, an expedited one parts of one", () => {
    for (const { gracePeriodUs: us } of PROFILES) {
      expect([us.expeditedMin >= 10, us.expeditedMax < 1000]).toEqual([true, true]);
      expect([us.normalMin >= 1000, us.normalMax < 50_000]).toEqual([true, true]);
    }
  });
});
