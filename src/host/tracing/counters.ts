// What the kernel counts of receiving: softirqs per CPU, and the backlog of each. They are the
// host's, whatever namespace asks, so differences are lower bounds. Synchronous; any thread.
import { readFileSync } from "node:fs";

/** Of one CPU, since boot. */
export interface ReceiveCounters {
  /** /proc/softirqs, the row NET_RX. */
  readonly netRx: number;
  /** /proc/net/softnet_stat: packets taken from a backlog or a device. */
  readonly processed: number;
  /** ... and packets that found the backlog full. */
  readonly dropped: number;
  /** Packets in the backlog now; null on kernels that do not say it (before 5.10). */
  readonly waiting: number | null;
}

export function readReceiveCounters(cpu: number): ReceiveCounters {
  const softirqs = readFileSync("/proc/softirqs", "latin1");
  const softnet = readFileSync("/proc/thread-self/net/softnet_stat", "latin1");
  return receiveCounters(softirqs, softnet, cpu);
}

/** @returns zeros for a CPU that the texts do not have. */
export function receiveCounters(softirqs: string, softnet: string, cpu: number): ReceiveCounters {
  const [head = "", ...rows] = softirqs.split("\n");
  const column = head.trim().split(/\s+/).indexOf(`CPU${cpu}`);
  const row = rows.find((line) => line.trim().startsWith("NET_RX:")) ?? "";
  const netRx = Number(row.trim().split(/\s+/)[column + 1] ?? 0);
  const lines = softnet.trim().split("\n");
  const words = (lines.find((line, index) => cpuOfLine(line, index) === cpu) ?? "").split(" ");
  return {
    netRx: column < 0 ? 0 : netRx,
    processed: parseInt(words[0] || "0", 16),
    dropped: parseInt(words[1] ?? "0", 16),
    waiting: words.length > 12 ? parseInt(words[11]!, 16) : null,
  };
}

/** Offline CPUs have no line; since 5.14 the 13th word is the CPU's number. */
function cpuOfLine(line: string, index: number): number {
  const word = line.split(" ")[12];
  return word === undefined ? index : parseInt(word, 16);
}
