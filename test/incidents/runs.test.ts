// Incidents that only a whole run can have: faults that did nothing, faults that never heal, the
// storm after an outsider's deletion, threads that have to be killed. In memory, hence everywhere;
// the last one also on real devices.
import { describe, expect, it } from "vitest";
import type { RunRecord } from "../../src/report/types.js";
import { parseScenario } from "../../src/scenario/parse.js";
import { runScenario } from "../../src/scenario/run.js";
import { NEEDS_ROOT, needsRoot } from "../host/linux-support.js";

const TOPOLOGY = `name: incident
guard: running-carrier
expect: { default: SAFE }
workers: 2
defaults: { queues: 2 }
namespaces: [client, server, idle]
ports:
  - { name: client, namespace: client, addresses: [10.0.0.1/24] }
  - { name: server, namespace: server, addresses: [10.0.0.2/24] }
  - { name: idle, namespace: idle, addresses: [10.0.0.3/24] }
settleMs: 50
`;
const FLOOD = "load: { flood: [{ from: client, to: server, flows: 8, ratePerSecond: 3000 }] }\n";
const HTTP =
  "load: { http: { from: client, to: server, requests: 60, concurrency: 5, timeoutMs: 9000 } }\n";

function run(text: string, backend: "memory" | "linux" = "memory"): Promise<RunRecord> {
  const scenario = parseScenario(TOPOLOGY + text, "incident.yaml", { set: [] });
  return runScenario(scenario, {
    guard: scenario.guard,
    guardModule: null,
    backend,
    seed: 1,
    outFolder: null,
    command: "",
    signal: new AbortController().signal,
    onProgress: () => undefined,
  });
}

describe("an outsider's deletion", () => {
  it("is one event, not a storm of errors (wireguard-go 99e8b4b)", async () => {
    const fault =
      "faults: [{ kind: outsider-link-delete, target: server, at: { framesSeen: 50 } }]";
    const { report, events } = await run(`${FLOOD}${fault}\ndurationMs: 1500\n`);
    expect(`${report.verdict}: ${report.why}`).toMatch(/^SAFE/);
    const told = events.filter(({ what }) => what === "RTM_DELLINK by an outsider");
    expect(told.map(({ device }) => device)).toEqual(["server"]);
    // A thousand datagrams later there is still one unregistration and nothing repeats itself.
    expect(events.filter(({ what }) => what === "U1 dismantle").length).toBeLessThanOrEqual(2);
    expect(events.length).toBeLessThan(500);
    expect(report.frames.balanced).toBe(true);
  });
});

describe("a fault", () => {
  it("that did nothing is reported as such (chaos-mesh#4152, pumba#221)", async () => {
    const fault = "faults: [{ kind: link-down, target: idle, at: { framesSeen: 50 } }]\n";
    const { report } = await run(FLOOD + fault);
    expect(`${report.verdict}: ${report.why}`).toBe(
      "INVALID: the fault link-down idle touched no frame",
    );
    expect(report.faults[0]).toMatchObject({ times: 1, framesTouched: 0 });
  });

  it("that never struck is reported as such (chaos-mesh#1885)", async () => {
    const fault = "faults: [{ kind: link-down, target: server, at: { framesSeen: 90000000 } }]\n";
    const { report } = await run(FLOOD + fault);
    expect(report.verdict).toBe("INVALID");
    expect(report.why).toContain("never struck");
    expect(report.faults[0]!.firedAtMs).toBeNull();
  });

  it("heals at the end of its lease, and what waited gets through (chaos-mesh#310)", async () => {
    const lease = "at: { requestsSent: 10 }, leaseMs: 300";
    const fault = `faults: [{ kind: link-down, target: server, ${lease} }]\n`;
    const { report } = await run(HTTP + fault);
    expect(`${report.verdict}: ${report.why}`).toMatch(/^SAFE/);
    expect(report.requests.ok).toBe(60);
    expect(report.faults[0]!.framesTouched).toBeGreaterThan(0);
  });

  it("that repeats is undone in between, each time", async () => {
    const repeat = "at: { framesSeen: 50 }, repeat: { times: 3, everyMs: 200 }";
    const fault = `faults: [{ kind: del-port, target: server, ${repeat} }]\n`;
    const { report, events } = await run(FLOOD + fault);
    expect(`${report.verdict}: ${report.why}`).toMatch(/^SAFE/);
    expect(report.faults[0]!.times).toBe(3);
    const what = events.filter(({ device }) => device === "server").map((event) => event.what);
    expect(what.filter((text) => text === "X ovs_dp_detach_port")).toHaveLength(3);
    expect(what.filter((text) => text === "ovs_vport_add")).toHaveLength(3);
  });
});

describe("the end of a run under flood", () => {
  const FLAT_OUT = FLOOD.replace("3000", "20000");

  async function goodbyes(backend: "memory" | "linux"): Promise<void> {
    const { report } = await run(`${FLAT_OUT}durationMs: 500\n`, backend);
    expect(`${report.verdict}: ${report.why}`).toMatch(/^SAFE/);
    // A worker that had to be terminated leaves its frame under "stopped".
    expect(report.frames.drops).not.toHaveProperty("stopped");
    expect(report.leaks.workers).toBe(0);
    expect(report.frames.in).toBeGreaterThan(100);
  }

  it("in memory needs no terminate(): every worker says goodbye", () => goodbyes("memory"));

  it.skipIf(NEEDS_ROOT)(
    `on real devices neither, not even out of a system call (deno#35657)${needsRoot}`,
    () => goodbyes("linux"),
  );
});
