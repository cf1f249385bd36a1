// What a switch finds wrong with a flow when it reads the message that the flow is sent as, in the
// words of a version of OpenFlow (the decode_* of lib/ofp-actions.c, lib/nx-match.c; Open vSwitch
// 3.1). ovs-ofctl takes such texts and prints "***decode error***". Slow path; any thread.
import { fieldOf } from "../../flow/fields.js";
import { VLAN_PRESENT } from "../../flow/key.js";
import { prerequisiteHolds } from "../../flow/match.js";
import type { Action, Match } from "../../flow/types.js";
import type { Fault } from "../parse-match.js";
import { isWhole, type SetField } from "./format-set-field.js";
import { checkReceivedMatch } from "./received-match.js";
import type { OpenFlowVersion } from "../protocols.js";
import { numberOf } from "../text/scan.js";

/** What is sent. */
interface Sent {
  /** null: of a bucket or a packet-out, whose actions may be for any packet. */
  readonly match: Match | null;
  readonly actions: readonly Action[];
  readonly fault?: Fault | null;
}

/** Why a switch could not read a message: the name of an error, or null. */
export function unreadable(sent: Sent, version: OpenFlowVersion): string | null {
  const { match, actions, fault } = sent;
  const inMatch = match === null ? null : checkReceivedMatch(match, version);
  return fault?.error ?? inMatch ?? unreadableActions(actions, match, version);
}

function unreadableActions(
  actions: readonly Action[],
  match: Match | null,
  version: OpenFlowVersion,
): string | null {
  const broken = firstOf(actions, (action) => brokenAction(action, version));
  if (broken !== null) return broken;
  // 1.0 says goto_table as a resubmit, which must not follow write_metadata.
  const writes = actions.some((action) => action.type === "write-metadata");
  const jumps = actions.some((action) => action.type === "goto-table");
  if (version === 10 && writes && jumps) return "OFPBAC_UNSUPPORTED_ORDER";
  return firstOf(actions, (action) => misfit(action, match, version));
}

function firstOf(
  actions: readonly Action[],
  judge: (action: Action) => string | null,
): string | null {
  for (const action of actions) {
    const error = judge(action);
    if (error !== null) return error;
  }
  return null;
}

/** The actions inside another one that are sent with it. */
function inside(action: Action, version: OpenFlowVersion): readonly Action[] {
  if (action.type === "write-actions") return version === 10 ? [] : action.actions;
  return action.type === "ct" || action.type === "clone" ? action.actions : [];
}

/** What is wrong with an action, whatever flow it is of. */
function brokenAction(action: Action, version: OpenFlowVersion): string | null {
  if (action.type === "set-field" && action.spelling === "set_field") {
    if (version >= 15 && hasStrayBits(action)) return "OFPBMC_BAD_WILDCARDS";
    if (version >= 12 && isIdWithoutTag(action)) return "OFPBAC_BAD_SET_ARGUMENT";
  }
  const inner = firstOf(inside(action, version), (each) => brokenAction(each, version));
  if (inner !== null || action.type !== "ct" || action.commit) return inner;
  // Only a commit may set anything of a connection.
  const isBare = (each: Action): boolean => each.type === "nat" && each.direction === null;
  return action.actions.every(isBare) ? null : "OFPBAC_BAD_ARGUMENT";
}

/** 1.0 has no such actions: it says them as loads, which must fit the match. */
function misfit(action: Action, match: Match | null, version: OpenFlowVersion): string | null {
  if (version !== 10 || match === null) return null;
  const isMod = action.type === "set-field" && action.spelling === "mod";
  const isLoaded = isMod && (action.field === "nw_ttl" || action.field === "nw_ecn");
  if (isLoaded && !prerequisiteHolds(match, "ip")) return "OFPBAC_MATCH_INCONSISTENT";
  return firstOf(inside(action, version), (each) => misfit(each, match, version));
}

/** A VLAN id that says there is no tag. */
function isIdWithoutTag(action: SetField): boolean {
  if (action.field !== "vlan_vid" || !isWhole(action)) return false;
  return (numberOf(action.value) & BigInt(VLAN_PRESENT)) === 0n;
}

/** Bits of the value that the mask does not have. */
function hasStrayBits({ field, value, mask }: SetField): boolean {
  return (
    !fieldOf(field).id.startsWith("dl_vlan") && value.some((word, i) => (word & ~mask[i]!) !== 0)
  );
}
