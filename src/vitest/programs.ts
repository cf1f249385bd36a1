// Programs as the subject of a test: loaded, explored, and told about when they fail. Test process.
import { readFileSync } from "node:fs";
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { explore } from "../explore/explore.js";
import { loadProgram } from "../explore/source/load.js";
import { timelineTable } from "../explore/text/timeline.js";
import type { Exploration, ExploreOptions, Verdict } from "../explore/types.js";
import { GuardFile } from "./guards.js";

/** A program file, as `expect` takes it. */
export class ProgramFile {
  readonly file: string;

  constructor(file: string) {
    this.file = file;
  }
}

/**
 * A program to be explored.
 * @param file a path from the working folder, or `new URL("./x.ts", import.meta.url)`.
 */
export function programFile(file: string | URL): ProgramFile {
  return new ProgramFile(pathOf(file));
}

/** A guard of a user's: a module that default-exports `function guard(dev, skb)`. */
export function guardFile(file: string | URL): GuardFile {
  return new GuardFile(pathOf(file));
}

function pathOf(file: string | URL): string {
  return file instanceof URL ? relative(process.cwd(), fileURLToPath(file)) : file;
}

export interface MatcherResult {
  readonly pass: boolean;
  message(): string;
}

/** @throws PacketpathError PROGRAM_INVALID with the place of what is wrong with the file. */
export async function hasVerdict(
  { file }: ProgramFile,
  verdict: Verdict,
  options: ExploreOptions,
): Promise<MatcherResult> {
  const program = await loadProgram(readFileSync(file, "utf8"), file);
  const result = explore(program, options);
  const pass = result.verdict === verdict;
  return { pass, message: () => story(file, result, pass ? `not ${verdict}` : verdict) };
}

/** What a failed test prints: the verdict, the timeline, the command that repeats it. */
function story(file: string, result: Exploration, wanted: string): string {
  const { verdict, bound, counterexample: found } = result;
  const lines = [`${file}: ${verdict}, expected ${wanted}`];
  if (bound !== null) lines.push(`  bound: ${bound}`);
  if (found === null) return `${lines.join("\n")}\n  npx packetpath explore ${file}`;
  if (found.message !== "") lines.push(`  ${found.message}`);
  lines.push("", timelineTable(found).trimEnd(), "");
  return `${lines.join("\n")}\n  npx packetpath explore ${file} --replay ${found.token}`;
}
