// Where control groups lie, and how one that is empty goes. Below the ledger, which removes those
// of dead runs; `cgroup.ts` makes them. Any thread.
import { existsSync, readFileSync, rmdirSync } from "node:fs";
import { join } from "node:path";

/** A hierarchy of version 1 by its controller, or the one of version 2. */
export type Hierarchy = "memory" | "v2";

/** @returns null when it is gone, otherwise why it is not. */
export function removeCgroup(folder: string): string | null {
  if (!existsSync(folder)) return null;
  try {
    rmdirSync(folder);
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Where this process is in a hierarchy, as a folder. */
export function ownFolder(hierarchy: Hierarchy): string | null {
  const mounts = readFileSync("/proc/self/mountinfo", "latin1").split("\n");
  const mount = mounts.map(mountOf).find((one) => one !== null && isOf(one, hierarchy));
  if (mount === undefined || mount === null) return null;
  const lines = readFileSync("/proc/self/cgroup", "latin1").split("\n");
  const paths = lines.map((line) => /^\d+:([^:]*):(.*)$/.exec(line));
  const own = paths.find((match) => match?.[1] === (hierarchy === "v2" ? "" : hierarchy))?.[2];
  if (own === undefined) return null;
  const folder = join(mount.point, own);
  return existsSync(join(folder, "cgroup.procs")) ? folder : null;
}

interface Mount {
  readonly point: string;
  readonly type: string;
  readonly options: readonly string[];
}

/** A line of mountinfo: the fifth word, and what stands behind " - ". */
function mountOf(line: string): Mount | null {
  const [head = "", tail = ""] = line.split(" - ");
  const [type = "", , options = ""] = tail.split(" ");
  const point = head.split(" ")[4];
  return point === undefined ? null : { point, type, options: options.split(",") };
}

function isOf({ type, options }: Mount, hierarchy: Hierarchy): boolean {
  if (hierarchy === "v2") return type === "cgroup2";
  return type === "cgroup" && options.includes(hierarchy);
}
