// The matches of a fixed length of OpenFlow 1.0 and 1.1, encoded (lib/ofp-match.c
// ofputil_match_to_ofp10_match, ofputil_match_to_ofp11_match of Open vSwitch 3.1). They have no
// words for most fields; what is sent so was found to fit before. Any thread.
import { fieldOf, type FieldId, getField, isFieldZero } from "../../flow/fields.js";
import { VLAN_PRESENT } from "../../flow/key.js";
import { getMatchField } from "../../flow/match.js";
import type { Match } from "../../flow/types.js";
import { numberOf, onesOf } from "../text/scan.js";
import type { ByteWriter } from "./bytes.js";
import { port32 } from "./oxm-match.js";

const VLAN_NONE = 0xffff;
const VLAN_ANY = 0xfffe;
const DSCP = 0xfc;

/** Bits of the wildcards of both versions that say that a field is not matched. */
const IN_PORT = 1;
const VLAN = 2;
const WILD10 = { src: 4, dst: 8, type: 16, proto: 32, from: 64, to: 128 } as const;
const WILD10_PCP = 1 << 20;
const WILD10_TOS = 1 << 21;
const ADDRESS_SHIFTS = { ip_src: 8, ip_dst: 14 } as const;
const WILD11 = { pcp: 4, type: 8, tos: 16, proto: 32, from: 64, to: 128, mpls: 0x300 } as const;
const OLD_LENGTH = 88;

interface Tag {
  /** null: any. */
  readonly vlan: number | null;
  readonly priority: number | null;
  readonly isAbsent: boolean;
  readonly isFree: boolean;
}

function tagOf(match: Match): Tag {
  const tci = fieldOf("vlan_tci");
  const [value, mask] = [getField(match.value, tci), getField(match.mask, tci)];
  return {
    vlan: (mask & 0x0fff) === 0 ? null : value & 0x0fff,
    priority: (mask & 0xe000) === 0 ? null : value >> 13,
    isAbsent: (mask & VLAN_PRESENT) !== 0 && (value & VLAN_PRESENT) === 0,
    isFree: mask === 0,
  };
}

const isAny = (match: Match, id: FieldId): boolean => isFieldZero(match.mask, fieldOf(id));
const valueOf = (match: Match, id: FieldId): number => getField(match.value, fieldOf(id));

/** Low bits of an address that are not matched. */
function freeBits(match: Match, id: "ip_src" | "ip_dst"): number {
  const mask = getField(match.mask, fieldOf(id));
  let bits = 0;
  while (bits < 32 && (mask & (1 << bits)) === 0) bits++;
  return bits;
}

function wide(out: ByteWriter, match: Match, id: FieldId, bytes: number): void {
  out.wide(numberOf(getMatchField(match, fieldOf(id)).value), bytes);
}

function wideAndFree(out: ByteWriter, match: Match, id: FieldId, bytes: number): void {
  wide(out, match, id, bytes);
  const { mask } = getMatchField(match, fieldOf(id));
  out.wide(numberOf(mask) ^ onesOf(8 * bytes), bytes);
}

/** Appends the 40 bytes of OpenFlow 1.0. */
export function encodeMatch10(out: ByteWriter, match: Match): void {
  const tag = tagOf(match);
  const when = (isSet: boolean, bit: number): number => (isSet ? bit : 0);
  const wildcards =
    when(isAny(match, "in_port"), IN_PORT) |
    when(tag.isFree || (!tag.isAbsent && tag.vlan === null), VLAN) |
    when(tag.isFree || (!tag.isAbsent && tag.priority === null), WILD10_PCP) |
    when(isAny(match, "eth_src"), WILD10.src) |
    when(isAny(match, "eth_dst"), WILD10.dst) |
    when(isAny(match, "eth_type"), WILD10.type) |
    when(isAny(match, "nw_proto"), WILD10.proto) |
    when(isAny(match, "tcp_src"), WILD10.from) |
    when(isAny(match, "tcp_dst"), WILD10.to) |
    when((getField(match.mask, fieldOf("nw_tos")) & DSCP) === 0, WILD10_TOS) |
    (freeBits(match, "ip_src") << ADDRESS_SHIFTS.ip_src) |
    (freeBits(match, "ip_dst") << ADDRESS_SHIFTS.ip_dst);
  out.number(wildcards, 4);
  out.number(valueOf(match, "in_port"), 2);
  wide(out, match, "eth_src", 6);
  wide(out, match, "eth_dst", 6);
  out.number(tag.isAbsent ? VLAN_NONE : (tag.vlan ?? 0), 2);
  out.number(tag.isAbsent ? 0 : (tag.priority ?? 0), 1);
  out.zeros(1);
  out.number(valueOf(match, "eth_type"), 2);
  out.number(valueOf(match, "nw_tos") & DSCP, 1);
  out.number(valueOf(match, "nw_proto"), 1);
  out.zeros(2);
  for (const id of ["ip_src", "ip_dst"] as const) out.number(valueOf(match, id), 4);
  for (const id of ["tcp_src", "tcp_dst"] as const) out.number(valueOf(match, id), 2);
}

/** Appends the 88 bytes of OpenFlow 1.1. */
export function encodeMatch11(out: ByteWriter, match: Match): void {
  const tag = tagOf(match);
  const when = (isSet: boolean, bit: number): number => (isSet ? bit : 0);
  const hasTos = (getField(match.mask, fieldOf("nw_tos")) & DSCP) !== 0;
  const wildcards =
    when(isAny(match, "in_port"), IN_PORT) |
    when(tag.isFree, VLAN) |
    when(tag.isAbsent || tag.priority === null, WILD11.pcp) |
    when(isAny(match, "eth_type"), WILD11.type) |
    when(!hasTos, WILD11.tos) |
    when(isAny(match, "nw_proto"), WILD11.proto) |
    when(isAny(match, "tcp_src"), WILD11.from) |
    when(isAny(match, "tcp_dst"), WILD11.to) |
    WILD11.mpls;
  out.number(0, 2);
  out.number(OLD_LENGTH, 2);
  out.wide(isAny(match, "in_port") ? 0n : port32(valueOf(match, "in_port")), 4);
  out.number(wildcards, 4);
  wideAndFree(out, match, "eth_src", 6);
  wideAndFree(out, match, "eth_dst", 6);
  out.number(tag.isAbsent ? VLAN_NONE : tag.isFree ? 0 : (tag.vlan ?? VLAN_ANY), 2);
  out.number(tag.isAbsent ? 0 : (tag.priority ?? 0), 1);
  out.zeros(1);
  out.number(valueOf(match, "eth_type"), 2);
  out.number(hasTos ? valueOf(match, "nw_tos") & DSCP : 0, 1);
  out.number(valueOf(match, "nw_proto"), 1);
  wideAndFree(out, match, "ip_src", 4);
  wideAndFree(out, match, "ip_dst", 4);
  for (const id of ["tcp_src", "tcp_dst"] as const) out.number(valueOf(match, id), 2);
  // MPLS, which this switch does not match.
  out.zeros(8);
  wideAndFree(out, match, "metadata", 8);
}
