// Random flow texts that Open vSwitch accepts under OpenFlow 1.0 with Nicira extensions. Written
// from the documented syntax, not from the parser, so that the two can be compared.
import type { Random } from "../../src/base/random.js";
import { randomActionList } from "./generate-actions.js";

const hex = (random: Random, bits: number): string =>
  `0x${Math.floor(random.fraction() * 2 ** Math.min(bits, 32)).toString(16)}`;

const number = (random: Random, bits: number): string =>
  random.below(2) === 0 ? hex(random, bits) : String(Math.floor(random.fraction() * 2 ** bits));

const hexByte = (random: Random): string => random.below(256).toString(16).padStart(2, "0");

const octets = (random: Random): string =>
  Array.from({ length: 4 }, () => random.below(256)).join(".");

const mac = (random: Random): string =>
  Array.from({ length: 6 }, () => random.below(256).toString(16).padStart(2, "0")).join(":");

function ipv6(random: Random): string {
  const group = (): string => (random.below(3) === 0 ? "0" : random.below(0x10000).toString(16));
  const whole = Array.from({ length: 8 }, group).join(":");
  const short = ["::", "::1", "fe80::1", "2001:db8::2:3", "::ffff:1.2.3.4", "1:0:0:2::", "::5:6"];
  return random.below(2) === 0 ? whole : random.pick(short);
}

function masked(random: Random, value: string, mask: () => string): string {
  return random.below(3) === 0 ? `${value}/${mask()}` : value;
}

/** Fields that need no protocol. */
const METADATA: readonly ((random: Random) => string)[] = [
  (r) => `in_port=${r.pick(["1", "2", "65", "LOCAL", "local"])}`,
  (r) => `reg${r.below(16)}=${masked(r, number(r, 32), () => hex(r, 32))}`,
  (r) => `reg${r.below(16)}[${r.below(8)}..${8 + r.below(8)}]=${r.below(2)}`,
  (r) => `xreg${r.below(8)}=${masked(r, number(r, 32), () => hex(r, 32))}`,
  (r) => `xxreg${r.below(4)}=${masked(r, hex(r, 32), () => hex(r, 32))}`,
  (r) => `metadata=${masked(r, number(r, 40), () => hex(r, 32))}`,
  (r) => `tun_id=${masked(r, number(r, 40), () => hex(r, 32))}`,
  (r) => `pkt_mark=${masked(r, number(r, 32), () => hex(r, 32))}`,
  (r) => `conj_id=${r.below(100)}`,
  (r) => `recirc_id=${r.below(100)}`,
  (r) => `dp_hash=${masked(r, number(r, 32), () => hex(r, 32))}`,
  (r) => `ct_state=${r.pick(["+trk", "+trk+est", "-new+trk", "trk|est", "0x21/0x23", "-inv"])}`,
  (r) => `ct_zone=${r.below(0x10000)}`,
  (r) => `ct_mark=${masked(r, number(r, 32), () => hex(r, 32))}`,
  (r) => `ct_label=${masked(r, hex(r, 32), () => hex(r, 32))}`,
];

const LINK: readonly ((random: Random) => string)[] = [
  (r) => `${r.pick(["dl_src", "eth_src"])}=${masked(r, mac(r), () => mac(r))}`,
  (r) => `${r.pick(["dl_dst", "eth_dst"])}=${masked(r, mac(r), () => mac(r))}`,
  (r) => `dl_vlan=${r.pick(["0", "5", "100", "4095", "0xffff"])}`,
  (r) => `dl_vlan_pcp=${r.below(8)}`,
  (r) => `dl_vlan=${r.below(4096)},dl_vlan_pcp=${r.below(8)}`,
  // An exact TCI without 0x1000 is sent as two different things, depending on the other fields.
  (r) => `vlan_tci=0x${(0x1000 | r.below(0x10000)).toString(16)}`,
  (r) => `vlan_tci=${hex(r, 16)}/0x${r.below(0xffff).toString(16)}`,
  (r) => `vlan_vid=${r.pick(["0x1000/0x1000", "4101", "0x1003/0x1fff"])}`,
];

const IP: readonly ((random: Random) => string)[] = [
  (r) => `nw_tos=${r.below(256)}`,
  (r) => `ip_dscp=${r.below(64)}`,
  (r) => `nw_ecn=${r.below(4)}`,
  (r) => `nw_ttl=${r.below(256)}`,
  // `later` would contradict ports; it has its own lines in the tables.
  (r) => `${r.pick(["nw_frag", "ip_frag"])}=${r.pick(["no", "yes", "first", "not_later"])}`,
];

const IPV4: readonly ((random: Random) => string)[] = [
  (r) => `${r.pick(["nw_src", "ip_src"])}=${masked(r, octets(r), () => String(r.below(33)))}`,
  (r) => `${r.pick(["nw_dst", "ip_dst"])}=${masked(r, octets(r), () => octets(r))}`,
];

const IPV6: readonly ((random: Random) => string)[] = [
  (r) => `ipv6_src=${masked(r, ipv6(r), () => String(r.below(129)))}`,
  // ovs-ofctl takes a mask that begins with `0:` for a prefix length and then fails.
  (r) => `ipv6_dst=${masked(r, ipv6(r), () => `ffff::${hex(r, 16).slice(2)}`)}`,
  (r) => `ipv6_label=${masked(r, hex(r, 20), () => hex(r, 20))}`,
];

const ARP: readonly ((random: Random) => string)[] = [
  (r) => `arp_spa=${masked(r, octets(r), () => String(r.below(33)))}`,
  (r) => `arp_tpa=${octets(r)}`,
  (r) => `arp_sha=${masked(r, mac(r), () => mac(r))}`,
  (r) => `arp_tha=${mac(r)}`,
  (r) => `arp_op=${r.below(256)}`,
];

const ports = (names: readonly string[]): ((random: Random) => string)[] => [
  (r) => `${r.pick(names)}_src=${masked(r, number(r, 16), () => hex(r, 16))}`,
  (r) => `${r.pick(names)}_dst=${masked(r, number(r, 16), () => hex(r, 16))}`,
  (r) => `${r.pick(names)}_dst[${r.below(16)}]=1`,
];

const TCP_FLAGS = (r: Random): string =>
  `tcp_flags=${r.pick(["+syn-ack", "syn|ack", "0x12/0x12", "0", "+fin+rst", "0xfff", "-ns"])}`;

interface Protocol {
  readonly names: readonly string[];
  readonly fields: readonly ((random: Random) => string)[];
  /** Writable fields, for set_field and load: name, width, a value for set_field. */
  readonly writable: readonly (readonly [string, number, (random: Random) => string])[];
}

const ipv4Writable: Protocol["writable"] = [
  ["ip_src", 32, octets],
  ["nw_dst", 32, octets],
  ["nw_ttl", 8, (r) => String(r.below(256))],
  ["nw_ecn", 2, (r) => String(r.below(4))],
  ["ip_dscp", 6, (r) => String(r.below(64))],
];

const PROTOCOLS: readonly Protocol[] = [
  { names: ["dl_type=0x88cc", "rarp", "dl_type=0x1234"], fields: [], writable: [] },
  {
    names: ["ip", "dl_type=0x0800", "ip,nw_proto=99"],
    fields: [...IP, ...IPV4],
    writable: ipv4Writable,
  },
  {
    names: ["arp", "dl_type=0x806"],
    fields: ARP,
    writable: [
      ["arp_op", 8, (r) => String(r.below(256))],
      ["arp_spa", 32, octets],
      ["arp_sha", 48, mac],
    ],
  },
  {
    names: ["tcp", "ip,nw_proto=6"],
    fields: [...IP, ...IPV4, ...ports(["tp", "tcp"]), TCP_FLAGS],
    writable: [
      ...ipv4Writable,
      ["tcp_src", 16, (r) => number(r, 16)],
      ["tp_dst", 16, (r) => number(r, 16)],
    ],
  },
  {
    names: ["udp"],
    fields: [...IP, ...IPV4, ...ports(["tp", "udp"])],
    writable: [["udp_src", 16, (r) => number(r, 16)]],
  },
  {
    names: ["sctp"],
    fields: [...IP, ...ports(["tp", "sctp"])],
    writable: [["sctp_dst", 16, (r) => number(r, 16)]],
  },
  {
    names: ["icmp"],
    fields: [
      ...IP,
      ...IPV4,
      (r) => `icmp_type=${r.below(256)}`,
      (r) => `icmp_code=${r.below(256)}`,
    ],
    writable: [["icmp_type", 8, (r) => String(r.below(256))]],
  },
  {
    names: ["ipv6", "ip6"],
    fields: [...IP, ...IPV6],
    writable: [
      ["ipv6_src", 128, ipv6],
      ["ipv6_label", 20, (r) => hex(r, 20)],
    ],
  },
  {
    names: ["tcp6"],
    fields: [...IP, ...IPV6, ...ports(["tp", "tcp"]), TCP_FLAGS],
    writable: [["ipv6_dst", 128, ipv6]],
  },
  {
    names: ["udp6", "sctp6"],
    fields: [...IP, ...IPV6, (r) => `tp_dst=${r.below(65536)}`],
    writable: [],
  },
  {
    names: ["icmp6,icmp_type=135"],
    fields: [
      ...IPV6,
      (r) => `nd_target=${masked(r, ipv6(r), () => String(r.below(129)))}`,
      (r) => `nd_sll=${mac(r)}`,
    ],
    writable: [["nd_target", 128, ipv6]],
  },
  {
    names: ["icmp6,icmpv6_type=136,icmpv6_code=0"],
    fields: [(r) => `nd_target=${ipv6(r)}`, (r) => `nd_tll=${masked(r, mac(r), () => mac(r))}`],
    writable: [["nd_tll", 48, mac]],
  },
  // Fields without their protocol: silently dropped.
  {
    names: ["in_port=3"],
    fields: [
      (r) => `tp_dst=${r.below(65536)}`,
      (r) => `nw_src=${octets(r)}`,
      (r) => `nw_proto=${r.below(256)}`,
      (r) => `nw_tos=${r.below(256)}`,
    ],
    writable: [],
  },
];

const ANYWHERE: Protocol["writable"] = [
  ["reg0", 32, (r) => masked(r, "0x5a5a", () => "0xff5a5a")],
  ["reg7", 32, (r) => number(r, 32)],
  ["metadata", 64, (r) => hex(r, 32)],
  ["xreg1", 64, (r) => hex(r, 32)],
  ["xxreg1", 128, (r) => hex(r, 32)],
  ["tun_id", 64, (r) => hex(r, 32)],
  ["pkt_mark", 32, (r) => number(r, 32)],
  ["eth_src", 48, mac],
  ["dl_dst", 48, mac],
  ["in_port", 16, (r) => String(1 + r.below(9))],
];

const ACTIONS: readonly ((random: Random) => string)[] = [
  (r) =>
    r.pick(["output:1", "2", "output(3)", "NORMAL", "normal", "flood", "all", "LOCAL", "in_port"]),
  (r) => r.pick(["controller", "controller:64", "controller(reason=no_match,max_len=9,id=7)"]),
  (r) => `output:reg${r.below(16)}[${r.below(8)}..${8 + r.below(8)}]`,
  (r) => `output(port=${1 + r.below(9)},max_len=${14 + r.below(99)})`,
  (r) => r.pick(["resubmit:3", "resubmit(,7)", "resubmit(4,9)", "resubmit(in_port,3)"]),
  (r) => `mod_vlan_vid:${r.below(4096)}`,
  (r) => `mod_vlan_pcp:${r.below(8)}`,
  (r) => r.pick(["strip_vlan", "pop_vlan", "dec_ttl", "dec_ttl(1,2)"]),
  (r) => `mod_dl_src:${mac(r)}`,
  (r) => `mod_dl_dst:${mac(r)}`,
  (r) => `mod_nw_src:${octets(r)}`,
  (r) => `mod_nw_dst:${octets(r)}`,
  (r) => `mod_nw_tos:${4 * r.below(64)}`,
  (r) => `mod_tp_src:${r.below(65536)}`,
  (r) => `mod_tp_dst:${r.below(65536)}`,
  (r) => `note:${Array.from({ length: r.below(12) }, () => hexByte(r)).join(".")}`,
  (r) =>
    `move:reg${r.below(16)}[0..${r.below(31)}]`.replace(
      /\[0\.\.(\d+)\]/,
      (s, n: string) => `${s}->reg3[${31 - Number(n)}..31]`,
    ),
];

function setting(random: Random, writable: Protocol["writable"]): string {
  const [name, bits, value] = random.pick(writable);
  if (random.below(2) === 0) return `set_field:${value(random)}->${name}`;
  const low = random.below(bits);
  const width = 1 + random.below(Math.min(bits - low, 31));
  const part = Math.floor(random.fraction() * 2 ** width);
  return `load:${part}->${name}[${low}..${low + width - 1}]`;
}

function some<T>(random: Random, items: readonly ((random: Random) => T)[], most: number): T[] {
  if (items.length === 0) return [];
  return Array.from({ length: random.below(most + 1) }, () => random.pick(items)(random));
}

/** One flow text. */
export function randomFlowText(random: Random): string {
  const protocol = random.pick(PROTOCOLS);
  const properties = [
    random.below(3) === 0 ? [`table=${random.below(254)}`] : [],
    random.below(2) === 0 ? [`priority=${random.below(65536)}`] : [],
    random.below(5) === 0 ? [`cookie=${hex(random, 32)}`] : [],
    random.below(5) === 0 ? [`idle_timeout=${random.below(65536)}`] : [],
    random.below(5) === 0 ? [`hard_timeout=${random.below(65536)}`] : [],
    random.below(8) === 0 ? ["send_flow_rem"] : [],
    random.below(8) === 0 ? ["check_overlap"] : [],
  ].flat();
  const fields = [
    random.pick(protocol.names),
    ...some(random, METADATA, 2),
    ...some(random, LINK, 2),
    ...some(random, protocol.fields, 3),
  ];
  const separator = random.pick([",", ", ", " "]);
  const writable = [...ANYWHERE, ...protocol.writable];
  const choices = [
    ...ACTIONS,
    (r: Random) => setting(r, writable),
    (r: Random) => setting(r, writable),
  ];
  const actions = some(random, choices, 4);
  const list = actions.length === 0 ? random.pick(["drop", ""]) : actions.join(",");
  return `${[...properties, ...fields].join(separator)} actions=${list}`;
}

/** What actions of a flow with these fields can count on. */
function matchedOf(
  names: string,
  fields: readonly string[],
): Parameters<typeof randomActionList>[1] {
  const isIpv6 = /ipv6|ip6|tcp6|udp6|sctp6|icmp6/.test(names);
  const isIpv4 = !isIpv6 && /(^|,)(ip|tcp|udp|sctp|icmp)\b|0x0800/.test(names);
  const tcp = /tcp|nw_proto=6$/.test(names);
  const hasTag = fields.some((field) => /^(dl_vlan=[0-9]|dl_vlan_pcp|vlan_vid=4)/.test(field));
  return {
    ip: isIpv4 ? 4 : isIpv6 ? 6 : 0,
    protocol: tcp ? "tcp" : names.includes("udp") ? "udp" : "other",
    hasTag: hasTag && !fields.some((field) => /vlan_tci|0xffff/.test(field)),
  };
}

/** One flow text with any of the actions that flow text has, below table 100. */
export function randomRichFlowText(random: Random): string {
  const protocol = random.pick(PROTOCOLS);
  const names = random.pick(protocol.names);
  const fields = [names, ...some(random, METADATA, 1), ...some(random, LINK, 1)];
  const properties = [
    random.below(3) === 0 ? [`table=${random.below(100)}`] : [],
    random.below(3) === 0 ? [`priority=${random.below(65536)}`] : [],
    random.below(6) === 0 ? [`cookie=${hex(random, 32)}`] : [],
    random.below(9) === 0 ? [random.pick(["reset_counts", "no_packet_counts"])] : [],
    random.below(9) === 0 ? [`importance=${random.below(65536)}`] : [],
  ].flat();
  const own = [...properties, ...fields, ...some(random, protocol.fields, 1)];
  return `${own.join(",")} actions=${randomActionList(random, matchedOf(names, fields))}`;
}
