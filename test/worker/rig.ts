// A queue worker without threads and devices: a real kernel memory, a real path, datapath and
// loop, over queues that a test fills by hand. One worker, CPU 0, bound to the test's thread.
import { ERRNO } from "../../src/base/errno.js";
import type { Datapath } from "../../src/datapath/datapath.js";
import type { Action, Flow } from "../../src/flow/types.js";
import type { QueueIo } from "../../src/host/types.js";
import { linkwatchEvent } from "../../src/path/core/link-watch.js";
import { KIND, type KindName, registerNetdevice } from "../../src/path/core/netdevice.js";
import { vethPair } from "../../src/path/core/netdevice.js";
import { devOpen } from "../../src/path/core/open-close.js";
import { rtnlLock, rtnlUnlock } from "../../src/path/core/rtnl.js";
import { builtInGuard, type Guard } from "../../src/path/guards.js";
import {
  createKernel,
  type Kernel,
  type KernelConfig,
  kernelBytes,
} from "../../src/path/kernel.js";
import { ovsVportAdd } from "../../src/path/openvswitch/vport.js";
import { findProfile } from "../../src/path/profiles.js";
import { DROP_REASONS } from "../../src/base/drop-reasons.js";
import { type Addr, bindThread, HEADER } from "../../src/sync/index.js";
import { CounterBlocks, PORT_COUNTER } from "../../src/sync/counters.js";
import { QueueTable } from "../../src/sync/queue-table.js";
import { newPool, VNET_BYTES } from "../../src/worker/frame-pool.js";
import { Loop } from "../../src/worker/loop.js";
import { PathTransmit } from "../../src/worker/transmit.js";
import { flow, lab, output } from "../pipeline/fixtures.js";

/** What the next read of a queue answers: a frame (with its vnet header), or a negative errno. */
export type ReadAnswer = Uint8Array | number;

/** Queues whose answers a test has written down; it counts every call, so that none can spin. */
export class ScriptedIo implements QueueIo {
  readonly stopHandle = 0;
  /** Per queue handle: what its reads answer, in order; then `idle`. */
  readonly reads = new Map<number, ReadAnswer[]>();
  /** What a queue answers when its script has ended. */
  idle = -ERRNO.EAGAIN;
  /** What writes answer: bytes written when `null`. One entry is used per write. */
  readonly writes: (number | null)[] = [];
  readonly written: { handle: number; bytes: Uint8Array }[] = [];
  readonly readCalls = new Map<number, number>();
  readonly waits: number[][] = [];
  private polls = 0;
  /** Called in each wait: a test decides there that it has seen enough. */
  onWait: (io: ScriptedIo) => void = () => undefined;
  private pool: Uint8Array = new Uint8Array(0);

  usePool(pool: SharedArrayBuffer): void {
    this.pool = new Uint8Array(pool);
  }

  script(handle: number, ...answers: ReadAnswer[]): void {
    this.reads.set(handle, [...(this.reads.get(handle) ?? []), ...answers]);
  }

  read(queue: number, offset: number, lengthMax: number): number {
    this.readCalls.set(queue, (this.readCalls.get(queue) ?? 0) + 1);
    const answer = this.reads.get(queue)?.shift() ?? this.idle;
    if (typeof answer === "number") return answer;
    const bytes = answer.subarray(0, lengthMax);
    this.pool.set(bytes, offset);
    return bytes.length;
  }

  write(queue: number, offset: number, length: number): number {
    const answer = this.writes.shift() ?? null;
    if (answer !== null) return answer;
    this.written.push({ handle: queue, bytes: this.pool.slice(offset, offset + length) });
    return length;
  }

  /** As poll(2): sleeps, which is what `waits` has, only while no queue has anything to say. */
  wait(queues: readonly number[], ready: Uint8Array): number {
    if (++this.polls > 1_000_000) throw new Error("the loop waits for ever");
    const speaks = (queue: number): boolean =>
      (this.reads.get(queue)?.length ?? 0) > 0 || this.idle !== -ERRNO.EAGAIN;
    for (const [i, queue] of queues.entries()) ready[i] = speaks(queue) ? 1 : 0;
    const count = queues.filter(speaks).length;
    if (count > 0) return count;
    if (this.waits.length > 10_000) throw new Error("the loop waits for ever");
    this.waits.push([...queues]);
    this.onWait(this);
    return 0;
  }

  close(): void {}
}

export interface RigPort {
  readonly number: number;
  readonly ovsDev: Addr;
  readonly wireDev: Addr;
  readonly handles: readonly number[];
}

export interface RigOptions {
  readonly guard?: Guard;
  readonly actions?: readonly Action[];
  /** All flows; default: one that executes `actions`. */
  readonly flows?: readonly Flow[];
  readonly profile?: string;
  readonly queues?: number;
  readonly workers?: number;
  /** Which of the workers this is. */
  readonly cpu?: number;
}

const PORTS = 8;

/** A switch of one worker; ports are added by `plug`. */
export class Rig {
  readonly k: Kernel;
  readonly io = new ScriptedIo();
  readonly table: QueueTable;
  readonly blocks: CounterBlocks;
  readonly transmit: PathTransmit;
  readonly datapath: Datapath;
  /** This worker's block. */
  readonly counters: Float64Array;
  readonly pool: SharedArrayBuffer;
  loop: Loop;
  private readonly queues: number;
  private readonly newLoop: () => Loop;

  constructor(options: RigOptions = {}) {
    const workers = options.workers ?? 1;
    this.queues = options.queues ?? 2;
    const config: KernelConfig = {
      cpus: workers + 3,
      devices: 16,
      queues: this.queues,
      ports: PORTS,
      socks: 0,
      seed: 1,
    };
    const profile = findProfile(options.profile ?? "6.1")!;
    const guard = options.guard ?? builtInGuard("none");
    this.k = createKernel(
      new Int32Array(new SharedArrayBuffer(kernelBytes(config))),
      config,
      profile,
      guard,
    );
    const cpu = options.cpu ?? 0;
    bindThread({ task: cpu, cpu, maySleep: false, events: null, deed: null });
    const pool = newPool(workers);
    this.pool = pool;
    this.io.usePool(pool);
    this.table = new QueueTable(workers, PORTS);
    this.blocks = new CounterBlocks(workers, PORTS);
    const counters = this.blocks.block(cpu);
    this.transmit = new PathTransmit(this.k, this.io, counters, cpu);
    const { datapath } = lab(
      options.flows ?? [flow({}, options.actions ?? [output(2)])],
      [1, 2, 3, 4],
      this.transmit,
    );
    this.datapath = datapath;
    this.counters = counters;
    const { k, io, table, transmit } = this;
    const parts = { k, cpu, io, table, datapath, transmit, counters, pool, capture: null };
    this.newLoop = () => new Loop(parts);
    this.loop = this.newLoop();
  }

  /** Lets the loop run again after it was told to stop. */
  restart(): void {
    new Int32Array(this.table.shared)[1] = 0;
    this.loop = this.newLoop();
  }

  /**
   * Makes a port's devices, opens them and publishes the port.
   * @param handles of its queues; default number * 100 + queue. Empty: no real device.
   */
  plug(number: number, kind: KindName = "veth", given?: readonly number[]): RigPort {
    const { k } = this;
    const options = { kind, numTxQueues: this.queues };
    rtnlLock(k);
    const ovsDev = registerNetdevice(k, options);
    let wireDev = ovsDev;
    if (kind === "veth") {
      wireDev = registerNetdevice(k, { ...options, netns: number });
      vethPair(k, ovsDev, wireDev);
    }
    devOpen(k, ovsDev);
    if (wireDev !== ovsDev) devOpen(k, wireDev);
    rtnlUnlock(k);
    linkwatchEvent(k);
    const numbered = Array.from({ length: this.queues }, (_, q) => number * 100 + q);
    const handles = given ?? numbered;
    const vnetHeaderBytes = handles.length === 0 ? 0 : VNET_BYTES;
    this.table.publish({ number, kind: KIND[kind], ovsDev, wireDev, vnetHeaderBytes, handles });
    if (!ovsVportAdd(k, number, ovsDev)) throw new Error(`port ${number} is taken`);
    return { number, ovsDev, wireDev, handles };
  }

  /** Lets the transmit side know the ports, as the loop does when the table changes. */
  takePorts(): void {
    this.transmit.usePorts(this.table.read());
  }

  /** Runs the loop until it has waited so many times. */
  runUntilWaits(count: number): void {
    const first = this.io.waits.length;
    this.io.onWait = (io) => {
      if (io.waits.length - first >= count) this.table.requestStop();
    };
    this.loop.run();
  }

  counter(port: number, index: number): number {
    return this.blocks.sum(port, index);
  }

  /** Drops of frames that came in by `port`, by name. */
  drops(port: number): Record<string, number> {
    const drops: Record<string, number> = {};
    for (const [i, [name]] of DROP_REASONS.entries()) {
      const count = this.blocks.sum(port, PORT_COUNTER.drops + i);
      if (count > 0) drops[name] = count;
    }
    return drops;
  }

  /** in = out + drops: the frames of `port` that have no fate, or two. */
  unaccounted(port: number): number {
    const dropped = Object.values(this.drops(port)).reduce((sum, count) => sum + count, 0);
    const into = this.counter(port, PORT_COUNTER.rx) + this.counter(port, PORT_COUNTER.cloned);
    return into - this.counter(port, PORT_COUNTER.sent) - dropped;
  }

  /** Lets every blocking primitive end. */
  abort(): void {
    Atomics.store(this.k.m, HEADER.abort, 1);
  }
}

/** A frame as a TAP with IFF_VNET_HDR gives it: an empty vnet header, then the bytes. */
export function withVnet(
  frame: Uint8Array,
  vnet: Partial<Record<number, number>> = {},
): Uint8Array {
  const bytes = new Uint8Array(VNET_BYTES + frame.length);
  for (const [at, value] of Object.entries(vnet)) bytes[Number(at)] = value!;
  bytes.set(frame, VNET_BYTES);
  return bytes;
}
