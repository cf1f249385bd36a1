// Parts of the memory backend that the conformance suite cannot see from outside.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ERRNO } from "../../src/base/errno.js";
import { PacketpathError } from "../../src/base/errors.js";
import {
  openMemoryBackend,
  openMemoryDeviceControl,
  openMemoryHostSide,
  openMemoryQueueIo,
} from "../../src/host/memory/backend.js";
import { flowHash } from "../../src/host/memory/flow-table.js";
import { EVENT_SLOTS, HEADER } from "../../src/host/memory/layout.js";
import type { DeviceSpec, HostBackend, NamespaceRef } from "../../src/host/types.js";

const { EAGAIN, EBADF, EINVAL, ENETDOWN, ENODEV } = ERRNO;

let backend: HostBackend;
let namespace: NamespaceRef;

beforeEach(() => {
  backend = openMemoryBackend();
  namespace = backend.addNamespace("n", { named: false });
});

afterEach(() => backend.close());

function spec(more: Partial<DeviceSpec> = {}): DeviceSpec {
  return {
    name: "eth0",
    namespace,
    mode: "tap",
    queues: 4,
    vnetHeader: false,
    offloads: false,
    mtu: 1500,
    txQueueLen: 10,
    mac: null,
    addresses: [],
    gateways: [],
    up: true,
    ...more,
  };
}

function ipFrame(source: number, target: number, ports: readonly number[]): Uint8Array {
  const frame = new Uint8Array(60);
  frame.set([8, 0, 0x45], 12);
  frame[23] = 17;
  frame[29] = source;
  frame[33] = target;
  frame.set([ports[0]! >> 8, ports[0]! & 255, ports[1]! >> 8, ports[1]! & 255], 34);
  return frame;
}

describe("flow hash", () => {
  it("is the same in both directions, and differs between flows", () => {
    const there = flowHash(ipFrame(1, 2, [1000, 80]), 0, 60, true);
    const back = flowHash(ipFrame(2, 1, [80, 1000]), 0, 60, true);
    expect(back).toBe(there);
    expect(flowHash(ipFrame(1, 2, [1001, 80]), 0, 60, true)).not.toBe(there);
  });

  it("looks behind VLAN tags, and never reads past a short frame", () => {
    const plain = ipFrame(1, 2, [1000, 80]);
    const tagged = new Uint8Array(64);
    tagged.set(plain.subarray(0, 12));
    tagged.set([0x81, 0, 0, 5], 12);
    tagged.set(plain.subarray(12), 16);
    expect(flowHash(tagged, 0, 64, true)).toBe(flowHash(plain, 0, 60, true));
    for (let size = 0; size <= 60; size++) expect(flowHash(plain, 0, size, true)).not.toBe(0);
  });

  it("a fragment's ports are not ports", () => {
    const first = ipFrame(1, 2, [1000, 80]);
    const other = ipFrame(1, 2, [2000, 80]);
    first[20] = 0x20;
    other[20] = 0x20;
    expect(flowHash(first, 0, 60, true)).toBe(flowHash(other, 0, 60, true));
  });
});

describe("steering", () => {
  it("forgets a flow after three seconds (TUN_FLOW_EXPIRE)", () => {
    const device = backend.addDevice(spec());
    const side = openMemoryHostSide(backend.descriptor());
    const io = openMemoryQueueIo(backend.descriptor());
    const pool = new SharedArrayBuffer(4096);
    io.usePool(pool);
    new Uint8Array(pool).set(ipFrame(1, 2, [1000, 80]));
    side.useBuffer(pool);
    const hash = flowHash(new Uint8Array(pool), 0, 60, true);
    const byHash = Math.floor(((hash >>> 0) * 4) / 2 ** 32);
    const other = (byHash + 1) % 4;
    const arrivesAt = (): number => {
      side.transmit(device, 0, 60, 0);
      return device.queues.findIndex((queue) => io.read(queue, 0, 4096) > 0);
    };
    side.setJiffies(1000);
    expect(io.write(device.queues[other]!, 0, 60)).toBe(60);
    expect(arrivesAt()).toBe(other);
    side.setJiffies(3999);
    expect(arrivesAt()).toBe(other);
    side.setJiffies(4000);
    expect(arrivesAt()).toBe(byHash);
    side.close();
    io.close();
  });
});

describe("the namespace's side", () => {
  it("is told that a device is down or gone", () => {
    const device = backend.addDevice(spec());
    const side = openMemoryHostSide(backend.descriptor());
    side.useBuffer(new ArrayBuffer(256));
    expect(side.transmit(device, 0, 60, 1)).toBe(0);
    backend.setUp(device, false);
    expect(side.transmit(device, 0, 60, 1)).toBe(-ENETDOWN);
    backend.deleteDevice(device);
    expect(side.transmit(device, 0, 60, 1)).toBe(-ENODEV);
    expect(side.receive(device, 0, 256)).toBe(-ENODEV);
    expect(side.link(device)).toBeNull();
    side.close();
  });

  it("a namespace that does not keep up: the writer is told EAGAIN at a limit", () => {
    const device = backend.addDevice(spec({ queues: 1 }));
    const side = openMemoryHostSide(backend.descriptor());
    const io = openMemoryQueueIo(backend.descriptor());
    io.usePool(new SharedArrayBuffer(256));
    side.claim([device]);
    let written = 0;
    let result = 60;
    for (; written < 100_000 && result === 60; written++)
      result = io.write(device.queues[0]!, 0, 60);
    expect(result).toBe(-EAGAIN);
    expect(written - 1).toBe(8192);
    side.close();
    io.close();
  });

  it("frame memory runs out: frames are dropped and counted, and some is left for answers", () => {
    const device = backend.addDevice(spec({ queues: 1, txQueueLen: 1_000_000 }));
    const side = openMemoryHostSide(backend.descriptor());
    const io = openMemoryQueueIo(backend.descriptor());
    side.useBuffer(new ArrayBuffer(256));
    io.usePool(new SharedArrayBuffer(256));
    side.claim([device]);
    for (let i = 0; i < 70_000; i++) side.transmit(device, 0, 60, 1);
    expect(backend.linkStats(device)!.txDropped).toBeGreaterThan(8000);
    expect(io.write(device.queues[0]!, 0, 60)).toBe(60);
    backend.deleteDevice(device);
    io.close();
    side.close();
    expect(new Int32Array(backend.descriptor().shared)[HEADER.cellsInUse]).toBe(0);
  });
});

describe("handles and events", () => {
  it("a closed queue handle says EBADF, also when its slot lives again", () => {
    const device = backend.addDevice(spec());
    const io = openMemoryQueueIo(backend.descriptor());
    io.usePool(new SharedArrayBuffer(256));
    backend.closeQueues(device);
    expect(backend.linkStats(device)).toBeNull();
    backend.addDevice(spec());
    expect(io.read(device.queues[0]!, 0, 256)).toBe(-EBADF);
    expect(io.write(device.queues[0]!, 0, 60)).toBe(-EBADF);
    io.close();
  });

  it("a reader of events that was overrun is told again what is and what is gone", () => {
    const control = openMemoryDeviceControl(backend.descriptor());
    control.watch(namespace);
    const gone = backend.addDevice(spec({ name: "gone" }));
    const kept = backend.addDevice(spec({ name: "kept" }));
    control.linkEvents();
    backend.deleteDevice(gone);
    for (let i = 0; i <= EVENT_SLOTS; i++) backend.setUp(kept, i % 2 === 0);
    const events = control.linkEvents();
    expect(events.map(({ kind, name, up }) => ({ kind, name, up }))).toEqual([
      { kind: "changed", name: "kept", up: true },
      { kind: "deleted", name: "gone", up: false },
    ]);
    expect(control.linkEvents()).toEqual([]);
    control.close();
  });

  it("only what a kernel would take is taken", () => {
    const bad: Partial<DeviceSpec>[] = [
      { name: "" },
      { name: "a b" },
      { queues: 0 },
      { queues: 257 },
      { mtu: 67 },
      { mtu: 65522 },
      { offloads: true },
      { mac: "02:00" },
      { mac: "01:00:00:00:00:01" },
      { addresses: ["10.0.0.1"] },
      { addresses: ["10.0.0.1/33"] },
      { gateways: ["nowhere"] },
      { txQueueLen: -1 },
    ];
    for (const more of bad) expect(() => backend.addDevice(spec(more))).toThrow(PacketpathError);
    expect(backend.leaks().devices).toBe(0);
  });

  it("a queue index that does not exist is EINVAL", () => {
    const device = backend.addDevice(spec());
    expect(backend.attachQueue(device, 4, false)).toBe(-EINVAL);
    expect(backend.attachQueue(device, -1, false)).toBe(-EINVAL);
  });
});
