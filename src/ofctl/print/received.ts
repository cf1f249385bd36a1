// What is left of actions when they have come through OpenFlow (lib/ofp-actions.c, the encode_*
// and decode_* of each action; Open vSwitch 3.1). A version without an action sends another that
// does the same, or nothing: 1.0 has no write_actions and no meter, 1.2 says mod_nw_src as
// set_field. `ovs-ofctl add-flow` sends flows this way, and dump-flows gets them this way.
// Slow path; any thread.
import { fieldFullMask, fieldOf, getField, type FieldId } from "../../flow/fields.js";
import { VLAN_PRESENT } from "../../flow/key.js";
import { prerequisiteHolds } from "../../flow/match.js";
import type { Action, Match } from "../../flow/types.js";
import { setWhole } from "../actions/mod.js";
import type { OpenFlowVersion } from "../protocols.js";
import { numberOf, onesOf, wordsOf } from "../text/scan.js";
import { isWhole, loadParts, type SetField } from "./format-set-field.js";

/** What is known of the packet between two actions. */
interface State {
  readonly version: OpenFlowVersion;
  readonly match: Match | null;
  tags: [boolean, boolean];
}

const PUSH: Action = { type: "push-vlan", ethertype: 0x8100 };

/** The fields that mod_tp_src and mod_tp_dst stand for, by the flow's protocol. */
const PORT_FIELDS: readonly (readonly [FieldId, FieldId])[] = [
  ["tcp_src", "tcp_dst"],
  ["udp_src", "udp_dst"],
  ["sctp_src", "sctp_dst"],
];

/** mod_vlan_* and set_vlan_*. */
function receivedVlan(action: SetField, state: State): Action[] {
  const { version } = state;
  const isVid = action.field === "dl_vlan" || action.field === "vlan_vid";
  const pushes = action.field === "dl_vlan" || action.field === "dl_vlan_pcp";
  const number = numberOf(action.value) & (isVid ? 0xfffn : 7n);
  if (version === 10) return [setWhole(isVid ? "dl_vlan" : "dl_vlan_pcp", number)];
  const before = pushes && !state.tags[0] ? [PUSH] : [];
  const value = isVid ? number | BigInt(VLAN_PRESENT) : number;
  const spelling = version === 11 ? "mod" : "set_field";
  return [...before, setWhole(isVid ? "vlan_vid" : "vlan_pcp", value, spelling)];
}

function receivedMod(action: SetField, state: State): Action[] {
  const { version } = state;
  const value = numberOf(action.value);
  switch (action.field) {
    case "dl_vlan":
    case "dl_vlan_pcp":
    case "vlan_vid":
    case "vlan_pcp":
      return receivedVlan(action, state);
    case "nw_tos":
      return version < 12 ? [action] : [setWhole("ip_dscp", value >> 2n, "set_field")];
    case "nw_ttl":
      return version > 10 ? [action] : [{ ...action, spelling: "load" }];
    case "nw_ecn":
      if (version === 11) return [action];
      return [{ ...action, spelling: version === 10 ? "load" : "set_field" }];
    case "tun_id":
      if (version >= 12) return [{ ...action, spelling: "set_field" }];
      return [{ ...action, spelling: value >> 32n === 0n ? action.spelling : "set_tunnel64" }];
    case "tcp_src":
    case "tcp_dst": {
      const side = action.field === "tcp_src" ? 0 : 1;
      const field = PORT_FIELDS.map((pair) => pair[side]).find((id) => fits(id, state.match));
      if (version < 12 || field === undefined) return [action];
      return [setWhole(field, value, "set_field")];
    }
    default:
      return version < 12 ? [action] : [{ ...action, spelling: "set_field" }];
  }
}

function fits(id: FieldId, match: Match | null): boolean {
  return match !== null && prerequisiteHolds(match, fieldOf(id).prerequisite);
}

/** Fields that may be set in part, and that an action of OpenFlow 1.0 sets. */
const OLDER_ACTIONS: readonly FieldId[] = [
  ...(["vlan_tci", "vlan_vid", "eth_src", "eth_dst", "ip_src", "ip_dst"] as const),
  ...(["tcp_src", "tcp_dst", "udp_src", "udp_dst", "sctp_src", "sctp_dst"] as const),
];

/** As loads, each of which the receiver takes for an action of its own. */
function asLoads(action: SetField): Action[] {
  const parts = loadParts(action);
  // A mask of no bits is no load.
  if (parts.length === 0) return [];
  if (parts.length === 1) return [{ ...action, spelling: "load" }];
  const { words } = fieldOf(action.field);
  return parts.map(({ offset, width, value }) => ({
    ...action,
    spelling: "load" as const,
    value: wordsOf(value << BigInt(offset), words),
    mask: wordsOf(onesOf(width) << BigInt(offset), words),
  }));
}

/** set_field for OpenFlow 1.0 and 1.1, which have an action of their own for some fields. */
function receivedLegacy(action: SetField, state: State): Action[] {
  const value = numberOf(action.value);
  if (!isWhole(action)) {
    // The older actions have no masks: Open vSwitch 3.1 sets the whole field.
    const whole = { ...action, mask: fieldFullMask(fieldOf(action.field)) };
    const hasOwn = OLDER_ACTIONS.includes(action.field);
    return hasOwn ? receivedLegacy(whole, state) : asLoads(action);
  }
  switch (action.field) {
    case "vlan_tci": {
      if ((value & BigInt(VLAN_PRESENT)) === 0n) return [{ type: "pop-vlan" }];
      const before = state.version === 11 && !state.tags[0] ? [PUSH] : [];
      const [vid, pcp]: [FieldId, FieldId] =
        state.version === 10 ? ["dl_vlan", "dl_vlan_pcp"] : ["vlan_vid", "vlan_pcp"];
      const present = state.version === 10 ? 0n : BigInt(VLAN_PRESENT);
      const number = (value & 0xfffn) | present;
      return [...before, setWhole(vid, number), setWhole(pcp, value >> 13n)];
    }
    case "vlan_vid":
    case "vlan_pcp":
      return receivedVlan(action, state);
    case "eth_src":
    case "eth_dst":
    case "ip_src":
    case "ip_dst":
    case "nw_tos":
    case "tcp_src":
    case "tcp_dst":
      return [{ ...action, spelling: "mod" }];
    case "ip_dscp":
      return [setWhole("nw_tos", value << 2n)];
    case "nw_ecn":
      return [{ ...action, spelling: state.version === 10 ? "load" : "mod" }];
    case "udp_src":
      return [setWhole("tcp_src", value)];
    case "udp_dst":
      return [setWhole("tcp_dst", value)];
    default:
      return asLoads(action);
  }
}

function receivedSetField(action: SetField, state: State): Action[] {
  const { version } = state;
  if (action.spelling === "mod" || action.spelling === "set_tunnel64") {
    return receivedMod(action, state);
  }
  const isLoad = action.spelling === "load";
  // A field whose bits fill no bytes is not set whole by a load: it comes with its mask.
  const isOdd = fieldOf(action.field).bits % 8 !== 0;
  const isMasked = action.spelling === "masked" || (isLoad && isOdd);
  if (version >= 15) return [{ ...action, spelling: isMasked ? "masked" : "set_field" }];
  if (isLoad || isMasked) return [{ ...action, spelling: "load" }];
  if (version < 12) return receivedLegacy(action, state);
  return isWhole(action) ? [action] : asLoads(action);
}

/** What the actions that follow can count on. */
function follow(action: Action, state: State): void {
  const [outer, inner] = state.tags;
  if (action.type === "push-vlan") state.tags = [true, outer];
  else if (action.type === "pop-vlan") state.tags = [inner, false];
  else if (action.type === "set-field") {
    const isMod = action.spelling === "mod";
    if (isMod && action.field.includes("vlan")) state.tags = [true, inner];
    if (!isMod && action.field === "vlan_tci") {
      state.tags = [(action.value[0]! & VLAN_PRESENT) !== 0, inner];
    }
  }
}

function nested(actions: readonly Action[], state: State): Action[] {
  return receivedList(actions, { ...state, tags: [...state.tags] });
}

function received(action: Action, state: State): Action[] {
  const { version } = state;
  switch (action.type) {
    case "set-field":
      return receivedSetField(action, state);
    case "enqueue":
      if (version === 10) return [action];
      return [
        { type: "set-queue", queue: action.queue },
        { type: "output", port: action.port },
        { type: "pop-queue" },
      ];
    case "push-vlan":
      // 1.0 has no such action: mod_vlan_vid, which has to follow, pushes.
      return version === 10 ? [] : [action];
    case "pop-vlan":
      return [version === 10 ? { type: "pop-vlan" } : { type: "pop-vlan", asPop: true }];
    case "meter":
      return version < 13 ? [] : [action];
    case "clear-actions":
      return version === 10 ? [] : [action];
    case "write-actions": {
      const actions = nested(action.actions, state);
      return version === 10 || actions.length === 0 ? [] : [{ ...action, actions }];
    }
    case "goto-table":
      if (version !== 10) return [action];
      // On the wire, the table 255 of a resubmit is the one that the packet is in.
      return [{ type: "resubmit", port: null, table: action.table === 255 ? null : action.table }];
    case "clone":
    case "ct":
      return [{ ...action, actions: nested(action.actions, state) }];
    default:
      return [action];
  }
}

function receivedList(actions: readonly Action[], state: State): Action[] {
  return actions.flatMap((action) => {
    const result = received(action, state);
    follow(action, state);
    return result;
  });
}

/**
 * The actions that a switch has after they were sent to it, or a client after it asked for them.
 * @param match the flow's; null for a bucket.
 */
export function receivedActions(
  actions: readonly Action[],
  version: OpenFlowVersion,
  match: Match | null,
): Action[] {
  const tci = match === null ? 0 : getField(match.value, fieldOf("vlan_tci"));
  return receivedList(actions, { version, match, tags: [(tci & VLAN_PRESENT) !== 0, false] });
}

/** The first version that has words for an action and those inside it. */
function versionNeeded(action: Action): OpenFlowVersion {
  switch (action.type) {
    case "push-vlan":
    case "write-actions":
    case "clear-actions":
    case "meter":
      return 13;
    case "clone":
    case "ct":
      return leastVersion(action.actions);
    default:
      return 10;
  }
}

/**
 * The version in whose words nothing of a list of actions is lost: 1.0 when that can say it all,
 * else 1.3.
 */
export function leastVersion(actions: readonly Action[]): OpenFlowVersion {
  // 1.0 says goto_table as a resubmit, which must not follow write_metadata.
  const writes = actions.some((action) => action.type === "write-metadata");
  const jumps = actions.some((action) => action.type === "goto-table");
  if (writes && jumps) return 13;
  return actions.some((action) => versionNeeded(action) > 10) ? 13 : 10;
}
