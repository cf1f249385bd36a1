// Two namespaces joined by a veth, made with `ip`, for the load tests: what the load does is shown
// on the kernel's own devices, without any of the switch.
import { execFileSync } from "node:child_process";
import { closeSync, existsSync, openSync } from "node:fs";
import { FdTable } from "../../src/host/fd-table.js";
import type { BackendDescriptor, NamespaceRef } from "../../src/host/types.js";

export const LINUX: BackendDescriptor = { kind: "linux", shared: FdTable.create().shared };

const isRoot = process.getuid?.() === 0;
const hasIp = ["/usr/sbin/ip", "/sbin/ip", "/usr/bin/ip"].some((path) => existsSync(path));

/** Whether namespaces cannot be made here, and why: part of the names of skipped tests. */
export const cannot = !isRoot || !hasIp;
export const needs = cannot ? ` (needs ${isRoot ? "iproute2" : "root"})` : "";

export const CLIENT_ADDRESS = "10.55.0.1";
export const SERVER_ADDRESS = "10.55.0.2";
export const SERVER_ADDRESS_V6 = "fd55::2";

export interface TwoHosts {
  readonly client: NamespaceRef;
  readonly server: NamespaceRef;
  /** How many UDP ports are in use in the client's namespace. */
  clientUdpPorts(): number;
  /** Runs `ip` in the client's namespace, and gives what it prints. */
  clientIp(...words: string[]): string;
  serverIp(...words: string[]): string;
  /** Writes a sysctl of one of the two namespaces. */
  sysctl(namespace: NamespaceRef, name: string, value: string): void;
  /** A counter of /proc/net/netstat in the server's namespace. */
  serverCounter(name: string): number;
  remove(): void;
}

function ip(...words: string[]): string {
  return execFileSync("ip", words, { encoding: "utf8" });
}

let pairs = 0;

export function makeTwoHosts(): TwoHosts {
  const names = ["c", "s"].map((end) => `ppload-${process.pid}-${pairs}${end}`);
  const [c = "", s = ""] = names;
  pairs++;
  ip("netns", "add", c);
  ip("netns", "add", s);
  ip("link", "add", "eth0", "netns", c, "type", "veth", "peer", "name", "eth0", "netns", s);
  ip("-n", c, "addr", "add", `${CLIENT_ADDRESS}/24`, "dev", "eth0");
  ip("-n", s, "addr", "add", `${SERVER_ADDRESS}/24`, "dev", "eth0");
  ip("-n", c, "addr", "add", "fd55::1/64", "dev", "eth0", "nodad");
  ip("-n", s, "addr", "add", `${SERVER_ADDRESS_V6}/64`, "dev", "eth0", "nodad");
  for (const name of names) {
    ip("-n", name, "link", "set", "lo", "up");
    ip("-n", name, "link", "set", "eth0", "up");
  }
  const [client, server] = names.map(openNamespace) as [NamespaceRef, NamespaceRef];
  return {
    client,
    server,
    clientIp: (...words) => ip("-n", c, ...words),
    serverIp: (...words) => ip("-n", s, ...words),
    clientUdpPorts: () => {
      const table = ip("netns", "exec", c, "cat", "/proc/net/udp");
      return table.trim().split("\n").length - 1;
    },
    sysctl: (namespace, name, value) => {
      ip("netns", "exec", namespace.name, "sysctl", "-q", "-w", `${name}=${value}`);
    },
    serverCounter: (name) => netstatCounter(s, name),
    remove: () => {
      for (const one of [client, server]) closeSync(one.handle);
      for (const name of names) ip("netns", "del", name);
    },
  };
}

function openNamespace(name: string): NamespaceRef {
  const path = `/run/netns/${name}`;
  return { name, handle: openSync(path, "r"), path };
}

/** The namespace that the tests themselves run in; only its loopback is used. */
export function ownNamespace(): NamespaceRef {
  return { name: "own", handle: openSync("/proc/self/ns/net", "r"), path: null };
}

function netstatCounter(namespace: string, counter: string): number {
  const words = ["netns", "exec", namespace, "cat", "/proc/net/netstat"];
  const lines = ip(...words)
    .trim()
    .split("\n");
  for (let i = 0; i + 1 < lines.length; i += 2) {
    const names = lines[i]!.split(" ");
    const index = names.indexOf(counter);
    if (index > 0) return Number(lines[i + 1]!.split(" ")[index]);
  }
  throw new Error(`/proc/net/netstat has no ${counter}`);
}
