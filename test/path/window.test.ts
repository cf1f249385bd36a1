// The window of the lockup: a packet is put at each point of an unregistration, for every guard,
// kind of device, hint and queue count, and must end as the model of the path says. The packet runs
// on CPU 1 in the middle of the unregistering task's own accesses, so the points are exact. A loop
// that goes round 70,000 times (more than any that ends) counts as endless.
import { describe, expect, it, vi } from "vitest";
import { deleteLinks } from "../../src/path/core/net-namespace.js";
import { DEV, IFF_UP, type KindName, KINDS, TXQ, txq } from "../../src/path/core/netdevice.js";
import { rtnlLock, rtnlUnlock } from "../../src/path/core/rtnl.js";
import { dellink, unregisterNetdeviceMany } from "../../src/path/core/unregister.js";
import { GUARD_NAMES, type GuardName, isGuardName } from "../../src/path/guards.js";
import { type Addr, CPU, cpuBlock, HEADER, ld, SyncAborted } from "../../src/sync/index.js";
import { type Access, accessesOf } from "./accesses.js";
import {
  bindTest,
  type Lab,
  type LabOptions,
  makeLab,
  output,
  plug,
  runNotifyWork,
} from "./lab.js";
import { runRcuCallbacks, told } from "./lab.js";

// Before the modules of the path are loaded.
const loop = await vi.hoisted(async () => {
  const { register } = await import("node:module");
  const at = (file: string) => new URL(file, import.meta.url).href;
  register(at("../../dist/explore/threads/system/hooks.js"), {
    data: { [at("../../dist/sync/primitives.js")]: at("./counted-primitives.mjs") },
  });
  const counted = { rounds: 0, most: 70_000 };
  Reflect.set(globalThis, "loop", counted);
  return counted;
});

/** A packet of another CPU: its verdict, or HANG. */
function outputOnCpu1(lab: Lab, queueMapping: number): string {
  bindTest(lab, 1);
  loop.rounds = 0;
  try {
    return output(lab, 1, { queueMapping });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    // The test goes on; in a run, this CPU would stay in its read section for ever.
    const block = cpuBlock(1);
    lab.m[block + CPU.rcuNesting] = 0;
    lab.m[block + CPU.rcuSequence] = 0;
    return "HANG";
  } finally {
    loop.rounds = 0;
    bindTest(lab, 0);
  }
}

const POINTS = ["open", "START off", "after GP2", "after Z", "after X"] as const;
type Point = (typeof POINTS)[number];

/** Says at which access of the unregistering task a point is reached. */
function pointsOf(dev: Addr): (access: Access) => Point | null {
  let qdiscStores = 0;
  let stopped = 0;
  let kobjects = false;
  let zeroed = false;
  return ({ op, at }) => {
    if (op === "and" && at === dev + DEV.state && stopped === 0) stopped = 1;
    else if (stopped === 1) {
      stopped = 2;
      return "START off";
    }
    if (op === "store" && at === txq(dev, 0) + TXQ.qdisc) {
      // First in dev_deactivate_many, then in dev_shutdown.
      return ++qdiscStores === 2 ? "after GP2" : null;
    }
    if (op === "store" && at === dev + DEV.queueKobjects) kobjects = true;
    if (op !== "add" || at !== HEADER.gracePeriodWaiters || !kobjects || zeroed) return null;
    zeroed = true;
    return "after Z";
  };
}

/** What a packet comes to at each point. */
function walk(options: LabOptions, kind: KindName, real: number, hint: number) {
  const lab = makeLab(options);
  const { dev } = plug(lab, kind, { queues: 4, real });
  const seen: Partial<Record<Point, string>> = { open: outputOnCpu1(lab, hint) };
  const pointOf = pointsOf(dev);
  let inside = false;
  accessesOf(
    () => {
      const batch: Addr[] = [];
      rtnlLock(lab.k);
      dellink(lab.k, dev, batch);
      unregisterNetdeviceMany(lab.k, batch);
    },
    (access) => {
      if (inside) return;
      const point = pointOf(access);
      if (point === null) return;
      inside = true;
      seen[point] = outputOnCpu1(lab, hint);
      inside = false;
    },
  );
  runNotifyWork(lab);
  seen["after X"] = outputOnCpu1(lab, hint);
  runRcuCallbacks(lab);
  if (kind !== "internal") rtnlUnlock(lab.k);
  return seen;
}

const LOSES_CARRIER_IN_STOP: readonly KindName[] = ["veth"];
const LOSES_CARRIER_IN_UNINIT: readonly KindName[] = ["bond"];

/** The model: which guard refuses at a point. */
function refuses(guard: GuardName, kind: KindName, point: Point): boolean {
  if (point === "open") return false;
  const carrierIsOff =
    (LOSES_CARRIER_IN_STOP.includes(kind) && point !== "START off") ||
    (LOSES_CARRIER_IN_UNINIT.includes(kind) && (point === "after Z" || point === "after X"));
  if (guard === "running") return true;
  if (guard === "running-carrier") return true;
  if (guard === "carrier") return carrierIsOff;
  return guard === "registered" && point !== "START off";
}

/** The model: what becomes of a packet, from the table of reachable outcomes. */
function expected(guard: GuardName, kind: KindName, hint: number, point: Point): string {
  // dp_notify passes an internal port over: it stays published, and down.
  if (point === "after X" && kind !== "internal") return "no-vport";
  if (refuses(guard, kind, point)) return "guard";
  if (point === "open") return "ok";
  if (point === "START off") {
    if (kind === "veth") return "no-peer";
    return kind === "internal" ? "peer-not-ready" : "ok";
  }
  if (kind === "internal") return "device-down";
  if (point === "after GP2" || kind === "tun") return "noop-qdisc";
  if (kind === "bond") return "HANG";
  if (hint === 0 || (guard === "qcount" && hint === 1)) return "noop-qdisc";
  return "HANG";
}

const CASES = GUARD_NAMES.flatMap((guard) => KINDS.map((kind) => ({ guard, kind })));
const COUNTS = [
  { real: 1, hint: 0 },
  { real: 1, hint: 1 },
  { real: 1, hint: 3 },
  { real: 4, hint: 0 },
  { real: 4, hint: 1 },
  { real: 4, hint: 3 },
];

describe("a packet at each point of the window", () => {
  it.each(CASES)("guard $guard, $kind", ({ guard, kind }) => {
    for (const { real, hint } of COUNTS) {
      const seen = walk({ guard }, kind, real, hint);
      const model = POINTS.map((point) => [point, expected(guard, kind, hint, point)]);
      expect({ real, hint, ...seen }).toEqual({ real, hint, ...Object.fromEntries(model) });
    }
  });

  it.each(KINDS)("no kernel without the zeroing hangs: 5.10, %s", (kind) => {
    for (const { real, hint } of COUNTS) {
      // RTNL stays held here while the work item runs, so it must not want it.
      const options = { profile: "5.10", but: { vportDestroyTakesRtnl: false } };
      expect(Object.values(walk(options, kind, real, hint))).not.toContain("HANG");
    }
  });

  it("the guards' names are the whole list, and no other", () => {
    expect(GUARD_NAMES.map(isGuardName)).toEqual(GUARD_NAMES.map(() => true));
    expect(isGuardName("none ")).toBe(false);
  });
});

describe("a reader that does not leave", () => {
  /** Puts CPU 2 into a read section at an access, for ever; answers where the task stops. */
  function blockedAt(kind: KindName, enters: (dev: Addr) => (access: Access) => boolean) {
    const lab = makeLab();
    const { dev } = plug(lab, kind);
    const reader = cpuBlock(2) + CPU.rcuSequence;
    const isTime = enters(dev);
    let looks = 0;
    const run = () =>
      accessesOf(
        () => deleteLinks(lab.k, [dev]),
        (access) => {
          if (isTime(access)) lab.m[reader] = 1;
          const waits = access.op === "load" && access.at === reader && lab.m[reader] === 1;
          if (waits && ++looks === 40) lab.m[HEADER.abort] = 1;
        },
      );
    expect(run).toThrow(SyncAborted);
    const events = told(lab).map(({ name }) => name);
    return { before: events.at(-2), last: events.at(-1), up: ld(lab.m, dev + DEV.flags) & IFF_UP };
  }
  const store = (word: number) => (dev: Addr) => (access: Access) =>
    access.op === "store" && access.at === dev + word;

  it("GP1 waits for it before IFF_UP goes: nobody who read noqueue meets a downed device", () => {
    const entered = (dev: Addr) => (access: Access) =>
      access.op === "store" && access.at === txq(dev, 0) + TXQ.qdisc;
    expect(blockedAt("dummy", entered)).toEqual({ before: "deactivate", last: "expedited", up: 1 });
  });

  it("GP2 waits for who passed the carrier guard before ndo_stop took the carrier", () => {
    const entered = (dev: Addr) => (access: Access) =>
      access.op === "or" && access.at === dev + DEV.state;
    expect(blockedAt("veth", entered)).toMatchObject({ before: "grace2", last: "expedited" });
  });

  it("GP2 waits for who found the device registered", () => {
    expect(blockedAt("dummy", store(DEV.regState))).toMatchObject({ before: "grace2" });
  });

  it("GP3 waits for who found the receive handler, before its data goes", () => {
    const seen = blockedAt("dummy", store(DEV.rxHandler));
    expect(seen).toMatchObject({ before: "handlerUnregister", last: "expedited" });
  });

  it("GP4 waits for who came after the zeroing, and unpublishes nothing", () => {
    expect(blockedAt("dummy", store(DEV.realNumTxQueues))).toMatchObject({ before: "grace4" });
  });

  it("tun's and bond's own grace periods come before the zeroing", () => {
    const files = (dev: Addr) => (access: Access) =>
      access.op === "store" && access.at === txq(dev, 0) + TXQ.tfile;
    expect(blockedAt("tun", files)).toMatchObject({ before: "ndoUninit", last: "expedited" });
    expect(blockedAt("bond", store(DEV.lower)).last).toBe("expedited");
    expect(blockedAt("bond", store(DEV.lower)).before).toBe("carrierOff");
  });
});
