// What the verbs of ovs-ofctl, ovs-appctl, ovs-vsctl and ovs-dpctl may ask of a switch. Two stand
// behind it: the dummy switch (dummy/switch.ts), whole in one thread and without devices, and a
// running lab, whose queue workers hold replicas. Main thread only.
import type { MacTable } from "../pipeline/mac-table.js";
import type { Pipeline } from "../pipeline/translate.js";
import type { FlowChange, FlowEntry, FlowStats, FlowTables } from "../pipeline/flow-tables.js";
import type { ConnectionTable } from "../datapath/conntrack/table.js";
import type { GroupEntry } from "../pipeline/tables/group-table.js";
import type { PacketOut } from "../ofctl/packet-out.js";
import type { Megaflow } from "../flow/odp.js";
import type { Misses } from "../pipeline/tables/own-records.js";
import type { BalancerView } from "./balancer.js";
import type { SwitchClock } from "./clock.js";
import type { Controllers } from "./controllers.js";
import type { SwitchLog } from "./log/log.js";
import type { Meters } from "./meters.js";
import type { TableLimits } from "./table-limits.js";

/** Bits of a port's configuration (OFPUTIL_PC_* of Open vSwitch's ofp-port.h). */
export const PORT_CONFIG = {
  down: 1 << 0,
  noStp: 1 << 1,
  noReceive: 1 << 2,
  noReceiveStp: 1 << 3,
  noFlood: 1 << 4,
  noForward: 1 << 5,
  noPacketIn: 1 << 6,
} as const;

/** A port as `ovs-ofctl show` and `dpif/show` describe it. */
export interface PortView {
  readonly name: string;
  /** OpenFlow port number. */
  readonly number: number;
  /** Port number of the datapath: what datapath flows are written with; -1: it has no such port. */
  readonly datapathNumber: number;
  /** Type of the interface: "dummy", "internal", "veth" ... */
  readonly type: string;
  /** Of a patch port: the name of the port at the other end. */
  readonly peer?: string;
  /** `aa:55:aa:55:00:01` */
  readonly mac: string;
  /** When it was added; absent: nobody noted it. */
  readonly addedMs?: number;
  /** Bits of PORT_CONFIG. */
  readonly config: number;
  readonly linkUp: boolean;
}

/** Frames of a port as the switch counts them: rx is what came in. */
export interface PortStats {
  readonly rxPackets: number;
  readonly rxBytes: number;
  readonly txPackets: number;
  readonly txBytes: number;
}

/** What went through a group, and through each of its buckets. */
export interface GroupCounters {
  readonly packets: number;
  readonly bytes: number;
  readonly buckets: readonly { readonly packets: number; readonly bytes: number }[];
}

export interface BridgeControl {
  readonly name: string;
  /** Datapath id, 16 hexadecimal digits. */
  readonly datapathId: string;
  /** The tables as the changes so far have made them; changed through `apply` only. */
  readonly tables: FlowTables;
  /** Names and limits of its tables; `apply` keeps to them. */
  readonly limits: TableLimits;
  readonly macs: MacTable;
  readonly meters: Meters;
  /** Connections; of all bridges of the same datapath. */
  readonly connections: ConnectionTable;
  /** For traces: translates without side effects. */
  readonly pipeline: Pipeline;
  /** Who is told of what happens. */
  readonly controllers: Controllers;
  /** Whether packet-ins are handed to them; else they are only counted. */
  readonly deliversPackets: boolean;
  /** The load balancer behind one of its ports; null or absent: none is. */
  readonly balancer?: BalancerView | null;
  /** In the order of their numbers, LOCAL last. */
  ports(): readonly PortView[];
  portStats(port: number): PortStats;
  /**
   * Applies changes as one: no packet sees a part of them, and none that is received after this
   * resolves sees the switch as it was before.
   * @throws PacketpathError FLOW_INVALID when they do not fit, or a group is missing; nothing has
   *   changed then.
   */
  apply(changes: readonly FlowChange[]): Promise<void>;
  /** Counters of a flow, of all workers. */
  flowStats(entry: FlowEntry): FlowStats;
  /** Counters of a group and its buckets, of all workers. */
  groupStats(entry: GroupEntry): GroupCounters;
  /** Packets that met no flow, of all workers. @param record as of `FlowTables.own`. */
  misses(record: number): Misses;
  /**
   * Does with a packet what a controller says, now.
   * @throws PacketpathError USAGE when the ports are real.
   */
  packetOut(packet: PacketOut): void;
  /** Sets and clears bits of PORT_CONFIG. */
  setPortConfig(port: number, bits: number, mask: number): Promise<void>;
  /** Frames that met a flow of the datapath, and frames that went through the slow path. */
  lookups(): { readonly hit: number; readonly missed: number };
  /** The flows of the datapath, those of each worker after those of the one before. */
  megaflows(): Promise<readonly Megaflow[]>;
  /** Forgets all of them. */
  flushMegaflows(): Promise<void>;
}

export interface SwitchControl {
  /** "dummy": everything is in memory, and time may be stopped. "lab": real devices, real time. */
  readonly kind: "dummy" | "lab";
  readonly clock: SwitchClock;
  readonly log: SwitchLog;
  bridges(): readonly BridgeControl[];
  /** Puts a frame in at a port, as if it had arrived there; dummy only. */
  receive(bridge: BridgeControl, port: number, frame: Uint8Array): void;
  /** Does what time has made due: flows and addresses that have timed out. */
  run(): Promise<void>;
  /** Ends the process that runs the switch. */
  exit(): void;
}
