// `packetpath flow trace` as a program: streams, exit codes, text and JSON, flow files and
// scenarios.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "packetpath-trace-"));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, text: string): string {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
}

function flowTrace(...args: readonly string[]) {
  const env = { ...process.env, NO_COLOR: "1" };
  const all = [MAIN, "flow", "trace", ...args];
  const { status, stdout, stderr } = spawnSync(process.execPath, all, { env, encoding: "utf8" });
  return { status, stdout, stderr };
}

const FLOWS = file(
  "flows.txt",
  "tcp,tcp_dst=80 actions=dec_ttl,output:2\npriority=1 actions=NORMAL\n",
);
const ARP_FRAME =
  "ffffffffffff0200000000010806000108000604000102000000000100000000000000000000000000000000";

describe("flow trace", () => {
  it("prints the trace of a packet that is described", () => {
    const ran = flowTrace(FLOWS, "in_port=1,tcp,nw_ttl=64,tcp_dst=80");
    expect(ran).toMatchObject({ status: 0, stderr: "" });
    expect(ran.stdout).toContain(" 0. tcp,tp_dst=80, priority 32768\n    dec_ttl\n    output:2\n");
    expect(ran.stdout).toContain("\nDatapath actions: set(ipv4(ttl=63)),2\n");
  });

  it("prints the trace of a packet in hex, which teaches where its sender is", () => {
    const ran = flowTrace(FLOWS, ARP_FRAME, "--in-port", "3", "--port", "web=3", "--names");
    expect(ran).toMatchObject({ status: 0, stderr: "" });
    expect(ran.stdout).toContain("Flow: arp,in_port=web,");
    expect(ran.stdout).toContain(" -> learned that 02:00:00:00:00:01 is on port web in VLAN 0\n");
  });

  it("prints one JSON object with the same tree", () => {
    const ran = flowTrace(FLOWS, "in_port=1,tcp,nw_ttl=1,tcp_dst=80", "--json");
    const trace = JSON.parse(ran.stdout) as Record<string, unknown>;
    expect(trace).toMatchObject({ schemaVersion: 1, bridge: "br0", omitted: 0 });
    const [step] = trace["steps"] as Record<string, unknown>[];
    expect(step).toMatchObject({ from: null, dropReason: "ttl-expired", failure: null });
    expect(JSON.stringify(step)).toContain(
      '"type":"warning","text":"IPv4 decrement TTL exception"',
    );
  });

  it("reads groups, and the flow table and ports of a scenario", () => {
    const groups = file("groups.txt", "group_id=1,type=all,bucket=output:4,bucket=output:5\n");
    const flows = file("grouped.txt", "actions=group:1\n");
    expect(flowTrace(flows, "in_port=1", "--groups", groups).stdout).toContain(
      "\nDatapath actions: 4,5\n",
    );
    const scenario = fileURLToPath(new URL("../../scenarios/flap.yaml", import.meta.url));
    expect(flowTrace(scenario, ARP_FRAME)).toMatchObject({ status: 0, stderr: "" });
  });

  it.each([
    [["in_port=1,foo=2"], "unknown field foo"],
    [["in_port=1", "--ct-next", "bar"], "bar: unknown connection tracking state flag"],
    [["ffff"], "Packet data too short for Ethernet"],
    [["in_port=1", "--in-port", "2"], "--in-port is for packets in hex"],
  ])("refuses %j with exit 2 and nothing on stdout", (args, why) => {
    const ran = flowTrace(FLOWS, ...args);
    expect(ran).toMatchObject({ status: 2, stdout: "" });
    expect(ran.stderr).toContain(why);
  });
});
