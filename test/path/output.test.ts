// From do_output to the driver: F18 to F33, F35, F50 and F55 of the list in src/path/README.md.
import { describe, expect, it } from "vitest";
import { DROP_REASONS, DROP } from "../../src/base/drop-reasons.js";
import type { Frame, Transmit } from "../../src/datapath/datapath.js";
import { OFPP } from "../../src/flow/types.js";
import { netifRx, processBacklog, takeFlushed } from "../../src/path/core/backlog.js";
import { netifCarrierOff } from "../../src/path/core/link-watch.js";
import { ARPHRD, DEV, IFF_UP, LINK_STATE, NETREG, PRIV } from "../../src/path/core/netdevice.js";
import { QDISC, QDISC_DEACTIVATED, QUEUE_STATE, TXQ, txq } from "../../src/path/core/netdevice.js";
import { registerNetdevice } from "../../src/path/core/netdevice.js";
import { flushAllBacklogs } from "../../src/path/core/backlog.js";
import { devClose, devOpen } from "../../src/path/core/open-close.js";
import { rtnlLock, rtnlUnlock } from "../../src/path/core/rtnl.js";
import { skbGetRxQueue, tunIngressMapping, vethIngressMapping } from "../../src/path/core/skb.js";
import { notUpErrno } from "../../src/path/core/xmit.js";
import { userGuard } from "../../src/path/guards.js";
import { PROFILES } from "../../src/path/profiles.js";
import { portSlot } from "../../src/path/kernel.js";
import { VPORT } from "../../src/path/openvswitch/vport.js";
import { EVENT_TEXTS } from "../../src/path/trace-events.js";
import { XMIT } from "../../src/path/verdict.js";
import { type Addr, CPU, cpuBlock, ld, NULL, st } from "../../src/sync/index.js";
import { flow, lab as switchLab, output as outputTo, udp } from "../pipeline/fixtures.js";
import { accessesOf, firstOf, loadsOf } from "./accesses.js";
import { bindTest, type Lab, makeLab, output, packet, plug, profileNamed, told } from "./lab.js";

/** Values of one profile field, by profile. */
function byProfile<T>(value: (profile: (typeof PROFILES)[number]) => T): Record<string, T> {
  return Object.fromEntries(PROFILES.map((profile) => [profile.id, value(profile)]));
}

describe("where the hint comes from", () => {
  it("F18 a veth hands its transmit index on as queue_mapping: k is receive queue k-1", () => {
    const lab = makeLab({ profile: "6.12" });
    plug(lab, "veth", { queues: 32 });
    const seen = [1, 9, 32].map((queueMapping) => {
      expect(output(lab, 1, { queueMapping })).toBe("ok");
      processBacklog(lab.k);
      const { wireQueue } = lab.skb;
      expect(lab.skb.queueMapping).toBe(wireQueue);
      return vethIngressMapping(lab.k.profile, wireQueue, false);
    });
    expect(seen).toEqual([0, 8, 31]);
    expect(skbGetRxQueue(packet(lab, { queueMapping: seen[2] }))).toBe(30);
  });

  it("F19 in between a veth recorded the queue always, before that with XDP only", () => {
    const hints = (vethHint: "xdp" | "always" | "leftover") => {
      const profile = profileNamed("5.10", { vethHint });
      return [0, 3].map((q) => [
        vethIngressMapping(profile, q, false),
        vethIngressMapping(profile, q, true),
      ]);
    };
    expect(hints("xdp")).toEqual([
      [0, 1],
      [0, 4],
    ]);
    expect(hints("always")).toEqual([
      [1, 1],
      [4, 4],
    ]);
    expect(hints("leftover")).toEqual([
      [0, 0],
      [3, 3],
    ]);
    const old = PROFILES.filter(({ vethHint }) => vethHint === "xdp").map(({ id }) => id);
    expect(old).toEqual(["5.4", "5.10"]);
  });

  it("F20 what comes in through a tap always has a hint, queue 0 too", () => {
    expect([0, 1, 255].map(tunIngressMapping)).toEqual([1, 2, 256]);
  });

  it("F21 every clone of a packet carries the hint, though each transmit overwrites it", () => {
    const { send } = switchLab([flow({}, [outputTo(OFPP.all)])]);
    send(udp(), 1);
    const fates = send(udp(), 1, { queueMapping: 7 });
    expect(fates.map(({ queueMapping }) => queueMapping)).toEqual([7, 7, 7]);
  });

  it("F22 the first packet of a flow comes back from the slow path without a hint", () => {
    const { send } = switchLab([flow({}, [outputTo(2)])]);
    expect(send(udp(), 1, { queueMapping: 7 })[0]!.queueMapping).toBe(0);
    expect(send(udp(), 1, { queueMapping: 7 })[0]!.queueMapping).toBe(7);
  });
});

describe("do_output", () => {
  it("F23 vport, then running, then carrier: two loads of the state, in one read section", () => {
    const lab = makeLab({ guard: "running-carrier" });
    const { dev } = plug(lab, "dummy");
    const accesses = accessesOf(() => void output(lab, 1));
    const vport = firstOf(accesses, "load", portSlot(lab.k, 1));
    const first = firstOf(accesses, "load", dev + DEV.state);
    expect(vport).toBeLessThan(first);
    expect(loadsOf(accesses, dev + DEV.state)).toBe(2);
    expect(firstOf(accesses, "load", dev + DEV.realNumTxQueues)).toBeGreaterThan(first + 1);
    const section = accesses.flatMap(({ op, at }, i) =>
      op === "add" && at === cpuBlock(0) + CPU.rcuSequence ? [i] : [],
    );
    expect(section).toHaveLength(2);
    expect(section[0]).toBeLessThan(vport);
    expect(section[1]).toBe(accesses.length - 1);
  });

  it("F23 START is asked first: cleared between the two loads, the packet still passes", () => {
    const lab = makeLab({ guard: "running-carrier" });
    const { dev } = plug(lab, "dummy");
    const between = (bit: number, on: boolean) => {
      st(lab.m, dev + DEV.state, LINK_STATE.start | LINK_STATE.present);
      let loads = 0;
      let verdict = "";
      accessesOf(
        () => void (verdict = output(lab, 1)),
        ({ op, at }) => {
          if (op !== "load" || at !== dev + DEV.state || ++loads !== 2) return;
          lab.m[at] = on ? lab.m[at]! | bit : lab.m[at]! & ~bit;
        },
      );
      return verdict;
    };
    expect(between(LINK_STATE.start, false)).toBe("ok");
    expect(between(LINK_STATE.noCarrier, true)).toBe("guard");
  });

  it("F24 a refusal ends the packet before anything else looks at the device", () => {
    const lab = makeLab({ guard: "carrier" });
    const { dev } = plug(lab, "dummy");
    netifCarrierOff(lab.k, dev);
    const accesses = accessesOf(() => expect(output(lab, 1)).toBe("guard"));
    expect(loadsOf(accesses, dev + DEV.realNumTxQueues)).toBe(0);
    expect(lab.skb.picks).toBe(0);
    expect(ld(lab.m, dev + DEV.txDropped)).toBe(0);
  });

  it("F24 the refusal has a drop reason (DEV_READY) since 6.6 only", () => {
    const reasons = byProfile((profile) => profile.dropReasons);
    expect(reasons).toMatchObject({ "5.15": false, "6.1": false, "6.1-stable": false });
    expect(reasons).toMatchObject({ "6.9": true, "6.12": true, current: true });
    expect(DROP_REASONS[DROP.guard]![1]).toMatch(/do_output/);
  });

  it("F25 the last output has the packet itself, those before it get clones", () => {
    const { send, recorder } = switchLab([flow({}, [outputTo(2), outputTo(3), outputTo(4)])]);
    const fates = send(udp(), 1);
    expect(fates.map(({ port, last }) => [port, last])).toEqual([
      [2, false],
      [3, false],
      [4, true],
    ]);
    expect(recorder.clones).toBe(2);
  });

  it("F26 the sixth action list inside one another is not run", () => {
    const drops: number[] = [];
    let lists = 0;
    const transmit: Transmit = {
      output: (frame: Frame) => {
        lists++;
        looped.datapath.receive(frame);
      },
      drop: (_frame, reason) => void drops.push(reason),
      cloned: () => undefined,
    };
    const looped = switchLab([flow({}, [outputTo(2)])], [1, 2], transmit);
    looped.send(udp(), 1);
    expect(lists).toBe(5);
    expect(drops).toEqual([DROP["loop-limit"]]);
  });

  it("F27 an internal port never chooses a queue, even at count 0 with a hint", () => {
    const lab = makeLab();
    const { dev } = plug(lab, "internal");
    st(lab.m, dev + DEV.realNumTxQueues, 0);
    const accesses = accessesOf(() => expect(output(lab, 1, { queueMapping: 5 })).toBe("ok"));
    expect(loadsOf(accesses, dev + DEV.realNumTxQueues)).toBe(0);
    expect(lab.skb.picks).toBe(0);
    st(lab.m, dev + DEV.flags, 0);
    expect(output(lab, 1)).toBe("device-down");
    expect(ld(lab.m, dev + DEV.rxDropped)).toBe(1);
  });

  it("no vport, a port number beyond the table, an unpublished port", () => {
    const lab = makeLab();
    plug(lab, "dummy");
    expect([output(lab, 2), output(lab, 8), output(lab, -1)]).toEqual(Array(3).fill("no-vport"));
    st(lab.m, portSlot(lab.k, 1), NULL);
    expect(output(lab, 1)).toBe("no-vport");
  });

  it("MTU, truncation, fragments and types of devices", () => {
    const lab = makeLab();
    const { dev } = plug(lab, "dummy");
    expect(output(lab, 1, { len: 1514 })).toBe("ok");
    expect(output(lab, 1, { len: 1515 })).toBe("too-big");
    expect(ld(lab.m, dev + DEV.txErrors)).toBe(1);
    expect(output(lab, 1, { len: 65_000, gsoSize: 1448 })).toBe("ok");
    expect(output(lab, 1, { len: 1515, cutlen: 3 })).toBe("ok");
    expect(lab.skb.len).toBe(14);
    expect(output(lab, 1, { len: 1700, mru: 1600 })).toBe("too-big");
    expect(output(lab, 1, { isEthernet: false })).toBe("not-ethernet");
    st(lab.m, dev + DEV.type, ARPHRD.none);
    expect(output(lab, 1, { isEthernet: false })).toBe("ok");
    st(lab.m, dev + DEV.type, ARPHRD.other);
    expect(output(lab, 1)).toBe("not-ethernet");
  });

  it("a user's guard sees the device and the packet, each property one load", () => {
    const seen: unknown[] = [];
    const guard = userGuard("mine", (dev, skb) => {
      const { running, carrierOk, up, regState, realNumTxQueues, numTxQueues, dismantle } = dev;
      seen.push([running, carrierOk, up, regState, realNumTxQueues, numTxQueues, dismantle]);
      seen.push([skb.queueMapping, skb.len, skb.priority]);
      return skb.priority === 0;
    });
    const lab = makeLab({ guard });
    plug(lab, "dummy", { queues: 4, real: 2 });
    expect(output(lab, 1, { queueMapping: 3 })).toBe("ok");
    expect(output(lab, 1, { priority: 7 })).toBe("guard");
    expect(seen.slice(0, 2)).toEqual([
      [true, true, true, NETREG.registered, 2, 4, false],
      [3, 100, 0],
    ]);
  });
});

describe("__dev_queue_xmit", () => {
  it("the queue is chosen before the qdisc and IFF_UP are looked at", () => {
    const lab = makeLab();
    const { dev } = plug(lab, "dummy");
    const accesses = accessesOf(() => void output(lab, 1, { queueMapping: 2 }));
    const count = firstOf(accesses, "load", dev + DEV.realNumTxQueues);
    const qdisc = firstOf(accesses, "load", txq(dev, 1) + TXQ.qdisc);
    const flags = firstOf(accesses, "load", dev + DEV.flags);
    expect([count < qdisc, qdisc < flags]).toEqual([true, true]);
  });

  it.each([
    ["6.1", 0],
    ["6.12", 1],
  ])("F30 noop drops; in %s it counts %i tx_dropped", (profile, dropped) => {
    const lab = makeLab({ profile });
    const { dev } = plug(lab, "dummy");
    st(lab.m, txq(dev, 0) + TXQ.qdisc, QDISC.noop);
    expect(output(lab, 1, { hash: 0 })).toBe("noop-qdisc");
    expect(ld(lab.m, dev + DEV.txDropped)).toBe(dropped);
  });

  it("F31 IFF_UP is looked at for noqueue only: a real qdisc sends on", () => {
    const lab = makeLab();
    const verdicts = (["dummy", "tun"] as const).map((kind, i) => {
      const { dev } = plug(lab, kind, { port: i + 1 });
      st(lab.m, dev + DEV.flags, ld(lab.m, dev + DEV.flags) & ~IFF_UP);
      const accesses = accessesOf(() => void output(lab, i + 1));
      return loadsOf(accesses, dev + DEV.flags);
    });
    expect(verdicts).toEqual([1, 0]);
    expect([output(lab, 1), output(lab, 2)]).toEqual(["device-down", "ok"]);
  });

  it("F32 not up: -ENETDOWN in old kernels, -ENOMEM in new ones, and tx_dropped", () => {
    const returns = byProfile((profile) => notUpErrno({ ...makeLab().k, profile }));
    expect(returns).toMatchObject({ "5.4": "ENETDOWN", "5.10": "ENETDOWN", "6.1": "ENETDOWN" });
    expect(returns).toMatchObject({ "6.1-stable": "ENOMEM", "6.12": "ENOMEM", current: "ENOMEM" });
    const lab = makeLab();
    const { dev } = plug(lab, "dummy");
    st(lab.m, dev + DEV.flags, 0);
    output(lab, 1);
    expect(ld(lab.m, dev + DEV.txDropped)).toBe(1);
  });

  it.each([
    ["6.12", 9],
    ["5.4", 11],
  ])("F33 in %s %i nested transmits pass, one more is a dead loop", (profile, passes) => {
    const lab = makeLab({ profile });
    const verdicts = [passes, passes + 1].map((length, i) => chainOfVxlan(lab, length, i + 1));
    expect(verdicts).toEqual(["ok", "dead-loop"]);
    const messages = told(lab).filter(({ name }) => name === "deadLoop");
    expect(messages).toHaveLength(1);
    expect(EVENT_TEXTS.deadLoop).toBe("Dead loop on virtual device, fix it urgently!");
    expect(ld(lab.m, cpuBlock(0) + CPU.xmitRecursion)).toBe(0);
  });

  it("F33 a queue lock that this CPU owns already is a dead loop, another CPU's is not", () => {
    const lab = makeLab();
    const { dev } = plug(lab, "dummy");
    st(lab.m, txq(dev, 0) + TXQ.xmitLockOwner, 1);
    expect(output(lab, 1, { hash: 0 })).toBe("dead-loop");
    bindTest(lab, 1);
    expect(output(lab, 1, { hash: 0 })).toBe("ok");
  });

  it("a stopped queue asks to queue the packet, and drops it", () => {
    const lab = makeLab();
    const { dev } = plug(lab, "dummy");
    for (const bit of [QUEUE_STATE.drvXoff, QUEUE_STATE.stackXoff]) {
      st(lab.m, txq(dev, 0) + TXQ.state, bit);
      expect(output(lab, 1, { hash: 0 })).toBe("queue-stopped");
    }
    expect(told(lab).filter(({ name }) => name === "asksToQueue")).toHaveLength(2);
    const { dev: tun } = plug(lab, "tun", { port: 2 });
    st(lab.m, txq(tun, 0) + TXQ.state, QUEUE_STATE.drvXoff);
    expect(output(lab, 2, { hash: 0 })).toBe("queue-stopped");
  });

  it("a qdisc that was read before it was deactivated drops the packet", () => {
    const lab = makeLab();
    const { dev } = plug(lab, "tun");
    st(lab.m, txq(dev, 0) + TXQ.qdiscState, QDISC_DEACTIVATED);
    expect(output(lab, 1, { hash: 0 })).toBe("qdisc-deactivated");
  });

  it("a driver without LLTX runs under the queue's lock, one with it takes none", () => {
    const lab = makeLab();
    const { dev: tun } = plug(lab, "tun");
    const { dev: dummy } = plug(lab, "dummy", { port: 2 });
    const locked = (dev: Addr, port: number) =>
      accessesOf(() => void output(lab, port, { hash: 0 })).filter(
        ({ op, at }) => op === "compareExchange" && at === txq(dev, 0) + TXQ.xmitLock,
      ).length;
    expect([locked(tun, 1), locked(dummy, 2)]).toEqual([1, 0]);
    expect(ld(lab.m, txq(tun, 0) + TXQ.xmitLock)).toBe(0);
    expect(ld(lab.m, txq(tun, 0) + TXQ.xmitLockOwner)).toBe(0);
    expect(ld(lab.m, dummy + DEV.privFlags) & PRIV.lltx).not.toBe(0);
  });
});

/** Devices on top of one another: `length` transmits for one output to the topmost. */
function chainOfVxlan(lab: Lab, length: number, port: number): string {
  let below: Addr = NULL;
  for (let i = 1; i < length; i++) {
    const dev = registerNetdevice(lab.k, { kind: "vxlan", numTxQueues: 1 });
    st(lab.m, dev + DEV.lower, below);
    devOpen(lab.k, dev);
    below = dev;
  }
  const { dev } = plug(lab, "vxlan", { port, queues: 1 });
  st(lab.m, dev + DEV.lower, below);
  return output(lab, port);
}

describe("drivers", () => {
  it("F35 dummy, ifb, macvlan, vxlan and tun keep their carrier when they are closed", () => {
    const lab = makeLab();
    for (const [i, kind] of (["dummy", "ifb", "macvlan", "vxlan", "tun"] as const).entries()) {
      const { dev } = plug(lab, kind, { port: i + 1 });
      rtnlLock(lab.k);
      devClose(lab.k, dev);
      rtnlUnlock(lab.k);
      expect(ld(lab.m, dev + DEV.state)).toBe(LINK_STATE.present);
    }
  });

  it("a veth without a peer, and one whose peer is down", () => {
    const lab = makeLab();
    const { dev, other } = plug(lab, "veth");
    st(lab.m, other + DEV.flags, 0);
    expect(output(lab, 1)).toBe("peer-not-ready");
    st(lab.m, dev + DEV.peer, NULL);
    expect(output(lab, 1)).toBe("no-peer");
  });

  it("bond, macvlan and vxlan send on through the device below", () => {
    const lab = makeLab();
    for (const [i, kind] of (["bond", "macvlan", "vxlan"] as const).entries()) {
      const { other } = plug(lab, kind, { port: i + 1 });
      expect(output(lab, i + 1)).toBe("ok");
      expect(lab.skb.wireDev).toBe(other);
    }
    const { dev } = plug(lab, "bond", { port: 5 });
    st(lab.m, dev + DEV.lower, NULL);
    expect(output(lab, 5)).toBe("bond-no-slave");
  });

  it("F50 tun: no file at the queue is DEV_READY, a full ring FULL_RING", () => {
    const lab = makeLab();
    const { dev } = plug(lab, "tun", { queues: 2 });
    expect(output(lab, 1, { hash: 0 })).toBe("ok");
    expect([lab.skb.wireDev, lab.skb.wireQueue]).toEqual([dev, 0]);
    st(lab.m, dev + DEV.txQueueLen, 3);
    st(lab.m, txq(dev, 0) + TXQ.ringLen, 2);
    expect(output(lab, 1, { hash: 0 })).toBe("ok");
    st(lab.m, txq(dev, 0) + TXQ.ringLen, 3);
    expect(output(lab, 1, { hash: 0 })).toBe("tun-full-ring");
    st(lab.m, txq(dev, 0) + TXQ.tfile, NULL);
    expect(output(lab, 1, { hash: 0 })).toBe("tun-no-queue");
  });
});

describe("the backlog", () => {
  it("F55 a packet for a device without START is dropped at enqueue", () => {
    const lab = makeLab();
    const { other } = plug(lab, "veth");
    st(lab.m, other + DEV.state, ld(lab.m, other + DEV.state) & ~LINK_STATE.start);
    expect(output(lab, 1)).toBe("peer-not-ready");
    expect(processBacklog(lab.k)).toBe(NULL);
  });

  it("F55 a flush takes what waits for UNREGISTERING devices, on every CPU, nothing else", () => {
    const lab = makeLab();
    const { dev, other } = plug(lab, "veth");
    for (const cpu of [0, 1, 3]) {
      bindTest(lab, cpu);
      for (const target of [dev, other, dev]) expect(netifRx(lab.k, target)).toBe(XMIT.ok);
    }
    st(lab.m, dev + DEV.regState, NETREG.unregistering);
    flushAllBacklogs(lab.k);
    for (const [cpu, flushed] of [
      [0, 2],
      [1, 2],
      [2, 0],
      [3, 2],
    ] as const) {
      bindTest(lab, cpu);
      expect([takeFlushed(lab.k), takeFlushed(lab.k)]).toEqual([flushed, 0]);
      expect([processBacklog(lab.k), processBacklog(lab.k)]).toEqual([
        cpu === 2 ? NULL : other,
        NULL,
      ]);
    }
  });

  it("keeps the order of packets and drops what does not fit", () => {
    const lab = makeLab();
    const { dev, other } = plug(lab, "veth");
    for (let i = 0; i < 12; i++) expect(netifRx(lab.k, i === 5 ? dev : other)).toBe(XMIT.ok);
    expect(netifRx(lab.k, dev)).toBe(XMIT["backlog-full"]);
    for (let i = 0; i < 12; i++) expect(processBacklog(lab.k)).toBe(i === 5 ? dev : other);
    expect(processBacklog(lab.k)).toBe(NULL);
  });
});

it("a vport names its device for as long as it is published", () => {
  const lab = makeLab();
  const { dev } = plug(lab, "dummy");
  expect(ld(lab.m, ld(lab.m, portSlot(lab.k, 1)) + VPORT.dev)).toBe(dev);
});
