// What of this host decides the answers of socket(2), read from files and not asked for by calls of
// socket(2) itself. Main thread, root (it looks from inside of a namespace).
import { existsSync, readFileSync } from "node:fs";
import { release } from "node:os";
import { gunzipSync } from "node:zlib";
import { close, withNetns } from "@packetpath/libc";
import { makeNamespace } from "../netns.js";

export interface SocketHostFacts {
  /** As uname has it. */
  readonly kernel: string;
  /** Names of /proc/net/protocols. */
  readonly protocols: readonly string[];
  /** Protocols with a socket of the kernel's in /proc/net/netlink, and NETLINK_USERSOCK. */
  readonly netlink: readonly number[];
  /** The kernel can load modules, and these aliases of socket families are known for it. */
  readonly moduleAliases: readonly string[];
  /** First and last group of net.ipv4.ping_group_range in a new namespace. */
  readonly pingGroups: readonly [first: number, last: number];
  /** net.mptcp.enabled in a new namespace. */
  readonly mptcp: boolean;
  readonly hasVmci: boolean;
  /** Active security modules; null: securityfs cannot be read. */
  readonly securityModules: readonly string[] | null;
}

/** Always taken: user space talks to user space over it (NETLINK_USERSOCK). */
const USERSOCK = 2;

/** @throws PacketpathError ENVIRONMENT without the right to make a namespace. */
export function readSocketFacts(): SocketHostFacts {
  const namespace = makeNamespace("facts");
  try {
    const kernel = release();
    return {
      kernel,
      ...withNetns(namespace, readNamespaceFacts),
      moduleAliases: readModuleAliases(kernel),
      hasVmci: hasVmci(),
      securityModules: readSecurityModules(),
    };
  } finally {
    close(namespace);
  }
}

function readNamespaceFacts() {
  const groups = textOf("/proc/sys/net/ipv4/ping_group_range").trim().split(/\s+/).map(Number);
  return {
    protocols: protocolNames(textOf("/proc/thread-self/net/protocols")),
    netlink: netlinkProtocols(textOf("/proc/thread-self/net/netlink")),
    pingGroups: [groups[0] ?? 1, groups[1] ?? 0] as const,
    mptcp: textOf("/proc/sys/net/mptcp/enabled").trim() === "1",
  };
}

/** First column, below the heading. */
export function protocolNames(text: string): string[] {
  const lines = text.split("\n").slice(1);
  return lines.map((line) => line.split(/\s+/)[0] ?? "").filter((name) => name !== "");
}

/** Second column of the lines of sockets with port id 0: those are the kernel's. */
export function netlinkProtocols(text: string): number[] {
  const rows = text.split("\n").slice(1);
  const kernels = rows.map((row) => row.split(/\s+/)).filter((words) => words[2] === "0");
  return [...new Set([...kernels.map((words) => Number(words[1])), USERSOCK])].sort(
    (a, b) => a - b,
  );
}

/** A kernel without modules has no /proc/modules. */
function readModuleAliases(kernel: string): string[] {
  if (!existsSync("/proc/modules")) return [];
  const text = textOf(`/lib/modules/${kernel}/modules.alias`);
  return [...text.matchAll(/^alias (net-pf-\S+) /gm)].map((match) => match[1]!);
}

/** The one transport of AF_VSOCK with datagrams. */
function hasVmci(): boolean {
  if (existsSync("/sys/module/vmw_vsock_vmci_transport")) return true;
  try {
    const config = gunzipSync(readFileSync("/proc/config.gz")).toString("latin1");
    return /^CONFIG_VMWARE_VMCI_VSOCKETS=y$/m.test(config);
  } catch {
    return false;
  }
}

function readSecurityModules(): string[] | null {
  const text = textOf("/sys/kernel/security/lsm").trim();
  return text === "" ? null : text.split(",");
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}
