// Temporary folders of measurements: sockets, logs and a compiled program of other people's
// software. Named after the process that owns them, so that what a killed one left can be told
// from what a living one uses. Main thread.
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { processIdentity } from "../ledger.js";

const PREFIX = "packetpath-peers-";

/** Makes this process's folder. */
export function makeFolder(): string {
  const folder = join(tmpdir(), `${PREFIX}${processIdentity(process.pid)}`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return folder;
}

export function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}

/** Removes the folders of processes that are no more; answers which. */
export function sweepFolders(): string[] {
  const removed: string[] = [];
  for (const name of readdirSync(tmpdir())) {
    const identity = name.startsWith(PREFIX) ? name.slice(PREFIX.length) : "";
    const pid = /^(\d+)-\d+$/.exec(identity)?.[1];
    if (pid === undefined || processIdentity(Number(pid)) === identity) continue;
    removeFolder(join(tmpdir(), name));
    removed.push(join(tmpdir(), name));
  }
  return removed;
}
