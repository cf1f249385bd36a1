// `packetpath up`: real programs in the namespaces talk through the switch, and outsiders who
// delete devices and namespaces under it are noticed once and do not disturb the others.
import { execFileSync, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { afterEach, describe, expect, it } from "vitest";
import { eventually } from "../../src/base/eventually.js";
import { NEEDS_ROOT, needsRoot } from "../host/linux-support.js";
import { endAll, has, hostState, inNamespace, Program } from "./program.js";

const cannotPing = NEEDS_ROOT || !has("ping") || !has("ip");
const pingNeeds = NEEDS_ROOT ? needsRoot : cannotPing ? " (needs ping and iproute2)" : "";
const cannotCurl = cannotPing || !has("curl");
const curlNeeds = NEEDS_ROOT ? needsRoot : cannotCurl ? " (needs curl)" : "";
const cannotDump = cannotPing || !has("tcpdump");
const dumpNeeds = NEEDS_ROOT ? needsRoot : cannotDump ? " (needs tcpdump)" : "";

const SERVER = `require("node:http").createServer((_, answer) => answer.end("hello " +
  "x".repeat(300000))).listen(8000, "10.0.0.2", () => console.log("listening"))`;

const children: ReturnType<typeof spawn>[] = [];
afterEach(async () => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  await endAll();
});

async function begin(scenario: string): Promise<Program> {
  const up = new Program(["up", `scenarios/${scenario}.yaml`]);
  await up.says("is forwarding");
  return up;
}

/** Starts a program in a namespace that goes on beside the test. */
function beside(namespace: string, ...command: string[]) {
  const child = spawn("ip", ["netns", "exec", namespace, ...command]);
  children.push(child);
  const state = { output: "", end: null as number | null };
  const take = (data: Buffer) => void (state.output += data.toString());
  child.stdout.on("data", take);
  child.stderr.on("data", take);
  child.on("close", (code) => (state.end = code ?? -1));
  return state;
}

function ping(from: string, to: string, count = 3): string {
  return inNamespace(from, "ping", "-n", "-c", String(count), "-i", "0.1", "-W", "60", to);
}

/** Nobody answers within two seconds. */
function expectNoAnswer(from: string, to: string): void {
  expect(() => inNamespace(from, "ping", "-n", "-c", "1", "-W", "2", to)).toThrow();
}

/** Clock ticks of processor time that a process has used, of all its threads. */
function cpuTicks(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
    .replace(/^.*\) /s, "")
    .split(" ");
  return Number(fields[11]) + Number(fields[12]);
}

describe("real programs", () => {
  it.skipIf(cannotPing)(`ping, over IPv4 and IPv6${pingNeeds}`, async () => {
    await begin("two-hosts");
    expect(ping("client", "10.0.0.2")).toContain("3 received, 0% packet loss");
    expect(ping("server", "10.0.0.1")).toContain("3 received, 0% packet loss");
    expect(ping("client", "fd00::2")).toContain("3 received, 0% packet loss");
  });

  it.skipIf(cannotCurl)(`curl fetches a page of 300 kB, whole${curlNeeds}`, async () => {
    await begin("two-hosts");
    const server = beside("server", process.execPath, "-e", SERVER);
    await eventually("the server", () => server.output.includes("listening"), {
      timeoutMs: 60_000,
    });
    const page = inNamespace("client", "curl", "-sS", "--max-time", "120", "http://10.0.0.2:8000/");
    expect(page.length).toBe(300_006);
    expect(page.startsWith("hello x")).toBe(true);
  });

  it.skipIf(cannotDump)(`tcpdump in the server sees the client's pings${dumpNeeds}`, async () => {
    await begin("two-hosts");
    const filter = ["icmp[icmptype]", "==", "icmp-echo"];
    const dump = beside("server", "tcpdump", "-n", "-l", "-i", "eth0", "-c", "3", ...filter);
    await eventually("tcpdump", () => dump.output.includes("listening on"), { timeoutMs: 60_000 });
    ping("client", "10.0.0.2");
    await eventually("tcpdump to have seen three", () => dump.end !== null, { timeoutMs: 60_000 });
    expect(dump.end).toBe(0);
    expect(dump.output.match(/10\.0\.0\.1 > 10\.0\.0\.2: ICMP echo request/g)).toHaveLength(3);
  });
});

describe.skipIf(cannotPing)(`an outsider${pingNeeds}`, () => {
  it("deletes a device: noticed quietly, nobody spins, the others go on", async () => {
    const before = hostState();
    const program = await begin("outsider-delete");
    ping("client", "10.0.0.5");
    ping("noise", "10.0.0.2");
    execFileSync("ip", ["-n", "server", "link", "del", "eth0"]);
    expectNoAnswer("noise", "10.0.0.2");
    const ticks = cpuTicks(program.pid);
    // Ten pings, a tenth of a second apart: a second in which a spinning worker would use 100.
    expect(ping("client", "10.0.0.5", 10)).toContain("10 received, 0% packet loss");
    expect(cpuTicks(program.pid) - ticks).toBeLessThan(50);
    expect(program.stderr.split("\n").length).toBeLessThanOrEqual(3);
    program.child.kill("SIGINT");
    expect(await program.ended()).toBe(130);
    expect(hostState()).toEqual(before);
  });

  it("removes a namespace's name and devices: the others go on, the end is in order", async () => {
    const before = hostState();
    const program = await begin("outsider-delete");
    execFileSync("ip", ["netns", "del", "other"]);
    expect(ping("client", "10.0.0.5")).toContain("3 received, 0% packet loss");
    program.child.kill("SIGINT");
    expect(await program.ended()).toBe(130);
    expect(hostState()).toEqual(before);
  });

  it("takes a link down and up again: traffic stops and comes back", async () => {
    await begin("two-hosts");
    ping("client", "10.0.0.2");
    execFileSync("ip", ["-n", "server", "link", "set", "eth0", "down"]);
    expectNoAnswer("client", "10.0.0.2");
    execFileSync("ip", ["-n", "server", "link", "set", "eth0", "up"]);
    expect(ping("client", "10.0.0.2")).toContain("3 received");
  });
});
