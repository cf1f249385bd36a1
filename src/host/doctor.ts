// What the machine must have, and what it may have: each a check that really tries, with the fix.
// Main thread. Nothing is left behind: what a check makes lives in an anonymous namespace.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, statfsSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { errnoName } from "../base/errno.js";
import { PacketpathError } from "../base/errors.js";

/** One line of `packetpath doctor`. */
export interface Check {
  readonly name: string;
  readonly ok: boolean;
  /** What was found. */
  readonly detail: string;
  /** What to do when it is not ok: one imperative sentence. */
  readonly fix: string;
  /** Without it the linux backend does not run; otherwise only `detail`'s feature is missing. */
  readonly required: boolean;
}

/** Limits of the process and of a new namespace, as numbers. */
export interface Limits {
  /** RLIMIT_NOFILE, hard: Node raises the soft limit to it at start. */
  readonly openFiles: number;
  /** net.core.somaxconn, the longest listen backlog. */
  readonly somaxconn: number;
  /** Number of ports in net.ipv4.ip_local_port_range. */
  readonly localPorts: number;
  /** kernel.pid_max: each thread takes one. */
  readonly pids: number;
}

const NODE_MIN: readonly [number, number] = [20, 19];
/** 3000 requests need two descriptors each in one process, and the program some hundred. */
const OPEN_FILES_MIN = 8192;

const sysctl = (path: string): string => {
  try {
    return readFileSync(`/proc/sys/${path}`, "utf8").trim();
  } catch {
    return "";
  }
};

/** Reads the limits of the calling thread's namespace. */
export function readLimits(): Limits {
  const hard = /^Max open files\s+\S+\s+(\S+)/m.exec(
    readFileSync("/proc/self/limits", "utf8"),
  )?.[1];
  const [low = 0, high = 0] = sysctl("net/ipv4/ip_local_port_range").split(/\s+/).map(Number);
  return {
    openFiles: hard === "unlimited" ? Infinity : Number(hard ?? 0),
    somaxconn: Number(sysctl("net/core/somaxconn")),
    localPorts: high - low + 1,
    pids: Number(sysctl("kernel/pid_max")),
  };
}

/** What a run wants of the limits. */
export interface LimitNeeds {
  /** Connections held at once; each takes two descriptors when both ends are in this process. */
  readonly connections: number;
  readonly queues: number;
  readonly threads: number;
}

/**
 * Checks the limits for a run, before anything is made.
 * @throws PacketpathError ENVIRONMENT naming the first limit that is too low, and the fix.
 */
export function requireLimits(needs: LimitNeeds, limits: Limits = readLimits()): void {
  const files = needs.connections * 2 + needs.queues + needs.threads * 8 + 200;
  const fail = (what: string, has: number, wants: number, fix: string): never => {
    throw new PacketpathError("ENVIRONMENT", `${what} is ${has}; this run needs ${wants}`, { fix });
  };
  if (limits.openFiles < files) {
    const fix = `Raise it: ulimit -Hn ${files} (as root), or LimitNOFILE= of the service.`;
    fail("the hard limit of open files", limits.openFiles, files, fix);
  }
  if (limits.localPorts < needs.connections) {
    const fix = "Ask for fewer connections, or widen net.ipv4.ip_local_port_range.";
    fail("the number of local ports", limits.localPorts, needs.connections, fix);
  }
  if (limits.pids < needs.threads * 4) {
    fail("kernel.pid_max", limits.pids, needs.threads * 4, "Raise it: sysctl kernel.pid_max=32768");
  }
}

/** All checks, in the order in which a person should fix them. */
export async function runDoctor(): Promise<Check[]> {
  return [
    checkNode(),
    await checkKoffi(),
    checkRoot(),
    checkTunNode(),
    await checkDevice(),
    checkRunDirectory(),
    ...checkLimits(),
    await checkTracefs(),
    checkModule("cap", "the independent witness of frames (libpcap)"),
    checkModule("raw-socket", "the ICMP and IP prober"),
    checkProgram("ip", ["-V"], "iproute2: looking into namespaces by hand", "iproute2"),
    checkProgram("tcpdump", ["--version"], "captures beside our own", "tcpdump"),
    checkProgram(
      "ovs-vswitchd",
      ["--version"],
      "comparison with Open vSwitch",
      "openvswitch-switch",
    ),
  ];
}

function checkNode(): Check {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  const ok = major > NODE_MIN[0] || (major === NODE_MIN[0] && minor >= NODE_MIN[1]);
  const fix = `Install Node.js ${NODE_MIN.join(".")} or later.`;
  return { name: "node", ok, detail: `v${process.versions.node}`, fix, required: true };
}

async function checkKoffi(): Promise<Check> {
  const fix = "Run `npm ci` without --omit=optional: koffi's binary is an optional dependency.";
  const base = { name: "koffi", fix, required: true };
  try {
    const { gettid } = await import("@packetpath/libc");
    return { ...base, ok: gettid() > 0, detail: `${process.platform}-${process.arch}` };
  } catch (error) {
    return { ...base, ok: false, detail: firstLine(error) };
  }
}

function checkRoot(): Check {
  const uid = process.getuid?.() ?? -1;
  const fix = "Run with sudo, or use --backend memory, which needs no rights.";
  return { name: "root", ok: uid === 0, detail: `uid ${uid}`, fix, required: true };
}

function checkTunNode(): Check {
  const ok = existsSync("/dev/net/tun");
  const fix = "Load the module (modprobe tun); in a container add --device /dev/net/tun.";
  return { name: "/dev/net/tun", ok, detail: ok ? "present" : "missing", fix, required: true };
}

/** The real thing: a namespace, and in it a TAP with two queues, vnet header and TSO. */
async function checkDevice(): Promise<Check> {
  const fix = "Run as root with CAP_NET_ADMIN and CAP_SYS_ADMIN; in a container add both.";
  const base = { name: "multi-queue TAP in a new namespace", fix, required: true };
  try {
    const { close, systemError } = await import("@packetpath/libc");
    const { openDevice } = await import("tuntap2");
    const { makeNamespace } = await import("./netns.js");
    const netns = makeNamespace("doctor");
    try {
      const device = openDevice({ mode: "tap", queues: 2, vnetHdr: true, offloads: true, netns });
      for (const fd of device.fds) close(fd);
      if (device.fds.length !== 2) throw systemError("TUNSETIFF", -22);
      return { ...base, ok: true, detail: "made and removed" };
    } finally {
      close(netns);
    }
  } catch (error) {
    return { ...base, ok: false, detail: firstLine(error) };
  }
}

function checkRunDirectory(): Check {
  const fix = "Mount a writable /run: named namespaces and the ledger of runs live there.";
  const base = { name: "/run", fix, required: false };
  try {
    statfsSync("/run");
    return { ...base, ok: true, detail: "present" };
  } catch (error) {
    return { ...base, ok: false, detail: firstLine(error) };
  }
}

function checkLimits(): Check[] {
  const limits = readLimits();
  const check = (name: string, value: number, least: number, fix: string): Check => ({
    name,
    ok: value >= least,
    detail: value >= least ? String(value) : `${value}, the headline scenario needs ${least}`,
    fix,
    required: false,
  });
  const raise = `Raise the hard limit: ulimit -Hn ${OPEN_FILES_MIN}`;
  return [
    check("open files (hard limit)", limits.openFiles, OPEN_FILES_MIN, raise),
    check("net.core.somaxconn", limits.somaxconn, 4096, "sysctl net.core.somaxconn=4096"),
    check("local ports", limits.localPorts, 4096, "Widen net.ipv4.ip_local_port_range."),
  ];
}

/** Loaded here only: without koffi there is none, and the check of koffi has said so. */
async function checkTracefs(): Promise<Check> {
  const what = "`packetpath observe`: the kernel's trace events";
  const base = { name: "tracefs", required: false };
  const fix = "Use sudo, and a kernel with CONFIG_FTRACE and CONFIG_EVENT_TRACING.";
  try {
    const { openTracefs } = await import("./tracing/tracefs.js");
    const tracefs = openTracefs();
    tracefs.close();
    return { ...base, ok: true, detail: `${what} (${tracefs.place})`, fix };
  } catch (error) {
    return { ...base, ok: false, detail: `${what}: ${firstLine(error)}`, fix };
  }
}

/**
 * In a child process: a broken addon must not take the doctor along, and a second load of these
 * two in one process fails.
 */
function checkModule(name: string, what: string): Check {
  const here = dirname(fileURLToPath(import.meta.url));
  const code =
    `import(${JSON.stringify(name)}).catch((error) => {` +
    ` process.stderr.write(error.message); process.exit(1); })`;
  const args = ["--input-type=module", "-e", code];
  const child = spawnSync(process.execPath, args, { cwd: here, encoding: "utf8", timeout: 20_000 });
  const ok = child.status === 0;
  const why = child.stderr.trim().split("\n")[0] ?? "";
  const fix =
    name === "cap"
      ? "Install libpcap-dev, g++, make and python3, then run `npm i` again."
      : "Install g++, make and python3, then run `npm i` again.";
  const detail = ok ? what : `not built, without it: ${what} (${why})`;
  return { name, ok, detail, fix, required: false };
}

function checkProgram(name: string, args: string[], what: string, debian: string): Check {
  const child = spawnSync(name, args, { encoding: "utf8", timeout: 20_000 });
  const ok = child.status === 0;
  const said = `${child.stdout ?? ""}${child.stderr ?? ""}`.trim().split("\n")[0] ?? "";
  const missing = child.error === undefined ? `exit ${child.status}` : codeOf(child.error);
  const detail = ok ? said : `${missing}, without it: ${what}`;
  return { name, ok, detail, fix: `Install it: apt-get install ${debian}`, required: false };
}

function codeOf(error: Error): string {
  const { errno } = error as NodeJS.ErrnoException;
  return errno === undefined ? error.message : errnoName(errno);
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n")[0] ?? "";
}
