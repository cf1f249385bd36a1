// The HTTP load on the memory backend: held requests, loss, devices that come and go, and the
// names of failures. Two namespaces, two stack threads, and a wire pumped by the test's thread.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openMemoryHosts, type MemoryHosts } from "../../src/load/memory/hosts.js";
import { LOAD_COUNTER, type HttpLoadSpec } from "../../src/load/types.js";
import { eventually } from "../../src/base/eventually.js";
import { addEnd, openWire, SERVER_IP, type Wire, type WireOptions } from "./memory-lab.js";

let wire: Wire;
let hosts: MemoryHosts;

async function open(options: WireOptions = {}): Promise<void> {
  wire = openWire(options);
  hosts = await openMemoryHosts(wire.backend.descriptor(), wire.namespaces);
}

function spec(more: Partial<HttpLoadSpec> = {}): HttpLoadSpec {
  return {
    client: wire.client,
    server: wire.server,
    serverAddress: SERVER_IP,
    serverPort: 8080,
    requests: 100,
    holdUntilInFlight: 0,
    concurrency: 0,
    timeoutMs: 100_000,
    bodyBytes: 300,
    ...more,
  };
}

beforeEach(() => open());

afterEach(async () => {
  await hosts.close();
  wire.close();
});

describe("http over memory", () => {
  it("answers every request, each compared byte for byte", async () => {
    const result = await hosts.startHttp(spec()).done;
    expect(result).toMatchObject({ sent: 100, ok: 100, failed: {} });
    expect(result.histogram.reduce((sum, bucket) => sum + bucket.count, 0)).toBe(100);
  });

  it("3000 requests are in flight at once, and all succeed", async () => {
    const load = hosts.startHttp(spec({ requests: 3000, holdUntilInFlight: 3000 }));
    const result = await load.done;
    expect(result).toMatchObject({
      sent: 3000,
      ok: 3000,
      failed: {},
      maxInFlight: 3000,
      maxHeld: 3000,
    });
    expect(load.counters[LOAD_COUNTER.released]).toBe(1);
    expect(load.counters[LOAD_COUNTER.inFlight]).toBe(0);
    expect(wire.backend.networkStats(wire.server).listenOverflows).toBe(0);
  });

  it("nothing is answered before the last held request has arrived", async () => {
    const load = hosts.startHttp(spec({ requests: 50, holdUntilInFlight: 51, timeoutMs: 500_000 }));
    await eventually("50 requests in flight", () => load.counters[LOAD_COUNTER.inFlight] === 50, {
      timeoutMs: 60_000,
    });
    expect(load.counters[LOAD_COUNTER.ok]).toBe(0);
    load.stop();
    expect(await load.done).toMatchObject({ sent: 50, ok: 50 });
  });

  it("every 13th frame lost: all requests succeed; retransmissions are counted", async () => {
    wire.isLost = (frame) => frame > 10 && frame % 13 === 0;
    const result = await hosts.startHttp(
      spec({ requests: 100, bodyBytes: 20_000, timeoutMs: 500_000 }),
    ).done;
    expect(result).toMatchObject({ sent: 100, ok: 100, failed: {} });
    expect(wire.lost).toBeGreaterThan(100);
    const { server } = wire;
    expect(wire.backend.networkStats(server).retransmittedSegments).toBeGreaterThan(50);
  });

  it("a damaged answer does not reach the client: the TCP checksum refuses it", async () => {
    let damaged = 0;
    wire.onFrame = (bytes, offset, length) => {
      if (length < 600 || damaged >= 5) return;
      damaged++;
      bytes[offset + length - 7]! ^= 0x10;
    };
    const result = await hosts.startHttp(spec({ requests: 20, bodyBytes: 1000 })).done;
    expect(damaged).toBe(5);
    expect(result).toMatchObject({ ok: 20, failed: {} });
  });

  it("a port without a server: connect ECONNREFUSED", async () => {
    const first = hosts.startHttp(spec({ requests: 1 }));
    await first.done;
    const lone = { ...spec({ requests: 3, serverPort: 9999 }), server: wire.client };
    expect((await hosts.startHttp(lone).done).failed).toEqual({ "connect ECONNREFUSED": 3 });
  });

  it("two servers on one port: the second load is refused with EADDRINUSE", async () => {
    const first = hosts.startHttp(spec({ requests: 1, holdUntilInFlight: 2, timeoutMs: 500_000 }));
    await eventually("in flight", () => first.counters[LOAD_COUNTER.inFlight] === 1, {
      timeoutMs: 60_000,
    });
    await expect(hosts.startHttp(spec()).done).rejects.toThrow(/EADDRINUSE/);
    first.stop();
    await first.done;
  });

  it("the device goes mid-run: requests fail by their deadlines, and by name", async () => {
    const load = hosts.startHttp(spec({ requests: 200, holdUntilInFlight: 201, timeoutMs: 4000 }));
    await eventually("200 in flight", () => load.counters[LOAD_COUNTER.inFlight] === 200, {
      timeoutMs: 60_000,
    });
    wire.backend.deleteDevice(wire.devices[1]!);
    const result = await load.done;
    expect(result).toMatchObject({ sent: 200, ok: 0, failed: { "response ETIMEDOUT": 200 } });
    const after = await hosts.startHttp(spec({ requests: 2, timeoutMs: 500 })).done;
    expect(after.failed).toEqual({ "connect ETIMEDOUT": 2 });
  });

  it("the client's own device is down: connect ENETUNREACH", async () => {
    wire.backend.setUp(wire.devices[0]!, false);
    await eventually(
      "no route",
      async () => {
        const result = await hosts.startHttp(spec({ requests: 1, timeoutMs: 300 })).done;
        return result.failed["connect ENETUNREACH"] === 1;
      },
      { timeoutMs: 60_000 },
    );
  });

  it("a server that is not there: connect EHOSTUNREACH after three requests for it", async () => {
    const load = spec({ requests: 2, serverAddress: "10.0.0.77", timeoutMs: 200_000 });
    expect((await hosts.startHttp(load).done).failed).toEqual({ "connect EHOSTUNREACH": 2 });
  });

  it("a device that is re-plugged carries requests again", async () => {
    wire.backend.deleteDevice(wire.devices[1]!);
    wire.backend.closeQueues(wire.devices[1]!);
    const again = addEnd(wire.backend, wire.server, 2, {});
    wire.devices[1] = again;
    hosts.devicesChanged(wire.server, [{ device: again, addresses: [`${SERVER_IP}/24`] }]);
    expect(await hosts.startHttp(spec({ requests: 30 })).done).toMatchObject({ ok: 30 });
  });

  it("an open loop until stopped: steady starts, all answered", async () => {
    const load = hosts.startHttp(spec({ requests: 0, intervalMs: 5 }));
    await eventually("40 answers", () => load.counters[LOAD_COUNTER.ok]! >= 40, {
      timeoutMs: 60_000,
    });
    load.stop();
    const result = await load.done;
    expect(result.ok).toBe(result.sent);
    expect(result.sent / result.seconds).toBeLessThan(300);
  });

  it("stop() ends a load whose answers never come, long before its deadlines", async () => {
    wire.isLost = () => true;
    const load = hosts.startHttp(spec({ requests: 10, timeoutMs: 500_000 }));
    await eventually("started", () => load.counters[LOAD_COUNTER.sent]! === 10, {
      timeoutMs: 60_000,
    });
    load.stop();
    const result = await load.done;
    expect(result).toMatchObject({ sent: 10, ok: 0, failed: { "connect ECANCELED": 10 } });
  });

  it("`concurrency` is a limit", async () => {
    const load = hosts.startHttp(spec({ requests: 60, concurrency: 7, holdUntilInFlight: 7 }));
    expect(await load.done).toMatchObject({ ok: 60, maxInFlight: 7 });
  });
});
