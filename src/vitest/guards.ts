// Guards as the subject of a test: the cells of the matrix that a test names, and what is said of
// those that come out otherwise. What explores the cells is handed in. Test process.
import { PacketpathError } from "../base/errors.js";
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
  /** With and without a recorded receive queue. */
  readonly hints?: readonly boolean[];
}

/** One cell of `packetpath matrix --json`. */
export interface GuardCell {
  readonly guard: string;
  readonly kind: string;
  readonly hint: boolean;
  readonly profile: string;
  readonly event: string;
  readonly verdict: string;
  readonly token: string | null;
  /** One column per thread; absent where the cell is SAFE. */
  readonly timeline?: string;
}

export type RunCells = (
  selection: GuardCells & { readonly guards: readonly string[] },
) => Promise<{ readonly cells: readonly GuardCell[] }>;

/** The name or path of what `expect` was given, or null if that is no guard. */
export function guardOf(received: unknown): string | null {
  if (received instanceof GuardFile) return received.file;
  if (typeof received === "string") return received;
  if (typeof received !== "function") return null;
  throw new PacketpathError("USAGE", "a guard is named by its file, not given as a function", {
    fix: 'Write expect(guardFile("./my-guard.ts")), or the name of a built-in guard.',
  });
}

/** Every cell is SAFE. */
export async function isSafe(
  guard: string,
  selection: GuardCells,
  run: RunCells,
): Promise<MatcherResult> {
  const cells = await cellsOf(guard, selection, run);
  const wrong = cells.filter((one) => one.verdict !== "SAFE");
  if (wrong.length > 0) return { pass: false, message: () => story(cells, wrong, "SAFE") };
  return { pass: true, message: () => `${guard}: all ${cells.length} cells are SAFE` };
}

/** Each kind of device that is met has a cell that locks up. */
export async function locksUp(
  guard: string,
  selection: GuardCells,
  run: RunCells,
): Promise<MatcherResult> {
  const cells = await cellsOf(guard, selection, run);
  const lockups = cells.filter((one) => one.verdict === "LOCKUP");
  const kinds = new Set(lockups.map((one) => one.kind));
  const wrong = cells.filter((one) => !kinds.has(one.kind));
  if (wrong.length > 0) return { pass: false, message: () => story(cells, wrong, "LOCKUP") };
  return { pass: true, message: () => story(cells, lockups, "no LOCKUP") };
}

async function cellsOf(guard: string, selection: GuardCells, run: RunCells) {
  const { cells } = await run({ ...selection, guards: [guard] });
  if (cells.length > 0) return cells;
  throw new PacketpathError("USAGE", `${guard}: the selection holds no cell`);
}

/** The first cell that is wrong as a whole, the rest by name. */
function story(cells: readonly GuardCell[], wrong: readonly GuardCell[], wanted: string): string {
  const [first, ...others] = wrong as [GuardCell, ...GuardCell[]];
  const lines = [`${nameOf(first)}: ${first.verdict}, expected ${wanted}`];
  if (first.timeline !== undefined) lines.push("", first.timeline.trimEnd(), "");
  lines.push(`  ${commandOf(first)}`);
  for (const one of others) lines.push(`  also ${nameOf(one)}: ${one.verdict}`);
  lines.push(`  ${wrong.length} of ${cells.length} cells`);
  return lines.join("\n");
}

function nameOf({ guard, kind, hint, profile, event }: GuardCell): string {
  return `${guard}, ${kind}, ${hint ? "hint" : "no hint"}, ${profile}, ${event}`;
}

function commandOf({ guard, kind, hint, profile, event, token }: GuardCell): string {
  const replay = token === null ? "" : ` --replay ${token}`;
  const cell = `--guard ${guard} --kind ${kind} --profile ${profile} --event ${event}`;
  return `npx packetpath matrix ${cell} ${hint ? "--hint" : "--no-hint"}${replay}`;
}
