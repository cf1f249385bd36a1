// Goal: the files of a run folder hold what scripts and other tools rely on.
// Method: write the sample runs and read them back; the field names are spelled out here.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { RUN_FILES, writeRunFolder } from "../../src/report/folder.js";
import { eventsJsonl, reportJson } from "../../src/report/json.js";
import { githubAnnotations, junitXml, type CaseResult } from "../../src/report/junit.js";
import { perfettoJson } from "../../src/report/perfetto.js";
import { windowStories } from "../../src/report/story.js";
import { traceLine, traceText } from "../../src/report/trace-lines.js";
import type { RunEvent } from "../../src/report/types.js";
import { emptyRun, hostileRun, lockupRun } from "./samples.js";

const folder = mkdtempSync(join(tmpdir(), "packetpath-report-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function event(what: string, more: Partial<RunEvent> = {}): RunEvent {
  return { atMs: 1, thread: "rxq2", cpu: 2, what, device: "server", fields: {}, ...more };
}

describe("run folder", () => {
  it("has every file, and report.json is the object of run --json", () => {
    const run = lockupRun();
    const paths = writeRunFolder(join(folder, "a", "b"), run);
    expect(readdirSync(join(folder, "a", "b")).sort()).toEqual([...RUN_FILES].sort());
    expect(readFileSync(paths["report.json"], "utf8")).toBe(reportJson(run));
    const environment = JSON.parse(readFileSync(paths["environment.json"], "utf8"));
    expect(environment).toMatchObject({ node: "v20.20.2", warnings: [] });
  });

  it("a folder that cannot be made is named, with a way out", () => {
    const file = join(folder, "file");
    writeFileSync(file, "");
    expect(() => writeRunFolder(join(file, "run"), emptyRun())).toThrow(/run folder .*file/);
  });
});

describe("report.json", () => {
  it("has the fields of the contract", () => {
    const report = JSON.parse(reportJson(lockupRun()));
    const names = (value: object) => Object.keys(value);
    for (const name of [
      ...["scenario", "backend", "guard", "profile", "seed", "verdict", "expected", "requests"],
      ...["bystander", "faults", "frames", "queueSelection", "lockups", "rcu", "leaks", "seconds"],
    ]) {
      expect(names(report)).toContain(name);
    }
    expect(report.schemaVersion).toBe(1);
    const { requests, faults, frames, queueSelection, lockups, rcu, leaks } = report;
    expect(names(requests)).toEqual(
      expect.arrayContaining(["sent", "ok", "failed", "maxInFlight", "seconds", "latencyMs"]),
    );
    expect(names(requests.latencyMs)).toEqual(["p50", "p99", "max"]);
    expect(report.bystander).toHaveProperty("same");
    expect(names(faults[0])).toEqual(
      expect.arrayContaining(["kind", "target", "at", "framesTouched"]),
    );
    expect(names(frames)).toEqual(expect.arrayContaining(["in", "out", "drops", "injected"]));
    expect(names(queueSelection)).toEqual(["picks", "hinted", "outOfRange", "hangs"]);
    expect(names(lockups[0])).toEqual(
      expect.arrayContaining(["worker", "cpu", "seconds", "where", "state"]),
    );
    expect(names(rcu)).toEqual(expect.arrayContaining(["gracePeriods", "longestMs"]));
    expect(names(leaks)).toEqual(["namespaces", "devices", "fds", "workers"]);
  });

  it("numbers that JSON cannot write become null", () => {
    const run = emptyRun();
    const latencyMs = { p50: Number.NaN, p99: Number.POSITIVE_INFINITY, max: 0 };
    const requests = { ...run.report.requests, latencyMs };
    const text = reportJson({ ...run, report: { ...run.report, requests } });
    expect(JSON.parse(text).requests.latencyMs).toEqual({ p50: null, p99: null, max: 0 });
  });

  it("events are one JSON object a line, in the order of time", () => {
    const lines = eventsJsonl([...hostileRun().events].reverse())
      .trimEnd()
      .split("\n");
    const times = lines.map((line) => (JSON.parse(line) as RunEvent).atMs);
    expect(times).toHaveLength(hostileRun().events.length);
    expect([...times].sort((a, b) => a - b)).toEqual(times);
  });
});

describe("trace.txt", () => {
  const fields = {
    real_num_tx_queues: 1,
    reg_state: 1,
    pid: 7,
    tid: 8,
    skb_addr: "0xff",
    event: 6,
  };

  it("lines have the fields of the script, function by function", () => {
    const line = (what: string, more = {}) =>
      traceLine(event(what, { fields: { ...fields, ...more } }));
    const common = "real_num_tx_queues: 1, cpu: 2, pid: 7, tid: 8";
    expect(line("ovs_vport_send")).toBe(
      `ovs_vport_send server: ${common}, skb_addr: 0xff, reg_state: 1`,
    );
    expect(line("netdev_core_pick_tx", { addr: "0xa0" })).toBe(
      `netdev_core_pick_tx server: addr: 0xa0, ${common}, skb_addr: 0xff, reg_state: 1`,
    );
    expect(line("N1 dp_device_event")).toBe(
      `dp_device_event server: ${common}, event: 6, reg_state: 1`,
    );
    expect(line("U5 synchronize_net")).toBe("synchronize_rcu_expedited: cpu: 2, pid: 7, tid: 8");
    expect(line("synchronize_net", { expedited: false })).toBe(
      "synchronize_rcu: cpu: 2, pid: 7, tid: 8",
    );
    expect(line("netdev_rx_handler_unregister", { ret: true })).toBe(
      `netdev_rx_handler_unregister ret server: ${common}, reg_state: 1`,
    );
    expect(line("broken device")).toBe(`broken device server: ${common}`);
    expect(line("soft lockup")).toBeNull();
    expect(line("topology ready")).toBeNull();
  });

  it("the order of the original report: zeroed, sent, picked, unpublished", () => {
    const functions = traceText(lockupRun().events)
      .split("\n")
      .map((line) => line.split(/[: ]/)[0]);
    const zeroed = functions.indexOf("netdev_unregister_kobject");
    const picked = functions.indexOf("netdev_core_pick_tx");
    const unpublished = functions.indexOf("ovs_dp_detach_port");
    expect(zeroed).toBeGreaterThan(functions.indexOf("dp_device_event"));
    expect(picked).toBeGreaterThan(zeroed);
    expect(unpublished).toBeGreaterThan(picked);
  });
});

describe("windows", () => {
  it("are found among the events, each with its fault", () => {
    const [story] = windowStories(lockupRun());
    expect(story?.zeroedAtMs).toBeCloseTo(3205.816, 6);
    expect(story?.unpublishedAtMs).toBeCloseTo(3205.892, 6);
    expect(story).toMatchObject({ kind: "open", microseconds: 76, picks: 5, fault: 0 });
  });

  it("a device that is unregistered twice has its own moments each time", () => {
    const run = lockupRun();
    const fields = { real_num_tx_queues: 0 };
    const at = (atMs: number, what: string) => event(what, { atMs, fields });
    const events = [
      at(10, "Z remove_queue_kobjects"),
      at(10.05, "X ovs_dp_detach_port"),
      at(500, "Z remove_queue_kobjects"),
      at(500.02, "X ovs_dp_detach_port"),
    ];
    const window = run.report.windows[0]!;
    const windows = [
      { ...window, microseconds: 50 },
      { ...window, microseconds: 20 },
    ];
    const stories = windowStories({ ...run, events, report: { ...run.report, windows } });
    expect(stories.map((story) => story.zeroedAtMs)).toEqual([10, 500]);
    expect(stories.map((story) => story.unpublishedAtMs)).toEqual([10.05, 500.02]);
  });

  it("the entry of netdev_unregister_kobject, with the old count, is not the zero", () => {
    const run = lockupRun();
    const at = (atMs: number, count: number) =>
      event("netdev_unregister_kobject", { atMs, fields: { real_num_tx_queues: count } });
    const stories = windowStories({ ...run, events: [at(10, 32), at(11, 0)] });
    expect(stories[0]?.zeroedAtMs).toBe(11);
  });
});

describe("trace.json", () => {
  it("has a named track for each lane and thread, and times in microseconds", () => {
    const trace = JSON.parse(perfettoJson(lockupRun())) as {
      traceEvents: { ph: string; name: string; tid?: number; ts?: number; dur?: number }[];
    };
    const events = trace.traceEvents;
    const tracks = events.filter((e) => e.name === "thread_name").map((e) => e.tid);
    expect(new Set(tracks).size).toBe(tracks.length);
    for (const e of events.filter((one) => one.ph === "X" || one.ph === "i")) {
      expect(tracks).toContain(e.tid);
      expect(Number.isFinite(e.ts)).toBe(true);
    }
    const window = events.find((e) => e.name === "server: count 0, still published");
    expect(window?.dur).toBeCloseTo(76, 3);
    expect(events.some((e) => e.ph === "C")).toBe(true);
  });
});

describe("continuous integration", () => {
  const base: CaseResult = {
    group: "flap",
    name: "guard none, memory",
    file: "scenarios/flap.yaml",
    line: 12,
    seconds: 1.5,
    outcome: "passed",
    message: "SAFE",
    command: "packetpath run scenarios/flap.yaml",
  };
  const results: CaseResult[] = [
    base,
    { ...base, outcome: "failed", message: "LOCKUP & <SAFE>\u0001\nwas expected, 100 %" },
    { ...base, outcome: "skipped", message: "needs root" },
    { ...base, outcome: "error", message: "no /dev/net/tun", column: 3, details: "a | b" },
  ];

  it("JUnit counts every outcome and escapes every text", () => {
    const xml = junitXml(results);
    expect(xml).toContain('tests="4" failures="1" errors="1" skipped="1" time="6.000"');
    expect(xml).toContain("LOCKUP &amp; &lt;SAFE&gt;\nwas expected");
    expect(xml).toContain('<skipped message="needs root"/>');
    expect(xml).toContain("no /dev/net/tun\na | b\nrepeat with:");
    expect(xml).toContain("repeat with: packetpath run scenarios/flap.yaml");
  });

  it("annotations stay on one line each and point at the file", () => {
    const lines = githubAnnotations(results).trimEnd().split("\n");
    expect(lines).toEqual([
      "::error file=scenarios/flap.yaml,line=12,title=flap (guard none%2C memory)::" +
        "LOCKUP & <SAFE>\u0001%0Awas expected, 100 %25",
      "::notice file=scenarios/flap.yaml,line=12,title=flap (guard none%2C memory)::needs root",
      "::error file=scenarios/flap.yaml,line=12,col=3,title=flap (guard none%2C memory)::" +
        "no /dev/net/tun",
    ]);
  });
});
