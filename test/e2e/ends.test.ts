// How a run may end: by Ctrl-C, by kill -9, by a user's guard that is broken. Whatever it is, the
// host is as before, at the latest after `packetpath clean`, and what others made is untouched.
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { eventually } from "../../src/base/eventually.js";
import { NEEDS_ROOT, needsRoot } from "../host/linux-support.js";
import { endAll, hostState, packetpath, Program, runJson, temporaryFolder } from "./program.js";

let folder: { path: string; remove: () => void };
beforeAll(() => {
  folder = temporaryFolder();
});
afterAll(() => folder.remove());
afterEach(async () => {
  await endAll();
});

const LONG = ["--set", "durationMs=60000", "--set", "faults=[]"];
const UNDER_LOAD = /[1-9][\d,]* frames/;

/** A run that goes on for a minute, once its frames flow. */
async function longRun(backend: "linux" | "memory", out: string): Promise<Program> {
  const args = ["run", "scenarios/dummy-sink.yaml", "--backend", backend, "--out", out, ...LONG];
  const program = new Program([...args, "--guard", "running-carrier"]);
  await eventually("load", () => UNDER_LOAD.test(program.stderr) || program.end !== null, {
    timeoutMs: 60_000,
    everyMs: 50,
  });
  expect(program.end).toBeNull();
  return program;
}

const FOREIGN = `foreign-${process.pid}`;
const ip = (...words: string[]): string => execFileSync("ip", words, { encoding: "utf8" });

/** Somebody else's namespace with a device in it, while `body` runs. */
async function besideForeign(body: () => Promise<void>): Promise<void> {
  ip("netns", "add", FOREIGN);
  try {
    ip("-n", FOREIGN, "link", "add", "theirs", "type", "veth", "peer", "name", "peer0");
    await body();
    expect(ip("-n", FOREIGN, "-br", "link")).toContain("theirs");
  } finally {
    ip("netns", "del", FOREIGN);
  }
}

describe.skipIf(NEEDS_ROOT)(`kill -9${needsRoot}`, () => {
  it("of a run under load leaves nothing once clean has been there", async () => {
    await besideForeign(async () => {
      const before = hostState();
      const program = await longRun("linux", `${folder.path}/killed`);
      program.child.kill("SIGKILL");
      expect(await program.ended()).toBe("SIGKILL");
      expect((await packetpath(["clean"])).code).toBe(0);
      expect(hostState()).toEqual(before);
    });
  });

  it("of `up` leaves names, and clean removes those and no others", async () => {
    await besideForeign(async () => {
      const before = hostState();
      const program = new Program(["up", "scenarios/two-hosts.yaml"]);
      await program.says("is forwarding");
      expect(hostState().named).toEqual([...before.named, "client", "server"].sort());
      program.child.kill("SIGKILL");
      await program.ended();
      expect(hostState().named).toContain("client");
      const { code, stdout } = await packetpath(["clean"]);
      expect(code).toBe(0);
      expect(stdout).toContain("client");
      expect(stdout).not.toContain(FOREIGN);
      expect(hostState()).toEqual(before);
    });
  });

  it("clean leaves a run alone that is alive", async () => {
    const before = hostState();
    const program = new Program(["up", "scenarios/two-hosts.yaml"]);
    await program.says("is forwarding");
    expect((await packetpath(["clean"])).code).toBe(0);
    expect(hostState().named).toContain("client");
    ip("netns", "exec", "client", "ping", "-c", "1", "-W", "60", "10.0.0.2");
    program.child.kill("SIGINT");
    expect(await program.ended()).toBe(130);
    expect(hostState()).toEqual(before);
  });
});

describe.skipIf(NEEDS_ROOT)(`a signal${needsRoot}`, () => {
  it.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("%s ends a run in order, with exit code %d and its report", async (signal, code) => {
    const before = hostState();
    const out = `${folder.path}/${signal}`;
    const program = await longRun("linux", out);
    program.child.kill(signal);
    expect(await program.ended()).toBe(code);
    expect(program.stdout).toContain("INVALID");
    expect(program.stdout).toContain("balanced");
    expect(program.stderr).not.toMatch(/\n\s+at /);
    expect(hostState()).toEqual(before);
  });

  it("SIGINT ends `up`, with exit code 130", async () => {
    const before = hostState();
    const program = new Program(["up", "scenarios/outsider-delete.yaml"]);
    await program.says("is forwarding");
    program.child.kill("SIGINT");
    expect(await program.ended()).toBe(130);
    expect(hostState()).toEqual(before);
  });

  it("during the building of the topology ends it as well", async () => {
    const before = hostState();
    const program = new Program(["up", "scenarios/outsider-delete.yaml"]);
    await eventually("the first namespace", () => hostState().named.includes("client"), {
      timeoutMs: 60_000,
      everyMs: 5,
    });
    program.child.kill("SIGINT");
    expect(await program.ended()).toBe(130);
    expect(hostState()).toEqual(before);
  });

  it("two of them end it at once; nothing with a name is left after clean", async () => {
    const before = hostState();
    const program = await longRun("linux", `${folder.path}/twice`);
    program.child.kill("SIGINT");
    await program.says("once more to stop at once", "stderr");
    program.child.kill("SIGINT");
    expect(await program.ended()).toBe(130);
    await packetpath(["clean"]);
    expect(hostState()).toEqual(before);
  });
});

describe("a signal on the memory backend", () => {
  it("ends a run in order too", async () => {
    const program = await longRun("memory", `${folder.path}/memory`);
    program.child.kill("SIGINT");
    expect(await program.ended()).toBe(130);
    expect(program.stdout).toContain("balanced");
  });
});

describe("a guard of a user's own", () => {
  const SHORT = ["faults[0].repeat.times=40", "faults[0].repeat.everyMs=100", "settleMs=100"];
  const at = "faults[0].at.framesSeen=200";
  const set = ["watchdog.threshSeconds=1", "durationMs=500", at, ...SHORT];
  const inMemory = { scenario: "dummy-sink", backend: "memory" as const, set };

  function guard(name: string, text: string): string {
    const file = `${folder.path}/${name}`;
    writeFileSync(file, text);
    return file;
  }

  it.each([
    ["safe.js", "export default (dev) => dev.running && dev.carrierOk;"],
    [
      "safe.ts",
      `interface Dev { readonly running: boolean; readonly carrierOk: boolean }
       export default function guard(dev: Dev): boolean { return dev.running && dev.carrierOk; }`,
    ],
  ])("%s that is right: SAFE, as expected by default, exit 0", async (name, text) => {
    const file = guard(name, text);
    const short = { ...inMemory, set: [...set, "faults[0].repeat.times=5"] };
    const ran = await runJson({ ...short, guard: file, out: `${folder.path}/${name}-out` });
    expect(`${ran.report.verdict}: ${ran.report.why}`).toMatch(/^SAFE/);
    expect(ran.code).toBe(0);
    expect(ran.report.guard).toBe(file);
  });

  it("one that lets everything through: LOCKUP, not as expected, exit 1", async () => {
    const file = guard("open.js", "export default () => true;");
    const ran = await runJson({ ...inMemory, guard: file, out: `${folder.path}/open-out` });
    expect(`${ran.report.verdict}: ${ran.report.why}`).toMatch(/^LOCKUP/);
    expect(ran.code).toBe(1);
  });

  const base = ["run", "scenarios/dummy-sink.yaml", "--backend", "memory", "--json"];

  it("one that throws is the user's error: exit 2, the reason, no stack", async () => {
    const file = guard("throws.js", "export default () => { throw new Error('not today'); };");
    const ran = await packetpath([...base, "--guard", file, "--out", `${folder.path}/throws-out`]);
    expect(ran.code).toBe(2);
    expect(ran.stdout).toBe("");
    expect(ran.stderr).toContain("not today");
    expect(ran.stderr).toContain(file);
    expect(ran.stderr).not.toMatch(/\n\s+at /);
  });

  it("one that ends its thread is noticed, not waited for", async () => {
    const file = guard("exits.js", "export default () => { process.exit(0); };");
    const ran = await packetpath([...base, "--guard", file, "--out", `${folder.path}/exits-out`]);
    expect(ran.code).toBe(4);
    expect(ran.stderr).toMatch(/thread rxq\d ended by itself/);
  });

  it("one that never answers: LOCKUP, and no device is invented for it", async () => {
    const text = "export default () => { for (let i = 0; i >= 0; i = (i + 1) % 7); return true; };";
    const file = guard("spins.js", text);
    const ran = await runJson({ ...inMemory, guard: file, out: `${folder.path}/spins-out` });
    expect(ran.report.verdict).toBe("LOCKUP");
    expect(ran.report.lockups[0]!.state.device).toBe("no device");
    expect(ran.report.why).not.toMatch(/device-?\d/);
    expect(ran.report.frames.balanced).toBe(true);
  });

  it("one that is no function, or not there, costs a line: exit 2, nothing created", async () => {
    const file = guard("object.js", "export default { running: true };");
    for (const name of [file, `${folder.path}/missing.js`, "carier"]) {
      const ran = await packetpath([...base, "--guard", name]);
      expect(ran.code).toBe(2);
      expect(ran.stderr.trim().split("\n").length).toBeLessThanOrEqual(2);
    }
  });
});
