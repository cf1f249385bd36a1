// `observe loopback`: pings over the loopback device of a namespace of our own, recorded by the
// kernel's own trace events: on which CPU, in whose context, and when they are received; then with
// receive packet steering, which moves the receive. Needs root. Main thread; while pings are sent,
// it is bound to one CPU and does nothing else.
import { release } from "node:os";
import { PacketpathError } from "../../base/errors.js";
import { errnoName } from "../../base/errno.js";
import { openBackend } from "../../host/open.js";
import { allowedCpus, onCpu, onlineCpus } from "../../host/stimulus/pinned.js";
import {
  type LoopbackPing,
  openLoopbackPing,
  PING_BYTES,
} from "../../host/stimulus/loopback-ping.js";
import { steerTo } from "../../host/stimulus/rps.js";
import { readReceiveCounters, type ReceiveCounters } from "../../host/tracing/counters.js";
import { openTracing, type Tracing } from "../../host/tracing/tracing.js";
import type { HostBackend, NamespaceRef } from "../../host/types.js";
import { type Claim, claimOf, type Skipped } from "./claims.js";
import { pingClaims, steeredClaims } from "./judge.js";
import { type KernelVersion, kernelVersion, receiveRules } from "./kernel-rules.js";
import { pingStories } from "./trace/stories.js";
import { parseTrace, type TraceEvent } from "./trace/trace-text.js";

export interface LoopbackOptions {
  /** Pings in each part, 1 to 100. */
  readonly count: number;
  /** Where tracefs is mounted; found, or mounted, if left out. */
  readonly tracefs?: string | undefined;
  /** The CPUs that receives may be steered to; those that are online, if left out. */
  readonly cpus?: readonly number[];
}

/** What one part saw: sent as it is, or with the receive steered to another CPU. */
export interface LoopbackPart {
  /** Where the sender ran, and where receives were steered to, if they were. */
  readonly cpu: number;
  readonly steeredTo: number | null;
  readonly claims: readonly Claim[];
  /** Of the CPU that receives, around all pings. */
  readonly counters: { readonly before: ReceiveCounters; readonly after: ReceiveCounters };
  /** Of the ping with the fewest events: the others were disturbed more. */
  readonly events: readonly TraceEvent[];
  /** How the kernel came to the receive, the innermost function first. */
  readonly stack: readonly string[];
}

export interface LoopbackResult {
  readonly kernel: KernelVersion;
  /** Where tracefs is, and what it cannot record here. */
  readonly tracing: { readonly place: string; readonly absent: readonly string[] };
  readonly pid: number;
  readonly parts: readonly LoopbackPart[];
  readonly skipped: readonly Skipped[];
}

const CALLS = [{ name: "syscalls/sys_enter_sendto" }, { name: "syscalls/sys_exit_sendto" }];
const DEVICE = ["net_dev_queue", "net_dev_xmit", "netif_rx", "netif_receive_skb"];
const SOFTIRQ = ["softirq_raise", "softirq_entry", "softirq_exit"];

/** `name` is the device's; 3 is NET_RX (include/linux/interrupt.h). */
const EVENTS = [
  ...CALLS,
  ...DEVICE.map((name) => ({ name: `net/${name}`, filter: 'name == "lo"' })),
  ...SOFTIRQ.map((name) => ({ name: `irq/${name}`, filter: "vec == 3" })),
  { name: "napi/napi_poll", optional: true },
];

/** How long to wait for a reply that comes on another CPU. */
const REPLY_MS = 20_000;

/**
 * @throws PacketpathError ENVIRONMENT naming what the machine lacks. Nothing is left in any case.
 */
export async function observeLoopback(
  { count, tracefs, cpus = onlineCpus() }: LoopbackOptions,
  signal: AbortSignal,
): Promise<LoopbackResult> {
  const kernel = kernelVersion(release());
  const pid = process.pid;
  // First of all: what it says is missing, is what the user must know.
  const tracing = openTracing({ events: EVENTS, thread: pid, folder: tracefs });
  const { place, absent } = tracing;
  const parts: LoopbackPart[] = [];
  const skipped: Skipped[] = [];
  let backend: HostBackend | undefined;
  try {
    backend = await openBackend("linux");
    const namespace = backend.addNamespace("loopback", { named: false });
    const cpu = allowedCpus().at(-1)!;
    const pings = { namespace, cpu, count, kernel };
    parts.push(observePart({ ...pings, steeredTo: null }, tracing));
    const target = cpus.find((one) => one !== cpu) ?? null;
    const why = target === null ? "there is only one CPU" : steerTo(namespace, "lo", target);
    if (why !== null) skipped.push({ what: "receive packet steering", why });
    else if (!signal.aborted) parts.push(observeSteered({ ...pings, steeredTo: target }, tracefs));
  } finally {
    backend?.close();
    tracing.close();
  }
  return { kernel, tracing: { place, absent }, pid, parts, skipped };
}

/** The receive is in nobody's context that is known before, so all of them are recorded. */
function observeSteered(pings: Pings, folder: string | undefined): LoopbackPart {
  const tracing = openTracing({ events: EVENTS, thread: null, folder });
  try {
    return observePart(pings, tracing);
  } finally {
    tracing.close();
  }
}

interface Pings {
  readonly namespace: NamespaceRef;
  readonly cpu: number;
  readonly steeredTo: number | null;
  readonly count: number;
  readonly kernel: KernelVersion;
}

function observePart(pings: Pings, tracing: Tracing): LoopbackPart {
  const { cpu, steeredTo, count } = pings;
  const receiver = steeredTo ?? cpu;
  const ping = openLoopbackPing(pings.namespace);
  const before = readReceiveCounters(receiver);
  let atOnce: boolean[];
  try {
    atOnce = onCpu(cpu, () => sendPings(ping, count, tracing));
  } finally {
    ping.close();
  }
  const after = readReceiveCounters(receiver);
  const { events, lost } = parseTrace(tracing.read());
  if (lost > 0) throw new PacketpathError("SYSTEM_CALL", `${lost} trace events were overwritten`);
  const stories = pingStories(events, process.pid, PING_BYTES);
  const shown = stories.toSorted((a, b) => a.events.length - b.events.length)[0];
  const claims =
    steeredTo === null
      ? pingClaims(stories, receiveRules(pings.kernel))
      : steeredClaims(stories, steeredTo);
  if (steeredTo === null) {
    const said = "the reply could be read when sendto() returned";
    claims.push(claimOf(said, atOnce, (one) => one, receiveRules(pings.kernel).alwaysInline));
  }
  const stack = shown?.received?.stack ?? [];
  return {
    cpu,
    steeredTo,
    claims,
    counters: { before, after },
    events: shown?.events ?? [],
    stack,
  };
}

/** @returns for each ping whether its reply was there when the call returned. */
function sendPings(ping: LoopbackPing, count: number, tracing: Tracing): boolean[] {
  const exchange = (sequence: number): boolean => {
    const sent = ping.send(sequence);
    if (sent < 0) throw new PacketpathError("SYSTEM_CALL", `sendto: ${errnoName(sent)}`);
    const isAtOnce = ping.hasReply(sequence, 0);
    if (!isAtOnce && !ping.hasReply(sequence, REPLY_MS)) {
      throw new PacketpathError("DEADLINE", `no reply to a ping to 127.0.0.1 in ${REPLY_MS} ms`);
    }
    return isAtOnce;
  };
  // The first one finds its route, and is not recorded.
  exchange(0);
  tracing.start();
  try {
    return Array.from({ length: count }, (_, i) => exchange(i + 1));
  } finally {
    tracing.stop();
  }
}
