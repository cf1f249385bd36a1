// The number of the calling thread as `ps -L` and the kernel's messages show it. Any thread.
import { readlinkSync } from "node:fs";
import { basename } from "node:path";

export function threadId(): number {
  return Number(basename(readlinkSync("/proc/thread-self")));
}
