// UDP flood and ping over the memory backend.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { eventually } from "../../src/base/eventually.js";
import { openMemoryHosts, type MemoryHosts } from "../../src/load/memory/hosts.js";
import { LOAD_COUNTER } from "../../src/load/types.js";
import { openWire, SERVER_IP, type Wire } from "./memory-lab.js";

let wire: Wire;
let hosts: MemoryHosts;

beforeEach(async () => {
  wire = openWire({ queues: 8 });
  hosts = await openMemoryHosts(wire.backend.descriptor(), wire.namespaces);
});

afterEach(async () => {
  await hosts.close();
  wire.close();
});

describe("datagrams over memory", () => {
  it("a flood arrives whole, over all queues", async () => {
    const flood = hosts.startFlood({
      client: wire.client,
      targetAddress: SERVER_IP,
      targetPort: 9,
      flows: 64,
      payloadBytes: 100,
      ratePerSecond: 20_000,
      receiver: wire.server,
    });
    await eventually("4000 sent", () => flood.counters[LOAD_COUNTER.datagramsSent]! >= 4000, {
      timeoutMs: 5000,
    });
    flood.stop();
    const result = await flood.done;
    expect(result.errors).toEqual({});
    expect(result.received).toBe(result.sent);
    expect(result.sent / result.seconds).toBeLessThan(30_000);
  });

  it("a flood against a device that is down is told so, and counts it", async () => {
    wire.backend.setUp(wire.devices[0]!, false);
    const flood = hosts.startFlood({
      client: wire.client,
      targetAddress: SERVER_IP,
      targetPort: 9,
      flows: 4,
      payloadBytes: 10,
      ratePerSecond: 1000,
    });
    await eventually("an end", () => wire.backend.linkStats(wire.devices[0]!)!.txPackets >= 0, {
      timeoutMs: 100,
    });
    await new Promise((resolve) => setImmediate(resolve));
    await eventually("time", () => flood.counters[LOAD_COUNTER.stop] === 0, { timeoutMs: 100 });
    flood.stop();
    expect((await flood.done).received).toBe(0);
  });

  it("ping: every echo request is answered, with a round-trip time", async () => {
    const ping = hosts.startPing({
      client: wire.client,
      targetAddress: SERVER_IP,
      count: 20,
      intervalMs: 5,
      timeoutMs: 1000,
    });
    const result = await ping.done;
    expect(result).toMatchObject({ sent: 20, received: 20, errors: {} });
    expect(result.latencyMs!.max).toBeGreaterThan(0);
  });

  it("ping over a wire that loses everything after a while: the rest is ETIMEDOUT", async () => {
    wire.isLost = (frame) => frame >= 12;
    const ping = hosts.startPing({
      client: wire.client,
      targetAddress: SERVER_IP,
      count: 20,
      intervalMs: 2,
      timeoutMs: 200,
    });
    const result = await ping.done;
    expect(result.sent).toBe(20);
    expect(result.received).toBeGreaterThan(0);
    expect(result.received).toBeLessThan(20);
    expect(result.errors).toEqual({ ETIMEDOUT: 20 - result.received });
  });
});
