// The match fields as they travel: class and number in a header, bytes of a value, and the version
// that a name came with (include/openvswitch/meta-flow.h of Open vSwitch 3.1; OpenFlow 1.5.1,
// 7.2.3). One table, read by encoder and decoder. Slow path; any thread.
import { FIELDS, fieldOf, type FieldId, type Prerequisite } from "../../flow/fields.js";
import { byteWidth } from "../text/values.js";

/** Header classes; those of an experimenter have its number in a second word. */
const CLASSES = {
  NXM_OF_: [0x0000, 0],
  NXM_NX_: [0x0001, 0],
  ERICOXM_OF_: [0x1000, 0],
  OXM_OF_: [0x8000, 0],
  OXM_OF_PKT_REG: [0x8001, 0],
  NXOXM_ET_: [0xffff, 0x00002320],
  NXOXM_NSH_: [0xffff, 0x005ad650],
  ONFOXM_ET_: [0xffff, 0x4f4e4600],
} as const;

export const EXPERIMENTER_CLASS = 0xffff;

/**
 * Numbers of the names that fields.ts has, in the order of preference: of names with the same
 * version the last one is sent. `@15`: known since OpenFlow 1.5; otherwise an OXM name since 1.2,
 * and an NXM name always.
 */
const NUMBERS: Readonly<Partial<Record<FieldId, string>>> = {
  dp_hash: "NXOXM_ET_DP_HASH 0@10, NXM_NX_DP_HASH 35",
  recirc_id: "NXM_NX_RECIRC_ID 36",
  packet_type: "OXM_OF_PACKET_TYPE 44@15",
  conj_id: "NXM_NX_CONJ_ID 37",
  tun_id: "NXM_NX_TUN_ID 16, OXM_OF_TUNNEL_ID 38@13",
  metadata: "OXM_OF_METADATA 2",
  in_port: "NXM_OF_IN_PORT 0",
  pkt_mark: "NXM_NX_PKT_MARK 33",
  actset_output: "ONFOXM_ET_ACTSET_OUTPUT 43@13, OXM_OF_ACTSET_OUTPUT 43@15",
  ct_state: "NXM_NX_CT_STATE 105",
  ct_zone: "NXM_NX_CT_ZONE 106",
  ct_mark: "NXM_NX_CT_MARK 107",
  ct_label: "NXM_NX_CT_LABEL 108",
  ct_nw_proto: "NXM_NX_CT_NW_PROTO 119",
  ct_nw_src: "NXM_NX_CT_NW_SRC 120",
  ct_nw_dst: "NXM_NX_CT_NW_DST 121",
  ct_ipv6_src: "NXM_NX_CT_IPV6_SRC 122",
  ct_ipv6_dst: "NXM_NX_CT_IPV6_DST 123",
  ct_tp_src: "NXM_NX_CT_TP_SRC 124",
  ct_tp_dst: "NXM_NX_CT_TP_DST 125",
  xxreg0: "NXM_NX_XXREG0 111",
  xxreg1: "NXM_NX_XXREG1 112",
  xxreg2: "NXM_NX_XXREG2 113",
  xxreg3: "NXM_NX_XXREG3 114",
  eth_src: "NXM_OF_ETH_SRC 2, OXM_OF_ETH_SRC 4",
  eth_dst: "NXM_OF_ETH_DST 1, OXM_OF_ETH_DST 3",
  eth_type: "NXM_OF_ETH_TYPE 3, OXM_OF_ETH_TYPE 5",
  vlan_tci: "NXM_OF_VLAN_TCI 4",
  vlan_vid: "OXM_OF_VLAN_VID 6",
  vlan_pcp: "OXM_OF_VLAN_PCP 7",
  ip_src: "NXM_OF_IP_SRC 7, OXM_OF_IPV4_SRC 11",
  ip_dst: "NXM_OF_IP_DST 8, OXM_OF_IPV4_DST 12",
  ipv6_src: "NXM_NX_IPV6_SRC 19, OXM_OF_IPV6_SRC 26",
  ipv6_dst: "NXM_NX_IPV6_DST 20, OXM_OF_IPV6_DST 27",
  ipv6_label: "NXM_NX_IPV6_LABEL 27, OXM_OF_IPV6_FLABEL 28",
  nw_proto: "NXM_OF_IP_PROTO 6, OXM_OF_IP_PROTO 10",
  nw_tos: "NXM_OF_IP_TOS 5",
  ip_dscp: "OXM_OF_IP_DSCP 8",
  nw_ecn: "NXM_NX_IP_ECN 28, OXM_OF_IP_ECN 9",
  nw_ttl: "NXM_NX_IP_TTL 29",
  ip_frag: "NXM_NX_IP_FRAG 26",
  arp_op: "NXM_OF_ARP_OP 15, OXM_OF_ARP_OP 21",
  arp_spa: "NXM_OF_ARP_SPA 16, OXM_OF_ARP_SPA 22",
  arp_tpa: "NXM_OF_ARP_TPA 17, OXM_OF_ARP_TPA 23",
  arp_sha: "NXM_NX_ARP_SHA 17, OXM_OF_ARP_SHA 24",
  arp_tha: "NXM_NX_ARP_THA 18, OXM_OF_ARP_THA 25",
  tcp_src: "NXM_OF_TCP_SRC 9, OXM_OF_TCP_SRC 13",
  tcp_dst: "NXM_OF_TCP_DST 10, OXM_OF_TCP_DST 14",
  tcp_flags: "NXM_NX_TCP_FLAGS 34, ONFOXM_ET_TCP_FLAGS 42@13, OXM_OF_TCP_FLAGS 42@15",
  udp_src: "NXM_OF_UDP_SRC 11, OXM_OF_UDP_SRC 15",
  udp_dst: "NXM_OF_UDP_DST 12, OXM_OF_UDP_DST 16",
  sctp_src: "OXM_OF_SCTP_SRC 17",
  sctp_dst: "OXM_OF_SCTP_DST 18",
  icmp_type: "NXM_OF_ICMP_TYPE 13, OXM_OF_ICMPV4_TYPE 19",
  icmp_code: "NXM_OF_ICMP_CODE 14, OXM_OF_ICMPV4_CODE 20",
  icmpv6_type: "NXM_NX_ICMPV6_TYPE 21, OXM_OF_ICMPV6_TYPE 29",
  icmpv6_code: "NXM_NX_ICMPV6_CODE 22, OXM_OF_ICMPV6_CODE 30",
  nd_target: "NXM_NX_ND_TARGET 23, OXM_OF_IPV6_ND_TARGET 31",
  nd_sll: "NXM_NX_ND_SLL 24, OXM_OF_IPV6_ND_SLL 32",
  nd_tll: "NXM_NX_ND_TLL 25, OXM_OF_IPV6_ND_TLL 33",
};

/** Fields that travel, and that this switch cannot match: they are read, checked and sent on. */
type ForeignPrerequisite = Prerequisite | "mpls" | "nsh";

/** Name, bytes, valid bits (0: all), `m` for any mask, prerequisite, numbers as above. */
const FOREIGN = [
  ["mpls_tc", 1, 3, "", "mpls", "OXM_OF_MPLS_TC 35"],
  ["mpls_bos", 1, 1, "", "mpls", "OXM_OF_MPLS_BOS 36@13"],
  ["mpls_ttl", 1, 8, "", "mpls", "NXM_NX_MPLS_TTL 30"],
  ["mpls_label", 4, 20, "", "mpls", "OXM_OF_MPLS_LABEL 34"],
  ["nd_reserved", 4, 32, "", "nd", "ERICOXM_OF_ICMPV6_ND_RESERVED 1@10"],
  ["nd_options_type", 1, 8, "", "nd", "ERICOXM_OF_ICMPV6_ND_OPTIONS_TYPE 2@10"],
  ["tun_flags", 2, 1, "m", "none", "NXM_NX_TUN_FLAGS 104"],
  ["tun_src", 4, 32, "m", "none", "NXM_NX_TUN_IPV4_SRC 31"],
  ["tun_dst", 4, 32, "m", "none", "NXM_NX_TUN_IPV4_DST 32"],
  ["tun_ipv6_src", 16, 128, "m", "none", "NXM_NX_TUN_IPV6_SRC 109"],
  ["tun_ipv6_dst", 16, 128, "m", "none", "NXM_NX_TUN_IPV6_DST 110"],
  ["tun_gbp_id", 2, 16, "m", "none", "NXM_NX_TUN_GBP_ID 38"],
  ["tun_gbp_flags", 1, 8, "m", "none", "NXM_NX_TUN_GBP_FLAGS 39"],
  ["tun_erspan_idx", 4, 32, "m", "none", "NXOXM_ET_ERSPAN_IDX 11@10"],
  ["tun_erspan_ver", 1, 8, "m", "none", "NXOXM_ET_ERSPAN_VER 12@10"],
  ["tun_erspan_dir", 1, 8, "m", "none", "NXOXM_ET_ERSPAN_DIR 13@10"],
  ["tun_erspan_hwid", 1, 8, "m", "none", "NXOXM_ET_ERSPAN_HWID 14@10"],
  ["tun_gtpu_flags", 1, 8, "m", "none", "NXOXM_ET_GTPU_FLAGS 15@10"],
  ["tun_gtpu_msgtype", 1, 8, "m", "none", "NXOXM_ET_GTPU_MSGTYPE 16@10"],
  ["nsh_flags", 1, 8, "m", "nsh", "NXOXM_NSH_FLAGS 1@10"],
  ["nsh_ttl", 1, 6, "", "nsh", "NXOXM_NSH_TTL 10@10"],
  ["nsh_mdtype", 1, 8, "", "nsh", "NXOXM_NSH_MDTYPE 2@10"],
  ["nsh_np", 1, 8, "", "nsh", "NXOXM_NSH_NP 3@10"],
  ["nsh_spi", 4, 24, "", "nsh", "NXOXM_NSH_SPI 4@10"],
  ["nsh_si", 1, 8, "", "nsh", "NXOXM_NSH_SI 5@10"],
  ["nsh_c1", 4, 32, "m", "nsh", "NXOXM_NSH_C1 6@10"],
  ["nsh_c2", 4, 32, "m", "nsh", "NXOXM_NSH_C2 7@10"],
  ["nsh_c3", 4, 32, "m", "nsh", "NXOXM_NSH_C3 8@10"],
  ["nsh_c4", 4, 32, "m", "nsh", "NXOXM_NSH_C4 9@10"],
] as const satisfies readonly (readonly [
  string,
  number,
  number,
  "" | "m",
  ForeignPrerequisite,
  string,
])[];

export type ForeignId = (typeof FOREIGN)[number][0];

/** What a header stands for. The in_port of OXM has 32 bits, and is a field of its own. */
export interface OxmField {
  readonly id: FieldId | ForeignId | "in_port_oxm";
  /** The field of the registry that it sets; null: none of this switch. */
  readonly field: FieldId | null;
  readonly bytes: number;
  /** Bits that a value may have. */
  readonly valid: bigint;
  readonly maskable: boolean;
  readonly prerequisite: ForeignPrerequisite;
  /** In the order of preference. */
  readonly names: readonly OxmName[];
}

export interface OxmName {
  readonly name: string;
  readonly class: number;
  /** 0: none. */
  readonly experimenter: number;
  readonly number: number;
  /** The first version of OpenFlow that it is sent with, as 10 or 13. */
  readonly since: number;
}

function nameOf(text: string): OxmName {
  const [, name, number, since] = /^(\w+) (\d+)(?:@(\d+))?$/.exec(text)!;
  const prefixes = Object.keys(CLASSES) as (keyof typeof CLASSES)[];
  const prefix = prefixes
    .filter((each) => name!.startsWith(each))
    .sort()
    .at(-1)!;
  const [klass, experimenter] = CLASSES[prefix];
  const usual = klass <= 1 ? 10 : 12;
  return {
    ...{ name: name!, class: klass, experimenter },
    ...{ number: Number(number), since: since === undefined ? usual : Number(since) },
  };
}

const namesOf = (text: string): OxmName[] => text.split(", ").map(nameOf);

/** Registers have their own numbers. */
function numbersOf(id: FieldId): string | undefined {
  const register = /^(x?)reg(\d+)$/.exec(id);
  if (register === null) return NUMBERS[id];
  const [, extended, number] = register;
  return extended === "x"
    ? `OXM_OF_PKT_REG${number} ${number}@13`
    : `NXM_NX_REG${number} ${number}`;
}

/** Bits of the byte with the DSCP, and of the states of a connection. */
const VALID: Readonly<Partial<Record<FieldId, bigint>>> = { nw_tos: 0xfcn, ct_state: 0xffn };

/** All fields that travel. */
export const OXM_FIELDS: readonly OxmField[] = [
  ...FIELDS.flatMap(({ id, stored, maskable, prerequisite }): OxmField[] => {
    const numbers = numbersOf(id);
    if (numbers === undefined) return [];
    const valid = VALID[id] ?? (1n << BigInt(stored)) - 1n;
    const bytes = byteWidth(fieldOf(id));
    return [
      { ...{ id, field: id, bytes, valid, maskable, prerequisite }, names: namesOf(numbers) },
    ];
  }),
  {
    ...{ id: "in_port_oxm", field: "in_port", bytes: 4, valid: 0xffffffffn, maskable: false },
    ...{ prerequisite: "none", names: namesOf("OXM_OF_IN_PORT 0") },
  },
  ...FOREIGN.map(([id, bytes, bits, mask, prerequisite, numbers]): OxmField => {
    const valid = (1n << BigInt(bits)) - 1n;
    const rest = { maskable: mask === "m", prerequisite, names: namesOf(numbers) };
    return { ...{ id, field: null, bytes, valid }, ...rest };
  }),
];

const BY_ID = new Map(OXM_FIELDS.map((field) => [field.id, field]));
const headerKey = (klass: number, number: number, experimenter: number): string =>
  `${klass}:${number}:${experimenter}`;
const BY_HEADER = new Map(
  OXM_FIELDS.flatMap((field) =>
    field.names.map((name) => [
      headerKey(name.class, name.number, name.experimenter),
      { field, name },
    ]),
  ),
);
const BY_NAME = new Map([...BY_HEADER.values()].map((found) => [found.name.name, found]));

export function oxmField(id: OxmField["id"]): OxmField {
  return BY_ID.get(id)!;
}

/** The name that a field is sent under: the newest that the version knows, or its first. */
export function oxmNameFor(field: OxmField, version: number): OxmName {
  return field.names.findLast(({ since }) => since <= version) ?? field.names[0]!;
}

export interface KnownHeader {
  readonly field: OxmField;
  readonly name: OxmName;
}

export function findHeader(
  klass: number,
  number: number,
  experimenter: number,
): KnownHeader | undefined {
  return BY_HEADER.get(headerKey(klass, number, experimenter));
}

/** By its NXM or OXM name, letter for letter. */
export function findName(name: string): KnownHeader | undefined {
  return BY_NAME.get(name);
}
