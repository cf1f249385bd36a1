// The rules of socket(2): by themselves, on facts recorded from a host, and against the running
// kernel (root). What a host answers is asked in children that the test starts and that end with
// it.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { eventually } from "../../src/base/eventually.js";
import { ownFolder } from "../../src/host/probe/cgroup-folder.js";
import { netlinkProtocols, protocolNames } from "../../src/host/probe/socket-facts.js";
import { predictSocket } from "../../src/models/socket/rules.js";
import type { SocketFacts } from "../../src/models/socket/steps.js";
import { differing, socketAsExpected } from "../../src/observe/socket/observe-socket.js";
import { allCalls, deepCalls, plainConditions } from "../../src/observe/socket/rows.js";
import { NEEDS_ROOT, needsRoot } from "../host/linux-support.js";

const built = new URL("../../dist/", import.meta.url);
const dist = (path: string): string => fileURLToPath(new URL(path, built));

const PROTOCOLS =
  "AF_VSOCK PACKET XDP UNIX NETLINK TCP TCPv6 UDP UDPv6 RAW RAWv6 PING PINGv6 MPTCP MPTCPv6";

/** A host as recorded: 6.18 without modules. */
const FACTS: SocketFacts = {
  protocols: new Set(PROTOCOLS.split(" ")),
  netlink: new Set([0, 2, 4, 6, 9, 10, 12, 15, 16]),
  loads: () => false,
  lacksMemory: false,
  mayRaw: true,
  mayPing: false,
  mptcp: true,
  hasVsockDatagrams: false,
  descriptorsLeft: 1,
  seccomp: null,
  cgroupDenies: false,
};

type Row = readonly [family: number, type: number, protocol: number, errno: number | null];

const ask = ([family, type, protocol]: Row, more: Partial<SocketFacts> = {}) =>
  predictSocket({ family, type, protocol }, { ...FACTS, ...more })?.errno ?? null;

describe("4.5 #6 the rules", () => {
  it.each<Row>([
    [99, 1, 0, 97],
    [-1, 1, 0, 97],
    [46, 1, 0, 97],
    [45, 1, 0, 97],
    [2, 11, 0, 22],
    [2, 7, 0, 94],
    [2, 9, 0, 94],
    [2, 5, 0, 94],
    [2, 4, 0, 94],
    [2, 1, 17, 93],
    [2, 2, 6, 93],
    [2, 3, 0, 93],
    [2, 3, 255, 0],
    [2, 3, 256, 0],
    [2, 1, 262, 0],
    [2, 1, 263, 22],
    [2, 1, -1, 22],
    [2, 0x101, 0, 22],
    [2, 1 | 0o2004000, 0, 0],
    [2, 2, 1, 13],
    [10, 2, 58, 13],
    [10, 2, 1, 93],
    [2, 10, 0, 0],
    [10, 10, 0, 94],
    [1, 3, 0, 0],
    [1, 1, 6, 93],
    [16, 3, 1, 93],
    [16, 1, 0, 94],
    [40, 2, 0, 19],
    [44, 3, 0, 0],
  ])("socket(%i, %i, %i): errno %i", (...row) => {
    expect(ask(row)).toBe(row[3]);
  });

  it("the earlier step answers: flags, family, type, protocol, capability, descriptor", () => {
    const none = { mayRaw: false, descriptorsLeft: 0, cgroupDenies: true };
    expect(ask([99, 0x111, 0, null], none)).toBe(22);
    expect(ask([99, 11, 0, null], none)).toBe(97);
    expect(ask([2, 3, 0, null], none)).toBe(93);
    expect(ask([2, 3, 1, null], none)).toBe(1);
    expect(ask([17, 1, 0, null], none)).toBe(1);
    expect(ask([2, 1, 0, null], none)).toBe(1);
    expect(ask([1, 1, 0, null], none)).toBe(24);
    const lacksMemory = true;
    expect(ask([99, 1, 0, null], { lacksMemory })).toBe(97);
    expect(ask([45, 1, 0, null], { lacksMemory })).toBe(23);
    expect(ask([2, 11, 0, null], { lacksMemory })).toBe(22);
    expect(ask([2, 1, 263, null], { ...none, lacksMemory })).toBe(23);
    const seccomp = { errno: 71, family: 2 };
    expect(ask([2, 0x111, 0, null], { seccomp })).toBe(71);
    expect(ask([1, 1, 0, null], { seccomp })).toBe(0);
  });

  it("nothing is said of what a module could answer, or a family without rules", () => {
    const loads = (alias: string) => ["net-pf-29", "net-pf-2-proto-132-type-1"].includes(alias);
    expect(ask([29, 3, 0, null], { loads })).toBeNull();
    expect(ask([2, 1, 132, null], { loads })).toBeNull();
    expect(ask([2, 5, 132, null], { loads })).toBe(94);
    const protocols = new Set([...FACTS.protocols, "ALG"]);
    expect(ask([38, 5, 0, null], { protocols })).toBeNull();
  });

  it("facts are read from the columns that hold them", () => {
    expect(protocolNames("protocol  size sockets\nPACKET    1600  0\nTCPv6 2432 1\n")).toEqual([
      "PACKET",
      "TCPv6",
    ]);
    const text = "sk  Eth Pid Groups\n0001 0   0   0\n0002 16  0   0\n0003 15  812 1\n";
    expect(netlinkProtocols(text)).toEqual([0, 2, 16]);
  });

  it("the rows are a cross product without repetition", () => {
    const rows = allCalls().map((call) => call.join());
    expect(rows.length).toBeGreaterThan(1400);
    expect(new Set(rows).size).toBe(rows.length);
    expect(plainConditions()).toHaveLength(8);
    expect(plainConditions().every((one) => !one.lacksMemory)).toBe(true);
  });
});

const noGroups = ownFolder("v2") === null;
const needsGroups = noGroups ? " (needs cgroup2)" : "";

/** Process ids of the children that ask for a process. */
function childrenOf(parent: number): string[] {
  return readdirSync("/proc").filter((pid) => {
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, "latin1").split("\0");
      return words.some((one) => one.endsWith("socket-child.js")) && words.includes(String(parent));
    } catch {
      return false;
    }
  });
}

interface Printed {
  readonly asExpected: boolean;
  readonly conditions: readonly { name: string; differing: number; left: object }[];
  readonly rows: readonly { answered: string }[];
}

describe.skipIf(NEEDS_ROOT)(`4.5 #6 the running kernel${needsRoot}`, () => {
  it("every row of every condition has the errno of the rules, and nothing is left", () => {
    const options = { encoding: "utf8", timeout: 300_000, maxBuffer: 1 << 26 } as const;
    const words = [dist("cli/main.js"), "observe", "socket", "--json"];
    const { status, stdout, stderr } = spawnSync(process.execPath, words, options);
    const { asExpected, conditions, rows } = JSON.parse(stdout) as Printed;
    expect([status, stderr, asExpected]).toEqual([0, "", true]);
    expect(conditions.filter((one) => one.differing > 0)).toEqual([]);
    for (const { left } of conditions) expect(left).toEqual({ sockets: 0, descriptors: 0 });
    expect(rows.length).toBeGreaterThan(5000);
    const names = new Set(rows.map((row) => row.answered));
    for (const one of ["EMFILE", "EPERM", "EACCES", "EPROTO", "ESOCKTNOSUPPORT"]) {
      expect(names).toContain(one);
    }
  });

  it("a kernel that answers otherwise than the rules is seen", async () => {
    const { askForSockets } = (await import(
      dist("host/probe/socket-probe.js")
    )) as typeof import("../../src/host/probe/socket-probe.js");
    const calls = deepCalls();
    const { errnos } = await askForSockets({ restriction: { withoutRaw: true }, calls });
    const rows = calls.map((call, i) => ({
      condition: "x",
      call,
      step: null,
      // As if the capability were there.
      predicted: String(ask([...call, null])),
      answered: String(errnos[i]),
    }));
    const differ = differing(rows);
    expect(differ.length).toBeGreaterThan(50);
    expect(differ.map((row) => row.answered)).toContain("1");
    const left = { sockets: 0, descriptors: 0 };
    const facts = {} as Parameters<typeof socketAsExpected>[0]["facts"];
    const conditions = [{ name: "x", what: "", rows, left }];
    expect(socketAsExpected({ facts, conditions, skipped: [] })).toBe(false);
  });

  it("Ctrl-C in a terminal: exit 130, no child and no group is left", async () => {
    const words = [dist("cli/main.js"), "observe", "socket"];
    const run = spawn(process.execPath, words, { stdio: "ignore", detached: true });
    const ended = new Promise((resolve) => run.once("close", resolve));
    const pid = run.pid!;
    const hasChild = (): boolean => childrenOf(pid).length > 0;
    await eventually("a child that asks", hasChild, { timeoutMs: 60_000, everyMs: 5 });
    process.kill(-pid, "SIGINT");
    expect(await ended).toBe(130);
    const isAlone = (): boolean => childrenOf(pid).length === 0;
    await eventually("its children to end", isAlone, { timeoutMs: 60_000 });
    const parent = ownFolder("v2");
    const groups = parent === null ? [] : readdirSync(parent);
    expect(groups.filter((name) => name.includes(`-${pid}-`))).toEqual([]);
  });

  it.skipIf(noGroups)(
    `a cgroup of a run that was killed goes with clean${needsGroups}`,
    async () => {
      const script = `
      const { makeCgroup } = await import(${JSON.stringify(dist("host/probe/cgroup.js"))});
      const group = makeCgroup("v2", "test");
      console.log(group.folder);
      setInterval(() => {}, 1000);`;
      const child = spawn(process.execPath, ["--input-type=module", "-e", script]);
      let said = "";
      child.stdout.setEncoding("utf8").on("data", (text: string) => (said += text));
      const line = await eventually("the group", () => /^(.*)\n/.exec(said)?.[1], {
        timeoutMs: 60_000,
      });
      const ended = new Promise((resolve) => child.once("close", resolve));
      child.kill("SIGKILL");
      await ended;
      expect(existsSync(line)).toBe(true);
      const { sweep } = (await import(
        dist("host/ledger.js")
      )) as typeof import("../../src/host/ledger.js");
      expect(sweep().removed).toContain(line);
      expect(existsSync(line)).toBe(false);
      expect(readFileSync("/proc/self/cgroup", "latin1")).not.toContain("packetpath-test");
    },
  );
});
