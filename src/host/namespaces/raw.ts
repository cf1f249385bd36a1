// Network namespaces as the kernel makes them: nothing is configured, nothing is thrown. For those
// who look at the making itself; `netns.ts` makes the ones that are used. Any thread, synchronous.
import { C, close, open, setns, unshare } from "@packetpath/libc";
import { errnoName } from "../../base/errno.js";
import { PacketpathError } from "../../base/errors.js";
import { nowNs } from "../../base/clock.js";

export interface RawNamespace {
  /** An open descriptor, or a negative errno; of what is in `failed`. */
  readonly fd: number;
  readonly failed: "unshare" | "open" | null;
  /** How long unshare(CLONE_NEWNET) took, in microseconds. */
  readonly microseconds: number;
}

/** The file of the calling thread's namespace. @returns a descriptor, or a negative errno. */
export function openOwnNamespace(): number {
  return open("/proc/thread-self/ns/net", C.O_RDONLY | C.O_CLOEXEC);
}

/**
 * Makes a namespace and comes back.
 * @param home descriptor of the thread's own namespace.
 * @param inside is called in the new namespace.
 * @throws PacketpathError SYSTEM_CALL when the thread cannot come back.
 */
export function makeRawNamespace(home: number, inside: () => void = () => undefined): RawNamespace {
  const from = nowNs();
  const made = unshare(C.CLONE_NEWNET);
  const microseconds = (nowNs() - from) / 1000;
  if (made < 0) return { fd: made, failed: "unshare", microseconds };
  try {
    inside();
    const fd = openOwnNamespace();
    return { fd, failed: fd < 0 ? "open" : null, microseconds };
  } finally {
    comeBack(home);
  }
}

function comeBack(home: number): void {
  const result = setns(home, C.CLONE_NEWNET);
  if (result >= 0) return;
  throw new PacketpathError("SYSTEM_CALL", `setns to the own namespace: ${errnoName(result)}`);
}

/** Makes one and lets it go. @returns 0, or the negative errno of what failed. */
export function tryNamespace(home: number): number {
  const { fd } = makeRawNamespace(home);
  if (fd < 0) return fd;
  close(fd);
  return 0;
}
