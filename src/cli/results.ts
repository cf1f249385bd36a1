// Where results go besides stdout: files that the user names, JUnit XML and the annotations of
// GitHub's workflows; for every command that has verdicts. Main thread only.
import { writeFileSync } from "node:fs";
import type { Command } from "commander";
import { PacketpathError } from "../base/errors.js";
import { type CaseResult, githubAnnotations, junitXml } from "../report/junit.js";
import { writeOut } from "./failure.js";

export interface ResultFlags {
  readonly junit?: string;
  readonly github?: boolean;
  readonly json?: boolean;
}

export function addResultOptions(command: Command): Command {
  return command
    .option("--junit <file>", "write the verdicts as JUnit XML too")
    .option("--github", "print workflow annotations too (on stderr with --json)");
}

/** Writes what the flags ask for. @throws PacketpathError FILE_UNUSABLE. */
export async function writeResults(
  results: readonly CaseResult[],
  flags: ResultFlags,
): Promise<void> {
  if (flags.junit !== undefined) writeText(flags.junit, junitXml(results));
  if (flags.github !== true) return;
  // The runner reads both streams; with --json, stdout holds one object and nothing else.
  const stream = flags.json === true ? process.stderr : process.stdout;
  await writeOut(stream, githubAnnotations(results));
}

/** @throws PacketpathError FILE_UNUSABLE naming the file and the reason. */
export function writeText(file: string, text: string | Uint8Array): void {
  try {
    writeFileSync(file, text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new PacketpathError("FILE_UNUSABLE", `cannot write "${file}": ${reason}`, {
      place: { file },
    });
  }
}
