// The attributes of a datapath flow, `eth(src=..,dst=..)`, `ipv4(...)`, and the fields of the key
// that they stand for, in the order in which Open vSwitch 3.1 prints them (lib/odp-util.c
// format_odp_key_attr). Read by the printer and by the parser. Plain data; any thread.
import { fieldOf, type Field, type FieldId } from "../../flow/fields.js";
import { WORD } from "../../flow/key.js";

/** How a value of an attribute is written. */
export type OdpStyle =
  "decimal" | "hexadecimal" | "mac" | "ipv4" | "ipv6" | "frag" | "flags" | "state";

export interface OdpField {
  readonly name: string;
  /** Place in the key, as of a match field. */
  readonly field: Field;
  readonly style: OdpStyle;
}

/** An attribute with named parts; one with a single unnamed part has one field named "". */
export interface OdpAttribute {
  readonly name: string;
  readonly fields: readonly OdpField[];
}

function part(name: string, id: FieldId, style: OdpStyle, stored?: number): OdpField {
  const field = fieldOf(id);
  return { name, field: stored === undefined ? field : { ...field, stored, words: 1 }, style };
}

function attribute(name: string, ...fields: readonly OdpField[]): OdpAttribute {
  return { name, fields };
}

function single(name: string, id: FieldId, style: OdpStyle): OdpAttribute {
  return attribute(name, part("", id, style));
}

/** The whole byte of which `nw_tos` names the DSCP bits. */
const TOS: OdpField = part("tos", "nw_tos", "hexadecimal", 8);
const TTL = part("ttl", "nw_ttl", "decimal");
const FRAG = part("frag", "ip_frag", "frag");
const PROTO = part("proto", "nw_proto", "decimal");
const TP_SRC = part("src", "tcp_src", "decimal");
const TP_DST = part("dst", "tcp_dst", "decimal");
const ICMP_TYPE = part("type", "icmp_type", "decimal");
const ICMP_CODE = part("code", "icmp_code", "decimal");

/** Metadata, in front of the packet's own attributes. */
export const METADATA_ATTRIBUTES: readonly OdpAttribute[] = [
  single("skb_priority", "skb_priority", "hexadecimal"),
  single("skb_mark", "pkt_mark", "hexadecimal"),
  single("ct_state", "ct_state", "state"),
  single("ct_zone", "ct_zone", "hexadecimal"),
  single("ct_mark", "ct_mark", "hexadecimal"),
  single("ct_label", "ct_label", "hexadecimal"),
  attribute(
    "ct_tuple4",
    part("src", "ct_nw_src", "ipv4"),
    part("dst", "ct_nw_dst", "ipv4"),
    part("proto", "ct_nw_proto", "decimal"),
    part("tp_src", "ct_tp_src", "decimal"),
    part("tp_dst", "ct_tp_dst", "decimal"),
  ),
  attribute(
    "ct_tuple6",
    part("src", "ct_ipv6_src", "ipv6"),
    part("dst", "ct_ipv6_dst", "ipv6"),
    part("proto", "ct_nw_proto", "decimal"),
    part("src_port", "ct_tp_src", "decimal"),
    part("dst_port", "ct_tp_dst", "decimal"),
  ),
  single("recirc_id", "recirc_id", "hexadecimal"),
  single("dp_hash", "dp_hash", "hexadecimal"),
];

export const ETHERNET = attribute(
  "eth",
  part("src", "eth_src", "mac"),
  part("dst", "eth_dst", "mac"),
);
export const IPV4 = attribute(
  "ipv4",
  part("src", "ip_src", "ipv4"),
  part("dst", "ip_dst", "ipv4"),
  PROTO,
  TOS,
  TTL,
  FRAG,
);
export const IPV6 = attribute(
  "ipv6",
  part("src", "ipv6_src", "ipv6"),
  part("dst", "ipv6_dst", "ipv6"),
  part("label", "ipv6_label", "hexadecimal"),
  PROTO,
  { ...TOS, name: "tclass" },
  { ...TTL, name: "hlimit" },
  FRAG,
);
export const ARP = attribute(
  "arp",
  part("sip", "arp_spa", "ipv4"),
  part("tip", "arp_tpa", "ipv4"),
  part("op", "arp_op", "decimal"),
  part("sha", "arp_sha", "mac"),
  part("tha", "arp_tha", "mac"),
);
export const ND = attribute(
  "nd",
  part("target", "nd_target", "ipv6"),
  part("sll", "nd_sll", "mac"),
  part("tll", "nd_tll", "mac"),
);
export const TCP = attribute("tcp", TP_SRC, TP_DST);
export const UDP = attribute("udp", TP_SRC, TP_DST);
export const SCTP = attribute("sctp", TP_SRC, TP_DST);
export const ICMP = attribute("icmp", ICMP_TYPE, ICMP_CODE);
export const ICMPV6 = attribute("icmpv6", ICMP_TYPE, ICMP_CODE);
export const TCP_FLAGS = single("tcp_flags", "tcp_flags", "flags");

const BY_PROTOCOL: Readonly<Record<number, OdpAttribute>> = { 6: TCP, 17: UDP, 132: SCTP };

/** Attributes of the network and transport headers that packets of this kind have. */
export function headerAttributes(key: Uint32Array): readonly OdpAttribute[] {
  const type = key[WORD.typeVlan]! >>> 16;
  if (type === 0x0806 || type === 0x8035) return [ARP];
  if (type !== 0x0800 && type !== 0x86dd) return [];
  const network = type === 0x0800 ? IPV4 : IPV6;
  const protocol = key[WORD.ip]! >>> 24;
  const isLater = (key[WORD.ip]! & 2) !== 0;
  if (isLater) return [network];
  const ports = BY_PROTOCOL[protocol];
  if (ports !== undefined) return protocol === 6 ? [network, ports, TCP_FLAGS] : [network, ports];
  if (type === 0x0800) return protocol === 1 ? [network, ICMP] : [network];
  if (protocol !== 58) return [network];
  const icmpType = key[WORD.ports]! >>> 16;
  const isDiscovery = (icmpType === 135 || icmpType === 136) && (key[WORD.ports]! & 0xffff) === 0;
  return isDiscovery ? [network, ICMPV6, ND] : [network, ICMPV6];
}
