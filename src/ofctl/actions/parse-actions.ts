// The action half of a flow: names and arguments to `Action`s, and the rules on their order
// (lib/ofp-actions.c ofpacts_parse, Open vSwitch 3.1). Slow path; any thread.
import { fieldOf, type FieldId } from "../../flow/fields.js";
import { VLAN_PRESENT } from "../../flow/key.js";
import { cloneMatch, prerequisiteHolds, setMatchField } from "../../flow/match.js";
import { OFPP, type Action, type ControllerReason, type Match } from "../../flow/types.js";
import { isOutputPort, parsePort, parseTable, reservedPort, type PortMap } from "../text/ports.js";
import { FlowTextError, parseUnsigned, scanPairs, type Pair } from "../text/scan.js";
import { numberArgument, parseLoad, parseMod, parseMove, parseSetField } from "./set-field.js";
import { parseSubField } from "../text/subfield.js";

/** What an action may need to know of its flow. */
export interface ActionContext {
  readonly ports: PortMap;
  readonly table: number;
  /** The flow's match, for prerequisites. */
  readonly match: Match;
}

/** The smallest frame that a truncating output may leave (ETH_HLEN). */
const TRUNCATE_MIN = 14;

const REASONS: readonly ControllerReason[] = [
  "no_match",
  "action",
  "invalid_ttl",
  "action_set",
  "group",
  "packet_out",
];

/** Actions of Open vSwitch that this switch does not have yet; refused by name. */
const UNSUPPORTED = new Set(
  (
    "group enqueue set_queue pop_queue learn ct ct_clear nat conjunction multipath bundle " +
    "bundle_load clone exit sample fin_timeout push pop meter write_actions clear_actions " +
    "write_metadata stat_trigger set_tunnel set_tunnel64 push_mpls pop_mpls set_mpls_label " +
    "set_mpls_tc set_mpls_ttl dec_mpls_ttl encap decap dec_nsh_ttl check_pkt_larger " +
    "delete_field ct_next debug_recirc debug_slow"
  ).split(" "),
);

function parseOutput(text: string, at: number, context: ActionContext): Action {
  const unknown = (): FlowTextError => new FlowTextError(`${text}: output to unknown port`, at);
  const port = parsePort(text, context.ports);
  if (port === null) {
    if (text.includes("port=")) return parseTruncated(text, at, context);
    try {
      return { type: "output-field", source: parseSubField(text, at) };
    } catch (error) {
      if (error instanceof FlowTextError) throw unknown();
      throw error;
    }
  }
  return outputTo(port, at);
}

function outputTo(port: number, at: number): Action {
  if (!isOutputPort(port)) {
    const message = "actions are invalid with specified match (OFPBAC_BAD_OUT_PORT)";
    throw new FlowTextError(message, at);
  }
  if (port === OFPP.controller) {
    return { type: "controller", maxBytes: 0xffff, reason: "action", id: 0 };
  }
  return { type: "output", port };
}

/** `output(port=N,max_len=M)`. */
function parseTruncated(text: string, at: number, context: ActionContext): Action {
  const pairs = scanPairs(text, 0, text.length);
  const portPair = pairs.find((pair) => pair.key === "port");
  const lengthPair = pairs.find((pair) => pair.key === "max_len");
  const stranger = pairs.find((pair) => pair.key !== "port" && pair.key !== "max_len");
  if (stranger !== undefined) {
    const message = `invalid key '${stranger.key}' in output_trunc argument`;
    throw new FlowTextError(message, at + stranger.keyAt);
  }
  if (portPair === undefined || lengthPair === undefined) {
    throw new FlowTextError(`${text}: output to unknown port`, at);
  }
  const port = parsePort(portPair.value, context.ports);
  if (port === null || !isOutputPort(port)) {
    const message = `output to unknown truncate port: ${portPair.value}`;
    throw new FlowTextError(message, at + portPair.valueAt);
  }
  const maxBytes = parseUnsigned(lengthPair.value, 0xffffffff);
  if (maxBytes === null || maxBytes < TRUNCATE_MIN) {
    const number = maxBytes === null ? `"${lengthPair.value}"` : String(maxBytes);
    const message = `max_len ${number} is less than the minimum value ${TRUNCATE_MIN}`;
    throw new FlowTextError(message, at + lengthPair.valueAt);
  }
  return { type: "output-truncated", port, maxBytes };
}

function parseController(pair: Pair): Action {
  let [maxBytes, id]: [number, number] = [0xffff, 0];
  let reason: ControllerReason = "action";
  if (pair.value === "") return { type: "controller", maxBytes, reason, id };
  if (/^[0-9]+/.test(pair.value)) {
    maxBytes = numberArgument(pair, "max_len", 0xffff);
    return { type: "controller", maxBytes, reason, id };
  }
  for (const inner of scanPairs(pair.value, 0, pair.value.length)) {
    const placed = { ...inner, valueAt: pair.valueAt + inner.valueAt };
    if (inner.key === "max_len") maxBytes = numberArgument(placed, "max_len", 0xffff);
    else if (inner.key === "id") id = numberArgument(placed, "controller ID", 0xffff);
    else if (inner.key === "reason") {
      const known = REASONS.find((name) => name === inner.value);
      if (known === undefined) {
        throw new FlowTextError(`unknown reason "${inner.value}"`, placed.valueAt);
      }
      reason = known;
    } else if (["userdata", "pause", "meter_id"].includes(inner.key)) {
      const message = `controller: "${inner.key}" is not supported here`;
      throw new FlowTextError(message, pair.valueAt + inner.keyAt);
    } else {
      const message = `unknown key "${inner.key}" parsing controller action`;
      throw new FlowTextError(message, pair.valueAt + inner.keyAt);
    }
  }
  return { type: "controller", maxBytes, reason, id };
}

function parseResubmit(pair: Pair, ports: PortMap): Action {
  const [portText = "", tableText = "", extra] = pair.value.split(",");
  if (extra !== undefined && extra !== "") {
    const message =
      extra === "ct"
        ? "resubmit: the ct form is not supported here"
        : `${extra}: unknown parameter`;
    throw new FlowTextError(message, pair.valueAt + portText.length + tableText.length + 2);
  }
  let port: number | null = null;
  let table: number | null = null;
  if (portText !== "") {
    port = parsePort(portText, ports);
    if (port === null) {
      throw new FlowTextError(`${portText}: resubmit to unknown port`, pair.valueAt);
    }
    if (port === OFPP.inPort) port = null;
  }
  if (tableText !== "") {
    table = parseTable(tableText);
    if (table === null) {
      const at = pair.valueAt + portText.length + 1;
      throw new FlowTextError(`${tableText}: resubmit to unknown table`, at);
    }
    if (table === 255) table = null;
  }
  if (port === null && table === null) {
    const message = 'at least one "in_port" or "table" must be specified on resubmit';
    throw new FlowTextError(message, pair.keyAt);
  }
  return { type: "resubmit", port, table };
}

function parseGotoTable(pair: Pair, table: number): Action {
  const target = parseTable(pair.value);
  if (target === null || target === 255) {
    throw new FlowTextError(`unknown table "${pair.value}"`, pair.valueAt);
  }
  if (target <= table) {
    const message = "actions are invalid with specified match (OFPBIC_BAD_TABLE_ID)";
    throw new FlowTextError(message, pair.valueAt);
  }
  return { type: "goto-table", table: target };
}

function parseNote(pair: Pair): Action {
  const digits: number[] = [];
  for (let i = 0; i < pair.value.length;) {
    if (pair.value[i] === ".") {
      i++;
      continue;
    }
    const two = pair.value.slice(i, i + 2);
    if (!/^[0-9a-fA-F]{2}$/.test(two)) {
      throw new FlowTextError("bad hex digit in `note' argument", pair.valueAt + i);
    }
    digits.push(Number.parseInt(two, 16));
    i += 2;
  }
  return { type: "note", bytes: Uint8Array.from(digits) };
}

function parseDecTtl(pair: Pair): Action {
  if (pair.value === "") return { type: "dec-ttl", controllerIds: [] };
  const controllerIds = pair.value.split(/[\s,]+/).filter((part) => part !== "");
  const ids = controllerIds.map((text) => {
    const id = parseUnsigned(text, 0xffff);
    if (id === null) throw new FlowTextError(`invalid controller ID "${text}"`, pair.valueAt);
    return id;
  });
  return { type: "dec-ttl", controllerIds: ids };
}

function parsePushVlan(pair: Pair): Action {
  const ethertype = numberArgument(pair, "ethertype", 0xffff);
  if (ethertype !== 0x8100 && ethertype !== 0x88a8) {
    throw new FlowTextError(`${pair.value}: not a valid VLAN ethertype`, pair.valueAt);
  }
  return { type: "push-vlan", ethertype };
}

/** One action, or null for `drop`. */
function parseAction(pair: Pair, context: ActionContext): Action | null {
  const name = pair.key.toLowerCase();
  const mod = parseMod(pair, name);
  if (mod !== null) return mod;
  switch (name) {
    case "drop":
      return null;
    case "output":
      return parseOutput(pair.value, pair.valueAt, context);
    case "controller":
      return parseController(pair);
    case "resubmit":
      return parseResubmit(pair, context.ports);
    case "goto_table":
      return parseGotoTable(pair, context.table);
    case "set_field":
      return parseSetField(pair, context.ports);
    case "load":
      return parseLoad(pair);
    case "move":
      return parseMove(pair);
    case "push_vlan":
      return parsePushVlan(pair);
    case "strip_vlan":
    case "pop_vlan":
      return { type: "pop-vlan" };
    case "dec_ttl":
      return parseDecTtl(pair);
    case "note":
      return parseNote(pair);
    case "apply_actions":
      throw new FlowTextError("apply_actions is the default instruction", pair.keyAt);
  }
  if (UNSUPPORTED.has(name)) {
    throw new FlowTextError(`${name}: this action is not supported here yet`, pair.keyAt);
  }
  return parseBarePort(pair, context);
}

/** `3`, `LOCAL`, `eth0`: an output without the word. */
function parseBarePort(pair: Pair, context: ActionContext): Action {
  const unknown = new FlowTextError(`unknown action ${pair.key}`, pair.keyAt);
  const port = parsePort(pair.key, context.ports) ?? reservedPort(pair.key);
  if (port === null) throw unknown;
  return outputTo(port, pair.keyAt);
}

/** True for actions that need more than their name's meaning: fields with prerequisites. */
function unmetField(action: Action, match: Match): boolean {
  const unmet = (id: FieldId): boolean => !prerequisiteHolds(match, fieldOf(id).prerequisite);
  if (action.type === "move") return unmet(action.source.field) || unmet(action.target.field);
  if (action.type === "output-field") return unmet(action.source.field);
  if (action.type !== "set-field") return false;
  if (action.spelling !== "mod") {
    const needsTag = action.field === "vlan_vid" || action.field === "vlan_pcp";
    return needsTag ? !prerequisiteHolds(match, "vlan") : unmet(action.field);
  }
  // These two are no OpenFlow 1.0 actions and are held to the same rule as `load`.
  return (action.field === "nw_ttl" || action.field === "nw_ecn") && unmet(action.field);
}

/** What a match would say after an action, as far as prerequisites of later ones go. */
function applyToMatch(action: Action, match: Match): void {
  const tag = Uint32Array.of(VLAN_PRESENT);
  const tci = fieldOf("vlan_tci");
  if (action.type === "push-vlan") setMatchField(match, tci, tag, tag);
  else if (action.type === "pop-vlan") setMatchField(match, tci, Uint32Array.of(0));
  else if (action.type === "set-field" && action.spelling === "mod") {
    const isVlan = action.field === "dl_vlan" || action.field === "dl_vlan_pcp";
    if (isVlan) setMatchField(match, tci, tag, tag);
  }
}

/** Only these may follow a goto_table or stand beside it as instructions. */
function checkOrder(placed: readonly { action: Action; at: number }[]): void {
  const jump = placed.findIndex(({ action }) => action.type === "goto-table");
  const after = jump < 0 ? undefined : placed[jump + 1];
  if (after === undefined) return;
  const message =
    after.action.type === "goto-table"
      ? "duplicate goto_table instruction not allowed, for OpenFlow 1.1+ compatibility"
      : "invalid instruction ordering: apply_actions must appear before goto_table, " +
        "for OpenFlow 1.1+ compatibility";
  throw new FlowTextError(message, after.at);
}

/**
 * Reads an action list.
 * @param from,end the part of `text` after `actions=`.
 * @returns the actions; none for `drop` and for an empty list.
 * @throws FlowTextError.
 */
export function parseActions(
  text: string,
  from: number,
  end: number,
  context: ActionContext,
): Action[] {
  const placed: { action: Action; at: number }[] = [];
  const match = cloneMatch(context.match);
  const pairs = scanPairs(text, from, end);
  for (const pair of pairs) {
    const action = parseAction(pair, context);
    if (action === null) {
      if (pairs.length === 1) return [];
      const message = '"drop" must not be accompanied by any other action or instruction';
      throw new FlowTextError(message, pair.keyAt);
    }
    if (unmetField(action, match)) {
      const message = "actions are invalid with specified match (OFPBAC_MATCH_INCONSISTENT)";
      throw new FlowTextError(message, pair.keyAt);
    }
    applyToMatch(action, match);
    placed.push({ action, at: pair.keyAt });
  }
  checkOrder(placed);
  return placed.map(({ action }) => action);
}
