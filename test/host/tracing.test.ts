// Trace instances: they are made, fenced off from the host's own trace, and gone afterwards; and
// the small things that observations need of the host.
import { once } from "node:events";
import { execFileSync, fork } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ERRNO } from "../../src/base/errno.js";
import type { PacketpathError } from "../../src/base/errors.js";
import { LEDGER_DIR, processIdentity, sweep } from "../../src/host/ledger.js";
import { openBackend } from "../../src/host/open.js";
import { allowedCpus, cpuList, onCpu, onlineCpus } from "../../src/host/stimulus/pinned.js";
import { cpuMask, steerTo } from "../../src/host/stimulus/rps.js";
import { receiveCounters } from "../../src/host/tracing/counters.js";
import {
  makeInstance,
  noTracefs,
  openTracefs,
  removeInstance,
  type Tracefs,
} from "../../src/host/tracing/tracefs.js";
import { missingEvents, openTracing } from "../../src/host/tracing/tracing.js";
import { parseTrace } from "../../src/observe/receive/trace/trace-text.js";
import { NEEDS_ROOT, needsRoot } from "./linux-support.js";

/** The error that `deed` ends with. */
function failureOf(deed: () => unknown): PacketpathError {
  try {
    deed();
  } catch (error) {
    return error as PacketpathError;
  }
  throw new Error("no error");
}

describe("what a machine lacks is named", () => {
  let folder = "";
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "packetpath-tracefs-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it("a folder that is no tracefs", () => {
    const error = failureOf(() => openTracefs(folder));
    expect(error).toMatchObject({ code: "ENVIRONMENT", exitCode: 3 });
    expect(error.message).toBe(`"${folder}" is not a mounted tracefs`);
    expect(error.fix).toContain("mount -t tracefs");
    expect(failureOf(() => openTracefs(`${folder}/nowhere`)).message).toContain("nowhere");
  });

  it.each([
    [ERRNO.EPERM, "EPERM", "CAP_SYS_ADMIN"],
    [ERRNO.ENODEV, "ENODEV", "CONFIG_FTRACE"],
    [ERRNO.EINVAL, "EINVAL", "mount -t tracefs"],
  ])("a tracefs that cannot be mounted: errno %d", (errno, name, fix) => {
    const error = noTracefs(-errno);
    expect(error.exitCode).toBe(3);
    expect(error.message).toContain(name);
    expect(error.fix).toContain(fix);
  });

  it("an event that is needed is an error, one that is optional is told", () => {
    mkdirSync(`${folder}/events/net/netif_rx`, { recursive: true });
    writeFileSync(`${folder}/events/net/netif_rx/enable`, "0");
    const there = { name: "net/netif_rx" };
    const absent = { name: "napi/napi_poll", optional: true };
    expect(missingEvents(folder, [there])).toEqual([]);
    expect(missingEvents(folder, [there, absent])).toEqual(["napi/napi_poll"]);
    const needed = [there, { name: "syscalls/sys_enter_write" }];
    const error = failureOf(() => missingEvents(folder, needed));
    expect(error.exitCode).toBe(3);
    expect(error.message).toBe("this kernel has no trace events syscalls/sys_enter_write");
    expect(error.fix).toContain("CONFIG_FTRACE_SYSCALLS");
  });

  it("only instances of ours are ever removed", () => {
    for (const name of ["foreign", "../tracing_on", "packetpath-1-2", "packetpath-1-2-3/../x"]) {
      expect(removeInstance(name)).toBe("it is not one of packetpath's trace instances");
    }
  });
});

describe("what the kernel counts", () => {
  const SOFTIRQS = [
    "                    CPU0       CPU2       ",
    "          HI:          1          2",
    "      NET_TX:          5          6",
    "      NET_RX:        700        900",
  ].join("\n");
  const rest = Array.from({ length: 9 }, () => "00000000").join(" ");
  const SOFTNET = `0000000a 00000000 ${rest} 00000003 00000000 0 0
00000010 000000ff ${rest} 00000000 00000002 0 0
`;

  it("is read by the CPU's number, also where CPUs are offline", () => {
    const first = { netRx: 700, processed: 10, dropped: 0, waiting: 3 };
    const last = { netRx: 900, processed: 16, dropped: 255, waiting: 0 };
    const absent = { netRx: 0, processed: 0, dropped: 0, waiting: null };
    expect(receiveCounters(SOFTIRQS, SOFTNET, 0)).toEqual(first);
    expect(receiveCounters(SOFTIRQS, SOFTNET, 2)).toEqual(last);
    expect(receiveCounters(SOFTIRQS, SOFTNET, 1)).toEqual(absent);
  });

  it("is read by the line where kernels before 5.14 do not say the CPU", () => {
    const old = "0000000a 00000000 00000000\n00000010 00000001 00000000\n";
    expect(receiveCounters(SOFTIRQS, old, 0)).toMatchObject({ processed: 10, waiting: null });
  });

  it.each([
    ["0-3,8", [0, 1, 2, 3, 8]],
    ["1", [1]],
    ["", []],
  ])("a list of CPUs: %j", (text, cpus) => {
    expect(cpuList(text)).toEqual(cpus);
  });

  it.each([
    [0, "1"],
    [5, "20"],
    [31, "80000000"],
    [32, "1,00000000"],
    [65, "2,00000000,00000000"],
  ])("the mask of CPU %d is %s", (cpu, mask) => {
    expect(cpuMask(cpu)).toBe(mask);
  });

  it("a thread is bound to a CPU for as long as something runs, and let go after an error", () => {
    const before = allowedCpus();
    const last = before.at(-1)!;
    expect(onCpu(last, allowedCpus)).toEqual([last]);
    expect(() => onCpu(last, () => expect(allowedCpus()).toEqual(before))).toThrow();
    expect(allowedCpus()).toEqual(before);
    expect(onlineCpus()).toEqual(expect.arrayContaining(before));
    expect(failureOf(() => onCpu(1023, () => 0)).message).toContain("CPU 1023");
  });
});

describe.skipIf(NEEDS_ROOT)(`a trace instance${needsRoot}`, () => {
  const events = [{ name: "irq/softirq_entry" }];
  let tracefs: Tracefs;
  beforeEach(() => {
    tracefs = openTracefs();
  });
  afterEach(() => tracefs.close());
  const ledger = () => `${LEDGER_DIR}/${processIdentity(process.pid)}.jsonl`;
  const own = (name: string) => existsSync(`${tracefs.root}/instances/${name}`);
  const instanceOf = (run: string | null) => `packetpath-${run}-1`;

  it("records on its own: the host's trace stays as it is", () => {
    const host = () =>
      ["tracing_on", "set_event", "events/irq/softirq_entry/enable", "trace_clock"].map((file) =>
        readFileSync(`${tracefs.root}/${file}`, "utf8"),
      );
    const before = host();
    const tracing = openTracing({ events, thread: null });
    try {
      expect(tracing.absent).toEqual([]);
      tracing.start();
      expect(host()).toEqual(before);
      tracing.stop();
    } finally {
      tracing.close();
    }
    expect(host()).toEqual(before);
  });

  it("records what happens while one thread is on a CPU, and nothing else", () => {
    const writes = [{ name: "syscalls/sys_enter_write" }];
    const tracing = openTracing({ events: writes, thread: process.pid });
    try {
      tracing.start();
      execFileSync("sh", ["-c", "echo of another process"]);
      tracing.stop();
      const { events: seen } = parseTrace(tracing.read());
      expect(new Set(seen.map(({ pid }) => pid))).toEqual(new Set([process.pid]));
      expect(seen[0]!.stack.length).toBeGreaterThan(0);
    } finally {
      tracing.close();
    }
  });

  it("is in the ledger before it is there, and out of it afterwards", () => {
    const tracing = openTracing({ events, thread: null });
    const text = readFileSync(ledger(), "utf8");
    const name = /"name":"(packetpath-[\d-]+)"/.exec(text)![1]!;
    expect(own(name)).toBe(true);
    tracing.close();
    expect(own(name)).toBe(false);
    expect(existsSync(ledger())).toBe(false);
  });

  it("is taken back when the kernel refuses a filter", () => {
    const bad = [{ name: "irq/softirq_entry", filter: "nosuch == 1" }];
    const error = failureOf(() => openTracing({ events: bad, thread: null }));
    expect(error).toMatchObject({ code: "SYSTEM_CALL", exitCode: 3 });
    expect(error.message).toContain("EINVAL");
    expect(existsSync(ledger())).toBe(false);
  });

  it("is taken back when an event is not there", () => {
    const nothing = [{ name: "net/no_such_event" }];
    expect(failureOf(() => openTracing({ events: nothing, thread: null })).exitCode).toBe(3);
    expect(existsSync(ledger())).toBe(false);
  });

  it("kill -9: sweep removes what the dead run made, and nobody else's", async () => {
    const foreign = `${tracefs.root}/instances/packetpath-test-foreign-${process.pid}`;
    mkdirSync(foreign);
    const living = openTracing({ events, thread: null });
    const child = fork(fileURLToPath(new URL("tracing-child.mjs", import.meta.url)));
    try {
      await once(child, "message");
      const name = instanceOf(processIdentity(child.pid!));
      expect(own(name)).toBe(true);
      sweep();
      expect(own(name)).toBe(true);
      child.kill("SIGKILL");
      await once(child, "exit");
      expect(sweep().removed).toContain(name);
      expect(own(name)).toBe(false);
      expect(existsSync(foreign)).toBe(true);
      expect(existsSync(ledger())).toBe(true);
    } finally {
      child.kill("SIGKILL");
      living.close();
      rmdirSync(foreign);
    }
  });

  it("of a dead run that somebody reads is kept, said, and removed the next time", async () => {
    const child = fork(fileURLToPath(new URL("tracing-child.mjs", import.meta.url)));
    await once(child, "message");
    const name = instanceOf(processIdentity(child.pid!));
    child.kill("SIGKILL");
    await once(child, "exit");
    const reader = openSync(`${tracefs.root}/instances/${name}/trace_pipe`, "r");
    expect(sweep().kept.map((one) => one.name)).toContain(name);
    closeSync(reader);
    expect(sweep().removed).toContain(name);
  });

  it("cannot be made twice under one name", () => {
    const name = `packetpath-test-twice-${process.pid}`;
    const folder = makeInstance(tracefs, name);
    expect(failureOf(() => makeInstance(tracefs, name)).message).toContain("EEXIST");
    rmdirSync(folder);
  });

  it("steering names what is missing", async () => {
    const backend = await openBackend("linux");
    try {
      const namespace = backend.addNamespace("steer", { named: false });
      expect(steerTo(namespace, "lo", 0)).toBeNull();
      expect(steerTo(namespace, "nosuch", 0)).toContain("CONFIG_RPS");
    } finally {
      backend.close();
    }
  });
});
