// Random actions with many arguments, as ofctl text, for comparisons: learn, ct, controller, and
// forms of others that few flows have.
import type { Random } from "../../src/base/random.js";
import { PORTS } from "./ovs.js";

/** What a flow matches: an ethertype (0: any) and a protocol (-1: any). */
export interface Fit {
  readonly type: number;
  readonly protocol: number;
  readonly isLater: boolean;
}

const outPort = (random: Random): number => 1 + random.below(PORTS);

/** Some of these, each at most once, in their order. */
function some(random: Random, all: readonly string[], oneIn = 2): string[] {
  return all.filter(() => random.below(oneIn) === 0);
}

/** Properties of the flow that is learned. */
function learnProperties(random: Random): string[] {
  return some(
    random,
    [
      `idle_timeout=${random.pick([0, 10, 65535])}`,
      `hard_timeout=${random.pick([30, 1])}`,
      `fin_idle_timeout=${1 + random.below(5)}`,
      `fin_hard_timeout=${1 + random.below(9)}`,
      `cookie=0x${random.pick(["1", "5", "ffffffffffffffff"])}`,
      "send_flow_rem",
      "delete_learned",
      `limit=${1 + random.below(3)}`,
      `result_dst=${random.pick(["reg0[3]", "reg15[31]", "pkt_mark[0]", "metadata[63]"])}`,
    ],
    4,
  );
}

const LEARN_MATCHES: readonly string[] = [
  ...["in_port", "eth_src", "eth_dst", "eth_dst=eth_src", "NXM_OF_ETH_SRC[]", "reg0=5"],
  ...["NXM_OF_VLAN_TCI[0..11]", "vlan_tci[12]=1", "vlan_tci", "reg1[0..7]=3", "metadata=0x10"],
  ...["reg0[0..15]=in_port", "NXM_NX_REG1[]=NXM_NX_REG0[]", "pkt_mark=reg15[]", "tun_id=metadata"],
  ...["eth_dst=02:00:00:00:00:01", "eth_src[40]=1", "xreg0[16..63]=eth_dst", "reg15=0x80000000"],
];
const LEARN_LOADS: readonly string[] = [
  ...["load:5->reg1", "load:in_port->reg0[0..15]", "load:0x1->NXM_NX_REG2[0..7]"],
  ...["load:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[]", "load:reg0[0..15]->vlan_tci", "output:in_port"],
  ...[
    "output:reg0[0..15]",
    "output:NXM_OF_IN_PORT[]",
    "load:0->in_port",
    "load:7->metadata[60..62]",
  ],
  ...["load:0xffffffffffff->eth_dst", "load:eth_src->xreg0[0..47]", "output:metadata[0..7]"],
];
const IPV4_MATCHES: readonly string[] = [
  ...["ip_dst=ip_src", "ip_src", "nw_proto", "ip_src[8..31]=ip_dst[8..31]", "nw_ttl", "nw_tos"],
];
const ARP_MATCHES: readonly string[] = [
  ...["arp_op", "arp_spa=arp_tpa", "arp_op=2", "reg0[0..15]=arp_op", "arp_tha=arp_sha"],
];
const IPV6_MATCHES: readonly string[] = ["ipv6_dst=ipv6_src", "ipv6_src", "ipv6_label", "nw_ecn"];

function learnMatches(random: Random, { type, protocol, isLater }: Fit): string[] {
  const matches = some(random, LEARN_MATCHES, 8);
  const isIp = type === 0x0800 || type === 0x86dd;
  if (type === 0x0806 && random.below(2) === 0) {
    return [...matches, "eth_type=0x806", ...some(random, ARP_MATCHES, 3)];
  }
  if (!isIp || random.below(2) === 0) return matches;
  matches.push(`eth_type=0x${type.toString(16)}`);
  matches.push(...some(random, type === 0x0800 ? IPV4_MATCHES : IPV6_MATCHES, 4));
  const name = ({ 6: "tcp", 17: "udp", 132: "sctp" } as Record<number, string>)[protocol];
  if (name === undefined || isLater || random.below(2) === 0) return matches;
  return [
    ...matches.filter((match) => match !== "nw_proto"),
    `nw_proto=${protocol}`,
    random.pick([`${name}_src=${name}_dst`, `${name}_dst`, `${name}_src=80`]),
  ];
}

/** `learn(...)` into the table of learned flows. */
export function learnText(random: Random, fit: Fit): string {
  const parts = [
    ...["table=9", `priority=${1 + random.below(65534)}`],
    ...learnProperties(random),
    ...learnMatches(random, fit),
    ...some(random, LEARN_LOADS, 6),
  ];
  return `learn(${parts.join(",")})`;
}

/** `controller(...)`. */
export function controllerText(random: Random): string {
  const reasons = ["no_match", "action", "invalid_ttl", "action_set", "group", "packet_out"];
  const parts = some(random, [
    `reason=${random.pick(reasons)}`,
    `max_len=${random.pick([0, 14, 128, 65535])}`,
    `id=${random.pick([0, 1, 65535])}`,
    `userdata=${random.pick(["01", "00.02.ff", "0102030405060708"])}`,
  ]);
  return parts.length === 0 ? "controller:128" : `controller(${parts.join(",")})`;
}

const ZONES = ["0", "5", "65535", "reg0[0..15]", "NXM_NX_REG1[3..18]", "reg15[16..31]"];

function natText(random: Random, { type }: Fit): string {
  const isV4 = type === 0x0800;
  const addresses = isV4
    ? ["10.0.0.9", "10.0.0.9-10.0.0.12", "192.168.0.1"]
    : ["2001:db8::9", "2001:db8::9-2001:db8::12", "[fe80::1]"];
  const ports = isV4 || addresses.length === 0 ? ["", ":80", ":80-90"] : [""];
  const how = random.pick(["", ",random", ",hash", ",persistent", ",persistent,hash"]);
  const range = `${random.pick(["src", "dst"])}=${random.pick(addresses)}${random.pick(ports)}`;
  return random.pick(["nat", `nat(${random.pick(["src", "dst"])})`, `nat(${range}${how})`]);
}

/** What `exec` may hold: the connection's own fields. */
const EXECUTED: readonly string[] = [
  ...["set_field:0x5->ct_mark", "load:1->ct_mark[3..4]", "move:reg0[]->ct_mark[]"],
  ...["set_field:0x10000000000000001->ct_label", "load:9->ct_label[64..67]"],
  ...[
    "move:reg1[0..7]->ct_label[0..7]",
    "set_field:0x0->ct_label",
    "move:eth_src[]->ct_label[0..47]",
  ],
];

/** @param table where tracked packets go on. */
export function conntrackText(random: Random, fit: Fit, table: number): string {
  const commits = random.below(2) === 0;
  const parts = some(random, [`zone=${random.pick(ZONES)}`, `table=${table}`]);
  if (commits) {
    parts.unshift("commit");
    if (random.below(4) === 0) parts.push("force");
    if (random.below(3) === 0) parts.push(`exec(${some(random, EXECUTED, 4).join(",")})`);
  }
  if (random.below(3) === 0) {
    const isPlain = !commits;
    parts.push(isPlain ? "nat" : natText(random, fit));
  }
  return `ct(${parts.join(",")})`;
}

/** Actions that ask for nothing of the packet. */
export function rareText(random: Random): string {
  return random.pick([
    controllerText(random),
    `check_pkt_larger(${random.pick([14, 64, 1500, 9000])})->reg0[${random.below(32)}]`,
    `set_tunnel:${random.pick(["5", "0x123456789"])}`,
    `output(port=${random.pick(["in_port", "LOCAL", "9"])},max_len=${random.pick([14, 1500])})`,
    `enqueue:${random.pick(["LOCAL", "in_port", "9"])}:${random.below(9)}`,
    `note:${random.pick(["", "0102030405060708090a", "ff"])}`,
    `resubmit(,${random.pick([9, 9, 250])})`,
    `resubmit(in_port,${random.below(4)})`,
    `resubmit(${outPort(random)},9)`,
    random.pick(["push:metadata", "push:xxreg0[3..100]", "push:tun_id[0..31]", "push:vlan_tci"]),
    random.pick(["pop:metadata", "pop:xxreg0", "pop:vlan_tci", "pop:eth_src[0..9]"]),
    "load:0xfffe->in_port",
    `move:in_port->reg0[${random.pick([0, 16])}..${random.pick([15])}]`.replace("16..15", "16..31"),
    "learn()",
    "mod_vlan_vid:5,strip_vlan,strip_vlan",
  ]);
}

/** Actions on IP packets. */
export function rareIpText(random: Random): string {
  return random.pick(["dec_ttl(1,2)", "dec_ttl(65535)", "dec_ttl,dec_ttl", "mod_nw_ttl:0"]);
}

/** Lists within lists, for versions that have them. */
export function nestedText(random: Random, fit: Fit): string {
  const isIp = fit.type === 0x0800 || fit.type === 0x86dd;
  const inner = (): string =>
    random.pick([
      rareText(random).replace(/^learn\(\)$/, "exit"),
      `output:${outPort(random)}`,
      "push_vlan:0x88a8",
      "mod_vlan_vid:7",
      `output:reg${random.pick([0, 1])}[0..15]`,
      isIp ? "ct(commit)" : "normal",
      isIp ? "dec_ttl" : "flood",
    ]);
  const inside = `clone(${inner()},${inner()})`;
  return random.pick([`clone(${inner()},${inside},${inner()})`, inside, `clone(clone(${inside}))`]);
}
