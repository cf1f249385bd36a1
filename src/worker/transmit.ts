// The last stretch of a frame inside the switch: output to a port through the kernel's path, then
// the write to the real queue that the path chose. Owned by one queue worker; no allocation per
// frame. Each call ends the frame (or this copy of it) in exactly one counter.
import { ERRNO } from "../base/errno.js";
import { DROP } from "../base/drop-reasons.js";
import type { Frame, Transmit } from "../datapath/datapath.js";
import type { QueueIo } from "../host/types.js";
import { processBacklog, takeFlushed } from "../path/core/backlog.js";
import { newSkb, type Skb } from "../path/core/skb.js";
import { DeviceView } from "../path/device-view.js";
import { deviceIndex, type Kernel } from "../path/kernel.js";
import { doOutput } from "../path/openvswitch/actions.js";
import { XMIT, XMIT_NAMES } from "../path/verdict.js";
import { portCounters, PORT_COUNTER } from "../sync/counters.js";
import { type Addr, CPU, cpuBlock, type Mem, NULL } from "../sync/memory.js";
import type { PortEntry } from "../sync/queue-table.js";
import type { BalancerEnds, BalancerPort } from "./balancer/balancer-port.js";
import type { Capture } from "./capture.js";
import { type DatagramWriter, type HeldFrames, writeFrame } from "./datagram-writer.js";
import type { ServerSide } from "./balancer/server-side.js";
import { gsoSizeOf } from "./vnet.js";

/** Drop reason (index) of each verdict of the path. */
const DROP_OF_XMIT: readonly number[] = XMIT_NAMES.map((name) => (name === "ok" ? -1 : DROP[name]));

/** Where the frames of an emulated device end: the handles of its port's real queues. */
interface Wire {
  readonly port: number;
  readonly handles: readonly number[];
  /** dummy and ifb: the frame is counted as sent and goes nowhere. */
  readonly sink: boolean;
}

export class PathTransmit implements Transmit, HeldFrames, BalancerEnds {
  private readonly k: Kernel;
  private readonly m: Mem;
  private readonly io: QueueIo;
  private readonly counters: Float64Array;
  private readonly block: Addr;
  private readonly skb: Skb = newSkb();
  private wires: (Wire | null)[] = [];

  /** Set once, before the first frame; null: nothing is captured. */
  capture: Capture | null = null;
  /** Set once, before the first frame; null: each frame is written by itself, at once. */
  datagrams: DatagramWriter | null = null;
  /** Set once, before the first frame; null: no port is a balancer. */
  balancer: BalancerPort | null = null;
  /** Set once, before the first frame; null: no port is that of a balancer's server. */
  servers: ServerSide | null = null;

  constructor(k: Kernel, io: QueueIo, counters: Float64Array, cpu: number) {
    this.k = k;
    this.m = k.m;
    this.io = io;
    this.counters = counters;
    this.block = cpuBlock(cpu);
    this.skb.guardView = new DeviceView(k);
  }

  /** Takes over the ports that are present now. Between bursts only. */
  usePorts(ports: readonly PortEntry[]): void {
    this.wires = new Array<Wire | null>(this.k.config.devices).fill(null);
    for (const port of ports) {
      this.wires[deviceIndex(this.k, port.wireDev)] = {
        port: port.number,
        handles: port.handles,
        sink: port.handles.length === 0,
      };
    }
  }

  /** One frame (or one copy) to one port. The bytes may be used again when it returns. */
  output(frame: Frame, port: number, last: boolean): void {
    const skb = this.skb;
    skb.queueMapping = frame.queueMapping;
    skb.hash = frame.hash;
    skb.len = frame.length;
    skb.gsoSize = gsoSizeOf(frame);
    skb.senderCpu = 0;
    skb.onBacklog = false;
    skb.picks = 0;
    skb.hinted = 0;
    skb.capped = 0;
    skb.picksAtZero = 0;
    const verdict = doOutput(this.k, skb, port);
    this.countSelection(skb);
    if (verdict === XMIT.ok) this.deliver(frame, skb, last);
    else this.drop(frame, DROP_OF_XMIT[verdict] as number);
  }

  private deliver(frame: Frame, skb: Skb, last: boolean): void {
    // The softirq's half: what was put on this CPU's backlog is taken off it at once, unless
    // flush_all_backlogs was quicker.
    if (skb.onBacklog && processBacklog(this.k) === NULL) {
      takeFlushed(this.k);
      return this.drop(frame, DROP["backlog-flushed"]);
    }
    const wire = this.wires[deviceIndex(this.k, skb.wireDev)];
    if (wire === null || wire === undefined) return this.drop(frame, DROP["tx-gone"]);
    if (wire.port === this.balancer?.number) return this.balancer.receive(frame, last, this);
    if (wire.sink) return this.sent(frame, wire);
    if (this.servers === null) return this.write(frame, skb, wire);
    this.servers.sending(frame, wire.port, last);
    this.write(frame, skb, wire);
    this.servers.done(frame, wire.port, last);
  }

  private write(frame: Frame, skb: Skb, wire: Wire): void {
    const handle = wire.handles[skb.wireQueue % wire.handles.length] as number;
    if (this.datagrams !== null) {
      if (this.datagrams.take(frame, handle, wire.port)) return;
      // Nobody overtakes what is held.
      this.datagrams.flush();
    }
    const start = frame.vnetOffset >= 0 ? frame.vnetOffset : frame.offset;
    const length = frame.offset + frame.length - start;
    const written = writeFrame(this.io, handle, start, length);
    if (written >= 0) this.sent(frame, wire);
    else this.drop(frame, dropOfErrno(-written));
  }

  private sent(frame: Frame, wire: Wire): void {
    this.countSent(frame.inPort, wire.port, 1, frame.length);
    if (this.capture !== null) this.capture.sent(wire.port, frame);
  }

  /** Ends frames (or copies) of `inPort` that have left through `port`. */
  countSent(inPort: number, port: number, frames: number, bytes: number): void {
    const counters = this.counters;
    counters[portCounters(inPort) + PORT_COUNTER.sent]! += frames;
    const tx = portCounters(port) + PORT_COUNTER.tx;
    counters[tx]! += frames;
    counters[tx + 1] = (counters[tx + 1] as number) + bytes;
  }

  /** Ends frames that were held; the datagram writer calls it. */
  written(inPort: number, port: number, frames: number, bytes: number, errno: number): void {
    if (errno === 0) return this.countSent(inPort, port, frames, bytes);
    this.counters[portCounters(inPort) + PORT_COUNTER.drops + dropOfErrno(errno)]! += frames;
  }

  /** Ends what is held. At the end of every burst, inside its read section. */
  endBurst(): void {
    if (this.datagrams !== null) this.datagrams.flush();
  }

  /** Counts the end of a frame (or copy) that did not leave. */
  drop(frame: Frame, reason: number): void {
    this.counters[portCounters(frame.inPort) + PORT_COUNTER.drops + reason]!++;
  }

  /** Counts a further copy of a frame, before it is output. */
  cloned(frame: Frame): void {
    this.counters[portCounters(frame.inPort) + PORT_COUNTER.cloned]!++;
  }

  private countSelection(skb: Skb): void {
    if (skb.picks === 0) return;
    const m = this.m;
    const block = this.block;
    m[block + CPU.picks]! += skb.picks;
    m[block + CPU.hinted]! += skb.hinted;
    m[block + CPU.outOfRange]! += skb.capped;
    m[block + CPU.picksAtZero]! += skb.picksAtZero;
  }
}

function dropOfErrno(errno: number): number {
  if (errno === ERRNO.EIO || errno === ERRNO.ENETDOWN) return DROP["tx-down"];
  if (errno === ERRNO.EBADFD || errno === ERRNO.EBADF) return DROP["tx-gone"];
  if (errno === ERRNO.EAGAIN || errno === ERRNO.ENOBUFS) return DROP["tx-full"];
  return DROP["tx-refused"];
}
