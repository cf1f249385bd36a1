// UDP flood and ping on the kernel's own devices. Rates are printed, not asserted: what must hold
// on a busy machine too is that every datagram is counted, and that both end when asked.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { eventually } from "../../src/base/eventually.js";
import { openLoads } from "../../src/load/start.js";
import { LOAD_COUNTER, type Loads, type UdpFloodSpec } from "../../src/load/types.js";
import {
  cannot,
  LINUX,
  makeTwoHosts,
  needs,
  SERVER_ADDRESS,
  SERVER_ADDRESS_V6,
  type TwoHosts,
} from "./two-hosts.js";

const WAIT = { timeoutMs: 60_000 };

describe.skipIf(cannot)(`datagrams in real namespaces${needs}`, () => {
  let hosts: TwoHosts;
  let loads: Loads;

  beforeEach(async () => {
    hosts = makeTwoHosts();
    loads = await openLoads(LINUX, []);
  });

  afterEach(async () => {
    await loads.close();
    hosts.remove();
  });

  function floodSpec(more: Partial<UdpFloodSpec>): UdpFloodSpec {
    return {
      client: hosts.client,
      targetAddress: SERVER_ADDRESS,
      targetPort: 9999,
      flows: 16,
      payloadBytes: 64,
      ratePerSecond: 20_000,
      receiver: hosts.server,
      ...more,
    };
  }

  it("of a paced flood arrive all, from the first one on", async () => {
    for (const targetAddress of [SERVER_ADDRESS, SERVER_ADDRESS_V6]) {
      const handle = loads.startFlood(floodSpec({ targetAddress }));
      const { counters } = handle;
      await eventually("5000 sent", () => counters[LOAD_COUNTER.datagramsSent]! >= 5000, WAIT);
      handle.stop();
      const result = await handle.done;
      expect(result.sent).toBeGreaterThanOrEqual(5000);
      expect(result.received).toBe(result.sent);
      expect(result.errors).toEqual({});
      const rate = Math.round(result.sent / result.seconds);
      process.stderr.write(`flood: 20000/s asked, ${rate}/s sent to ${targetAddress}\n`);
    }
  });

  it("of a flood are not poured out while the kernel still asks for the neighbor", async () => {
    hosts.serverIp("link", "set", "eth0", "arp", "off");
    const handle = loads.startFlood(floodSpec({}));
    const asks = (): boolean => hosts.clientIp("neigh").includes("INCOMPLETE");
    await eventually("the kernel to ask", asks, WAIT);
    hosts.serverIp("link", "set", "eth0", "arp", "on");
    const { counters } = handle;
    await eventually("2000 sent", () => counters[LOAD_COUNTER.datagramsSent]! >= 2000, WAIT);
    handle.stop();
    const result = await handle.done;
    expect(result.received).toBe(result.sent);
  });

  it("of an unpaced flood are all counted, and it ends when it is stopped", async () => {
    const handle = loads.startFlood(floodSpec({ ratePerSecond: 0, flows: 64, payloadBytes: 0 }));
    const { counters } = handle;
    await eventually("20000 sent", () => counters[LOAD_COUNTER.datagramsSent]! >= 20_000, WAIT);
    handle.stop();
    const result = await handle.done;
    // A veth under an unpaced sender may drop at its backlog, but never invent.
    expect(result.received).toBeLessThanOrEqual(result.sent);
    expect(result.received).toBeGreaterThan(0);
    const rate = Math.round(result.sent / result.seconds);
    process.stderr.write(`flood: ${rate}/s sent unpaced, ${result.received} of ${result.sent}\n`);
  });

  it("are refused by name when the device vanishes; the flood neither hangs nor ends", async () => {
    const handle = loads.startFlood(floodSpec({}));
    const { counters } = handle;
    await eventually("100 sent", () => counters[LOAD_COUNTER.datagramsSent]! >= 100, WAIT);
    hosts.clientIp("link", "del", "eth0");
    const refused = loads.startFlood(floodSpec({ targetPort: 9998 }));
    await eventually("a datagram count that stands still", () => standsStill(counters), WAIT);
    handle.stop();
    refused.stop();
    expect((await handle.done).errors["ENETUNREACH"]).toBeGreaterThan(0);
    const none = await refused.done;
    expect(none.sent).toBe(0);
  });

  it("use as many source ports as there are flows", async () => {
    const handle = loads.startFlood(floodSpec({ flows: 40 }));
    const { counters } = handle;
    await eventually("1000 sent", () => counters[LOAD_COUNTER.datagramsSent]! >= 1000, WAIT);
    expect(hosts.clientUdpPorts()).toBe(40);
    handle.stop();
    await handle.done;
  });

  it("are not sent at all when the flood asks for the impossible", async () => {
    const flows = loads.startFlood(floodSpec({ flows: 5000 })).done;
    await expect(flows).rejects.toMatchObject({ code: "USAGE", message: /1 to 4096 flows/ });
    const payload = loads.startFlood(floodSpec({ payloadBytes: 65_508 })).done;
    await expect(payload).rejects.toMatchObject({ code: "USAGE", message: /0 to 65507 bytes/ });
  });

  it("of a ping come back, each once, with a latency, over IPv4 and IPv6", async () => {
    for (const targetAddress of [SERVER_ADDRESS, SERVER_ADDRESS_V6]) {
      const spec = { client: hosts.client, targetAddress, count: 20, intervalMs: 2 };
      const result = await loads.startPing({ ...spec, timeoutMs: 60_000 }).done;
      expect(result).toMatchObject({ sent: 20, received: 20, errors: {} });
      expect(result.latencyMs!.p50).toBeGreaterThan(0);
      expect(result.latencyMs!.max).toBeGreaterThanOrEqual(result.latencyMs!.p50);
    }
  });

  it("of one ping are not taken for the replies that another waits for", async () => {
    const spec = { client: hosts.client, count: 50, intervalMs: 1, timeoutMs: 3000 };
    const both = [SERVER_ADDRESS, "10.55.0.99"].map(
      (targetAddress) => loads.startPing({ ...spec, targetAddress }).done,
    );
    const results = await Promise.all(both);
    expect(results.map((result) => result.received)).toEqual([50, 0]);
  });

  it("of a ping to nobody time out, and to nowhere are refused, by name", async () => {
    const spec = { client: hosts.client, count: 3, intervalMs: 1, timeoutMs: 300 };
    const nobody = await loads.startPing({ ...spec, targetAddress: "10.55.0.99" }).done;
    expect(nobody).toMatchObject({ sent: 3, received: 0, errors: { ETIMEDOUT: 3 } });
    expect(nobody.latencyMs).toBeNull();
    const nowhere = await loads.startPing({ ...spec, targetAddress: "10.99.0.1" }).done;
    expect(nowhere).toMatchObject({ sent: 0, received: 0, errors: { ENETUNREACH: 3 } });
  });

  it("of an endless ping go on until it is stopped; what is open then has timed out", async () => {
    const spec = { client: hosts.client, targetAddress: SERVER_ADDRESS, count: 0, intervalMs: 2 };
    const handle = loads.startPing({ ...spec, timeoutMs: 60_000 });
    const { counters } = handle;
    await eventually("20 back", () => counters[LOAD_COUNTER.datagramsReceived]! >= 20, WAIT);
    handle.stop();
    const result = await handle.done;
    expect(result.sent).toBe(result.received + (result.errors["ETIMEDOUT"] ?? 0));
  });
});

/** Two looks, a few milliseconds of `eventually` apart, that see the same number. */
let lastSeen = -1;
function standsStill(counters: Int32Array): boolean {
  const seen = counters[LOAD_COUNTER.datagramsSent]!;
  const isSame = seen === lastSeen;
  lastSeen = seen;
  return isSame;
}
