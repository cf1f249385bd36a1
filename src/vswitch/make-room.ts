// Flow tables that are full: which flow makes room for another, or that none does
// (choose_rule_to_evict, rule_eviction_priority in ofproto/ofproto.c of Open vSwitch 3.1).
// Main thread.
import { PacketpathError } from "../base/errors.js";
import { matchesEqual } from "../flow/match.js";
import type { Flow } from "../flow/types.js";
import { readSub } from "../pipeline/actions/bits.js";
import type { FlowChange, FlowEntry, FlowSelector } from "../pipeline/flow-tables.js";
import { selects } from "../pipeline/tables/flow-select.js";
import type { BridgeControl } from "./control.js";

type Bridge = Pick<BridgeControl, "tables" | "limits" | "flowStats">;

/** A flow of a table with a limit, as it is between two changes. */
interface Held {
  readonly flow: Flow;
  /** Time at which it times out; Infinity: never, and then it makes no room either. */
  readonly expiresMs: number;
}

/**
 * Adds the deletions that make room for changes in tables that have a limit, and leaves out the
 * changes that no room can be made for.
 * @returns the changes, and the table that is too full for one; null: none is.
 */
export function makeRoom(
  bridge: Bridge,
  changes: readonly FlowChange[],
  nowMs: number,
): { readonly changes: readonly FlowChange[]; readonly full: number | null } {
  const limited = bridge.limits.limited();
  if (limited.length === 0) return { changes, full: null };
  const held = new Map(limited.map((table) => [table, heldIn(bridge, table)]));
  const all: FlowChange[] = [];
  let full: number | null = null;
  for (const change of changes) {
    const fresh = addedBy(bridge, held, change);
    const table = fresh === null ? undefined : held.get(fresh.table);
    if (fresh !== null && table !== undefined) {
      const same = table.findIndex((one) => isSame(one.flow, fresh));
      if (same >= 0) table.splice(same, 1);
      else if (table.length >= bridge.limits.flowLimit(fresh.table)) {
        const victim = victimOf(bridge, fresh.table, table);
        if (victim === null) {
          full ??= fresh.table;
          continue;
        }
        table.splice(table.indexOf(victim), 1);
        all.push(deletionOf(victim.flow));
      }
      table.push({ flow: fresh, expiresMs: expiry(fresh, nowMs, nowMs) });
    }
    forget(held, change);
    all.push(change);
  }
  return { changes: all, full };
}

/** As `makeRoom`. @throws PacketpathError FLOW_INVALID when a table is too full. */
export function withRoom(
  bridge: Bridge,
  changes: readonly FlowChange[],
  nowMs: number,
): readonly FlowChange[] {
  const roomy = makeRoom(bridge, changes, nowMs);
  if (roomy.full === null) return roomy.changes;
  const limit = bridge.limits.flowLimit(roomy.full);
  throw new PacketpathError(
    "FLOW_INVALID",
    `OFPFMFC_TABLE_FULL: table ${roomy.full} holds at most ${limit} flows`,
  );
}

/** Deletions that bring tables with a limit below it, as far as their flows can be given up. */
export function shrink(bridge: Bridge): FlowChange[] {
  return bridge.limits.limited().flatMap((table) => {
    const held = heldIn(bridge, table);
    const deletions: FlowChange[] = [];
    while (held.length > bridge.limits.flowLimit(table)) {
      const victim = victimOf(bridge, table, held);
      if (victim === null) break;
      held.splice(held.indexOf(victim), 1);
      deletions.push(deletionOf(victim.flow));
    }
    return deletions;
  });
}

function heldIn(bridge: Bridge, table: number): Held[] {
  return bridge.tables.entries({ table }).map((entry: FlowEntry) => {
    const usedMs = Math.max(entry.addedMs, bridge.flowStats(entry).usedMs);
    return { flow: entry.flow, expiresMs: expiry(entry.flow, entry.modifiedMs, usedMs) };
  });
}

function expiry(flow: Flow, modifiedMs: number, usedMs: number): number {
  const hard = flow.hardTimeout === 0 ? Infinity : modifiedMs + flow.hardTimeout * 1000;
  const idle = flow.idleTimeout === 0 ? Infinity : usedMs + flow.idleTimeout * 1000;
  return Math.min(hard, idle);
}

/** The flow that a change puts into its table unless one of its match and priority is there. */
function addedBy(
  bridge: Bridge,
  held: ReadonlyMap<number, readonly Held[]>,
  change: FlowChange,
): Flow | null {
  if (change.type === "add" || change.type === "learn") return change.flow;
  if (change.type !== "modify" || change.orAdd !== true) return null;
  const { selector } = change;
  const inHeld = [...held.values()].flat().some(({ flow }) => selects(selector, flow));
  const elsewhere = bridge.tables.entries(selector).some(({ flow }) => !held.has(flow.table));
  return inHeld || elsewhere ? null : change.flow;
}

function forget(held: ReadonlyMap<number, Held[]>, change: FlowChange): void {
  const selector = deletedBy(change);
  if (selector === null) return;
  for (const flows of held.values()) {
    const kept = flows.filter(({ flow }) => !selects(selector, flow));
    flows.splice(0, flows.length, ...kept);
  }
}

function deletedBy(change: FlowChange): FlowSelector | null {
  if (change.type === "delete") return change.selector;
  if (change.type !== "delete-group" || change.group === null) return null;
  return { outGroup: change.group };
}

function isSame(a: Flow, b: Flow): boolean {
  return a.priority === b.priority && matchesEqual(a.match, b.match);
}

function deletionOf({ table, match, priority }: Flow): FlowChange {
  const selector = { table, match, priority, strict: true };
  return { type: "delete", selector, reason: "eviction" };
}

/** The flow of the largest group that matters least and times out first; null: none can go. */
function victimOf(bridge: Bridge, table: number, held: readonly Held[]): Held | null {
  if (!bridge.limits.evicts(table)) return null;
  const groups = new Map<string, Held[]>();
  for (const one of held) {
    if (one.expiresMs === Infinity) continue;
    const id = bridge.limits
      .groups(table)
      .map((sub) => readSub(one.flow.match.value, sub).join("."))
      .join();
    groups.set(id, [...(groups.get(id) ?? []), one]);
  }
  const largest = [...groups.values()].sort((a, b) => b.length - a.length)[0];
  if (largest === undefined) return null;
  const order = (a: Held, b: Held): number =>
    a.flow.importance - b.flow.importance || a.expiresMs - b.expiresMs;
  return [...largest].sort(order)[0]!;
}
