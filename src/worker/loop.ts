// The loop of one queue worker. Worker k is CPU k in softirq context and serves queue k, k + W,
// k + 2W ... of every port. One round: look at the flags once, then one burst per queue that has
// frames, each in one RCU read section, each frame run to completion; then `wait` says which queues
// have frames now, and sleeps until one has or somebody kicks.
//
// Stop is bounded under flood because the flag is looked at once per round, and a round is at most
// queues x BURST_MAX frames. A device that dies costs one look per queue: EFAULT or EBADFD marks
// the queue dead until the port table says otherwise, so that a dead fd is neither polled (it would
// be "ready" for ever) nor read nor logged again.
import { DROP } from "../base/drop-reasons.js";
import { ERRNO } from "../base/errno.js";
import type { Datapath, Frame } from "../datapath/datapath.js";
import type { QueueIo } from "../host/types.js";
import { DEV, KIND } from "../path/core/netdevice.js";
import { tunIngressMapping, vethIngressMapping } from "../path/core/skb.js";
import type { Kernel } from "../path/kernel.js";
import { portCounters, PORT_COUNTER } from "../sync/counters.js";
import { type Addr, CPU, CPU_STATE, cpuBlock, ld, rcuReadLock } from "../sync/index.js";
import { rcuReadUnlock } from "../sync/index.js";
import type { QueueTable } from "../sync/queue-table.js";
import { checkVnetHeader } from "../wire/vnet-header.js";
import type { BurstClock } from "./balancer/burst-clock.js";
import type { Capture } from "./capture.js";
import { FRAME_BYTES_MAX, HEADROOM_BYTES, slotOffset, VNET_BYTES } from "./frame-pool.js";
import type { Replica } from "./live/replica.js";
import type { PathTransmit } from "./transmit.js";

/** Frames of one queue before the others get their turn; also the length of a read section. */
const BURST_MAX = 32;
/**
 * Bursts of one frame before a queue is read until it is empty. Finding it empty costs a read that
 * brings nothing, as much as the `wait` that asks about all queues at once: a stream of
 * super-frames, each with an acknowledgment, made five such reads per super-frame.
 */
const SINGLES_MAX = 4;
/**
 * Frames up to this length are mostly acknowledgments, and are carried first: the sender goes on
 * while the super-frame of the other direction is copied. One TCP stream gets a twentieth more.
 */
const LIGHT_BYTES = 128;
/** Sleep without traffic; a kick ends it at once, so it only bounds the damage of a lost one. */
const IDLE_WAIT_MS = 100;
/** Reads in a row that fail in a way nobody expects before the queue counts as dead. */
const FAILURES_MAX = 10;
const ETH_HLEN = 14;

interface RxQueue {
  readonly port: number;
  readonly handle: number;
  readonly ovsDev: Addr;
  /** The device's rx handler decides whether frames are the switch's (not for internal ports). */
  readonly handled: boolean;
  readonly vnetBytes: number;
  /** queue_mapping that frames of this queue arrive with. */
  readonly queueMapping: number;
  failures: number;
  dead: boolean;
  /** Bursts of one frame in a row, up to SINGLES_MAX. */
  singles: number;
  /** Whether its last frame had at most LIGHT_BYTES. */
  isLight: boolean;
}

export interface LoopParts {
  readonly k: Kernel;
  readonly cpu: number;
  readonly io: QueueIo;
  readonly table: QueueTable;
  readonly datapath: Datapath;
  readonly transmit: PathTransmit;
  readonly counters: Float64Array;
  readonly pool: SharedArrayBuffer;
  readonly capture: Capture | null;
  /** Reads the time anew for each burst; absent: nobody asks. */
  readonly burstClock?: BurstClock;
  /** Orders of the main thread; absent: the switch stays as it is. */
  readonly live?: Replica;
}

export class Loop {
  private readonly p: LoopParts;
  private readonly frame: Frame;
  private readonly slot: number;
  private readonly block: Addr;
  private generation = -1;
  private queues: RxQueue[] = [];
  /** The queues that are not dead, their handles, and whether they have frames, by one index. */
  private alive: RxQueue[] = [];
  private handles: number[] = [];
  private ready = new Uint8Array(0);

  constructor(parts: LoopParts) {
    this.p = parts;
    this.slot = slotOffset(parts.cpu) + HEADROOM_BYTES;
    this.block = cpuBlock(parts.cpu);
    this.frame = {
      bytes: new Uint8Array(parts.pool),
      offset: 0,
      length: 0,
      vnetOffset: -1,
      inPort: 0,
      queueMapping: 0,
      hash: 0,
    };
  }

  /** Runs until the port table says stop. */
  run(): void {
    const { k, table, cpu } = this.p;
    const m = k.m;
    while (!table.isStopping()) {
      m[this.block + CPU.heartbeat]!++;
      if (table.generation() !== this.generation) this.takePorts();
      const stall = table.takeStall(cpu);
      if (stall !== 0) this.standStill(stall);
      const { live } = this.p;
      if (live?.isBehind() === true) live.catchUp();
      this.round();
      this.rest();
    }
    m[this.block + CPU.state] = CPU_STATE.stopped;
  }

  private takePorts(): void {
    const { table, cpu, transmit, k } = this.p;
    const generation = table.generation();
    const ports = table.read();
    const queues: RxQueue[] = [];
    for (const port of ports) {
      for (let q = cpu; q < port.handles.length; q += table.workers) {
        queues.push({
          port: port.number,
          handle: port.handles[q]!,
          ovsDev: port.ovsDev,
          handled: port.kind !== KIND.internal,
          vnetBytes: port.vnetHeaderBytes,
          queueMapping: ingressMapping(k, port.kind, q),
          failures: 0,
          dead: false,
          singles: 0,
          isLight: true,
        });
      }
    }
    transmit.usePorts(ports);
    this.queues = queues;
    this.collectHandles();
    this.generation = generation;
    table.acknowledge(cpu, generation);
  }

  /** Nobody has asked yet which of them have frames, so all are looked at. */
  private collectHandles(): void {
    this.alive = this.queues.filter((queue) => !queue.dead);
    this.handles = this.alive.map((queue) => queue.handle);
    this.ready = new Uint8Array(this.handles.length).fill(1);
  }

  /** One burst of every queue that has frames, the light ones first. */
  private round(): void {
    // A queue that dies in here replaces these arrays; this round goes on with the old ones.
    const { alive, ready } = this;
    let heavy = 0;
    for (let i = 0; i < alive.length; i++) {
      if (ready[i] === 0) continue;
      if (!alive[i]!.isLight) heavy++;
      else {
        this.serve(alive[i]!);
        ready[i] = 0;
      }
    }
    for (let i = 0; heavy > 0; i++) {
      if (ready[i] === 0) continue;
      this.serve(alive[i]!);
      heavy--;
    }
  }

  /** One burst, in a read section of its own. */
  private serve(queue: RxQueue): void {
    const m = this.p.k.m;
    rcuReadLock(m);
    this.p.datapath.beginBurst();
    this.burst(queue);
    this.p.transmit.endBurst();
    this.p.burstClock?.endBurst();
    rcuReadUnlock(m);
  }

  private burst(queue: RxQueue): void {
    const frame = this.frame;
    const io = this.p.io;
    const lengthMax = VNET_BYTES + FRAME_BYTES_MAX;
    const most = queue.singles < SINGLES_MAX ? 1 : BURST_MAX;
    for (let n = 0; n < most; n++) {
      const read = io.read(queue.handle, this.slot, lengthMax);
      if (read <= 0) {
        if (n < 2) queue.singles = 0;
        return this.readFailed(queue, -read);
      }
      queue.failures = 0;
      frame.vnetOffset = queue.vnetBytes === 0 ? -1 : this.slot;
      frame.offset = this.slot + queue.vnetBytes;
      frame.length = Math.max(0, read - queue.vnetBytes);
      frame.inPort = queue.port;
      frame.queueMapping = queue.queueMapping;
      frame.hash = 0;
      queue.isLight = frame.length <= LIGHT_BYTES;
      this.receive(queue, read === lengthMax);
    }
    if (most === 1) queue.singles++;
  }

  private receive(queue: RxQueue, truncated: boolean): void {
    const { k, counters, datapath, transmit, capture, live } = this.p;
    const frame = this.frame;
    const m = k.m;
    const at = portCounters(queue.port);
    counters[at + PORT_COUNTER.rx]!++;
    counters[at + PORT_COUNTER.rxBytes] =
      (counters[at + PORT_COUNTER.rxBytes] as number) + frame.length;
    m[this.block + CPU.inHandPort] = queue.port;
    m[this.block + CPU.inHand] = 1;
    if (capture !== null) capture.received(frame);
    if (live?.watchedPort === queue.port) live.seen(frame);
    if (transmit.servers !== null) transmit.servers.received(frame);
    if (frame.length < ETH_HLEN) transmit.drop(frame, DROP.runt);
    else if (truncated) transmit.drop(frame, DROP.giant);
    else if (hasBadVnetHeader(frame)) transmit.drop(frame, DROP["bad-vnet-header"]);
    else if (queue.handled && ld(m, queue.ovsDev + DEV.rxHandler) === 0) {
      // netdev_frame_hook is gone: the switch no longer gets what this device receives.
      transmit.drop(frame, DROP["rx-unpublished"]);
    } else datapath.receive(frame);
    m[this.block + CPU.inHand] = 0;
  }

  private readFailed(queue: RxQueue, errno: number): void {
    if (errno === ERRNO.EAGAIN || errno === ERRNO.EINTR) return;
    const gone = errno === ERRNO.EBADFD || errno === ERRNO.EFAULT || errno === ERRNO.EBADF;
    if (!gone && ++queue.failures < FAILURES_MAX) return;
    queue.dead = true;
    this.collectHandles();
  }

  /** Until a queue has frames. */
  private rest(): void {
    const m = this.p.k.m;
    m[this.block + CPU.state] = CPU_STATE.idle;
    if (this.p.capture !== null) this.p.capture.flush();
    const count = this.p.io.wait(this.handles, this.ready, IDLE_WAIT_MS);
    m[this.block + CPU.state] = CPU_STATE.forwarding;
    // Without frames, too, the datapath forgets what has had its time.
    if (count === 0) this.p.datapath.beginBurst();
  }

  // A fault: the worker stands still, outside of any read section, as a CPU that is stolen would.
  private standStill(ms: number): void {
    const m = this.p.k.m;
    m[this.block + CPU.state] = CPU_STATE.stalled;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
    m[this.block + CPU.state] = CPU_STATE.forwarding;
  }
}

// The sender's word about checksum and segments is checked before anybody works by it: whoever has
// the other end of a TAP (a guest) may write what it likes.
function hasBadVnetHeader(frame: Frame): boolean {
  const { bytes, vnetOffset, offset, length } = frame;
  return vnetOffset >= 0 && checkVnetHeader(bytes, vnetOffset, offset, length) !== 0;
}

// What the kernel's rule makes of the queue that the far end transmitted on.
function ingressMapping(k: Kernel, kind: number, queueIndex: number): number {
  if (kind === KIND.tun) return tunIngressMapping(queueIndex);
  return kind === KIND.veth ? vethIngressMapping(k.profile, queueIndex, false) : 0;
}
