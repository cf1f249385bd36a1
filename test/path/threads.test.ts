// What the order of unregistration means between threads: F41 to F44, F47, F48, F51 of the list in
// src/path/README.md. The control thread, the work item and the RCU callbacks run on real worker
// threads over one shared memory, as in a run; where a moment must be exact, on this thread.
import { afterEach, describe, expect, it, vi } from "vitest";
import { eventually } from "../../src/base/eventually.js";
import { deleteLinks } from "../../src/path/core/net-namespace.js";
import { DEV, NETREG, QDISC, TXQ, txq } from "../../src/path/core/netdevice.js";
import { devPut, registerNetdevice } from "../../src/path/core/netdevice.js";
import {
  netifSetRealNumQueues,
  netifSetRealNumRxQueues,
  netifSetRealNumTxQueues,
  tunAttach,
  tunDetach,
  vethSetChannels,
} from "../../src/path/core/queue-counts.js";
import { callNetdeviceNotifiers, rtnlLock, rtnlUnlock } from "../../src/path/core/rtnl.js";
import { dellink, unregisterNetdeviceMany } from "../../src/path/core/unregister.js";
import { globalWord, KERNEL, type Kernel, portSlot } from "../../src/path/kernel.js";
import { ovsVportAdd, ovsVportDel, VPORT } from "../../src/path/openvswitch/vport.js";
import { NETDEV } from "../../src/path/trace-events.js";
import { type Addr, CPU, cpuBlock, HEADER, ld, NULL, st } from "../../src/sync/index.js";
import { releaseCpu, SyncAborted } from "../../src/sync/index.js";
import { accessesOf, firstOf } from "./accesses.js";
import { type KernelThread, type Role, stopAll, thread } from "./hang.js";
import { type Lab, type LabOptions, makeLab, mark, output, plug, runNotifyWork } from "./lab.js";
import { runLinkwatch, runRcuCallbacks, type Told, told } from "./lab.js";

const CONTROL_CPU = 3;
/** Long enough for any thread of a loaded machine to be seen inside one grace period. */
const SLOW_GRACE = {
  gracePeriodUs: {
    expeditedMin: 100_000,
    expeditedMax: 100_000,
    normalMin: 1000,
    normalMax: 1000,
  },
};

let threads: KernelThread[] = [];
let current: Lab | null = null;

afterEach(async () => {
  if (current !== null) await stopAll(current, threads);
  threads = [];
  current = null;
  vi.restoreAllMocks();
});

/** A lab with the kernel's own threads; work items run on the CPU of the control thread. */
async function threaded(options: LabOptions, roles: readonly Role[]) {
  const lab = makeLab(options);
  releaseCpu(lab.m);
  current = lab;
  const made: Partial<Record<Role, KernelThread>> = {};
  for (const [i, role] of roles.entries()) {
    const cpu = role === "packet" || role === "reader" ? 1 : CONTROL_CPU;
    made[role] = await thread(lab, role, cpu, 20 + i);
    threads.push(made[role]);
  }
  return { lab, made };
}

/** The events of all threads in the order of time. */
function allTold(lab: Lab): Told[] {
  return threads.flatMap((one) => told(lab, 0, one.ring)).sort((a, b) => a.atNs - b.atNs);
}

function indexOf(events: readonly Told[], name: Told["name"], device?: Addr): number {
  return events.findIndex((one) => one.name === name && (device ?? one.device) === one.device);
}

describe("dp_notify on real threads", () => {
  it("F42 the item starts when the unregistering task sleeps: after Z, inside GP4", async () => {
    const { lab, made } = await threaded({ but: SLOW_GRACE }, ["kworker", "rcu", "control"]);
    const { dev } = plug(lab, "dummy");
    await made.control!.call("deleteLinks", { devs: [dev] });
    const events = allTold(lab);
    const zero = indexOf(events, "zeroTx");
    const starts = indexOf(events, "notifyWorkStarts");
    const ends = events.findLastIndex(({ name }) => name === "gracePeriodEnds");
    expect(indexOf(events, "queueNotifyWork")).toBeLessThan(zero);
    expect([zero < starts, starts < ends]).toEqual([true, true]);
    // The window in which a hinted packet is lost: from the zeroing to the unpublishing.
    expect(indexOf(events, "detachPort")).toBeGreaterThan(zero);
    expect(ld(lab.m, globalWord(lab.k, KERNEL.dpNotifyWork) + 1)).toBe(CONTROL_CPU);
  });

  it("F42 a driver that sleeps in ndo_uninit lets the item in before the zeroing", async () => {
    const { lab, made } = await threaded({ but: SLOW_GRACE }, ["kworker", "rcu", "control"]);
    const { dev } = plug(lab, "tun");
    await made.control!.call("deleteLinks", { devs: [dev] });
    const events = allTold(lab);
    expect(indexOf(events, "detachPort")).toBeLessThan(indexOf(events, "zeroTx"));
  });

  it("F43 the device is freed after the vport's RCU callback, never before", async () => {
    const { lab, made } = await threaded({}, ["kworker", "linkwatch", "rcu", "control"]);
    const devs = [1, 2, 3].map((port) => plug(lab, "veth", { port }).dev);
    await made.control!.call("deleteLinks", { devs });
    const events = allTold(lab);
    for (const dev of devs) {
      const order = (["detachPort", "vportFree", "freeNetdev"] as const).map((name) =>
        indexOf(events, name, dev),
      );
      expect(order).toEqual([...order].sort((a, b) => a - b));
      expect(order[0]).toBeGreaterThan(0);
      expect(ld(lab.m, dev + DEV.regState)).toBe(NETREG.released);
    }
  });

  it.each([
    { profile: "5.15", later: true },
    { profile: "6.12", later: false },
  ])(
    "F41 $profile: the item waits for RTNL with ovs_mutex held, second port published: $later",
    async ({ profile, later }) => {
      const options = { profile, but: SLOW_GRACE };
      const { lab, made } = await threaded(options, ["kworker", "rcu", "control"]);
      const devs = [1, 2].map((port) => plug(lab, "dummy", { port }).dev);
      await made.control!.call("deleteLinks", { devs });
      const events = allTold(lab);
      const unlock = indexOf(events, "rtnlUnlock");
      expect(indexOf(events, "detachPort", devs[0])).toBeLessThan(unlock);
      expect(indexOf(events, "detachPort", devs[1]) > unlock).toBe(later);
    },
  );

  it("F41 nothing is unpublished while somebody else holds ovs_mutex", async () => {
    const roles: Role[] = ["kworker", "rcu", "control"];
    const { lab, made } = await threaded({}, roles);
    const { dev } = plug(lab, "dummy");
    const vswitchd = await thread(lab, "control", 2, 60);
    threads.push(vswitchd);
    await vswitchd.call("ovsLock");
    made.control!.send("deleteLinks", { devs: [dev] });
    const started = () => allTold(lab).some(({ name }) => name === "notifyWorkStarts");
    await eventually("the work item", started, { timeoutMs: 60_000 });
    const zeroed = () => ld(lab.m, dev + DEV.realNumTxQueues) === 0;
    await eventually("the zeroing", zeroed, { timeoutMs: 60_000 });
    expect(ld(lab.m, portSlot(lab.k, 1))).not.toBe(NULL);
    await vswitchd.call("ovsUnlock");
    await made.control!.finish("deleteLinks");
    expect(ld(lab.m, portSlot(lab.k, 1))).toBe(NULL);
  });

  it("F51 a lost reader blocks the next grace period, with RTNL held", async () => {
    const { lab, made } = await threaded({}, ["packet", "control"]);
    const broken = plug(lab, "dummy").dev;
    const other = plug(lab, "dummy", { port: null }).dev;
    st(lab.m, broken + DEV.realNumTxQueues, 0);
    expect(await made.packet!.output(1, { queueMapping: 3 })).toMatchObject({ hash: 2 });
    made.control!.send("deleteLinks", { devs: [other] });
    const waits = () => ld(lab.m, HEADER.gracePeriodWaiters) === 1;
    await eventually("a waiter", waits, { timeoutMs: 60_000 });
    const ticks = made.packet!.ticks();
    await eventually("the loop to go on", () => made.packet!.ticks() > ticks + 1e6, {
      timeoutMs: 60_000,
    });
    expect(made.control!.ended()).toBeNull();
    expect(ld(lab.m, globalWord(lab.k, KERNEL.rtnl))).not.toBe(0);
    expect(ld(lab.m, HEADER.gracePeriods)).toBe(0);
    // The run is torn down: the waiter gets out, the spinner does not.
    st(lab.m, HEADER.abort, 1);
    expect(await made.control!.finish("deleteLinks")).toMatchObject({ aborted: true });
  });
});

/** deleteLinks up to U13, on this thread, RTNL held. */
function unregister(lab: Lab, devs: readonly Addr[]): void {
  const batch: Addr[] = [];
  rtnlLock(lab.k);
  for (const dev of devs) dellink(lab.k, dev, batch);
  unregisterNetdeviceMany(lab.k, batch);
}

describe("grace periods and references", () => {
  it("F51 a reader lost after the zeroing blocks GP4, and each later taker of RTNL with it", () => {
    const lab = makeLab();
    const { dev } = plug(lab, "dummy");
    const reader = cpuBlock(2) + CPU.rcuSequence;
    let looks = 0;
    const run = () =>
      accessesOf(
        () => deleteLinks(lab.k, [dev]),
        ({ op, at }) => {
          if (op === "store" && at === dev + DEV.realNumTxQueues) lab.m[reader] = 1;
          if (op === "load" && at === reader && ++looks === 40) lab.m[HEADER.abort] = 1;
        },
      );
    expect(run).toThrow(SyncAborted);
    const names = told(lab).map(({ name }) => name);
    expect(names.slice(-2)).toEqual(["grace4", "expedited"]);
    expect(ld(lab.m, globalWord(lab.k, KERNEL.rtnl))).toBe(1);
    lab.m[HEADER.abort] = 0;
  });

  it("F43 F44 UNREGISTER again each second, a line each ten, and the switch does nothing", () => {
    const lab = makeLab();
    const { dev } = plug(lab, "dummy");
    unregister(lab, [dev]);
    runNotifyWork(lab);
    // The callback is late: the vport's reference stays for 25 seconds of this clock.
    let ns = 0;
    vi.spyOn(process, "hrtime").mockImplementation(
      Object.assign(
        (): [number, number] => {
          ns += 1e8;
          if (ns > 25e9 && ld(lab.m, dev + DEV.refcnt) === 2) devPut(lab.k, dev);
          return [Math.floor(ns / 1e9), ns % 1e9];
        },
        { bigint: () => BigInt(ns) },
      ),
    );
    const from = mark(lab);
    st(lab.m, HEADER.callbacksDone, ld(lab.m, HEADER.callbacksQueued));
    rtnlUnlock(lab.k);
    const events = told(lab, from);
    const lines = events.filter(({ name }) => name === "waitRefs");
    expect(lines.map(({ a, b }) => [a, b])).toEqual([
      [2, 10],
      [2, 20],
    ]);
    const again = events.filter(({ name, a }) => name === "notifier" && a === 6);
    expect(again.length).toBeGreaterThanOrEqual(20);
    expect(events.filter(({ name }) => /detach|queueNotify/.test(name))).toEqual([]);
    expect(events.at(-1)!.name).toBe("freeNetdev");
  });

  it("F44 a second UNREGISTER finds the flag clear: nothing is detached, nothing is queued", () => {
    const lab = makeLab();
    const { dev } = plug(lab, "dummy");
    unregister(lab, [dev]);
    runNotifyWork(lab);
    const from = mark(lab);
    const accesses = accessesOf(() => callNetdeviceNotifiers(lab.k, NETDEV.unregister, dev));
    expect(told(lab, from).map(({ name }) => name)).toEqual(["notifier"]);
    expect(ld(lab.m, globalWord(lab.k, KERNEL.dpNotifyWork))).toBe(0);
    expect(firstOf(accesses, "add", HEADER.gracePeriods)).toBe(-1);
  });

  it("F43 an explicit del-port unpublishes first and leaves the device registered", () => {
    const lab = makeLab();
    const { dev } = plug(lab, "dummy");
    const accesses = accessesOf(() => expect(ovsVportDel(lab.k, 1)).toBe(true));
    const unpublish = firstOf(accesses, "store", portSlot(lab.k, 1));
    expect(unpublish).toBeLessThan(firstOf(accesses, "store", dev + DEV.rxHandler));
    expect(unpublish).toBeLessThan(firstOf(accesses, "add", HEADER.gracePeriods));
    expect(ld(lab.m, dev + DEV.refcnt)).toBe(3);
    expect(runRcuCallbacks(lab)).toBe(1);
    expect(ld(lab.m, dev + DEV.refcnt)).toBe(2);
    expect([ovsVportDel(lab.k, 1), output(lab, 1)]).toEqual([false, "no-vport"]);
    expect(ovsVportAdd(lab.k, 1, dev)).toBe(true);
    expect(ovsVportAdd(lab.k, 1, dev)).toBe(false);
    expect(output(lab, 1)).toBe("ok");
  });

  it.each([
    ["6.12", true],
    ["current", false],
  ])("add-port of a device that is being unregistered: %s takes it: %s", (profile, taken) => {
    const lab = makeLab({ profile });
    const { dev } = plug(lab, "dummy", { port: null });
    st(lab.m, dev + DEV.regState, NETREG.unregistering);
    expect(ovsVportAdd(lab.k, 1, dev)).toBe(taken);
    expect(ld(lab.m, portSlot(lab.k, 1)) !== NULL).toBe(taken);
    if (taken) expect(ld(lab.m, ld(lab.m, portSlot(lab.k, 1)) + VPORT.dev)).toBe(dev);
  });
});

describe("queue counts", () => {
  const EINVAL = -22;
  const change = <T>(k: Kernel, run: () => T): T => {
    rtnlLock(k);
    const result = run();
    rtnlUnlock(k);
    return result;
  };

  it("F47 0 and more than were allocated are refused, and nothing changes", () => {
    const lab = makeLab();
    const { k, m } = lab;
    const { dev } = plug(lab, "dummy", { queues: 4 });
    for (const count of [0, -1, 5]) {
      expect(netifSetRealNumTxQueues(k, dev, count)).toBe(EINVAL);
      expect(netifSetRealNumRxQueues(k, dev, count)).toBe(EINVAL);
    }
    expect([ld(m, dev + DEV.realNumTxQueues), ld(m, dev + DEV.realNumRxQueues)]).toEqual([4, 4]);
  });

  it("F47 the last detach of a tun leaves one real queue and no file: DEV_READY, no hang", () => {
    const lab = makeLab();
    const { k, m } = lab;
    const { dev } = plug(lab, "tun", { queues: 3 });
    const files = () => [0, 1, 2].map((i) => ld(m, txq(dev, i) + TXQ.tfile));
    expect(change(k, () => tunDetach(k, dev, 0))).toBe(0);
    expect(files()).toEqual([3, 2, NULL]);
    expect([ld(m, dev + DEV.numQueues), ld(m, dev + DEV.realNumTxQueues)]).toEqual([2, 2]);
    expect(change(k, () => tunDetach(k, dev, 2))).toBe(EINVAL);
    change(k, () => [tunDetach(k, dev, 1), tunDetach(k, dev, 0)]);
    expect(files()).toEqual([NULL, NULL, NULL]);
    expect([ld(m, dev + DEV.numQueues), ld(m, dev + DEV.realNumTxQueues)]).toEqual([0, 1]);
    expect(output(lab, 1, { queueMapping: 4 })).toBe("tun-no-queue");
    expect(change(k, () => tunAttach(k, dev))).toBe(0);
    expect(output(lab, 1, { queueMapping: 4 })).toBe("ok");
  });

  it("F48 a shrink: count, grace period, reset of the queues beyond, XPS entries to them", () => {
    const lab = makeLab();
    const { k, m } = lab;
    const { dev } = plug(lab, "tun", { queues: 4 });
    const xps = dev + DEV.xps;
    [3, 0, 3, 2].forEach((value, i) => st(m, xps + i, value));
    for (let i = 0; i < 4; i++) st(m, txq(dev, i) + TXQ.ringLen, 9);
    const accesses = accessesOf(() => expect(netifSetRealNumTxQueues(k, dev, 2)).toBe(0));
    const at = [
      firstOf(accesses, "store", dev + DEV.realNumTxQueues),
      firstOf(accesses, "add", HEADER.gracePeriods),
      firstOf(accesses, "store", txq(dev, 2) + TXQ.ringLen),
      firstOf(accesses, "store", xps),
    ];
    expect(at).toEqual([...at].sort((a, b) => a - b));
    expect(at[0]).toBeGreaterThanOrEqual(0);
    expect([0, 1, 2, 3].map((i) => ld(m, txq(dev, i) + TXQ.ringLen))).toEqual([9, 9, 0, 0]);
    expect([ld(m, xps), ld(m, xps + 1)]).toEqual([1, 0]);
  });

  it("F48 growing takes no grace period, and is refused while unregistering", () => {
    const lab = makeLab();
    const { dev } = plug(lab, "dummy", { queues: 4, real: 2 });
    const accesses = accessesOf(() => void netifSetRealNumTxQueues(lab.k, dev, 3));
    expect(firstOf(accesses, "add", HEADER.gracePeriods)).toBe(-1);
    st(lab.m, dev + DEV.regState, NETREG.unregistering);
    st(lab.m, dev + DEV.realNumTxQueues, 0);
    expect(netifSetRealNumTxQueues(lab.k, dev, 1)).toBe(EINVAL);
    expect(told(lab).at(-1)!.name).toBe("growAfterUnregister");
  });

  it("both counts: what grows comes first, what shrinks last", () => {
    const lab = makeLab();
    const dev = registerNetdevice(lab.k, {
      kind: "dummy",
      numTxQueues: 4,
      realNumTxQueues: 3,
      realNumRxQueues: 1,
    });
    const rx = dev + DEV.realNumRxQueues;
    const tx = dev + DEV.realNumTxQueues;
    const order = (txCount: number, rxCount: number) => {
      const accesses = accessesOf(() => {
        expect(netifSetRealNumQueues(lab.k, dev, txCount, rxCount)).toBe(0);
      });
      return firstOf(accesses, "store", rx) < firstOf(accesses, "store", tx);
    };
    expect([order(1, 3), order(3, 1)]).toEqual([true, false]);
    expect(netifSetRealNumQueues(lab.k, dev, 5, 4)).toBe(EINVAL);
    expect([ld(lab.m, tx), ld(lab.m, rx)]).toEqual([3, 1]);
  });

  it("ethtool -L on a veth takes the carrier of both ends away and gives it back", () => {
    const lab = makeLab();
    const { dev, other } = plug(lab, "veth", { queues: 4 });
    const from = mark(lab);
    expect(change(lab.k, () => vethSetChannels(lab.k, dev, 2, 2))).toBe(0);
    const carrier = told(lab, from).filter(({ name }) => /^carrier|^setRealTx/.test(name));
    expect(carrier.map(({ name, device }) => [name, device])).toEqual([
      ["carrierOff", dev],
      ["carrierOff", other],
      ["setRealTx", dev],
      ["carrierOn", dev],
      ["carrierOn", other],
    ]);
    runLinkwatch(lab);
    expect(ld(lab.m, txq(dev, 0) + TXQ.qdisc)).toBe(QDISC.noqueue);
  });
});
