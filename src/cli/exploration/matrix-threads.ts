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
  // A cell that reads nothing in which its profile differs from another has that one's schedule.
  const failing = matrix
    .run()
    .cells.filter(({ token, sameAs }) => token !== null && sameAs === null);
  for (const cell of failing) {
    progress(`${cells.length} of ${failing.length} counterexamples, at ${nameOf(cell)}`);
    const runs = await replayCell(matrix.schedule(cell)!, times);
    const same = runs.filter((one) => one.verdict === cell.verdict).length;
    cells.push({ cell: nameOf(cell), verdict: cell.verdict, times, same });
    progress("");
    if (flags.json !== true) await writeOut(process.stdout, lineOf(cells.at(-1)!));
  }
  const alike = cells.filter((one) => one.same === one.times).length;
  if (flags.json === true) {
    await writeOut(process.stdout, `${JSON.stringify({ schemaVersion: 1, threads: cells })}\n`);
  } else {
    const all = `${times} of ${times} times`;
    const text = `${alike} of ${cells.length} counterexamples are the same ${all}`;
    await writeOut(process.stdout, `${text}\n`);
  }
  return alike === cells.length ? EXIT.asExpected : EXIT.notAsExpected;
}

function progress(line: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${line}`);
}

function lineOf({ cell, verdict, times, same }: Repeated): string {
  return `${verdict.padEnd(8)} ${cell}: on real threads ${same} of ${times}\n`;
}

function nameOf({ guard, kind, hint, profile, event }: MatrixCell): string {
  return `${guard}/${kind}/${hint ? "hint" : "no-hint"}/${profile}/${event}`;
}
