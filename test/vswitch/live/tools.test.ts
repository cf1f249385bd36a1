// The tools of Open vSwitch against a running lab with real devices: VLANs, mirrors, ports that go
// and come back, tracked connections, the trace of a frame that really came; and against a run.
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, describe, expect, it } from "vitest";
import { eventually } from "../../../src/base/eventually.js";
import { endAll, has, inNamespace, Program, ROOT } from "../../e2e/program.js";
import { NEEDS_ROOT, needsRoot } from "../../host/linux-support.js";

const unable = NEEDS_ROOT || !has("ping") || !has("ip");
const needs = NEEDS_ROOT ? needsRoot : unable ? " (needs ping and iproute2)" : "";
const execute = promisify(execFile);

afterEach(endAll);

/** Whether a ping is answered within a second: on a busy machine not even where there is a way. */
function pings(): boolean {
  try {
    inNamespace("client", "ping", "-n", "-c", "1", "-W", "1", "10.0.0.2");
    return true;
  } catch {
    return false;
  }
}

const answered = () => eventually("a ping", pings, { timeoutMs: 60_000, everyMs: 50 });

/** `ovs-vsctl ...`, answered at a control socket. @returns stdout. */
async function tool(path: string, line: string): Promise<string> {
  const [name, ...args] = line.split(" ");
  const file = join(ROOT, "native-free-shims/ovs", name!);
  const env = { ...process.env, PACKETPATH_CTL: path };
  const { stdout } = await execute(process.execPath, [file, ...args], { env, encoding: "utf8" });
  return stdout;
}

interface Lab {
  readonly path: string;
  readonly ovs: (line: string) => Promise<string>;
}

async function begin(): Promise<Lab> {
  const up = new Program(["up", "scenarios/two-hosts.yaml"]);
  await up.says("Ctrl-C");
  const path = /native-free-shims\/ovs: (\S+)/.exec(up.stdout)![1]!;
  return { path, ovs: (line) => tool(path, line) };
}

describe("a running lab", () => {
  it.skipIf(unable)(`ports in other VLANs do not hear each other${needs}`, async () => {
    const { ovs } = await begin();
    await answered();
    await ovs("ovs-vsctl set Port client tag=5");
    expect(pings()).toBe(false);
    await ovs("ovs-vsctl set Port server tag=5");
    await answered();
    expect(await ovs("ovs-appctl fdb/show br0")).toMatch(/ 1 +5 .*\n +2 +5 |2 +5 .*\n +1 +5 /);
  });

  it.skipIf(unable)(`a port goes and comes back${needs}`, async () => {
    const { ovs } = await begin();
    await ovs("ovs-vsctl del-port br0 server");
    expect(await ovs("ovs-vsctl list-ports br0")).toBe("client\n");
    expect(pings()).toBe(false);
    await ovs("ovs-vsctl add-port br0 server");
    expect(await ovs("ovs-ofctl dump-ports-desc br0")).toContain("2(server)");
    await answered();
  });

  it.skipIf(unable)(`a mirror takes its port away, and gives it back${needs}`, async () => {
    const { ovs } = await begin();
    const rows = "-- --id=@p get Port server -- --id=@m create Mirror name=m select-all=true";
    await ovs(`ovs-vsctl -- set Bridge br0 mirrors=@m ${rows} output-port=@p`);
    expect(pings()).toBe(false);
    await ovs("ovs-vsctl clear Bridge br0 mirrors");
    await answered();
  });

  it.skipIf(unable)(`connections are tracked and shown${needs}`, async () => {
    const { ovs } = await begin();
    await ovs("ovs-ofctl add-flow br0 priority=9,icmp,actions=ct(commit,zone=7),normal");
    await answered();
    const shown = await ovs("ovs-appctl dpctl/dump-conntrack zone=7");
    expect(shown).toMatch(/^icmp,orig=\(src=10\.0\.0\.1,dst=10\.0\.0\.2,id=\d+,type=8,code=0\)/m);
    expect(shown).toMatch(/,reply=\(src=10\.0\.0\.2,.*zone=7$/m);
    expect(await ovs("ovs-appctl dpctl/dump-conntrack zone=8")).toBe("");
    await ovs("ovs-appctl dpctl/flush-conntrack zone=7");
    expect(await ovs("ovs-dpctl dump-conntrack")).not.toContain("zone=7");
  });

  it.skipIf(unable)(`the next frame of a port is traced${needs}`, async () => {
    const { path } = await begin();
    const command = ["flow", "trace", "--live", "client"];
    const env = { ...process.env, PACKETPATH_CTL: path };
    let stdout = "";
    const traced = execute(join(ROOT, "scripts/packetpath"), command, { env, encoding: "utf8" });
    void traced.then((ended) => (stdout = ended.stdout));
    await eventually("a trace", () => (pings(), stdout !== ""), { timeoutMs: 60_000 });
    expect(stdout).toContain("in_port=1");
    expect(stdout).toContain(" 0. priority 0\n    NORMAL\n");
    expect(stdout).toMatch(/^Datapath actions: /m);
  });
});

describe("a run", () => {
  it.skipIf(unable)(`answers at the socket that it is given, until it ends${needs}`, async () => {
    const path = `/tmp/packetpath-run-${process.pid}.ctl`;
    const pinged = "load.ping=[{from: client, to: server, count: 60, intervalMs: 50}]";
    const run = new Program(["run", "scenarios/two-hosts.yaml", "--ctl", path, "--set", pinged]);
    const shown = { text: "" };
    await eventually(
      "the flows of the run",
      async () => {
        shown.text = await tool(path, "ovs-ofctl dump-flows br0").catch(() => "");
        return shown.text !== "";
      },
      { timeoutMs: 60_000, everyMs: 50 },
    );
    expect(shown.text).toContain("priority=0 actions=NORMAL");
    expect(await run.ended()).toBe(0);
    await expect(tool(path, "ovs-ofctl dump-flows br0")).rejects.toThrow("no switch is running");
  });
});
