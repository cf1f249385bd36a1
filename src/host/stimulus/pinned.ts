// Runs something on one CPU: the calling thread is bound to it, and let go again. Synchronous; any
// thread. And which CPUs there are.
import { readFileSync } from "node:fs";
import { setAffinity } from "@packetpath/libc";
import { errnoName } from "../../base/errno.js";
import { PacketpathError } from "../../base/errors.js";

/** The CPUs that the calling thread may run on, in order (a cpuset or taskset may limit them). */
export function allowedCpus(): number[] {
  const status = readFileSync("/proc/thread-self/status", "latin1");
  return cpuList(/^Cpus_allowed_list:\s*(\S+)/m.exec(status)?.[1] ?? "");
}

/** The CPUs that are online, in order. */
export function onlineCpus(): number[] {
  return cpuList(readFileSync("/sys/devices/system/cpu/online", "latin1").trim());
}

/** The kernel's lists: "0-3,8". */
export function cpuList(text: string): number[] {
  return text.split(",").flatMap((part) => {
    const [first = "", last = first] = part.split("-");
    if (!/^\d+$/.test(first) || !/^\d+$/.test(last)) return [];
    return Array.from({ length: Number(last) - Number(first) + 1 }, (_, i) => Number(first) + i);
  });
}

/** @throws PacketpathError SYSTEM_CALL when the thread may not run there. */
export function onCpu<T>(cpu: number, body: () => T): T {
  const before = allowedCpus();
  const bound = setAffinity([cpu]);
  if (bound < 0) {
    const message = `cannot bind the thread to CPU ${cpu}: ${errnoName(bound)}`;
    throw new PacketpathError("SYSTEM_CALL", message);
  }
  try {
    return body();
  } finally {
    setAffinity(before);
  }
}
