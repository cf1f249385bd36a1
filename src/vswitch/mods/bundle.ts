// Bundles: messages that a switch does all of or none, in their order (do_bundle_commit in
// ofproto/ofproto.c of Open vSwitch 3.1). Main thread.
import type { Action, Group } from "../../flow/types.js";
import type { FlowMod } from "../../ofctl/flow-mods.js";
import type { GroupMod } from "../../ofctl/groups.js";
import type { PacketOut } from "../../ofctl/packet-out.js";
import { receivedActions } from "../../ofctl/print/received.js";
import { unreadable } from "../../ofctl/print/unreadable.js";
import type { OpenFlowVersion } from "../../ofctl/protocols.js";
import type { FlowChange } from "../../pipeline/flow-tables.js";
import { checkFlows } from "../../pipeline/tables/flow-check.js";
import type { BridgeControl } from "../control.js";
import { withRoom } from "../make-room.js";
import { changeOf, firstOverlap, openFlowError } from "./flow-mods.js";
import { groupChangeOf, unreadableBucket } from "./group-mods.js";

export type BundleMessage =
  | { readonly type: "flow"; readonly mod: FlowMod }
  | { readonly type: "group"; readonly mod: GroupMod }
  | { readonly type: "packet-out"; readonly packetOut: PacketOut };

/** A refusal: the name of OpenFlow's error, and which message it was refused for, from 0. */
export class BundleError extends Error {
  readonly index: number;

  constructor(name: string, index: number) {
    super(name);
    this.index = index;
  }
}

/** What there is while the messages are looked at, one after the other. */
interface Draft {
  readonly bridge: BridgeControl;
  readonly version: OpenFlowVersion;
  readonly groups: Map<number, Group>;
}

/** What one message is. */
type Deed = FlowChange | PacketOut;

/** Why the switch cannot even read a message; null: it can. */
export function unreadableMessage(message: BundleMessage, version: OpenFlowVersion): string | null {
  switch (message.type) {
    case "flow":
      return unreadable(message.mod, version);
    case "group":
      return unreadableBucket(message.mod, version);
    case "packet-out":
      return unreadable({ match: null, actions: message.packetOut.actions }, version);
  }
}

/**
 * Does what the messages say. A packet sees the tables as the messages before it made them.
 * @throws BundleError when one is refused; nothing is done then.
 */
export async function applyBundle(
  bridge: BridgeControl,
  messages: readonly BundleMessage[],
  version: OpenFlowVersion,
): Promise<void> {
  const entries = bridge.tables.groups.entries();
  const groups = new Map(entries.map(({ group }): [number, Group] => [group.id, group]));
  const overlapAt = overlapIn(bridge, messages, version);
  const deeds = messages.map((message, index) => {
    const deed = deedOf(message, { bridge, version, groups });
    if (typeof deed === "string") throw new BundleError(deed, index);
    if (index === overlapAt) throw new BundleError("OFPFMFC_OVERLAP", index);
    return deed;
  });
  const changes = deeds.filter((deed): deed is FlowChange => !isPacket(deed));
  try {
    // Parts of a bundle must not fail when those before are done.
    if (changes.length < deeds.length)
      checkFlows(bridge.tables.groups, withRoom(bridge, changes, 0));
    await perform(bridge, deeds);
  } catch (error) {
    const name = openFlowError(error);
    throw name === null ? error : new BundleError(name, messages.length - 1);
  }
}

async function perform(bridge: BridgeControl, deeds: readonly Deed[]): Promise<void> {
  let changes: FlowChange[] = [];
  for (const deed of deeds) {
    if (!isPacket(deed)) {
      changes.push(deed);
      continue;
    }
    await bridge.apply(changes);
    changes = [];
    bridge.packetOut(deed);
  }
  if (changes.length > 0) await bridge.apply(changes);
}

const isPacket = (deed: Deed): deed is PacketOut => "packet" in deed;

/** The first message that asks for an overlap to be refused, and has one; -1: none. */
function overlapIn(
  bridge: BridgeControl,
  messages: readonly BundleMessage[],
  version: OpenFlowVersion,
): number {
  const flows = messages.filter((message) => message.type === "flow");
  const mods = flows.map(({ mod }) => mod);
  const changes = mods.map((mod) => changeOf(mod, version));
  const at = firstOverlap(bridge.tables, mods, changes);
  return at < 0 ? -1 : messages.indexOf(flows[at]!);
}

/** @returns OpenFlow's error as text. */
function deedOf(message: BundleMessage, draft: Draft): Deed | string {
  const { version } = draft;
  const unread = unreadableMessage(message, version);
  if (unread !== null) return unread;
  switch (message.type) {
    case "flow":
      return missingIn(message.mod.actions, draft) ?? changeOf(message.mod, version);
    case "group":
      return groupDeed(message.mod, draft);
    case "packet-out": {
      const { packetOut } = message;
      const actions = receivedActions(packetOut.actions, version, null);
      return missingIn(packetOut.actions, draft) ?? { ...packetOut, actions };
    }
  }
}

function groupDeed(mod: GroupMod, { groups, version }: Draft): FlowChange | string {
  const old = mod.group === "all" ? null : (groups.get(mod.group) ?? null);
  const change = groupChangeOf(mod, old, version);
  if (typeof change === "string") return change;
  if (change.type === "set-group") groups.set(change.group.id, change.group);
  else if (change.type === "delete-group" && change.group !== null) groups.delete(change.group);
  else groups.clear();
  return change;
}

/** The group or meter that is not there, as OpenFlow's error. */
function missingIn(actions: readonly Action[], draft: Draft): string | null {
  for (const action of actions) {
    if (action.type === "group" && !draft.groups.has(action.group)) return "OFPBAC_BAD_OUT_GROUP";
    if (action.type === "meter" && draft.bridge.meters.get(action.meter) === null) {
      return "OFPMMFC_INVALID_METER";
    }
    const isNested = action.type === "write-actions" || action.type === "clone";
    const error = isNested ? missingIn(action.actions, draft) : null;
    if (error !== null) return error;
  }
  return null;
}
