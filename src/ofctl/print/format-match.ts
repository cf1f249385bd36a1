// Printing a match in Open vSwitch's order and style (lib/match.c match_format, 3.1).
import { fieldOf, getField, isFieldZero, type FieldId } from "../../flow/fields.js";
import { VLAN_PRESENT, WORD } from "../../flow/key.js";
import { getMatchField } from "../../flow/match.js";
import type { Match } from "../../flow/types.js";
import { formatMac } from "../text/addresses.js";
import { formatPort } from "../text/ports.js";
import { numberOf, onesOf } from "../text/scan.js";
import { CT_STATE_NAMES, TCP_FLAG_NAMES } from "../text/values.js";
import {
  formatAddress,
  formatFlags,
  formatFragment,
  hex,
  type FormatOptions,
} from "./format-value.js";

export { hex, type FormatOptions } from "./format-value.js";

const padded = (value: number, digits: number): string =>
  `0x${value.toString(16).padStart(digits, "0")}`;

/** Writes one field of a match, `name=value[/mask],`, or nothing when it is not looked at. */
class MatchText {
  private readonly parts: string[] = [];
  private readonly match: Match;

  constructor(match: Match) {
    this.match = match;
  }

  add(text: string): void {
    this.parts.push(text);
  }

  toString(): string {
    return this.parts.join(",");
  }

  innerTag(): { value: number; mask: number } {
    const { value, mask } = this.match;
    return { value: value[WORD.innerVlan]! & 0xffff, mask: mask[WORD.innerVlan]! & 0xffff };
  }

  isUsed(id: FieldId): boolean {
    return !isFieldZero(this.match.mask, fieldOf(id));
  }

  value(id: FieldId): number {
    return getField(this.match.value, fieldOf(id));
  }

  mask(id: FieldId): number {
    return getField(this.match.mask, fieldOf(id));
  }

  /** Hexadecimal, `%#x`. */
  hex(name: string, id: FieldId): void {
    if (!this.isUsed(id)) return;
    const { value, mask } = getMatchField(this.match, fieldOf(id));
    const exact = numberOf(mask) === onesOf(fieldOf(id).stored);
    this.add(`${name}=${hex(numberOf(value))}${exact ? "" : `/${hex(numberOf(mask))}`}`);
  }

  /** Decimal when exact, else `0x../0x..`. */
  number(name: string, id: FieldId): void {
    if (!this.isUsed(id)) return;
    const mask = this.mask(id);
    const exact = mask === 2 ** fieldOf(id).stored - 1;
    const value = this.value(id);
    this.add(`${name}=${exact ? String(value) : `0x${value.toString(16)}/0x${mask.toString(16)}`}`);
  }

  mac(name: string, id: FieldId): void {
    if (!this.isUsed(id)) return;
    const { value, mask } = getMatchField(this.match, fieldOf(id));
    const bits = numberOf(mask);
    const suffix = bits === onesOf(48) ? "" : `/${formatMac(bits)}`;
    this.add(`${name}=${formatMac(numberOf(value))}${suffix}`);
  }

  address(name: string, id: FieldId): void {
    if (!this.isUsed(id)) return;
    const { value, mask } = getMatchField(this.match, fieldOf(id));
    const width = fieldOf(id).stored;
    this.add(`${name}=${formatAddress(numberOf(value), numberOf(mask), width)}`);
  }
}

function formatMetadata(text: MatchText, options: FormatOptions): void {
  text.hex("pkt_mark", "pkt_mark");
  text.hex("recirc_id", "recirc_id");
  text.hex("dp_hash", "dp_hash");
  text.number("conj_id", "conj_id");
  text.hex("skb_priority", "skb_priority");
  if (text.isUsed("actset_output")) {
    text.add(`actset_output=${formatPort(text.value("actset_output"), options.portNames)}`);
  }
  if (text.isUsed("ct_state")) {
    // Open vSwitch keeps the eight states that there are, and whole is what covers those.
    const [value, mask] = [text.value("ct_state"), text.mask("ct_state")];
    text.add(`ct_state=${formatFlags(value, mask & 0xff, CT_STATE_NAMES, 0xff)}`);
  }
  text.number("ct_zone", "ct_zone");
  text.hex("ct_mark", "ct_mark");
  text.hex("ct_label", "ct_label");
  text.address("ct_nw_src", "ct_nw_src");
  text.address("ct_ipv6_src", "ct_ipv6_src");
  text.address("ct_nw_dst", "ct_nw_dst");
  text.address("ct_ipv6_dst", "ct_ipv6_dst");
  text.number("ct_nw_proto", "ct_nw_proto");
  text.number("ct_tp_src", "ct_tp_src");
  text.number("ct_tp_dst", "ct_tp_dst");
}

const IPV4_NAMES: Readonly<Record<number, string>> = {
  1: "icmp",
  6: "tcp",
  17: "udp",
  132: "sctp",
};
const IPV6_NAMES: Readonly<Record<number, string>> = {
  58: "icmp6",
  6: "tcp6",
  17: "udp6",
  132: "sctp6",
};
const TYPE_NAMES: Readonly<Record<number, string>> = {
  0x0800: "ip",
  0x86dd: "ipv6",
  0x0806: "arp",
  0x8035: "rarp",
  0x8847: "mpls",
  0x8848: "mplsm",
};

/** What the shorthand in front has said already. */
interface Shorthand {
  readonly name: string | null;
  readonly saysProtocol: boolean;
}

function shorthandOf(text: MatchText): Shorthand {
  if (text.mask("eth_type") !== 0xffff) return { name: null, saysProtocol: false };
  const type = text.value("eth_type");
  const names = type === 0x0800 ? IPV4_NAMES : type === 0x86dd ? IPV6_NAMES : {};
  const byProtocol = text.mask("nw_proto") === 0xff ? names[text.value("nw_proto")] : undefined;
  if (byProtocol !== undefined) return { name: byProtocol, saysProtocol: true };
  return { name: TYPE_NAMES[type] ?? null, saysProtocol: false };
}

/** One tag; the inner one, which only packets and megaflows have, is numbered 1. */
function formatTag(text: MatchText, number: string, value: number, mask: number): void {
  const vid = mask & 0x0fff;
  const pcp = mask & 0xe000;
  const present = (mask & value & VLAN_PRESENT) !== 0;
  const whole = (vid === 0 || vid === 0x0fff) && (pcp === 0 || pcp === 0xe000);
  if (present && whole && (vid !== 0 || pcp !== 0)) {
    if (vid !== 0) text.add(`dl_vlan${number}=${value & 0x0fff}`);
    if (pcp !== 0) text.add(`dl_vlan_pcp${number}=${value >> 13}`);
  } else {
    const suffix = mask === 0xffff ? "" : `/${padded(mask, 4)}`;
    text.add(`vlan_tci${number}=${padded(value, 4)}${suffix}`);
  }
}

function formatVlan(text: MatchText): void {
  if (!text.isUsed("vlan_tci")) return;
  formatTag(text, "", text.value("vlan_tci"), text.mask("vlan_tci"));
  const inner = text.innerTag();
  if (inner.mask !== 0) formatTag(text, "1", inner.value, inner.mask);
}

function formatEthernet(text: MatchText, shorthand: Shorthand, options: FormatOptions): void {
  if (text.isUsed("in_port")) {
    text.add(`in_port=${formatPort(text.value("in_port"), options.portNames)}`);
  }
  formatVlan(text);
  text.mac("dl_src", "eth_src");
  text.mac("dl_dst", "eth_dst");
  if (shorthand.name === null && text.isUsed("eth_type")) {
    text.add(`dl_type=${padded(text.value("eth_type"), 4)}`);
  }
}

function formatNetwork(text: MatchText, shorthand: Shorthand): void {
  const type = text.value("eth_type");
  const isArp = type === 0x0806 || type === 0x8035;
  if (type === 0x86dd) {
    text.address("ipv6_src", "ipv6_src");
    text.address("ipv6_dst", "ipv6_dst");
    if (text.isUsed("ipv6_label")) {
      const [value, mask] = [text.value("ipv6_label"), text.mask("ipv6_label")];
      const suffix = mask === 0xfffff ? "" : `/${padded(mask, 5)}`;
      text.add(`ipv6_label=${padded(value, 5)}${suffix}`);
    }
  } else {
    text.address(isArp ? "arp_spa" : "nw_src", "ip_src");
    text.address(isArp ? "arp_tpa" : "nw_dst", "ip_dst");
  }
  if (!shorthand.saysProtocol) text.number(isArp ? "arp_op" : "nw_proto", "nw_proto");
  if (isArp) {
    text.mac("arp_sha", "arp_sha");
    text.mac("arp_tha", "arp_tha");
  }
  if ((text.mask("nw_tos") & 0xfc) !== 0) text.add(`nw_tos=${text.value("nw_tos") & 0xfc}`);
  text.number("nw_ecn", "nw_ecn");
  text.number("nw_ttl", "nw_ttl");
  if (text.isUsed("ip_frag")) {
    text.add(`nw_frag=${formatFragment(text.value("ip_frag"), text.mask("ip_frag"))}`);
  }
}

function formatTransport(text: MatchText): void {
  const type = text.value("eth_type");
  const protocol = text.value("nw_proto");
  const isIcmpv6 = type === 0x86dd && protocol === 58;
  if ((type === 0x0800 && protocol === 1) || isIcmpv6) {
    text.number("icmp_type", "tcp_src");
    text.number("icmp_code", "tcp_dst");
    if (isIcmpv6) {
      text.address("nd_target", "nd_target");
      text.mac("nd_sll", "nd_sll");
      text.mac("nd_tll", "nd_tll");
    }
    return;
  }
  text.number("tp_src", "tcp_src");
  text.number("tp_dst", "tcp_dst");
  if (protocol === 6 && text.isUsed("tcp_flags")) {
    const [value, mask] = [text.value("tcp_flags"), text.mask("tcp_flags")];
    text.add(`tcp_flags=${formatFlags(value, mask, TCP_FLAG_NAMES, 0xfff)}`);
  }
}

/** Fields of which every match on something above them has one. */
const ETHERNET_FIELDS = ["eth_type", "eth_src", "eth_dst", "vlan_tci"] as const;

/** The match as `dump-flows` prints it, without the priority; empty for a match of everything. */
export function formatMatch(match: Match, options: FormatOptions = {}): string {
  const text = new MatchText(match);
  formatMetadata(text, options);
  // A match on recirculated packets says that they are Ethernet frames too, if that matters to it
  // (match_format).
  const isEthernet = ETHERNET_FIELDS.some((id) => text.isUsed(id));
  if (isEthernet && text.isUsed("recirc_id")) text.add("eth");
  const shorthand = shorthandOf(text);
  if (shorthand.name !== null) text.add(shorthand.name);
  for (let i = 0; i < 16; i++) text.hex(`reg${i}`, `reg${i}` as FieldId);
  text.hex("tun_id", "tun_id");
  text.hex("metadata", "metadata");
  formatEthernet(text, shorthand, options);
  formatNetwork(text, shorthand);
  formatTransport(text);
  return text.toString();
}
