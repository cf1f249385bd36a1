// Namespaces on the running kernel (root): made and let go at once, refused by limits, taken back
// half-way, held; and that nothing stays when the command is interrupted or killed.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { eventually } from "../../src/base/eventually.js";
import { activeObjects } from "../../src/host/namespaces/slabs.js";
import { ownFolder } from "../../src/host/probe/cgroup-folder.js";
import { INHERITANCE } from "../../src/models/netns/inheritance.js";
import {
  isGrowthSmall,
  netnsAsExpected,
  predictedOf,
} from "../../src/observe/netns/observe-netns.js";
import { NEEDS_ROOT, needsRoot } from "../host/linux-support.js";

const built = new URL("../../dist/", import.meta.url);
const dist = (path: string): string => fileURLToPath(new URL(path, built));
const MAIN = dist("cli/main.js");

interface Printed {
  readonly asExpected: boolean;
  readonly checks: readonly { id: string; seen: string; ok: boolean }[];
  readonly skipped: readonly { name: string; why: string }[];
  readonly microseconds: { min: number; p50: number; p99: number };
}

describe("what is predicted", () => {
  it("4.5 #12 whose settings a namespace begins with, by the value of the sysctl", () => {
    const setting = { key: "k", initNet: "i", parent: "p", defaults: "d", child: "" };
    const matrix = INHERITANCE.map((rule) =>
      (["ipv4", "ipv6"] as const).map((protocol) => predictedOf({ ...setting, protocol }, rule)),
    );
    expect(matrix).toEqual([
      ["i", "d"],
      ["i", "i"],
      ["d", "d"],
      ["p", "p"],
    ]);
  });

  it("one check that does not hold is enough", () => {
    const check = { id: "#1", what: "", seen: "", ok: true };
    const rest = { skipped: [], microseconds: null, memory: null, settings: null, slabs: {} };
    expect(netnsAsExpected({ checks: [check], ...rest })).toBe(true);
    expect(netnsAsExpected({ checks: [check, { ...check, ok: false }], ...rest })).toBe(false);
  });

  it("what half-empty slabs and other programs hold is no namespace that was left", () => {
    expect(isGrowthSmall({ net_namespace: 28, sock_inode_cache: 7000 }, 200)).toBe(true);
    expect(isGrowthSmall({ net_namespace: 100, sock_inode_cache: 0 }, 200)).toBe(false);
  });

  it("active objects are the second column of slabinfo", () => {
    const text = "slabinfo - version: 2.1\nnet_namespace  35 63 4288 7 8 : tunables\nother 1 1\n";
    expect([...activeObjects(["net_namespace", "gone"], text)]).toEqual([["net_namespace", 35]]);
  });
});

const noGroups = ownFolder("memory") === null;
const needsGroups = noGroups ? " (needs a memory cgroup of version 1)" : "";

/** Folders of cgroups that a process has made for this. */
function cgroupsOf(pid: number): string[] {
  const parent = ownFolder("memory");
  if (parent === null) return [];
  const names = readdirSync(parent).filter((name) => name.startsWith(`packetpath-netns-${pid}-`));
  return names.map((name) => `${parent}/${name}`);
}

/** Whether the child of a process that makes and destroys namespaces is alive. */
function hasChurnChild(parent: number): boolean {
  return readdirSync("/proc").some((pid) => {
    try {
      const line = readFileSync(`/proc/${pid}/cmdline`, "latin1");
      return line.includes("churn-child.js") && line.includes(`"parent":${parent}`);
    } catch {
      return false;
    }
  });
}

describe.skipIf(NEEDS_ROOT)(`4.5 the running kernel${needsRoot}`, () => {
  it("#10 #11 #12 #14: 200 namespaces, limits, settings, one that is held", () => {
    const options = { encoding: "utf8", timeout: 300_000 } as const;
    const words = [MAIN, "observe", "netns", "--count", "200", "--json"];
    const { status, stdout, stderr } = spawnSync(process.execPath, words, options);
    const result = JSON.parse(stdout) as Printed;
    expect(result.checks.filter((one) => !one.ok)).toEqual([]);
    expect([status, stderr]).toEqual([0, ""]);
    const ids = [...result.checks.map((one) => one.id), ...result.skipped.map((one) => one.name)];
    for (const id of ["#10", "#11", "#12", "#14"]) {
      expect(
        ids.filter((one) => one.includes(id)),
        id,
      ).toHaveLength(1);
    }
    if (!result.skipped.some(({ name }) => name.startsWith("#10"))) {
      expect(result.microseconds.p99).toBeGreaterThanOrEqual(result.microseconds.p50);
      expect(result.microseconds.min).toBeGreaterThan(0);
    }
  });

  it.skipIf(noGroups)(
    `roll-back: each limit but the last has its errno${needsGroups}`,
    async () => {
      const { memoryRollback } = (await import(
        dist("host/namespaces/memory-rollback.js")
      )) as typeof import("../../src/host/namespaces/memory-rollback.js");
      const before = readdirSync("/proc/self/fd").length;
      const result = await memoryRollback(new AbortController().signal);
      if (typeof result === "string") throw new Error(result);
      const errnos = result.attempts.map((one) => one.errno);
      expect(errnos.at(-1)).toBe(0);
      expect(errnos.slice(0, -1).filter((one) => ![12, 23, 105].includes(one))).toEqual([]);
      expect(errnos.length).toBeGreaterThan(5);
      expect(cgroupsOf(process.pid)).toEqual([]);
      expect(readdirSync("/proc/self/fd").length).toBeLessThanOrEqual(before);
    },
  );

  it.each([
    ["SIGINT", 130],
    ["SIGKILL", null],
  ] as const)(
    "%s while namespaces come and go: the child ends too, nothing is left",
    async (signal, code) => {
      const words = [MAIN, "observe", "netns", "--count", "100000"];
      const run = spawn(process.execPath, words, { stdio: "ignore" });
      const ended = new Promise<number | null>((resolve) => run.once("close", resolve));
      const pid = run.pid!;
      await eventually("the churn", () => hasChurnChild(pid), { timeoutMs: 60_000, everyMs: 20 });
      run.kill(signal);
      expect(await ended).toBe(code);
      const isGone = (): boolean => !hasChurnChild(pid);
      await eventually("the child to end", isGone, { timeoutMs: 60_000, everyMs: 20 });
      expect(cgroupsOf(pid)).toEqual([]);
    },
  );

  it.skipIf(noGroups)(
    `kill -9 short of memory: clean removes the cgroup${needsGroups}`,
    async () => {
      const words = [MAIN, "observe", "netns", "--count", "10"];
      const run = spawn(process.execPath, words, { stdio: "ignore" });
      const ended = new Promise((resolve) => run.once("close", resolve));
      const pid = run.pid!;
      const isMade = (): string | undefined => cgroupsOf(pid)[0];
      const folder = await eventually("the cgroup", isMade, { timeoutMs: 60_000 });
      run.kill("SIGKILL");
      await ended;
      const isSwept = (): boolean => {
        spawnSync(process.execPath, [MAIN, "clean"]);
        return !existsSync(folder);
      };
      await eventually("the cgroup to be removed", isSwept, { timeoutMs: 60_000 });
    },
  );
});
