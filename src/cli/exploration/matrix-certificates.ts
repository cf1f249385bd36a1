// `--certificate FOLDER` of what is decided over the explored kernel path: one file for each packet
// that was explored by itself, of each SAFE cell. Main thread only.
import { mkdirSync } from "node:fs";
import { basename, join } from "node:path";
import { PacketpathError } from "../../base/errors.js";
import type { Coordinates, Matrix, MatrixCell, MatrixResult } from "../../explore/matrix/matrix.js";
import type { Certificate } from "../../explore/types.js";
import { writeText } from "../results.js";

/** The certificates of a cell in one. */
export interface CertifiedBy extends Certificate {
  /** Where each part was written. */
  readonly files: readonly string[];
}

export interface CertifiedResult extends MatrixResult {
  readonly cells: readonly (MatrixCell & { readonly certificate: CertifiedBy | null })[];
}

/**
 * Writes the certificates of all SAFE cells that were searched; the others have that of the cell
 * whose search theirs is. Without a folder, no cell has one.
 * @throws PacketpathError FILE_UNUSABLE.
 */
export async function certifyCells(
  matrix: Matrix,
  result: MatrixResult,
  folder: string | undefined,
): Promise<CertifiedResult> {
  const written = new Map<string, CertifiedBy | null>();
  const certified = async (cell: MatrixCell): Promise<CertifiedBy | null> => {
    if (folder === undefined || cell.verdict !== "SAFE") return null;
    const at = { ...cell, profile: cell.sameAs ?? cell.profile };
    const name = nameOf(at);
    const known = written.get(name);
    if (known !== undefined) return known;
    const made = await certify(matrix, at, folder);
    written.set(name, made);
    return made;
  };
  const cells: CertifiedResult["cells"][number][] = [];
  for (const cell of result.cells) cells.push({ ...cell, certificate: await certified(cell) });
  return { ...result, cells };
}

/** Writes those of one cell; null: it is not SAFE. @throws PacketpathError FILE_UNUSABLE. */
export async function certify(
  matrix: Matrix,
  at: Coordinates,
  folder: string,
): Promise<CertifiedBy | null> {
  const { certifyCell, sumOf } = await import("../../explore/system/results/certificates.js");
  makeFolder(folder);
  const parts = certifyCell(matrix, at);
  const files = parts.map((one, i) => {
    const file = join(folder, `${nameOf(at)}.${i + 1}.cert`);
    writeText(file, one.bytes);
    return file;
  });
  const sum = sumOf(parts.map(({ summary }) => summary));
  return sum === null ? null : { ...sum, file: files[0]!, files };
}

function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new PacketpathError("FILE_UNUSABLE", `cannot make "${folder}": ${reason}`, {
      place: { file: folder },
    });
  }
}

function nameOf({ guard, kind, hint, profile, event }: Coordinates): string {
  const short = basename(guard).replace(/\.m?[jt]s$/, "");
  return `${short}.${kind}.${hint ? "hint" : "no-hint"}.${profile}.${event}`;
}
