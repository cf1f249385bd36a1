// `packetpath observe loopback` and `tap` on the running kernel, as a user meets them; and that
// nothing is left however they end.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { eventually } from "../../src/base/eventually.js";
import { LEDGER_DIR } from "../../src/host/ledger.js";
import { allowedCpus } from "../../src/host/stimulus/pinned.js";
import { openTracefs } from "../../src/host/tracing/tracefs.js";
import { observeLoopback } from "../../src/observe/receive/loopback.js";
import { NEEDS_ROOT, needsRoot } from "../host/linux-support.js";
import { endAll, packetpath, Program, ROOT } from "./program.js";

/** Why there can be nothing to see here; null if there is. */
function lacking(): string | null {
  if (NEEDS_ROOT) return "root and /dev/net/tun";
  try {
    openTracefs().close();
    return null;
  } catch (error) {
    return `a tracefs: ${(error as Error).message}`;
  }
}

const LACKING = lacking();
const needs = LACKING === null ? "" : ` (needs ${LACKING})`;
const CPUS = LACKING === null ? allowedCpus() : [];
const one = CPUS.length < 2;

/** Instances of ours, of whatever process. */
function instances(): string[] {
  const tracefs = openTracefs();
  try {
    const all = readdirSync(`${tracefs.root}/instances`);
    return all.filter((name) => name.startsWith("packetpath-"));
  } finally {
    tracefs.close();
  }
}

const instancesOf = (pid: number) =>
  instances().filter((name) => name.startsWith(`packetpath-${pid}-`));

/** What a process has left; other runs may come and go on the same machine. */
function leftOf(pid: number): string[] {
  const ledgers = existsSync(LEDGER_DIR) ? readdirSync(LEDGER_DIR) : [];
  return [...instancesOf(pid), ...ledgers.filter((file) => file.startsWith(`${pid}-`))];
}

interface Claims {
  readonly claims: readonly { claim: string; holds: number; of: number; asExpected: boolean }[];
}

/** The claims that did not hold each time. */
const broken = ({ claims }: Claims) =>
  claims.filter(({ holds, of }) => of === 0 || holds !== of).map(({ claim }) => claim);

afterEach(endAll);

describe.skipIf(LACKING !== null)(`observe loopback${needs}`, () => {
  it("3.5 #11 a ping is received in its sender's context and CPU, inside of the send", async () => {
    const program = new Program(["observe", "loopback", "--count", "20", "--json"]);
    expect(await program.ended(), program.stderr).toBe(0);
    expect(leftOf(program.pid)).toEqual([]);
    const result = JSON.parse(program.stdout);
    expect(result).toMatchObject({ schemaVersion: 1, observation: "loopback", asExpected: true });
    const [own] = result.parts;
    expect(broken(own)).toEqual([]);
    expect(own.claims.map(({ of }: { of: number }) => of)).toEqual([20, 20, 20, 20, 20]);
    const send = own.events.find(({ name }: { name: string }) => name === "sys_enter_sendto");
    const received = own.events.find(({ name }: { name: string }) => name === "netif_receive_skb");
    expect([received.pid, received.cpu]).toEqual([send.pid, send.cpu]);
    expect(received.flags[2]).toBe("s");
    // The request and the reply of each; the host's other packets come on top.
    const { before: first, after: last } = own.counters;
    expect(last.netRx - first.netRx).toBeGreaterThanOrEqual(20);
    expect(last.processed - first.processed).toBeGreaterThanOrEqual(40);
  });

  it.skipIf(one)(
    "3.5 #13 with RPS the receive moves to the other CPU (needs two CPUs)",
    async () => {
      const { parts } = await observeLoopback({ count: 20 }, new AbortController().signal);
      const steered = parts[1]!;
      expect(broken(steered)).toEqual([]);
      expect(steered.steeredTo).not.toBe(steered.cpu);
      const received = steered.events.find(({ name }) => name === "netif_receive_skb")!;
      expect(received.cpu).toBe(steered.steeredTo);
    },
  );

  it("with one CPU the part with RPS is left out, by name", async () => {
    const cpus = [CPUS.at(-1)!];
    const result = await observeLoopback({ count: 1, cpus }, new AbortController().signal);
    expect(result.parts).toHaveLength(1);
    expect(result.skipped).toEqual([
      { what: "receive packet steering", why: "there is only one CPU" },
    ]);
  });

  it("draws a column for each CPU and context, and says what held", async () => {
    const { stdout } = await packetpath(["observe", "loopback", "--count", "1"]);
    expect(stdout).toMatch(/CPU \d+ task, thread \d+ +\| CPU \d+ softirq, thread \d+/);
    expect(stdout).toMatch(/sendto\(\) begins[^]*NET_RX begins[^]*lo: received[^]*returns 16/);
    expect(stdout).toContain("the receive ran in the sender's own context and CPU: yes, 1 of 1");
    expect(stdout).toMatch(/counters of CPU \d+: NET_RX \d+ \+\d+/);
    for (const line of stdout.split("\n")) expect(line.length).toBeLessThanOrEqual(120);
  });
});

describe.skipIf(LACKING !== null)(`observe tap${needs}`, () => {
  it("3.5 #12 receive and answer are inside of write(), with softirqs off", async () => {
    const ran = await packetpath(["observe", "tap", "--count", "1000", "--json"]);
    const result = JSON.parse(ran.stdout);
    expect(ran.code, ran.stdout).toBe(0);
    expect(broken(result)).toEqual([]);
    expect(result.claims.at(-1)).toMatchObject({ holds: 1000, of: 1000 });
    const names = result.timelines.map(({ events }: { events: { name: string }[] }) =>
      events.map(({ name }) => name).filter((name) => !name.startsWith("softirq_raise")),
    );
    const way = ["netif_receive_skb", "net_dev_queue", "net_dev_xmit"];
    expect(names).toEqual([
      ["sys_enter_write", ...way, "sys_exit_write"],
      ["sys_enter_write", ...way, "sys_exit_write"],
    ]);
  });

  it("says so in words", async () => {
    const { stdout, code } = await packetpath(["observe", "tap", "--count", "2"]);
    expect(code).toBe(0);
    expect(stdout).toContain("the answer could be read right after write(): yes, 2 of 2");
    expect(stdout).toMatch(/tun_get_user > netif_receive_skb[^]*icmp_reply/);
  });
});

describe.skipIf(NEEDS_ROOT)(`observe backlog${needsRoot}`, () => {
  it("3.5 #10 takes its limit and one; the sender never learns of the rest", async () => {
    const program = new Program(["observe", "backlog", "--count", "5", "--json"]);
    const code = await program.ended();
    expect(code, program.stdout + program.stderr).toBe(0);
    const result = JSON.parse(program.stdout);
    expect(result.rounds).toHaveLength(5);
    expect(broken(result)).toEqual([]);
    for (const { written, given } of result.rounds) expect(written).toBe(given);
    expect(leftOf(program.pid)).toEqual([]);
  });
});

describe.skipIf(LACKING !== null)(`what an observation leaves${needs}`, () => {
  /** Runs until it has its trace instance, and strikes then. */
  async function struck(what: string, count: string, signal: NodeJS.Signals): Promise<Program> {
    const program = new Program(["observe", what, "--count", count]);
    const hasInstance = () => instancesOf(program.pid).length > 0 || program.end !== null;
    await eventually("an instance", hasInstance, { timeoutMs: 60_000, everyMs: 1 });
    expect(program.end).toBeNull();
    program.child.kill(signal);
    await program.ended();
    return program;
  }

  it.each([
    ["loopback", "100", "SIGINT", 130],
    ["tap", "10000", "SIGTERM", 143],
  ] as const)("%s %s, %s: exit code %d, and nothing", async (what, count, signal, code) => {
    const program = await struck(what, count, signal);
    expect(program.end).toBe(code);
    expect(program.stdout).toBe("");
    expect(leftOf(program.pid)).toEqual([]);
  });

  it("kill -9: its instance, and after clean nothing", async () => {
    const program = await struck("loopback", "100", "SIGKILL");
    const [name = ""] = instancesOf(program.pid);
    expect(name).toMatch(/^packetpath-/);
    expect(leftOf(program.pid)).toHaveLength(2);
    const { stdout } = await packetpath(["clean"]);
    expect(stdout).toContain(`removed ${name}`);
    expect(leftOf(program.pid)).toEqual([]);
  });
});

describe("what cannot be observed", () => {
  it.each(["loopback", "tap"])("%s without a tracefs: exit 3, with the fix", async (what) => {
    const { code, stdout, stderr } = await packetpath(["observe", what, "--tracefs", "/proc"]);
    expect([code, stdout]).toEqual([3, ""]);
    expect(stderr).toMatch(
      process.geteuid?.() !== 0 ? /needs root/ : /"\/proc" is not a mounted tracefs/,
    );
    expect(stderr).toContain("fix: ");
  });

  it.skipIf(process.geteuid?.() !== 0)("as an ordinary user: exit 3 (needs root)", () => {
    const main = join(ROOT, "dist/cli/main.js");
    for (const what of ["loopback", "tap", "backlog"]) {
      const ran = spawnSync(process.execPath, [main, "observe", what], { uid: 65534, cwd: "/" });
      expect([ran.status, ran.stdout.toString()]).toEqual([3, ""]);
      expect(ran.stderr.toString()).toContain("needs root");
    }
  });

  it.each([
    ["a count of none", ["loopback", "--count", "0"]],
    ["a count above the limit", ["tap", "--count", "10001"]],
    ["something that nobody observes", ["weather"]],
    ["nothing", []],
  ])("%s: exit 2", async (_what, args) => {
    const { code, stdout } = await packetpath(["observe", ...args]);
    expect([code, stdout]).toEqual([2, ""]);
  });
});
