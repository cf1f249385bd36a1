// Where running switches listen. Each has a Unix socket, of mode 0600, and a line in the registry:
// a file `<pid>-<start time>.json` in the run folder, written before the socket is made, so that
// what a killed process leaves can be found and removed. Main thread.
//
// The run folder is /run/packetpath for root, else packetpath/ below $XDG_RUNTIME_DIR or, without
// that, /tmp/packetpath-<uid>. The look-alikes in native-free-shims/ovs find the socket by the
// same rules; client.cjs says them once more, because it must work without a build.
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { PacketpathError } from "../../base/errors.js";

/** A path of a Unix socket must fit into sockaddr_un.sun_path, with its final 0 (unix(7)). */
const SOCKET_PATH_MAX = 107;

export interface Registration {
  readonly socket: string;
  readonly pid: number;
}

export function runFolder(env: NodeJS.ProcessEnv = process.env): string {
  const uid = process.getuid?.() ?? 0;
  if (uid === 0) return "/run/packetpath";
  const runtime = env["XDG_RUNTIME_DIR"];
  return runtime === undefined || runtime === ""
    ? `/tmp/packetpath-${uid}`
    : join(runtime, "packetpath");
}

/**
 * Where this process is to listen: $PACKETPATH_CTL, else packetpath.ctl in $OVS_RUNDIR (where
 * scripts that start an Open vSwitch of their own keep its sockets), else the run folder.
 */
export function socketPath(env: NodeJS.ProcessEnv = process.env): string {
  const chosen = env["PACKETPATH_CTL"];
  const ovs = env["OVS_RUNDIR"];
  let path = join(runFolder(env), `${process.pid}.ctl`);
  if (ovs !== undefined && ovs !== "") path = resolve(ovs, "packetpath.ctl");
  if (chosen !== undefined && chosen !== "") path = resolve(chosen);
  if (Buffer.byteLength(path) > SOCKET_PATH_MAX) {
    throw new PacketpathError(
      "USAGE",
      `the control socket's path has ${Buffer.byteLength(path)} bytes, at most ` +
        `${SOCKET_PATH_MAX} are possible: ${path}`,
      { fix: "Set PACKETPATH_CTL to a shorter path." },
    );
  }
  return path;
}

/**
 * The socket of the one switch that runs, or of the one that the environment names.
 * @throws PacketpathError ENVIRONMENT when there is none, or more than one and nobody says which.
 */
export function socketOfRunning(env: NodeJS.ProcessEnv = process.env): string {
  const chosen = env["PACKETPATH_CTL"];
  if (chosen !== undefined && chosen !== "") return resolve(chosen);
  const folder = runFolder(env);
  const names = existsSync(folder) ? readdirSync(folder) : [];
  const sockets = names
    .filter((name) => name.endsWith(".json") && isAlive(name))
    .map((name) => (JSON.parse(readFileSync(join(folder, name), "utf8")) as Registration).socket);
  if (sockets.length === 1) return sockets[0]!;
  const what = sockets.length === 0 ? "no switch is running" : "several switches run";
  throw new PacketpathError("ENVIRONMENT", what, {
    fix:
      sockets.length === 0
        ? "Start one with `packetpath switch` or `packetpath up FILE`."
        : `Set PACKETPATH_CTL to the one meant: ${sockets.join(", ")}.`,
  });
}

function isAlive(name: string): boolean {
  const pid = /^(\d+)-/.exec(name)?.[1];
  return pid !== undefined && existsSync(`/proc/${pid}`);
}

/** `<pid>-<start time in clock ticks>` of a process, or null when there is none. */
function identityOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return `${pid}-${stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]}`;
  } catch {
    return null;
  }
}

function entryPath(env: NodeJS.ProcessEnv): string {
  return join(runFolder(env), `${identityOf(process.pid)}.json`);
}

/** Notes that this process is about to make a socket. */
export function register(socket: string, env: NodeJS.ProcessEnv = process.env): void {
  const folder = runFolder(env);
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  const entry: Registration = { socket, pid: process.pid };
  writeFileSync(entryPath(env), `${JSON.stringify(entry)}\n`, { mode: 0o644 });
}

/** Takes the note away; the socket is gone. */
export function unregister(env: NodeJS.ProcessEnv = process.env): void {
  rmSync(entryPath(env), { force: true });
  removeFolderIfEmpty(runFolder(env));
}

/** Switches that run, and what dead ones have left. */
export function registrations(env: NodeJS.ProcessEnv = process.env): {
  alive: Registration[];
  dead: { file: string; entry: Registration | null }[];
} {
  const folder = runFolder(env);
  const alive: Registration[] = [];
  const dead: { file: string; entry: Registration | null }[] = [];
  for (const name of existsSync(folder) ? readdirSync(folder) : []) {
    const match = /^((\d+)-\d+)\.json$/.exec(name);
    if (match === null) continue;
    const entry = readEntry(join(folder, name));
    if (identityOf(Number(match[2])) !== match[1]) dead.push({ file: join(folder, name), entry });
    else if (entry !== null) alive.push(entry);
  }
  return { alive, dead };
}

function readEntry(file: string): Registration | null {
  try {
    const entry = JSON.parse(readFileSync(file, "utf8")) as Partial<Registration>;
    if (typeof entry.socket !== "string" || typeof entry.pid !== "number") return null;
    return { socket: entry.socket, pid: entry.pid };
  } catch {
    // Its writer died in the middle; then it has made no socket either.
    return null;
  }
}

/** Removes the sockets of switches that are dead, and nothing else; answers their paths. */
export function sweepSockets(env: NodeJS.ProcessEnv = process.env): string[] {
  const removed: string[] = [];
  const { alive, dead } = registrations(env);
  const inUse = new Set(alive.map((entry) => entry.socket));
  for (const { file, entry } of dead) {
    if (entry !== null && !inUse.has(entry.socket) && isSocket(entry.socket)) {
      unlinkSync(entry.socket);
      removed.push(entry.socket);
    }
    rmSync(file, { force: true });
  }
  removeFolderIfEmpty(runFolder(env));
  return removed;
}

export function isSocket(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSocket() ?? false;
}

function removeFolderIfEmpty(folder: string): void {
  try {
    if (readdirSync(folder).length === 0) rmSync(folder, { recursive: true });
  } catch {
    // Not there, or somebody else's: nothing to tidy up.
  }
}
