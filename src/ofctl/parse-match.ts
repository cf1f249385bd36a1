// The match half of a flow: protocol shorthands, field pairs with the VLAN duals, and the removal
// of what cannot mean anything (lib/ofp-flow.c parse_ofp_str__, lib/ofp-match.c
// ofputil_normalize_match; Open vSwitch 3.1). Slow path; any thread.
import {
  FIELDS,
  fieldByName,
  fieldFullMask,
  fieldOf,
  getField,
  isFieldZero,
  setField,
  type Field,
  type FieldId,
} from "../flow/fields.js";
import { NW_FRAG_ANY, NW_FRAG_LATER, VLAN_PRESENT, WORD } from "../flow/key.js";
import { getMatchField, prerequisiteHolds, setMatchField } from "../flow/match.js";
import type { Match } from "../flow/types.js";
import { exactFormats, maskedFormats } from "./text/field-formats.js";
import { formatValue } from "./print/format-value.js";
import { FORMATS } from "./protocols.js";
import { leadingFieldInteger } from "./actions/set-field.js";
import { leadingInteger } from "./text/numbers.js";
import type { PortMap } from "./text/ports.js";
import { FlowTextError, numberOf, onesOf, parseInteger, wordsOf, type Pair } from "./text/scan.js";
import { parseSubField } from "./text/subfield.js";
import { byteWidth, parseValue, type MaskedValue } from "./text/values.js";

/** Shorthand, ethertype, IP protocol (-1: none). */
export const PROTOCOLS: readonly (readonly [string, number, number])[] = [
  ["ip", 0x0800, -1],
  ["ipv4", 0x0800, -1],
  ["ip4", 0x0800, -1],
  ["arp", 0x0806, -1],
  ["icmp", 0x0800, 1],
  ["tcp", 0x0800, 6],
  ["udp", 0x0800, 17],
  ["sctp", 0x0800, 132],
  ["ipv6", 0x86dd, -1],
  ["ip6", 0x86dd, -1],
  ["icmp6", 0x86dd, 58],
  ["tcp6", 0x86dd, 6],
  ["udp6", 0x86dd, 17],
  ["sctp6", 0x86dd, 132],
  ["rarp", 0x8035, -1],
  ["mpls", 0x8847, -1],
  ["mplsm", 0x8848, -1],
];

const PROTOCOL_BY_NAME = new Map(PROTOCOLS.map((row) => [row[0], row]));

/** Fields of Open vSwitch that this switch does not have; the refusal names them. */
const UNSUPPORTED = new RegExp(
  "^(mpls_(label|tc|bos|ttl)|nd_(reserved|options_type)|nsh_(flags|ttl|mdtype|np|spi|si|c[1-4])|" +
    "tun_(src|dst|ipv6_src|ipv6_dst|flags|ttl|tos|gbp_id|gbp_flags|gtpu_(flags|msgtype)|" +
    "erspan_(ver|idx|dir|hwid)|metadata([0-9]|[1-5][0-9]|6[0-3])))$",
);

/** Marks a field as looked at exactly. */
function setExact(match: Match, id: FieldId, value: number): void {
  setMatchField(match, fieldOf(id), wordsOf(BigInt(value), fieldOf(id).words));
}

/**
 * Applies a protocol shorthand.
 * @returns false when `name` is none.
 */
export function applyProtocol(match: Match, name: string): boolean {
  // Every frame is an Ethernet frame here.
  if (name === "eth") return true;
  const row = PROTOCOL_BY_NAME.get(name);
  if (row === undefined) return false;
  setExact(match, "eth_type", row[1]);
  if (row[2] >= 0) setExact(match, "nw_proto", row[2]);
  return true;
}

/** Ports and ICMP types are stored in one place; the names that Open vSwitch lets stand for all. */
function findField(name: string): Field | undefined {
  const field = fieldByName(name);
  return field !== undefined && field.names.includes(name) ? field : undefined;
}

/** dl_vlan, vlan_vid, the priorities and vlan_tci all write one word, each in its own way. */
function setVlan(match: Match, field: Field, parsed: MaskedValue, exactText: boolean): void {
  const tci = fieldOf("vlan_tci");
  const value = parsed.value[0]!;
  const mask = parsed.mask[0]!;
  const oldValue = getField(match.value, tci);
  const oldMask = getField(match.mask, tci);
  const put = (keep: number, newMask: number, newValue: number): void => {
    setField(match.mask, tci, (oldMask & keep) | newMask);
    setField(match.value, tci, (oldValue & keep) | (newValue & newMask));
  };
  switch (field.id) {
    case "dl_vlan":
      if (mask === 0) put(0xe000, 0, 0);
      else put(0xe000, 0x1fff, value | VLAN_PRESENT);
      return;
    case "dl_vlan_pcp":
    case "vlan_pcp":
      if (mask === 0) put(0x1fff, 0, 0);
      else put(0x0fff, 0xf000, (value << 13) | VLAN_PRESENT);
      return;
    case "vlan_vid":
      // A VID that is said exactly but without VLAN_PRESENT is "no tag".
      if (exactText && mask !== 0 && (value & VLAN_PRESENT) === 0) put(0, 0xffff, value);
      else put(0xe000, mask, value);
      return;
    default:
      put(0, mask, value);
  }
}

/** OFP10_VLAN_NONE: `dl_vlan=0xffff` asks for frames without a tag. */
function isNoVlan(field: Field, text: string): boolean {
  return field.id === "dl_vlan" && parseInteger(text) === 0xffffn;
}

/**
 * Applies `field=value` or `field[a..b]=value`.
 * @returns the flow formats (FORMAT bits) that can say it; null when there is no such field.
 */
export function applyField(match: Match, pair: Pair, ports: PortMap): number | null {
  const field = findField(pair.key);
  if (field === undefined) {
    if (pair.key.includes("[")) return applySubField(match, pair);
    if (!UNSUPPORTED.test(pair.key)) return null;
    throw new FlowTextError(`${pair.key}: this field is not supported here`, pair.keyAt);
  }
  if (isNoVlan(field, pair.value)) {
    setExact(match, "vlan_tci", 0);
    return FORMATS.any;
  }
  // A field without a value is one of which no bit matters, if it can be written so.
  const parsed = parseValue(field, pair.value || "0/0", pair.valueAt, ports);
  if (field.id === "packet_type" && parsed.value[0] !== 0) {
    const message = `${pair.key}=${pair.value}: only Ethernet packets, (0,0), are supported here`;
    throw new FlowTextError(message, pair.valueAt);
  }
  const isVlan = field.id.includes("vlan");
  if (isVlan) setVlan(match, field, parsed, !pair.value.includes("/"));
  else setMatchField(match, ...wholeSlot(field, parsed));
  // Even a mask of all 13 bits of a VLAN id is one, for it has not all 16.
  if (field.id === "vlan_vid" && /\/(?!0xffff$|65535$)/i.test(pair.value)) return FORMATS.nxmAndOxm;
  return maskedFormats(field, parsed.mask);
}

/** What ovs-ofctl sends and a switch refuses. */
export interface Fault {
  /** The name of OpenFlow's error. */
  readonly error: string;
  readonly message: string;
  /** Index of the value in the text. */
  readonly at: number;
}

/** A flow label of more than 20 bits, which a match has no room for. */
export function faultOf({ key, value, valueAt }: Pair): Fault | null {
  const number = key === "ipv6_label" ? leadingInteger(value) : null;
  if (number === null || number.value <= 0xfffffn) return null;
  const message = `${value}: value too large for 20-bit field ipv6_label`;
  return { error: "OFPBMC_BAD_VALUE", message, at: valueAt };
}

/** ICMP types and codes lie in the 16-bit place of a port, and are matched on all of it. */
function wholeSlot(field: Field, parsed: MaskedValue): [Field, Uint32Array, Uint32Array] {
  const icmp = field.prerequisite === "icmpv4" || field.prerequisite === "icmpv6";
  if (!icmp) return [field, parsed.value, parsed.mask];
  const slot = fieldOf(field.id.endsWith("_type") ? "tcp_src" : "tcp_dst");
  const exact = parsed.mask[0] !== 0;
  return [slot, parsed.value, exact ? fieldFullMask(slot) : parsed.mask];
}

function applySubField(match: Match, pair: Pair): number {
  const sub = parseSubField(pair.key, pair.keyAt);
  const field = fieldOf(sub.field);
  const found = leadingFieldInteger(pair.value, byteWidth(field));
  if (found === null || found.end !== pair.value.length) {
    const message = `${pair.key}: cannot parse integer value: ${pair.value}`;
    throw new FlowTextError(message, pair.valueAt);
  }
  if (found.value >> BigInt(sub.width) !== 0n) {
    const value = formatValue(field, found.value, null, {});
    const message = `${pair.key}: value ${value} does not fit into ${sub.width} bits`;
    throw new FlowTextError(message, pair.valueAt);
  }
  const shift = BigInt(sub.offset);
  const part = onesOf(sub.width) << shift;
  // Other parts of the field keep what was said of them.
  const old = getMatchField(match, field);
  const mask = wordsOf(numberOf(old.mask) | part, field.words);
  const whole = (numberOf(old.value) & ~part) | (found.value << shift);
  setMatchField(match, field, wordsOf(whole, field.words), mask);
  const isWhole = numberOf(mask) === numberOf(fieldFullMask(field));
  if (isWhole) return exactFormats(field);
  // There is no format that could say it.
  return field.maskable ? maskedFormats(field, mask) : 0;
}

/** Fields whose prerequisite is only "IP or ARP", because the key stores them in one place. */
const SHARED: Readonly<Partial<Record<FieldId, readonly FieldId[]>>> = {
  nw_proto: ["arp_op"],
  ip_src: ["arp_spa"],
  ip_dst: ["arp_tpa"],
  tcp_src: ["udp_src", "sctp_src", "icmp_type", "icmpv6_type"],
  tcp_dst: ["udp_dst", "sctp_dst", "icmp_code", "icmpv6_code"],
  arp_sha: ["nd_sll"],
  arp_tha: ["nd_tll"],
};

/** Fields that stand for a place of the key, each with a prerequisite that can be missing. */
const CHECKED: readonly Field[] = FIELDS.filter(
  (field) =>
    field.prerequisite !== "none" &&
    field.prerequisite !== "ethernet" &&
    // Of a connection's fields the switch says that they do not fit.
    field.prerequisite !== "ct" &&
    !Object.values(SHARED).some((ids) => ids.includes(field.id)) &&
    !["vlan_pcp", "ip_dscp", "nw_ecn"].includes(field.id),
);

function withoutFragments(mask: Uint32Array): Uint32Array {
  const copy = mask.slice();
  copy[WORD.ip]! &= ~(NW_FRAG_ANY | NW_FRAG_LATER);
  return copy;
}

/**
 * Removes what the match says about fields whose prerequisite it does not ask for, as Open vSwitch
 * does silently: `tp_dst=80` without a protocol matches every frame.
 * @returns the fields removed, one for each place in the key.
 */
export function normalizeMatch(match: Match): Field[] {
  const removed: Field[] = [];
  // All 16 bits without VLAN_PRESENT: no tag, whatever id was said.
  const tci = fieldOf("vlan_tci");
  const untagged = (getField(match.value, tci) & VLAN_PRESENT) === 0;
  if (untagged && getField(match.mask, tci) === 0xffff) setField(match.value, tci, 0);
  // Outer layers first: taking nw_proto away takes the ports' prerequisite with it.
  for (const field of CHECKED) {
    if (isFieldZero(match.mask, field)) continue;
    const places = [field.id, ...(SHARED[field.id] ?? [])];
    // That later fragments have no ports is for the switch to find wrong.
    const packet = { value: match.value, mask: withoutFragments(match.mask) };
    if (places.some((id) => prerequisiteHolds(packet, fieldOf(id).prerequisite))) continue;
    const zero = new Uint32Array(field.words);
    // nw_tos names the DSCP bits; its byte holds ECN too, which needs the same.
    const whole = field.id === "nw_tos" ? fieldOf("nw_ecn") : null;
    if (whole !== null) setMatchField(match, whole, zero, zero);
    setMatchField(match, field, zero, zero);
    removed.push(field);
  }
  return removed;
}
