// What the compared data planes have in common: two devices, one in the client's namespace and one
// in the server's, with an address each, and a way between them. Main thread.
import { readdirSync, readFileSync } from "node:fs";
import { withNetns } from "@packetpath/libc";
import { counters } from "../netns.js";
import type { NamespaceRef } from "../types.js";
import { runProgram } from "./programs.js";

/** Where a data plane is to be built. Several stand in the same two namespaces at a time. */
export interface PeerPlace {
  readonly client: NamespaceRef;
  readonly server: NamespaceRef;
  /** Third byte of its /24, 10.77.N.0; the client is .1, the server .2. */
  readonly subnet: number;
  /** A folder of its own for files and sockets. */
  readonly folder: string;
}

/** A data plane that forwards. */
export interface Peer {
  readonly name: string;
  readonly clientAddress: string;
  readonly serverAddress: string;
  /** CPU seconds of its threads since it started; null: it runs inside the kernel. */
  cpuSeconds(): number | null;
  close(): Promise<void>;
}

/** Frames that a device may queue: that of the TAPs of a scenario. */
const TX_QUEUE_LENGTH = 1000;
const TICKS_PER_SECOND = 100;

export function addressesOf(place: PeerPlace): { clientAddress: string; serverAddress: string } {
  const net = `10.77.${place.subnet}`;
  return { clientAddress: `${net}.1`, serverAddress: `${net}.2` };
}

/** Gives a device its address, its queue and its life. */
export async function configureDevice(
  namespace: NamespaceRef,
  device: string,
  address: string,
): Promise<void> {
  const ip = (...words: string[]) => runProgram(["ip", ...words], { namespace });
  await ip("address", "add", `${address}/24`, "dev", device);
  await ip("link", "set", device, "txqueuelen", String(TX_QUEUE_LENGTH), "up");
}

/**
 * CPU seconds of a process, or of some of its threads.
 * @param threads their ids; absent: all of the process.
 */
export function cpuSecondsOf(pid: number, threads?: readonly number[]): number {
  const tasks = threads ?? readdirSync(`/proc/${pid}/task`).map(Number);
  let ticks = 0;
  for (const task of tasks) {
    const stat = readFileSync(`/proc/${pid}/task/${task}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    // utime and stime are fields 14 and 15 (proc(5)), the 12th and 13th after the command.
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks / TICKS_PER_SECOND;
}

/** What the machine's CPUs did since it started, in CPU seconds (proc(5), /proc/stat). */
export interface MachineSeconds {
  /** Everything but idleness: what senders and receivers cost, too. */
  readonly busy: number;
  /** Taken by the host of a virtual machine for others. */
  readonly stolen: number;
  readonly all: number;
}

export function machineSeconds(): MachineSeconds {
  const words = readFileSync("/proc/stat", "latin1").split("\n")[0]!.trim().split(/\s+/).slice(1);
  const [user, nice, system, idle, wait, irq, softirq, steal] = words.map(Number);
  const busy = user! + nice! + system! + irq! + softirq!;
  const stolen = steal ?? 0;
  const all = busy + stolen + idle! + wait!;
  return {
    busy: busy / TICKS_PER_SECOND,
    stolen: stolen / TICKS_PER_SECOND,
    all: all / TICKS_PER_SECOND,
  };
}

/**
 * TCP segments sent again from a namespace that the other end said it had already (DSACK, RFC
 * 2883): nothing was lost, the sender was impatient (a tail loss probe, RFC 8985). Counted since
 * the namespace was made.
 */
export function sentInVain(namespace: NamespaceRef): number {
  const read = (): string => readFileSync("/proc/thread-self/net/netstat", "latin1");
  const text = withNetns(namespace.handle, read);
  return counters(text).get("TcpExt.TCPDSACKRecvSegs") ?? 0;
}
