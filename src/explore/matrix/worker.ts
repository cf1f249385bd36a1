// Entry of a worker thread that decides cells of the guard matrix. It keeps what cells have in
// common between tasks of one request.
import { type MatrixRequest, openMatrix } from "./lab.js";
import type { Coordinates, Matrix, MatrixCell } from "./matrix.js";

export interface CellsTask {
  readonly request: MatrixRequest;
  readonly cells: readonly Coordinates[];
}

let opened: Promise<Matrix> | null = null;

export default async function decideCells(task: CellsTask): Promise<MatrixCell[]> {
  opened ??= openMatrix(task.request);
  const matrix = await opened;
  return task.cells.map((at) => matrix.decide(at));
}
