// What must be undone if the process dies: one line per deed, written before the deed.
//
// Anonymous namespaces and their devices die with the process. What outlives it is what has a
// name below /run/netns, and folders in filesystems of the kernel's. Each run that makes such a
// thing keeps a file /run/packetpath/<pid>-<start time>.jsonl; `sweep` reads the files of runs
// that are dead and undoes their lines backwards. The start time tells a dead run from a later
// process that has got the same pid.
//
// A name alone is not proof: its owner may have removed it, and somebody else may have made a
// namespace of the same name since. A line therefore carries the namespace's inode number and
// the time its inode was made, and only a mount that shows both is taken away.
//
// Threads: main (addNamespace, close, sweep) and control (unlinkNamespace); lines are appended
// with O_APPEND and are shorter than a page, so they do not mix.
import {
  appendFileSync,
  existsSync,
  fstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmdirSync,
  statSync,
  statfsSync,
  unlinkSync,
} from "node:fs";
import { C, mount, umount2 } from "@packetpath/libc";
import { errnoName } from "../base/errno.js";
import { PacketpathError } from "../base/errors.js";
import { removeCgroup } from "./probe/cgroup-folder.js";
import { removeInstance } from "./tracing/tracefs.js";

export const LEDGER_DIR = "/run/packetpath";
export const NETNS_DIR = "/run/netns";

/** What identifies a namespace for as long as it lives: nsfs inode number and inode time. */
export interface NamespaceIdentity {
  readonly ino: string;
  readonly madeNs: string;
}

type Deed =
  | ({ readonly deed: "netns"; readonly name: string } & NamespaceIdentity)
  /** /run/netns was made a shared mount point, as `ip netns add` does. */
  | { readonly deed: "netns-dir"; readonly created: boolean }
  | ({ readonly deed: "undone"; readonly name: string } & NamespaceIdentity)
  | ({ readonly deed: "folder" | "folder-undone" } & Folder);

/** A folder in a filesystem of the kernel's. Its name holds the pid and start time of its run. */
interface Folder {
  readonly kind: FolderKind;
  readonly name: string;
}

/** How each kind is removed: null when it is gone, otherwise why it was left alone. */
const FOLDERS = { "trace-instance": removeInstance, cgroup: removeCgroup } as const;
type FolderKind = keyof typeof FOLDERS;

/** What `sweep` did. */
export interface SweepResult {
  /** Names taken away from /run/netns, and folders. */
  readonly removed: string[];
  /** Dead runs whose ledgers were worked off. */
  readonly runs: string[];
  /** What should have been removed and was not, with the reason. */
  readonly kept: { readonly name: string; readonly reason: string }[];
}

/** `<pid>-<start time in clock ticks>` of a process, or null when there is none. */
export function processIdentity(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The second field is the command in parentheses and may hold anything; start time is the
    // 22nd field, the 20th after it.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return `${pid}-${fields[19]}`;
  } catch {
    return null;
  }
}

function ledgerPath(run: string): string {
  return `${LEDGER_DIR}/${run}.jsonl`;
}

function record(deed: Deed): void {
  const run = processIdentity(process.pid);
  if (run === null) throw new PacketpathError("ENVIRONMENT", "/proc is not mounted");
  mkdirSync(LEDGER_DIR, { recursive: true, mode: 0o755 });
  appendFileSync(ledgerPath(run), `${JSON.stringify(deed)}\n`, { mode: 0o644 });
}

/** The lines of a ledger. The last may be cut off by the death of its writer. */
function readLedger(run: string): Deed[] {
  let text: string;
  try {
    text = readFileSync(ledgerPath(run), "utf8");
  } catch {
    return [];
  }
  const deeds: Deed[] = [];
  for (const line of text.split("\n")) {
    try {
      if (line !== "") deeds.push(JSON.parse(line) as Deed);
    } catch {
      // The cut-off line announces a deed that was not done yet.
    }
  }
  return deeds;
}

/** Identity of the namespace that `path` (a bind mount or /proc/self/fd/N) leads to. */
export function namespaceIdentity(path: string): NamespaceIdentity {
  const { ino, ctimeNs } = statSync(path, { bigint: true });
  return { ino: String(ino), madeNs: String(ctimeNs) };
}

/** Makes /run/netns what `ip netns add` expects, so that a later one does not hide our mounts. */
function prepareNetnsDir(): void {
  const created = !existsSync(NETNS_DIR);
  const isMount = (): boolean => mount("", NETNS_DIR, "none", C.MS_SHARED | C.MS_REC) === 0;
  if (!created && isMount()) return;
  record({ deed: "netns-dir", created });
  mkdirSync(NETNS_DIR, { recursive: true, mode: 0o755 });
  mount(NETNS_DIR, NETNS_DIR, "none", C.MS_BIND | C.MS_REC);
  isMount();
}

/**
 * Gives a namespace a name below /run/netns.
 * @param fd an open file descriptor of the namespace.
 * @throws PacketpathError ENVIRONMENT when the name is taken.
 */
export function nameNamespace(name: string, fd: number): string {
  const path = `${NETNS_DIR}/${name}`;
  prepareNetnsDir();
  const identity = namespaceIdentity(`/proc/self/fd/${fd}`);
  record({ deed: "netns", name, ...identity });
  try {
    appendFileSync(path, "", { flag: "ax", mode: 0o444 });
  } catch (error) {
    record({ deed: "undone", name, ...identity });
    forgetIfDone();
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    throw new PacketpathError("ENVIRONMENT", `the namespace name "${name}" is taken: ${path}`, {
      fix:
        `If a run of packetpath has died, \`packetpath clean\` removes its namespaces; ` +
        `if it is somebody else's, rename it in the scenario.`,
    });
  }
  const mounted = mount(`/proc/self/fd/${fd}`, path, "none", C.MS_BIND);
  if (mounted < 0) {
    unnameNamespace(name, fd);
    throw new PacketpathError("SYSTEM_CALL", `mount ${path}: ${errnoName(mounted)}`);
  }
  return path;
}

/**
 * Takes a name of this run away; the namespace lives on while something holds it.
 * @param fd the open file descriptor of the namespace, which tells it from others of the name.
 */
export function unnameNamespace(name: string, fd: number): void {
  const run = processIdentity(process.pid);
  if (run === null) return;
  const key = keyOf({ name, ...namespaceIdentity(`/proc/self/fd/${fd}`) });
  const own = pending(readLedger(run)).find((one) => keyOf(one) === key);
  if (own === undefined) return;
  removeName(own);
  const { ino, madeNs } = own;
  record({ deed: "undone", name, ino, madeNs });
  forgetIfDone();
}

/** Whether the name below /run/netns still leads to the namespace that `fd` is open on. */
export function leadsTo(name: string, fd: number): boolean {
  const path = `${NETNS_DIR}/${name}`;
  if (!existsSync(path)) return false;
  const named = statSync(path);
  const held = fstatSync(fd);
  return named.ino === held.ino && named.dev === held.dev;
}

function keyOf({ name, ino, madeNs }: { name: string } & NamespaceIdentity): string {
  return `${name} ${ino} ${madeNs}`;
}

/** Names that the ledger says are still there, last first. */
function pending(deeds: readonly Deed[]): (Deed & { deed: "netns" })[] {
  const open = new Map<string, Deed & { deed: "netns" }>();
  for (const deed of deeds) {
    if (deed.deed === "netns") open.set(keyOf(deed), deed);
    if (deed.deed === "undone") open.delete(keyOf(deed));
  }
  return [...open.values()].reverse();
}

/** Before a folder is made. @param name must hold what `processIdentity` says of this run. */
export function recordFolder(kind: FolderKind, name: string): void {
  record({ deed: "folder", kind, name });
}

/** After it is gone. */
export function forgetFolder(kind: FolderKind, name: string): void {
  record({ deed: "folder-undone", kind, name });
  forgetIfDone();
}

/** Folders that the ledger says are still there, last first. */
function pendingFolders(deeds: readonly Deed[]): Folder[] {
  const open = new Map<string, Folder>();
  for (const deed of deeds) {
    if (deed.deed === "folder") open.set(`${deed.kind} ${deed.name}`, deed);
    if (deed.deed === "folder-undone") open.delete(`${deed.kind} ${deed.name}`);
  }
  return [...open.values()].reverse();
}

/** Names of this run that still exist. */
export function namesLeft(): string[] {
  const run = processIdentity(process.pid);
  return run === null ? [] : pending(readLedger(run)).map((deed) => deed.name);
}

/** statfs type of a mounted namespace (NSFS_MAGIC, linux/magic.h). */
const NSFS = 0x6e736673;

/** @returns null when the name is gone, otherwise why it was left alone. */
function removeName(own: { name: string } & NamespaceIdentity): string | null {
  const path = `${NETNS_DIR}/${own.name}`;
  // Twice at most: our mount may lie once below and once above somebody's bind of /run/netns.
  for (let i = 0; i < 2; i++) {
    if (!existsSync(path)) return null;
    if (statfsSync(path).type === NSFS) {
      const now = namespaceIdentity(path);
      if (now.ino !== own.ino || now.madeNs !== own.madeNs) return "it is another namespace now";
      umount2(path, C.MNT_DETACH);
    } else if (statSync(path).size !== 0) {
      // An empty file is what a run leaves that died between making the file and the mount. It
      // is not a namespace, and `ip netns` cannot use it either. Anything else is not ours.
      return "it is not a namespace";
    }
    try {
      unlinkSync(path);
      return null;
    } catch {
      // Still a mount point: look again.
    }
  }
  return existsSync(path) ? "it cannot be unlinked" : null;
}

/** Undoes /run/netns itself where this run made it, as soon as nobody uses it. */
function undoDir(deeds: readonly Deed[]): void {
  const made = deeds.find((deed) => deed.deed === "netns-dir");
  if (made?.deed !== "netns-dir" || !existsSync(NETNS_DIR)) return;
  if (readdirSync(NETNS_DIR).length > 0) return;
  // Refused with EBUSY if somebody has mounted a namespace there in between.
  umount2(NETNS_DIR, 0);
  if (made.created) quietly(() => rmdirSync(NETNS_DIR));
}

function quietly(deed: () => void): void {
  try {
    deed();
  } catch {
    // Somebody else was first, or still uses it; both are fine.
  }
}

function forget(run: string): void {
  undoDir(readLedger(run));
  quietly(() => unlinkSync(ledgerPath(run)));
  quietly(() => rmdirSync(LEDGER_DIR));
}

/** Removes this run's ledger once it has nothing left to undo. */
function forgetIfDone(): void {
  const run = processIdentity(process.pid);
  if (run === null) return;
  const deeds = readLedger(run);
  if (pending(deeds).length + pendingFolders(deeds).length === 0) forget(run);
}

/**
 * Removes what dead runs left, and nothing else (the `clean` command).
 * Idempotent; safe beside living runs and beside other people's namespaces.
 */
export function sweep(): SweepResult {
  const result: SweepResult = { removed: [], runs: [], kept: [] };
  const files = existsSync(LEDGER_DIR) ? readdirSync(LEDGER_DIR) : [];
  for (const file of files) {
    const match = /^((\d+)-\d+)\.jsonl$/.exec(file);
    if (match === null) continue;
    const run = match[1]!;
    const pid = match[2]!;
    if (processIdentity(Number(pid)) === run) continue;
    const deeds = readLedger(run);
    const told = (name: string, reason: string | null): void => {
      if (reason === null) result.removed.push(name);
      else result.kept.push({ name, reason });
    };
    for (const deed of pending(deeds)) told(deed.name, removeName(deed));
    const reasons = pendingFolders(deeds).map(({ kind, name }) => {
      const reason = FOLDERS[kind](name);
      told(name, reason);
      return reason;
    });
    // A folder that somebody uses now can be removed later; a name that is another's never.
    if (reasons.some((reason) => reason !== null)) continue;
    forget(run);
    result.runs.push(run);
  }
  return result;
}
