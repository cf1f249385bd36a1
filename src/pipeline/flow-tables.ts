// The flow tables of one worker: one classifier per OpenFlow table, 0 to 253. Every worker has
// its own replica, and so has the main thread for dumps; all get the same changes in the same
// order, each between two bursts, so no frame ever meets a half-applied change.
//
// Statistics. Every flow has a record in its worker's shared memory: id of the flow, packets,
// bytes, time of last use. Replicas give the same flow the same id and the same record, because
// both depend on the order of changes alone. Only the owning worker writes (plain stores); the
// main thread sums over workers and skips records whose id is not the flow's: a worker that has
// not applied a change yet cannot lend a new flow the counters of an old one.
import type { Clock } from "../base/clock.js";
import { PacketpathError } from "../base/errors.js";
import { Classifier } from "../classifier/classifier.js";
import type { Conjunction } from "../classifier/types.js";
import { RECORD } from "../flow/odp.js";
import type { Flow, Group, Match } from "../flow/types.js";
import { selects, type FlowSelector } from "./tables/flow-select.js";
import { checkGroups } from "./tables/group-check.js";
import { GroupTable, selectionOf, type GroupEntry } from "./tables/group-table.js";
import { RecordPool } from "./tables/records.js";

export type { FlowSelector } from "./tables/flow-select.js";

/** Tables that flows may be in; 254 is Open vSwitch's own, 255 means "all". */
export const TABLES = 254;

/** A flow in a table, as the classifier keeps it. */
export interface FlowEntry {
  readonly flow: Flow;
  readonly match: Match;
  readonly priority: number;
  /** The clauses that its actions say it is. */
  readonly conjunctions: readonly Conjunction[];
  /** Counts from 1; never used twice. */
  readonly id: number;
  /** Offset of its statistics record. */
  readonly record: number;
  readonly addedMs: number;
  /** When it was added or last modified. */
  readonly modifiedMs: number;
}

/** One change; plain data, so that the main thread can post it to the workers. */
export type FlowChange =
  | { readonly type: "add"; readonly flow: Flow }
  | { readonly type: "delete"; readonly selector: FlowSelector }
  /**
   * The selected flows get the actions, cookie and flags of `flow`; match, time-outs, and age stay
   * (ofproto.c modify_flows_start__). Counters stay too, unless a flag is `reset_counts`.
   */
  | { readonly type: "modify"; readonly selector: FlowSelector; readonly flow: Flow }
  /** All flows of all tables are replaced. */
  | { readonly type: "replace"; readonly flows: readonly Flow[] }
  /** Adds a group, or replaces the one of the same number; its counters then begin anew. */
  | { readonly type: "set-group"; readonly group: Group }
  /** Deletes a group, and the flows that send to it; null: all groups. */
  | { readonly type: "delete-group"; readonly group: number | null };

export interface FlowStats {
  readonly packets: number;
  readonly bytes: number;
  /** Monotonic time of the last packet; 0 if there was none. */
  readonly usedMs: number;
}

/** Shared memory for the statistics of one worker. @param flows the most flows at a time. */
export function createFlowRecords(flows = 16384): Float64Array {
  const bytes = flows * RECORD.size * Float64Array.BYTES_PER_ELEMENT;
  return new Float64Array(new SharedArrayBuffer(bytes));
}

export class FlowTables {
  /** The records of this replica's worker. */
  readonly records: Float64Array;
  /** Read only; changed through `apply`. */
  readonly groups = new GroupTable();
  /** Rises with every `apply`. */
  generation = 0;
  private readonly clock: Clock;
  private readonly tables: (Classifier<FlowEntry> | undefined)[] = [];
  private readonly pool: RecordPool;

  constructor(options: { clock: Clock; records?: Float64Array }) {
    this.clock = options.clock;
    this.records = options.records ?? createFlowRecords();
    this.pool = new RecordPool(this.records);
  }

  /** Number of flows in all tables. */
  get size(): number {
    return this.tables.reduce((sum, table) => sum + (table?.size ?? 0), 0);
  }

  /**
   * Applies changes as one: no lookup sees a part of them.
   * @throws PacketpathError FLOW_INVALID when there are more flows and buckets than records, or a
   *   flow sends to a group that is not there; nothing is changed then.
   */
  apply(changes: readonly FlowChange[]): void {
    const { room, capacity } = this.pool;
    // A replacement frees the old records only after it has its own: both must fit.
    const needed = changes.reduce((sum, change) => sum + recordsOf(change), 0);
    if (needed > room) {
      throw new PacketpathError(
        "FLOW_INVALID",
        `${needed} flows do not fit: the tables hold ${capacity} flows and have room for ${room}`,
      );
    }
    checkGroups(this.groups, changes);
    for (const change of changes) this.applyOne(change);
    this.generation++;
  }

  add(...flows: readonly Flow[]): void {
    this.apply(flows.map((flow) => ({ type: "add", flow })));
  }

  delete(selector: FlowSelector): void {
    this.apply([{ type: "delete", selector }]);
  }

  replace(flows: readonly Flow[]): void {
    this.apply([{ type: "replace", flows }]);
  }

  /**
   * The flow of a table that a key meets, or null.
   * @param wildcards as in `Classifier.lookup`.
   */
  lookup(table: number, key: Uint32Array, wildcards: Uint32Array): FlowEntry | null {
    return this.tables[table]?.lookup(key, wildcards) ?? null;
  }

  /** Flows in the order in which they were added, by table; for dumps. */
  entries(selector: FlowSelector = {}): FlowEntry[] {
    const found: FlowEntry[] = [];
    for (const table of this.tables) {
      if (table === undefined) continue;
      for (const entry of table) if (selects(selector, entry.flow)) found.push(entry);
    }
    return found.sort((a, b) => a.flow.table - b.flow.table || a.id - b.id);
  }

  /**
   * Flows whose idle or hard time-out has passed; the main thread then deletes them everywhere.
   * @param statsOf the counters summed over all workers (`sumFlowStats`).
   */
  expired(statsOf: (entry: FlowEntry) => FlowStats): FlowEntry[] {
    const now = this.clock.nowMs();
    return this.entries().filter((entry) => {
      const { idleTimeout, hardTimeout } = entry.flow;
      if (hardTimeout > 0 && now - entry.addedMs >= hardTimeout * 1000) return true;
      if (idleTimeout === 0) return false;
      const used = Math.max(entry.addedMs, statsOf(entry).usedMs);
      return now - used >= idleTimeout * 1000;
    });
  }

  private applyOne(change: FlowChange): void {
    if (change.type === "add") this.addOne(change.flow);
    else if (change.type === "delete") this.deleteSome(change.selector);
    else if (change.type === "modify") this.modifySome(change.selector, change.flow);
    else if (change.type === "replace") this.replaceAll(change.flows);
    else if (change.type === "set-group") this.setGroup(change.group);
    else this.deleteGroups(change.group);
  }

  private setGroup(group: Group): void {
    const old = this.groups.get(group.id);
    if (old !== null) this.releaseGroup(old);
    const own = this.pool.take();
    const buckets = group.buckets.map(() => this.pool.take());
    this.groups.set({
      group,
      selection: selectionOf(group),
      ...own,
      bucketRecords: buckets.map(({ record }) => record),
      bucketIds: buckets.map(({ id }) => id),
      addedMs: old?.addedMs ?? this.clock.nowMs(),
    });
  }

  private deleteGroups(id: number | null): void {
    const doomed = id === null ? this.groups.entries() : [this.groups.get(id)];
    for (const entry of doomed) {
      if (entry === null) continue;
      this.deleteSome({ outGroup: entry.group.id });
      this.groups.delete(entry.group.id);
      this.releaseGroup(entry);
    }
  }

  private releaseGroup(entry: GroupEntry): void {
    for (const record of [entry.record, ...entry.bucketRecords]) this.pool.release(record);
  }

  private addOne(flow: Flow): void {
    if (!(flow.table >= 0 && flow.table < TABLES)) {
      throw new PacketpathError("FLOW_INVALID", `table ${flow.table}: not between 0 and 253`);
    }
    const place = this.pool.take();
    const { match, priority } = flow;
    const now = this.clock.nowMs();
    const times = { addedMs: now, modifiedMs: now };
    const conjunctions = conjunctionsOf(flow);
    const entry = { flow, match, priority, conjunctions, ...place, ...times };
    const table = (this.tables[flow.table] ??= new Classifier());
    const replaced = table.insert(entry);
    if (replaced !== null) this.pool.release(replaced.record);
  }

  private deleteSome(selector: FlowSelector): void {
    for (const entry of this.entries(selector)) {
      this.tables[entry.flow.table]!.remove(entry);
      this.pool.release(entry.record);
    }
  }

  private modifySome(selector: FlowSelector, change: Flow): void {
    for (const entry of this.entries(selector)) {
      const { actions, cookie, flags } = change;
      const flow = { ...entry.flow, actions, cookie, flags };
      if (flags.includes("reset_counts")) {
        this.records[entry.record + RECORD.packets] = 0;
        this.records[entry.record + RECORD.bytes] = 0;
      }
      const conjunctions = conjunctionsOf(flow);
      const modified = { ...entry, flow, conjunctions, modifiedMs: this.clock.nowMs() };
      this.tables[flow.table]!.insert(modified);
    }
  }

  private replaceAll(flows: readonly Flow[]): void {
    const old = this.entries();
    this.tables.length = 0;
    for (const flow of flows) this.addOne(flow);
    for (const entry of old) this.pool.release(entry.record);
  }
}

/** Records that a change takes before it can release any. */
function recordsOf(change: FlowChange): number {
  if (change.type === "add") return 1;
  if (change.type === "replace") return change.flows.length;
  return change.type === "set-group" ? 1 + change.group.buckets.length : 0;
}

function conjunctionsOf(flow: Flow): Conjunction[] {
  return flow.actions.filter((action) => action.type === "conjunction");
}

/** The counters of a flow, summed over the records of all workers. Any thread. */
export function sumFlowStats(entry: FlowEntry, workers: readonly Float64Array[]): FlowStats {
  let packets = 0;
  let bytes = 0;
  let usedMs = 0;
  for (const records of workers) {
    if (records[entry.record + RECORD.flowId] !== entry.id) continue;
    packets += records[entry.record + RECORD.packets]!;
    bytes += records[entry.record + RECORD.bytes]!;
    usedMs = Math.max(usedMs, records[entry.record + RECORD.usedMs]!);
  }
  return { packets, bytes, usedMs };
}
