// Reading what the user named: a file, or `-` for standard input. Main thread only.
import { readFileSync } from "node:fs";
import { PacketpathError } from "../base/errors.js";
import { parseScenario } from "../scenario/parse.js";
import type { Scenario } from "../scenario/types.js";

/** @throws PacketpathError FILE_UNUSABLE naming the file and the reason. */
export function readText(file: string): string {
  try {
    return readFileSync(file === "-" ? 0 : file, "utf8");
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
export function readScenario(file: string, set: readonly string[]): Scenario {
  return parseScenario(readText(file), file === "-" ? "<stdin>" : file, { set });
}

/** Collects a flag that may be given several times. */
export function collect(value: string, before: readonly string[]): string[] {
  return [...before, value];
}
