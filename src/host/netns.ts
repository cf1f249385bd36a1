// Network namespaces of this run. Main thread makes them; any thread may run something inside.
//
// A namespace is an open file descriptor and nothing else unless a name is asked for: it vanishes
// with the process, also after kill -9. Making one takes the calling thread through it and back,
// synchronously; nothing else can run on the thread in between.
import { existsSync, readFileSync, readdirSync, readlinkSync, writeFileSync } from "node:fs";
import { stat } from "node:fs/promises";
import { C, block, close, ioctl, open, setns, socket, unshare, withNetns } from "@packetpath/libc";
import { errnoName } from "../base/errno.js";
import { PacketpathError } from "../base/errors.js";
import type { NamespaceRef, NetworkStats } from "./types.js";

/**
 * Starts libuv's thread pool from the namespace the program was started in. The pool's threads
 * live for ever in the namespace of whichever thread uses the pool first; if that is a load
 * thread, every later asynchronous file or DNS call of the program runs in there.
 * Call it on the main thread before any worker starts.
 */
export async function settleThreadPool(): Promise<void> {
  await stat("/");
}

/**
 * Makes a network namespace with `lo` up and without IPv6 autoconfiguration.
 * @returns an open, close-on-exec file descriptor.
 * @throws PacketpathError ENVIRONMENT without the right to make one.
 */
export function makeNamespace(name: string): number {
  const path = "/proc/thread-self/ns/net";
  const home = must("open", name, open(path, C.O_RDONLY | C.O_CLOEXEC));
  try {
    const made = unshare(C.CLONE_NEWNET);
    if (made === -1) {
      throw new PacketpathError("ENVIRONMENT", `cannot make the namespace ${name}: EPERM`, {
        fix: "Run as root, or use --backend memory.",
      });
    }
    must("unshare", name, made);
    try {
      const fd = must("open", name, open(path, C.O_RDONLY | C.O_CLOEXEC));
      configureNamespace();
      return fd;
    } finally {
      must("setns back from", name, setns(home, C.CLONE_NEWNET));
    }
  } finally {
    close(home);
  }
}

function must(call: string, name: string, result: number): number {
  if (result >= 0) return result;
  throw new PacketpathError("SYSTEM_CALL", `${call} namespace ${name}: ${errnoName(result)}`);
}

/** Inside the new namespace: /proc/sys/net is the calling thread's, with synchronous calls. */
function configureNamespace(): void {
  loopbackUp();
  // Router solicitations and duplicate address detection put frames on devices that nobody
  // asked for, and delay the first use of an address by a second. IPv6 is switched on again
  // on each device that is given an IPv6 address.
  for (const [key, value] of [
    ["accept_dad", "0"],
    ["accept_ra", "0"],
    ["autoconf", "0"],
    ["router_solicitations", "0"],
    ["disable_ipv6", "1"],
  ] as const) {
    setIpv6Conf("default", key, value);
  }
}

/** Sets net.ipv6.conf.<device>.<key>; nothing happens on a kernel without IPv6. */
export function setIpv6Conf(device: string, key: string, value: string): void {
  const path = `/proc/sys/net/ipv6/conf/${device}/${key}`;
  if (existsSync(path)) writeFileSync(path, value);
}

/** Brings `lo` up in the namespace of the calling thread. */
export function loopbackUp(): void {
  const request = block(40);
  const fd = must("socket in", "new", socket(C.AF_INET, C.SOCK_DGRAM | C.SOCK_CLOEXEC, 0));
  request.bytes.set([0x6c, 0x6f]); // "lo"
  request.view.setUint16(16, C.IFF_UP, true);
  const result = ioctl(fd, C.SIOCSIFFLAGS, request.address);
  close(fd);
  must("set lo up in", "new", result);
}

/** Moves the calling thread into a namespace for good (load threads). */
export function enterNamespaceForever(ref: NamespaceRef): void {
  must("setns", ref.name, setns(ref.handle, C.CLONE_NEWNET));
}

/** /proc/net and /proc/self/net would show the main thread's namespace. */
export function readNetworkStats(ref: NamespaceRef): NetworkStats {
  return withNetns(ref.handle, () => {
    const extended = counters(readFileSync("/proc/thread-self/net/netstat", "latin1"));
    const basic = counters(readFileSync("/proc/thread-self/net/snmp", "latin1"));
    return {
      listenOverflows: extended.get("TcpExt.ListenOverflows") ?? 0,
      listenDrops: extended.get("TcpExt.ListenDrops") ?? 0,
      retransmittedSegments: basic.get("Tcp.RetransSegs") ?? 0,
    };
  });
}

/** Pairs of lines, `TcpExt: names...` and `TcpExt: numbers...`, as "TcpExt.ListenDrops". */
export function counters(text: string): Map<string, number> {
  const found = new Map<string, number>();
  const lines = text.split("\n");
  for (let i = 0; i + 1 < lines.length; i += 2) {
    const names = lines[i]!.split(" ");
    const values = lines[i + 1]!.split(" ");
    const group = names[0]!.slice(0, -1);
    for (let k = 1; k < names.length; k++) found.set(`${group}.${names[k]}`, Number(values[k]));
  }
  return found;
}

/**
 * Which of the namespaces in `wanted` (inode numbers) a thread or a descriptor of this process, or
 * another process, still holds, each with a path that leads to it.
 */
export function heldNamespaces(wanted: ReadonlySet<string>): Map<string, string> {
  const held = new Map<string, string>();
  const look = (path: string): void => {
    const inode = /^net:\[(\d+)\]$/.exec(linkText(path))?.[1];
    if (inode !== undefined && wanted.has(inode)) held.set(inode, path);
  };
  for (const fd of list("/proc/self/fd")) look(`/proc/self/fd/${fd}`);
  for (const task of list("/proc/self/task")) look(`/proc/self/task/${task}/ns/net`);
  for (const pid of list("/proc")) if (/^\d+$/.test(pid)) look(`/proc/${pid}/ns/net`);
  return held;
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

function linkText(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}
