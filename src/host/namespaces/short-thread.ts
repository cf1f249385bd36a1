// A thread with too little kernel memory: a memory cgroup of version 1 takes one thread, whose
// allocations in the kernel then fail where the limit is reached, while the process's own memory is
// charged elsewhere. Main thread, root.
//
// Nothing is killed: the group has its OOM killer off, so that an allocation in a system call
// fails. Version 2 has no such switch, and would kill.
import { Worker } from "node:worker_threads";
import { eventually } from "../../base/eventually.js";
import { makeCgroup } from "../probe/cgroup.js";
import { IDLE, STOP, type ShortWork } from "./short-orders.js";

export interface ShortThread {
  /** The most that its allocations in the kernel may take, in bytes. */
  limit(bytes: number): void;
  /** Does what is ordered, to its end. @throws PacketpathError DEADLINE */
  run(order: number): Promise<void>;
}

const RUN_MS = 30_000;

/**
 * Starts the thread, lets `body` order it about, and ends it.
 * @returns what `body` returns, or why there can be no such thread here.
 */
export async function withShortThread<T>(
  purpose: string,
  work: ShortWork,
  body: (thread: ShortThread) => Promise<T>,
): Promise<T | string> {
  const group = makeCgroup("memory", purpose);
  if (typeof group === "string") return `${group}; version 2 would kill instead of refusing`;
  const { words } = work;
  const worker = new Worker(new URL("./short-worker.js", import.meta.url), { workerData: work });
  const ended = new Promise((resolve) => worker.once("exit", resolve));
  let failure: unknown = null;
  worker.once("error", (error) => (failure = error));
  const order = (one: number): void => {
    Atomics.store(words, 1, one);
    Atomics.notify(words, 1);
  };
  const run = async (one: number): Promise<void> => {
    order(one);
    const isDone = (): boolean => Atomics.load(words, 1) === IDLE || failure !== null;
    await eventually("the thread short of memory", isDone, { timeoutMs: RUN_MS });
    if (failure !== null) throw failure;
  };
  try {
    const isThere = (): boolean => Atomics.load(words, 0) !== 0 || failure !== null;
    await eventually("the thread to start", isThere, { timeoutMs: RUN_MS });
    if (failure !== null) throw failure;
    group.write("memory.oom_control", "1");
    group.write("tasks", String(Atomics.load(words, 0)));
    const limit = (bytes: number): void => group.write("memory.limit_in_bytes", String(bytes));
    return await body({ limit, run });
  } finally {
    // Whoever waits for memory gets it, and the thread can end.
    group.write("memory.limit_in_bytes", "-1");
    order(STOP);
    await ended;
    await group.remove();
  }
}
