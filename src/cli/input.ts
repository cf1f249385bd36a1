// What the user gives to commands: files, and flags that several commands share. The parsers of
// scenarios are loaded when one is read: most commands read none. Main thread only.
import { readFileSync } from "node:fs";
import { InvalidArgumentError, Option } from "commander";
import { PacketpathError } from "../base/errors.js";
import type { ScenarioKind } from "../scenario/text/kind.js";
import type { Scenario } from "../scenario/types.js";

export const BACKENDS = ["linux", "memory"] as const;
export type BackendName = (typeof BACKENDS)[number];

export function backendOption(): Option {
  return new Option("--backend <backend>", "real devices (needs root), or twins of them in memory")
    .choices(BACKENDS)
    .default("linux");
}

export function seedOption(): Option {
  return new Option("--seed <number>", "seed of everything random").argParser((text) => {
    const seed = Number(text);
    if (/^\d+$/.test(text) && seed <= 0xffff_ffff) return seed;
    throw new InvalidArgumentError("Expected a whole number from 0 to 4294967295.");
  });
}

/** @throws PacketpathError ENVIRONMENT when the backend needs root and the user is not root. */
export function needRoot(backend: BackendName): void {
  if (backend === "memory" || process.geteuid?.() === 0) return;
  throw new PacketpathError("ENVIRONMENT", "the linux backend needs root: it makes namespaces", {
    fix: "Use sudo, or --backend memory.",
  });
}

/** @throws PacketpathError FILE_UNUSABLE naming the file and the reason. */
export function readText(file: string): string {
  return readBytes(file).toString("utf8");
}

/** The same for files that are no text. */
export function readBytes(file: string): Buffer {
  try {
    return readFileSync(file === "-" ? 0 : file);
  } catch (error) {
    const { code = "", message } = error as NodeJS.ErrnoException;
    const reason = REASONS[code] ?? message;
    throw new PacketpathError("FILE_UNUSABLE", `cannot read "${file}": ${reason}`, {
      place: { file },
    });
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "no such file",
  EISDIR: "it is a folder",
  EACCES: "permission denied",
};

/** Reads and checks a scenario. @throws PacketpathError with all that is wrong with it. */
export async function readScenario(file: string, set: readonly string[]): Promise<Scenario> {
  const { parseScenario } = await import("../scenario/parse.js");
  return parseScenario(readText(file), nameOf(file), { set });
}

/** Which kind of scenario a text is. */
export async function kindOf(text: string): Promise<ScenarioKind> {
  const { scenarioKind } = await import("../scenario/text/kind.js");
  return scenarioKind(text);
}

/** How messages call a file that the user named. */
export function nameOf(file: string): string {
  return file === "-" ? "<stdin>" : file;
}

/** Collects a flag that may be given several times. */
export function collect(value: string, before: readonly string[]): string[] {
  return [...before, value];
}
