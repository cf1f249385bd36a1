// Somebody else counts: libpcap in a child process saw, on the receiving device, exactly the frames
// that the switch's books say were written to that port; and the capture of a port holds exactly
// the frames that went through it, readable by the field's own tools.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually } from "../../src/base/eventually.js";
import { startWitness } from "../../src/host/witness/witness.js";
import { openLoads } from "../../src/load/start.js";
import { LOAD_COUNTER } from "../../src/load/types.js";
import type { RunReport } from "../../src/report/types.js";
import { closeBooks } from "../../src/scenario/books.js";
import { buildLab, type Lab, tearDown } from "../../src/scenario/lab.js";
import { parseScenario } from "../../src/scenario/parse.js";
import { PORT_COUNTER } from "../../src/sync/counters.js";
import { NEEDS_ROOT, needsRoot } from "../host/linux-support.js";
import { has, ROOT, runJson, temporaryFolder } from "./program.js";

const DATAGRAMS = 3_000;
const NOBODY = { lost: new Set<number>(), lockedUp: new Set<number>() };

async function twoHosts(): Promise<Lab> {
  const file = `${ROOT}/scenarios/two-hosts.yaml`;
  // Without IPv6 the namespaces say nothing by themselves: each frame is one of the flood, or ARP.
  // Without segmentation offload each is also one of what libpcap sees.
  const set = [...[1, 2].map((n) => `ports[${n - 1}].addresses=[10.0.0.${n}/24]`), "uso=false"];
  const scenario = parseScenario(readFileSync(file, "utf8"), file, { set });
  return buildLab(scenario, {
    backend: "linux",
    guard: "running-carrier",
    guardModule: null,
    seed: 1,
    named: false,
    captureFolder: null,
    onControl: () => undefined,
  });
}

/** At least so many datagrams from client to server, and the loads' end. */
async function flood(lab: Lab, datagrams: number) {
  const loads = await openLoads(lab.backend.descriptor(), []);
  const { namespaces } = lab.topology;
  const load = loads.startFlood({
    client: namespaces.get("client")!.ref,
    receiver: namespaces.get("server")!.ref,
    targetAddress: "10.0.0.2",
    targetPort: 9,
    flows: 16,
    payloadBytes: 100,
    ratePerSecond: 5_000,
  });
  const sent = () => Atomics.load(load.counters, LOAD_COUNTER.datagramsSent);
  await eventually("the flood", () => sent() >= datagrams, { timeoutMs: 60_000 });
  load.stop();
  const result = await load.done;
  await loads.close();
  return result;
}

describe.skipIf(NEEDS_ROOT)(`the witness${needsRoot}`, () => {
  it("saw exactly the frames that the books say were sent to the port", async () => {
    const lab = await twoHosts();
    try {
      const server = lab.topology.namespaces.get("server")!.ref;
      const witness = await startWitness(server, "eth0", "", { binding: "shim" });
      const result = await flood(lab, DATAGRAMS);
      await eventually("the datagrams to arrive", () => arrived(lab) >= result.sent, {
        timeoutMs: 60_000,
      });
      const seen = await witness.stop();
      await lab.supervisor.stopWorkers(new Set());
      const { counters, kernel, scenario } = lab;
      const { total } = closeBooks(counters, kernel.m, scenario.ports, NOBODY);
      expect(total.balanced).toBe(true);
      expect(seen.dropped).toBe(0);
      expect(seen.received!.frames).toBe(counters.sum(2, PORT_COUNTER.tx));
      expect(seen.received!.bytes).toBe(counters.sum(2, PORT_COUNTER.txBytes));
      expect(seen.sent!.frames).toBe(counters.sum(2, PORT_COUNTER.rx));
      expect(seen.received!.frames).toBeGreaterThanOrEqual(DATAGRAMS);
      expect(result.received).toBe(result.sent);
    } finally {
      await tearDown(lab, new Set());
    }
    expect(lab.backend.leaks()).toEqual({ namespaces: 0, devices: 0, fds: 0 });
  });
});

function arrived(lab: Lab): number {
  return lab.counters.sum(2, PORT_COUNTER.tx);
}

const cannotRead = NEEDS_ROOT || !has("tshark") || !has("capinfos");
const readNeeds = NEEDS_ROOT ? needsRoot : cannotRead ? " (needs tshark and capinfos)" : "";

describe.skipIf(cannotRead)(`the capture of a port${readNeeds}`, () => {
  let folder: { path: string; remove: () => void };
  let report: RunReport;
  let file: string;
  beforeAll(async () => {
    folder = temporaryFolder();
    const set = ["ports.client.capture=true", "load.http.requests=30", "load.http.concurrency=10"];
    const run = { scenario: "two-hosts", backend: "linux" as const, set, out: folder.path };
    report = (await runJson(run)).report;
    file = `${folder.path}/client.pcapng`;
  });
  afterAll(() => folder.remove());

  function tshark(filter: string): string[] {
    const out = execFileSync("tshark", ["-r", file, "-Y", filter, "-T", "fields", "-e", "ip.src"], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    return out.split("\n").filter((line) => line !== "");
  }

  it("is a pcapng file with as many packets as went through the port", () => {
    const text = execFileSync("capinfos", ["-M", "-c", "-t", file], { encoding: "utf8" });
    expect(text).toMatch(/pcapng/);
    const count = Number(/Number of packets:\s*(\d+)/.exec(text)![1]);
    const [client, server] = [report.ports[0]!, report.ports[1]!];
    // With two ports, what leaves the switch from the server's port goes to the client's.
    expect(count).toBe(client.in - client.cloned + server.out);
  });

  it("holds the pings both ways and the requests, without a malformed packet", () => {
    expect(tshark("icmp.type == 8")).toEqual(new Array(5).fill("10.0.0.1"));
    expect(tshark("icmp.type == 0")).toEqual(new Array(5).fill("10.0.0.2"));
    expect(tshark("tcp.flags.syn == 1 && tcp.flags.ack == 0").length).toBeGreaterThanOrEqual(30);
    expect(tshark("_ws.malformed")).toEqual([]);
  });
});
