// The field registry: every match field by name, with its place in the key. One table, read by the
// parser, the printer, the classifier and the actions. Any thread; no Node API.
// Names, widths and prerequisites are those of Open vSwitch 3.1 (include/openvswitch/meta-flow.h).
import { WORD } from "./key.js";

/** What must hold before a field means anything (OVS MFP_*). */
export type Prerequisite =
  | "none"
  | "ethernet"
  | "vlan"
  | "ipv4"
  | "ipv6"
  | "ip"
  | "arp"
  | "tcp"
  | "udp"
  | "sctp"
  | "icmpv4"
  | "icmpv6"
  | "nd-solicit"
  | "nd-advert"
  | "nd"
  | "ct";

/** How a value is written (OVS MFS_*). */
export type FieldFormat =
  | "decimal"
  | "hexadecimal"
  | "ethernet"
  | "ipv4"
  | "ipv6"
  | "frag"
  | "port"
  | "ct-state"
  | "tcp-flags"
  | "packet-type";

type Row = readonly [
  /** The id, and the name in ofctl text. */
  id: string,
  /** Other names in ofctl text, space-separated. */
  aliases: string,
  /** NXM and OXM names, space-separated, the one that OVS prints first; "" if it has none. */
  wireNames: string,
  /** Place: first word, lowest bit counted from the last bit of the last word, bits stored. */
  word: number,
  low: number,
  stored: number,
  /** Width in sub-field arithmetic, where it is not the number of bits stored; else 0. */
  bits: number,
  format: FieldFormat,
  prerequisite: Prerequisite,
  /** m: any mask allowed; w: writable by actions. */
  flags: "" | "m" | "w" | "mw",
];

const W = WORD;

// prettier-ignore
const ROWS = [
  ["dp_hash", "", "NXM_NX_DP_HASH", W.dpHash, 0, 32, 0, "hexadecimal", "none", "m"],
  ["recirc_id", "", "NXM_NX_RECIRC_ID", W.recircId, 0, 32, 0, "decimal", "none", ""],
  ["packet_type", "", "OXM_OF_PACKET_TYPE", W.packetType, 0, 32, 0, "packet-type", "none", ""],
  ["conj_id", "", "NXM_NX_CONJ_ID", W.conjId, 0, 32, 0, "decimal", "none", ""],
  ["tun_id", "tunnel_id", "NXM_NX_TUN_ID OXM_OF_TUNNEL_ID", W.tunId, 0, 64, 0, "hexadecimal",
    "none", "mw"],
  ["metadata", "", "OXM_OF_METADATA", W.metadata, 0, 64, 0, "hexadecimal", "none", "mw"],
  ["in_port", "", "NXM_OF_IN_PORT", W.inPort, 0, 16, 0, "port", "none", "w"],
  ["skb_priority", "", "", W.skbPriority, 0, 32, 0, "hexadecimal", "none", ""],
  ["pkt_mark", "", "NXM_NX_PKT_MARK", W.pktMark, 0, 32, 0, "hexadecimal", "none", "mw"],
  ["actset_output", "", "ONFOXM_ET_ACTSET_OUTPUT OXM_OF_ACTSET_OUTPUT", W.actsetOutput, 0, 32, 0,
    "port", "none", ""],
  ["ct_state", "", "NXM_NX_CT_STATE", W.ctState, 0, 32, 0, "ct-state", "none", "m"],
  ["ct_zone", "", "NXM_NX_CT_ZONE", W.ctZone, 0, 16, 0, "hexadecimal", "none", ""],
  ["ct_mark", "", "NXM_NX_CT_MARK", W.ctMark, 0, 32, 0, "hexadecimal", "none", "mw"],
  ["ct_label", "", "NXM_NX_CT_LABEL", W.ctLabel, 0, 128, 0, "hexadecimal", "none", "mw"],
  ["ct_nw_proto", "", "NXM_NX_CT_NW_PROTO", W.ctNwProto, 0, 8, 0, "decimal", "ct", ""],
  ["ct_nw_src", "", "NXM_NX_CT_NW_SRC", W.ctNwSrc, 0, 32, 0, "ipv4", "ct", "m"],
  ["ct_nw_dst", "", "NXM_NX_CT_NW_DST", W.ctNwDst, 0, 32, 0, "ipv4", "ct", "m"],
  ["ct_ipv6_src", "", "NXM_NX_CT_IPV6_SRC", W.ctIpv6Src, 0, 128, 0, "ipv6", "ct", "m"],
  ["ct_ipv6_dst", "", "NXM_NX_CT_IPV6_DST", W.ctIpv6Dst, 0, 128, 0, "ipv6", "ct", "m"],
  ["ct_tp_src", "", "NXM_NX_CT_TP_SRC", W.ctPorts, 16, 16, 0, "decimal", "ct", "m"],
  ["ct_tp_dst", "", "NXM_NX_CT_TP_DST", W.ctPorts, 0, 16, 0, "decimal", "ct", "m"],
  ["reg0", "", "NXM_NX_REG0", W.reg0 + 0, 0, 32, 0, "hexadecimal", "none", "mw"],
  ["reg1", "", "NXM_NX_REG1", W.reg0 + 1, 0, 32, 0, "hexadecimal", "none", "mw"],
  ["reg2", "", "NXM_NX_REG2", W.reg0 + 2, 0, 32, 0, "hexadecimal", "none", "mw"],
  ["reg3", "", "NXM_NX_REG3", W.reg0 + 3, 0, 32, 0, "hexadecimal", "none", "mw"],
  ["reg4", "", "NXM_NX_REG4", W.reg0 + 4, 0, 32, 0, "hexadecimal", "none", "mw"],
  ["reg5", "", "NXM_NX_REG5", W.reg0 + 5, 0, 32, 0, "hexadecimal", "none", "mw"],
  ["reg6", "", "NXM_NX_REG6", W.reg0 + 6, 0, 32, 0, "hexadecimal", "none", "mw"],
  ["reg7", "", "NXM_NX_REG7", W.reg0 + 7, 0, 32, 0, "hexadecimal", "none", "mw"],
  ["reg8", "", "NXM_NX_REG8", W.reg0 + 8, 0, 32, 0, "hexadecimal", "none", "mw"],
  ["reg9", "", "NXM_NX_REG9", W.reg0 + 9, 0, 32, 0, "hexadecimal", "none", "mw"],
  ["reg10", "", "NXM_NX_REG10", W.reg0 + 10, 0, 32, 0, "hexadecimal", "none", "mw"],
  ["reg11", "", "NXM_NX_REG11", W.reg0 + 11, 0, 32, 0, "hexadecimal", "none", "mw"],
  ["reg12", "", "NXM_NX_REG12", W.reg0 + 12, 0, 32, 0, "hexadecimal", "none", "mw"],
  ["reg13", "", "NXM_NX_REG13", W.reg0 + 13, 0, 32, 0, "hexadecimal", "none", "mw"],
  ["reg14", "", "NXM_NX_REG14", W.reg0 + 14, 0, 32, 0, "hexadecimal", "none", "mw"],
  ["reg15", "", "NXM_NX_REG15", W.reg0 + 15, 0, 32, 0, "hexadecimal", "none", "mw"],
  ["xreg0", "", "OXM_OF_PKT_REG0", W.reg0 + 0, 0, 64, 0, "hexadecimal", "none", "mw"],
  ["xreg1", "", "OXM_OF_PKT_REG1", W.reg0 + 2, 0, 64, 0, "hexadecimal", "none", "mw"],
  ["xreg2", "", "OXM_OF_PKT_REG2", W.reg0 + 4, 0, 64, 0, "hexadecimal", "none", "mw"],
  ["xreg3", "", "OXM_OF_PKT_REG3", W.reg0 + 6, 0, 64, 0, "hexadecimal", "none", "mw"],
  ["xreg4", "", "OXM_OF_PKT_REG4", W.reg0 + 8, 0, 64, 0, "hexadecimal", "none", "mw"],
  ["xreg5", "", "OXM_OF_PKT_REG5", W.reg0 + 10, 0, 64, 0, "hexadecimal", "none", "mw"],
  ["xreg6", "", "OXM_OF_PKT_REG6", W.reg0 + 12, 0, 64, 0, "hexadecimal", "none", "mw"],
  ["xreg7", "", "OXM_OF_PKT_REG7", W.reg0 + 14, 0, 64, 0, "hexadecimal", "none", "mw"],
  ["xxreg0", "", "NXM_NX_XXREG0", W.reg0 + 0, 0, 128, 0, "hexadecimal", "none", "mw"],
  ["xxreg1", "", "NXM_NX_XXREG1", W.reg0 + 4, 0, 128, 0, "hexadecimal", "none", "mw"],
  ["xxreg2", "", "NXM_NX_XXREG2", W.reg0 + 8, 0, 128, 0, "hexadecimal", "none", "mw"],
  ["xxreg3", "", "NXM_NX_XXREG3", W.reg0 + 12, 0, 128, 0, "hexadecimal", "none", "mw"],
  ["eth_src", "dl_src", "NXM_OF_ETH_SRC OXM_OF_ETH_SRC", W.ethMid, 0, 48, 0, "ethernet",
    "ethernet", "mw"],
  ["eth_dst", "dl_dst", "NXM_OF_ETH_DST OXM_OF_ETH_DST", W.ethDst, 16, 48, 0, "ethernet",
    "ethernet", "mw"],
  ["eth_type", "dl_type", "NXM_OF_ETH_TYPE OXM_OF_ETH_TYPE", W.typeVlan, 16, 16, 0, "hexadecimal",
    "ethernet", ""],
  ["vlan_tci", "", "NXM_OF_VLAN_TCI", W.typeVlan, 0, 16, 0, "hexadecimal", "ethernet", "mw"],
  ["dl_vlan", "", "", W.typeVlan, 0, 12, 0, "decimal", "ethernet", "w"],
  // 13 bits are stored, because VLAN_PRESENT belongs to the value (4096 + VID); 12 is its width.
  ["vlan_vid", "", "OXM_OF_VLAN_VID", W.typeVlan, 0, 13, 12, "decimal", "ethernet", "mw"],
  ["dl_vlan_pcp", "", "", W.typeVlan, 13, 3, 0, "decimal", "ethernet", "w"],
  ["vlan_pcp", "", "OXM_OF_VLAN_PCP", W.typeVlan, 13, 3, 0, "decimal", "vlan", "w"],
  ["ip_src", "nw_src", "NXM_OF_IP_SRC OXM_OF_IPV4_SRC", W.nwSrc, 0, 32, 0, "ipv4", "ipv4", "mw"],
  ["ip_dst", "nw_dst", "NXM_OF_IP_DST OXM_OF_IPV4_DST", W.nwDst, 0, 32, 0, "ipv4", "ipv4", "mw"],
  ["ipv6_src", "", "NXM_NX_IPV6_SRC OXM_OF_IPV6_SRC", W.ipv6Src, 0, 128, 0, "ipv6", "ipv6", "mw"],
  ["ipv6_dst", "", "NXM_NX_IPV6_DST OXM_OF_IPV6_DST", W.ipv6Dst, 0, 128, 0, "ipv6", "ipv6", "mw"],
  ["ipv6_label", "", "NXM_NX_IPV6_LABEL OXM_OF_IPV6_FLABEL", W.ipv6Label, 0, 20, 0, "hexadecimal",
    "ipv6", "mw"],
  ["nw_proto", "ip_proto", "NXM_OF_IP_PROTO OXM_OF_IP_PROTO", W.ip, 24, 8, 0, "decimal", "ip", ""],
  // The whole byte, of which only the six DSCP bits may be set; see `fieldFullMask`.
  ["nw_tos", "", "NXM_OF_IP_TOS", W.ip, 16, 8, 0, "decimal", "ip", "w"],
  ["ip_dscp", "", "OXM_OF_IP_DSCP", W.ip, 18, 6, 0, "decimal", "ip", "w"],
  ["nw_ecn", "ip_ecn", "NXM_NX_IP_ECN OXM_OF_IP_ECN", W.ip, 16, 2, 0, "decimal", "ip", "w"],
  ["nw_ttl", "", "NXM_NX_IP_TTL", W.ip, 8, 8, 0, "decimal", "ip", "w"],
  ["ip_frag", "nw_frag", "NXM_NX_IP_FRAG", W.ip, 0, 2, 0, "frag", "ip", "m"],
  // The key stores 8 bits; larger operations are refused when they are written.
  ["arp_op", "", "NXM_OF_ARP_OP OXM_OF_ARP_OP", W.ip, 24, 8, 16, "decimal", "arp", "w"],
  ["arp_spa", "", "NXM_OF_ARP_SPA OXM_OF_ARP_SPA", W.nwSrc, 0, 32, 0, "ipv4", "arp", "mw"],
  ["arp_tpa", "", "NXM_OF_ARP_TPA OXM_OF_ARP_TPA", W.nwDst, 0, 32, 0, "ipv4", "arp", "mw"],
  ["arp_sha", "", "NXM_NX_ARP_SHA OXM_OF_ARP_SHA", W.arpHardware, 16, 48, 0, "ethernet", "arp",
    "mw"],
  ["arp_tha", "", "NXM_NX_ARP_THA OXM_OF_ARP_THA", W.arpHardware + 1, 0, 48, 0, "ethernet", "arp",
    "mw"],
  ["tcp_src", "tp_src", "NXM_OF_TCP_SRC OXM_OF_TCP_SRC", W.ports, 16, 16, 0, "decimal", "tcp",
    "mw"],
  ["tcp_dst", "tp_dst", "NXM_OF_TCP_DST OXM_OF_TCP_DST", W.ports, 0, 16, 0, "decimal", "tcp", "mw"],
  ["tcp_flags", "", "NXM_NX_TCP_FLAGS ONFOXM_ET_TCP_FLAGS OXM_OF_TCP_FLAGS", W.tcpFlags, 16, 12,
    0, "tcp-flags", "tcp", "m"],
  ["udp_src", "", "NXM_OF_UDP_SRC OXM_OF_UDP_SRC", W.ports, 16, 16, 0, "decimal", "udp", "mw"],
  ["udp_dst", "", "NXM_OF_UDP_DST OXM_OF_UDP_DST", W.ports, 0, 16, 0, "decimal", "udp", "mw"],
  ["sctp_src", "", "OXM_OF_SCTP_SRC", W.ports, 16, 16, 0, "decimal", "sctp", "mw"],
  ["sctp_dst", "", "OXM_OF_SCTP_DST", W.ports, 0, 16, 0, "decimal", "sctp", "mw"],
  ["icmp_type", "", "NXM_OF_ICMP_TYPE OXM_OF_ICMPV4_TYPE", W.ports, 16, 8, 0, "decimal", "icmpv4",
    "w"],
  ["icmp_code", "", "NXM_OF_ICMP_CODE OXM_OF_ICMPV4_CODE", W.ports, 0, 8, 0, "decimal", "icmpv4",
    "w"],
  ["icmpv6_type", "", "NXM_NX_ICMPV6_TYPE OXM_OF_ICMPV6_TYPE", W.ports, 16, 8, 0, "decimal",
    "icmpv6", "w"],
  ["icmpv6_code", "", "NXM_NX_ICMPV6_CODE OXM_OF_ICMPV6_CODE", W.ports, 0, 8, 0, "decimal",
    "icmpv6", "w"],
  ["nd_target", "", "NXM_NX_ND_TARGET OXM_OF_IPV6_ND_TARGET", W.ndTarget, 0, 128, 0, "ipv6", "nd",
    "mw"],
  ["nd_sll", "", "NXM_NX_ND_SLL OXM_OF_IPV6_ND_SLL", W.arpHardware, 16, 48, 0, "ethernet",
    "nd-solicit", "mw"],
  ["nd_tll", "", "NXM_NX_ND_TLL OXM_OF_IPV6_ND_TLL", W.arpHardware + 1, 0, 48, 0, "ethernet",
    "nd-advert", "mw"],
] as const satisfies readonly Row[];

/** The id of a field, which is also its first name in ofctl text. */
export type FieldId = (typeof ROWS)[number][0];

export interface Field {
  readonly id: FieldId;
  /** Place in the table; small integers for switches and bit sets. */
  readonly index: number;
  /** Names in ofctl text, the id first. */
  readonly names: readonly string[];
  /** NXM and OXM names, the one that OVS prints first; may be empty. */
  readonly wireNames: readonly string[];
  /** Width for sub-fields: `field[0..bits-1]`. */
  readonly bits: number;
  /** Position of the highest stored bit in the key's big-endian bit stream. */
  readonly start: number;
  /** Number of bits the key stores. */
  readonly stored: number;
  /** Words that a value of this field takes: ceil(stored / 32). */
  readonly words: number;
  readonly format: FieldFormat;
  readonly prerequisite: Prerequisite;
  /** May be matched under any mask; otherwise only exactly or not at all. */
  readonly maskable: boolean;
  /** May be set by actions. */
  readonly writable: boolean;
}

function fieldOfRow(row: Row, index: number): Field {
  const [id, aliases, wireNames, word, low, stored, bits, format, prerequisite, flags] = row;
  const lastWord = word + Math.ceil((low + stored) / 32) - 1;
  return {
    id: id as FieldId,
    index,
    names: [id, ...aliases.split(" ").filter((name) => name !== "")],
    wireNames: wireNames.split(" ").filter((name) => name !== ""),
    bits: bits === 0 ? stored : bits,
    start: (lastWord + 1) * 32 - low - stored,
    stored,
    words: Math.ceil(stored / 32),
    format,
    prerequisite,
    maskable: flags.includes("m"),
    writable: flags.includes("w"),
  };
}

/** All fields, in the order in which Open vSwitch lists them. */
export const FIELDS: readonly Field[] = ROWS.map(fieldOfRow);

const BY_NAME = new Map<string, Field>();
for (const field of FIELDS) {
  for (const name of [...field.names, ...field.wireNames]) BY_NAME.set(name.toLowerCase(), field);
}

/** Finds a field by any of its names (ofctl, NXM, OXM), ignoring case. */
export function fieldByName(name: string): Field | undefined {
  return BY_NAME.get(name.toLowerCase());
}

/** The field of an id. */
export function fieldOf(id: FieldId): Field {
  return BY_NAME.get(id)!;
}

/** Reads `width` bits (1 to 32) that begin at bit `start` of the big-endian bit stream. */
export function getBits(words: Uint32Array, start: number, width: number): number {
  const index = start >>> 5;
  const offset = start & 31;
  const shift = 32 - offset - width;
  if (shift >= 0) {
    const mask = width === 32 ? 0xffffffff : (1 << width) - 1;
    return ((words[index]! >>> shift) & mask) >>> 0;
  }
  const highWidth = 32 - offset;
  const lowWidth = width - highWidth;
  const high = (words[index]! & (highWidth === 32 ? 0xffffffff : (1 << highWidth) - 1)) >>> 0;
  return ((high << lowWidth) | (words[index + 1]! >>> (32 - lowWidth))) >>> 0;
}

/** Writes `width` bits (1 to 32) at bit `start` of the big-endian bit stream. */
export function setBits(words: Uint32Array, start: number, width: number, value: number): void {
  const index = start >>> 5;
  const shift = 32 - (start & 31) - width;
  const ones = width === 32 ? 0xffffffff : (1 << width) - 1;
  if (shift >= 0) {
    words[index] = (words[index]! & ~(ones << shift)) | ((value & ones) << shift);
    return;
  }
  const lowWidth = -shift;
  words[index] = (words[index]! & ~(ones >>> lowWidth)) | ((value & ones) >>> lowWidth);
  const lowShift = 32 - lowWidth;
  words[index + 1] = (words[index + 1]! & (0xffffffff >>> lowWidth)) | (value << lowShift);
}

/** A field of at most 32 bits as a number; of wider fields the lowest 32 bits. */
export function getField(key: Uint32Array, field: Field): number {
  if (field.stored <= 32) return getBits(key, field.start, field.stored);
  return getBits(key, field.start + field.stored - 32, 32);
}

/** Sets a field of at most 32 bits; of wider fields the lowest 32 bits, the others to 0. */
export function setField(key: Uint32Array, field: Field, value: number): void {
  if (field.stored <= 32) {
    setBits(key, field.start, field.stored, value);
    return;
  }
  for (let bits = field.stored; bits > 0; bits -= 32) {
    const width = Math.min(32, bits);
    setBits(key, field.start + bits - width, width, bits === field.stored ? value : 0);
  }
}

/**
 * Reads a field of any width.
 * @param out receives `field.words` words, the lowest bits in the last one.
 */
export function getFieldWords(key: Uint32Array, field: Field, out: Uint32Array): void {
  let bits = field.stored;
  for (let i = field.words - 1; i >= 0; i--) {
    const width = Math.min(32, bits);
    out[i] = getBits(key, field.start + bits - width, width);
    bits -= width;
  }
}

/** Writes a field of any width from `field.words` words, the lowest bits in the last one. */
export function setFieldWords(key: Uint32Array, field: Field, value: Uint32Array): void {
  let bits = field.stored;
  for (let i = field.words - 1; i >= 0; i--) {
    const width = Math.min(32, bits);
    setBits(key, field.start + bits - width, width, value[i]!);
    bits -= width;
  }
}

/** True when no bit of the field is set: in a mask, when the field is not looked at. */
export function isFieldZero(key: Uint32Array, field: Field): boolean {
  for (let bits = field.stored; bits > 0; bits -= 32) {
    const width = Math.min(32, bits);
    if (getBits(key, field.start + bits - width, width) !== 0) return false;
  }
  return true;
}

/** The mask of an exact match on a field, as `field.words` words: all ones, DSCP for nw_tos. */
export function fieldFullMask(field: Field): Uint32Array {
  const mask = new Uint32Array(field.words).fill(0xffffffff);
  if (field.stored % 32 !== 0) mask[0] = 2 ** (field.stored % 32) - 1;
  if (field.id === "nw_tos") mask[0] = 0xfc;
  return mask;
}
