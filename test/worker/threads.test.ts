// Real threads in memory: what becomes of a run when one of them fails, and a race on the backlog
// that only two threads can have.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually } from "../../src/base/eventually.js";
import type { Frame } from "../../src/datapath/datapath.js";
import { DEV, NETREG } from "../../src/path/core/netdevice.js";
import type { RunRecord } from "../../src/report/types.js";
import { parseScenario } from "../../src/scenario/parse.js";
import { runScenario } from "../../src/scenario/run.js";
import { udp } from "../pipeline/fixtures.js";
import { Rig, withVnet } from "./rig.js";

const SCENARIO = `name: threads
expect: { default: SAFE }
workers: 2
defaults: { queues: 2 }
namespaces: [client, server]
ports:
  - { name: client, namespace: client, addresses: [10.0.0.1/24] }
  - { name: server, namespace: server, addresses: [10.0.0.2/24] }
load: { flood: [{ from: client, to: server, flows: 4, ratePerSecond: 1000 }] }
durationMs: 500
`;

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "packetpath-threads-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function runWith(guard: string): Promise<RunRecord> {
  const file = join(folder, `guard-${guard.length}.mjs`);
  writeFileSync(file, guard);
  return runScenario(parseScenario(SCENARIO, "threads.yaml", { set: [] }), {
    guard: file,
    guardModule: file,
    backend: "memory",
    seed: 1,
    outFolder: null,
    command: "",
    signal: new AbortController().signal,
    onProgress: () => undefined,
  });
}

describe("a thread that fails", () => {
  it("a guard that throws is the user's error, with the guard's own words", async () => {
    const run = runWith("export default () => { throw new TypeError('no such field'); };");
    const message: unknown = expect.stringContaining("no such field");
    await expect(run).rejects.toMatchObject({ code: "GUARD_INVALID", message });
  });

  it("a worker that ends by itself is noticed, not waited for", async () => {
    const run = runWith("export default () => { process.exit(3); };");
    const message: unknown = expect.stringMatching(/rxq\d ended by itself \(exit code 3\)/);
    await expect(run).rejects.toMatchObject({ code: "INTERNAL", message });
  });

  it("a guard that behaves changes nothing", async () => {
    const { report } = await runWith("export default (dev) => dev.running && dev.carrierOk;");
    expect(`${report.verdict}: ${report.why}`).toMatch(/^SAFE/);
  });
});

describe("a backlog that another CPU flushes", () => {
  const FRAME = withVnet(udp());

  function frameIn(rig: Rig): Frame {
    const bytes = new Uint8Array(rig.pool);
    bytes.set(FRAME, 64);
    const at = { vnetOffset: 64, offset: 76, length: FRAME.length - 12 };
    return { bytes, ...at, inPort: 1, queueMapping: 1, hash: 0 };
  }

  it("loses the frame by name: backlog-flushed, and no other frame is taken for it", async () => {
    const rig = new Rig();
    rig.plug(1);
    const { wireDev } = rig.plug(2);
    // As in the middle of unregistering, before START is seen to be clear.
    Atomics.store(rig.k.m, wireDev + DEV.regState, NETREG.unregistering);
    rig.takePorts();
    const { m, config, profile } = rig.k;
    const workerData = { m: m.buffer, config, profile: profile.id };
    const flusher = new Worker(new URL("./flusher.mjs", import.meta.url), { workerData });
    try {
      const frame = frameIn(rig);
      let sent = 0;
      await eventually(
        "a frame to be flushed",
        () => {
          for (let i = 0; i < 2000; i++, sent++) rig.transmit.output(frame, 2, true);
          return "backlog-flushed" in rig.drops(1);
        },
        { timeoutMs: 60_000 },
      );
      const lost = Object.values(rig.drops(1)).reduce((sum, count) => sum + count, 0);
      expect(rig.io.written.length + lost).toBe(sent);
      expect(Object.keys(rig.drops(1))).toEqual(["backlog-flushed"]);
    } finally {
      await flusher.terminate();
    }
  });
});
