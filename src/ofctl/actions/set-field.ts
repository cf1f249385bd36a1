// The actions that name a field: set_field, load, move, push, pop, check_pkt_larger
// (lib/ofp-actions.c and lib/nx-match.c of Open vSwitch 3.1). Slow path; any thread.
import { fieldByName, fieldOf, type Field } from "../../flow/fields.js";
import type { Action, SubField } from "../../flow/types.js";
import { exactFormats } from "../text/field-formats.js";
import { settableMask } from "../print/format-set-field.js";
import { formatValue } from "../print/format-value.js";
import { leadingBytes, leadingInteger } from "../text/numbers.js";
import { FlowTextError, onesOf, parseInteger, wordsOf, type Pair } from "../text/scan.js";
import { leadingSubField, parseSubField } from "../text/subfield.js";
import { byteWidth, parseRawValue } from "../text/values.js";
import type { ActionContext } from "./context.js";

/** Splits `a->b`, with Open vSwitch's sentences for what is missing. */
function splitArrow(pair: Pair): { left: string; right: string; rightAt: number } {
  const arrow = pair.value.indexOf("->");
  if (arrow < 0) throw new FlowTextError(`${pair.value}: missing \`->'`, pair.valueAt);
  const rightAt = pair.valueAt + arrow + 2;
  const right = pair.value.slice(arrow + 2);
  if (right === "") {
    const message = `${pair.value}: missing field name following \`->'`;
    throw new FlowTextError(message, rightAt);
  }
  return { left: pair.value.slice(0, arrow), right, rightAt };
}

/** `set_field:VALUE[/MASK]->FIELD`. */
export function parseSetField(pair: Pair, context: ActionContext): Action {
  const { left, right, rightAt } = splitArrow(pair);
  const field = fieldByName(right);
  if (field?.names.includes(right) !== true) {
    throw new FlowTextError(`${right} is not a valid OXM field name`, rightAt);
  }
  if (!field.writable) throw new FlowTextError(`${right} is read-only`, rightAt);
  if (field.id === "dl_vlan" || field.id === "dl_vlan_pcp") {
    // Open vSwitch 3.1 takes these and sends something else; mod_* says what is meant.
    const better = field.id === "dl_vlan" ? "mod_vlan_vid" : "mod_vlan_pcp";
    throw new FlowTextError(`${field.id} cannot be set with set_field: use ${better}`, rightAt);
  }
  if (left === "") {
    throw new FlowTextError(`: bad syntax for ${field.id} value`, pair.valueAt);
  }
  checkSettable(field, left, pair.valueAt);
  const { value, mask } = parseRawValue(field, left, pair.valueAt, context.ports);
  context.formats &= exactFormats(field);
  const own = field.id === "arp_op" ? wordsOf(settableMask(field), field.words) : mask;
  return { type: "set-field", field: field.id, value, mask: own, spelling: "set_field" };
}

/** The largest values of fields whose bits fill no bytes, or that have less than they say. */
const SETTABLE_MAX: Partial<Record<Field["id"], number>> = {
  ...{ nw_ecn: 3, ip_dscp: 63, vlan_pcp: 7, arp_op: 255, ipv6_label: 0xfffff },
};

/** Values that the field can be matched against but not set to. */
function checkSettable(field: Field, text: string, at: number): void {
  const limit = SETTABLE_MAX[field.id];
  const number = parseInteger(text.split("/")[0]!);
  const tooLarge = limit !== undefined && number !== null && number > BigInt(limit);
  const isOddTos = field.id === "nw_tos" && number !== null && (number & 3n) !== 0n;
  const isPriority = field.id === "vlan_vid" && number !== null && (number & 0xe000n) !== 0n;
  if (tooLarge || isOddTos || isPriority) {
    throw new FlowTextError(`${text} is not a valid value for field ${field.id}`, at);
  }
}

/** The number that a text begins with, if the bytes of a field can hold it. */
export function leadingFieldInteger(
  text: string,
  bytes: number,
): { value: bigint; end: number } | null {
  const found = leadingBytes(text, bytes);
  return found === "too large" ? null : found;
}

/** `load:VALUE->FIELD[a..b]`. What stands between the number and the arrow is not looked at. */
export function parseLoad(pair: Pair): Action {
  const { left, right, rightAt } = splitArrow(pair);
  const target = parseSubField(right, rightAt);
  const field = fieldOf(target.field);
  const number = leadingFieldInteger(left, byteWidth(field))?.value ?? null;
  if (number === null) {
    throw new FlowTextError(`${pair.value}: cannot parse integer value`, pair.valueAt);
  }
  if (number >> BigInt(target.width) !== 0n) {
    const value = formatValue(field, number, null, {});
    const fits = `value ${value} does not fit into ${target.width} bits`;
    throw new FlowTextError(`${pair.value}: ${fits}`, pair.valueAt);
  }
  return loadInto(target, number, rightAt, right);
}

/** A load of a constant into a sub-field. */
function loadInto(target: SubField, number: bigint, at: number, text: string): Action {
  const field = fieldOf(target.field);
  const shift = BigInt(target.offset);
  // The low two bits of nw_tos belong to nw_ecn and stay as they are.
  const mask = (onesOf(target.width) << shift) & settableMask(field);
  if (mask === 0n) throw new FlowTextError(`${text}: these bits cannot be set`, at);
  return {
    type: "set-field",
    field: field.id,
    value: wordsOf((number << shift) & mask, field.words),
    mask: wordsOf(mask, field.words),
    spelling: "load",
  };
}

/** `FIELD[a..b]->FIELD[c..d]`: the two sides of a move. */
export function parseMoveParts(text: string, at: number): { source: SubField; target: SubField } {
  const { sub: source, end } = leadingSubField(text, at);
  if (!text.startsWith("->", end)) {
    throw new FlowTextError(`${text}: missing \`->' following source`, at);
  }
  const target = parseSubField(text.slice(end + 2), at + end + 2);
  if (source.width !== target.width) {
    const widths =
      `source field is ${source.width} bits wide ` + `but destination is ${target.width} bits wide`;
    throw new FlowTextError(`${text}: ${widths}`, at);
  }
  return { source, target };
}

/** `move:FIELD[a..b]->FIELD[c..d]`. */
export function parseMove(pair: Pair): Action {
  return { type: "move", ...parseMoveParts(pair.value, pair.valueAt) };
}

function parseStackField(pair: Pair): SubField {
  const { sub, end } = leadingSubField(pair.value, pair.valueAt);
  const rest = pair.value.slice(end);
  if (rest === "") return sub;
  const message = `${rest}: trailing garbage following push or pop`;
  throw new FlowTextError(message, pair.valueAt + end);
}

export function parsePush(pair: Pair): Action {
  return { type: "push", source: parseStackField(pair) };
}

export function parsePop(pair: Pair): Action {
  return { type: "pop", target: parseStackField(pair) };
}

/** `check_pkt_larger(LENGTH)->FIELD[b]`. */
export function parseCheckPacketLarger(pair: Pair): Action {
  const { left, right, rightAt } = splitArrow(pair);
  const target = parseSubField(right, rightAt);
  if (target.width !== 1) {
    throw new FlowTextError("Only 1-bit destination field is allowed", rightAt);
  }
  const text = left.endsWith(")") ? left.slice(0, -1) : left;
  const length = leadingInteger(text);
  if (length === null || length.end !== text.length || length.value > 0xffffn) {
    // Open vSwitch names nothing here, and prints C's null pointer.
    throw new FlowTextError(`invalid (null) "${text}"`, pair.valueAt);
  }
  return { type: "check-packet-larger", bytes: Number(length.value), target };
}
