// The linux backend on real devices: errno map, link events, descriptors, statistics.
import { readdirSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { nowMs } from "../../src/base/clock.js";
import { ERRNO } from "../../src/base/errno.js";
import { eventually } from "../../src/base/eventually.js";
import { openBackend, openDeviceControl, openQueueIo } from "../../src/host/open.js";
import type { DeviceSpec, HostBackend, NamespaceRef, QueueIo } from "../../src/host/types.js";
import { arpRequest, NEEDS_ROOT, needsRoot } from "./linux-support.js";

const FRAME_AT = 4096;

function specOf(namespace: NamespaceRef, over: Partial<DeviceSpec> = {}): DeviceSpec {
  return {
    name: "tp0",
    namespace,
    mode: "tap",
    queues: 2,
    vnetHeader: false,
    offloads: false,
    mtu: 1500,
    txQueueLen: 500,
    mac: "02:00:00:00:00:01",
    addresses: ["10.9.0.1/24"],
    gateways: [],
    up: true,
    ...over,
  };
}

describe.skipIf(NEEDS_ROOT)(`linux devices${needsRoot}`, () => {
  let backend: HostBackend;
  let namespace: NamespaceRef;
  let io: QueueIo;
  const pool = new SharedArrayBuffer(65536);
  const bytes = new Uint8Array(pool);

  beforeEach(async () => {
    backend = await openBackend("linux");
    namespace = backend.addNamespace("client", { named: false });
    io = await openQueueIo(backend.descriptor());
    io.usePool(pool);
    const frame = arpRequest("10.9.0.2", "10.9.0.1");
    bytes.set(frame, FRAME_AT);
  });

  afterEach(() => {
    io.close();
    backend.close();
    expect(backend.leaks()).toEqual({ namespaces: 0, devices: 0, fds: 0 });
  });

  /** Writes an ARP request and reads until the reply comes. */
  async function exchange(queues: readonly number[]): Promise<number> {
    expect(io.write(queues[0]!, FRAME_AT, 42)).toBe(42);
    return eventually(
      "an ARP reply",
      () => queues.find((queue) => io.read(queue, 0, 2048) === 42 && bytes[21] === 2),
      { timeoutMs: 60_000 },
    );
  }

  it("the kernel in the namespace answers through the queues", async () => {
    const device = backend.addDevice(specOf(namespace));
    expect(device.queues).toHaveLength(2);
    expect(device.mac).toBe("02:00:00:00:00:01");
    await exchange(device.queues);
    const stats = backend.linkStats(device)!;
    expect(stats).toMatchObject({ rxPackets: 1, txPackets: 1, rxBytes: 42, txBytes: 42 });
  });

  it("answers with the errno map: empty, runt, down, detached, up again", async () => {
    const device = backend.addDevice(specOf(namespace));
    const [first, second] = device.queues as [number, number];
    expect(io.read(first, 0, 2048)).toBe(-ERRNO.EAGAIN);
    expect(io.write(first, FRAME_AT, 13)).toBe(-ERRNO.EINVAL);
    expect(io.write(first, FRAME_AT, 0)).toBe(-ERRNO.EINVAL);
    expect(backend.setUp(device, false)).toBe(0);
    expect(io.write(first, FRAME_AT, 42)).toBe(-ERRNO.EIO);
    expect(io.read(first, 0, 2048)).toBe(-ERRNO.EAGAIN);
    expect(backend.setUp(device, true)).toBe(0);
    expect(backend.attachQueue(device, 1, false)).toBe(0);
    expect(backend.attachQueue(device, 1, false)).toBe(-ERRNO.EINVAL);
    expect(io.write(second, FRAME_AT, 42)).toBe(42);
    expect(io.read(second, 0, 2048)).toBe(-ERRNO.EAGAIN);
    expect(backend.attachQueue(device, 1, true)).toBe(0);
    await exchange(device.queues);
    expect(backend.setMtu(device, 67)).toBe(-ERRNO.EINVAL);
    expect(backend.setMtu(device, 65522)).toBe(-ERRNO.EINVAL);
    expect(backend.setMtu(device, 9000)).toBe(0);
    expect(backend.setCarrier(device, false)).toBe(0);
    expect(io.write(first, FRAME_AT, 42)).toBe(42);
    expect(backend.attachQueue(device, 2, true)).toBe(-ERRNO.EINVAL);
    for (const queue of [0, 1]) expect(backend.attachQueue(device, queue, false)).toBe(0);
    // tun_net_change_carrier: no carrier without a queue that is attached.
    expect(backend.setCarrier(device, true)).toBe(-ERRNO.EPERM);
    expect(backend.setCarrier(device, false)).toBe(0);
    expect(io.write(first, FRAME_AT, 42)).toBe(42);
  });

  it("a deleted device reads and writes EBADFD, and polls as ready", () => {
    const device = backend.addDevice(specOf(namespace));
    const ready = new Uint8Array(2);
    expect(io.wait(device.queues, ready, 0)).toBe(0);
    expect(backend.deleteDevice(device)).toBe(0);
    expect(io.read(device.queues[0]!, 0, 2048)).toBe(-ERRNO.EBADFD);
    expect(io.write(device.queues[0]!, FRAME_AT, 42)).toBe(-ERRNO.EBADFD);
    expect(io.wait(device.queues, ready, 1000)).toBe(2);
    expect([...ready]).toEqual([1, 1]);
    expect(backend.deleteDevice(device)).toBe(-ERRNO.ENODEV);
    expect(backend.setUp(device, true)).toBe(-ERRNO.ENODEV);
    expect(backend.setCarrier(device, true)).toBe(-ERRNO.ENODEV);
    expect(backend.attachQueue(device, 0, false)).toBe(-ERRNO.ENODEV);
    expect(backend.linkStats(device)).toBeNull();
  });

  it("a device made again under the same name is not the old one", () => {
    const old = backend.addDevice(specOf(namespace));
    backend.deleteDevice(old);
    backend.closeQueues(old);
    const again = backend.addDevice(specOf(namespace));
    expect(again.queues).toEqual(old.queues);
    expect(backend.setUp(old, false)).toBe(-ERRNO.ENODEV);
    expect(backend.setCarrier(old, false)).toBe(-ERRNO.ENODEV);
    backend.closeQueues(old);
    expect(io.read(again.queues[0]!, 0, 2048)).toBe(-ERRNO.EAGAIN);
  });

  it("follows a device that was moved to another namespace", () => {
    const other = backend.addNamespace("other", { named: false });
    const device = backend.addDevice(specOf(namespace));
    expect(backend.moveDevice(device, other)).toBe(0);
    expect(io.write(device.queues[0]!, FRAME_AT, 42)).toBe(-ERRNO.EIO);
    expect(backend.setUp(device, true)).toBe(0);
    expect(io.write(device.queues[0]!, FRAME_AT, 42)).toBe(42);
    expect(backend.deleteDevice(device)).toBe(0);
    expect(io.write(device.queues[0]!, FRAME_AT, 42)).toBe(-ERRNO.EBADFD);
  });

  it("wait is woken by a kick and by a frame, and a kick is used up", () => {
    const device = backend.addDevice(specOf(namespace, { queues: 1 }));
    const ready = new Uint8Array(1);
    backend.kick(io.stopHandle);
    expect(io.wait(device.queues, ready, 10_000)).toBe(0);
    const before = nowMs();
    expect(io.wait(device.queues, ready, 20)).toBe(0);
    expect(nowMs() - before).toBeGreaterThan(15);
    io.write(device.queues[0]!, FRAME_AT, 42);
    expect(io.wait(device.queues, ready, 10_000)).toBe(1);
    expect([...ready]).toEqual([1]);
  });

  it("refuses buffers outside the pool instead of handing them to the kernel", () => {
    const device = backend.addDevice(specOf(namespace));
    expect(io.read(device.queues[0]!, 65536 - 100, 101)).toBe(-ERRNO.EFAULT);
    expect(io.read(device.queues[0]!, -1, 10)).toBe(-ERRNO.EFAULT);
    expect(io.write(device.queues[0]!, 65536 - 41, 42)).toBe(-ERRNO.EINVAL);
  });

  it("reports links new, up, carrier and deleted, also what another socket did", async () => {
    const control = await openDeviceControl(backend.descriptor());
    control.watch(namespace);
    const device = backend.addDevice(specOf(namespace, { up: false }));
    const made = control.linkEvents();
    expect(made[0]).toMatchObject({ kind: "new", namespace: "client", name: "tp0", up: false });
    backend.setUp(device, true);
    control.wait(1000);
    expect(control.linkEvents().at(-1)).toMatchObject({ kind: "changed", up: true, carrier: true });
    backend.setCarrier(device, false);
    const lost = await eventually(
      "the carrier to go",
      () => control.linkEvents().find((event) => !event.carrier),
      { timeoutMs: 60_000 },
    );
    expect(lost).toMatchObject({ ifindex: device.ifindex, up: true });
    backend.deleteDevice(device);
    const last = control.linkEvents().at(-1)!;
    expect(last).toMatchObject({ kind: "deleted", ifindex: device.ifindex });
    control.close();
  });

  it("loses no deletion when the event queue overflows (ENOBUFS)", async () => {
    const control = await openDeviceControl(backend.descriptor());
    const victim = backend.addDevice(specOf(namespace, { name: "victim", queues: 1 }));
    control.watch(namespace);
    const device = backend.addDevice(specOf(namespace, { addresses: [] }));
    // Each change is a message of about 1.5 KB; the socket holds 8 MB of bookkeeping at most.
    for (let i = 0; i < 12_000; i++) backend.setMtu(device, 1400 + (i & 1));
    backend.deleteDevice(victim);
    const events = control.linkEvents();
    expect(events.length).toBeLessThan(12_000);
    expect(events.filter((event) => event.kind === "deleted")).toMatchObject([{ name: "victim" }]);
    expect(events.filter((event) => event.kind === "new").map((event) => event.name)).toContain(
      "tp0",
    );
    control.close();
  });

  it("carries a super-frame with its vnet header", () => {
    const over = { vnetHeader: true, offloads: true, queues: 1 };
    const device = backend.addDevice(specOf(namespace, over));
    expect(device.vnetHeaderBytes).toBe(12);
    bytes.fill(0, FRAME_AT - 12, FRAME_AT);
    expect(io.write(device.queues[0]!, FRAME_AT - 12, 54)).toBe(54);
    bytes[FRAME_AT - 11] = 9; // no such gso_type
    expect(io.write(device.queues[0]!, FRAME_AT - 12, 54)).toBe(-ERRNO.EINVAL);
  });

  it("configures IPv6, a default route and TUN", () => {
    const device = backend.addDevice(
      specOf(namespace, {
        mode: "tun",
        mac: null,
        addresses: ["10.8.0.1/24", "fd00:8::1/64"],
        gateways: ["10.8.0.254", "fd00:8::ffff"],
      }),
    );
    expect(device.mode).toBe("tun");
    expect(() =>
      backend.addDevice(specOf(namespace, { name: "tp1", gateways: ["192.0.2.1"] })),
    ).toThrow(/tp1 in client: ENETUNREACH \(add default route\)/);
    expect(() => backend.addDevice(specOf(namespace))).toThrow(/tp0 in client: EBUSY/);
  });

  it("leaves as many descriptors as before after 100 devices made and removed", () => {
    const warm = backend.addDevice(specOf(namespace, { queues: 4 }));
    backend.closeQueues(warm);
    const before = readdirSync("/proc/self/fd").length;
    for (let i = 0; i < 100; i++) {
      const device = backend.addDevice(specOf(namespace, { queues: 4 }));
      expect(backend.deleteDevice(device)).toBe(0);
      backend.closeQueues(device);
    }
    expect(readdirSync("/proc/self/fd").length).toBe(before);
    expect(backend.leaks().devices).toBe(0);
  });

  it("close leaves nothing, also of threads that were lost", async () => {
    const lostIo = await openQueueIo(backend.descriptor());
    const lostControl = await openDeviceControl(backend.descriptor());
    lostControl.watch(namespace);
    lostControl.addDevice(specOf(namespace));
    expect(lostIo.stopHandle).toBeGreaterThan(0);
    expect(backend.leaks()).toMatchObject({ namespaces: 1, devices: 1 });
  });

  it("reads the namespace's own protocol counters", () => {
    const stats = backend.networkStats(namespace);
    expect(stats).toEqual({ listenOverflows: 0, listenDrops: 0, retransmittedSegments: 0 });
  });
});
