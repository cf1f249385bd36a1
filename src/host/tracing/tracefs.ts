// tracefs: where it is, and the instances in it, which are buffers and event switches of their
// own: what is switched on in one changes nothing in the host's own trace. Needs root. Synchronous;
// main thread. Kernel: Documentation/trace/ftrace.rst, "Instances".
//
// On a host without a mounted tracefs it is mounted for this process only, at no place in the tree:
// the mount is a file descriptor (fsmount(2), Linux 5.2) and goes with the process. Instances
// belong to the kernel and stay; hence the ledger.
import { existsSync, mkdirSync, rmdirSync, statfsSync } from "node:fs";
import { block, close, syscall } from "@packetpath/libc";
import { ERRNO, errnoName } from "../../base/errno.js";
import { PacketpathError } from "../../base/errors.js";

const PLACE = "/sys/kernel/tracing";
/** statfs type of tracefs (TRACEFS_MAGIC, linux/magic.h). */
const TRACEFS = 0x74726163;

/** The same numbers on x86-64 and arm64 (all system calls since 5.1 have one number everywhere). */
const CALLS = { fsopen: 430, fsconfig: 431, fsmount: 432 } as const;
const FSOPEN_CLOEXEC = 1;
const FSCONFIG_CMD_CREATE = 6;
const FSMOUNT_CLOEXEC = 1;

export interface Tracefs {
  /** A path that leads there, in this process. */
  readonly root: string;
  /** The same for people: a path, or that it is mounted for this process only. */
  readonly place: string;
  close(): void;
}

/**
 * Mounts a filesystem of the kernel's at no place. A sysfs shows the devices of the network
 * namespace that the calling thread is in.
 * @returns a file descriptor of its root, or a negative errno.
 */
export function mountDetached(type: "tracefs" | "sysfs"): number {
  const name = block(16);
  name.bytes.set(new TextEncoder().encode(type));
  const context = syscall(CALLS.fsopen, name.address, FSOPEN_CLOEXEC);
  if (context < 0) return context;
  const created = syscall(CALLS.fsconfig, context, FSCONFIG_CMD_CREATE);
  const mounted = created < 0 ? created : syscall(CALLS.fsmount, context, FSMOUNT_CLOEXEC);
  close(context);
  return mounted;
}

/**
 * @param folder where tracefs is mounted; without it, the usual place, or a mount of our own.
 * @throws PacketpathError ENVIRONMENT naming what the machine lacks.
 */
export function openTracefs(folder?: string): Tracefs {
  if (folder !== undefined || isTracefs(PLACE)) {
    const root = folder ?? PLACE;
    if (!isTracefs(root)) {
      throw new PacketpathError("ENVIRONMENT", `"${root}" is not a mounted tracefs`, {
        fix: `Mount it there: mount -t tracefs nodev "${root}".`,
      });
    }
    return { root, place: root, close: () => undefined };
  }
  const fd = mountDetached("tracefs");
  if (fd < 0) throw noTracefs(fd);
  return {
    root: `/proc/self/fd/${fd}`,
    place: "mounted for this process only",
    close: () => void close(fd),
  };
}

function isTracefs(folder: string): boolean {
  return existsSync(folder) && statfsSync(folder).type === TRACEFS;
}

/** What an errno of mounting says about the machine. */
export function noTracefs(errno: number): PacketpathError {
  const message = `tracefs cannot be mounted: ${errnoName(errno)}`;
  const fix = FIXES[-errno] ?? `Mount it: mount -t tracefs nodev ${PLACE}.`;
  return new PacketpathError("ENVIRONMENT", message, { fix });
}

const FIXES: Readonly<Record<number, string>> = {
  [ERRNO.EPERM]: "Use sudo; in a container, run it on the host, or give it CAP_SYS_ADMIN.",
  [ERRNO.EACCES]: "Use sudo; in a container, run it on the host, or give it CAP_SYS_ADMIN.",
  [ERRNO.ENODEV]: "Use a kernel with CONFIG_FTRACE and CONFIG_EVENT_TRACING.",
};

/** Names of our instances; nothing else is ever removed. */
const OURS = /^packetpath-\d+-\d+-\d+$/;

/** @throws PacketpathError SYSTEM_CALL or ENVIRONMENT; nothing is made then. */
export function makeInstance(tracefs: Tracefs, name: string): string {
  const folder = `${tracefs.root}/instances/${name}`;
  try {
    mkdirSync(folder);
    return folder;
  } catch (error) {
    const { message } = error as Error;
    throw new PacketpathError("ENVIRONMENT", `cannot make a trace instance: ${message}`, {
      fix: "Use sudo; with kernel lockdown in the mode confidentiality, nothing can be traced.",
    });
  }
}

/**
 * Removes an instance of a dead run (`sweep`).
 * @returns null when it is gone, otherwise why it was left alone.
 */
export function removeInstance(name: string): string | null {
  if (!OURS.test(name)) return "it is not one of packetpath's trace instances";
  let tracefs: Tracefs;
  try {
    tracefs = openTracefs();
  } catch (error) {
    return (error as Error).message;
  }
  const folder = `${tracefs.root}/instances/${name}`;
  try {
    if (existsSync(folder)) rmdirSync(folder);
    return null;
  } catch (error) {
    return (error as Error).message;
  } finally {
    tracefs.close();
  }
}
