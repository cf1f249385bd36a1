// The endpoint of real threads on a real TAP, and on its twin in memory: stopping it in every way,
// with and without traffic. The numbers are those of the list in src/models/endpoint/README.md.
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import { eventually } from "../../../src/base/eventually.js";
import { timesOf } from "../../../src/scenario/endpoint/judge.js";
import { EndpointLab, type EndpointLabOptions } from "../../../src/scenario/endpoint/lab.js";
import { KINDS, lacks } from "../../host/conformance-lab.js";
import { datagram, experiment, type FarEnd, openFarEnd } from "./far-end.js";

const TIMEOUT = { timeoutMs: 60_000 };
const QUEUES = 4;
const FLOOD = { flows: 64, ratePerSecond: 0, payloadBytes: 64 };

let lab: EndpointLab;
let far: FarEnd;

async function open(backend: "linux" | "memory", more: Partial<EndpointLabOptions> = {}) {
  lab = await EndpointLab.open({
    ...{ backend, queues: QUEUES, txQueueLen: 500, design: "fixed" },
    ...more,
  });
  far = openFarEnd(lab);
  isOpen = true;
  return lab.endpoint;
}

/** Whether `lab` and `far` are a test's own. */
let isOpen = false;

afterEach(async () => {
  if (!isOpen) return;
  isOpen = false;
  far.close();
  await lab.close();
  expect(lab.leaks()).toEqual({ namespaces: 0, devices: 0, fds: 0, workers: 0 });
});

/** Every packet that was read was delivered or counted: 2.6 #14. */
function expectBalance(): void {
  const { taken, delivered, dropped, inHand } = lab.endpoint.view.counts();
  const { runt, foreign, detached } = dropped;
  expect(delivered + runt + foreign + detached).toBe(taken);
  expect(inHand).toBe(0);
}

/** Attached, and every loop has had packets of an endless flood. */
async function flooded() {
  const { endpoint } = lab;
  await endpoint.attach();
  const flood = lab.flood(FLOOD);
  const isOnAll = () => endpoint.view.takenByLoop().every((taken) => taken > 0);
  await eventually("packets on all queues", isOnAll, TIMEOUT);
  return flood;
}

function openFds(): number {
  return readdirSync("/proc/self/fd").length;
}

const threads = () => readdirSync("/proc/self/task").length;
const text = (stops: readonly number[]) => {
  const { p50, p99, max } = timesOf(stops)!;
  const list = [p50, p99, max].map((one) => one.toFixed(3)).join(", ");
  return `${stops.length} stops: p50, p99, max ${list} ms`;
};

describe.each(KINDS)("2.6 on %s", (kind) => {
  const reason = lacks[kind] === null ? "" : ` (${lacks[kind]})`;

  describe.skipIf(lacks[kind] !== null)(`stopping${reason}`, () => {
    it("8 idle queues: a stop takes less than 50 ms, no descriptor more", async () => {
      const endpoint = await open(kind);
      const stops: number[] = [];
      const before = [openFds(), threads()];
      for (let i = 0; i < 100; i++) {
        await endpoint.attach();
        await eventually("idle loops", () => endpoint.view.idle() === QUEUES, TIMEOUT);
        stops.push(await endpoint.detach());
        expect([endpoint.view.running(), endpoint.view.isAttached]).toEqual([0, false]);
      }
      await eventually("parked loops", () => endpoint.view.parked() === QUEUES, TIMEOUT);
      console.log(`${kind}, idle: ${text(stops)}`);
      // The median: a busy host lets single ones wait for a CPU.
      expect(timesOf(stops)!.p50).toBeLessThan(50);
      expect([openFds(), threads()]).toEqual(before);
    });

    it("5 9 14 a flood: a stop takes less than 200 ms and a packet per queue", async () => {
      const endpoint = await open(kind);
      const flood = await flooded();
      const stops = [await endpoint.detach()];
      for (let i = 0; i < 99; i++) {
        await endpoint.attach();
        const aim = endpoint.view.counts().taken + 100;
        await eventually("packets", () => endpoint.view.counts().taken >= aim, TIMEOUT);
        stops.push(await endpoint.detach());
      }
      flood.stop();
      await flood.done;
      console.log(`${kind}, flood: ${text(stops)}`);
      expect(timesOf(stops)!.p50).toBeLessThan(200);
      // The loop looks for the stop each round: what bounds it is packets, not the flood's end.
      expect(endpoint.view.counts().takenAfterStop).toBeLessThanOrEqual(QUEUES * stops.length);
      expectBalance();
    });

    it("11 a poison frame, then a valid one: the valid one is delivered", async () => {
      const endpoint = await open(kind, { queues: 1 });
      await endpoint.attach();
      const poison = [
        datagram(1000, "02:00:00:00:00:99"),
        datagram(1000).subarray(0, 14),
        experiment(0),
        datagram(1000).subarray(0, 30),
      ];
      for (const frame of poison) expect(far.send(frame)).toBeGreaterThanOrEqual(0);
      // The kernel itself sends nothing shorter than a header (EINVAL); the twin does.
      const short = far.send(new Uint8Array(13));
      expect(short).toBe(kind === "linux" ? -22 : 0);
      const runts = kind === "linux" ? 0 : 1;
      far.send(datagram(1000));
      const aim = poison.length + runts + 1;
      await eventually("all of them", () => endpoint.view.counts().taken >= aim, TIMEOUT);
      await endpoint.detach();
      const { delivered, dropped } = endpoint.view.counts();
      expect([delivered >= 4, dropped]).toEqual([true, { runt: runts, foreign: 1, detached: 0 }]);
      expectBalance();
    });

    it("12 the device is deleted: loops end and look no more, stops return", async () => {
      const endpoint = await open(kind);
      const flood = await flooded();
      lab.backend.deleteDevice(lab.device);
      await endpoint.wait(20_000);
      expect([endpoint.view.isDeviceGone, endpoint.view.isAttached]).toEqual([true, true]);
      await eventually("parked loops", () => endpoint.view.parked() === QUEUES, TIMEOUT);
      const looks = endpoint.view.looks();
      expect(endpoint.transmit(datagram(1), 0)).toBeLessThan(0);
      expect(endpoint.view.counts().refusals).toEqual({ down: 0, gone: 1, other: 0 });
      flood.stop();
      await flood.done;
      await endpoint.detach();
      // A loop of a device that is gone ends at once, again and again, and never spins.
      await endpoint.attach();
      await endpoint.wait(20_000);
      expect(endpoint.view.looks() - looks).toBeLessThanOrEqual(3 * QUEUES);
      await endpoint.detach();
      expect(endpoint.failure).toBeNull();
      expectBalance();
    });

    it("13 link down and up: EIO is counted, the loops stay, and all goes on", async () => {
      const endpoint = await open(kind);
      await endpoint.attach();
      lab.backend.setUp(lab.device, false);
      for (let i = 0; i < 3; i++) expect(endpoint.transmit(datagram(i), i)).toBe(-5);
      expect(endpoint.view.counts().refusals).toEqual({ down: 3, gone: 0, other: 0 });
      expect(endpoint.view.running()).toBe(QUEUES);
      lab.backend.setUp(lab.device, true);
      expect(endpoint.transmit(datagram(7), 0)).toBeGreaterThan(0);
      const { delivered } = endpoint.view.counts();
      far.send(datagram(1000));
      await eventually("a packet", () => endpoint.view.counts().delivered > delivered, TIMEOUT);
      await endpoint.detach();
      expectBalance();
    });

    it("15 two stops at once under a flood: both return when no loop runs", async () => {
      const endpoint = await open(kind, { stoppers: 2 });
      const flood = await flooded();
      for (let i = 0; i < 20; i++) {
        const running: number[] = [];
        const seen = () => running.push(endpoint.view.running());
        await Promise.all([endpoint.detach(0).then(seen), endpoint.detach(1).then(seen)]);
        expect(running).toEqual([0, 0]);
        await endpoint.attach(i % 2);
      }
      await endpoint.detach();
      flood.stop();
      await flood.done;
      expectBalance();
    });

    it("G-T an Attach in the middle of a stop waits for its end", async () => {
      const endpoint = await open(kind, { stoppers: 2 });
      const flood = await flooded();
      for (let i = 0; i < 20; i++) {
        await Promise.all([endpoint.detach(0), endpoint.attach(1)]);
        await endpoint.attach();
        const before = endpoint.view.takenByLoop();
        const isHeard = () => endpoint.view.takenByLoop().some((taken, k) => taken > before[k]!);
        await eventually("packets", isHeard, TIMEOUT);
      }
      await endpoint.detach();
      flood.stop();
      await flood.done;
      expect(endpoint.failure).toBeNull();
      expectBalance();
    });

    it("15 G-R a stop from a handler is refused, one that it asks for is done", async () => {
      const handler = fileURLToPath(new URL("./handler.mjs", import.meta.url));
      const endpoint = await open(kind, { handler });
      await endpoint.attach();
      far.send(experiment(2));
      await eventually("the refusal", () => endpoint.handlerFailure !== null, TIMEOUT);
      expect(endpoint.handlerFailure).toMatch(/^loop\d cannot stop itself: it would be waited for/);
      expect(endpoint.view.isAttached).toBe(true);
      far.send(experiment(3));
      await eventually("its error", () => endpoint.view.counts().handlerErrors === 2, TIMEOUT);
      far.send(experiment(1));
      await eventually("the stop", () => !endpoint.view.isAttached, TIMEOUT);
      await endpoint.wait(20_000);
      expect(endpoint.failure).toBeNull();
      expectBalance();
    });

    it("close of an attached endpoint under a flood ends it for good", async () => {
      const endpoint = await open(kind);
      const flood = await flooded();
      await Promise.all([endpoint.close(), endpoint.close()]);
      expect([endpoint.alive(), endpoint.view.running(), endpoint.failure]).toEqual([0, 0, null]);
      expectBalance();
      await expect(endpoint.attach()).rejects.toThrow("attach of an endpoint: it is closed");
      await expect(endpoint.detach(1)).rejects.toThrow("there is no stopper 1");
      flood.stop();
      await flood.done;
    });

    it("a handler that cannot be loaded: open says so, and leaves nothing", async () => {
      const before = openFds();
      const handler = "/nowhere/handler.mjs";
      const opened = EndpointLab.open({
        ...{ backend: kind, queues: QUEUES, txQueueLen: 500, design: "fixed" },
        handler,
      });
      await expect(opened).rejects.toThrow(handler);
      await eventually("its descriptors", () => openFds() === before, TIMEOUT);
    });

    it("answers for its address: a ping is replied to", async () => {
      const endpoint = await open(kind);
      await endpoint.attach();
      const { sent, received } = await lab.ping(5).done;
      expect([sent, received]).toEqual([5, 5]);
      await endpoint.detach();
      expect(endpoint.view.counts().written).toBeGreaterThanOrEqual(6);
    });
  });

  describe.skipIf(lacks[kind] !== null)(`the lock order that deadlocks${reason}`, () => {
    it("G-B is told, both sides by name, and closes cleanly", async () => {
      const endpoint = await open(kind, { design: "buggy" });
      const flood = await flooded();
      let deadlock = null;
      // The last stop; rejected when the endpoint is closed around it.
      let hanging: Promise<number> = Promise.resolve(0);
      for (let i = 0; i < 1000 && deadlock === null; i++) {
        let isStopped = false;
        hanging = endpoint.detach();
        hanging.then(
          () => (isStopped = true),
          () => undefined,
        );
        const isOver = () => isStopped || (deadlock = endpoint.lookForDeadlock()) !== null;
        await eventually("a stop, or why there is none", isOver, {
          timeoutMs: 60_000,
          everyMs: 20,
        });
        if (deadlock === null) {
          await endpoint.attach();
          const aim = endpoint.view.counts().taken + 50;
          await eventually("packets", () => endpoint.view.counts().taken >= aim, TIMEOUT);
        }
      }
      expect(deadlock).not.toBeNull();
      const [stopper, loop] = deadlock!.sides;
      expect(deadlock!.sides).toHaveLength(2);
      expect(stopper).toMatchObject({
        thread: "stopper",
        holds: ["mu for writing", "control"],
        in: "WaitGroup.Wait",
        waitsFor: "wg[0]",
      });
      expect(loop).toMatchObject({ holds: ["a packet"], in: "RLock", waitsFor: "mu" });
      expect(loop!.thread).toMatch(/^loop[0-3]$/);
      console.log(`${kind}: ${deadlock!.text}`);
      flood.stop();
      await flood.done;
      await endpoint.close();
      expect(endpoint.alive()).toBe(0);
      await expect(hanging).rejects.toThrow(/torn down|closed meanwhile/);
    });
  });
});
