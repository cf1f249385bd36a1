// The order of unregistration, by the stores and grace periods themselves and by what is traced:
// F28, F29, F34 to F40, F45, F46, F49 and F54 of the list in src/path/README.md. One thread; the
// work item, the RCU callbacks and linkwatch run when the test says so.
import { describe, expect, it } from "vitest";
import { cleanupNet, deleteLinks } from "../../src/path/core/net-namespace.js";
import { devChangeNetNamespace } from "../../src/path/core/net-namespace.js";
import { DEV, IFF_UP, LINK_STATE, NETREG, PRIV } from "../../src/path/core/netdevice.js";
import { QDISC, registerNetdevice, TXQ, txq } from "../../src/path/core/netdevice.js";
import { devChangeTxQueueLen, devClose, devOpen } from "../../src/path/core/open-close.js";
import { rtnlLock, rtnlUnlock } from "../../src/path/core/rtnl.js";
import { dellink, unregisterNetdeviceMany } from "../../src/path/core/unregister.js";
import { globalWord, KERNEL, portSlot } from "../../src/path/kernel.js";
import { DEED } from "../../src/path/trace-events.js";
import { type Addr, HEADER, ld, NULL } from "../../src/sync/index.js";
import { type Access, accessesOf } from "./accesses.js";
import { type Lab, makeLab, mark, output, plug, runLinkwatch, runNotifyWork } from "./lab.js";
import { runRcuCallbacks, told, words } from "./lab.js";

/** Unregisters devices up to U13, and leaves RTNL held. */
function unregister(lab: Lab, devs: readonly Addr[]): void {
  const batch: Addr[] = [];
  rtnlLock(lab.k);
  for (const dev of devs) dellink(lab.k, dev, batch);
  unregisterNetdeviceMany(lab.k, batch);
}

/** What follows: the ports are unpublished and freed, RTNL is dropped, the devices go. */
function finish(lab: Lab): void {
  while (runNotifyWork(lab));
  runRcuCallbacks(lab);
  rtnlUnlock(lab.k);
  runLinkwatch(lab);
}

/** Events as short words: name, device by its place in `devs`, notifier events by number. */
function story(lab: Lab, from: number, devs: readonly Addr[]): string[] {
  return told(lab, from).map(({ name, device, a }) => {
    const which = device === NULL ? "" : ` ${"ABCD"[devs.indexOf(device)] ?? "?"}`;
    return name === "notifier" ? `event${which} ${a}` : `${name}${which}`;
  });
}

const WORDS = ["state", "flags", "regState", "realNumRxQueues", "realNumTxQueues", "peer"] as const;
const MORE = ["rxHandler", "rxHandlerData", "privFlags", "queueKobjects", "dismantle"] as const;

/** Stores to the devices' words, in order, repetitions left out; `GP` where a grace period ends. */
function stores(accesses: readonly Access[], devs: readonly Addr[]): string[] {
  const names = new Map<Addr, string>([[HEADER.gracePeriods, "GP"]]);
  devs.forEach((dev, i) => {
    for (const word of [...WORDS, ...MORE]) names.set(dev + DEV[word], `${word} ${"ABCD"[i]}`);
    names.set(txq(dev, 0) + TXQ.qdisc, `qdisc ${"ABCD"[i]}`);
  });
  return accesses.flatMap(({ op, at }) => {
    const name = names.get(at);
    return op === "load" || name === undefined ? [] : [name];
  });
}

function expectInOrder(list: readonly string[], expected: readonly string[]): void {
  let from = 0;
  for (const one of expected) {
    const at = list.indexOf(one, from);
    expect(at, `${one} in order, in ${list.slice(from).join(", ")}`).toBeGreaterThanOrEqual(0);
    from = at + 1;
  }
}

const CLOSE = [
  "event A 9",
  "clearStart A",
  "event B 9",
  "clearStart B",
  "deactivate A",
  "deactivate B",
  "expedited",
  "gracePeriodEnds",
  "deactivated A",
  "deactivated B",
];
const LISTS = [
  "event A 2",
  "event B 2",
  "unlist A",
  "unregistering A",
  "unlist B",
  "unregistering B",
  "flushBacklogs",
  "grace2",
  "expedited",
  "gracePeriodEnds",
];
const DETACH = ["detachDev", "handlerUnregister"];
const detach = (device: string) => [
  ...DETACH.map((name) => `${name} ${device}`),
  "expedited",
  "gracePeriodEnds",
  `handlerUnregistered ${device}`,
  `event ${device} 27`,
  `event ${device} 22`,
  `queueNotifyWork ${device}`,
];
const goes = (device: string) =>
  ["ndoUninit", "kobjects", "zeroRx", "zeroTx"].map((name) => `${name} ${device}`);

describe("the whole order", () => {
  it("F28 F37 F39 a veth pair of which one end is a port, step by step", () => {
    const lab = makeLab({ profile: "6.12" });
    const { dev, other } = plug(lab, "veth");
    const from = mark(lab);
    unregister(lab, [dev]);
    finish(lab);
    expect(story(lab, from, [dev, other])).toEqual([
      ...["rtnlHeld", "dismantle A", "dismantle B", ...CLOSE],
      ...["ndoStop A", "carrierOff A", "clearUp A", "ndoStop B", "carrierOff B", "clearUp B"],
      ...LISTS,
      ...["devShutdown A", "notifyUnregister A", "event A 6", ...detach("A"), "event A 18"],
      ...goes("A"),
      ...["devShutdown B", "notifyUnregister B", "event B 6", "event B 18", ...goes("B")],
      ...["grace4", "expedited", "gracePeriodEnds", "netSetTodo A", "netSetTodo B"],
      ...["notifyWorkStarts", "ovsMutexHeld", "detachPort A", "ovsMutexFree", "vportFree A"],
      ...["rtnlUnlock", "unregistered A", "freeNetdev A", "unregistered B", "freeNetdev B"],
      ...["rtnlHeld", "rtnlUnlock"],
    ]);
  });

  it("F39 6.1 sends no PRE_UNINIT: UNREGISTER, detach, ndo_uninit, then the counts", () => {
    const lab = makeLab({ profile: "6.1" });
    const { dev } = plug(lab, "dummy");
    const from = mark(lab);
    unregister(lab, [dev]);
    const events = story(lab, from, [dev]);
    expectInOrder(events, ["event A 6", ...detach("A"), ...goes("A"), "grace4"]);
    expect(events).not.toContain("event A 18");
  });

  it("F28 F29 stores: START of all, qdiscs of all, GP1, carrier and IFF_UP, REG=2, GP2", () => {
    const lab = makeLab();
    const a = plug(lab, "dummy").dev;
    const b = plug(lab, "dummy", { port: 2 }).dev;
    const accesses = accessesOf(() => unregister(lab, [a, b]));
    const list = stores(accesses, [a, b]);
    expect(list.slice(0, list.indexOf("rxHandler A"))).toEqual([
      ...["dismantle A", "dismantle B", "state A", "state B", "qdisc A", "qdisc B", "GP"],
      ...["flags A", "flags B", "regState A", "regState B", "GP", "qdisc A"],
    ]);
  });

  it("F37 F38 F40 the device's own pass: handler, GP3, data, flag, kobjects, rx, tx, GP4", () => {
    const lab = makeLab();
    const a = plug(lab, "dummy").dev;
    const b = plug(lab, "dummy", { port: 2 }).dev;
    const list = stores(
      accessesOf(() => unregister(lab, [a, b])),
      [a, b],
    );
    const pass = (device: string) =>
      [
        ...["rxHandler", "GP", "rxHandlerData", "privFlags", "queueKobjects"],
        ...["realNumRxQueues", "realNumTxQueues"],
      ].map((name) => (name === "GP" ? name : `${name} ${device}`));
    expect(list.slice(list.indexOf("rxHandler A"))).toEqual([
      ...pass("A"),
      "qdisc B",
      ...pass("B"),
      "GP",
    ]);
  });

  it("F40 until 2026 the flag went first: before the handler and its grace period", () => {
    for (const [profile, first] of [
      ["6.9", true],
      ["6.12", false],
    ] as const) {
      const lab = makeLab({ profile });
      const { dev } = plug(lab, "dummy");
      const list = stores(
        accessesOf(() => unregister(lab, [dev])),
        [dev],
      );
      expect(list.indexOf("privFlags A") < list.indexOf("rxHandler A")).toBe(first);
      expect(list.indexOf("privFlags A") > list.indexOf("rxHandlerData A")).toBe(!first);
    }
  });

  it.each(["5.4", "5.10"])("F38 %s has no zeroing: the counts stay as they are", (profile) => {
    const lab = makeLab({ profile });
    const { dev } = plug(lab, "dummy");
    unregister(lab, [dev]);
    expect(words(lab, dev, ["realNumRxQueues", "realNumTxQueues", "queueKobjects"])).toEqual({
      realNumRxQueues: 4,
      realNumTxQueues: 4,
      queueKobjects: 0,
    });
  });

  it("F36 reg_state is 2 after IFF_UP is gone, before the backlogs and GP2", () => {
    const lab = makeLab();
    const { dev } = plug(lab, "dummy");
    unregister(lab, [dev]);
    const seen = told(lab).flatMap(({ name, regState }) => (name === "clearUp" ? [regState] : []));
    expect(seen).toEqual([NETREG.registered]);
    const order = told(lab).map(({ name }) => name);
    expectInOrder(order, ["clearUp", "unregistering", "flushBacklogs", "grace2", "expedited"]);
    expect(lab.deeds).toContainEqual({ code: DEED.deleteDevice, dev });
  });

  it("F29 at the end every queue is noop, and nothing is up", () => {
    const lab = makeLab();
    const { dev } = plug(lab, "tun");
    unregister(lab, [dev]);
    for (let i = 0; i < 4; i++) expect(ld(lab.m, txq(dev, i) + TXQ.qdisc)).toBe(QDISC.noop);
    expect(words(lab, dev, ["flags", "regState", "listed", "numQueues"])).toEqual({
      flags: 0,
      regState: NETREG.unregistering,
      listed: 0,
      numQueues: 0,
    });
  });

  it("a device that is down is not closed, and one that is gone is left out", () => {
    const lab = makeLab();
    const up = plug(lab, "dummy", { port: null }).dev;
    const down = plug(lab, "dummy", { port: null }).dev;
    rtnlLock(lab.k);
    devClose(lab.k, down);
    rtnlUnlock(lab.k);
    const from = mark(lab);
    deleteLinks(lab.k, [up, down]);
    const cleared = told(lab, from).filter(({ name }) => name === "clearStart");
    expect(cleared.map(({ device }) => device)).toEqual([up]);
    const again = mark(lab);
    deleteLinks(lab.k, [up]);
    expect(told(lab, again).map(({ name }) => name)).toEqual(["rtnlHeld", "rtnlUnlock"]);
  });
});

describe("veth and carrier", () => {
  it("F34 link down: carrier off at both ends, linkwatch pending, START of the peer stays", () => {
    const lab = makeLab();
    const { dev, other } = plug(lab, "veth");
    rtnlLock(lab.k);
    devClose(lab.k, dev);
    const { present, noCarrier, linkwatchPending, start } = LINK_STATE;
    const off = present | noCarrier | linkwatchPending;
    expect([ld(lab.m, dev + DEV.state), ld(lab.m, other + DEV.state)]).toEqual([off, off | start]);
    expect(ld(lab.m, globalWord(lab.k, KERNEL.linkwatchWork))).toBe(1);
    rtnlUnlock(lab.k);
    expect(runLinkwatch(lab)).toBe(true);
    expect(ld(lab.m, txq(other, 0) + TXQ.qdisc)).toBe(QDISC.noop);
    expect(ld(lab.m, other + DEV.state)).toBe(present | noCarrier | start);
  });

  it("F34 F45 after veth_dellink each end stops for itself: peer pointers are NULL first", () => {
    const lab = makeLab();
    const { dev, other } = plug(lab, "veth");
    const accesses = accessesOf(() => unregister(lab, [other]));
    expect(stores(accesses, [dev, other]).slice(0, 4)).toEqual([
      "peer B",
      "peer A",
      "dismantle B",
      "dismantle A",
    ]);
    expect([ld(lab.m, dev + DEV.peer), ld(lab.m, other + DEV.peer)]).toEqual([NULL, NULL]);
    const offs = told(lab).filter(({ name }) => name === "carrierOff");
    expect(offs.map(({ device }) => device)).toEqual([other, dev]);
    // A crash dump of the lockup has state = 14: PRESENT, NOCARRIER, LINKWATCH_PENDING; no START.
    expect(ld(lab.m, dev + DEV.state)).toBe(14);
  });

  it("F45 both ends named, or both in one namespace: each is unregistered once", () => {
    const lab = makeLab();
    const { dev, other } = plug(lab, "veth", { port: null });
    const from = mark(lab);
    deleteLinks(lab.k, [dev, other]);
    const freed = told(lab, from).filter(({ name }) => name === "freeNetdev");
    expect(freed.map(({ device }) => device)).toEqual([dev, other]);
    const inside = plug(lab, "veth", { port: null, netns: 7 });
    const again = mark(lab);
    cleanupNet(lab.k, 7);
    const gone = told(lab, again).filter(({ name }) => name === "freeNetdev");
    expect(gone.map(({ device }) => device).sort()).toEqual([inside.dev, inside.other].sort());
  });

  it("F49 peer down: our end keeps START and IFF_UP, and loses the carrier", () => {
    const lab = makeLab({ guard: "running" });
    const { dev, other } = plug(lab, "veth");
    rtnlLock(lab.k);
    devClose(lab.k, other);
    rtnlUnlock(lab.k);
    const state = ld(lab.m, dev + DEV.state);
    expect(state & LINK_STATE.start).toBe(LINK_STATE.start);
    expect(state & LINK_STATE.noCarrier).toBe(LINK_STATE.noCarrier);
    expect(ld(lab.m, dev + DEV.flags) & IFF_UP).toBe(IFF_UP);
    // The running guard passes what the carrier guard would refuse.
    expect(output(lab, 1)).toBe("peer-not-ready");
    rtnlLock(lab.k);
    devOpen(lab.k, other);
    rtnlUnlock(lab.k);
    runLinkwatch(lab);
    expect(output(lab, 1)).toBe("ok");
  });

  it("F35 dummy is unregistered with carrier on; a bond drops it in ndo_uninit and waits", () => {
    const lab = makeLab();
    const dummy = plug(lab, "dummy").dev;
    const bond = plug(lab, "bond", { port: 2 }).dev;
    const from = mark(lab);
    const accesses = accessesOf(() => unregister(lab, [dummy, bond]));
    expect(ld(lab.m, dummy + DEV.state) & LINK_STATE.noCarrier).toBe(0);
    expectInOrder(story(lab, from, [dummy, bond]), [
      ...["clearUp B", "ndoUninit B", "carrierOff B", "expedited", "gracePeriodEnds"],
      ...["kobjects B", "zeroTx B"],
    ]);
    const list = stores(accesses, [dummy, bond]);
    expectInOrder(list, ["privFlags B", "state B", "GP", "queueKobjects B", "realNumTxQueues B"]);
  });

  it("the qdiscs go to noop while txqueuelen changes; START stays", () => {
    const lab = makeLab({ guard: "running-carrier" });
    const { dev } = plug(lab, "tun");
    rtnlLock(lab.k);
    const list = stores(
      accessesOf(() => devChangeTxQueueLen(lab.k, dev, 7)),
      [dev],
    );
    rtnlUnlock(lab.k);
    expect(list).toEqual(["qdisc A", "GP", "qdisc A"]);
    expect([ld(lab.m, dev + DEV.txQueueLen), output(lab, 1)]).toEqual([7, "ok"]);
  });
});

describe("namespaces", () => {
  it("F46 the exit is one batch of everything inside, newest first, with the outside peer", () => {
    const lab = makeLab();
    const inside = plug(lab, "dummy", { port: null, netns: 7 }).dev;
    const { dev, other } = plug(lab, "veth", { port: null });
    const tun = plug(lab, "tun", { port: null, netns: 7 }).dev;
    const outside = plug(lab, "dummy", { port: null }).dev;
    const from = mark(lab);
    cleanupNet(lab.k, 7);
    const batch = told(lab, from).filter(({ name }) => name === "dismantle");
    expect(batch.map(({ device }) => device)).toEqual([tun, other, dev, inside]);
    expect(told(lab, from).filter(({ name }) => name === "grace2")).toHaveLength(1);
    expect(told(lab, from)[0]).toMatchObject({ name: "netnsExit", a: 7 });
    const states = [inside, dev, other, tun, outside].map((one) => ld(lab.m, one + DEV.regState));
    expect(states).toEqual([...Array<number>(4).fill(NETREG.released), NETREG.registered]);
  });

  it("F54 a move detaches and unpublishes; reg_state and the counts stay as they were", () => {
    const lab = makeLab();
    const { dev } = plug(lab, "dummy");
    const from = mark(lab);
    devChangeNetNamespace(lab.k, dev, 9);
    const events = story(lab, from, [dev]);
    expectInOrder(events, ["clearStart A", "clearUp A", "event A 6", ...detach("A"), "event A 5"]);
    expect(events).not.toContain("zeroTx A");
    expect(words(lab, dev, ["regState", "realNumTxQueues", "netns", "listed", "flags"])).toEqual({
      regState: NETREG.registered,
      realNumTxQueues: 4,
      netns: 9,
      listed: 1,
      flags: 0,
    });
    expect(output(lab, 1)).toBe("noop-qdisc");
    expect(runNotifyWork(lab)).toBe(true);
    expect([output(lab, 1), ld(lab.m, portSlot(lab.k, 1))]).toEqual(["no-vport", NULL]);
  });

  it("a port is detached by UNREGISTER alone, once, and an internal one never", () => {
    const lab = makeLab();
    const { dev } = plug(lab, "dummy");
    const internal = plug(lab, "internal", { port: 2 }).dev;
    unregister(lab, [dev, internal]);
    expect(ld(lab.m, dev + DEV.privFlags) & PRIV.ovsDatapath).toBe(0);
    expect(told(lab).filter(({ name }) => name === "detachDev")).toHaveLength(1);
    expect(words(lab, dev, ["rxHandler", "rxHandlerData", "upper", "promiscuity"])).toEqual({
      rxHandler: 0,
      rxHandlerData: NULL,
      upper: 0,
      promiscuity: 0,
    });
  });
});

it("a structure is used again only after it has been released, and comes back clean", () => {
  const lab = makeLab();
  const { dev } = plug(lab, "dummy", { port: null });
  const register = () => registerNetdevice(lab.k, { kind: "dummy", numTxQueues: 1 });
  unregister(lab, [dev]);
  expect(register()).not.toBe(dev);
  finish(lab);
  const again = register();
  expect(again).toBe(dev);
  expect(words(lab, again, ["refcnt", "dismantle", "regState", "todoNext", "numTxQueues"])).toEqual(
    {
      refcnt: 2,
      dismantle: 0,
      regState: NETREG.registered,
      todoNext: NULL,
      numTxQueues: 1,
    },
  );
});
