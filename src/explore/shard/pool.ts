// All parts of an exploration on the cores of this machine, each in a worker thread. The first part
// that finds something ends the others. Main thread only.
import { Piscina } from "piscina";
import { nowMs } from "../../base/clock.js";
import type { Exploration, ExploreOptions, LoadedProgram } from "../types.js";
import { type Part, partOf, sum } from "./merge.js";

/** What a worker is given. Its time is its own: parts run side by side. */
export interface PartTask {
  readonly source: string;
  readonly file: string;
  readonly options: ExploreOptions;
}

export interface PoolPlan {
  readonly program: LoadedProgram;
  readonly source: string;
  /** Without functions: it is sent to the workers. */
  readonly options: ExploreOptions;
  readonly jobs: number;
  /** Ends the search; then the result is null. */
  readonly signal: AbortSignal;
  onPart(done: number, total: number): void;
}

export async function exploreInParallel(plan: PoolPlan): Promise<Exploration | null> {
  const { program, source, options, jobs, signal } = plan;
  const startMs = nowMs();
  const pool = new Piscina<PartTask, Exploration>({
    filename: new URL("./part-worker.js", import.meta.url).href,
    minThreads: jobs,
    maxThreads: jobs,
  });
  const stop = new AbortController();
  const stopAll = () => stop.abort();
  signal.addEventListener("abort", stopAll);
  const parts: Part[] = [];
  const run = async (index: number): Promise<void> => {
    const own = { ...options, shard: { index, count: jobs } };
    const task = { source, file: program.file, options: own };
    const result = await pool.run(task, { signal: stop.signal });
    const part = partOf(program, result, own);
    parts.push(part);
    plan.onPart(parts.length, jobs);
    if (part.counterexample !== null) stop.abort();
  };
  try {
    const ends = await Promise.allSettled(Array.from({ length: jobs }, (_one, i) => run(i)));
    const failed = ends.find((one) => one.status === "rejected");
    if (failed !== undefined && !stop.signal.aborted) throw failed.reason;
  } finally {
    signal.removeEventListener("abort", stopAll);
    await pool.destroy();
  }
  if (signal.aborted) return null;
  const result = sum(parts.sort((x, y) => x.shard.index - y.shard.index));
  const seconds = (nowMs() - startMs) / 1000;
  const { executions } = result;
  return {
    ...result,
    seconds: Math.round(seconds * 1e6) / 1e6,
    executionsPerSecond: executions === null ? null : Math.round(executions / seconds),
  };
}
