// What the bridges of the dummy switch share: the datapath, whose numbers actions use, and patch
// cables between bridges (Open vSwitch: xlate_cfg, ofport_update_peer of ofproto-dpif.c, 3.1).
// One per switch; one thread.
import { createFlowRecords } from "../../pipeline/flow-tables.js";
import type { Pipeline } from "../../pipeline/translate.js";
import { RecordPool } from "../../pipeline/tables/records.js";
import type { PatchPeer, Wiring } from "../../pipeline/walk/patch.js";
import { Recirculations } from "../../pipeline/walk/recirculation.js";
import type { Controllers } from "../controllers.js";
import { type DummyBridge, type DummyPort, NO_DATAPATH_PORT } from "./bridge.js";

/** Flows, groups, buckets and patch ports of all bridges. */
const RECORDS = 65_536;

export class Backplane {
  readonly pool = new RecordPool(createFlowRecords(RECORDS));
  private readonly recirculations = new Recirculations();
  private readonly bridges = new Map<string, DummyBridge>();
  /** Ids that the datapath of each bridge uses. */
  private readonly used = new Map<string, ReadonlySet<number>>();
  /** Stamps of bridges that are gone: the sum never falls. */
  private past = 0;

  join(bridge: DummyBridge): void {
    this.bridges.set(bridge.name, bridge);
    this.past++;
  }

  leave(bridge: DummyBridge): void {
    this.bridges.delete(bridge.name);
    this.used.delete(bridge.name);
    this.past += ownStamp(bridge) + bridge.macs.revision() + 1;
  }

  portAt(datapathNumber: number): DummyPort | null {
    for (const bridge of this.bridges.values()) {
      const found = bridge.ports().find((port) => port.datapathNumber === datapathNumber);
      if (found !== undefined) return found;
    }
    return null;
  }

  controllersOf(pipeline: Pipeline): Controllers | null {
    const found = [...this.bridges.values()].find((bridge) => bridge.pipeline === pipeline);
    return found?.controllers ?? null;
  }

  /** The wiring of one bridge. */
  wiringOf(name: string): Wiring {
    const own = (): DummyBridge | null => this.bridges.get(name) ?? null;
    return {
      name,
      recirculations: this.recirculations,
      datapathPort: (port) => own()?.port(port)?.datapathNumber ?? NO_DATAPATH_PORT,
      peerOf: (number) => {
        const bridge = own();
        const port = bridge?.port(number) ?? null;
        return bridge === null || port === null ? null : this.peerOf(bridge, port);
      },
      stamp: () => this.sum(ownStamp),
      macStamp: () => this.sum(({ macs }) => macs.revision()),
      retain: (used) => this.retain(name, used),
    };
  }

  /** The far end of a cable: each end must name the other. */
  private peerOf(bridge: DummyBridge, near: DummyPort): PatchPeer | null {
    for (const other of this.bridges.values()) {
      const far = other.ports().find(({ name }) => name === near.peer);
      if (far === undefined || far.peer !== near.name) continue;
      const records = [
        bridge.cableRecord(near.number, "sent"),
        other.cableRecord(far.number, "received"),
      ];
      return { pipeline: other.pipeline, port: far.number, records };
    }
    return null;
  }

  private sum(of: (bridge: DummyBridge) => number): number {
    let sum = this.past;
    for (const bridge of this.bridges.values()) sum += of(bridge);
    return sum;
  }

  private retain(name: string, used: ReadonlySet<number>): void {
    this.used.set(name, used);
    this.recirculations.retain(new Set([...this.used.values()].flatMap((ids) => [...ids])));
  }
}

function ownStamp({ tables, portTable }: DummyBridge): number {
  return tables.generation + portTable.revision();
}
