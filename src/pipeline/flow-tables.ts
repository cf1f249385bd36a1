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
import { KEY_WORDS } from "../flow/key.js";
import { matchesEqual } from "../flow/match.js";
import { RECORD } from "../flow/odp.js";
import type { Action, Flow, Match } from "../flow/types.js";

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

/** Which flows a deletion or a dump means; what is not given does not matter. */
export interface FlowSelector {
  readonly table?: number;
  /** Loose: flows at least as specific. Strict: exactly this match and `priority`. */
  readonly match?: Match;
  readonly strict?: boolean;
  readonly priority?: number;
  readonly cookie?: bigint;
  readonly cookieMask?: bigint;
  /** Only flows with an output to this port. */
  readonly outPort?: number;
  /** Only flows with an action that sends to this group. */
  readonly outGroup?: number;
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
  | { readonly type: "replace"; readonly flows: readonly Flow[] };

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
  /** Rises with every `apply`. */
  generation = 0;
  private readonly clock: Clock;
  private readonly tables: (Classifier<FlowEntry> | undefined)[] = [];
  private readonly freeRecords: number[] = [];
  private usedRecords = 0;
  private lastId = 0;

  constructor(options: { clock: Clock; records?: Float64Array }) {
    this.clock = options.clock;
    this.records = options.records ?? createFlowRecords();
  }

  /** Number of flows in all tables. */
  get size(): number {
    return this.tables.reduce((sum, table) => sum + (table?.size ?? 0), 0);
  }

  /**
   * Applies changes as one: no lookup sees a part of them.
   * @throws PacketpathError FLOW_INVALID when there are more flows than records; nothing is
   *   changed then.
   */
  apply(changes: readonly FlowChange[]): void {
    const adds = changes.reduce(
      (sum, each) =>
        sum + (each.type === "add" ? 1 : each.type === "replace" ? each.flows.length : 0),
      0,
    );
    const room = this.records.length / RECORD.size - this.usedRecords + this.freeRecords.length;
    // A replacement frees the old records only after it has its own: both must fit.
    if (adds > room) {
      throw new PacketpathError(
        "FLOW_INVALID",
        `${adds} flows do not fit: the tables hold ${this.records.length / RECORD.size} flows` +
          ` and have room for ${room}`,
      );
    }
    for (const change of changes) {
      if (change.type === "add") this.addOne(change.flow);
      else if (change.type === "delete") this.deleteSome(change.selector);
      else if (change.type === "modify") this.modifySome(change.selector, change.flow);
      else this.replaceAll(change.flows);
    }
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
      for (const entry of table) if (selects(selector, entry)) found.push(entry);
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

  private addOne(flow: Flow): void {
    if (!(flow.table >= 0 && flow.table < TABLES)) {
      throw new PacketpathError("FLOW_INVALID", `table ${flow.table}: not between 0 and 253`);
    }
    const record = this.freeRecords.pop() ?? this.usedRecords++ * RECORD.size;
    const { match, priority } = flow;
    const id = ++this.lastId;
    const now = this.clock.nowMs();
    const times = { addedMs: now, modifiedMs: now };
    const conjunctions = conjunctionsOf(flow);
    const entry = { flow, match, priority, conjunctions, id, record, ...times };
    this.records.fill(0, record, record + RECORD.size);
    this.records[record + RECORD.flowId] = id;
    const table = (this.tables[flow.table] ??= new Classifier());
    const replaced = table.insert(entry);
    if (replaced !== null) this.release(replaced);
  }

  private deleteSome(selector: FlowSelector): void {
    for (const entry of this.entries(selector)) {
      this.tables[entry.flow.table]!.remove(entry);
      this.release(entry);
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
    for (const entry of old) this.release(entry);
  }

  private release(entry: FlowEntry): void {
    this.records[entry.record + RECORD.flowId] = 0;
    this.freeRecords.push(entry.record);
  }
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

function selects(selector: FlowSelector, entry: FlowEntry): boolean {
  const { flow } = entry;
  if (selector.table !== undefined && selector.table !== 255 && selector.table !== flow.table) {
    return false;
  }
  if (selector.match !== undefined) {
    if (selector.strict === true) {
      if (!matchesEqual(selector.match, flow.match)) return false;
      if (selector.priority !== undefined && selector.priority !== flow.priority) return false;
    } else if (!isWithin(flow.match, selector.match)) {
      return false;
    }
  }
  if (selector.cookie !== undefined) {
    const mask = selector.cookieMask ?? 0xffffffffffffffffn;
    if (((flow.cookie ^ selector.cookie) & mask) !== 0n) return false;
  }
  if (selector.outGroup !== undefined && !sendsToGroup(flow.actions, selector.outGroup)) {
    return false;
  }
  return selector.outPort === undefined || outputsTo(flow.actions, selector.outPort);
}

/** Whether every key that fulfills `inner` fulfills `outer`. */
function isWithin(inner: Match, outer: Match): boolean {
  for (let i = 0; i < KEY_WORDS; i++) {
    const mask = outer.mask[i]!;
    if ((inner.mask[i]! & mask) >>> 0 !== mask) return false;
    if (((inner.value[i]! ^ outer.value[i]!) & mask) !== 0) return false;
  }
  return true;
}

function outputsTo(actions: readonly Action[], port: number): boolean {
  return someAction(actions, (action) => {
    const isOutput = action.type === "output" || action.type === "output-truncated";
    return (isOutput || action.type === "enqueue") && action.port === port;
  });
}

function sendsToGroup(actions: readonly Action[], group: number): boolean {
  return someAction(actions, (action) => action.type === "group" && action.group === group);
}

/** Whether an action of the list, or of one inside it, is as wanted. */
function someAction(actions: readonly Action[], wanted: (action: Action) => boolean): boolean {
  return actions.some((action) => {
    const nested = action.type === "write-actions" || action.type === "clone";
    return wanted(action) || (nested && someAction(action.actions, wanted));
  });
}
