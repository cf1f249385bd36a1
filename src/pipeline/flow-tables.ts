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
import type { Flow, Group, Learn, Match } from "../flow/types.js";
import { selects, type FlowSelector } from "./tables/flow-select.js";
import { checkFlows } from "./tables/flow-check.js";
import { GroupTable, selectionOf, type GroupEntry } from "./tables/group-table.js";
import { isLearnedAlready, learnersIn, shorter } from "./tables/learning.js";
import { OWN_RECORDS, OwnRecords } from "./tables/own-records.js";
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
  /** When it was added, last modified or learned again; its hard time-out counts from here. */
  modifiedMs: number;
}

/**
 * The selected flows get the actions and the cookie of `flow`; match, time-outs, flags and age
 * stay (ofproto.c modify_flows_start__). Counters stay too, unless a flag is `reset_counts`.
 */
export interface ModifyChange {
  readonly type: "modify";
  readonly selector: FlowSelector;
  readonly flow: Flow;
  /** The cookies stay too. */
  readonly keepCookie?: boolean;
  /** Without a flow that is selected, `flow` is added. */
  readonly orAdd?: boolean;
}

/** Why a flow went (enum ofp_flow_removed_reason of OpenFlow 1.4). */
export type RemovalReason = "idle" | "hard" | "delete" | "group_delete" | "eviction";

/** Is told what changes do to flows, while they do it. */
export interface FlowWatcher {
  /** A flow was added, in the place of `old` if there was one. */
  added(entry: FlowEntry, old: FlowEntry | null): void;
  modified(entry: FlowEntry, old: FlowEntry): void;
  /** Its counters can still be read. */
  removed(entry: FlowEntry, reason: RemovalReason): void;
  /** One change, or what follows from one, is over. */
  changed(): void;
}

/** One change; plain data, so that the main thread can post it to the workers. */
export type FlowChange =
  | { readonly type: "add"; readonly flow: Flow }
  | {
      readonly type: "delete";
      readonly selector: FlowSelector;
      /** "delete" if nothing is said. */
      readonly reason?: RemovalReason;
    }
  | ModifyChange
  /** All flows of all tables are replaced. */
  | { readonly type: "replace"; readonly flows: readonly Flow[] }
  /**
   * What a learn action says: "modify" of one flow or, without it, "add". A flow that is the same
   * already only begins its hard time-out anew.
   */
  | { readonly type: "learn"; readonly flow: Flow }
  /** Shortens the time-outs of one flow (fin_timeout); seconds, 0: leaves it. */
  | {
      readonly type: "shorten";
      readonly flow: Flow;
      readonly idleTimeout: number;
      readonly hardTimeout: number;
    }
  /** Adds a group, or replaces the one of the same number; its counters then begin anew. */
  | { readonly type: "set-group"; readonly group: Group }
  /** Deletes a group, and the flows that send to it; null: all groups. */
  | { readonly type: "delete-group"; readonly group: number | null }
  /** What happens to packets that meet no flow of a table; null: of all tables. */
  | { readonly type: "set-miss"; readonly table: number | null; readonly miss: TableMiss };

/** To the controller, on to the next table, or dropped (ofp_table_config, OpenFlow 1.1). */
export type TableMiss = "default" | "controller" | "continue" | "drop";

export interface FlowStats {
  readonly packets: number;
  readonly bytes: number;
  /** Monotonic time of the last packet; 0 if there was none. */
  readonly usedMs: number;
}

/** Shared memory for the statistics of one worker. @param flows the most flows at a time. */
export function createFlowRecords(flows = 16384): Float64Array {
  const bytes = (flows + OWN_RECORDS) * RECORD.size * Float64Array.BYTES_PER_ELEMENT;
  return new Float64Array(new SharedArrayBuffer(bytes));
}

export class FlowTables {
  /** The records of this replica's worker. */
  readonly records: Float64Array;
  /** Read only; changed through `apply`. */
  readonly groups = new GroupTable();
  /** Rises with every `apply`. */
  generation = 0;
  watcher: FlowWatcher | null = null;
  private readonly clock: Clock;
  private readonly tables: (Classifier<FlowEntry> | undefined)[] = [];
  private readonly pool: RecordPool;
  /** Records of packets that met no flow. */
  readonly own: OwnRecords;
  /** Packets of flows that are gone, by table, as far as this replica's worker has seen them. */
  readonly pastMatches = new Float64Array(TABLES);
  private readonly misses: TableMiss[] = new Array<TableMiss>(TABLES).fill("default");
  private hasLearners = false;

  /** @param options.pool of records, shared with the tables of other bridges. */
  constructor(options: { clock: Clock; records?: Float64Array; pool?: RecordPool }) {
    this.clock = options.clock;
    this.pool = options.pool ?? new RecordPool(options.records ?? createFlowRecords());
    this.records = this.pool.records;
    this.own = new OwnRecords(this.pool);
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
    checkFlows(this.groups, changes);
    const learners = this.learners();
    let altered = false;
    for (const change of changes) {
      if (this.applyOne(change)) altered = true;
      this.watcher?.changed();
    }
    // What only concerns time-outs changes no answer.
    if (!altered) return;
    if (learners.length > 0) this.deleteOrphans(learners);
    this.generation++;
  }

  /** Gives all records back; for tables that are given up while others use the same pool. */
  close(): void {
    this.apply([
      { type: "replace", flows: [] },
      { type: "delete-group", group: null },
    ]);
    this.pool.giveBack(this.own.first);
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

  /** The flow of a table with exactly this match and priority, or null. */
  find(table: number, match: Match, priority: number): FlowEntry | null {
    return this.tables[table]?.find(match, priority) ?? null;
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
      // A modification begins the time anew (ofproto-dpif.c rule_expire).
      if (hardTimeout > 0 && now - entry.modifiedMs >= hardTimeout * 1000) return true;
      if (idleTimeout === 0) return false;
      const used = Math.max(entry.addedMs, statsOf(entry).usedMs);
      return now - used >= idleTimeout * 1000;
    });
  }

  /** @returns whether the answer of a lookup may be another one now. */
  private applyOne(change: FlowChange): boolean {
    if (change.type === "learn") return this.learnOne(change.flow);
    if (change.type === "shorten") return this.shorten(change);
    if (change.type === "add") this.addOne(change.flow);
    else if (change.type === "delete") this.deleteSome(change.selector, change.reason);
    else if (change.type === "modify") this.modifySome(change);
    else if (change.type === "replace") this.replaceAll(change.flows);
    else if (change.type === "set-group") this.setGroup(change.group);
    else if (change.type === "set-miss") this.setMiss(change.table, change.miss);
    else this.deleteGroups(change.group);
    return true;
  }

  /** What happens to packets that meet no flow of a table. */
  missOf(table: number): TableMiss {
    return this.misses[table] ?? "default";
  }

  private setMiss(table: number | null, miss: TableMiss): void {
    if (table === null) this.misses.fill(miss);
    else this.misses[table] = miss;
  }

  private learnOne(flow: Flow): boolean {
    const { table, match, priority } = flow;
    const old = this.find(table, match, priority);
    if (old !== null && isLearnedAlready(old.flow, flow)) {
      old.modifiedMs = this.clock.nowMs();
      return false;
    }
    const selector = { table, match, priority, strict: true };
    this.modifySome({ type: "modify", selector, flow, orAdd: true });
    return true;
  }

  private shorten(change: Extract<FlowChange, { type: "shorten" }>): false {
    const { table, match, priority } = change.flow;
    const entry = this.find(table, match, priority);
    if (entry === null) return false;
    const idleTimeout = shorter(entry.flow.idleTimeout, change.idleTimeout);
    const hardTimeout = shorter(entry.flow.hardTimeout, change.hardTimeout);
    this.tables[table]!.insert({ ...entry, flow: { ...entry.flow, idleTimeout, hardTimeout } });
    return false;
  }

  /** Learn actions whose flows die with them (delete_learned). */
  private learners(): Learn[] {
    if (!this.hasLearners) return [];
    return this.entries().flatMap(({ flow }) => learnersIn(flow));
  }

  /** Deletes what was learned by actions that are gone (ofproto.c learned_cookies_flush). */
  private deleteOrphans(before: readonly Learn[]): void {
    const left = this.learners();
    this.hasLearners = left.length > 0;
    for (const { table, cookie } of before) {
      if (left.some((each) => each.table === table && each.cookie === cookie)) continue;
      this.deleteSome({ table, cookie });
      this.watcher?.changed();
    }
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
      this.deleteSome({ outGroup: entry.group.id }, "group_delete");
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
    if (learnersIn(flow).length > 0) this.hasLearners = true;
    const entry = { flow, match, priority, conjunctions, ...place, ...times };
    const table = (this.tables[flow.table] ??= new Classifier());
    const replaced = table.insert(entry);
    this.watcher?.added(entry, replaced);
    if (replaced === null) return;
    this.inherit(replaced, entry);
    if (entry.flow.flags.includes("reset_counts")) this.rememberMatches(replaced);
    this.pool.release(replaced.record);
  }

  /**
   * A flow that takes the place of one with the same match and priority was last used when that
   * was; it also takes its counters, unless it says `reset_counts`, as it does in OpenFlow 1.0.
   */
  private inherit(old: FlowEntry, fresh: FlowEntry): void {
    const { records } = this;
    records[fresh.record + RECORD.usedMs] = records[old.record + RECORD.usedMs]!;
    if (fresh.flow.flags.includes("reset_counts")) return;
    records[fresh.record + RECORD.packets] = records[old.record + RECORD.packets]!;
    records[fresh.record + RECORD.bytes] = records[old.record + RECORD.bytes]!;
  }

  private deleteSome(selector: FlowSelector, reason: RemovalReason = "delete"): void {
    for (const entry of this.entries(selector)) {
      this.watcher?.removed(entry, reason);
      this.tables[entry.flow.table]!.remove(entry);
      this.rememberMatches(entry);
      this.pool.release(entry.record);
    }
  }

  private modifySome(change: ModifyChange): void {
    const entries = this.entries(change.selector);
    if (entries.length === 0 && change.orAdd === true) return this.addOne(change.flow);
    for (const entry of entries) {
      const { actions, flags } = change.flow;
      const cookie = change.keepCookie === true ? entry.flow.cookie : change.flow.cookie;
      const flow = { ...entry.flow, actions, cookie };
      if (flags.includes("reset_counts")) {
        this.rememberMatches(entry);
        this.records[entry.record + RECORD.packets] = 0;
        this.records[entry.record + RECORD.bytes] = 0;
      }
      const conjunctions = conjunctionsOf(flow);
      if (learnersIn(flow).length > 0) this.hasLearners = true;
      const modified = { ...entry, flow, conjunctions, modifiedMs: this.clock.nowMs() };
      this.tables[flow.table]!.insert(modified);
      this.watcher?.modified(modified, entry);
    }
  }

  private replaceAll(flows: readonly Flow[]): void {
    const old = this.entries();
    for (const entry of old) this.watcher?.removed(entry, "delete");
    this.tables.length = 0;
    for (const flow of flows) this.addOne(flow);
    for (const entry of old) {
      this.rememberMatches(entry);
      this.pool.release(entry.record);
    }
  }

  /** A table goes on counting packets of flows that are gone. */
  private rememberMatches({ flow, record }: FlowEntry): void {
    this.pastMatches[flow.table]! += this.records[record + RECORD.packets]!;
  }
}

/** Records that a change takes before it can release any. */
function recordsOf(change: FlowChange): number {
  if (change.type === "add" || change.type === "learn") return 1;
  if (change.type === "modify") return change.orAdd === true ? 1 : 0;
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
