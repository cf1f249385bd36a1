// Flow mods as a switch takes them: which changes of the tables a command is, and when it is
// refused with which error of OpenFlow (ofproto/ofproto.c of Open vSwitch 3.1). Main thread.
import { PacketpathError } from "../../base/errors.js";
import { KEY_WORDS } from "../../flow/key.js";
import type { Flow, Match } from "../../flow/types.js";
import { ANY_TABLE, flowOfMod, type FlowMod } from "../../ofctl/flow-mods.js";
import { receivedMatch } from "../../ofctl/print/received-match.js";
import { receivedActions } from "../../ofctl/print/received.js";
import type { OpenFlowVersion } from "../../ofctl/protocols.js";
import { unreadable } from "../../ofctl/print/unreadable.js";
import type { FlowChange, FlowSelector, FlowTables } from "../../pipeline/flow-tables.js";
import type { BridgeControl } from "../control.js";

/** A refusal: the name of OpenFlow's error, and the mod that was refused. */
export class FlowModError extends Error {
  readonly mod: FlowMod;
  /** Counts the mods that were sent together, from 0. */
  readonly index: number;
  /** The switch could not even read the message. */
  readonly isUnread: boolean;

  constructor(name: string, mod: FlowMod, index: number, isUnread = false) {
    super(name);
    this.mod = mod;
    this.index = index;
    this.isUnread = isUnread;
  }
}

/** Which flows a mod or a query means. */
export function selectorOf(mod: FlowMod): FlowSelector {
  const { value, mask } = mod.cookieFilter;
  return {
    table: mod.table,
    match: mod.match,
    ...(mod.command.endsWith("_strict") ? { strict: true, priority: mod.priority } : {}),
    ...(mask === 0n ? {} : { cookie: value & mask, cookieMask: mask }),
    ...(mod.outPort === null ? {} : { outPort: mod.outPort }),
    ...(mod.outGroup === null ? {} : { outGroup: mod.outGroup }),
  };
}

/** The flow as the switch gets it over a connection of this version. */
function receivedFlow(mod: FlowMod, version: OpenFlowVersion): Flow {
  const flow = flowOfMod(mod);
  const actions = receivedActions(flow.actions, version, flow.match);
  // Before OpenFlow 1.2 every added flow counts from 0.
  const isOld = version < 12 && mod.command === "add" && !flow.flags.includes("reset_counts");
  return { ...flow, actions, flags: isOld ? [...flow.flags, "reset_counts"] : flow.flags };
}

/** The changes that a mod is. */
export function changeOf(sent: FlowMod, version: OpenFlowVersion): FlowChange {
  const match = receivedMatch(sent.match, version);
  const mod = { ...sent, match, table: receivedTable(sent, version) };
  if (mod.command === "delete" || mod.command === "delete_strict") {
    return { type: "delete", selector: selectorOf(mod) };
  }
  const flow = receivedFlow(mod, version);
  if (mod.command === "add") return { type: "add", flow };
  return {
    type: "modify",
    selector: selectorOf(mod),
    flow,
    // Only OpenFlow 1.0 changes cookies, unless flows are chosen by theirs and no other is said.
    keepCookie: version > 10 || (mod.cookie === null && mod.cookieFilter.mask !== 0n),
    // Since OpenFlow 1.2 a modification never adds a flow.
    orAdd: version < 12 && mod.cookieFilter.mask === 0n,
  };
}

/**
 * The table that a mod means over a connection of this version: since OpenFlow 1.1 only a deletion,
 * since 1.2, can say "all" (ofputil_encode_flow_mod in lib/ofp-flow.c).
 */
function receivedTable({ table, command }: FlowMod, version: OpenFlowVersion): number {
  if (table !== ANY_TABLE || version === 10) return table;
  return command.startsWith("delete") && version > 11 ? table : 0;
}

/**
 * Applies mods in their order, up to the first that is refused.
 * @throws FlowModError for that one.
 */
export async function applyMods(
  bridge: BridgeControl,
  mods: readonly FlowMod[],
  version: OpenFlowVersion,
): Promise<void> {
  const changes = mods.map((mod) => changeOf(mod, version));
  checkReadable(mods, version);
  const overlapAt = firstOverlap(bridge.tables, mods, changes);
  checkMeters(bridge, mods);
  const end = overlapAt < 0 ? mods.length : overlapAt;
  try {
    await bridge.apply(changes.slice(0, end));
  } catch {
    // All at once was refused: find out which one it is.
    for (let at = 0; at < end; at++) {
      try {
        await bridge.apply([changes[at]!]);
      } catch (error) {
        // What OpenFlow has no error for says itself what it is.
        const name = openFlowError(error);
        if (name === null) throw error;
        throw new FlowModError(name, mods[at]!, at);
      }
    }
  }
  if (overlapAt >= 0) throw new FlowModError("OFPFMFC_OVERLAP", mods[overlapAt]!, overlapAt);
}

/** The OpenFlow error that an error of ours begins with; null: it is none. */
export function openFlowError(error: unknown): string | null {
  if (!(error instanceof PacketpathError) || error.code !== "FLOW_INVALID") return null;
  return /^OFP[A-Z0-9_]+/.exec(error.message)?.[0] ?? null;
}

function checkReadable(mods: readonly FlowMod[], version: OpenFlowVersion): void {
  for (const [index, mod] of mods.entries()) {
    const error = unreadable(mod, version);
    if (error !== null) throw new FlowModError(error, mod, index, true);
  }
}

/** No flow may use a meter that is not there. */
function checkMeters(bridge: BridgeControl, mods: readonly FlowMod[]): void {
  for (const [index, mod] of mods.entries()) {
    const isKnown = mod.actions.every(
      (action) => action.type !== "meter" || bridge.meters.get(action.meter) !== null,
    );
    if (!isKnown) throw new FlowModError("OFPMMFC_INVALID_METER", mod, index);
  }
}

/** The first add with `check_overlap` that overlaps with a flow of the same priority, or -1. */
export function firstOverlap(
  tables: FlowTables,
  mods: readonly FlowMod[],
  changes: readonly FlowChange[],
): number {
  if (!mods.some((mod) => mod.flags.includes("check_overlap"))) return -1;
  // What earlier mods of the line delete is not looked at: they may only make it stricter.
  const added: Flow[] = [];
  for (const [at, mod] of mods.entries()) {
    const change = changes[at]!;
    if (change.type === "delete") {
      added.length = 0;
      continue;
    }
    if (change.type !== "add" && change.type !== "modify") continue;
    const { flow } = change;
    const deletesAll = mods.slice(0, at).some(isDeletionOfAll);
    const present = deletesAll ? [] : tables.entries({ table: flow.table }).map((one) => one.flow);
    const rivals = [...present, ...added].filter(({ table, priority }) => {
      return table === flow.table && priority === flow.priority;
    });
    const overlaps = rivals.some((rival) => matchesOverlap(rival.match, flow.match));
    if (mod.flags.includes("check_overlap") && overlaps) return at;
    added.push(flow);
  }
  return -1;
}

function isDeletionOfAll(mod: FlowMod): boolean {
  const isLoose = mod.command === "delete" && mod.table === ANY_TABLE;
  const isNarrow = mod.outPort !== null || mod.outGroup !== null || mod.cookieFilter.mask !== 0n;
  return isLoose && !isNarrow && mod.match.mask.every((word) => word === 0);
}

/** Whether some packet fulfills both. */
function matchesOverlap(a: Match, b: Match): boolean {
  for (let i = 0; i < KEY_WORDS; i++) {
    if (((a.value[i]! ^ b.value[i]!) & a.mask[i]! & b.mask[i]!) !== 0) return false;
  }
  return true;
}
