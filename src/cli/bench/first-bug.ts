// `packetpath bench first-bug`: how many schedules each strategy needs to the first failure of each
// worked program that has one. Numbers of schedules, not times: they are the same on every machine.
// Main thread.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { PacketpathError } from "../../base/errors.js";
import { loadProgram } from "../../explore/source/load.js";
import { type PickingStrategy, schedulesToFirstBug } from "../../explore/strategies/first-bug.js";

const COLUMNS: readonly PickingStrategy[] = ["random", "pct", "pos", "urw", "delay", "preemption"];
const LIMITS = { maxExecutions: 2_000, maxSteps: 500, depth: 3 };
export const FIRST_BUG_GOAL = 10;

export interface FirstBugBench {
  readonly seeds: number;
  readonly goal: number;
  /** Medians; null where most searches found nothing. */
  readonly programs: readonly {
    readonly program: string;
    readonly expected: string;
    readonly schedules: Readonly<Record<string, number | null>>;
  }[];
}

/** @throws PacketpathError ENVIRONMENT when the worked programs are not there. */
export async function benchFirstBug(seeds: number): Promise<FirstBugBench> {
  const folder = fileURLToPath(new URL("../../../scenarios/programs/", import.meta.url));
  if (!existsSync(folder)) {
    throw new PacketpathError("ENVIRONMENT", `no worked programs: ${folder} is missing`, {
      fix: "Run the measurement from a checkout of the sources.",
    });
  }
  const programs: FirstBugBench["programs"][number][] = [];
  for (const file of readdirSync(folder)
    .filter((name) => name.endsWith(".ts"))
    .sort()) {
    const program = await loadProgram(readFileSync(join(folder, file), "utf8"), file);
    // A livelock is no end of a run, and a race none of its states.
    if (["SAFE", "UNDECIDED", "LIVELOCK", "RACE"].includes(program.expect)) continue;
    const schedules: Record<string, number | null> = {};
    for (const strategy of COLUMNS) {
      const median = schedulesToFirstBug(program, strategy, { ...LIMITS, seeds });
      schedules[strategy] = Number.isFinite(median) ? median : null;
    }
    programs.push({ program: program.name, expected: program.expect, schedules });
  }
  return { seeds, goal: FIRST_BUG_GOAL, programs };
}

export function firstBugText({ seeds, goal, programs }: FirstBugBench): string {
  const row = (first: string, cells: readonly string[]) =>
    `  ${first.padEnd(26)}${cells.map((cell) => cell.padStart(11)).join("")}\n`;
  const lines = programs.map(({ program, schedules }) =>
    row(
      program,
      COLUMNS.map((one) => String(schedules[one] ?? `> ${LIMITS.maxExecutions}`)),
    ),
  );
  const title = `schedules to the first failure, median of ${seeds} seeds (goal: at most ${goal})\n`;
  return `${title}${row("", COLUMNS)}${lines.join("")}`;
}
