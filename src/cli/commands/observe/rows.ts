// What `packetpath observe` can show, one row per observation; each is loaded when it is asked for.
// Main thread only.
import { type Command, InvalidArgumentError } from "commander";

/** The flags of all observations; each row adds those that it reads. */
export interface ObserveFlags {
  readonly json?: boolean;
  readonly count?: number;
  readonly tracefs?: string;
  readonly all?: boolean;
}

/** What was seen: an object for --json (schemaVersion is added), and lines for people. */
interface Observed {
  /** Whether the kernel did what was predicted; false ends with exit code 1. */
  readonly asExpected: boolean;
  readonly json: object;
  readonly text: string;
}

export interface Observation {
  readonly name: string;
  readonly summary: string;
  readonly description: string;
  /** Adds the flags that only this observation has. */
  readonly addOptions?: (command: Command) => Command;
  /**
   * Leaves nothing behind, also when `signal` aborts it.
   * @throws PacketpathError ENVIRONMENT naming what the machine lacks, and the fix.
   */
  readonly observe: (flags: ObserveFlags, signal: AbortSignal) => Promise<Observed>;
}

export const OBSERVATIONS: readonly Observation[] = [
  {
    name: "loopback",
    summary: "where a ping over loopback is received: in whose context, on which CPU",
    description:
      "Pings 127.0.0.1 in a namespace of its own and shows, by the kernel's trace events,\n" +
      "that a packet is received in the sender's context, as a softirq, before the send\n" +
      "returns; and that receive packet steering moves it to another CPU. Needs root.",
    addOptions: (command) => tracefsOption(countOption(command, "pings in each part (10)", 100)),
    async observe({ count = 10, tracefs }, signal) {
      const { observeLoopback } = await import("../../../observe/receive/loopback.js");
      const text = await import("../../../observe/receive/loopback-text.js");
      const result = await observeLoopback({ count, tracefs }, signal);
      return {
        asExpected: text.loopbackAsExpected(result),
        json: text.loopbackJson(result),
        text: text.loopbackText(result),
      };
    },
  },
  {
    name: "tap",
    summary: "that a write to a TAP receives, and answers, before it returns",
    description:
      "Writes ICMP echo requests and TCP SYNs to a TAP in a namespace of its own and shows,\n" +
      "by the kernel's trace events, that receive and answer run inside of write(), with\n" +
      "softirqs off, and that every answer can be read right after. Needs root.",
    addOptions: (command) =>
      tracefsOption(countOption(command, "frames to write, ten of them recorded (200)", 10_000)),
    async observe({ count = 200, tracefs }) {
      const { observeTap } = await import("../../../observe/receive/tap.js");
      const text = await import("../../../observe/receive/tap-text.js");
      const result = await observeTap({ count, tracefs });
      return {
        asExpected: text.tapAsExpected(result),
        json: text.tapJson(result),
        text: text.tapText(result),
      };
    },
  },
  {
    name: "backlog",
    summary: "that a full backlog drops packets, and the sender never learns of it",
    description:
      "Writes a packet to a TAP that the kernel forwards to the loopback device of a\n" +
      "namespace of its own in more pieces than the backlog of a CPU takes, before any\n" +
      "softirq can run; and counts what was received. No setting of the host is changed.\n" +
      "Needs root.",
    addOptions: (command) => countOption(command, "how often to write (10)", 100),
    async observe({ count = 10 }, signal) {
      const { observeBacklog } = await import("../../../observe/receive/backlog.js");
      const text = await import("../../../observe/receive/backlog-text.js");
      const result = await observeBacklog(count, signal);
      return {
        asExpected: text.backlogAsExpected(result),
        json: text.backlogJson(result),
        text: text.backlogText(result),
      };
    },
  },
  {
    name: "socket",
    summary: "which errno socket(2) answers, row by row, against the rules of its model",
    description:
      "Asks the kernel for sockets of every family, type and protocol that decide something,\n" +
      "in a namespace of its own, under limits, without capabilities, behind a seccomp filter\n" +
      "and in a cgroup that refuses; each answer must be the predicted one. Needs root.",
    addOptions: (command) => command.option("--all", "print every row, not only what differs"),
    async observe({ all = false }, signal) {
      const { observeSocket, socketAsExpected } =
        await import("../../../observe/socket/observe-socket.js");
      const { socketJson, socketText } = await import("../../../observe/socket/text.js");
      const result = await observeSocket(signal);
      return {
        asExpected: socketAsExpected(result),
        json: socketJson(result),
        text: socketText(result, all),
      };
    },
  },
  {
    name: "netns",
    summary: "namespaces that come and go, fail half-way, and are held",
    description:
      "Makes and destroys namespaces on several threads at once, under a limit of its own,\n" +
      "with too little kernel memory and without descriptors; moves a TAP between two, and\n" +
      "looks whose settings a new one begins with. Nothing of the host is changed. Needs\n" +
      "root.",
    addOptions: (command) => countOption(command, "namespaces to make (200)", 100_000),
    async observe({ count = 200 }, signal) {
      const { netnsAsExpected, observeNetns } =
        await import("../../../observe/netns/observe-netns.js");
      const { netnsJson, netnsText } = await import("../../../observe/netns/text.js");
      const result = await observeNetns(count, signal);
      return {
        asExpected: netnsAsExpected(result),
        json: netnsJson(result),
        text: netnsText(result),
      };
    },
  },
];

function countOption(command: Command, what: string, most: number): Command {
  return command.option("--count <number>", what, (text) => {
    const number = Number(text);
    if (/^\d+$/.test(text) && number >= 1 && number <= most) return number;
    throw new InvalidArgumentError(`Expected a whole number from 1 to ${most}.`);
  });
}

function tracefsOption(command: Command): Command {
  return command.option("--tracefs <folder>", "where tracefs is mounted (found by itself)");
}
