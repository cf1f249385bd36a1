// Random packets for comparisons, as keys, from few distinct values, so that random flows do match
// them; and their text, as `ofproto/trace` reads it.
import type { Random } from "../../src/base/random.js";
import {
  fieldByName,
  fieldFullMask,
  fieldOf,
  getFieldWords,
  setField,
  setFieldWords,
  type FieldId,
} from "../../src/flow/fields.js";
import { NW_FRAG_LATER, VLAN_PRESENT, WORD, newKey } from "../../src/flow/key.js";
import { fieldText, readNumber, wordsOf } from "./field-text.js";
import { PORTS } from "./ovs.js";

const MACS = [
  0x020000000001n,
  0x020000000002n,
  0x0a0b0c0d0e0fn,
  0xffffffffffffn,
  0x01005e000001n,
  0x0180c2000000n,
];
const IPV4 = [0x0a000001n, 0x0a000002n, 0x0a010001n, 0xc0a80001n, 0xe0000001n, 0n];
const IPV6 = [
  0x20010db8000000000000000000000001n,
  0x20010db8000000000000000000000002n,
  0x20010db8000100000000000000000001n,
  0xfe800000000000000000000000000001n,
  0n,
];
const L4_PORTS = [0n, 1n, 22n, 53n, 80n, 81n, 443n, 8080n, 0x8000n, 65535n];

/** trk with new, est or inv. */
const CT_STATES = [0x21, 0x22, 0x30];
/** Bits of ct_state: new, est, rpl. */
const CT_CONNECTION = 0x0b;

const V4_PROTOCOLS = [6, 6, 6, 17, 17, 132, 1, 47, 0];
const V6_PROTOCOLS = [6, 6, 17, 132, 58, 58, 59, 0];

const METADATA: readonly FieldId[] = [
  ...(["reg0", "reg1", "reg7", "reg12", "reg15", "metadata", "pkt_mark", "tun_id"] as const),
  ...(["ct_state", "ct_zone", "ct_mark"] as const),
];
const LINK: readonly FieldId[] = ["in_port", "eth_src", "eth_dst", "eth_type", "vlan_tci"];
const IP: readonly FieldId[] = ["nw_proto", "nw_tos", "nw_ecn", "nw_ttl", "ip_frag"];
const PORT_FIELDS: readonly FieldId[] = ["tcp_src", "tcp_dst"];

const isNeighbor = (key: Uint32Array): boolean =>
  [135, 136].includes(key[WORD.ports]! >>> 16) && (key[WORD.ports]! & 0xffff) === 0;

/** The fields of the network layer and above that a packet of this kind has. */
function upperFields(key: Uint32Array): FieldId[] {
  const type = key[WORD.typeVlan]! >>> 16;
  const protocol = key[WORD.ip]! >>> 24;
  if (type === 0x0806 || type === 0x8035) {
    return ["arp_spa", "arp_tpa", "arp_op", "arp_sha", "arp_tha"];
  }
  if (type !== 0x0800 && type !== 0x86dd) return [];
  const fields: FieldId[] =
    type === 0x0800 ? ["ip_src", "ip_dst"] : ["ipv6_src", "ipv6_dst", "ipv6_label"];
  fields.push(...IP);
  if ((key[WORD.ip]! & NW_FRAG_LATER) !== 0) return fields;
  if (protocol === 6) return [...fields, ...PORT_FIELDS, "tcp_flags"];
  if (protocol === 17 || protocol === 132) return [...fields, ...PORT_FIELDS];
  if (type === 0x0800) return protocol === 1 ? [...fields, "icmp_type", "icmp_code"] : fields;
  if (protocol !== 58) return fields;
  fields.push("icmpv6_type", "icmpv6_code");
  if (!isNeighbor(key)) return fields;
  return [...fields, "nd_target", key[WORD.ports]! >>> 16 === 135 ? "nd_sll" : "nd_tll"];
}

/** Where a connection's first packet came from and went to; known of packets that belong to one. */
function tupleFields(key: Uint32Array): FieldId[] {
  const type = key[WORD.typeVlan]! >>> 16;
  if ((key[WORD.ctState]! & CT_CONNECTION) === 0) return [];
  if (type !== 0x0800 && type !== 0x86dd) return [];
  const addresses: readonly FieldId[] =
    type === 0x0800 ? ["ct_nw_src", "ct_nw_dst"] : ["ct_ipv6_src", "ct_ipv6_dst"];
  return [...addresses, "ct_nw_proto", "ct_tp_src", "ct_tp_dst"];
}

/** The fields that a packet has, metadata first. */
export function fieldsOf(key: Uint32Array): FieldId[] {
  return [...METADATA, ...tupleFields(key), ...LINK, ...upperFields(key)];
}

function put(key: Uint32Array, id: FieldId, value: bigint): void {
  setFieldWords(key, fieldOf(id), wordsOf(id, value));
}

/** A copy without the bits that no packet of this kind has. */
export function normalized(key: Uint32Array): Uint32Array {
  const out = newKey();
  for (const id of fieldsOf(key)) {
    const field = fieldOf(id);
    const value = new Uint32Array(field.words);
    getFieldWords(key, field, value);
    setFieldWords(
      out,
      field,
      value.map((word, i) => word & fieldFullMask(field)[i]!),
    );
  }
  if ((out[WORD.typeVlan]! & VLAN_PRESENT) === 0) out[WORD.typeVlan]! &= 0xffff0000;
  else out[WORD.outerTpid] = 0x81000000;
  // nw_frag "later" does not come alone.
  if ((out[WORD.ip]! & NW_FRAG_LATER) !== 0) out[WORD.ip]! |= 1;
  return out;
}

const PORT_NAMES: Readonly<Record<number, string>> = { 6: "tcp", 17: "udp", 132: "sctp" };

/**
 * The packet as text of a flow; every field of it is named, by the names that `ofproto/trace`
 * demands: `udp_src` and not `tp_src`.
 */
export function packetText(key: Uint32Array): string {
  const protocol = key[WORD.ip]! >>> 24;
  return fieldsOf(key)
    .flatMap((id) => {
      const field = fieldOf(id);
      const value = new Uint32Array(field.words);
      getFieldWords(key, field, value);
      // nw_tos is the whole byte, of which DSCP is its own.
      fieldFullMask(field).forEach((mask, i) => (value[i]! &= mask));
      if (METADATA.includes(id) && value.every((word) => word === 0)) return [];
      const name = id.replace(/^tcp_(?=src|dst)/, `${PORT_NAMES[protocol]}_`);
      return [fieldText(id, value, null, name)];
    })
    .join(",");
}

/** The packet of a text that `packetText` wrote. */
export function packetOf(text: string): Uint32Array {
  const key = newKey();
  for (const part of text.split(",")) {
    const [name, value] = part.split("=") as [string, string];
    const field = fieldByName(name)!;
    const number = FRAGMENT_VALUES[value] ?? readNumber(value);
    const words = wordsOf(field.id, number);
    const old = new Uint32Array(field.words);
    getFieldWords(key, field, old);
    const full = fieldFullMask(field);
    setFieldWords(
      key,
      field,
      old.map((word, i) => (word & ~full[i]!) | (words[i]! & full[i]!)),
    );
  }
  return normalized(key);
}

/** As `ip_frag` is written, for whole fields. */
const FRAGMENT_VALUES: Readonly<Record<string, bigint>> = { no: 0n, first: 1n, later: 3n };

function transport(random: Random, key: Uint32Array): void {
  const protocol = key[WORD.ip]! >>> 24;
  if (protocol === 1) {
    setField(key, fieldOf("icmp_type"), random.pick([0, 3, 8, 11]));
    setField(key, fieldOf("icmp_code"), random.pick([0, 0, 1]));
    return;
  }
  if (protocol === 58) {
    setField(key, fieldOf("icmpv6_type"), random.pick([128, 135, 136, 1]));
    setField(key, fieldOf("icmpv6_code"), random.pick([0, 0, 0, 1]));
    if (!isNeighbor(key)) return;
    put(key, "nd_target", random.pick(IPV6));
    put(key, "nd_sll", random.pick(MACS));
    put(key, "nd_tll", random.pick(MACS));
    return;
  }
  put(key, "tcp_src", random.pick(L4_PORTS));
  put(key, "tcp_dst", random.pick(L4_PORTS));
  if (protocol === 6) put(key, "tcp_flags", random.pick([0n, 2n, 0x10n, 0x12n, 0x104n]));
}

/** A packet that a port of the switch might receive. */
export function randomPacket(random: Random): Uint32Array {
  const key = newKey();
  key[WORD.inPort] = 1 + random.below(PORTS);
  put(key, "eth_src", random.pick(MACS.slice(0, 3)));
  put(key, "eth_dst", random.pick(MACS));
  const type = random.pick([0x0800, 0x0800, 0x0800, 0x86dd, 0x86dd, 0x0806, 0x8035, 0x88cc]);
  put(key, "eth_type", BigInt(type));
  if (random.below(3) === 0) {
    put(key, "vlan_tci", BigInt(VLAN_PRESENT | random.pick([0, 1, 2, 100, 4095, 0x2001, 0xe064])));
  }
  if (type === 0x0806 || type === 0x8035) {
    put(key, "arp_op", BigInt(random.pick([0, 1, 1, 2, 2, 3])));
    put(key, "arp_spa", random.pick(IPV4));
    put(key, "arp_tpa", random.pick(IPV4));
    put(key, "arp_sha", random.pick(MACS));
    put(key, "arp_tha", random.pick(MACS));
  } else if (type !== 0x88cc) {
    const isV4 = type === 0x0800;
    put(key, isV4 ? "ip_src" : "ipv6_src", random.pick(isV4 ? IPV4 : IPV6));
    put(key, isV4 ? "ip_dst" : "ipv6_dst", random.pick(isV4 ? IPV4 : IPV6));
    if (!isV4) put(key, "ipv6_label", BigInt(random.pick([0, 0, 1, 0xfffff])));
    put(key, "nw_proto", BigInt(random.pick(isV4 ? V4_PROTOCOLS : V6_PROTOCOLS)));
    put(key, "nw_tos", BigInt(random.pick([0, 4, 0xb8])));
    put(key, "nw_ecn", BigInt(random.below(4)));
    put(key, "nw_ttl", BigInt(random.pick([0, 1, 2, 64, 64, 255])));
    put(key, "ip_frag", BigInt(random.pick([0, 0, 0, 0, 1, 3])));
    transport(random, key);
  }
  for (const id of METADATA.filter((each) => !each.startsWith("ct_"))) {
    if (random.below(12) === 0) put(key, id, BigInt(random.below(4)));
  }
  if ((type === 0x0800 || type === 0x86dd) && random.below(8) === 0) {
    put(key, "ct_state", BigInt(random.pick(CT_STATES)));
    put(key, "ct_zone", BigInt(random.pick([0, 5])));
    put(key, "ct_mark", BigInt(random.pick([0, 1])));
    const isV4 = type === 0x0800;
    for (const id of tupleFields(key)) {
      if (/src|dst/.test(id) && !id.startsWith("ct_tp"))
        put(key, id, random.pick(isV4 ? IPV4 : IPV6));
      else put(key, id, id === "ct_nw_proto" ? random.pick([6n, 17n]) : random.pick(L4_PORTS));
    }
  }
  return normalized(key);
}
