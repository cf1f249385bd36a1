// Queue selection: F01 to F17 of the list in src/path/README.md, one test or more for each, with
// the function's own vectors. Loops that must end run here; loops that must not, on a worker
// thread.
import { describe, expect, it } from "vitest";
import { DEV, registerNetdevice, txq, TXQ, QDISC } from "../../src/path/core/netdevice.js";
import {
  devPickTxCpuId,
  getXpsQueue,
  netdevCapTxqueue,
  netdevCorePickTx,
  netdevPickTx,
  PICK_FAULT,
  reciprocalScale,
  skbTxHash,
  tunSelectQueue,
} from "../../src/path/core/pick-tx.js";
import { netdevSetTcQueue } from "../../src/path/core/queue-counts.js";
import { skbGetRxQueue, skbRxQueueRecorded } from "../../src/path/core/skb.js";
import { allocSock, NO_QUEUE_MAPPING, SOCK } from "../../src/path/kernel.js";
import { EVENT_TEXTS } from "../../src/path/trace-events.js";
import { type Addr, CPU, cpuBlock, ld, st } from "../../src/sync/index.js";
import { accessesOf, loadsOf } from "./accesses.js";
import { outputOnThread, stopAll, thread } from "./hang.js";
import { bindTest, type Lab, type LabOptions, makeLab, output, packet, plug, told } from "./lab.js";

interface Setup extends LabOptions {
  readonly real: number;
  readonly tc?: readonly [offset: number, count: number];
}

/** A dummy port with 32 queues, `real` of them in use, and perhaps traffic class 0. */
function dummy(setup: Setup): { lab: Lab; dev: Addr } {
  const lab = makeLab(setup);
  const { dev } = plug(lab, "dummy", { queues: 32 });
  st(lab.m, dev + DEV.realNumTxQueues, setup.real);
  if (setup.tc !== undefined) {
    netdevSetTcQueue(lab.k, dev, 0, { offset: setup.tc[0], count: setup.tc[1] });
  }
  return { lab, dev };
}

/** Count, traffic class (offset, count), mapping and flow hash, and the index they give. */
const HASH_VECTORS = [
  { real: 4, queueMapping: 0, hash: 0x8000_0000, is: 2 },
  { real: 4, queueMapping: 7, hash: 1, is: 2 },
  { real: 32, queueMapping: 1, hash: 1, is: 0 },
  { real: 6, tc: [4, 2], queueMapping: 6, hash: 1, is: 5 },
  { real: 6, tc: [4, 2], queueMapping: 2, hash: 1, is: 5 },
  { real: 6, tc: [4, 2], queueMapping: 10, hash: 1, is: 5 },
  { real: 8, tc: [4, 0], queueMapping: 9, hash: 1, is: 0 },
  { real: 0, tc: [1, 3], queueMapping: 5, hash: 1, is: 1 },
  { real: 0, queueMapping: 0, hash: 0xffff_ffff, is: 0 },
] as const;

describe("netdev_core_pick_tx", () => {
  it("F01 selection is skipped if and only if the real count is 1; it runs at 0", () => {
    const runs = [0, 1, 2, 32].map((real) => {
      const { lab, dev } = dummy({ real });
      // Without a selection the count is loaded once; every selector loads it again.
      const accesses = accessesOf(() => void netdevCorePickTx(lab.k, dev, packet(lab)));
      return loadsOf(accesses, dev + DEV.realNumTxQueues) > 1;
    });
    expect(runs).toEqual([true, false, true, true]);
  });

  it("F01 with a count of 1 the index is 0 whatever the hint", () => {
    const { lab, dev } = dummy({ real: 1 });
    expect(netdevCorePickTx(lab.k, dev, packet(lab, { queueMapping: 9 }))).toBe(0);
  });

  it("F17 queue_mapping is overwritten with the index, and the hint is gone", () => {
    const { lab, dev } = dummy({ real: 4 });
    const skb = packet(lab, { queueMapping: 8 });
    expect(netdevCorePickTx(lab.k, dev, skb)).toBe(3);
    expect(skb.queueMapping).toBe(3);
    st(lab.m, dev + DEV.realNumTxQueues, 1);
    netdevCorePickTx(lab.k, dev, skb);
    expect(skb.queueMapping).toBe(0);
  });

  it("stamps the sender's CPU once", () => {
    const { lab, dev } = dummy({ real: 4 });
    bindTest(lab, 2);
    const skb = packet(lab);
    netdevCorePickTx(lab.k, dev, skb);
    bindTest(lab, 3);
    netdevCorePickTx(lab.k, dev, skb);
    expect(skb.senderCpu).toBe(3);
  });
});

describe("skb_tx_hash", () => {
  it.each(HASH_VECTORS)(
    "F04 real $real, tc $tc, queue_mapping $queueMapping gives $is",
    ({ real, queueMapping, hash, is, ...more }) => {
      const { lab, dev } = dummy({ real, ...more });
      expect(skbTxHash(lab.k, dev, dev, packet(lab, { queueMapping, hash }))).toBe(is);
    },
  );

  it("F02 the count is read once: a store between load and loop changes nothing", () => {
    const { lab, dev } = dummy({ real: 4 });
    let index = -1;
    let loads = 0;
    const skb = packet(lab, { queueMapping: 7 });
    const accesses = accessesOf(
      () => void (index = skbTxHash(lab.k, dev, dev, skb)),
      ({ at }) => {
        // Ahead of the second access of any kind the count is 0 already.
        if (loads++ > 0 && at !== dev + DEV.realNumTxQueues) lab.m[dev + DEV.realNumTxQueues] = 0;
      },
    );
    expect(index).toBe(2);
    expect(loadsOf(accesses, dev + DEV.realNumTxQueues)).toBe(1);
  });

  it("F02 the count is 16 bits wide: 65,536 queues would be none", () => {
    const { lab, dev } = dummy({ real: 65_536 + 4 });
    expect(skbTxHash(lab.k, dev, dev, packet(lab, { queueMapping: 7 }))).toBe(2);
  });

  it("F02 storing a count again does not free a thread in the loop", async () => {
    const { lab, dev } = dummy({ real: 0 });
    const sender = await thread(lab, "packet", 1, 40);
    expect(await sender.output(1, { queueMapping: 4 })).toMatchObject({ hang: "skb_tx_hash" });
    st(lab.m, dev + DEV.realNumTxQueues, 4);
    // The same call, looked at again: no answer, and 200,000 rounds more.
    expect(await sender.output(1, {})).toMatchObject({ hang: "skb_tx_hash", qcount: 0 });
    await stopAll(lab, [sender]);
  });

  it("F03 a receive queue is recorded if queue_mapping is not 0, and is one less", () => {
    const lab = makeLab();
    const seen = [0, 1, 2, 0xffff].map((queueMapping) => {
      const skb = packet(lab, { queueMapping });
      return [skbRxQueueRecorded(skb), skbGetRxQueue(skb)];
    });
    expect(seen).toEqual([
      [false, 0xffff],
      [true, 0],
      [true, 1],
      [true, 0xfffe],
    ]);
  });

  it.each([1, 2, 3, 32, 65_535])(
    "F05 count 0 and the recorded queue of queue_mapping %i: the loop never ends",
    async (queueMapping) => {
      const { lab } = dummy({ real: 0 });
      expect(await outputOnThread(lab, 1, { queueMapping })).toEqual({
        hang: "skb_tx_hash",
        queueMapping,
        hash: queueMapping - 1,
        qcount: 0,
      });
    },
  );

  it("F05 the longest loop that ends: 65,534 recorded queues over 2", async () => {
    const { lab } = dummy({ real: 2 });
    expect(await outputOnThread(lab, 1, { queueMapping: 65_535 })).toBe("ok");
  });

  it("F05 the local patch (guard qcount) covers the recorded queue 0 and no other", async () => {
    const { lab } = dummy({ real: 0, guard: "qcount" });
    expect(output(lab, 1, { queueMapping: 1 })).toBe("ok");
    expect(await outputOnThread(lab, 1, { queueMapping: 2 })).toMatchObject({ hash: 1 });
  });

  it("F06 without a recorded queue a count of 0 gives the offset, here 0, and no loop", () => {
    const { lab, dev } = dummy({ real: 0 });
    for (const hash of [0, 1, 0x8000_0000, 0xffff_ffff]) {
      expect(skbTxHash(lab.k, dev, dev, packet(lab, { hash }))).toBe(0);
    }
    expect(reciprocalScale(0xffff_ffff, 7)).toBe(6);
  });

  it("F06 the traffic class's offset is added to the scaled hash", () => {
    const { lab, dev } = dummy({ real: 8, tc: [4, 2] });
    expect(skbTxHash(lab.k, dev, dev, packet(lab, { hash: 0xffff_ffff }))).toBe(5);
    expect(skbTxHash(lab.k, dev, dev, packet(lab, { hash: 0 }))).toBe(4);
  });

  it("F07 a class without queues falls back to all queues, with a message", () => {
    const { lab, dev } = dummy({ real: 8, tc: [4, 0], profile: "6.1" });
    expect(skbTxHash(lab.k, dev, dev, packet(lab, { queueMapping: 9 }))).toBe(0);
    expect(told(lab)).toContainEqual(
      expect.objectContaining({ name: "invalidQcount", device: dev, a: 4, b: 0 }),
    );
    expect(EVENT_TEXTS.invalidQcount).toBe("invalid qcount");
  });

  it("F07 before the fallback a class without queues hung with any count", async () => {
    const { lab } = dummy({ real: 8, tc: [4, 0], profile: "5.10" });
    const outcome = await outputOnThread(lab, 1, { queueMapping: 9 });
    expect(outcome).toMatchObject({ hang: "skb_tx_hash", qcount: 0 });
  });

  it("F07 the class comes from the packet's priority, four bits of it", () => {
    const { lab, dev } = dummy({ real: 8, tc: [4, 2] });
    netdevSetTcQueue(lab.k, dev, 1, { offset: 0, count: 1 });
    st(lab.m, dev + DEV.prioTcMap + 3, 1);
    const skb = packet(lab, { queueMapping: 8, priority: 16 + 3 });
    expect(skbTxHash(lab.k, dev, dev, skb)).toBe(0);
  });

  it("F08 a class with queues at a real count of 0 does not hang; the cap makes it 0", () => {
    const { lab, dev } = dummy({ real: 0, tc: [1, 3] });
    const skb = packet(lab, { queueMapping: 5 });
    expect(netdevCorePickTx(lab.k, dev, skb)).toBe(0);
    expect(skb.capped).toBe(1);
  });

  it.each([
    { profile: "5.4", warnings: 0 },
    { profile: "5.10-stable", warnings: 1 },
    { profile: "6.12", warnings: 0 },
  ])("F09 $profile warns $warnings times about count 0, and goes on", ({ profile, warnings }) => {
    const { lab, dev } = dummy({ real: 0, profile, guard: "qcount" });
    for (let i = 0; i < 3; i++) skbTxHash(lab.k, dev, dev, packet(lab, { queueMapping: 1 }));
    expect(told(lab).filter(({ name }) => name === "warnOnQcount")).toHaveLength(warnings);
  });

  it("F09 the warning does not end the loop", async () => {
    const { lab } = dummy({ real: 0, profile: "5.10-stable" });
    expect(await outputOnThread(lab, 1, { queueMapping: 3 })).toMatchObject({ hash: 2 });
  });

  it("takes the class table of the subordinate and the count of the device", () => {
    const { lab, dev } = dummy({ real: 8, tc: [0, 8] });
    const sb = registerNetdevice(lab.k, { kind: "macvlan", numTxQueues: 8 });
    netdevSetTcQueue(lab.k, sb, 0, { offset: 6, count: 2 });
    expect(skbTxHash(lab.k, dev, sb, packet(lab, { queueMapping: 8 }))).toBe(7);
  });
});

describe("netdev_cap_txqueue", () => {
  it("F10 an index below the count passes; any other becomes 0, also 0 at count 0", () => {
    const { lab, dev } = dummy({ real: 4 });
    const skb = packet(lab);
    expect([0, 3, 4, 100].map((i) => netdevCapTxqueue(lab.k, dev, i, skb))).toEqual([0, 3, 0, 0]);
    expect(skb.capped).toBe(2);
    st(lab.m, dev + DEV.realNumTxQueues, 0);
    expect(netdevCapTxqueue(lab.k, dev, 0, skb)).toBe(0);
    expect(skb.capped).toBe(3);
  });

  it("F10 the message names index and count, and stops after ten", () => {
    const { lab, dev } = dummy({ real: 4 });
    const skb = packet(lab);
    for (let i = 0; i < 25; i++) netdevCapTxqueue(lab.k, dev, 9, skb);
    const messages = told(lab).filter(({ name }) => name === "capTxqueue");
    expect(messages).toHaveLength(10);
    expect(messages[0]).toMatchObject({ device: dev, a: 9, b: 4 });
    expect(ld(lab.m, dev + DEV.capWarnings)).toBe(25);
  });
});

describe("selectors of drivers", () => {
  it("F11 tun takes steering modulo queues, else the scaled hash; without queues 0", () => {
    const lab = makeLab();
    const { dev } = plug(lab, "tun", { queues: 4 });
    const pick = (numQueues: number, steering: number, value = 0) => {
      st(lab.m, dev + DEV.numQueues, numQueues);
      st(lab.m, dev + DEV.steering, steering);
      st(lab.m, dev + DEV.steeringValue, value);
      return tunSelectQueue(lab.k, dev, packet(lab, { queueMapping: 4, hash: 0xc000_0000 }));
    };
    expect([pick(4, 0), pick(2, 0), pick(0, 0)]).toEqual([3, 1, 0]);
    expect([pick(4, 1, 6), pick(0, 1, 6)]).toEqual([2, 0]);
  });

  it("F11 tun never loops: count 0 and any hint end in the cap", () => {
    const lab = makeLab();
    const { dev } = plug(lab, "tun", { queues: 4 });
    st(lab.m, dev + DEV.realNumTxQueues, 0);
    for (const queueMapping of [0, 1, 5]) {
      const skb = packet(lab, { queueMapping });
      expect(netdevCorePickTx(lab.k, dev, skb)).toBe(0);
      expect(skb.capped).toBe(1);
    }
  });

  it.each([0, 1, 5])("F12 bond hangs at count 0, queue_mapping %i", async (queueMapping) => {
    const lab = makeLab();
    const { dev } = plug(lab, "bond");
    st(lab.m, dev + DEV.realNumTxQueues, 0);
    const outcome = await outputOnThread(lab, 1, { queueMapping });
    expect(outcome).toMatchObject({ hang: "bond_select_queue", queueMapping, qcount: 0 });
  });

  it("F12 bond reads the count anew in each round: a store frees it", () => {
    const lab = makeLab();
    const { dev } = plug(lab, "bond");
    st(lab.m, dev + DEV.realNumTxQueues, 0);
    const ticks = cpuBlock(0) + CPU.tickCount;
    const skb = packet(lab, { queueMapping: 6 });
    let index = -1;
    accessesOf(
      () => void (index = netdevCorePickTx(lab.k, dev, skb)),
      () => {
        if (lab.m[ticks]! >= 100) lab.m[dev + DEV.realNumTxQueues] = 4;
      },
    );
    expect(index).toBe(1);
  });

  it("F13 CPU modulo count: a divide error at 0, before 6.12 only", () => {
    const made = (profile: string) => {
      const lab = makeLab({ profile });
      const options = { kind: "dummy", numTxQueues: 4, cpuModuloSelector: true } as const;
      const dev = registerNetdevice(lab.k, options);
      return { lab, dev };
    };
    const { lab, dev } = made("6.9");
    bindTest(lab, 3);
    expect(netdevCorePickTx(lab.k, dev, packet(lab))).toBe(3);
    st(lab.m, dev + DEV.realNumTxQueues, 2);
    expect(devPickTxCpuId(lab.k, dev)).toBe(1);
    st(lab.m, dev + DEV.realNumTxQueues, 0);
    expect(netdevCorePickTx(lab.k, dev, packet(lab))).toBe(PICK_FAULT);
    const later = made("6.12");
    st(later.lab.m, later.dev + DEV.realNumTxQueues, 0);
    expect(netdevCorePickTx(later.lab.k, later.dev, packet(later.lab))).toBe(0);
  });

  it("F13 the fault ends the packet and is not taken for a queue", () => {
    const lab = makeLab({ profile: "6.9" });
    const { dev } = plug(lab, "dummy");
    st(lab.m, dev + DEV.selector, 3);
    st(lab.m, dev + DEV.realNumTxQueues, 0);
    expect(output(lab, 1)).toBe("queue-count-fault");
  });
});

describe("the socket's cache", () => {
  function cached(setup: Setup & { full?: boolean; dst?: boolean; mapping?: number }) {
    const { lab, dev } = dummy(setup);
    const sk = allocSock(lab.k, setup.full ?? true, setup.dst ?? true);
    st(lab.m, sk + SOCK.txQueueMapping, setup.mapping ?? NO_QUEUE_MAPPING);
    const pick = (fields = {}) =>
      netdevPickTx(lab.k, dev, packet(lab, { sk, queueMapping: 4, ...fields }));
    return { lab, dev, sk, pick, mapping: () => ld(lab.m, sk + SOCK.txQueueMapping) };
  }

  it("F14 a cached index below the count is used, hint or no hint", () => {
    expect(cached({ real: 4, mapping: 2 }).pick()).toBe(2);
  });

  it("F14 it is not used at or above the count, nor with ooo_okay, nor when empty", () => {
    expect(cached({ real: 4, mapping: 4 }).pick()).toBe(3);
    expect(cached({ real: 4, mapping: 2 }).pick({ oooOkay: true })).toBe(3);
    expect(cached({ real: 4 }).pick()).toBe(3);
  });

  it("F14 at count 0 no cached index saves the packet from the loop", async () => {
    const { lab, sk } = cached({ real: 0, mapping: 0 });
    const outcome = await outputOnThread(lab, 1, { sk, queueMapping: 4 });
    expect(outcome).toMatchObject({ hang: "skb_tx_hash" });
  });

  it.each([
    { full: true, dst: true, written: 3 },
    { full: false, dst: true, written: NO_QUEUE_MAPPING },
    { full: true, dst: false, written: NO_QUEUE_MAPPING },
  ])("F15 written with full $full, dst $dst: $written", ({ full, dst, written }) => {
    const { pick, mapping } = cached({ real: 4, full, dst });
    pick();
    expect(mapping()).toBe(written);
  });

  it.each([
    { profile: "6.12", stores: 0 },
    { profile: "current", stores: 1 },
  ])("F15 $profile writes an unchanged index $stores times", ({ profile, stores }) => {
    const { pick, sk } = cached({ real: 4, mapping: 3, profile });
    const accesses = accessesOf(() => void pick({ oooOkay: true }));
    const written = accesses.filter(
      ({ op, at }) => op === "store" && at === sk + SOCK.txQueueMapping,
    );
    expect(written).toHaveLength(stores);
  });

  it.each([
    { profile: "6.12", index: 2, aged: 1 },
    { profile: "current", index: 3, aged: 0 },
  ])("F15 an aged entry in $profile gives $index", ({ profile, index, aged }) => {
    const { lab, pick, sk } = cached({ real: 4, mapping: 2, profile });
    st(lab.m, sk + SOCK.aged, 1);
    expect(pick()).toBe(index);
    expect(ld(lab.m, sk + SOCK.aged)).toBe(aged);
  });
});

describe("XPS", () => {
  const LIST = 1 + 3;
  function mapped(real: number) {
    const { lab, dev } = dummy({ real });
    const list = (index: number, ...queues: number[]) => {
      const at = dev + DEV.xps + index * LIST;
      st(lab.m, at, queues.length);
      queues.forEach((queue, i) => st(lab.m, at + 1 + i, queue));
    };
    const pick = (fields = {}) =>
      getXpsQueue(lab.k, dev, packet(lab, { senderCpu: 2, queueMapping: 4, ...fields }));
    return { lab, dev, list, pick };
  }

  it("F16 one entry is taken, of more the flow hash chooses", () => {
    const { lab, dev, list, pick } = mapped(8);
    st(lab.m, dev + DEV.xpsCpus, 4);
    list(1, 6);
    expect(pick()).toBe(6);
    list(1, 6, 7, 5);
    expect(pick({ hash: 0x8000_0000 })).toBe(7);
    expect(pick({ senderCpu: 3 })).toBe(-1);
    expect(pick({ senderCpu: 5 })).toBe(-1);
  });

  it("F16 an entry at or above the count is ignored, and the hash decides", () => {
    const { lab, dev, list, pick } = mapped(4);
    st(lab.m, dev + DEV.xpsCpus, 4);
    list(1, 4);
    expect(pick()).toBe(-1);
    expect(netdevPickTx(lab.k, dev, packet(lab, { senderCpu: 2, queueMapping: 4 }))).toBe(3);
    list(1, 2);
    expect(netdevPickTx(lab.k, dev, packet(lab, { senderCpu: 2, queueMapping: 4 }))).toBe(2);
  });

  it("F16 the receive-queue map comes before the CPU map, and needs a socket's queue", () => {
    const { lab, dev, list, pick } = mapped(8);
    st(lab.m, dev + DEV.xpsCpus, 4);
    st(lab.m, dev + DEV.xpsRxqs, 4);
    list(1, 6);
    list(4 + 2, 5);
    const sk = allocSock(lab.k, true, true);
    expect(pick({ sk })).toBe(6);
    st(lab.m, sk + SOCK.rxQueueMapping, 2);
    expect(pick({ sk })).toBe(5);
    list(4 + 2, 8);
    expect(pick({ sk })).toBe(6);
  });
});

it("queues beyond the real count exist until the device is freed, as noop or not", () => {
  const { lab, dev } = dummy({ real: 1 });
  expect(ld(lab.m, txq(dev, 31) + TXQ.qdisc)).toBe(QDISC.noqueue);
});
