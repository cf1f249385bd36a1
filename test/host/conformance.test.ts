// One table of behaviors, held against both backends through the same interface. What real TAP
// devices do (Linux 6.18) is the law; where the twin differed, the twin was changed.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ERRNO } from "../../src/base/errno.js";
import { PacketpathError } from "../../src/base/errors.js";
import { eventually } from "../../src/base/eventually.js";
import { nowMs } from "../../src/base/clock.js";
import { HEADER, KINDS, Lab, lacks } from "./conformance-lab.js";

const { EAGAIN, EBADFD, EFAULT, EINVAL, EIO, ENODEV } = ERRNO;
const SOON = { timeoutMs: 60_000 };

const rows = KINDS.map((kind) => ({ kind, lack: lacks[kind] }));
const runnable = rows.filter(({ lack }) => lack === null);
const lacking = rows.filter(({ lack }) => lack !== null);

for (const { kind, lack } of lacking) {
  it.skipIf(lack !== null)(`conformance of the ${kind} backend (${lack})`, () => undefined);
}

describe.each(runnable)("$kind backend", ({ kind }) => {
  let lab: Lab;

  beforeEach(async () => {
    lab = await Lab.open(kind);
  });

  afterEach(() => lab.close());

  describe("reading and writing", () => {
    it("an empty queue says EAGAIN", () => {
      const device = lab.add();
      expect([0, 1, 2, 3].map((queue) => lab.read(device, queue))).toEqual(Array(4).fill(-EAGAIN));
    });

    it("a frame that is written reaches the namespace, which answers", () => {
      const device = lab.add();
      expect(lab.syn(device, 1, 5000)).toBe(HEADER + 60);
      const reply = lab.resets(device).get(5000);
      expect(reply!.length).toBe(HEADER + 54);
    });

    it("without a vnet header the frame begins at once", () => {
      const device = lab.add({ vnetHeader: false, offloads: false });
      expect(device.vnetHeaderBytes).toBe(0);
      expect(lab.syn(device, 0, 5001)).toBe(60);
      expect(lab.resets(device).get(5001)!.length).toBe(54);
    });

    it("empty frames and runts under 14 bytes are EINVAL, whether up or down", () => {
      const device = lab.add();
      for (const up of [true, false]) {
        lab.backend.setUp(device, up);
        lab.bytes.fill(0, 0, 64);
        expect([0, 11, HEADER, HEADER + 13].map((n) => lab.write(device, 0, n))).toEqual(
          Array(4).fill(-EINVAL),
        );
      }
    });

    it("a frame far longer than the MTU is accepted", () => {
      const device = lab.add();
      lab.bytes.fill(0, 0, 70_000);
      expect(lab.write(device, 0, HEADER + 60_000)).toBe(HEADER + 60_000);
    });

    it("a short buffer truncates silently, and the rest is gone", () => {
      const device = lab.add({ queues: 1 });
      lab.syn(device, 0, 5002);
      expect(lab.read(device, 0, HEADER + 20)).toBe(HEADER + 20);
      expect(lab.read(device, 0)).toBe(-EAGAIN);
    });

    it.each([
      ["an unknown gso_type", { 1: 9, 4: 100 }],
      ["gso_size 0 with a gso_type", { 1: 1 }],
      ["hdr_len beyond the frame", { 2: 63 }],
      ["hdr_len shorter than an Ethernet header", { 2: 13 }],
      ["a checksum that starts beyond the frame", { 0: 1, 6: 70 }],
    ])("a vnet header with %s is EINVAL", (_name, header: Record<number, number>) => {
      const device = lab.add();
      lab.bytes.fill(0, 0, HEADER + 60);
      for (const [at, value] of Object.entries(header)) lab.bytes[Number(at)] = value;
      expect(lab.write(device, 0, HEADER + 60)).toBe(-EINVAL);
    });
  });

  it("hdr_len may exceed the frame by the two bytes of the longer vnet header", () => {
    const device = lab.add();
    lab.bytes.fill(0, 0, HEADER + 60);
    lab.bytes[2] = 62;
    expect(lab.write(device, 0, HEADER + 60)).toBe(HEADER + 60);
  });

  describe("link state", () => {
    it("down: writes say EIO, reads are silent; up again: all is well", async () => {
      const device = lab.add();
      expect(lab.backend.setUp(device, false)).toBe(0);
      expect(lab.syn(device, 0, 5010)).toBe(-EIO);
      expect(lab.read(device, 0)).toBe(-EAGAIN);
      expect(lab.backend.setUp(device, true)).toBe(0);
      await eventually(
        "an answer",
        () => {
          lab.arp(device, 0);
          lab.syn(device, 0, 5010);
          return lab.resets(device).has(5010);
        },
        SOON,
      );
    });

    it("carrier off: writes are accepted and lost; carrier on heals it", async () => {
      const device = lab.add();
      expect(lab.backend.setCarrier(device, false)).toBe(0);
      await eventually(
        "silence",
        () => {
          lab.drain(device);
          expect(lab.syn(device, 0, 5020)).toBe(HEADER + 60);
          return !lab.resets(device).has(5020);
        },
        SOON,
      );
      lab.backend.setCarrier(device, true);
      await eventually(
        "an answer",
        () => {
          lab.arp(device, 0);
          lab.syn(device, 0, 5021);
          return lab.resets(device).has(5021);
        },
        SOON,
      );
    });

    it("MTU outside 68 to 65521 is EINVAL; both limits are fine", () => {
      const device = lab.add();
      const results = [67, 68, 65521, 65522].map((mtu) => lab.backend.setMtu(device, mtu));
      expect(results).toEqual([-EINVAL, 0, 0, -EINVAL]);
    });
  });

  describe("deletion", () => {
    it("reads and writes say EBADFD (EFAULT at most once before), and wait shows it", () => {
      const device = lab.add();
      lab.syn(device, 0, 5030);
      expect(lab.backend.deleteDevice(device)).toBe(0);
      const first = lab.read(device, 0);
      expect([-EFAULT, -EBADFD]).toContain(first);
      expect([lab.read(device, 0), lab.read(device, 1)]).toEqual([-EBADFD, -EBADFD]);
      expect(lab.syn(device, 0, 5031)).toBe(-EBADFD);
      const ready = new Uint8Array(4);
      expect(lab.io.wait(device.queues, ready, 1000)).toBe(4);
      expect([...ready]).toEqual([1, 1, 1, 1]);
    });

    it("a second deletion, and every other deed, says ENODEV", () => {
      const device = lab.add();
      lab.backend.deleteDevice(device);
      expect(lab.backend.deleteDevice(device)).toBe(-ENODEV);
      expect(lab.backend.setUp(device, true)).toBe(-ENODEV);
      expect(lab.backend.linkStats(device)).toBeNull();
    });

    it("the same name again is another device; the old handles stay dead", () => {
      const old = lab.add();
      lab.backend.deleteDevice(old);
      const device = lab.add();
      expect(device.id).not.toBe(old.id);
      expect(lab.syn(device, 2, 5032)).toBe(HEADER + 60);
      expect(lab.resets(device).has(5032)).toBe(true);
      expect(lab.read(old, 0)).toBe(-EBADFD);
      expect(lab.syn(old, 0, 5033)).toBe(-EBADFD);
      expect(lab.resets(device).has(5033)).toBe(false);
    });

    it("100 devices come and go; nothing of them is left", () => {
      const cycle = (): void => {
        const device = lab.backend.addDevice(lab.spec({ queues: 8 }));
        lab.backend.deleteDevice(device);
        lab.backend.closeQueues(device);
      };
      // The first one opens what is kept (an rtnetlink socket).
      cycle();
      const before = lab.backend.leaks();
      for (let i = 0; i < 100; i++) cycle();
      expect(lab.backend.leaks()).toEqual(before);
    });

    it("a name that is taken, and a name that is too long, are refused", () => {
      lab.add();
      expect(() => lab.backend.addDevice(lab.spec())).toThrow(PacketpathError);
      expect(() => lab.backend.addDevice(lab.spec({ name: "x".repeat(16) }))).toThrow(
        PacketpathError,
      );
    });
  });

  describe("queues", () => {
    it("a full queue drops silently and only the counter knows: 8 of 100 arrive", () => {
      const device = lab.add({ queues: 1, txQueueLen: 8 });
      const before = lab.backend.linkStats(device)!.txDropped;
      for (let i = 0; i < 100; i++) expect(lab.syn(device, 0, 6000 + i)).toBe(HEADER + 60);
      const ports = [...lab.resets(device).keys()];
      expect(ports).toEqual([6000, 6001, 6002, 6003, 6004, 6005, 6006, 6007]);
      expect(lab.backend.linkStats(device)!.txDropped - before).toBe(92);
    });

    it("txqueuelen may be changed on a live device", () => {
      const device = lab.add({ queues: 1, txQueueLen: 8 });
      expect(lab.backend.setTxQueueLen(device, 32)).toBe(0);
      for (let i = 0; i < 100; i++) lab.syn(device, 0, 6200 + i);
      expect(lab.resets(device).size).toBe(32);
      for (let i = 0; i < 20; i++) lab.syn(device, 0, 6400 + i);
      expect(lab.backend.setTxQueueLen(device, 5)).toBe(0);
      expect([...lab.resets(device).keys()]).toEqual([6400, 6401, 6402, 6403, 6404]);
    });

    it("a detached queue: writes succeed, reads say EAGAIN, what waited is lost", () => {
      const device = lab.add({ queues: 2 });
      for (let i = 0; i < 40; i++) lab.syn(device, i % 2, 6500 + i);
      expect(lab.backend.attachQueue(device, 0, false)).toBe(0);
      expect(lab.read(device, 0)).toBe(-EAGAIN);
      expect(lab.resets(device).size).toBeLessThan(40);
      expect(lab.syn(device, 0, 6600)).toBe(HEADER + 60);
      expect(lab.resets(device).get(6600)!.queue).toBe(1);
      const ready = new Uint8Array(1);
      expect(lab.io.wait([device.queues[0]!], ready, 30)).toBe(0);
    });

    it("detaching or attaching twice is EINVAL; re-attached, a queue carries frames again", () => {
      const device = lab.add({ queues: 2 });
      expect(lab.backend.attachQueue(device, 1, true)).toBe(-EINVAL);
      expect(lab.backend.attachQueue(device, 1, false)).toBe(0);
      expect(lab.backend.attachQueue(device, 1, false)).toBe(-EINVAL);
      expect(lab.backend.attachQueue(device, 1, true)).toBe(0);
      for (let round = 0; round < 2; round++) lab.syn(device, 1, 6700);
      expect(lab.resets(device).get(6700)!.queue).toBe(1);
    });

    it("all queues detached: frames are lost and counted, the link stays", () => {
      const device = lab.add({ queues: 2 });
      const before = lab.backend.linkStats(device)!.txDropped;
      lab.backend.attachQueue(device, 0, false);
      lab.backend.attachQueue(device, 1, false);
      for (let i = 0; i < 10; i++) expect(lab.syn(device, 0, 6800 + i)).toBe(HEADER + 60);
      expect(lab.backend.linkStats(device)!.txDropped - before).toBe(10);
    });

    it("tx follows rx, with one packet of lag", () => {
      const device = lab.add();
      let first = 0;
      let second = 0;
      for (let flow = 0; flow < 40; flow++) {
        const queue = flow % 4;
        lab.syn(device, queue, 7000 + flow);
        if (lab.resets(device).get(7000 + flow)!.queue === queue) first++;
        lab.syn(device, queue, 7000 + flow);
        if (lab.resets(device).get(7000 + flow)!.queue === queue) second++;
      }
      expect(second).toBe(40);
      expect(first).toBeLessThan(30);
    });

    it("a flow that moves to another queue is answered on the old one once more", () => {
      const device = lab.add();
      for (let i = 0; i < 3; i++) lab.syn(device, 0, 7100);
      lab.resets(device);
      lab.syn(device, 3, 7100);
      expect(lab.resets(device).get(7100)!.queue).toBe(0);
      lab.syn(device, 3, 7100);
      expect(lab.resets(device).get(7100)!.queue).toBe(3);
    });

    it("new flows spread over all queues", () => {
      const device = lab.add();
      for (let flow = 0; flow < 64; flow++) lab.syn(device, 0, 7200 + flow);
      const used = new Set([...lab.resets(device).values()].map((reply) => reply.queue));
      expect([...used].sort()).toEqual([0, 1, 2, 3]);
    });
  });

  describe("waiting", () => {
    it("ends at the timeout with 0", () => {
      const device = lab.add();
      const began = nowMs();
      expect(lab.io.wait(device.queues, new Uint8Array(4), 40)).toBe(0);
      expect(nowMs() - began).toBeGreaterThanOrEqual(39);
    });

    it("names the queues that are readable, and goes on doing so until they are read", () => {
      const device = lab.add();
      for (let round = 0; round < 2; round++) lab.syn(device, 2, 7300);
      lab.resets(device);
      lab.syn(device, 2, 7300);
      const ready = new Uint8Array([9, 9, 9, 9]);
      for (let round = 0; round < 2; round++) {
        expect(lab.io.wait(device.queues, ready, 1000)).toBe(1);
        expect([...ready]).toEqual([0, 0, 1, 0]);
      }
    });

    it("a kick before the wait is not lost, and is used up by it", () => {
      const device = lab.add();
      lab.backend.kick(lab.io.stopHandle);
      const began = nowMs();
      expect(lab.io.wait(device.queues, new Uint8Array(4), 5000)).toBe(0);
      expect(nowMs() - began).toBeLessThan(1000);
      const again = nowMs();
      lab.io.wait(device.queues, new Uint8Array(4), 40);
      expect(nowMs() - again).toBeGreaterThanOrEqual(39);
    });
  });

  describe("books and events", () => {
    it("counts what was written and what was read, in frames and bytes", () => {
      const device = lab.add({ queues: 2 });
      const before = lab.backend.linkStats(device)!;
      for (let i = 0; i < 5; i++) lab.syn(device, 0, 7400 + i);
      expect(lab.resets(device).size).toBe(5);
      const after = lab.backend.linkStats(device)!;
      expect(after.rxPackets - before.rxPackets).toBe(5);
      expect(after.rxBytes - before.rxBytes).toBe(300);
      expect(after.txPackets - before.txPackets).toBe(5);
      expect(after.txBytes - before.txBytes).toBe(270);
    });

    it("a watched namespace tells of new, changed and deleted devices", async () => {
      lab.backend.watch(lab.namespace);
      const device = lab.backend.addDevice(lab.spec({ name: "watched" }));
      const seen = (kind: string, up: boolean | null) => () =>
        lab.backend
          .linkEvents()
          .some((e) => e.name === "watched" && e.kind === kind && (up === null || e.up === up));
      await eventually("new", seen("new", null), SOON);
      lab.backend.setUp(device, false);
      await eventually("changed to down", seen("changed", false), SOON);
      lab.backend.setUp(device, true);
      await eventually("changed to up", seen("changed", true), SOON);
      lab.backend.deleteDevice(device);
      await eventually("deleted", seen("deleted", null), SOON);
    });

    it("events carry namespace and ifindex; another namespace's are not told", async () => {
      const other = lab.backend.addNamespace("other", { named: false });
      lab.backend.watch(other);
      const here = lab.backend.addDevice(lab.spec({ name: "here" }));
      const there = lab.backend.addDevice(lab.spec({ name: "there", namespace: other }));
      const events: { name: string; namespace: string; ifindex: number }[] = [];
      await eventually(
        "an event",
        () => {
          events.push(...lab.backend.linkEvents());
          return events.some((event) => event.name === "there");
        },
        SOON,
      );
      expect(events.some((event) => event.name === here.name)).toBe(false);
      const event = events.find((one) => one.name === "there")!;
      expect(event).toMatchObject({ namespace: "other", ifindex: there.ifindex });
    });

    it("a device that moves: EIO until it is set up there; gone here, new there", async () => {
      const target = lab.backend.addNamespace("target", { named: false });
      lab.backend.watch(lab.namespace);
      lab.backend.watch(target);
      const device = lab.add();
      lab.backend.linkEvents();
      expect(lab.backend.moveDevice(device, target)).toBe(0);
      expect(lab.syn(device, 0, 7500)).toBe(-EIO);
      const kinds = new Set<string>();
      await eventually(
        "both events",
        () => {
          for (const e of lab.backend.linkEvents()) kinds.add(`${e.namespace} ${e.kind}`);
          return kinds.has("under-test deleted") && kinds.has("target new");
        },
        SOON,
      );
    });

    it("after close nothing is left", () => {
      lab.add();
      lab.add({ name: "eth1", addresses: [] });
      expect(lab.backend.leaks()).toMatchObject({ namespaces: 1, devices: 2 });
      lab.backend.close();
      expect(lab.backend.leaks()).toEqual({ namespaces: 0, devices: 0, fds: 0 });
    });
  });
});
