// Every scenario that ships, with each guard that its `expect` names, on real devices and on the
// memory backend: exit code, verdict, balanced books, nothing left behind, and a report with every
// field that scripts rely on. Shrunk where the size is not the point.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RunReport } from "../../src/report/types.js";
import { NEEDS_ROOT, needsRoot } from "../host/linux-support.js";
import { hostState, type Ran, runJson, temporaryFolder } from "./program.js";

type Backend = "linux" | "memory";
type Case = readonly [string, Backend, string, string];

// The watchdog speaks after twice its threshold. A strike may miss the window: there are many.
const SOON = ["watchdog.threshSeconds=1", "settleMs=100"];
const MANY = ["faults[0].repeat.times=60", "faults[0].repeat.everyMs=150"];
// A bystander that is late on a busy machine is not disturbed.
const PATIENT = "load.bystander.timeoutMs=60000";
const FEW = ["faults[0].repeat.times=3", "faults[0].repeat.everyMs=150", "durationMs=500", PATIENT];
// A busy machine may carry no 5000 frames in so short a time.
const FEW_SOON = [...FEW, "faults[0].at.framesSeen=200"];
// Requests that a fault cuts off are waited for to their timeout, fifty at a time.
const BRIEF = [...FEW, "load.http.requests=50", "load.http.timeoutMs=1500"];

const lockup: readonly [string, readonly string[], readonly string[]][] = [
  ["dummy-sink", ["none", "carrier", "qcount"], [...SOON, ...MANY]],
  ["ovs-link-delete", ["none", "qcount"], [...SOON, ...MANY]],
  ["outsider-delete", ["none", "qcount"], [...SOON, ...MANY]],
  ["re-plug", ["none", "qcount"], [...SOON, ...MANY]],
  ["seed-patch", ["none", "qcount"], [...SOON, ...MANY]],
  ["seed-patch-covered", ["none"], [...SOON, ...MANY]],
];
const safe: readonly [string, readonly string[], readonly string[]][] = [
  ["two-hosts", ["running-carrier"], ["load.http.timeoutMs=60000"]],
  ["dummy-sink", ["running-carrier"], FEW_SOON],
  ["ovs-link-delete", ["running-carrier", "carrier"], BRIEF],
  ["outsider-delete", ["running-carrier"], BRIEF],
  ["re-plug", ["running-carrier"], BRIEF],
  ["seed-patch", ["running-carrier"], BRIEF],
  ["seed-patch-covered", ["qcount"], FEW_SOON],
  ["del-port", ["none"], BRIEF],
  ["flap", ["running-carrier"], ["faults[0].count=4", PATIENT]],
  ["queue-shrink", ["none"], ["durationMs=1000"]],
];
const SETS = new Map([...lockup, ...safe].map(([name, , set]) => [name, set]));

function casesOf(table: typeof safe, verdict: string, backends: readonly Backend[]): Case[] {
  return table.flatMap(([name, guards]) =>
    guards.flatMap((guard) => backends.map((backend) => [name, backend, guard, verdict] as const)),
  );
}

let folder: { path: string; remove: () => void };
let before: ReturnType<typeof hostState>;
beforeAll(() => {
  folder = temporaryFolder();
  before = hostState();
});
afterAll(() => folder.remove());

/** What holds of every run of every scenario. */
function expectSound({ code, stderr, report }: Ran & { report: RunReport }): void {
  expect(report.why).not.toBe("");
  expect(report.frames.balanced).toBe(true);
  const dropped = Object.values(report.frames.drops).reduce((sum, count) => sum + count, 0);
  expect(report.frames.in).toBe(report.frames.out + dropped + report.frames.injected);
  expect(report.leaks).toEqual({ namespaces: 0, devices: 0, fds: 0, workers: 0 });
  expect(code).toBe(report.verdict === report.expected ? 0 : 1);
  // One line to begin with, and progress now and then: never a line per frame or per errno.
  expect(stderr.split("\n").length).toBeLessThan(100);
  expect(stderr).not.toMatch(/\n\s+at /);
  expect(hostState()).toEqual(before);
}

/** The report's fields, from the outside: a script that reads one of them must find it. */
const FIELDS =
  "schemaVersion scenario backend guard profile seed verdict expected requests bystander faults " +
  "frames queueSelection lockups rcu leaks seconds";
const INNER: Record<string, string> = {
  requests: "sent ok failed maxInFlight maxHeld seconds latencyMs",
  bystander: "same",
  frames: "in out drops injected",
  queueSelection: "picks hinted outOfRange hangs",
  rcu: "gracePeriods longestMs",
  leaks: "namespaces devices fds workers",
};

function expectComplete(report: RunReport): void {
  const fields: Record<string, unknown> = { ...report };
  for (const name of FIELDS.split(" ")) expect(fields).toHaveProperty([name]);
  for (const [name, inner] of Object.entries(INNER)) {
    for (const field of inner.split(" ")) expect(fields[name]).toHaveProperty([field]);
  }
  for (const name of ["p50", "p99", "max"]) expect(report.requests.latencyMs).toHaveProperty(name);
  for (const fault of report.faults) {
    for (const name of ["kind", "target", "at", "framesTouched"]) {
      expect(fault).toHaveProperty(name);
    }
  }
}

function expectLockedUp(report: RunReport): void {
  const [first] = report.lockups;
  expect(first).toBeDefined();
  expect(first!.state.realNumTxQueues).toBe(0);
  expect(first!.state.regState).toMatch(/^(unregistering|unregistered|released)$/);
  expect(first!.state.recordedRxQueue).not.toBeNull();
  expect(first!.where).toBe("skb_tx_hash");
  const line = /^watchdog: BUG: soft lockup - CPU#\d+ stuck for \d+s! \[rxq\d+:\d+\]$/;
  expect(first!.message).toMatch(line);
  expect(report.queueSelection.hangs).toBe(report.lockups.length);
}

function setsOf(name: string, verdict: string): readonly string[] {
  const table = verdict === "LOCKUP" ? lockup : safe;
  return table.find(([scenario]) => scenario === name)?.[2] ?? SETS.get(name) ?? [];
}

async function check([name, backend, guard, verdict]: Case): Promise<void> {
  const out = `${folder.path}/${name}-${backend}-${guard}`;
  const set = setsOf(name, verdict);
  const ran = await runJson({ scenario: name, backend, guard, set, out });
  const { report } = ran;
  expect(`${report.verdict}: ${report.why}`).toMatch(new RegExp(`^${verdict}: `));
  expect(report.expected).toBe(verdict);
  expectSound(ran);
  expectComplete(report);
  if (verdict === "LOCKUP") expectLockedUp(report);
  else {
    expect(report.bystander.same).toBe(true);
    expect(report.lockups).toEqual([]);
    for (const fault of report.faults) expect(fault.firedAtMs).not.toBeNull();
  }
  if (name === "two-hosts") {
    expect(report.requests).toMatchObject({ sent: 200, ok: 200, failed: {} });
  }
}

describe.skipIf(NEEDS_ROOT)(`on real devices${needsRoot}`, () => {
  it.each(casesOf(lockup, "LOCKUP", ["linux"]))("%s, %s, guard %s: %s", async (...one) => {
    await check(one);
  });

  it.each(casesOf(safe, "SAFE", ["linux"]))("%s, %s, guard %s: %s", async (...one) => {
    await check(one);
  });

  it("ovs-netns-delete in full: 3000 in flight, 32 queues, LOCKUP without a guard", async () => {
    const out = `${folder.path}/netns-none`;
    const ran = await runJson({ scenario: "ovs-netns-delete", backend: "linux", out });
    expectSound(ran);
    expectComplete(ran.report);
    expect(`${ran.report.verdict}: ${ran.report.why}`).toMatch(/^LOCKUP: /);
    expect(ran.report.requests.maxInFlight).toBeGreaterThanOrEqual(3000);
    expectLockedUp(ran.report);
  });

  it.each(["carrier", "running-carrier"])(
    "ovs-netns-delete with 300 in flight, guard %s: SAFE, and the bystander noticed nothing",
    async (guard) => {
      const set = ["requests", "holdUntilInFlight"].map((key) => `load.http.${key}=300`);
      set.push("faults[0].at.inFlight=300", "defaults.queues=8", "workers=4", PATIENT);
      const out = `${folder.path}/netns-${guard}`;
      const ran = await runJson({
        scenario: "ovs-netns-delete",
        backend: "linux",
        guard,
        set,
        out,
      });
      expectSound(ran);
      expect(`${ran.report.verdict}: ${ran.report.why}`).toMatch(/^SAFE: /);
      expect(ran.report.requests.maxInFlight).toBe(300);
      expect(ran.report.bystander.same).toBe(true);
    },
  );
});

describe("on the memory backend", () => {
  const firstGuards: typeof lockup = lockup
    .slice(0, 2)
    .map(([name, guards, set]) => [name, guards.slice(0, 1), set]);
  it.each(casesOf(firstGuards, "LOCKUP", ["memory"]))("%s, %s, guard %s: %s", async (...one) => {
    await check(one);
  });

  it.each(casesOf(safe, "SAFE", ["memory"]))("%s, %s, guard %s: %s", async (...one) => {
    await check(one);
  });
});
