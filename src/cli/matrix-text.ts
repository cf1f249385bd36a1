// The guard matrix as text and JSON, and what a process exits with for it. Main thread only.
import { EXIT } from "../base/errors.js";
import type { MatrixCell, MatrixResult } from "../explore/matrix/matrix.js";

/** A guard that is a file, and not built in. */
export function isGuardFile(guard: string): boolean {
  return /\.m?[jt]s$/.test(guard);
}

export async function matrixWords({ cells, seconds }: MatrixResult): Promise<string> {
  const { matrixText } = await import("../explore/matrix/table.js");
  const searched = cells.filter(({ sameAs }) => sameAs === null);
  const states = searched.reduce((sum, one) => sum + one.states, 0);
  const count = `${cells.length} cells, ${searched.length} searched, ${states} states`;
  return `${matrixText(cells)}\n${count}, ${seconds.toFixed(2)} s${slowest(cells)}\n`;
}

/** Which cell took longest, by the clock. */
function slowest(cells: readonly MatrixCell[]): string {
  if (cells.length === 0) return "";
  const one = cells.reduce((most, cell) => (cell.seconds > most.seconds ? cell : most));
  return `\nslowest cell: ${(1000 * one.seconds).toFixed(1)} ms (${cellName(one)})`;
}

export function cellName({ guard, kind, hint, profile, event }: MatrixCell): string {
  return `${guard}/${kind}/${hint ? "hint" : "no-hint"}/${profile}/${event}`;
}

export function matrixJson(result: MatrixResult): string {
  return `${JSON.stringify({ schemaVersion: 1, ...result })}\n`;
}

/** A user's own guard has to be SAFE; of the others, each cell has to be decided. */
export function matrixExit({ cells }: MatrixResult): number {
  const isRight = cells.every(({ verdict, guard }) => {
    return verdict === "SAFE" || (verdict !== "UNDECIDED" && !isGuardFile(guard));
  });
  return isRight ? EXIT.asExpected : EXIT.notAsExpected;
}
