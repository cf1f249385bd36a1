// The meters of a bridge: how each was configured, and the shared table that packets run through.
// Main thread; workers see the table only.
import { MeterTable } from "../datapath/meters.js";
import type { Meter } from "../flow/types.js";

export class Meters {
  readonly table: MeterTable;
  private readonly configured = new Map<number, Meter>();

  /** @param table shared with the workers; without it, one of its own. */
  constructor(table: MeterTable = MeterTable.create()) {
    this.table = table;
  }

  get(id: number): Meter | null {
    return this.configured.get(id) ?? null;
  }

  /** All meters, by number. */
  entries(): Meter[] {
    return [...this.configured.values()].sort((a, b) => a.id - b.id);
  }

  /** Adds a meter or changes it. @throws PacketpathError FLOW_INVALID when there is no room. */
  set(meter: Meter, nowMs: number): void {
    this.table.set(meter, nowMs);
    this.configured.set(meter.id, meter);
  }

  delete(id: number): void {
    this.table.delete(id);
    this.configured.delete(id);
  }
}
