// Receive packet steering of a device in a namespace of our own: which CPUs take its packets in.
// Needs root. Synchronous; main thread. Kernel: Documentation/networking/scaling.rst.
import { existsSync, writeFileSync } from "node:fs";
import { close, withNetns } from "@packetpath/libc";
import { errnoName } from "../../base/errno.js";
import { mountDetached } from "../tracing/tracefs.js";
import type { NamespaceRef } from "../types.js";

/**
 * Lets a device's first receive queue be served by one CPU. The host's sysfs shows the devices of
 * the namespace it was mounted in; hence a sysfs of our own, mounted inside.
 * @returns null when it is so now, otherwise what is missing.
 */
export function steerTo(namespace: NamespaceRef, device: string, cpu: number): string | null {
  return withNetns(namespace.handle, () => {
    const sysfs = mountDetached("sysfs");
    if (sysfs < 0) return `sysfs cannot be mounted: ${errnoName(sysfs)}`;
    try {
      const file = `/proc/self/fd/${sysfs}/class/net/${device}/queues/rx-0/rps_cpus`;
      if (!existsSync(file)) return "this kernel has no rps_cpus (CONFIG_RPS)";
      writeFileSync(file, cpuMask(cpu));
      return null;
    } finally {
      close(sysfs);
    }
  });
}

/** The kernel's masks: hexadecimal words of 32 bits, the highest first, with commas between. */
export function cpuMask(cpu: number): string {
  const word = ((1 << (cpu & 31)) >>> 0).toString(16);
  return word + ",00000000".repeat(cpu >>> 5);
}
