// Loads come and go all day in one process: none may leave a thread or a descriptor behind.
import { readdirSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually } from "../../src/base/eventually.js";
import { openLoads } from "../../src/load/start.js";
import { LOAD_COUNTER, type Loads } from "../../src/load/types.js";
import { httpSpec } from "./specs.js";
import { cannot, LINUX, makeTwoHosts, needs, SERVER_ADDRESS, type TwoHosts } from "./two-hosts.js";

const CYCLES = 20;

describe.skipIf(cannot)(`loads that come and go${needs}`, () => {
  let hosts: TwoHosts;

  beforeAll(() => {
    hosts = makeTwoHosts();
  });
  afterAll(() => hosts.remove());

  /** One of each; the flood is left for `close` to stop. */
  async function cycle(loads: Loads): Promise<void> {
    const { client, server } = hosts;
    const target = { client, targetAddress: SERVER_ADDRESS };
    const flow = { targetPort: 9999, flows: 8, payloadBytes: 10, ratePerSecond: 1000 };
    const flood = loads.startFlood({ ...target, ...flow, receiver: server });
    const http = loads.startHttp(httpSpec(hosts, { requests: 20, holdUntilInFlight: 20 })).done;
    const ping = loads.startPing({ ...target, count: 3, intervalMs: 1, timeoutMs: 60_000 }).done;
    expect(await http).toMatchObject({ ok: 20 });
    expect(await ping).toMatchObject({ received: 3 });
    const { counters } = flood;
    await eventually("a datagram", () => counters[LOAD_COUNTER.datagramsReceived]! > 0, {
      timeoutMs: 60_000,
    });
  }

  it(`leave as many threads and descriptors after ${CYCLES} cycles as after one`, async () => {
    const count = (what: string): number => readdirSync(`/proc/self/${what}`).length;
    let before = { threads: 0, descriptors: 0 };
    for (let i = 0; i <= CYCLES; i++) {
      const loads = await openLoads(LINUX, []);
      await cycle(loads);
      await loads.close();
      // The first cycle also starts what the process keeps: its thread pool, its loader.
      if (i === 0) before = { threads: count("task"), descriptors: count("fd") };
    }
    await eventually("threads to end", () => count("task") <= before.threads, {
      timeoutMs: 60_000,
    });
    await eventually("descriptors to close", () => count("fd") <= before.descriptors, {
      timeoutMs: 60_000,
    });
  });
});
