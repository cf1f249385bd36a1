// One part of a matrix that was split as a file's content, and the matrix of all parts. Cells that
// differ in the profile only are in one part, so that each part finds what the whole would. Pure.
import { mustBeWhole } from "../../shard/merge.js";
import type { Shard } from "../../types.js";
import type { MatrixCell, MatrixResult } from "../../matrix/matrix.js";

export interface MatrixPart extends MatrixResult {
  readonly sourceHash: string;
  /** What was asked for, without the part. */
  readonly request: Readonly<Record<string, unknown>>;
  readonly shard: Shard;
}

export interface MatrixPartFile {
  readonly file: string;
  readonly part: MatrixPart;
}

/** Whether a file's content is a part of a matrix, as far as its form goes. */
export function isMatrixPart(content: unknown): content is MatrixPart {
  const { cells, request, shard, sourceHash } = (content ?? {}) as Partial<MatrixPart>;
  const isWhole = Number.isInteger(shard?.index) && Number.isInteger(shard?.count);
  return Array.isArray(cells) && typeof request === "object" && isWhole && sourceHash !== undefined;
}

/**
 * The matrix of all parts, in its order. @throws PacketpathError USAGE naming what does not
 * fit.
 */
export function mergeMatrix(files: readonly MatrixPartFile[]): MatrixResult {
  mustBeWhole(files, ({ sourceHash, request }) => {
    const texts = Object.entries(request).map(([name, value]) => [name, JSON.stringify(value)]);
    return { source: sourceHash, ...(Object.fromEntries(texts) as object) };
  });
  const parts = files.map(({ part }) => part).sort((x, y) => x.shard.index - y.shard.index);
  const groups = parts.map(({ cells }) => groupsOf(cells));
  const most = Math.max(...groups.map(({ length }) => length));
  const cells: MatrixCell[] = [];
  for (let i = 0; i < most; i++) {
    for (const one of groups) cells.push(...(one[i] ?? []));
  }
  return { cells, seconds: parts.reduce((sum, { seconds }) => sum + seconds, 0) };
}

/** Runs of cells that differ in the profile only. */
function groupsOf(cells: readonly MatrixCell[]): MatrixCell[][] {
  const groups = new Map<string, MatrixCell[]>();
  for (const cell of cells) {
    const { event, kind, guard, hint } = cell;
    const key = JSON.stringify([event, kind, guard, hint]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [cell]);
    else group.push(cell);
  }
  return [...groups.values()];
}
