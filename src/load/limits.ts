// Limits that would end a load early and look like a fault of the network: checked before the
// first connection, in the client's thread and namespace, and named with what to do.
import { readFileSync } from "node:fs";
import { setrlimit } from "@packetpath/libc";
import { PacketpathError } from "../base/errors.js";
import type { HttpLoadSpec } from "./types.js";

/** Descriptors beside the connections: devices, namespaces, epoll, the program's own files. */
const SPARE_DESCRIPTORS = 500;

const RLIMIT_NOFILE = 7;

/** Requests that can be in flight at once; a paced load has those of one timeout. */
export function connectionsMax(spec: HttpLoadSpec): number {
  const intervalMs = spec.intervalMs ?? 0;
  const paced = intervalMs > 0 ? Math.ceil(spec.timeoutMs / intervalMs) : Infinity;
  const asked = spec.requests === 0 ? Infinity : spec.requests;
  const allowed = spec.concurrency === 0 ? Infinity : spec.concurrency;
  return Math.min(paced, asked, allowed);
}

/**
 * @throws PacketpathError USAGE when the load has no end and no pace, or a hold that cannot be
 *   reached; ENVIRONMENT when descriptors or ports would run out.
 */
export function checkConnectionLimits(spec: HttpLoadSpec): void {
  const connections = connectionsMax(spec);
  if (connections === Infinity) {
    throw new PacketpathError("USAGE", "an HTTP load without end needs an intervalMs or a limit", {
      fix: "Set requests, concurrency or intervalMs.",
    });
  }
  if (spec.holdUntilInFlight > connections) {
    throw new PacketpathError(
      "USAGE",
      `holdUntilInFlight is ${spec.holdUntilInFlight}, ` +
        `but at most ${connections} requests can be in flight`,
      { fix: "Raise requests or concurrency, or lower holdUntilInFlight." },
    );
  }
  checkDescriptors(connections, spec.serverApart === true ? 1 : 2);
  checkPorts(connections);
}

/**
 * @param ends of each connection that this process holds, 1 or 2.
 * @throws PacketpathError ENVIRONMENT when there would be too many, and the limit cannot be raised.
 */
export function checkDescriptors(connections: number, ends: 1 | 2): void {
  const limits = readFileSync("/proc/self/limits", "utf8");
  const soft = /^Max open files\s+(\d+)/m.exec(limits)?.[1];
  const needed = ends * connections + SPARE_DESCRIPTORS;
  if (soft === undefined || Number(soft) >= needed) return;
  // Root may raise its own hard limit (setrlimit(2), CAP_SYS_RESOURCE); it ends with the process.
  if (setrlimit(RLIMIT_NOFILE, needed, needed) === 0) return;
  throw new PacketpathError(
    "ENVIRONMENT",
    `${connections} connections need ${needed} file descriptors` +
      `${ends === 2 ? " (both ends)" : ""}, but the limit (RLIMIT_NOFILE) is ${soft}`,
    { fix: `Raise the hard limit (as root): ulimit -Hn ${needed}, or the service's LimitNOFILE=.` },
  );
}

function checkPorts(connections: number): void {
  // Sync, so that the calling thread's namespace answers and not the thread pool's.
  const range = readFileSync("/proc/sys/net/ipv4/ip_local_port_range", "utf8").trim().split(/\s+/);
  const ports = Number(range[1]) - Number(range[0]) + 1;
  if (ports >= connections) return;
  throw new PacketpathError(
    "ENVIRONMENT",
    `${connections} connections to one address need as many ports, ` +
      `but net.ipv4.ip_local_port_range has ${ports} in the client's namespace`,
    { fix: "Widen net.ipv4.ip_local_port_range in that namespace." },
  );
}
