// Guards as the subject of a test: the cells of the matrix that a test names, and what is said of
// those that come out otherwise. Test process.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { PacketpathError } from "../base/errors.js";
import { openMatrix } from "../explore/matrix/lab.js";
import type { Matrix, MatrixCell } from "../explore/matrix/matrix.js";
import { timelineTable } from "../explore/text/timeline.js";
import type { MatcherResult } from "./programs.js";

/** A user's guard, by its file: the explorer reads its text, so a function alone is not enough. */
export class GuardFile {
  readonly file: string;

  constructor(file: string) {
    this.file = file;
  }
}

/** Which cells; all of a field if it is absent. */
export interface GuardCells {
  readonly kinds?: readonly string[];
  readonly profiles?: readonly string[];
  readonly events?: readonly string[];
  /** Without and with a recorded receive queue. */
  readonly hints?: readonly boolean[];
}

/** The guard that `expect` was given: a built-in one's name or a file; null for something else. */
export function guardOf(received: unknown): string | GuardFile | null {
  if (received instanceof GuardFile || typeof received === "string") return received;
  if (typeof received !== "function") return null;
  throw new PacketpathError("USAGE", "a guard is named by its file, not given as a function", {
    fix: 'Write expect(guardFile("./my-guard.ts")), or the name of a built-in guard.',
  });
}

/** Every cell is SAFE. @throws PacketpathError for names that there are not. */
export async function isSafe(
  guard: string | GuardFile,
  selection: GuardCells,
): Promise<MatcherResult> {
  const { matrix, cells } = await decided(guard, selection);
  const wrong = cells.filter((one) => one.verdict !== "SAFE");
  if (wrong.length > 0) return { pass: false, message: () => story(matrix, wrong, "SAFE") };
  return { pass: true, message: () => `all ${cells.length} cells are SAFE` };
}

/** Each kind of device has a cell that locks up. */
export async function locksUp(
  guard: string | GuardFile,
  selection: GuardCells,
): Promise<MatcherResult> {
  const { matrix, cells } = await decided(guard, selection);
  const lockups = cells.filter((one) => one.verdict === "LOCKUP");
  const kinds = new Set(lockups.map((one) => one.kind));
  const wrong = cells.filter((one) => !kinds.has(one.kind));
  if (wrong.length > 0) return { pass: false, message: () => story(matrix, wrong, "LOCKUP") };
  return { pass: true, message: () => story(matrix, lockups, "no LOCKUP") };
}

async function decided(guard: string | GuardFile, selection: GuardCells) {
  const isFile = guard instanceof GuardFile;
  const which = isFile
    ? { guard: { file: resolve(guard.file), text: readFileSync(guard.file, "utf8") } }
    : { guards: [guard] };
  const matrix = await openMatrix({ ...selection, ...which });
  const { cells } = matrix.run();
  if (cells.length > 0) return { matrix, cells };
  throw new PacketpathError("USAGE", "the selection holds no cell");
}

/** How many cells the text of a failure names. */
const NAMED_MAX = 20;

/** The first cell that is wrong with its timeline, the others by name. */
function story(matrix: Matrix, wrong: readonly MatrixCell[], wanted: string): string {
  const [first, ...others] = wrong as [MatrixCell, ...MatrixCell[]];
  const lines = [`${nameOf(first)}: ${first.verdict}, expected ${wanted}`];
  const told = matrix.tell(first, null);
  if (told !== null) {
    const { counterexample, matters } = told;
    const timeline = counterexample.timeline.filter((_one, i) => matters.includes(i));
    lines.push(`  ${counterexample.message}`, "");
    lines.push(timelineTable({ ...counterexample, timeline }).trimEnd(), "");
  }
  lines.push(`  ${commandOf(first)}`);
  for (const one of others.slice(0, NAMED_MAX)) lines.push(`  also ${nameOf(one)}: ${one.verdict}`);
  const more = others.length - NAMED_MAX;
  if (more > 0) lines.push(`  and ${more} more`);
  return lines.join("\n");
}

function nameOf({ guard, kind, hint, profile, event }: MatrixCell): string {
  return `${guard}, ${kind}, ${hint ? "hint" : "no hint"}, ${profile}, ${event}`;
}

function commandOf({ guard, kind, hint, profile, event, token }: MatrixCell): string {
  const replay = token === null ? "" : ` --replay ${token}`;
  const at = `--kind ${kind} --hint ${hint ? "yes" : "no"} --profile ${profile} --event ${event}`;
  return `npx packetpath matrix --guard ${guard} ${at}${replay}`;
}
