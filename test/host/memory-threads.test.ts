// The memory backend between threads: nobody sleeps through a frame, every frame arrives exactly
// once, and no cell of frame memory is lost.
import { Worker } from "node:worker_threads";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ERRNO } from "../../src/base/errno.js";
import { eventually } from "../../src/base/eventually.js";
import { openMemoryBackend, openMemoryHostSide } from "../../src/host/memory/backend.js";
import { HEADER, WAITER, WAITERS_AT, WAITER_WORDS } from "../../src/host/memory/layout.js";
import type { DeviceRef, DeviceSpec, HostBackend, NamespaceRef } from "../../src/host/types.js";

const { EAGAIN, EBADFD, EFAULT } = ERRNO;

let backend: HostBackend;
let namespace: NamespaceRef;
let shared: SharedArrayBuffer;
let words: Int32Array;

beforeEach(() => {
  backend = openMemoryBackend();
  namespace = backend.addNamespace("n", { named: false });
  const descriptor = backend.descriptor();
  shared = descriptor.shared;
  words = new Int32Array(shared);
});

afterEach(() => backend.close());

function add(more: Partial<DeviceSpec> = {}): DeviceRef {
  return backend.addDevice({
    name: "eth0",
    namespace,
    mode: "tap",
    queues: 1,
    vnetHeader: false,
    offloads: false,
    mtu: 1500,
    txQueueLen: 1000,
    mac: null,
    addresses: [],
    gateways: [],
    up: true,
    ...more,
  });
}

interface Running {
  readonly stopHandle: Promise<number>;
  readonly result: Promise<Record<string, unknown>>;
}

function run(
  role: string,
  device: DeviceRef,
  more: { count?: number; seed?: number } = {},
): Running {
  const worker = new Worker(new URL("./memory-worker.mjs", import.meta.url), {
    workerData: { role, shared, device, count: 0, seed: 0, ...more },
  });
  let told = (_handle: number): void => undefined;
  const stopHandle = new Promise<number>((resolve) => (told = resolve));
  const result = new Promise<Record<string, unknown>>((resolve, reject) => {
    worker.on("message", (message: { stopHandle?: number; result?: Record<string, unknown> }) => {
      if (message.stopHandle !== undefined) told(message.stopHandle);
      if (message.result !== undefined) resolve(message.result);
    });
    worker.on("error", reject);
  });
  return { stopHandle, result };
}

async function asleep(running: Running): Promise<number> {
  const handle = await running.stopHandle;
  const at = WAITERS_AT + (handle & 1023) * WAITER_WORDS + WAITER.sleeping;
  await eventually("the thread to sleep", () => Atomics.load(words, at) === 1, {
    timeoutMs: 60_000,
  });
  return handle;
}

function transmit(device: DeviceRef, frames: number): void {
  const side = openMemoryHostSide(backend.descriptor());
  side.useBuffer(new ArrayBuffer(64));
  for (let i = 0; i < frames; i++) side.transmit(device, 0, 64, i + 1);
  side.close();
}

describe("a sleeping reader", () => {
  it("is woken by a frame", async () => {
    const device = add();
    const reader = run("waitOnce", device);
    await asleep(reader);
    transmit(device, 1);
    expect(await reader.result).toEqual({ found: 1, first: 64, second: -EAGAIN });
  });

  it("is told EFAULT once when its device goes, then EBADFD", async () => {
    const device = add();
    const reader = run("waitOnce", device);
    await asleep(reader);
    backend.deleteDevice(device);
    expect(await reader.result).toEqual({ found: 1, first: -EFAULT, second: -EBADFD });
  });

  it("is woken by a kick, and by nothing else when its queue is detached", async () => {
    const device = add();
    const reader = run("waitOnce", device);
    const handle = await asleep(reader);
    backend.attachQueue(device, 0, false);
    transmit(device, 5);
    backend.kick(handle);
    expect(await reader.result).toEqual({ found: 0, first: -EAGAIN, second: -EAGAIN });
  });

  it("a kick with the handle of a waiter that is gone kicks nobody", async () => {
    const device = add();
    const first = run("waitOnce", device);
    const old = await asleep(first);
    backend.kick(old);
    await first.result;
    const second = run("waitOnce", device);
    await asleep(second);
    backend.kick(old);
    transmit(device, 1);
    expect(await second.result).toMatchObject({ found: 1 });
  });
});

describe("between threads", () => {
  it("no wake-up is lost in 20,000 turns of a frame between two sleepers", async () => {
    const turns = 20_000;
    const device = add();
    const side = openMemoryHostSide(backend.descriptor());
    side.useBuffer(new ArrayBuffer(4096));
    side.claim([device]);
    const mirror = run("reflect", device, { count: turns });
    for (let turn = 0; turn < turns; turn++) {
      side.transmit(device, 0, 64, 1);
      if (side.wait(5000) !== 1) throw new Error(`turn ${turn}: slept through`);
      expect(side.receive(device, 0, 4096)).toBe(64);
    }
    expect(await mirror.result).toEqual({ reflected: turns });
    side.close();
  });

  it("three senders, two readers of the same queues: each frame arrives exactly once", async () => {
    const count = 20_000;
    const device = add({ queues: 2, txQueueLen: 100_000 });
    const readers = [run("consume", device), run("consume", device)];
    const senders = [0, 1, 2].map((seed) => run("produce", device, { count, seed }));
    await Promise.all(senders.map((sender) => sender.result));
    const seen = (await Promise.all(readers.map((reader) => reader.result))).flatMap(
      (result) => result.seen as number[],
    );
    expect(seen.length).toBe(3 * count);
    expect(new Set(seen).size).toBe(3 * count);
    expect(Atomics.load(words, HEADER.cellsInUse)).toBe(0);
  });

  it("devices that go under flood, 300 times: no cell of frame memory stays behind", async () => {
    for (let cycle = 0; cycle < 300; cycle++) {
      const device = add({ queues: 32 });
      transmit(device, 100);
      backend.deleteDevice(device);
      backend.closeQueues(device);
    }
    expect(Atomics.load(words, HEADER.cellsInUse)).toBe(0);
    expect(backend.leaks()).toEqual({ namespaces: 1, devices: 0, fds: 0 });
  });

  it("a device that goes while a thread sends to it: the sender ends, no cell stays", async () => {
    for (let cycle = 0; cycle < 5; cycle++) {
      const device = add({ queues: 4 });
      const sender = run("produce", device, { count: 200_000 });
      await eventually("traffic", () => backend.linkStats(device)!.txDropped > 0, {
        timeoutMs: 60_000,
      });
      backend.deleteDevice(device);
      backend.closeQueues(device);
      await sender.result;
    }
    expect(Atomics.load(words, HEADER.cellsInUse)).toBe(0);
  });
});
