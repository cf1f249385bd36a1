// The bridge of a running lab as the tools of Open vSwitch see and change it. Changes are tried on
// the main thread's replica of the tables first, so that what is refused has changed nothing, and
// then ordered from the queue workers. Main thread only.
import { PacketpathError } from "../../base/errors.js";
import { realClock } from "../../base/clock.js";
import { ConnectionTable } from "../../datapath/conntrack/table.js";
import { DATAPATH_COUNTER } from "../../datapath/datapath.js";
import { MeterTable } from "../../datapath/meters.js";
import type { Megaflow } from "../../flow/odp.js";
import {
  type FlowChange,
  type FlowEntry,
  type FlowStats,
  FlowTables,
  sumFlowStats,
} from "../../pipeline/flow-tables.js";
import type { MacTable } from "../../pipeline/mac-table.js";
import { PORT_FLAG, PortTable } from "../../pipeline/ports.js";
import { type Misses, sumOwnRecord } from "../../pipeline/tables/own-records.js";
import { type GroupEntry, sumRecord } from "../../pipeline/tables/group-table.js";
import { Pipeline } from "../../pipeline/translate.js";
import type { BalancerView } from "../../vswitch/balancer.js";
import { PORT_COUNTER } from "../../sync/counters.js";
import {
  type BridgeControl,
  type GroupCounters,
  PORT_CONFIG,
  type PortStats,
  type PortView,
} from "../../vswitch/control.js";
import { Controllers } from "../../vswitch/controllers.js";
import { withRoom } from "../../vswitch/make-room.js";
import { Meters } from "../../vswitch/meters.js";
import { TableLimits } from "../../vswitch/table-limits.js";
import { balancerView } from "../balancer/view.js";
import type { Lab } from "../lab.js";

/** PORT_CONFIG bits and the flag of the slow path that each stands for. */
const FLAGS: readonly (readonly [number, number])[] = [
  [PORT_CONFIG.noFlood, PORT_FLAG.noFlood],
  [PORT_CONFIG.noForward, PORT_FLAG.noForward],
  [PORT_CONFIG.noReceive, PORT_FLAG.noReceive],
  [PORT_CONFIG.down, PORT_FLAG.down],
  [PORT_CONFIG.noPacketIn, PORT_FLAG.noPacketIn],
];

const NO_MAC = "00:00:00:00:00:00";

export class LabBridge implements BridgeControl {
  readonly name: string;
  readonly datapathId: string;
  readonly tables: FlowTables;
  readonly limits = new TableLimits();
  /** Packet-ins are counted where they are made, on the workers, and come no further. */
  readonly deliversPackets = false;
  readonly controllers = new Controllers({
    statsOf: (entry) => this.flowStats(entry),
    nowMs: () => realClock.nowMs(),
    onWantsMisses: () => undefined,
  });
  readonly macs: MacTable;
  readonly meters: Meters;
  readonly connections: ConnectionTable;
  readonly pipeline: Pipeline;
  readonly portTable: PortTable;
  readonly balancer: BalancerView | null;
  private readonly lab: Lab;
  private readonly records: readonly Float64Array[];
  private readonly counters: readonly Float64Array[];
  private readonly configs = new Map<number, number>();
  /** Changes are ordered one after the other: every replica sees them in the same order. */
  private last: Promise<void> = Promise.resolve();

  constructor(lab: Lab) {
    const parts = lab.parts.switch;
    this.lab = lab;
    this.name = lab.scenario.bridge.name;
    // A datapath id is 16 digits; a bridge without an address of its own has none but this.
    this.datapathId = "0000000000000001";
    this.tables = new FlowTables({ clock: realClock });
    this.tables.apply(parts.flows.map((flow) => ({ type: "add", flow })));
    this.tables.watcher = this.controllers;
    this.macs = lab.macs;
    this.meters = new Meters(new MeterTable(parts.meters));
    this.connections = new ConnectionTable(parts.connections);
    this.portTable = new PortTable(parts.ports);
    this.balancer = this.openBalancer();
    const { tables, portTable: ports, macs } = this;
    this.pipeline = new Pipeline({ tables, ports, macs, clock: realClock });
    this.records = parts.flowRecords.map((shared) => new Float64Array(shared));
    this.counters = parts.datapathCounters.map((shared) => new Float64Array(shared));
    lab.supervisor.changer.onLearned = (changes) => void this.learned(changes);
  }

  private openBalancer(): BalancerView | null {
    const { parts, scenario, supervisor } = this.lab;
    if (parts.switch.balancer === null || scenario.balancer === null) return null;
    return balancerView(parts.switch.balancer, {
      balancer: scenario.balancer,
      ports: scenario.ports,
      macOf: (port) => supervisor.devices.find(({ number }) => number === port)?.ref?.mac ?? null,
      order: (services) => supervisor.changer.setServices(services),
    });
  }

  /** Ports that are plugged in and published; number and datapath number are the same. */
  ports(): readonly PortView[] {
    const published = new Set(this.portTable.list());
    const devices = this.lab.supervisor.devices.filter(({ number }) => published.has(number));
    const kinds = new Map(this.lab.scenario.ports.map((port) => [port.name, port.kind]));
    return devices
      .map(({ name, number, ref }) => ({
        name,
        number,
        datapathNumber: number,
        type: kinds.get(name) ?? "",
        mac: number === this.balancer?.port ? this.balancer.mac : (ref?.mac ?? NO_MAC),
        config: this.configs.get(number) ?? 0,
        linkUp: ((this.configs.get(number) ?? 0) & PORT_CONFIG.down) === 0,
      }))
      .sort((a, b) => a.number - b.number);
  }

  portStats(port: number): PortStats {
    const sum = (counter: number): number => this.lab.counters.sum(port, counter);
    return {
      rxPackets: sum(PORT_COUNTER.rx),
      rxBytes: sum(PORT_COUNTER.rxBytes),
      txPackets: sum(PORT_COUNTER.tx),
      txBytes: sum(PORT_COUNTER.txBytes),
    };
  }

  apply(changes: readonly FlowChange[]): Promise<void> {
    const applied = this.last.then(async () => {
      const roomy = withRoom(this, changes, realClock.nowMs());
      this.tables.apply(roomy);
      await this.lab.supervisor.changer.change(roomy);
    });
    this.last = applied.catch(() => undefined);
    return applied;
  }

  /** What packets have changed; a flow that no longer fits is not learned, as in Open vSwitch. */
  private async learned(changes: readonly FlowChange[]): Promise<void> {
    await this.apply(changes).catch(() => undefined);
  }

  flowStats(entry: FlowEntry): FlowStats {
    return sumFlowStats(entry, this.records);
  }

  groupStats(entry: GroupEntry): GroupCounters {
    const sum = (record: number, id: number) => sumRecord(record, id, this.records);
    const buckets = entry.bucketRecords.map((record, i) => sum(record, entry.bucketIds[i]!));
    return { ...sum(entry.record, entry.id), buckets };
  }

  misses(record: number): Misses {
    return sumOwnRecord(record, this.records);
  }

  packetOut(): never {
    throw new PacketpathError("USAGE", "frames come from the ports of this switch, which are real");
  }

  async setPortConfig(port: number, bits: number, mask: number): Promise<void> {
    const config = ((this.configs.get(port) ?? 0) & ~mask) | (bits & mask);
    this.configs.set(port, config);
    if ((mask & PORT_CONFIG.down) !== 0) {
      const { name } = this.ports().find((one) => one.number === port)!;
      const up = (bits & PORT_CONFIG.down) === 0;
      await this.lab.supervisor.perform({ op: "set-link", port: name, up });
    }
    let [set, clear] = [0, 0];
    for (const [bit, flag] of FLAGS) {
      if ((config & bit) !== 0) set |= flag;
      else clear |= flag;
    }
    this.portTable.setFlags(port, set, clear);
  }

  lookups(): { readonly hit: number; readonly missed: number } {
    const sum = (index: number): number =>
      this.counters.reduce((total, counters) => total + counters[index]!, 0);
    const hit = sum(DATAPATH_COUNTER.exactMatchHits) + sum(DATAPATH_COUNTER.megaflowHits);
    return { hit, missed: sum(DATAPATH_COUNTER.misses) };
  }

  megaflows(): Promise<readonly Megaflow[]> {
    return this.lab.supervisor.changer.dump();
  }

  flushMegaflows(): Promise<void> {
    return this.lab.supervisor.changer.flush();
  }
}
