// The guard matrix on the cores of this machine: one kind of device and event after the other goes
// to whichever worker thread is free. Main thread only.
import { Piscina } from "piscina";
import { nowMs } from "../../base/clock.js";
import type { MatrixRequest } from "./lab.js";
import type { Coordinates, Matrix, MatrixCell, MatrixResult } from "./matrix.js";
import type { CellsTask } from "./worker.js";

export interface MatrixPlan {
  readonly request: MatrixRequest;
  readonly jobs: number;
  onCells(done: number, total: number): void;
}

export async function runInParallel(matrix: Matrix, plan: MatrixPlan): Promise<MatrixResult> {
  const startMs = nowMs();
  const pool = new Piscina<CellsTask, MatrixCell[]>({
    filename: new URL("./worker.js", import.meta.url).href,
    minThreads: plan.jobs,
    maxThreads: plan.jobs,
  });
  const all = matrix.coordinates();
  let done = 0;
  const run = async (cells: Coordinates[]): Promise<MatrixCell[]> => {
    const decided = await pool.run({ request: plan.request, cells });
    done += decided.length;
    plan.onCells(done, all.length);
    return decided;
  };
  try {
    const decided = await Promise.all(groups(all).map(run));
    return { cells: decided.flat(), seconds: (nowMs() - startMs) / 1000 };
  } finally {
    await pool.destroy();
  }
}

/** Cells of one event and kind of device, which have the most in common; in their order. */
function groups(all: readonly Coordinates[]): Coordinates[][] {
  const found = new Map<string, Coordinates[]>();
  for (const at of all) {
    const key = `${at.event} ${at.kind}`;
    const group = found.get(key);
    if (group === undefined) found.set(key, [at]);
    else group.push(at);
  }
  return [...found.values()];
}
