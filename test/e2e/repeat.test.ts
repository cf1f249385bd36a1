// Many runs in one process: what one run leaves behind is small, what many leave behind shows. Each
// run makes threads, shared memory, namespaces, devices and descriptors, and loses a device under
// load. scripts/soak does the same 200 times.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { eventually } from "../../src/base/eventually.js";
import type { RunRecord } from "../../src/report/types.js";
import { parseScenario } from "../../src/scenario/parse.js";
import { runScenario } from "../../src/scenario/run.js";
import { NEEDS_ROOT, needsRoot } from "../host/linux-support.js";
import { hostState, ROOT } from "./program.js";

const RUNS = { memory: 3, linux: 5 } as const;
const file = join(ROOT, "scripts/soak.yaml");
const scenario = parseScenario(readFileSync(file, "utf8"), file, { set: [] });

function once(backend: "linux" | "memory"): Promise<RunRecord> {
  return runScenario(scenario, {
    guard: "running-carrier",
    guardModule: null,
    backend,
    seed: 1,
    outFolder: null,
    command: "",
    signal: new AbortController().signal,
    onProgress: () => undefined,
  });
}

function own() {
  return {
    fds: readdirSync("/proc/self/fd").length,
    threads: readdirSync("/proc/self/task").length,
    host: hostState(),
  };
}

async function repeat(backend: "linux" | "memory"): Promise<void> {
  for (let run = 0; run < RUNS[backend]; run++) {
    const { report } = await once(backend);
    expect(`${report.verdict}: ${report.why}`).toMatch(/^SAFE: /);
    expect(report.frames.balanced).toBe(true);
    expect(report.leaks).toEqual({ namespaces: 0, devices: 0, fds: 0, workers: 0 });
  }
}

describe("many runs in one process", () => {
  // The first run loads modules and starts the thread pool; both stay, and are no leak.
  beforeAll(async () => void (await once("memory")));

  it("in memory: descriptors and threads are as before", async () => {
    const before = own();
    await repeat("memory");
    await eventually("threads to end", () => own().threads <= before.threads, {
      timeoutMs: 60_000,
    });
    expect(own()).toEqual(before);
  });

  it.skipIf(NEEDS_ROOT)(`on real devices: the host is as before, too${needsRoot}`, async () => {
    await once("linux");
    const before = own();
    await repeat("linux");
    await eventually("threads to end", () => own().threads <= before.threads, {
      timeoutMs: 60_000,
    });
    expect(own()).toEqual(before);
  });
});
