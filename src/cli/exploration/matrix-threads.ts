// `packetpath matrix --threads`: the counterexample of each cell repeated on real worker threads
// that run the shipped path, and in how many of the repetitions the verdict is the same. Main
// thread only.
import { EXIT, PacketpathError } from "../../base/errors.js";
import type { Matrix, MatrixCell } from "../../explore/matrix/matrix.js";
import { writeOut } from "../failure.js";
import { isGuardFile } from "../matrix-text.js";

interface Repeated {
  readonly cell: string;
  readonly verdict: string;
  readonly times: number;
  readonly same: number;
}

/** Cells without a counterexample are left out. The exit code says whether all came out alike. */
export async function repeatCells(
  matrix: Matrix,
  times: number,
  flags: { readonly json?: boolean },
): Promise<number> {
  const own = matrix.coordinates().find(({ guard }) => isGuardFile(guard));
  if (own !== undefined) {
    const message = `--threads runs the shipped path: "${own.guard}" is no part of that`;
    const fix = "Repeat its schedules with --replay; threads take built-in guards.";
    throw new PacketpathError("USAGE", message, { fix });
  }
  const { replayCell } = await import("../../explore/threads/system/replay.js");
  const cells: Repeated[] = [];
  for (const cell of matrix.run().cells) {
    const schedule = matrix.schedule(cell);
    // A cell that reads nothing in which its profile differs from another has that one's schedule.
    if (schedule === null || cell.sameAs !== null) continue;
    const runs = await replayCell(schedule, times);
    const same = runs.filter((one) => one.verdict === cell.verdict).length;
    cells.push({ cell: nameOf(cell), verdict: cell.verdict, times, same });
    if (flags.json !== true) await writeOut(process.stdout, lineOf(cells.at(-1)!));
  }
  const isSame = cells.every((one) => one.same === one.times);
  if (flags.json === true) {
    await writeOut(process.stdout, `${JSON.stringify({ schemaVersion: 1, threads: cells })}\n`);
  }
  return isSame ? EXIT.asExpected : EXIT.notAsExpected;
}

function lineOf({ cell, verdict, times, same }: Repeated): string {
  return `${verdict.padEnd(8)} ${cell}: on real threads ${same} of ${times}\n`;
}

function nameOf({ guard, kind, hint, profile, event }: MatrixCell): string {
  return `${guard}/${kind}/${hint ? "hint" : "no-hint"}/${profile}/${event}`;
}
