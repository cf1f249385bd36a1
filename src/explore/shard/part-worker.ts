// Explores one part of a program in a worker thread of the pool. Runs on that thread only.
import { explore } from "../explore.js";
import { loadProgram } from "../source/load.js";
import type { Exploration } from "../types.js";
import type { PartTask } from "./pool.js";

export default async function explorePart(task: PartTask): Promise<Exploration> {
  return explore(await loadProgram(task.source, task.file), task.options);
}
