// The witness and the prober, in fresh namespaces joined by a veth pair: what was sent is what was
// seen, whichever binding looks; and no child outlives its work.
import { execFileSync, fork } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import * as libc from "@packetpath/libc";
import { afterEach, describe, expect, it } from "vitest";
import { eventually } from "../../src/base/eventually.js";
import { probe } from "../../src/host/witness/prober.js";
import type { NamespaceRef } from "../../src/host/types.js";
import {
  addFrame,
  emptyTally,
  startWitness,
  tallyReport,
  type CaptureBinding,
} from "../../src/host/witness/witness.js";
import { Cap } from "../../native-free-shims/cap/index.js";

const root = process.getuid?.() === 0;
const needsRoot = root ? "" : " (needs root)";

function loads(name: string): boolean {
  try {
    createRequire(import.meta.url)(name);
    return true;
  } catch {
    return false;
  }
}

// Both are used in child processes; loading them here tells whether they are built.
const capBuilt = loads("cap");
const rawSocketBuilt = loads("raw-socket");

/** Two namespaces, a and b, joined by veth0; IPv6's own chatter switched off. */
interface Pair {
  readonly a: NamespaceRef;
  readonly b: NamespaceRef;
}

const opened: number[] = [];
const children: { kill(signal: NodeJS.Signals): unknown }[] = [];

function ip(namespace: NamespaceRef, ...args: string[]): string {
  return libc.withNetns(namespace.handle, () => execFileSync("ip", args, { encoding: "utf8" }));
}

function namespace(name: string): NamespaceRef {
  const open = (): number => {
    const fd = libc.open("/proc/thread-self/ns/net", libc.C.O_RDONLY | libc.C.O_CLOEXEC);
    expect(fd).toBeGreaterThan(0);
    opened.push(fd);
    return fd;
  };
  const home = open();
  expect(libc.unshare(libc.C.CLONE_NEWNET)).toBe(0);
  const handle = open();
  expect(libc.setns(home, libc.C.CLONE_NEWNET)).toBe(0);
  return { name, handle, path: null };
}

async function pair(): Promise<Pair> {
  const a = namespace("a");
  const b = namespace("b");
  ip(a, "link", "add", "veth0", "type", "veth", "peer", "name", "peer0");
  ip(a, "link", "set", "peer0", "netns", `/proc/${process.pid}/fd/${b.handle}`);
  ip(b, "link", "set", "peer0", "name", "veth0");
  for (const [side, last] of [
    [a, 1],
    [b, 2],
  ] as const) {
    ip(side, "link", "set", "veth0", "address", `02:00:00:00:00:0${last}`, "addrgenmode", "none");
    ip(side, "addr", "add", `10.9.0.${last}/24`, "dev", "veth0");
    ip(side, "addr", "add", `fd09::${last}/64`, "dev", "veth0", "nodad");
    ip(side, "link", "set", "veth0", "up");
  }
  // Until the kernel's link watch has run, a veth has the noop qdisc and drops what it is given.
  for (const side of [a, b]) {
    const up = (): boolean => ip(side, "-o", "link", "show", "veth0").includes("state UP");
    await eventually("veth0 to be up", up, { timeoutMs: 60_000 });
  }
  return { a, b };
}

afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  // The namespaces and their devices go with the last descriptor.
  for (const fd of opened.splice(0)) libc.close(fd);
});

/** Test frames of an EtherType for local experiments (0x88b5), with a number and a length each. */
function frames(count: number): Buffer[] {
  return Array.from({ length: count }, (_, i) => {
    const frame = Buffer.alloc(60 + ((i * 37) % 1_400), i & 0xff);
    frame.set([2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x88, 0xb5]);
    frame.writeUInt32BE(i, 14);
    return frame;
  });
}

function sendAll(from: NamespaceRef, list: readonly Buffer[]): void {
  const sender = new Cap();
  libc.withNetns(from.handle, () =>
    sender.open("veth0", "ether proto 0x9999", 65_536, Buffer.alloc(64)),
  );
  for (const frame of list) sender.send(frame);
  sender.close();
}

function digestOf(list: readonly Buffer[]): ReturnType<typeof tallyReport> {
  const tally = emptyTally();
  for (const frame of list) addFrame(tally, frame);
  return tallyReport(tally);
}

const NOTHING = { frames: 0, bytes: 0, digest: "0000000000000000" };

/** Direct child processes that are running or waiting to be reaped. */
function childCount(): number {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
        return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]) === process.pid;
      } catch {
        return false;
      }
    }).length;
}

const fdCount = (): number => readdirSync("/proc/self/fd").length;

describe("frame digest", () => {
  it("does not depend on the order, and notices a lost, doubled or changed frame", () => {
    const list = frames(50);
    const all = digestOf(list).digest;
    expect(digestOf([...list].reverse()).digest).toBe(all);
    expect(digestOf(list.slice(1)).digest).not.toBe(all);
    expect(digestOf([...list, list[7]!]).digest).not.toBe(all);
    expect(digestOf([...list, list[7]!, list[7]!]).digest).not.toBe(all);
    const changed = list.map((frame) => Buffer.from(frame));
    changed[3]![20]! ^= 1;
    expect(digestOf(changed).digest).not.toBe(all);
  });
});

const BINDINGS: { binding: CaptureBinding; built: boolean; why: string }[] = [
  { binding: "cap", built: capBuilt, why: capBuilt ? "" : " (needs the package cap, not built)" },
  { binding: "shim", built: true, why: "" },
];

describe.each(BINDINGS)("witness with $binding", ({ binding, built, why }) => {
  const skip = !root || !built;
  const reason = needsRoot + why;

  it.skipIf(skip)(
    `sees exactly the frames that were sent, in their direction${reason}`,
    async () => {
      const { a, b } = await pair();
      const out = await startWitness(a, "veth0", "ether proto 0x88b5", { binding });
      const into = await startWitness(b, "veth0", "ether proto 0x88b5", { binding });
      const list = frames(1_000);
      sendAll(a, list);
      const [sent, received] = await Promise.all([out.stop(), into.stop()]);
      const expected = digestOf(list);
      const common = { ...expected, binding, dropped: 0, truncated: 0, ended: "stopped" };
      expect(sent).toEqual({ ...common, sent: expected, received: NOTHING });
      expect(received).toEqual({ ...common, sent: NOTHING, received: expected });
      expect(await out.stop()).toBe(sent);
    },
  );

  it.skipIf(skip)(`the filter keeps other frames out${reason}`, async () => {
    const { a } = await pair();
    const witness = await startWitness(a, "veth0", "arp", { binding });
    sendAll(a, frames(20));
    expect(await witness.stop()).toMatchObject(NOTHING);
  });

  it.skipIf(skip)(`a buffer too small for a burst is reported, not hidden${reason}`, async () => {
    const { a } = await pair();
    const options = { binding, bufferSizeBytes: 1_048_576 };
    const witness = await startWitness(a, "veth0", "ether proto 0x88b5", options);
    // Stopped, the child cannot empty its buffer: 1 MiB holds fewer than 20000 frames of either.
    process.kill(witness.pid, "SIGSTOP");
    sendAll(a, frames(20_000));
    process.kill(witness.pid, "SIGCONT");
    const report = await witness.stop();
    expect(report.dropped).toBeGreaterThan(0);
    expect(report.frames + report.dropped).toBe(20_000);
  });

  it.skipIf(skip)(
    `the removal of the device ends the capture and keeps the count${reason}`,
    async () => {
      const { a } = await pair();
      const before = { children: childCount(), fds: fdCount() };
      const witness = await startWitness(a, "veth0", "ether proto 0x88b5", { binding });
      const list = frames(300);
      sendAll(a, list);
      // The digest is complete once the child has been idle; only then may the device go.
      await eventually("the witness to be idle", () => idle(witness.pid), { timeoutMs: 60_000 });
      ip(a, "link", "del", "veth0");
      await eventually("the witness to notice", () => noticed(witness.pid, binding), {
        timeoutMs: 60_000,
      });
      expect(await witness.stop()).toMatchObject({ ...digestOf(list), ended: "device-gone" });
      expect({ children: childCount(), fds: fdCount() }).toEqual(before);
    },
  );

  it.skipIf(skip)(`ten witnesses leave no process and no descriptor behind${reason}`, async () => {
    const { a } = await pair();
    const before = { children: childCount(), fds: fdCount() };
    for (let i = 0; i < 10; i++) {
      const witness = await startWitness(a, "veth0", "", { binding });
      await witness.stop();
    }
    expect({ children: childCount(), fds: fdCount() }).toEqual(before);
  });

  it.skipIf(skip)(
    `a missing device is an error in its words, and no child stays${reason}`,
    async () => {
      const { a } = await pair();
      const before = { children: childCount(), fds: fdCount() };
      await expect(startWitness(a, "nosuch0", "", { binding })).rejects.toMatchObject({
        code: "ENVIRONMENT",
        message: expect.stringMatching(/a:nosuch0.*[Nn]o such device/),
      });
      await expect(startWitness(a, "veth0", "tcp and and", { binding })).rejects.toMatchObject({
        code: "ENVIRONMENT",
      });
      expect({ children: childCount(), fds: fdCount() }).toEqual(before);
    },
  );
});

/** CPU time of a process in clock ticks, or -1. */
function cpuTicks(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return Number(fields[11]) + Number(fields[12]);
}

const lastTicks = new Map<number, { ticks: number; since: number }>();

/** True once a process has slept, and used no CPU time, at 50 looks (100 ms) in a row. */
function idle(pid: number): boolean {
  const ticks = cpuTicks(pid);
  const last = lastTicks.get(pid);
  const since = sleeps(pid) && last?.ticks === ticks ? last.since + 1 : 0;
  lastTicks.set(pid, { ticks, since });
  return since >= 50;
}

function sleeps(pid: number): boolean {
  return /^State:\sS/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
}

/** A process that runs; not one that is gone or only waits to be reaped. */
function alive(pid: number): boolean {
  try {
    return /^State:\s[RSDT]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

/** Under cap the child dies of the removal; under the shim its namespace's packet socket closes. */
function noticed(pid: number, binding: CaptureBinding): boolean {
  if (binding === "cap") return !alive(pid);
  const sockets = readFileSync(`/proc/${pid}/net/packet`, "utf8").trim().split("\n");
  return sockets.length === 1;
}

describe("children and their parents", () => {
  it.skipIf(!root)(`a witness dies with a parent that is killed${needsRoot}`, async () => {
    const { a } = await pair();
    const entry = fileURLToPath(new URL("./witness-parent.mjs", import.meta.url));
    const parent = fork(entry, [], {
      stdio: ["ignore", "ignore", "inherit", "ipc", a.handle],
      execArgv: [],
    });
    children.push(parent);
    const pid = await new Promise<number>((resolve, reject) => {
      parent.once("message", (message) => resolve(Number(message)));
      parent.once("exit", () => reject(new Error("the parent ended early")));
    });
    expect(alive(pid)).toBe(true);
    parent.kill("SIGKILL");
    await eventually("the witness to die", () => !alive(pid), { timeoutMs: 60_000 });
  });

  it("options out of range are refused before a child is started", async () => {
    const nowhere = { name: "a", handle: 0, path: null };
    await expect(startWitness(nowhere, "x", "", { bufferSizeBytes: 5 })).rejects.toMatchObject({
      code: "USAGE",
      message: expect.stringMatching(/bufferSizeBytes is 5; it must be 1048576/),
    });
    await expect(probe(nowhere, "example.org", { count: 1 })).rejects.toMatchObject({
      code: "USAGE",
    });
    await expect(probe(nowhere, "10.0.0.1", { count: 0 })).rejects.toMatchObject({
      message: expect.stringMatching(/count is 0; it must be 1 to 10000/),
    });
  });

  it("a handle that is no namespace is an error, not a capture elsewhere", async () => {
    const nowhere = { name: "a", handle: 0, path: null };
    await expect(startWitness(nowhere, "lo", "")).rejects.toMatchObject({
      code: "ENVIRONMENT",
      message: expect.stringMatching(/cannot enter the network namespace/),
    });
  });
});

const PROBES = [
  { binding: "raw-socket", built: rawSocketBuilt },
  { binding: "shim", built: true },
] as const;

describe.each(PROBES)("prober with $binding", ({ binding, built }) => {
  const skip = !root || !built;
  const reason = needsRoot + (built ? "" : " (needs the package raw-socket, not built)");

  it.skipIf(skip)(`every request is answered, IPv4 and IPv6${reason}`, async () => {
    const { a } = await pair();
    for (const target of ["10.9.0.2", "fd09::2"]) {
      const report = await probe(a, target, { count: 20, intervalMs: 1, binding });
      expect(report).toMatchObject({
        binding,
        sent: 20,
        received: 20,
        duplicates: 0,
        corrupted: 0,
        errors: {},
      });
      expect(report.rttMs).toHaveLength(20);
      expect(Math.min(...report.rttMs)).toBeGreaterThan(0);
    }
  });

  it.skipIf(skip)(`its own requests, seen on loopback, are no answers${reason}`, async () => {
    const { a } = await pair();
    ip(a, "link", "set", "lo", "up");
    const report = await probe(a, "10.9.0.1", { count: 5, intervalMs: 1, binding });
    expect(report).toMatchObject({ sent: 5, received: 5, duplicates: 0, corrupted: 0 });
  });

  it.skipIf(skip)(`silence and refusals are counted, not thrown${reason}`, async () => {
    const { a } = await pair();
    const silent = await probe(a, "10.9.0.77", { count: 2, intervalMs: 1, timeoutMs: 50, binding });
    expect(silent).toMatchObject({ received: 0, rttMs: [] });
    const refused = await probe(a, "192.0.2.1", {
      count: 3,
      intervalMs: 0,
      timeoutMs: 50,
      binding,
    });
    expect(refused).toMatchObject({ sent: 0, errors: { "Network is unreachable": 3 } });
  });

  it.skipIf(skip)(`a large payload comes back byte for byte${reason}`, async () => {
    const { a } = await pair();
    const before = { children: childCount(), fds: fdCount() };
    const report = await probe(a, "10.9.0.2", { count: 3, sizeBytes: 8_000, binding });
    expect(report).toMatchObject({ sent: 3, received: 3, corrupted: 0 });
    expect({ children: childCount(), fds: fdCount() }).toEqual(before);
  });
});
