// The matrix as text: for each way of taking the device away a table, a row per kind of device, a
// column per guard. Pure.
import type { MatrixCell } from "./matrix.js";

/** What the letters of the tables mean. */
const LEGEND =
  "  safe: no schedule fails, with and without a recorded receive queue, in all profiles\n" +
  "  LOCKUP: with and without one; LOCKUP hint: with one only; (n/m): in n of m profiles\n";

export function matrixText(cells: readonly MatrixCell[]): string {
  const events = unique(cells.map(({ event }) => event));
  const tables = events.map((event) => tableOf(cells.filter((cell) => cell.event === event)));
  return `${tables.join("\n")}\n${LEGEND}`;
}

function tableOf(cells: readonly MatrixCell[]): string {
  const guards = unique(cells.map(({ guard }) => guard));
  const rows = unique(cells.map(({ kind }) => kind)).map((kind) => [
    kind,
    ...guards.map((guard) =>
      summary(cells.filter((cell) => cell.kind === kind && cell.guard === guard)),
    ),
  ]);
  const all = [[cells[0]!.event, ...guards.map(shortName)], ...rows];
  const widths = all[0]!.map((_text, i) => Math.max(...all.map((row) => row[i]!.length)));
  const line = (row: readonly string[]) => row.map((text, i) => text.padEnd(widths[i]!)).join("  ");
  return all.map((row) => `${line(row).trimEnd()}\n`).join("");
}

/** One kind and guard over hints and profiles. */
function summary(cells: readonly MatrixCell[]): string {
  const bad = cells.filter(({ verdict }) => verdict !== "SAFE");
  if (cells.length === 0) return "-";
  if (bad.length === 0) return "safe";
  const verdicts = unique(bad.map(({ verdict }) => verdict)).join("+");
  const hinted = bad.every(({ hint }) => hint) && cells.some(({ hint }) => !hint) ? " hint" : "";
  const profiles = unique(cells.map(({ profile }) => profile)).length;
  const failing = unique(bad.map(({ profile }) => profile)).length;
  const where = failing === profiles ? "" : ` (${failing}/${profiles})`;
  return `${verdicts}${hinted}${where}`;
}

function shortName(guard: string): string {
  return guard.slice(guard.lastIndexOf("/") + 1);
}

function unique<T>(values: readonly T[]): T[] {
  return [...new Set(values)];
}
