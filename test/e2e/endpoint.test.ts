// The scenario of an endpoint as a user runs it: both designs, on both backends; a thousand stops
// under a flood with nothing more at the end than before; Ctrl-C and kill -9.
import { readFileSync } from "node:fs";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { EndpointReport } from "../../src/report/endpoint/types.js";
import { NEEDS_ROOT, needsRoot } from "../host/linux-support.js";
import { endAll, hostState, packetpath, Program, temporaryFolder } from "./program.js";

const FILE = "scenarios/endpoint-shutdown.yaml";
const SHORT = ["--set", "endpoint.cycles=50", "--set", "endpoint.idleCycles=10"];
// What a stop may take is for a host with a CPU to spare.
const PATIENT = ["idle", "flood"].flatMap((phase) => [
  "--set",
  `endpoint.stopWithinMs.${phase}=20000`,
]);
const NOTHING = { namespaces: 0, devices: 0, fds: 0, workers: 0 };

let folder: { path: string; remove: () => void };
beforeAll(() => {
  folder = temporaryFolder();
});
afterAll(() => folder.remove());
afterEach(async () => {
  await endAll();
});

async function report(...args: readonly string[]) {
  const ran = await packetpath(["run", FILE, "--json", "--out", folder.path, ...PATIENT, ...args]);
  if (ran.stdout === "") throw new Error(`exit ${ran.code}, no report: ${ran.stderr}`);
  return { code: ran.code, stdout: ran.stdout, report: JSON.parse(ran.stdout) as EndpointReport };
}

describe.skipIf(NEEDS_ROOT)(`on real queues${needsRoot}`, () => {
  it("10 1000 cycles under a flood: as many descriptors and threads as before", async () => {
    const before = hostState();
    const { code, report: found } = await report("--backend", "linux");
    expect([found.why, found.verdict, code]).toEqual([found.why, "SAFE", 0]);
    expect(found.cycles).toEqual({ idle: 100, flood: 1000 });
    for (const { threads, fds } of [found.process.idle, found.process.flood]) {
      expect([threads!.most, fds!.most]).toEqual([threads!.least, fds!.least]);
    }
    console.log(JSON.stringify(found.stopMs));
    // The medians: a busy host lets single ones wait for a CPU.
    expect(found.stopMs.idle!.p50).toBeLessThan(50);
    expect(found.stopMs.flood!.p50).toBeLessThan(200);
    expect(found.frames).toMatchObject({ balanced: true, inHand: 0 });
    expect(found.frames.in).toBeGreaterThan(50_000);
    expect(found.leaks).toEqual(NOTHING);
    expect(hostState()).toEqual(before);
  });

  it("the buggy design deadlocks, is told, as expected; nothing is left", async () => {
    const before = hostState();
    const { code, stdout, report: found } = await report("--set", "endpoint.design=buggy");
    expect([found.verdict, found.expected, code]).toEqual(["DEADLOCK", "DEADLOCK", 0]);
    expect(found.cycle).toMatchObject([
      { thread: "stopper", in: "WaitGroup.Wait", waitsFor: "wg[0]" },
      { holds: ["a packet"], in: "RLock", waitsFor: "mu" },
    ]);
    expect(found.cycle[0]!.holds).toContain("mu for writing");
    expect(found.detectedAfterMs).not.toBeNull();
    expect(found.leaks).toEqual(NOTHING);
    expect(readFileSync(`${folder.path}/report.json`, "utf8")).toBe(stdout);
    expect(hostState()).toEqual(before);
  });

  it.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("%s ends it in order: exit code %d, its report, nothing left", async (name, code) => {
    const before = hostState();
    const args = ["run", FILE, "--out", folder.path, "--set", "endpoint.cycles=1000000"];
    const program = new Program(args);
    await program.says("cycles under the flood", "stderr");
    program.child.kill(name);
    expect(await program.ended()).toBe(code);
    expect(program.stdout).toContain("INVALID");
    expect(program.stdout).toContain("interrupted");
    expect(program.stdout).toContain("left behind  nothing");
    expect(hostState()).toEqual(before);
  });

  it("kill -9 leaves nothing once clean has been there", async () => {
    await packetpath(["clean"]);
    const before = hostState();
    const program = new Program(["run", FILE, "--out", folder.path]);
    await program.says("cycles under the flood", "stderr");
    program.child.kill("SIGKILL");
    expect(await program.ended()).toBe("SIGKILL");
    expect((await packetpath(["clean"])).code).toBe(0);
    expect(hostState()).toEqual(before);
  });
});

describe("in memory, as an ordinary user", () => {
  it.each([
    ["fixed", "SAFE"],
    ["buggy", "DEADLOCK"],
  ])("design %s: %s, exit code 0", async (design, verdict) => {
    const cycles = design === "fixed" ? SHORT : [];
    const set = ["--backend", "memory", "--set", `endpoint.design=${design}`, ...cycles];
    const { code, report: found } = await report(...set);
    expect([found.why, found.verdict, code]).toEqual([found.why, verdict, 0]);
    expect(found).toMatchObject({ backend: "memory", design, leaks: NOTHING });
  });

  it("what is not as expected exits with 1", async () => {
    const set = ["--backend", "memory", "--set", "expect.fixed=DEADLOCK", ...SHORT];
    const { code, report: found } = await report(...set);
    expect([found.verdict, code]).toEqual(["SAFE", 1]);
  });

  it.each([
    [["run", FILE, "--guard", "none"], "--guard is not for the scenario of an endpoint"],
    [["run", FILE, "--seed", "3"], "--seed is not for the scenario of an endpoint"],
    [["run", FILE, "--set", "endpoint.design=broken"], "expected one of fixed, buggy"],
    [["up", FILE], "this scenario is of an endpoint, not of a switch"],
    [["explore", FILE], "packetpath explore --system endpoint"],
  ])("%j is bad input", async (args, message) => {
    const { code, stdout, stderr } = await packetpath(args);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toContain(message);
  });
});
