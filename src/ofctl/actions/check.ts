// Whether actions fit the match of their flow (lib/ofp-actions.c ofpacts_check, and what decoding
// them refuses; lib/learn.c learn_check; Open vSwitch 3.1). Slow path; any thread.
//
// Under OpenFlow 1.0 an action for a protocol that the flow does not match is a no-op; later
// versions refuse it. So some misfits only take flow formats away. What the switch would refuse on
// receipt is refused here, in the same words.
import { fieldOf, getField, type FieldId, type Prerequisite } from "../../flow/fields.js";
import { VLAN_PRESENT } from "../../flow/key.js";
import { cloneMatch, newMatch, prerequisiteHolds, setMatchField } from "../../flow/match.js";
import { OFPP, type Action, type Conntrack, type Learn, type Match } from "../../flow/types.js";
import type { SubField } from "../../flow/types.js";
import { FORMATS } from "../protocols.js";
import { isOutputPort } from "../text/ports.js";
import { FlowTextError, numberOf, onesOf, wordsOf } from "../text/scan.js";
import type { PlacedAction } from "./verify.js";

/** Meters have numbers from 1 to this (OFPM13_MAX). */
const METER_MAX = 0xffff0000;
/** What ovs-ofctl lets goto_table name; the switch has flows in tables 0 to 253. */
const TABLES = 256;
/** `ct_state` bits. */
const CS_INVALID = 0x10;

/** What is known of the packet between two actions; no match: nothing, and everything fits. */
interface State {
  readonly match: Match | null;
  /** Whether there is an outer and an inner VLAN tag. */
  tags: [boolean, boolean];
  formats: number;
}

/** An action that does not fit the match of its flow. */
export class UnfitAction extends FlowTextError {
  /** The name of OpenFlow's error. */
  readonly code: string;

  constructor(code: string, at: number) {
    super(`actions are invalid with specified match (${code})`, at);
    this.code = code;
  }
}

function fail(code: string): never {
  throw new UnfitAction(code, 0);
}

function satisfied(match: Match | null, prerequisite: Prerequisite): boolean {
  return match === null || prerequisiteHolds(match, prerequisite);
}

const holds = (state: State, id: FieldId): boolean =>
  satisfied(state.match, fieldOf(id).prerequisite);

function checkSource(match: Match | null, { field }: SubField): void {
  if (!satisfied(match, fieldOf(field).prerequisite)) fail("OFPBAC_MATCH_INCONSISTENT");
}

function checkTarget(match: Match | null, sub: SubField): void {
  checkSource(match, sub);
  if (!fieldOf(sub.field).writable) fail("OFPBAC_BAD_SET_ARGUMENT");
}

function setTags(state: State, tags: [boolean, boolean]): void {
  if (state.match === null) return;
  state.tags = tags;
  const present = Uint32Array.of(VLAN_PRESENT);
  const value = tags[0] ? present : Uint32Array.of(0);
  setMatchField(state.match, fieldOf("vlan_tci"), value, present);
}

/** Only OpenFlow 1.0 takes an action that does not fit. */
function requireFit(state: State, fits: boolean): void {
  if (!fits) state.formats &= FORMATS.openFlow10;
}

type SetField = Extract<Action, { type: "set-field" }>;

function checkMod(action: SetField, state: State): void {
  switch (action.field) {
    case "dl_vlan":
    case "dl_vlan_pcp":
      return setTags(state, [true, state.tags[1]]);
    case "vlan_vid":
    case "vlan_pcp":
      requireFit(state, state.tags[0] || state.match === null);
      return setTags(state, [true, state.tags[1]]);
    case "tcp_src":
    case "tcp_dst":
      return requireFit(state, holds(state, "tcp_src") || hasPorts(state));
    default:
      return requireFit(state, holds(state, action.field));
  }
}

const hasPorts = (state: State): boolean => holds(state, "udp_src") || holds(state, "sctp_src");

function checkSetField(action: SetField, state: State): void {
  if (action.spelling === "mod" || action.spelling === "set_tunnel64") {
    return checkMod(action, state);
  }
  const field = fieldOf(action.field);
  if (!field.writable) fail("OFPBAC_BAD_SET_ARGUMENT");
  const needsTag = field.id === "vlan_vid" || field.id === "vlan_pcp";
  const lacksTag = needsTag && !state.tags[0] && state.match !== null;
  if (!holds(state, field.id) || lacksTag) fail("OFPBAC_MATCH_INCONSISTENT");
  if (field.id === "vlan_tci") {
    setTags(state, [(action.value[0]! & VLAN_PRESENT) !== 0, state.tags[1]]);
  }
}

/** What a learned flow matches must satisfy the prerequisites of what it matches later. */
function checkLearn(learn: Learn, match: Match | null): void {
  const learned = newMatch();
  for (const part of learn.parts) {
    if (part.type === "output") {
      checkSource(match, part.source);
      continue;
    }
    if (part.from.type === "field") checkSource(match, part.from.source);
    if (part.type === "load") {
      checkTarget(learned, part.target);
      continue;
    }
    checkSource(learned, part.target);
    if (part.from.type !== "value") continue;
    const field = fieldOf(part.target.field);
    const shift = BigInt(part.target.offset);
    const ones = onesOf(part.target.width) << shift;
    const value = (numberOf(part.from.value) << shift) & ones;
    setMatchField(
      learned,
      field,
      wordsOf(value, field.words),
      wordsOf(ones & onesOf(field.stored), field.words),
    );
  }
}

const protocolOf = (match: Match): number => getField(match.value, fieldOf("nw_proto"));

/** Whether a flow may send its packets through a ct action. */
function fitsConntrack(ct: Conntrack, match: Match): boolean {
  const isInvalid = (getField(match.value, fieldOf("ct_state")) & CS_INVALID) !== 0;
  const protocol = protocolOf(match);
  if (!prerequisiteHolds(match, "ip") || (isInvalid && ct.commit)) return false;
  return (ct.alg !== 21 || protocol === 6) && (ct.alg !== 69 || protocol === 17);
}

function checkConntrack(ct: Conntrack, state: State): void {
  const { match } = state;
  if (match !== null && !fitsConntrack(ct, match)) fail("OFPBAC_MATCH_INCONSISTENT");
  if (typeof ct.zone !== "number") {
    checkSource(match, ct.zone);
    if (ct.zone.width !== 16) fail("OFPBAC_BAD_SET_LEN");
  }
  checkNested(ct.actions, state);
}

/** Actions that an action set has a place for (ofpact_is_allowed_in_actions_set). */
const IN_ACTION_SET: ReadonlySet<Action["type"]> = new Set([
  "pop-vlan",
  "push-vlan",
  "dec-ttl",
  "ct",
  "ct-clear",
  "resubmit",
  "output",
  "group",
  "set-field",
  "move",
  "set-queue",
]);

/** A plain packet-in is an output to the controller. */
export function isInActionSet(action: Action): boolean {
  if (action.type !== "controller") return IN_ACTION_SET.has(action.type);
  const { reason, id, userdata, pause, meter } = action;
  const isPlain = reason === "action" && id === 0;
  return isPlain && userdata === undefined && pause !== true && meter === undefined;
}

/** Actions inside another one; what they do to the packet is forgotten afterwards. */
function checkNested(actions: readonly Action[], state: State): void {
  const match = state.match === null ? null : cloneMatch(state.match);
  const inner: State = { match, tags: [...state.tags], formats: ~0 };
  for (const action of actions) checkAction(action, inner, 255);
  state.formats &= inner.formats;
}

/** `table`: the flow's, 255 when it has none. */
function checkAction(action: Action, state: State, table: number): void {
  switch (action.type) {
    case "output":
    case "output-truncated":
      if (!isOutputPort(action.port)) fail("OFPBAC_BAD_OUT_PORT");
      return;
    case "enqueue": {
      const isSpecial = action.port === OFPP.inPort || action.port === OFPP.local;
      if (action.port >= OFPP.max && !isSpecial) fail("OFPBAC_BAD_OUT_PORT");
      return;
    }
    case "output-field":
    case "push":
      return checkSource(state.match, action.source);
    case "pop":
      return checkTarget(state.match, action.target);
    case "check-packet-larger":
      if (!fieldOf(action.target.field).writable) fail("OFPBAC_BAD_SET_ARGUMENT");
      return;
    case "move":
      checkSource(state.match, action.source);
      return checkTarget(state.match, action.target);
    case "set-field":
      return checkSetField(action, state);
    case "push-vlan":
      if (state.tags[1]) fail("OFPBAC_BAD_TAG");
      return setTags(state, [true, state.tags[0]]);
    case "pop-vlan":
      requireFit(state, state.tags[0] || state.match === null);
      return setTags(state, [state.tags[1], false]);
    case "dec-ttl":
      return requireFit(state, satisfied(state.match, "ip"));
    case "fin-timeout":
      return requireFit(state, state.match === null || protocolOf(state.match) === 6);
    case "goto-table":
      if (action.table >= TABLES || (table !== 255 && action.table <= table)) {
        fail("OFPBIC_BAD_TABLE_ID");
      }
      return;
    case "meter":
      if (state.match === null) return;
      if (action.meter === 0 || action.meter > METER_MAX) fail("OFPMMFC_INVALID_METER");
      return;
    case "resubmit":
      if (action.ct === true && !satisfied(state.match, "ct")) {
        fail("OFPBAC_MATCH_INCONSISTENT");
      }
      return;
    case "learn":
      return checkLearn(action, state.match);
    case "clone":
      return checkNested(action.actions, state);
    case "ct":
      return checkConntrack(action, state);
    case "nat": {
      const size = action.range?.first.length;
      const wants = size === undefined ? "ip" : size === 4 ? "ipv4" : "ipv6";
      if (!satisfied(state.match, wants)) fail("OFPBAC_MATCH_INCONSISTENT");
      return;
    }
    case "write-actions": {
      // What a set takes away from the formats does not count: nobody knows where it will run.
      checkNested(action.actions, { ...state });
      if (!action.actions.every(isInActionSet)) fail("OFPBAC_BAD_TYPE");
      return;
    }
    default:
      return;
  }
}

/**
 * Checks a flow's actions against its match, or a bucket's, which has none (null).
 * @param table the flow's table; 255 when there is none, as in a bucket.
 * @returns the flow formats (FORMAT bits) that allow the list.
 * @throws UnfitAction at the action that does not fit.
 */
export function checkActions(
  list: readonly PlacedAction[],
  match: Match | null,
  table: number,
): number {
  const tci = match === null ? 0 : getField(match.value, fieldOf("vlan_tci"));
  const state: State = {
    match: match === null ? null : cloneMatch(match),
    tags: [(tci & VLAN_PRESENT) !== 0, false],
    formats: FORMATS.any,
  };
  for (const { action, at } of list) {
    try {
      checkAction(action, state, table);
    } catch (error) {
      if (error instanceof UnfitAction) throw new UnfitAction(error.code, at);
      throw error;
    }
  }
  return state.formats;
}
