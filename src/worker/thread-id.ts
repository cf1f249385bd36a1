// What the host's kernel says of one thread of this process. Any thread.
import { readFileSync, readlinkSync } from "node:fs";
import { basename } from "node:path";

/** The number of the calling thread as `ps -L` and the kernel's messages show it. */
export function threadId(): number {
  return Number(basename(readlinkSync("/proc/thread-self")));
}

/**
 * How long a thread of this process has been ready to run without a CPU, in nanoseconds since it
 * began: run_delay of /proc/PID/task/TID/schedstat (Documentation/scheduler/sched-stats.rst). The
 * wait that still lasts is not in it. 0 for a thread that is gone and on a kernel that does not
 * count (CONFIG_SCHED_INFO).
 */
export function waitedForCpuNs(tid: number): number {
  try {
    return Number(readFileSync(`/proc/self/task/${tid}/schedstat`, "utf8").split(" ")[1]);
  } catch {
    return 0;
  }
}
