// The folder of a run, and the command that repeats it; for every kind of scenario. Main thread
// only.
import { chownSync, mkdirSync, readdirSync, rmdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { wallClock } from "../../base/clock.js";
import { PacketpathError } from "../../base/errors.js";
import type { BackendName } from "../input.js";

/**
 * Makes the folder before the run: if it cannot be written, the user learns it now.
 * @param out what the user named, if anything; @param variant what tells this run from others of
 *   the scenario: its guard, its design.
 * @throws PacketpathError FILE_UNUSABLE
 */
export function makeFolder(out: string | undefined, scenario: string, variant: string): string {
  const time = wallClock().slice(0, 19).replaceAll(":", "").replace("T", "-");
  const word = variant.replace(/^.*\//, "").replace(/[^A-Za-z0-9.-]/g, "_");
  const folder = resolve(out ?? join("runs", `${time}-${scenario}-${word}`));
  try {
    mkdirSync(folder, { recursive: true });
    giveBack(folder);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const fix = "Name another folder with --out.";
    throw new PacketpathError("FILE_UNUSABLE", `cannot make the run folder: ${reason}`, { fix });
  }
  return folder;
}

/** Under sudo the folder belongs to the user who asked, not to root. */
export function giveBack(folder: string): void {
  const [uid, gid] = [Number(process.env["SUDO_UID"]), Number(process.env["SUDO_GID"])];
  if (process.geteuid?.() !== 0 || !(uid > 0) || !Number.isInteger(gid)) return;
  chownSync(folder, uid, gid);
  for (const name of readdirSync(folder)) chownSync(join(folder, name), uid, gid);
}

export function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // Not empty: the run left its files there.
  }
}

/** The command that does the same again. @param chosen flags with every choice spelled out. */
export function repeatCommand(
  file: string,
  flags: { readonly backend: BackendName; readonly set: readonly string[] },
  chosen: readonly string[],
): string {
  const words = flags.backend === "linux" ? ["sudo"] : [];
  words.push("./scripts/packetpath", "run", file, ...chosen, "--backend", flags.backend);
  for (const set of flags.set) words.push("--set", set);
  return words.map(quoted).join(" ");
}

/** A word as a POSIX shell must see it. */
export function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
