// Entry of a queue worker: wires the queue I/O, the kernel's path, the fast path and the slow path
// together and runs the loop until it is told to stop. Worker k is CPU k, in softirq context: it
// never sleeps on a lock.
import { isMainThread, type MessagePort, parentPort, workerData } from "node:worker_threads";
import { Balancer } from "../balancer/balancer.js";
import { Connections } from "../balancer/connections.js";
import { realClock } from "../base/clock.js";
import { Conntrack } from "../datapath/conntrack/conntrack.js";
import { Datapath, DATAPATH_COUNTER } from "../datapath/datapath.js";
import { MeterTable } from "../datapath/meters.js";
import { openQueueIo } from "../host/open.js";
import type { Kernel } from "../path/kernel.js";
import type { LearnSink } from "../pipeline/actions/learn.js";
import { FlowTables } from "../pipeline/flow-tables.js";
import { MacTable } from "../pipeline/mac-table.js";
import { PortTable } from "../pipeline/ports.js";
import { Pipeline } from "../pipeline/translate.js";
import { CounterBlocks } from "../sync/counters.js";
import { bindThread, CPU, CPU_STATE, cpuBlock } from "../sync/index.js";
import { QueueTable } from "../sync/queue-table.js";
import { BalancerPort } from "./balancer/balancer-port.js";
import { BurstClock } from "./balancer/burst-clock.js";
import { Capture } from "./capture.js";
import { DatagramWriter } from "./datagram-writer.js";
import {
  HEADROOM_BYTES,
  runSlotOffset,
  shortSlotOffset,
  slotOffset,
  VNET_BYTES,
} from "./frame-pool.js";
import type { SwitchNews } from "./live/orders.js";
import { Replica } from "./live/replica.js";
import { Loop } from "./loop.js";
import { ServerSide } from "./balancer/server-side.js";
import { openEvents, openKernel, type ThreadData } from "./shared.js";
import { threadId } from "./thread-id.js";
import { PathTransmit } from "./transmit.js";

export interface QueueWorkerData extends ThreadData {
  /** Orders of the main thread come in here; read between bursts. */
  readonly orders: MessagePort;
}

export type WorkerMessage =
  | { readonly type: "ready"; readonly stopHandle?: number; readonly tid: number }
  /** The user's guard threw: what it said. */
  | { readonly type: "guard-failed"; readonly reason: string }
  | { readonly type: "stopped"; readonly stats: Record<string, number> }
  | SwitchNews;

async function main(data: QueueWorkerData): Promise<void> {
  const { parts, index, cpu } = data;
  const k = await openKernel(parts);
  const io = await openQueueIo(parts.backend);
  io.usePool(parts.pool);
  bindThread({ task: index, cpu, maySleep: false, events: openEvents(data.events), deed: null });
  const counters = new CounterBlocks(parts.workers, parts.ports, parts.counters).block(index);
  const transmit = new PathTransmit(k, io, counters, cpu);
  const capture = data.capture === null ? null : new Capture(data.capture, index, parts.pool);
  transmit.capture = capture;
  // A capture shows the frames as they came; the twins in memory have no such offload.
  if (parts.uso && capture === null && parts.backend.kind === "linux") {
    const place = { m: k.m, block: cpuBlock(cpu), pool: parts.pool, slot: runSlotOffset(cpu) };
    transmit.datagrams = new DatagramWriter(io, place, transmit);
  }
  const { datapath, live } = openSwitch(data, transmit);
  const burstClock = new BurstClock(realClock);
  const port = { datapath, counters, clock: burstClock, capture, m: k.m, block: cpuBlock(cpu) };
  transmit.balancer = openBalancer(data, port, live);
  const receivers = parts.switch.balancer?.receivers ?? [];
  if (receivers.length > 0) {
    transmit.servers = new ServerSide(receivers, burstClock, slotOffset(cpu));
  }
  const table = new QueueTable(parts.workers, parts.ports, parts.queueTable);
  const pool = parts.pool;
  const own = { k, cpu, io, table, datapath, transmit, counters, pool, capture, live };
  const loop = new Loop({ ...own, burstClock });
  k.m[cpuBlock(cpu) + CPU.tid] = threadId();
  k.m[cpuBlock(cpu) + CPU.state] = CPU_STATE.forwarding;
  post({ type: "ready", stopHandle: io.stopHandle, tid: threadId() });
  runGuarded(loop, k);
  capture?.close();
  io.close();
  data.orders.close();
  post({ type: "stopped", stats: statsOf(datapath) });
}

// Around the loop and not around the guard: nothing is tried once per frame. The path has no
// exceptions of its own, so what is thrown while a user's guard is in place is the guard's.
function runGuarded(loop: Loop, k: Kernel): void {
  if (k.guard.user === null) return loop.run();
  try {
    loop.run();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    post({ type: "guard-failed", reason });
  }
}

function openSwitch(
  data: QueueWorkerData,
  transmit: PathTransmit,
): { datapath: Datapath; live: Replica } {
  const parts = data.parts.switch;
  const worker = data.index;
  const records = new Float64Array(parts.flowRecords[worker]!);
  const tables = new FlowTables({ clock: realClock, records });
  tables.apply(parts.flows.map((flow) => ({ type: "add", flow })));
  const ports = new PortTable(parts.ports as SharedArrayBuffer);
  const macs = new MacTable(parts.macTable);
  const sink: LearnSink = (changes) => post({ type: "learned", changes });
  const pipeline = new Pipeline({ tables, ports, macs, clock: realClock, sink });
  const datapath = new Datapath({
    transmit,
    miss: (_frame, key) => pipeline.translate(key),
    revisions: pipeline,
    records,
    clock: realClock,
    counters: new Float64Array(parts.datapathCounters[worker]!),
    meters: new MeterTable(parts.meters),
    conntrack: new Conntrack(parts.connections),
  });
  const words = new Int32Array(parts.orderWords);
  const live = new Replica({ worker, orders: data.orders, words, tables, datapath, tell: post });
  return { datapath, live };
}

function openBalancer(
  { parts, index, cpu }: QueueWorkerData,
  port: Omit<ConstructorParameters<typeof BalancerPort>[0], "number" | "balancer" | "own">,
  live: Replica,
): BalancerPort | null {
  const shared = parts.switch.balancer;
  if (shared === null) return null;
  const slot = shortSlotOffset(parts.workers, cpu) + HEADROOM_BYTES;
  const place = { offset: slot + VNET_BYTES, vnetOffset: slot, length: 0 };
  const where = { inPort: shared.port, queueMapping: 0, hash: 0 };
  const own = { bytes: new Uint8Array(parts.pool), ...place, ...where };
  const balancer = new Balancer({
    config: shared.config,
    connections: new Connections(shared.connections),
    turns: new Int32Array(shared.turns),
    counters: new Float64Array(shared.counters[index]!),
    floor: slotOffset(cpu),
    own,
  });
  live.onServices = (services) => balancer.setServices(services);
  return new BalancerPort({ ...port, number: shared.port, balancer, own });
}

function statsOf(datapath: Datapath): Record<string, number> {
  const entries = Object.entries(DATAPATH_COUNTER);
  return Object.fromEntries(entries.map(([name, index]) => [name, datapath.counters[index]!]));
}

function post(message: WorkerMessage): void {
  parentPort!.postMessage(message);
}

if (!isMainThread && parentPort !== null) await main(workerData as QueueWorkerData);
