// The ports of real servers: what a kernel module (toa.ko, uoa.ko) would do in each of them, done
// where their frames pass. One per queue worker; the memories are shared.
import { type ReceiverMemory, ToaReceiver } from "../../balancer/receiver/toa-receiver.js";
import type { Clock } from "../../base/clock.js";
import type { Frame } from "../../datapath/datapath.js";
import { Snapshot } from "../../datapath/snapshot.js";
import { newKey } from "../../flow/key.js";

/** Ports whose servers read one dialect. */
export interface ReceiverPorts {
  readonly ports: readonly number[];
  readonly memory: ReceiverMemory;
}

export class ServerSide {
  private readonly receivers = new Map<number, ToaReceiver>();
  private readonly clock: Clock;
  /** Lowest index of the pool that this worker may write. */
  private readonly floor: number;
  private readonly snapshot = new Snapshot();
  private readonly key = newKey();

  constructor(all: readonly ReceiverPorts[], clock: Clock, floor: number) {
    this.clock = clock;
    this.floor = floor;
    for (const { ports, memory } of all) {
      const receiver = new ToaReceiver(memory);
      for (const port of ports) this.receivers.set(port, receiver);
    }
  }

  /** Looks at a frame that a server has sent. */
  received(frame: Frame): void {
    this.receivers.get(frame.inPort)?.fromServer(frame, this.clock.nowMs());
  }

  /**
   * Looks at a frame that a server is about to get; it may become shorter.
   * @param last false: it is needed again; `done` then makes it what it was.
   */
  sending(frame: Frame, port: number, last: boolean): void {
    const receiver = this.receivers.get(port);
    if (receiver === undefined) return;
    if (!last) this.snapshot.take(frame, this.key);
    receiver.toServer(frame, this.floor, this.clock.nowMs());
  }

  done(frame: Frame, port: number, last: boolean): void {
    if (!last && this.receivers.has(port)) this.snapshot.putBack(frame, this.key);
  }
}
