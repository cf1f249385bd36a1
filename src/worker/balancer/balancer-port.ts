// The port of a load balancer: a device without a far end. What the path lets through to it is
// translated and comes back in, as received on that port, through the same worker's flow table, to
// its end, before `receive` returns. One per queue worker; per frame, no allocation.
//
// The books: the frame leaves through the port (sent), and is received on it (rx), so that both
// ports balance. What the balancer refuses is a drop of the port that the frame came in by.
import { PASSED, type Balancer } from "../../balancer/balancer.js";
import { DROP } from "../../base/drop-reasons.js";
import type { Clock } from "../../base/clock.js";
import type { Datapath, Frame } from "../../datapath/datapath.js";
import { Snapshot } from "../../datapath/snapshot.js";
import { newKey } from "../../flow/key.js";
import { portCounters, PORT_COUNTER } from "../../sync/counters.js";
import { type Addr, CPU, type Mem } from "../../sync/memory.js";
import type { Capture } from "../capture.js";

export interface BalancerPortParts {
  readonly number: number;
  readonly balancer: Balancer;
  /** The frame that the balancer writes what it says itself into. */
  readonly own: Frame;
  readonly datapath: Datapath;
  readonly counters: Float64Array;
  readonly clock: Clock;
  readonly capture: Capture | null;
  /** Where this worker says which frame it has in hand. */
  readonly m: Mem;
  readonly block: Addr;
}

/** The ends that a frame on its way to the balancer can have. */
export interface BalancerEnds {
  drop(frame: Frame, reason: number): void;
  countSent(inPort: number, port: number, frames: number, bytes: number): void;
}

export class BalancerPort {
  readonly number: number;
  private readonly p: BalancerPortParts;
  private readonly snapshot = new Snapshot();
  private readonly key = newKey();
  /** A frame is in the switch for the second time. */
  private inside = false;

  constructor(parts: BalancerPortParts) {
    this.number = parts.number;
    this.p = parts;
  }

  /**
   * Takes a frame; it ends in here.
   * @param last false: its bytes are needed again, as they are.
   */
  receive(frame: Frame, last: boolean, ends: BalancerEnds): void {
    // Twice round would be a loop, and there is only one key, snapshot and segment for it.
    if (this.inside) return ends.drop(frame, DROP["balancer-again"]);
    if (!last) this.snapshot.take(frame, this.key);
    if (this.p.capture !== null) this.p.capture.sent(this.number, frame);
    const bytes = frame.length;
    const reason = this.p.balancer.translate(frame, this.p.clock.nowMs());
    if (reason !== PASSED) ends.drop(frame, reason);
    else {
      ends.countSent(frame.inPort, this.number, 1, bytes);
      // A frame of the balancer's own is received like any other, and in the books like any other.
      if (this.p.balancer.hasOwn) this.comeBack(this.p.own);
      this.comeBack(frame);
    }
    if (!last) this.snapshot.putBack(frame, this.key);
  }

  private comeBack(frame: Frame): void {
    const { counters, capture, datapath, m, block } = this.p;
    const { inPort, queueMapping, hash } = frame;
    const at = portCounters(this.number);
    m[block + CPU.inHandPort] = this.number;
    counters[at + PORT_COUNTER.rx]!++;
    counters[at + PORT_COUNTER.rxBytes]! += frame.length;
    frame.inPort = this.number;
    // What a device without queues receives has no recorded queue.
    frame.queueMapping = 0;
    frame.hash = 0;
    if (capture !== null) capture.received(frame);
    this.inside = true;
    datapath.receive(frame);
    this.inside = false;
    frame.inPort = inPort;
    frame.queueMapping = queueMapping;
    frame.hash = hash;
    m[block + CPU.inHandPort] = inPort;
  }
}
