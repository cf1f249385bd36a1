// Which flow formats can carry a match on a field (lib/meta-flow.h, "OpenFlow 1.0:", "NXM:" and
// "OXM:" of each field; Open vSwitch 3.1). Slow path; any thread.
import { fieldFullMask, type Field, type FieldId } from "../../flow/fields.js";
import { FORMATS } from "../protocols.js";
import { prefixLength } from "./addresses.js";
import { numberOf } from "./scan.js";

/** Fields that OpenFlow 1.0 has. */
const OPENFLOW10 = new Set<FieldId>([
  "in_port",
  "eth_src",
  "eth_dst",
  "eth_type",
  "vlan_tci",
  "dl_vlan",
  "vlan_vid",
  "dl_vlan_pcp",
  "vlan_pcp",
  "ip_src",
  "ip_dst",
  "nw_proto",
  "nw_tos",
  "ip_dscp",
  "arp_op",
  "arp_spa",
  "arp_tpa",
  "tcp_src",
  "tcp_dst",
  "udp_src",
  "udp_dst",
  "icmp_type",
  "icmp_code",
]);

/** Fields that OpenFlow 1.1 has beyond those. */
const OPENFLOW11 = new Set<FieldId>(["metadata", "nw_ecn", "sctp_src", "sctp_dst"]);

/** Fields that OpenFlow 1.1 has under a mask. */
const OPENFLOW11_MASKED = new Set<FieldId>(["metadata", "eth_src", "eth_dst"]);

/** FORMAT bits for an exact match on a field, or for setting it. */
export function exactFormats(field: Field): number {
  // No version has a name for it.
  if (field.id === "skb_priority") return 0;
  if (OPENFLOW10.has(field.id)) return FORMATS.any;
  return OPENFLOW11.has(field.id) ? FORMATS.nxmAndOpenFlow11Up : FORMATS.nxmAndOxm;
}

/** FORMAT bits for a match on a field under a mask. */
export function maskedFormats(field: Field, mask: Uint32Array): number {
  const bits = numberOf(mask);
  if (bits === 0n) return FORMATS.any;
  if (bits === numberOf(fieldFullMask(field))) return exactFormats(field);
  if (field.format === "ipv4" && OPENFLOW10.has(field.id)) {
    return prefixLength(mask, 32) < 0 ? FORMATS.nxmAndOpenFlow11Up : FORMATS.any;
  }
  return OPENFLOW11_MASKED.has(field.id) ? FORMATS.nxmAndOpenFlow11Up : FORMATS.nxmAndOxm;
}
