// Control groups of packetpath's own: a folder below the group that this process is in, written
// into the ledger before it is made. Nothing of anybody else's group is read or changed but that
// one folder. Main thread, root.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { eventually } from "../../base/eventually.js";
import { forgetFolder, processIdentity, recordFolder } from "../ledger.js";
import { type Hierarchy, ownFolder, removeCgroup } from "./cgroup-folder.js";

export interface OwnCgroup {
  readonly folder: string;
  /** Moves a process into it. */
  enter(pid: number): void;
  write(file: string, text: string): void;
  read(file: string): string;
  /** Waits until nobody is in it, and removes it. @throws PacketpathError DEADLINE */
  remove(): Promise<void>;
}

const REMOVE_MS = 60_000;

/** Makes a group. @returns why it cannot be made, where it cannot. */
export function makeCgroup(hierarchy: Hierarchy, purpose: string): OwnCgroup | string {
  const parent = ownFolder(hierarchy);
  if (parent === null) return `no ${hierarchy === "v2" ? "cgroup2" : "memory cgroup (v1)"} mount`;
  const name = `packetpath-${purpose}-${processIdentity(process.pid)}`;
  const folder = join(parent, name);
  recordFolder("cgroup", folder);
  try {
    mkdirSync(folder);
  } catch (error) {
    forgetFolder("cgroup", folder);
    return `${folder}: ${error instanceof Error ? error.message : String(error)}`;
  }
  const write = (file: string, text: string): void => writeFileSync(join(folder, file), text);
  return {
    folder,
    enter: (pid) => write("cgroup.procs", String(pid)),
    write,
    read: (file) => readFileSync(join(folder, file), "latin1"),
    remove: async () => {
      const isGone = (): boolean => removeCgroup(folder) === null;
      await eventually(`the cgroup ${folder} to be empty`, isGone, { timeoutMs: REMOVE_MS });
      forgetFolder("cgroup", folder);
    },
  };
}
