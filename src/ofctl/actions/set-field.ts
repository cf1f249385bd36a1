// The actions that write fields: set_field, load, move and mod_* (lib/ofp-actions.c and
// lib/nx-match.c of Open vSwitch 3.1). Slow path; any thread.
import {
  fieldByName,
  fieldFullMask,
  fieldOf,
  type Field,
  type FieldId,
} from "../../flow/fields.js";
import type { Action, SubField } from "../../flow/types.js";
import { parseIpv4, parseMac } from "../text/addresses.js";
import type { PortMap } from "../text/ports.js";
import {
  FlowTextError,
  numberOf,
  onesOf,
  parseInteger,
  parseUnsigned,
  wordsOf,
  type Pair,
} from "../text/scan.js";
import { parseSubField } from "../text/subfield.js";
import { parseValue } from "../text/values.js";

/** Refuses fields that no action, or none outside of `ct(exec(...))`, may write. */
function checkWritable(field: Field, at: number): void {
  if (field.id === "ct_mark" || field.id === "ct_label") {
    throw new FlowTextError("cannot set CT fields outside of ct action", at);
  }
  if (!field.writable) throw new FlowTextError(`${field.id} is read-only`, at);
}

/** Splits `a->b`, with Open vSwitch's sentences for what is missing. */
function splitArrow(pair: Pair, missing: string): { left: string; right: string; rightAt: number } {
  const arrow = pair.value.indexOf("->");
  if (arrow < 0) throw new FlowTextError(`${pair.value}: missing \`->'${missing}`, pair.valueAt);
  return {
    left: pair.value.slice(0, arrow),
    right: pair.value.slice(arrow + 2),
    rightAt: pair.valueAt + arrow + 2,
  };
}

/** `set_field:VALUE[/MASK]->FIELD`. */
export function parseSetField(pair: Pair, ports: PortMap): Action {
  const { left, right, rightAt } = splitArrow(pair, "");
  if (right === "") {
    const message = `${pair.value}: missing field name following \`->'`;
    throw new FlowTextError(message, rightAt);
  }
  const field = fieldByName(right);
  const isNamed =
    field?.names.includes(right) === true || field?.wireNames.includes(right) === true;
  if (field === undefined || !isNamed) {
    throw new FlowTextError(`${right} is not a valid OXM field name`, rightAt);
  }
  checkWritable(field, rightAt);
  if (field.id === "dl_vlan" || field.id === "dl_vlan_pcp") {
    // Open vSwitch 3.1 takes these and sends something else; mod_* says what is meant.
    const better = field.id === "dl_vlan" ? "mod_vlan_vid" : "mod_vlan_pcp";
    throw new FlowTextError(`${field.id} cannot be set with set_field: use ${better}`, rightAt);
  }
  if (left === "") {
    throw new FlowTextError(`: bad syntax for ${field.id} value`, pair.valueAt);
  }
  const { value, mask } = parseValue(field, left, pair.valueAt, ports);
  if (mask.every((word) => word === 0)) {
    throw new FlowTextError(`${left}: sets no bit of ${field.id}`, pair.valueAt);
  }
  checkSettable(field, value, left, pair.valueAt);
  return { type: "set-field", field: field.id, value, mask, spelling: "set_field" };
}

/** Values that the field can be matched against but not set to. */
function checkSettable(field: Field, value: Uint32Array, text: string, at: number): void {
  const limits: Partial<Record<Field["id"], number>> = { nw_ecn: 3, ip_dscp: 63, vlan_pcp: 7 };
  const limit = limits[field.id];
  const number = parseInteger(text);
  const tooLarge = limit !== undefined && number !== null && number > BigInt(limit);
  const isOddTos = field.id === "nw_tos" && number !== null && (number & 3n) !== 0n;
  const isUntagged = field.id === "vlan_vid" && (value[0]! & 0x1000) === 0 && !text.includes("/");
  if (tooLarge || isOddTos || isUntagged) {
    throw new FlowTextError(`${text} is not a valid value for field ${field.id}`, at);
  }
}

/** `load:VALUE->FIELD[a..b]`. */
export function parseLoad(pair: Pair): Action {
  const { left, right, rightAt } = splitArrow(pair, "");
  const number = left.startsWith("-") ? null : parseInteger(left);
  if (number === null) {
    throw new FlowTextError(`${pair.value}: cannot parse integer value`, pair.valueAt);
  }
  const target = parseSubField(right, rightAt);
  const field = fieldOf(target.field);
  checkWritable(field, rightAt);
  if (number >> BigInt(target.width) !== 0n) {
    const fits = `value 0x${number.toString(16)} does not fit into ${target.width} bits`;
    throw new FlowTextError(`${pair.value}: ${fits}`, pair.valueAt);
  }
  const shift = BigInt(target.offset);
  // The low two bits of nw_tos belong to nw_ecn and stay as they are; arp_op has 8 bits that count.
  const full = numberOf(fieldFullMask(field));
  const mask = (onesOf(target.width) << shift) & full;
  if (mask === 0n) throw new FlowTextError(`${right}: these bits cannot be set`, rightAt);
  return {
    type: "set-field",
    field: field.id,
    value: wordsOf((number << shift) & mask, field.words),
    mask: wordsOf(mask, field.words),
    spelling: "load",
  };
}

/** `move:FIELD[a..b]->FIELD[c..d]`. */
export function parseMove(pair: Pair): Action {
  const arrow = pair.value.indexOf("->");
  if (arrow < 0) {
    // The source is read first; its own mistakes come first too.
    parseSubField(pair.value, pair.valueAt);
    throw new FlowTextError(`${pair.value}: missing \`->' following source`, pair.valueAt);
  }
  const { left, right, rightAt } = splitArrow(pair, "");
  const source: SubField = parseSubField(left, pair.valueAt, pair.value);
  const target: SubField = parseSubField(right, rightAt);
  if (source.width !== target.width) {
    const widths =
      `source field is ${source.width} bits wide ` + `but destination is ${target.width} bits wide`;
    throw new FlowTextError(`${pair.value}: ${widths}`, pair.valueAt);
  }
  checkWritable(fieldOf(target.field), rightAt);
  return { type: "move", source, target };
}

/** A number with Open vSwitch's sentence `invalid WHAT "TEXT"`. */
export function numberArgument(pair: Pair, what: string, max: number): number {
  const value = parseUnsigned(pair.value, max);
  if (value === null) throw new FlowTextError(`invalid ${what} "${pair.value}"`, pair.valueAt);
  return value;
}

function setField(id: FieldId, value: bigint): Action {
  const field = fieldOf(id);
  const words = wordsOf(value, field.words);
  return {
    type: "set-field",
    field: id,
    value: words,
    mask: fieldFullMask(field),
    spelling: "mod",
  };
}

/** The `mod_*` actions: what they set, what Open vSwitch calls the value, and its limits. */
const MODS: Readonly<
  Record<string, { field: FieldId; what: string; max: number; limit: (n: number) => string | null }>
> = {
  mod_vlan_vid: {
    field: "dl_vlan",
    what: "VLAN VID",
    max: 0xffff,
    limit: (n) => (n > 0xfff ? "not a valid VLAN VID" : null),
  },
  mod_vlan_pcp: {
    field: "dl_vlan_pcp",
    what: "VLAN PCP",
    max: 0xff,
    limit: (n) => (n > 7 ? "not a valid VLAN PCP" : null),
  },
  mod_nw_tos: {
    field: "nw_tos",
    what: "TOS",
    max: 0xff,
    limit: (n) => ((n & 3) !== 0 ? "not a valid TOS" : null),
  },
  mod_nw_ecn: {
    field: "nw_ecn",
    what: "ECN",
    max: 0xff,
    limit: (n) => (n > 3 ? "not a valid ECN" : null),
  },
  mod_nw_ttl: { field: "nw_ttl", what: "TTL", max: 0xff, limit: () => null },
  mod_tp_src: { field: "tcp_src", what: "source port", max: 0xffff, limit: () => null },
  mod_tp_dst: { field: "tcp_dst", what: "destination port", max: 0xffff, limit: () => null },
};

/** A `mod_*` action, or null when `name` is none. */
export function parseMod(pair: Pair, name: string): Action | null {
  const mod = Object.hasOwn(MODS, name) ? MODS[name] : undefined;
  if (mod !== undefined) {
    const value = numberArgument(pair, mod.what, mod.max);
    const refusal = mod.limit(value);
    if (refusal !== null) throw new FlowTextError(`${pair.value}: ${refusal}`, pair.valueAt);
    return setField(mod.field, BigInt(value));
  }
  if (name === "mod_dl_src" || name === "mod_dl_dst") {
    const mac = parseMac(pair.value);
    if (mac === null) throw new FlowTextError(`invalid mac address ${pair.value}`, pair.valueAt);
    return setField(name === "mod_dl_src" ? "eth_src" : "eth_dst", mac);
  }
  if (name === "mod_nw_src" || name === "mod_nw_dst") {
    const address = parseIpv4(pair.value);
    if (address === null) {
      throw new FlowTextError(`${pair.value}: could not convert to IP address`, pair.valueAt);
    }
    return setField(name === "mod_nw_src" ? "ip_src" : "ip_dst", address);
  }
  return null;
}
