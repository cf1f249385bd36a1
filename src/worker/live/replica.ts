// A queue worker's part of a switch that is changed while it runs: its replica of the tables and
// its datapath, to which it applies the main thread's orders. Called by the loop between two
// bursts; in the worker's thread.
import { receiveMessageOnPort, type MessagePort } from "node:worker_threads";
import type { VirtualService } from "../../balancer/types.js";
import type { Datapath, Frame } from "../../datapath/datapath.js";
import type { FlowTables } from "../../pipeline/flow-tables.js";
import { NO_PORT, ORDER_WORDS, type SwitchNews, type SwitchOrder } from "./orders.js";

export interface ReplicaParts {
  readonly worker: number;
  readonly orders: MessagePort;
  readonly words: Int32Array;
  readonly tables: FlowTables;
  readonly datapath: Datapath;
  readonly tell: (news: SwitchNews) => void;
}

export class Replica {
  private readonly p: ReplicaParts;
  /** The port whose next frame somebody wants to see; NO_PORT: none. */
  watchedPort = NO_PORT;
  /** Tells the load balancer its services; set once, where there is one. */
  onServices: (services: readonly VirtualService[]) => void = () => undefined;
  private done = 0;

  constructor(parts: ReplicaParts) {
    this.p = parts;
  }

  /** Whether there are orders to carry out; one load per round of the loop. */
  isBehind(): boolean {
    return Atomics.load(this.p.words, ORDER_WORDS.posted) !== this.done;
  }

  /** Carries out what was ordered, and says so. */
  catchUp(): void {
    const { words, worker, orders } = this.p;
    const posted = Atomics.load(words, ORDER_WORDS.posted);
    while (this.done !== posted) {
      // Posted before it was counted, so it is here.
      const received = receiveMessageOnPort(orders);
      if (received === undefined) return;
      this.carryOut(received.message as SwitchOrder);
      this.done++;
    }
    Atomics.store(words, ORDER_WORDS.done + worker, this.done);
  }

  /** A frame of the watched port, before the switch has it. */
  seen({ bytes, offset, length, inPort }: Frame): void {
    this.watchedPort = NO_PORT;
    const copy = bytes.slice(offset, offset + length);
    this.p.tell({ type: "frame", port: inPort, bytes: new Uint8Array(copy) });
  }

  private carryOut(order: SwitchOrder): void {
    const { tables, datapath, tell } = this.p;
    switch (order.type) {
      case "change":
        return tables.apply(order.changes);
      case "flush":
        return datapath.flush();
      case "watch":
        this.watchedPort = order.port;
        return;
      case "services":
        return this.onServices(order.services);
      case "dump":
        tell({ type: "megaflows", id: order.id, flows: datapath.dump() });
    }
  }
}
