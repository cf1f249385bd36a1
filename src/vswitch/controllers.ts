// Who listens to a bridge: connections of `ovs-ofctl monitor`, which stand for the controllers of
// OpenFlow (ofproto/connmgr.c of Open vSwitch 3.1). One per bridge; it hands on what happens, and
// each connection decides what of it is told. Main thread.
import type { PacketInReason } from "../flow/odp.js";
import type { Action, Flow } from "../flow/types.js";
import { formatActions } from "../ofctl/print/format-actions.js";
import type { FlowEntry, FlowStats, FlowWatcher, RemovalReason } from "../pipeline/flow-tables.js";
import type { PortView } from "./control.js";

/** A packet that an action, or a table without a flow for it, hands to controllers. */
export interface PacketIn {
  /** Its own copy. */
  readonly packet: Uint8Array;
  /** Key words of in_port, registers, metadata and connection as they were then. */
  readonly metadata: Uint32Array;
  readonly reason: PacketInReason;
  readonly controllerId: number;
  readonly table: number;
  /** null: no flow's action. */
  readonly cookie: bigint | null;
  readonly userdata: Uint8Array | null;
  /** Lets the packet go on, once it is out of the datapath's hands; null: it has not paused. */
  readonly resume: (() => void) | null;
}

/** What happened to a flow. */
export interface FlowEvent {
  readonly event: "ADDED" | "MODIFIED" | "DELETED";
  readonly flow: Flow;
  /** The actions that it had before, if they were others. */
  readonly oldActions: readonly Action[] | null;
  /** Why it went; null: it did not. */
  readonly reason: RemovalReason | null;
}

/** A flow that is no more, and what it did. */
export interface RemovedFlow {
  readonly flow: Flow;
  readonly reason: RemovalReason;
  readonly durationSeconds: number;
  readonly stats: FlowStats;
}

export interface Controller {
  /** Is told of packets that meet no flow, where nothing else is set for them. */
  readonly wantsMisses: boolean;
  onPacketIn(packet: PacketIn): void;
  onFlow(event: FlowEvent): void;
  onRemoved(flow: RemovedFlow): void;
  /** What was told by `onFlow` since the last time belongs together. */
  onFlowsChanged(): void;
  onPort(what: "ADD" | "DEL" | "MOD", port: PortView): void;
  /** The bridge is no more. */
  onClosed(): void;
}

/** What is asked of the bridge. */
interface Parts {
  readonly statsOf: (entry: FlowEntry) => FlowStats;
  readonly nowMs: () => number;
  /** Told whether anybody wants packets that meet no flow. */
  readonly onWantsMisses: (wanted: boolean) => void;
}

export class Controllers implements FlowWatcher {
  private readonly all = new Set<Controller>();
  private readonly parts: Parts;

  constructor(parts: Parts) {
    this.parts = parts;
  }

  connect(controller: Controller): void {
    this.all.add(controller);
    this.countWishes();
  }

  disconnect(controller: Controller): void {
    this.all.delete(controller);
    this.countWishes();
  }

  /** Ends all connections. */
  close(): void {
    for (const controller of [...this.all]) {
      this.disconnect(controller);
      controller.onClosed();
    }
  }

  get isEmpty(): boolean {
    return this.all.size === 0;
  }

  packetIn(packet: PacketIn): void {
    for (const controller of this.all) controller.onPacketIn(packet);
  }

  port(what: "ADD" | "DEL" | "MOD", port: PortView): void {
    for (const controller of this.all) controller.onPort(what, port);
  }

  added({ flow }: FlowEntry, old: FlowEntry | null): void {
    const oldActions = old === null ? null : old.flow.actions;
    this.tell({ event: "ADDED", flow, oldActions, reason: null });
  }

  /** What stays as it was is not told. */
  modified({ flow }: FlowEntry, { flow: old }: FlowEntry): void {
    if (this.isEmpty) return;
    const textOf = (one: Flow): string => formatActions(one.actions, { version: 15 }, one.match);
    if (flow.cookie === old.cookie && textOf(flow) === textOf(old)) return;
    this.tell({ event: "MODIFIED", flow, oldActions: old.actions, reason: null });
  }

  removed(entry: FlowEntry, reason: RemovalReason): void {
    const { flow, addedMs } = entry;
    this.tell({ event: "DELETED", flow, oldActions: null, reason });
    if (this.isEmpty || !flow.flags.includes("send_flow_rem")) return;
    const durationSeconds = (this.parts.nowMs() - addedMs) / 1000;
    const removed = { flow, reason, durationSeconds, stats: this.parts.statsOf(entry) };
    for (const controller of this.all) controller.onRemoved(removed);
  }

  changed(): void {
    for (const controller of this.all) controller.onFlowsChanged();
  }

  private tell(event: FlowEvent): void {
    for (const controller of this.all) controller.onFlow(event);
  }

  private countWishes(): void {
    this.parts.onWantsMisses([...this.all].some(({ wantsMisses }) => wantsMisses));
  }
}
