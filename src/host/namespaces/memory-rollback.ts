// Creating a namespace with too little kernel memory: a memory cgroup of version 1 takes one
// thread, whose allocations in the kernel then fail where the limit is reached, while the process's
// own memory is charged elsewhere. A limit that grows step by step lets the creation fail ever
// later on its way, and each time all of it has to be taken back. Main thread, root.
//
// Nothing is killed: the group has its OOM killer off, so that an allocation in a system call
// fails. Version 2 has no such switch, and would kill.
import { Worker } from "node:worker_threads";
import { nowMs } from "../../base/clock.js";
import { PacketpathError } from "../../base/errors.js";
import { eventually } from "../../base/eventually.js";
import { makeCgroup, type OwnCgroup } from "../probe/cgroup.js";
import { GO, IDLE, STOP } from "./memory-orders.js";

export interface MemoryAttempt {
  readonly limitBytes: number;
  /** 0 when the namespace was made. */
  readonly errno: number;
  readonly milliseconds: number;
}

export interface MemoryResult {
  /** Each with a higher limit than the one before; the last one succeeds. */
  readonly attempts: readonly MemoryAttempt[];
}

const STEP_BYTES = 16_384;
/** A namespace of 6.18 takes some 400 KB. */
const MOST_BYTES = 16 << 20;
const ATTEMPT_MS = 20_000;

/** @returns what was seen, or why it cannot be seen here. */
export async function memoryRollback(signal: AbortSignal): Promise<MemoryResult | string> {
  const group = makeCgroup("memory", "netns");
  if (typeof group === "string") return `${group}; version 2 would kill instead of refusing`;
  const words = new Int32Array(new SharedArrayBuffer(16));
  const entry = new URL("./memory-worker.js", import.meta.url);
  const worker = new Worker(entry, { workerData: words });
  const ended = new Promise((resolve) => worker.once("exit", resolve));
  let failure: unknown = null;
  worker.once("error", (error) => (failure = error));
  try {
    const isThere = (): boolean => Atomics.load(words, 0) !== 0 || failure !== null;
    await eventually("the thread with limited memory", isThere, { timeoutMs: ATTEMPT_MS });
    if (failure !== null) throw failure;
    group.write("memory.oom_control", "1");
    group.write("tasks", String(Atomics.load(words, 0)));
    return { attempts: await climb(group, words, signal) };
  } finally {
    // Whoever waits for memory gets it, and the thread can end.
    group.write("memory.limit_in_bytes", "-1");
    Atomics.store(words, 1, STOP);
    Atomics.notify(words, 1);
    await ended;
    await group.remove();
  }
}

async function climb(group: OwnCgroup, words: Int32Array, signal: AbortSignal) {
  const attempts: MemoryAttempt[] = [];
  for (let limitBytes = 0; !signal.aborted; limitBytes += STEP_BYTES) {
    if (limitBytes > MOST_BYTES) {
      const message = `no namespace could be made with ${MOST_BYTES} bytes of kernel memory`;
      throw new PacketpathError("SYSTEM_CALL", message);
    }
    group.write("memory.limit_in_bytes", String(limitBytes));
    const from = nowMs();
    Atomics.store(words, 1, GO);
    Atomics.notify(words, 1);
    const isDone = (): boolean => Atomics.load(words, 1) === IDLE;
    await eventually("an attempt to make a namespace", isDone, { timeoutMs: ATTEMPT_MS });
    const errno = Math.abs(Atomics.load(words, 2));
    attempts.push({ limitBytes, errno, milliseconds: nowMs() - from });
    if (errno === 0) break;
  }
  return attempts;
}
