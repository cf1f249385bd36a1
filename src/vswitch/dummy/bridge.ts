// One bridge of the dummy switch: the tables, the slow path and the fast path of `packetpath up`,
// with ports that lie in memory. What a port sends is counted and kept nowhere, or handed to
// whoever watches the port. One thread; nothing here waits.
import { DROP_REASONS } from "../../base/drop-reasons.js";
import type { Conntrack } from "../../datapath/conntrack/conntrack.js";
import type { ConnectionTable } from "../../datapath/conntrack/table.js";
import { Datapath, DATAPATH_COUNTER, type Frame, type Transmit } from "../../datapath/datapath.js";
import type { PacketOut } from "../../ofctl/packet-out.js";
import { WORD } from "../../flow/key.js";
import type { Megaflow } from "../../flow/odp.js";
import {
  type FlowChange,
  type FlowEntry,
  type FlowStats,
  FlowTables,
  sumFlowStats,
} from "../../pipeline/flow-tables.js";
import { MacTable } from "../../pipeline/mac-table.js";
import { PORT_FLAG, PortTable } from "../../pipeline/ports.js";
import { type Misses, sumOwnRecord } from "../../pipeline/tables/own-records.js";
import { type GroupEntry, sumRecord } from "../../pipeline/tables/group-table.js";
import type { RecordPlace, RecordPool } from "../../pipeline/tables/records.js";
import type { Wiring } from "../../pipeline/walk/patch.js";
import { Pipeline } from "../../pipeline/translate.js";
import type { SwitchClock } from "../clock.js";
import { Controllers } from "../controllers.js";
import { makeRoom, withRoom } from "../make-room.js";
import { Meters } from "../meters.js";
import { TableLimits } from "../table-limits.js";
import {
  type BridgeControl,
  type GroupCounters,
  PORT_CONFIG,
  type PortStats,
  type PortView,
} from "../control.js";
import { PortCaptures } from "./capture.js";
import { packetInOf } from "./packet-in.js";

/** Room in front of a frame for tags (see `Frame.offset`). */
const HEADROOM_BYTES = 64;
const FRAME_BYTES_MAX = 70_000;
/** The most MAC addresses that `mac-table-size` may ask for. */
const MAC_ROOM = 65_536;

/** What a dummy port is made from. */
export interface DummyPortSpec {
  readonly name: string;
  readonly number: number;
  readonly datapathNumber: number;
  readonly type: string;
  readonly mac: string;
  /** Of a patch port: the name of the port at the other end. */
  readonly peer?: string;
  readonly addedMs: number;
}

/** Flags that the configuration of a port decides. */
const CONFIGURED_FLAGS =
  PORT_FLAG.noFlood |
  PORT_FLAG.noForward |
  PORT_FLAG.noReceive |
  PORT_FLAG.down |
  PORT_FLAG.noPacketIn;

/** Datapath number of a port that the datapath does not have. */
export const NO_DATAPATH_PORT = -1;

export class DummyPort implements PortView {
  readonly name: string;
  readonly number: number;
  readonly datapathNumber: number;
  readonly type: string;
  readonly mac: string;
  readonly peer: string;
  readonly addedMs: number;
  config = 0;
  linkUp = true;
  readonly stats = { rxPackets: 0, rxBytes: 0, txPackets: 0, txBytes: 0 };
  readonly captures = new PortCaptures();

  constructor(spec: DummyPortSpec) {
    this.name = spec.name;
    this.number = spec.number;
    this.datapathNumber = spec.datapathNumber;
    this.type = spec.type;
    this.mac = spec.mac;
    this.peer = spec.peer ?? "";
    this.addedMs = spec.addedMs;
  }
}

/** Records of what a patch port sent and received. */
interface Cable {
  readonly sent: RecordPlace;
  readonly received: RecordPlace;
}

/** Is told of each frame that leaves through a port; the bytes are its own copy. */
export type FrameWatcher = (port: PortView, frame: Uint8Array) => void;

export class DummyBridge implements BridgeControl {
  readonly name: string;
  datapathId: string;
  /** Fail mode "secure": no flow of its own. null: not decided yet. */
  secure: boolean | null = null;
  readonly tables: FlowTables;
  readonly macs: MacTable = MacTable.create(MAC_ROOM);
  readonly meters = new Meters();
  readonly limits = new TableLimits();
  readonly controllers: Controllers;
  readonly deliversPackets = true;
  readonly connections: ConnectionTable;
  readonly pipeline: Pipeline;
  /** Frames that ended without leaving, by reason. */
  readonly drops = new Map<string, number>();
  onTransmit: FrameWatcher | null = null;
  /** The ports of all bridges, by datapath number. */
  private readonly portAt: (datapathNumber: number) => DummyPort | null;
  private readonly controllersOf: (pipeline: Pipeline) => Controllers | null;
  readonly portTable = PortTable.create(1024);
  /** Of patch ports. */
  private readonly cables = new Map<number, Cable>();
  private readonly clock: SwitchClock;
  private readonly pool: RecordPool;
  private readonly portsByNumber = new Map<number, DummyPort>();
  private readonly datapath: Datapath;
  private readonly frame: Frame = {
    bytes: new Uint8Array(FRAME_BYTES_MAX),
    offset: 0,
    length: 0,
    vnetOffset: -1,
    inPort: 0,
    queueMapping: 0,
    hash: 0,
  };

  constructor(options: {
    name: string;
    datapathId: string;
    clock: SwitchClock;
    conntrack: Conntrack;
    pool: RecordPool;
    wiring: Wiring;
    portAt: (datapathNumber: number) => DummyPort | null;
    controllersOf: (pipeline: Pipeline) => Controllers | null;
    installed: (megaflow: Megaflow) => void;
  }) {
    const { name, datapathId, clock, conntrack, pool, wiring } = options;
    this.connections = conntrack.table;
    this.clock = clock;
    this.name = name;
    this.datapathId = datapathId;
    this.tables = new FlowTables({ clock, pool });
    this.pool = pool;
    const { tables, portTable: ports, macs } = this;
    const sink = (all: readonly FlowChange[]): void => {
      tables.apply(makeRoom(this, all, clock.nowMs()).changes);
    };
    this.pipeline = new Pipeline({ tables, ports, macs, clock, sink, wiring });
    this.portAt = options.portAt;
    this.controllersOf = options.controllersOf;
    this.controllers = this.newControllers();
    tables.watcher = this.controllers;
    this.datapath = new Datapath({
      transmit: this.transmit(),
      miss: (_frame, key) => this.pipeline.translate(key),
      revisions: this.pipeline,
      records: tables.records,
      clock,
      meters: this.meters.table,
      conntrack,
      installed: options.installed,
      packetIn: (frame, key, operand) => {
        const { recirculations } = this.pipeline;
        const sent = { frame, key, operand };
        const packetIn = packetInOf(recirculations, sent, (...paused) => this.goOn(...paused));
        if (packetIn !== null) this.controllersOf(packetIn.pipeline)?.packetIn(packetIn);
      },
    });
  }

  private newControllers(): Controllers {
    const { clock, pipeline, tables } = this;
    return new Controllers({
      statsOf: (entry) => this.flowStats(entry),
      nowMs: () => clock.nowMs(),
      onWantsMisses: (wanted) => {
        if (pipeline.wantsMisses !== wanted) tables.generation++;
        pipeline.wantsMisses = wanted;
      },
    });
  }

  ports(): readonly DummyPort[] {
    return [...this.portsByNumber.values()].sort((a, b) => a.number - b.number);
  }

  port(number: number): DummyPort | null {
    return this.portsByNumber.get(number) ?? null;
  }

  portStats(number: number): PortStats {
    const cable = this.cables.get(number);
    if (cable === undefined) return this.portsByNumber.get(number)!.stats;
    const [rx, tx] = [cable.received, cable.sent].map(({ record }) =>
      sumOwnRecord(record, [this.tables.records]),
    );
    return {
      ...{ rxPackets: rx!.packets, rxBytes: rx!.bytes },
      ...{ txPackets: tx!.packets, txBytes: tx!.bytes },
    };
  }

  addPort(spec: DummyPortSpec): void {
    this.portsByNumber.set(spec.number, new DummyPort(spec));
    if (spec.peer !== undefined) {
      this.cables.set(spec.number, { sent: this.pool.take(), received: this.pool.take() });
    }
    this.portTable.add(spec.number);
    this.controllers.port("ADD", this.port(spec.number)!);
  }

  removePort(number: number): void {
    const port = this.portsByNumber.get(number)!;
    port.captures.close();
    this.portsByNumber.delete(number);
    this.controllers.port("DEL", port);
    const cable = this.cables.get(number);
    if (cable !== undefined) {
      for (const { record } of [cable.sent, cable.received]) this.pool.release(record);
    }
    this.cables.delete(number);
    this.portTable.remove(number);
  }

  /** Where what goes through a patch port is counted. */
  cableRecord(number: number, direction: keyof Cable): number {
    return this.cables.get(number)![direction].record;
  }

  /** Gives back what the bridge shares with others. */
  close(): void {
    this.controllers.close();
    for (const { number } of this.ports()) this.removePort(number);
    this.tables.close();
  }

  apply(changes: readonly FlowChange[]): Promise<void> {
    try {
      this.tables.apply(withRoom(this, changes, this.clock.nowMs()));
      return Promise.resolve();
    } catch (error) {
      return Promise.reject(error as Error);
    }
  }

  flowStats(entry: FlowEntry): FlowStats {
    return sumFlowStats(entry, [this.tables.records]);
  }

  groupStats(entry: GroupEntry): GroupCounters {
    const sum = (record: number, id: number) => sumRecord(record, id, [this.tables.records]);
    const buckets = entry.bucketRecords.map((record, i) => sum(record, entry.bucketIds[i]!));
    return { ...sum(entry.record, entry.id), buckets };
  }

  misses(record: number): Misses {
    return sumOwnRecord(record, [this.tables.records]);
  }

  setPortConfig(number: number, bits: number, mask: number): Promise<void> {
    const port = this.portsByNumber.get(number)!;
    const old = port.config;
    port.config = (port.config & ~mask) | (bits & mask);
    port.linkUp = (port.config & PORT_CONFIG.down) === 0;
    let flags = 0;
    if ((port.config & PORT_CONFIG.noFlood) !== 0) flags |= PORT_FLAG.noFlood;
    if ((port.config & PORT_CONFIG.noForward) !== 0) flags |= PORT_FLAG.noForward;
    if ((port.config & PORT_CONFIG.noReceive) !== 0) flags |= PORT_FLAG.noReceive;
    if ((port.config & PORT_CONFIG.down) !== 0) flags |= PORT_FLAG.down;
    if ((port.config & PORT_CONFIG.noPacketIn) !== 0) flags |= PORT_FLAG.noPacketIn;
    this.portTable.setFlags(number, flags, CONFIGURED_FLAGS);
    if (port.config !== old) this.controllers.port("MOD", port);
    return Promise.resolve();
  }

  lookups(): { readonly hit: number; readonly missed: number } {
    const { counters } = this.datapath;
    const hit =
      counters[DATAPATH_COUNTER.exactMatchHits]! + counters[DATAPATH_COUNTER.megaflowHits]!;
    return { hit, missed: counters[DATAPATH_COUNTER.misses]! };
  }

  megaflows(): Promise<readonly Megaflow[]> {
    return Promise.resolve(this.datapath.dump());
  }

  flushMegaflows(): Promise<void> {
    this.datapath.flush();
    return Promise.resolve();
  }

  /** A frame arrives at a port; it is forwarded when this returns. */
  receive(number: number, bytes: Uint8Array): void {
    const port = this.portsByNumber.get(number)!;
    port.stats.rxPackets++;
    port.stats.rxBytes += bytes.length;
    port.captures.onReceived(bytes);
    if ((port.config & PORT_CONFIG.down) !== 0) return;
    this.datapath.beginBurst();
    this.datapath.receive(this.load(number, bytes));
  }

  /** A packet that paused goes on, as `key` says. */
  private goOn(packet: Uint8Array, key: Uint32Array): void {
    this.datapath.beginBurst();
    const frame = this.load(key[WORD.inPort]!, packet);
    this.datapath.inject(frame, key, (again) => this.pipeline.translate(again));
  }

  packetOut({ packet, metadata, actions }: PacketOut): void {
    this.datapath.beginBurst();
    const frame = this.load(metadata[WORD.inPort]!, packet);
    this.datapath.inject(frame, metadata, (key) => this.pipeline.translate(key, { actions }));
  }

  /** The frame in hand, with these bytes. */
  private load(port: number, bytes: Uint8Array): Frame {
    const { frame } = this;
    frame.bytes.set(bytes, HEADROOM_BYTES);
    frame.offset = HEADROOM_BYTES;
    frame.length = bytes.length;
    frame.vnetOffset = -1;
    frame.inPort = port;
    frame.queueMapping = 0;
    return frame;
  }

  private transmit(): Transmit {
    return {
      output: (frame, number) => {
        const port = this.portAt(number);
        if (port === null) return this.count("no-vport");
        port.stats.txPackets++;
        port.stats.txBytes += frame.length;
        port.captures.onSent(frame.bytes.subarray(frame.offset, frame.offset + frame.length));
        this.onTransmit?.(port, frame.bytes.slice(frame.offset, frame.offset + frame.length));
      },
      drop: (_frame, reason) => this.count(DROP_REASONS[reason]![0]),
      cloned: () => undefined,
    };
  }

  private count(reason: string): void {
    this.drops.set(reason, (this.drops.get(reason) ?? 0) + 1);
  }
}
