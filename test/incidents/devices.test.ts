// Incidents of other projects that a data plane over TAP devices can have too: devices that go
// away, links that are down, interrupted calls, errors that fill a disk. One test per incident; the
// name says where it happened. Where a device is needed it is a real one on either backend.
import { afterEach, describe, expect, it } from "vitest";
import { ERRNO } from "../../src/base/errno.js";
import { openBackend, openQueueIo } from "../../src/host/open.js";
import { OFPP } from "../../src/flow/types.js";
import type { DeviceRef, HostBackend, QueueIo } from "../../src/host/types.js";
import { ovsVportDel } from "../../src/path/openvswitch/vport.js";
import { PORT_COUNTER } from "../../src/sync/counters.js";
import { NEEDS_ROOT, needsRoot } from "../host/linux-support.js";
import { BROADCAST, ends, flow, lab, mac, output, udp } from "../pipeline/fixtures.js";
import { Rig, withVnet } from "../worker/rig.js";

const FRAME = withVnet(udp());
const opened: HostBackend[] = [];
afterEach(() => {
  for (const backend of opened.splice(0)) backend.close();
});

interface RealDevice {
  readonly backend: HostBackend;
  readonly io: QueueIo;
  readonly device: DeviceRef;
}

const SPEC = {
  name: "eth0",
  mode: "tap",
  queues: 2,
  vnetHeader: true,
  offloads: true,
  mtu: 1500,
  txQueueLen: 100,
  mac: null,
  addresses: [],
  gateways: [],
  up: true,
} as const;

async function realDevice(kind: "linux" | "memory"): Promise<RealDevice> {
  const backend = await openBackend(kind);
  opened.push(backend);
  const namespace = backend.addNamespace("incident", { named: false });
  const device = backend.addDevice({ ...SPEC, namespace });
  return { backend, device, io: await openQueueIo(backend.descriptor()) };
}

/** A rig whose queue calls go to a real device, counted, and to a script for all other queues. */
function rigOver({ io, device }: RealDevice): { rig: Rig; reads: () => number } {
  const rig = new Rig();
  const scripted = rig.io;
  const read = scripted.read.bind(scripted);
  const wait = scripted.wait.bind(scripted);
  io.usePool(rig.pool);
  let reads = 0;
  scripted.read = (queue, offset, lengthMax) => {
    if (!device.queues.includes(queue)) return read(queue, offset, lengthMax);
    reads++;
    return io.read(queue, offset, lengthMax);
  };
  scripted.wait = (queues, ready) => {
    const real = queues.filter((queue) => device.queues.includes(queue));
    const readable = new Uint8Array(real.length);
    const count = io.wait(real, readable, 0) + wait(queues, ready);
    for (const [i, queue] of real.entries()) ready[queues.indexOf(queue)] = readable[i]!;
    return count;
  };
  return { rig, reads: () => reads };
}

const BACKENDS = [
  ["memory", false],
  ["linux", NEEDS_ROOT],
] as const;

describe.each(BACKENDS)(
  "a device of the %s backend that is deleted under its reader",
  (kind, cannot) => {
    const needs = cannot ? needsRoot : "";

    it.skipIf(cannot)(
      `ends its loop once and quietly (tinc#146, boringtun#125, TrustTunnelClient#90)${needs}`,
      async () => {
        const real = await realDevice(kind);
        const { rig, reads } = rigOver(real);
        rig.plug(1, "veth", real.device.queues);
        let readsAtDeath = 0;
        rig.io.onWait = (scripted) => {
          if (scripted.waits.length === 5) {
            real.backend.deleteDevice(real.device);
            readsAtDeath = reads();
          }
          if (scripted.waits.length === 200) rig.table.requestStop();
        };
        rig.loop.run();
        // Each of the two queues: EFAULT at most once and EBADFD once; then never again.
        expect(reads() - readsAtDeath).toBeLessThanOrEqual(4);
        expect(rig.io.waits.at(-1)).toEqual([]);
        expect(rig.unaccounted(1)).toBe(0);
        real.io.close();
      },
    );

    it.skipIf(cannot)(
      `is polled only once it is attached: a fresh queue is not in error (golang/go#30426)${needs}`,
      async () => {
        const { io, device } = await realDevice(kind);
        io.usePool(new SharedArrayBuffer(1 << 17));
        for (const queue of device.queues) {
          const read = io.read(queue, 0, 70_000);
          expect(read > 0 || read === -ERRNO.EAGAIN).toBe(true);
        }
        io.close();
      },
    );

    it.skipIf(cannot)(
      `that cannot be made leaves no descriptor that could be used (wg/wrk#47)${needs}`,
      async () => {
        const { backend, device, io } = await realDevice(kind);
        const before = backend.leaks();
        expect(() => backend.addDevice({ ...SPEC, namespace: device.namespace })).toThrow(/eth0/);
        expect(backend.leaks()).toEqual(before);
        io.close();
      },
    );
  },
);

describe("reads and writes that fail", () => {
  it("EFAULT at deletion is a deletion, not a fault of ours", () => {
    const rig = new Rig();
    rig.plug(1);
    rig.io.script(100, -ERRNO.EFAULT);
    rig.runUntilWaits(20);
    expect(rig.io.readCalls.get(100)).toBe(1);
  });

  it("EIO on write means the port is down: counted, and the worker goes on (dvb-gse#14)", () => {
    const rig = new Rig();
    rig.plug(1);
    rig.plug(2);
    rig.io.writes.push(...new Array<number>(50).fill(-ERRNO.EIO));
    rig.io.script(100, ...new Array<Uint8Array>(60).fill(FRAME));
    rig.runUntilWaits(1);
    expect(rig.drops(1)).toEqual({ "tx-down": 50 });
    expect(rig.counter(1, PORT_COUNTER.sent)).toBe(10);
  });

  it("EINTR is tried again, and nobody hears of it (TrustTunnelClient#91)", () => {
    const rig = new Rig();
    rig.plug(1);
    rig.plug(2);
    rig.io.script(100, -ERRNO.EINTR, FRAME, -ERRNO.EINTR, FRAME);
    rig.io.writes.push(-ERRNO.EINTR, null, -ERRNO.EINTR, null);
    rig.runUntilWaits(3);
    expect(rig.counter(1, PORT_COUNTER.sent)).toBe(2);
    expect(rig.drops(1)).toEqual({});
  });

  it("EAGAIN ends the drain: one look per wakeup, no spinning (boringtun#127)", () => {
    const rig = new Rig();
    rig.plug(1);
    rig.io.script(100, ...new Array<number>(50).fill(-ERRNO.EAGAIN));
    rig.runUntilWaits(100);
    expect(rig.io.readCalls.get(100)).toBe(50);
  });
});

describe("ports that are gone", () => {
  it("a flow to a deleted port is a counted drop, not a crash (vpp#1866, vpp#1941)", () => {
    const rig = new Rig();
    rig.plug(1);
    rig.plug(2);
    rig.io.script(100, FRAME);
    rig.runUntilWaits(1);
    ovsVportDel(rig.k, 2);
    rig.table.withdraw(2);
    expect(rig.counter(1, PORT_COUNTER.sent)).toBe(1);
    rig.restart();
    rig.io.script(100, FRAME, FRAME);
    rig.runUntilWaits(1);
    expect(rig.drops(1)).toEqual({ "no-vport": 2 });
    expect(rig.io.written.length).toBe(1);
  });

  it("a removed port's MAC addresses are forgotten with it (OVS b44a10b74, vpp#1877)", () => {
    const { ports, send } = lab([flow({}, [output(OFPP.normal)])], [1, 2, 3]);
    send(udp({ from: 2, to: 1, destination: BROADCAST }), 2);
    expect(ends(send(udp({ from: 1, to: 2, destination: mac(2) }), 1))).toEqual([2]);
    ports.remove(2);
    expect(ends(send(udp({ from: 1, to: 2, destination: mac(2) }), 1))).toEqual([3]);
    ports.add(2);
    // Its successor under the same number has not been heard of: flooded, not sent to it alone.
    const after = ends(send(udp({ from: 1, to: 2, destination: mac(2) }), 1));
    expect([...after].sort()).toEqual([2, 3]);
  });
});

describe("queues and workers", () => {
  it("no queue has two readers, and none has none (ZeroTierOne#2609)", () => {
    for (const [queues, workers] of [
      [1, 1],
      [5, 2],
      [8, 4],
      [32, 5],
      [3, 8],
    ] as const) {
      const readers = new Map<number, number>();
      for (let cpu = 0; cpu < workers; cpu++) {
        const rig = new Rig({ queues, workers, cpu });
        rig.plug(1);
        rig.runUntilWaits(1);
        for (const handle of rig.io.waits[0]!) readers.set(handle, (readers.get(handle) ?? 0) + 1);
      }
      expect([...readers.values()]).toEqual(new Array(queues).fill(1));
    }
  });

  it("frames of one queue leave in their order, through one queue (firezone#10231)", () => {
    const rig = new Rig({ queues: 8 });
    rig.plug(1);
    rig.plug(2);
    const numbered = Array.from({ length: 100 }, (_, i) =>
      withVnet(udp({ payload: new Uint8Array([i, 0, 0, 0]) })),
    );
    rig.io.script(105, ...numbered);
    rig.runUntilWaits(1);
    // The first comes back from an upcall and has lost its hint, as in the kernel.
    expect(new Set(rig.io.written.slice(1).map(({ handle }) => handle)).size).toBe(1);
    expect(rig.io.written.map(({ bytes }) => bytes.at(-4))).toEqual(numbered.map((_, i) => i));
  });
});

describe("vnet headers", () => {
  const GSO_TCP4 = 1;
  const tcp = udp({ tcp: true, payload: new Uint8Array(3000) });
  const good = { 0: 1, 1: GSO_TCP4, 2: 54, 4: 1400 & 255, 5: 1400 >> 8, 6: 34, 8: 16 };
  const wrong: [string, Partial<Record<number, number>>][] = [
    ["a segment size of 0", { ...good, 4: 0, 5: 0 }],
    ["a checksum that lies behind the frame", { ...good, 6: 255, 7: 255 }],
    ["a TCP checksum that is not where TCP has it", { ...good, 8: 4 }],
    ["segmentation without a checksum to complete", { ...good, 0: 0 }],
    ["a kind of segmentation that does not exist", { ...good, 1: 9 }],
  ];
  it.each(wrong)("are not believed: %s (wireguard-go, handleVirtioRead)", (_name, vnet) => {
    const rig = new Rig();
    rig.plug(1);
    rig.plug(2);
    rig.io.script(100, withVnet(tcp, vnet));
    rig.runUntilWaits(1);
    expect(rig.drops(1)).toEqual({ "bad-vnet-header": 1 });
  });

  it("a header length covering the whole frame does no harm (wireguard-go, FORWARD path)", () => {
    const rig = new Rig();
    rig.plug(1);
    rig.plug(2);
    const frame = withVnet(tcp, { ...good, 2: tcp.length & 255, 3: tcp.length >> 8 });
    rig.io.script(100, frame);
    rig.runUntilWaits(1);
    expect(rig.io.written[0]!.bytes).toEqual(frame);
  });

  it("a partial checksum stays partial across ports (ovs-issues#273, mininet#653)", () => {
    const rig = new Rig();
    rig.plug(1);
    rig.plug(2);
    const partial = withVnet(udp({ transportChecksum: "partial" }), { 0: 1, 6: 34, 8: 6 });
    rig.io.script(100, partial);
    rig.runUntilWaits(1);
    expect(rig.io.written[0]!.bytes).toEqual(partial);
  });
});
