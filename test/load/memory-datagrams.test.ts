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
      timeoutMs: 60_000,
    });
    flood.stop();
    const result = await flood.done;
    expect(result.errors).toEqual({});
    expect(result.received).toBe(result.sent);
    expect(result.sent / result.seconds).toBeLessThan(30_000);
  });

  it("a flood from a device that is down is told ENETUNREACH and sends nothing", async () => {
    wire.backend.setUp(wire.devices[0]!, false);
    const spec = {
      client: wire.client,
      targetAddress: SERVER_IP,
      targetPort: 9,
      flows: 4,
      payloadBytes: 10,
      ratePerSecond: 1000,
    };
    // Nothing to look at until it ends: the stack first gives its neighbor a second.
    const ping = { ...spec, count: 100, intervalMs: 20, timeoutMs: 100 };
    const flood = hosts.startFlood(spec);
    const meanwhile = await hosts.startPing(ping).done;
    expect(meanwhile.errors.ENETUNREACH).toBeGreaterThan(50);
    flood.stop();
    const result = await flood.done;
    expect(result.errors.ENETUNREACH).toBeGreaterThan(50);
    expect(result).toMatchObject({ sent: 0, received: 0 });
  });

  it("ping: every echo request is answered, with a round-trip time", async () => {
    const ping = hosts.startPing({
      client: wire.client,
      targetAddress: SERVER_IP,
      count: 20,
      intervalMs: 5,
      timeoutMs: 20_000,
    });
    const result = await ping.done;
    expect(result).toMatchObject({ sent: 20, received: 20, errors: {} });
    expect(result.latencyMs!.max).toBeGreaterThan(0);
  });

  it("ping over a wire that loses everything after a while: the rest is ETIMEDOUT", async () => {
    const ping = hosts.startPing({
      client: wire.client,
      targetAddress: SERVER_IP,
      count: 60,
      intervalMs: 5,
      timeoutMs: 2000,
    });
    wire.isLost = () => ping.counters[LOAD_COUNTER.datagramsReceived]! >= 5;
    const result = await ping.done;
    expect(result.sent).toBe(60);
    expect(result.received).toBeGreaterThanOrEqual(5);
    expect(result.received).toBeLessThan(60);
    expect(result.errors).toEqual({ ETIMEDOUT: 60 - result.received });
  });
});
