// The HTTP load on the kernel's own devices: thousands truly in flight, every request accounted
// for, and an end whatever happens to the device or the server.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { eventually } from "../../src/base/eventually.js";
import { openLoads } from "../../src/load/start.js";
import { LOAD_COUNTER, type Loads } from "../../src/load/types.js";
import { failures, httpSpec } from "./specs.js";
import {
  cannot,
  LINUX,
  makeTwoHosts,
  needs,
  SERVER_ADDRESS_V6,
  type TwoHosts,
} from "./two-hosts.js";

describe.skipIf(cannot)(`an HTTP load in real namespaces${needs}`, () => {
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

  it("holds 3000 requests in flight at once over a veth, then answers all of them", async () => {
    const spec = httpSpec(hosts, { requests: 3000, holdUntilInFlight: 3000, timeoutMs: 300_000 });
    const handle = loads.startHttp({ ...spec, bodyBytes: 1000 });
    const result = await handle.done;
    expect(result).toMatchObject({
      sent: 3000,
      ok: 3000,
      failed: {},
      maxInFlight: 3000,
      maxHeld: 3000,
    });
    expect(handle.counters[LOAD_COUNTER.ok]).toBe(3000);
    expect(handle.counters[LOAD_COUNTER.inFlight]).toBe(0);
    expect(handle.counters[LOAD_COUNTER.released]).toBe(1);
    const counted = result.histogram.reduce((sum, bucket) => sum + bucket.count, 0);
    expect(counted).toBe(3000);
    expect(hosts.serverCounter("ListenOverflows")).toBe(0);
  });

  it("holds 3000 requests in flight in one namespace, over its loopback", async () => {
    const spec = httpSpec(hosts, { requests: 3000, holdUntilInFlight: 3000, timeoutMs: 300_000 });
    const lo = { ...spec, client: hosts.server, serverAddress: "127.0.0.1" };
    expect(await loads.startHttp(lo).done).toMatchObject({
      ok: 3000,
      maxInFlight: 3000,
      maxHeld: 3000,
    });
  });

  it("holds 500 with the server in a process of its own, and ends when stopped", async () => {
    const most = { requests: 500, holdUntilInFlight: 500 };
    const apart = { ...httpSpec(hosts, most), serverApart: true };
    const result = await loads.startHttp(apart).done;
    expect(result).toMatchObject({ sent: 500, ok: 500, failed: {}, maxInFlight: 500 });
    const stopped = loads.startHttp({ ...apart, holdUntilInFlight: 0, requests: 0, intervalMs: 5 });
    stopped.stop();
    expect((await stopped.done).failed).toEqual({});
  });

  it("keeps to the concurrency that it was given", async () => {
    const spec = httpSpec(hosts, { requests: 500, concurrency: 7, holdUntilInFlight: 7 });
    const result = await loads.startHttp(spec).done;
    expect(result).toMatchObject({ sent: 500, ok: 500, failed: {}, maxInFlight: 7 });
  });

  it("answers bodies longer than a socket buffer, byte for byte, also over IPv6", async () => {
    const spec = httpSpec(hosts, { requests: 20, bodyBytes: 1_000_000 });
    const result = await loads.startHttp({ ...spec, serverAddress: SERVER_ADDRESS_V6 }).done;
    expect(result).toMatchObject({ sent: 20, ok: 20, failed: {} });
  });

  it("of a bystander runs at its pace until stopped; nothing of it fails by the stop", async () => {
    const spec = httpSpec(hosts, { requests: 0, intervalMs: 5 });
    const handle = loads.startHttp(spec);
    await eventually("30 answers", () => handle.counters[LOAD_COUNTER.ok]! >= 30, {
      timeoutMs: 60_000,
    });
    handle.stop();
    const result = await handle.done;
    expect(result.ok).toBe(result.sent);
    expect(result.failed).toEqual({});
    // Open loop: one start per 5 ms of the run, but for slots that lapsed on a busy machine.
    expect(result.sent).toBeLessThanOrEqual(result.seconds * 200 + 20);
  });

  it("releases what it holds when it is stopped before the hold was reached", async () => {
    const spec = httpSpec(hosts, { requests: 1000, holdUntilInFlight: 1000, intervalMs: 10 });
    const handle = loads.startHttp(spec);
    await eventually("some held", () => handle.counters[LOAD_COUNTER.inFlight]! >= 5, {
      timeoutMs: 60_000,
    });
    expect(handle.counters[LOAD_COUNTER.released]).toBe(0);
    handle.stop();
    const result = await handle.done;
    expect(result.sent).toBeLessThan(1000);
    expect(result).toMatchObject({ ok: result.sent, failed: {} });
  });

  it("names what fails when the device vanishes in mid-run, and ends by its timeouts", async () => {
    const paced = { requests: 400, holdUntilInFlight: 400, intervalMs: 6, timeoutMs: 2400 };
    const handle = loads.startHttp(httpSpec(hosts, paced));
    await eventually("50 held", () => handle.counters[LOAD_COUNTER.inFlight]! >= 50, {
      timeoutMs: 60_000,
    });
    hosts.clientIp("link", "del", "eth0");
    const result = await handle.done;
    expect(result.sent).toBe(400);
    expect(result.ok + failures(result)).toBe(400);
    expect(result.failed["response ETIMEDOUT"]).toBeGreaterThanOrEqual(50);
    expect(result.failed["connect ENETUNREACH"]).toBeGreaterThan(0);
    expect(result.maxHeld).toBeLessThan(400);
  });

  it("counts a connection that gets no answer as a connect that timed out", async () => {
    const spec = httpSpec(hosts, { requests: 5, timeoutMs: 500, serverAddress: "10.55.0.99" });
    const result = await loads.startHttp(spec).done;
    expect(result.failed).toEqual({ "connect ETIMEDOUT": 5 });
  });

  it("says what it reached when stopped while nothing answers, before its deadlines", async () => {
    const spec = httpSpec(hosts, { requests: 50, timeoutMs: 500_000, serverAddress: "10.55.0.99" });
    const handle = loads.startHttp(spec);
    await eventually("all begun", () => handle.counters[LOAD_COUNTER.sent] === 50, {
      timeoutMs: 60_000,
    });
    handle.stop();
    const result = await handle.done;
    expect(result).toMatchObject({ sent: 50, ok: 0, failed: { "connect ECANCELED": 50 } });
  });

  it("is refused when its port is taken, by address and errno", async () => {
    const first = loads.startHttp(httpSpec(hosts, { requests: 0, intervalMs: 10 }));
    await eventually("the first to run", () => first.counters[LOAD_COUNTER.ok]! > 0, {
      timeoutMs: 60_000,
    });
    await expect(loads.startHttp(httpSpec(hosts, {})).done).rejects.toMatchObject({
      code: "SYSTEM_CALL",
      message: "the HTTP server cannot listen on 0.0.0.0 port 8080: EADDRINUSE",
    });
    const apart = { ...httpSpec(hosts, {}), serverApart: true };
    await expect(loads.startHttp(apart).done).rejects.toThrow(/ port 8080: EADDRINUSE$/);
  });

  it("is refused when the namespace has too few ports, or too short an accept queue", async () => {
    hosts.sysctl(hosts.client, "net.ipv4.ip_local_port_range", "40000 40009");
    const eleven = httpSpec(hosts, { requests: 11 });
    await expect(loads.startHttp(eleven).done).rejects.toMatchObject({
      code: "ENVIRONMENT",
      message: expect.stringContaining("net.ipv4.ip_local_port_range has 10"),
    });
    hosts.sysctl(hosts.server, "net.core.somaxconn", "16");
    const held = httpSpec(hosts, { requests: 17, holdUntilInFlight: 17 });
    await expect(loads.startHttp(held).done).rejects.toMatchObject({
      code: "ENVIRONMENT",
      message: expect.stringContaining("net.core.somaxconn is 16"),
    });
  });
});
