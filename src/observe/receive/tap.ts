// `observe tap`: frames written to a TAP device of a namespace of our own, recorded by the kernel's
// own trace events: that the receive and the answer run inside of write(2), in the writer's
// context, with softirqs off. Needs root. Main thread; while frames are written, it is bound to
// one CPU and does nothing else.
import { release } from "node:os";
import { errnoName } from "../../base/errno.js";
import { PacketpathError } from "../../base/errors.js";
import { openBackend, openQueueIo } from "../../host/open.js";
import { allowedCpus, onCpu } from "../../host/stimulus/pinned.js";
import { openTracing, type Tracing } from "../../host/tracing/tracing.js";
import type { DeviceSpec, HostBackend, QueueIo } from "../../host/types.js";
import { type Claim, claimOf } from "./claims.js";
import { writeClaims } from "./judge.js";
import { type KernelVersion, kernelVersion, receiveRules } from "./kernel-rules.js";
import { writeStories, type WriteStory } from "./trace/stories.js";
import { arpRequest, isArpReply, KERNEL, question } from "./tap-frames.js";
import { parseTrace, type TraceEvent } from "./trace/trace-text.js";

export interface TapOptions {
  /** Frames to write, 1 to 10000. The first ten are recorded. */
  readonly count: number;
  /** Where tracefs is mounted; found, or mounted, if left out. */
  readonly tracefs?: string | undefined;
}

/** One frame's way. */
export interface TapTimeline {
  readonly what: "echo" | "syn";
  readonly events: readonly TraceEvent[];
  /** How the kernel came to the answer's transmit, the innermost function first. */
  readonly stack: readonly string[];
}

export interface TapResult {
  readonly kernel: KernelVersion;
  readonly tracing: { readonly place: string; readonly absent: readonly string[] };
  readonly pid: number;
  readonly cpu: number;
  readonly claims: readonly Claim[];
  /** The echo and the SYN with the fewest events. */
  readonly timelines: readonly TapTimeline[];
}

const DEVICE = "tap0";
const RECORDED_MAX = 10;

const CALLS = [{ name: "syscalls/sys_enter_write" }, { name: "syscalls/sys_exit_write" }];
const NET = ["netif_receive_skb", "netif_rx", "net_dev_queue", "net_dev_xmit"];
const SOFTIRQ = ["softirq_raise", "softirq_entry", "softirq_exit"];
const EVENTS = [
  ...CALLS,
  ...NET.map((name) => ({ name: `net/${name}`, filter: `name == "${DEVICE}"` })),
  ...SOFTIRQ.map((name) => ({ name: `irq/${name}` })),
];

/** One slot to write from, one to read into. */
const SLOT_BYTES = 2048;
/** Frames that may lie in the queue beside the answer. */
const READS_MAX = 8;

/**
 * @throws PacketpathError ENVIRONMENT naming what the machine lacks. Nothing is left in any case.
 */
export async function observeTap({ count, tracefs }: TapOptions): Promise<TapResult> {
  const kernel = kernelVersion(release());
  const pid = process.pid;
  // First of all: what it says is missing, is what the user must know.
  const tracing = openTracing({ events: EVENTS, thread: pid, folder: tracefs });
  let backend: HostBackend | undefined;
  let io: QueueIo | undefined;
  try {
    backend = await openBackend("linux");
    const namespace = backend.addNamespace("tap", { named: false });
    const device = backend.addDevice({ ...DEVICE_SPEC, namespace });
    io = await openQueueIo(backend.descriptor());
    const cpu = allowedCpus().at(-1)!;
    const queue = queueOf(io, device.queues[0]!);
    const atOnce = onCpu(cpu, () => writeFrames(queue, count, tracing));
    const { events, lost } = parseTrace(tracing.read());
    if (lost > 0) throw new PacketpathError("SYSTEM_CALL", `${lost} trace events were overwritten`);
    const stories = writeStories(events, pid, DEVICE);
    const recorded = Math.min(count, RECORDED_MAX);
    const claims = [
      ...writeClaims(stories, recorded, receiveRules(kernel)),
      claimOf("the answer could be read right after write()", atOnce, (one) => one),
    ];
    const { place, absent } = tracing;
    const timelines = timelinesOf(stories);
    return { kernel, tracing: { place, absent }, pid, cpu, claims, timelines };
  } finally {
    io?.close();
    backend?.close();
    tracing.close();
  }
}

const DEVICE_SPEC: Omit<DeviceSpec, "namespace"> = {
  name: DEVICE,
  mode: "tap",
  queues: 1,
  vnetHeader: false,
  offloads: false,
  mtu: 1500,
  txQueueLen: 1000,
  mac: KERNEL.mac,
  addresses: [`${KERNEL.ip}/24`],
  gateways: [],
  up: true,
};

interface Queue {
  write(frame: Uint8Array): void;
  /** Whether the answer is there, without waiting; takes what lies before it. */
  has(isAnswer: (frame: Uint8Array) => boolean): boolean;
}

function queueOf(io: QueueIo, handle: number): Queue {
  const pool = new SharedArrayBuffer(2 * SLOT_BYTES);
  const bytes = new Uint8Array(pool);
  io.usePool(pool);
  return {
    write(frame) {
      bytes.set(frame, 0);
      const n = io.write(handle, 0, frame.length);
      if (n < 0) throw new PacketpathError("SYSTEM_CALL", `write to ${DEVICE}: ${errnoName(n)}`);
    },
    has(isAnswer) {
      for (let i = 0; i < READS_MAX; i++) {
        const n = io.read(handle, SLOT_BYTES, SLOT_BYTES);
        if (n < 0) return false;
        if (isAnswer(bytes.slice(SLOT_BYTES, SLOT_BYTES + n))) return true;
      }
      return false;
    },
  };
}

/** @returns for each frame whether its answer was there when write(2) returned. */
function writeFrames(queue: Queue, count: number, tracing: Tracing): boolean[] {
  queue.write(arpRequest());
  if (!queue.has(isArpReply)) {
    throw new PacketpathError("SYSTEM_CALL", `${DEVICE} answers no ARP request`);
  }
  tracing.start();
  try {
    return Array.from({ length: count }, (_, index) => {
      if (index === RECORDED_MAX) tracing.stop();
      const { frame, isAnswer } = question(index);
      queue.write(frame);
      return queue.has(isAnswer);
    });
  } finally {
    tracing.stop();
  }
}

function timelinesOf(stories: readonly WriteStory[]): TapTimeline[] {
  return (["echo", "syn"] as const).flatMap((what, turn) => {
    const own = stories.filter((_, index) => index % 2 === turn);
    const shown = own.toSorted((a, b) => a.events.length - b.events.length)[0];
    if (shown === undefined) return [];
    return [{ what, events: shown.events, stack: shown.replied?.stack ?? [] }];
  });
}
