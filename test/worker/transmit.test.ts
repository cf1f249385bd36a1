// The last stretch of a frame: every verdict of the path and every errno of a write ends the frame
// in exactly one counter, and copies and super-frames are counted as what they are.
import { describe, expect, it } from "vitest";
import { ERRNO } from "../../src/base/errno.js";
import { clearLinkState, DEV, LINK_STATE } from "../../src/path/core/netdevice.js";
import { QDISC, QDISC_DEACTIVATED, QUEUE_STATE, TXQ, txq } from "../../src/path/core/netdevice.js";
import { ARPHRD } from "../../src/path/core/netdevice.js";
import { builtInGuard, userGuard } from "../../src/path/guards.js";
import { ovsVportDel } from "../../src/path/openvswitch/vport.js";
import { XMIT_NAMES } from "../../src/path/verdict.js";
import { DROP } from "../../src/base/drop-reasons.js";
import { PORT_COUNTER } from "../../src/sync/counters.js";
import { CPU, cpuBlock } from "../../src/sync/index.js";
import { output, udp } from "../pipeline/fixtures.js";
import { Rig, type RigOptions, type RigPort, withVnet } from "./rig.js";

const FRAME = withVnet(udp());

/** Two veth ports; a frame comes in by port 1 and is output to port 2. */
function forwarding(options: RigOptions = {}): { rig: Rig; target: RigPort } {
  const rig = new Rig(options);
  rig.plug(1);
  return { rig, target: rig.plug(2) };
}

/** Sends one frame and says where it ended; fails when it ended nowhere or twice. */
function fateOf(rig: Rig, frame = FRAME): string {
  rig.io.script(100, frame);
  rig.runUntilWaits(1);
  expect(rig.counter(1, PORT_COUNTER.rx)).toBe(1);
  expect(rig.unaccounted(1)).toBe(0);
  const drops = Object.keys(rig.drops(1));
  return drops.length === 0 ? "sent" : drops.join(",");
}

describe("a verdict of the path ends the frame under its own name", () => {
  const store = (rig: Rig, at: number, value: number) => Atomics.store(rig.k.m, at, value);

  const cases: [string, (rig: Rig, target: RigPort) => void, RigOptions?][] = [
    ["sent", () => undefined],
    ["no-vport", (rig) => void ovsVportDel(rig.k, 2)],
    ["guard", (rig, { ovsDev }) => clearLinkState(rig.k, ovsDev, LINK_STATE.start)],
    ["too-big", (rig, { ovsDev }) => store(rig, ovsDev + DEV.mtu, 20)],
    ["not-ethernet", (rig, { ovsDev }) => store(rig, ovsDev + DEV.type, ARPHRD.other)],
    ["device-down", (rig, { ovsDev }) => store(rig, ovsDev + DEV.flags, 0)],
    ["no-peer", (rig, { ovsDev }) => store(rig, ovsDev + DEV.peer, 0)],
    ["peer-not-ready", (rig, { wireDev }) => clearLinkState(rig.k, wireDev, LINK_STATE.start)],
  ];
  it.each(cases)("%s", (name, break_) => {
    const guard = builtInGuard(name === "guard" ? "running" : "none");
    const { rig, target } = forwarding({ guard });
    break_(rig, target);
    expect(fateOf(rig)).toBe(name);
    expect(rig.io.written.length).toBe(name === "sent" ? 1 : 0);
  });

  const perQueue: [string, number, number][] = [
    ["noop-qdisc", TXQ.qdisc, QDISC.noop],
    ["queue-stopped", TXQ.state, QUEUE_STATE.drvXoff],
  ];
  it.each(perQueue)("%s", (name, word, value) => {
    const { rig, target } = forwarding();
    for (let q = 0; q < 2; q++) store(rig, txq(target.ovsDev, q) + word, value);
    expect(fateOf(rig)).toBe(name);
  });

  it("qdisc-deactivated", () => {
    const { rig, target } = forwarding();
    for (let q = 0; q < 2; q++) {
      store(rig, txq(target.ovsDev, q) + TXQ.qdisc, QDISC.real);
      store(rig, txq(target.ovsDev, q) + TXQ.qdiscState, QDISC_DEACTIVATED);
    }
    expect(fateOf(rig)).toBe("qdisc-deactivated");
  });

  it.each(["tun-no-queue", "tun-full-ring"])("%s", (name) => {
    const rig = new Rig();
    rig.plug(1);
    const { ovsDev } = rig.plug(2, "tun");
    if (name === "tun-full-ring") {
      for (let q = 0; q < 2; q++) {
        store(rig, txq(ovsDev, q) + TXQ.tfile, 1);
        store(rig, txq(ovsDev, q) + TXQ.ringLen, 1_000_000);
      }
      store(rig, ovsDev + DEV.numQueues, 2);
    }
    expect(fateOf(rig)).toBe(name);
  });

  it("each verdict but ok has a drop reason of the same name", () => {
    for (const name of XMIT_NAMES) if (name !== "ok") expect(DROP).toHaveProperty([name]);
  });

  it("a user's guard is asked with the device and the packet; its no is the guard's drop", () => {
    const seen: unknown[] = [];
    const guard = userGuard("mine", (dev, skb) => {
      seen.push([dev.running, dev.carrierOk, dev.realNumTxQueues, skb.len, skb.queueMapping]);
      return false;
    });
    const { rig } = forwarding({ guard });
    expect(fateOf(rig)).toBe("guard");
    // Queue 0 of a veth leaves its index behind in queue_mapping, and 0 means "nothing recorded".
    expect(seen).toEqual([[true, true, 2, udp().length, 0]]);
  });
});

describe("an errno of the write ends the frame in one counter", () => {
  it.each([
    [ERRNO.EIO, "tx-down"],
    [ERRNO.ENETDOWN, "tx-down"],
    [ERRNO.EBADFD, "tx-gone"],
    [ERRNO.EBADF, "tx-gone"],
    [ERRNO.EAGAIN, "tx-full"],
    [ERRNO.ENOBUFS, "tx-full"],
    [ERRNO.EINVAL, "tx-refused"],
    [ERRNO.ENOMEM, "tx-refused"],
    [ERRNO.EMSGSIZE, "tx-refused"],
  ])("errno %d is %s", (errno, name) => {
    const { rig } = forwarding();
    rig.io.writes.push(-errno);
    expect(fateOf(rig)).toBe(name);
    expect(rig.counter(2, PORT_COUNTER.tx)).toBe(0);
  });

  it("EINTR is tried again, and the frame leaves once", () => {
    const { rig } = forwarding();
    rig.io.writes.push(-ERRNO.EINTR, -ERRNO.EINTR, null);
    expect(fateOf(rig)).toBe("sent");
    expect(rig.io.written.length).toBe(1);
  });

  it("EINTR without end is given up, and counted", () => {
    const { rig } = forwarding();
    rig.io.writes.push(...new Array<number>(1000).fill(-ERRNO.EINTR));
    expect(fateOf(rig)).toBe("tx-refused");
    expect(rig.io.writes.length).toBe(1000 - 8);
  });

  it("EIO on one frame does not keep the next from leaving (dvb-gse#14)", () => {
    const { rig } = forwarding();
    rig.io.writes.push(-ERRNO.EIO);
    rig.io.script(100, FRAME, FRAME);
    rig.runUntilWaits(1);
    expect(rig.drops(1)).toEqual({ "tx-down": 1 });
    expect(rig.counter(1, PORT_COUNTER.sent)).toBe(1);
  });
});

describe("what is counted", () => {
  it("a frame that left: at its input port as sent, at its output port as tx with bytes", () => {
    const { rig } = forwarding();
    expect(fateOf(rig)).toBe("sent");
    expect(rig.counter(1, PORT_COUNTER.sent)).toBe(1);
    expect(rig.counter(2, PORT_COUNTER.tx)).toBe(1);
    expect(rig.counter(2, PORT_COUNTER.txBytes)).toBe(udp().length);
    expect(rig.counter(1, PORT_COUNTER.tx)).toBe(0);
  });

  it("three outputs are one frame and two copies; each copy has a fate of its own", () => {
    const rig = new Rig({ actions: [output(2), output(3), output(4)] });
    for (const port of [1, 2, 3]) rig.plug(port);
    rig.io.writes.push(null, -ERRNO.EIO);
    rig.io.script(100, FRAME);
    rig.runUntilWaits(1);
    expect(rig.counter(1, PORT_COUNTER.cloned)).toBe(2);
    expect(rig.counter(1, PORT_COUNTER.sent)).toBe(1);
    expect(rig.drops(1)).toEqual({ "no-vport": 1, "tx-down": 1 });
    expect(rig.unaccounted(1)).toBe(0);
  });

  it("each pick of a queue, and whether a hint led to it", () => {
    const { rig } = forwarding();
    rig.io.script(100, FRAME, FRAME);
    rig.io.script(101, FRAME);
    rig.runUntilWaits(1);
    const block = cpuBlock(0);
    expect(rig.k.m[block + CPU.picks]).toBe(3);
    expect(rig.k.m[block + CPU.hinted]).toBe(1);
    expect(rig.k.m[block + CPU.inHand]).toBe(0);
  });

  it("a sink without a real device swallows the frame and counts it as sent", () => {
    const rig = new Rig();
    rig.plug(1);
    rig.plug(2, "dummy", []);
    expect(fateOf(rig)).toBe("sent");
    expect(rig.io.written).toEqual([]);
    expect(rig.counter(2, PORT_COUNTER.tx)).toBe(1);
  });
});

describe("where the bytes go", () => {
  it("to the queue that the recorded one names: queue k was recorded as k - 1", () => {
    const { rig } = forwarding({ queues: 4 });
    for (const handle of [101, 102, 103]) rig.io.script(handle, FRAME, FRAME);
    rig.runUntilWaits(1);
    const handles = rig.io.written.map(({ handle }) => handle).sort();
    expect(handles).toEqual([200, 200, 201, 201, 202, 202]);
  });

  it("with the vnet header that the frame came with, byte for byte", () => {
    const { rig } = forwarding();
    const frame = withVnet(udp(), { 0: 1, 6: 34, 8: 6 });
    rig.io.script(100, frame);
    rig.runUntilWaits(1);
    expect(rig.io.written[0]!.bytes).toEqual(frame);
  });

  it("a super-frame of 60000 bytes passes a port with an MTU of 1500, in one piece", () => {
    const { rig } = forwarding();
    const payload = new Uint8Array(60_000);
    const vnet = { 0: 1, 1: 1, 2: 54, 4: 1448 & 255, 5: 1448 >> 8, 6: 34, 8: 16 };
    const frame = withVnet(udp({ tcp: true, payload }), vnet);
    expect(fateOf(rig, frame)).toBe("sent");
    expect(rig.io.written[0]!.bytes.length).toBe(frame.length);
  });

  it("a frame of that length that is no super-frame is too big", () => {
    const { rig } = forwarding();
    expect(fateOf(rig, withVnet(udp({ payload: new Uint8Array(60_000) })))).toBe("too-big");
  });
});
