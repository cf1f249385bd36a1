// Ending worker threads by force, the last rung of every ladder. Main thread.
import type { Worker } from "node:worker_threads";
import { eventually } from "./eventually.js";

/** A thread as far as ending it goes. */
export interface EndingThread {
  readonly worker: Pick<Worker, "terminate">;
  /** It has loaded its code, and said so. */
  readonly ready: boolean;
  readonly ended: boolean;
}

/** How long a thread may take to load on a machine that does much else, in milliseconds. */
const LOADING_MS = 30_000;

/**
 * Terminates those that have not ended, and resolves when they have. A thread that still loads is
 * waited for: a termination that meets koffi while it binds a function aborts the whole process
 * ("FATAL ERROR: Error::ThrowAsJavaScriptException napi_throw", koffi 3.3.4 on Node 20).
 */
export async function terminateThreads(threads: readonly EndingThread[]): Promise<void> {
  const isLoaded = () => threads.every((one) => one.ready || one.ended);
  try {
    await eventually("threads to load", isLoaded, { timeoutMs: LOADING_MS });
  } catch {
    // It does not load at all: so it binds nothing either.
  }
  await Promise.all(threads.map(({ ended, worker }) => (ended ? null : worker.terminate())));
}
