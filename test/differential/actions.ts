// Random action lists for comparisons, as ofctl text, fit for what the flow's match says: an action
// on a field whose protocol is not matched would be refused.
import type { Random } from "../../src/base/random.js";
import { PORTS } from "./ovs.js";
import { conntrackText, learnText, nestedText, rareIpText, rareText } from "./rare-actions.js";

/** OpenFlow versions that flows are sent with: 1.0 with extensions, and later ones. */
export type Version = 10 | 11 | 12 | 13 | 14 | 15;

/** What is known of the packets that the actions will see. */
export interface ActionContext {
  readonly version: Version;
  /** Groups from 1 on that flows may send to. */
  readonly groups: number;
  readonly table: number;
  /** The ethertype that is matched; 0: any. */
  readonly type: number;
  /** -1: any. */
  readonly protocol: number;
  readonly isLater: boolean;
  readonly icmpType: number;
  /** Of a connection that is known. */
  readonly isTracked: boolean;
  readonly hasTag: boolean;
}

const octets = (random: Random): string => random.pick(["10.0.0.1", "10.9.9.9", "192.168.0.1"]);
const mac = (random: Random): string =>
  random.pick(["02:00:00:00:00:01", "02:00:00:00:00:02", "0a:0b:0c:0d:0e:0f", "aa:bb:cc:dd:ee:ff"]);
const ipv6 = (random: Random): string =>
  random.pick(["2001:db8::1", "2001:db8::2", "fe80::1", "::", "2001:db8:1::"]);
const port = (random: Random): string => String(random.pick([0, 1, 80, 8080, 65535]));
const outPort = (random: Random): string => String(1 + random.below(PORTS));

type Make = (random: Random) => string;

const LEARNED = ["output:in_port", "load:in_port->reg0[0..15]", "load:5->reg1"];

/** Width of what `load` and `move` may touch, by field. */
const REGISTERS: readonly (readonly [string, number])[] = [
  ["reg0", 32],
  ["reg1", 32],
  ["reg15", 32],
  ["xreg0", 64],
  ["xxreg0", 128],
  ["reg7", 32],
  ["reg12", 32],
  ["xreg3", 64],
  ["xxreg3", 128],
  ["metadata", 64],
  ["tun_id", 64],
  ["pkt_mark", 32],
  ["eth_src", 48],
  ["eth_dst", 48],
  ["vlan_tci", 16],
  ["in_port", 16],
];

const ANYWHERE: readonly Make[] = [
  (r) => `output:${outPort(r)}`,
  outPort,
  (r) => r.pick(["in_port", "LOCAL", "flood", "all", "normal"]),
  (r) => `output:reg${r.pick([0, 1, 15])}[0..15]`,
  (r) => `output(port=${outPort(r)},max_len=${14 + r.below(99)})`,
  (r) => `resubmit:${outPort(r)}`,
  (r) => `resubmit(${outPort(r)},${r.below(4)})`,
  (r) => `mod_dl_src:${mac(r)}`,
  (r) => `mod_dl_dst:${mac(r)}`,
  (r) => `mod_vlan_vid:${r.pick([0, 1, 100, 4095])}`,
  (r) => `mod_vlan_pcp:${r.below(8)}`,
  (r) => r.pick(["pop_vlan", "strip_vlan"]),
  (r) => `set_field:${mac(r)}->eth_src`,
  (r) => `set_field:${r.below(4)}->reg${r.pick([0, 1, 15])}`,
  (r) => `set_field:${1 + r.below(2)}/0x3->pkt_mark`,
  (r) => `set_field:${r.below(9)}->metadata`,
  () => "note:01.02",
  (r) => r.pick(["controller", "controller(reason=no_match,max_len=64,id=3)"]),
  (r) => r.pick(["set_queue:2", "pop_queue", `enqueue:${outPort(r)}:3`, "exit"]),
  (r) => `learn(table=9,${r.pick(["eth_src", "in_port", "eth_dst=eth_src"])},${r.pick(LEARNED)})`,
  () => "load:0->in_port",
  (r) => `load:${outPort(r)}->reg${r.pick([0, 1, 15])}[0..15]`,
  (r) => r.pick(["push:reg0", "push:in_port", "push:eth_src", "push:reg1[3..9]"]),
  (r) => r.pick(["pop:reg0", "pop:reg1[0..15]", "pop:eth_dst", "pop:pkt_mark"]),
  loadPart,
  movePart,
  (r) => ANY_FIELDS(r),
];

const ANY_FIELDS: Make = (r) =>
  shuttle(
    ...[["vlan_tci", 16] as const, ["in_port", 16] as const, ["eth_type", 16, "r"] as const],
    ...[["eth_src", 48] as const, ["eth_dst", 48] as const, ["pkt_mark", 32] as const],
    ...[["tun_id", 64] as const, ["metadata", 64] as const, ["xreg7", 64] as const],
    ...[["xxreg1", 128] as const, ["reg15", 32] as const, ["actset_output", 32, "r"] as const],
  )(r);

/** What OpenFlow 1.0 has no words for, or would send as something else. */
const LATER_VERSIONS: readonly Make[] = [
  (r) => `set_field:00:00:00:00:00:${r.pick(["01", "0f"])}/00:00:00:00:ff:ff->eth_src`,
  (r) => `write_actions(${r.pick(WRITTEN)(r)})`,
  (r) => `write_actions(${r.pick(WRITTEN)(r)},${r.pick(WRITTEN)(r)})`,
  () => "clear_actions",
  (r) => `write_metadata:0x${r.below(99).toString(16)}${r.pick(["", "/0xf0"])}`,
  (r) => `push_vlan:${r.pick(["0x8100", "0x88a8"])}`,
  (r) => `clone(${r.pick(SIMPLE)(r)},${outPort(r)})`,
];

const SIMPLE: readonly Make[] = [
  (r) => `set_field:${mac(r)}->eth_dst`,
  (r) => `set_field:${r.below(4)}->reg0`,
  (r) => `push_vlan:0x8100,set_field:${4096 + r.below(9)}->vlan_vid`,
  () => "push_vlan:0x88a8,pop_vlan",
  (r) => `output:${outPort(r)}`,
  (r) => `resubmit(,${r.below(4)})`,
  () => "exit",
];

/** What an action set holds. */
const WRITTEN: readonly Make[] = [
  (r) => `output:${outPort(r)}`,
  (r) => `set_field:${mac(r)}->eth_dst`,
  () => "pop_vlan",
  () => "push_vlan:0x8100",
  (r) => `set_field:${r.below(4)}->reg1`,
];

function loadPart(random: Random): string {
  const [name, bits] = random.pick(REGISTERS);
  const width = 1 + random.below(Math.min(bits, 31));
  const low = random.below(bits - width + 1);
  const value = random.pick([0, 1, 2 ** width - 1, Math.floor(random.fraction() * 2 ** width)]);
  return `load:${value}->${name}[${low}..${low + width - 1}]`;
}

function movePart(random: Random): string {
  const [from, fromBits] = random.pick(REGISTERS);
  const [to, toBits] = random.pick(REGISTERS);
  const width = 1 + random.below(Math.min(fromBits, toBits));
  const at = random.below(fromBits - width + 1);
  const target = random.below(toBits - width + 1);
  return `move:${from}[${at}..${at + width - 1}]->${to}[${target}..${target + width - 1}]`;
}

const IP: readonly Make[] = [
  () => "dec_ttl",
  (r) => `mod_nw_ttl:${r.pick([1, 63, 255])}`,
  (r) => `mod_nw_tos:${r.pick([0, 4, 0xb8])}`,
  (r) => `mod_nw_ecn:${r.below(4)}`,
  (r) => `set_field:${r.below(64)}->ip_dscp`,
  (r) => `load:${r.below(4)}->nw_ecn[]`,
  (r) => `move:nw_ttl[]->reg0[${r.pick([0, 24])}..${r.pick([7])}]`.replace("24..7", "24..31"),
];

/** Where tracked packets go on; its flows send nothing round again. */
export const TRACKED_TABLE = 8;

const CONNTRACK: readonly Make[] = [
  () => "ct()",
  (r) => `ct(commit${r.pick(["", ",zone=5", ",zone=reg0[0..15]", ",force"])})`,
  (r) => `ct(table=${TRACKED_TABLE}${r.pick(["", ",zone=5", ",nat"])})`,
  (r) => `ct(commit,exec(set_field:${r.below(3)}->ct_mark))`,
  () => `ct(commit,zone=5,exec(load:1->ct_mark[3..4]),table=${TRACKED_TABLE})`,
  () => "ct_clear",
];

const NAT: readonly Make[] = [
  (r) => `ct(commit,nat(src=10.0.0.9${r.pick(["", ":80", "-10.0.0.12:80-90"])}))`,
  (r) => `ct(commit,table=${TRACKED_TABLE},nat(dst=10.0.0.9${r.pick(["", ",random", ",hash"])}))`,
];

const IPV4: readonly Make[] = [
  (r) => IP_FIELDS(r),
  shuttle(["ip_src", 32], ["ip_dst", 32]),
  (r) => `mod_nw_src:${octets(r)}`,
  (r) => `mod_nw_dst:${octets(r)}`,
  () => "move:ip_src[]->ip_dst[]",
  () => "move:ip_dst[0..15]->reg1[0..15]",
];

const IPV6: readonly Make[] = [
  (r) => IP_FIELDS(r),
  shuttle(["ipv6_label", 20], ["ipv6_src", 128], ["ipv6_dst", 128]),
  (r) => `set_field:${ipv6(r)}->ipv6_src`,
  (r) => `set_field:${ipv6(r)}->ipv6_dst`,
  (r) => `set_field:${r.below(3)}->ipv6_label`,
  () => "move:ipv6_src[]->ipv6_dst[]",
];

/** Parts of a packet's fields go to registers, to the stack and back. */
function shuttle(...fields: readonly (readonly [name: string, bits: number, flag?: "r"])[]): Make {
  return (random) => {
    const [name, bits, flag] = random.pick(fields);
    const width = 1 + random.below(Math.min(bits, 32));
    const low = random.below(3) === 0 ? random.below(bits - width + 1) : bits - width;
    const part = random.below(3) === 0 ? `${name}[]` : `${name}[${low}..${low + width - 1}]`;
    const size = part.endsWith("[]") ? bits : width;
    const register = `reg${random.pick([0, 1, 2])}[0..${size - 1}]`;
    const ways = [`move:${part}->${register}`, `push:${part}`];
    const back = [`move:${register}->${part}`, `push:reg1,pop:${part}`, `pop:${part}`];
    return random.pick(flag === "r" || size > 32 ? [`push:${part}`] : [...ways, ...back]);
  };
}

const IP_FIELDS = shuttle(["nw_tos", 8], ["nw_ecn", 2], ["nw_ttl", 8], ["nw_proto", 8, "r"]);

const ARP: readonly Make[] = [
  shuttle(["arp_op", 16], ["arp_spa", 32], ["arp_tpa", 32], ["arp_sha", 48]),
  (r) => `set_field:${r.pick([1, 2])}->arp_op`,
  (r) => `set_field:${octets(r)}->arp_spa`,
  (r) => `set_field:${mac(r)}->arp_sha`,
  () => "move:arp_sha[]->arp_tha[]",
  () => "move:arp_spa[]->arp_tpa[]",
  (r) => `load:${r.below(9)}->arp_tpa[0..3]`,
];

const transport = (name: string): readonly Make[] => [
  shuttle([`${name}_src`, 16], [`${name}_dst`, 16]),
  shuttle(name === "tcp" ? ["tcp_flags", 12, "r"] : [`${name}_src`, 16]),
  (r) => `mod_tp_src:${port(r)}`,
  (r) => `mod_tp_dst:${port(r)}`,
  (r) => `set_field:${port(r)}->${name}_dst`,
  () => `move:${name}_src[]->${name}_dst[]`,
];

const NAMES: Readonly<Record<number, string>> = { 6: "tcp", 17: "udp", 132: "sctp" };

/** All actions that fit. */
function choices(context: ActionContext): (readonly Make[])[] {
  const { type, protocol, isLater, icmpType, table } = context;
  const isIp = type === 0x0800 || type === 0x86dd;
  const later: Make = (r) => `resubmit(,${table + 1 + r.below(4 - Math.min(3, table))})`;
  const lists: (readonly Make[])[] = [ANYWHERE, [later, later, later]];
  lists.push([rareText, (r) => learnText(r, context)]);
  if (isIp)
    lists.push(IP, CONNTRACK, [rareIpText, (r) => conntrackText(r, context, TRACKED_TABLE)]);
  if (type === 0x0800 && protocol === 6)
    lists.push([(r) => `fin_timeout(idle_timeout=${1 + r.below(9)},hard_timeout=${r.below(9)})`]);
  if (type === 0x0800) lists.push(IPV4, NAT);
  if (type === 0x86dd) lists.push(IPV6);
  if (type === 0x0806 || type === 0x8035) lists.push(ARP);
  const name = isIp && !isLater ? NAMES[protocol] : undefined;
  if (name !== undefined) lists.push(transport(name));
  if (isIp && !isLater && type === 0x0800 && protocol === 1) {
    const changes: Make[] = [(r) => `set_field:${r.pick([0, 8])}->icmp_type`];
    changes.push(() => "set_field:1->icmp_code", shuttle(["icmp_type", 8], ["icmp_code", 8]));
    lists.push(changes);
  }
  if (type === 0x86dd && protocol === 58 && !isLater) {
    if (icmpType === 135) lists.push([(r) => `set_field:${mac(r)}->nd_sll`]);
    if (icmpType === 136) lists.push([(r) => `set_field:${mac(r)}->nd_tll`]);
    if (icmpType === 135 || icmpType === 136)
      lists.push([(r) => `set_field:${ipv6(r)}->nd_target`]);
  }
  if (context.version !== 10) lists.push(LATER_VERSIONS, [(r) => nestedText(r, context)]);
  if (context.version !== 10 && type === 0x0800) {
    lists.push([(r) => `set_field:10.${r.below(4)}.0.0/255.255.0.0->ip_dst`]);
  }
  if (context.isTracked) lists.push([(r) => `resubmit(,${r.below(4)},ct)`]);
  if (context.groups > 0) lists.push([(r) => `group:${1 + r.below(context.groups)}`]);
  if (context.hasTag) {
    const fields = shuttle(["vlan_vid", 12], ["vlan_pcp", 3]);
    lists.push([(r) => `set_field:${4096 + r.below(5)}->vlan_vid`, fields]);
  }
  return lists;
}

/** Instructions come once each, in the order that OpenFlow 1.1 and later demand. */
const INSTRUCTIONS = ["clear_actions", "write_actions", "write_metadata", "goto_table"];

/** Actions of a flow in TRACKED_TABLE. */
export function trackedActions(random: Random): string {
  const before = ["", "ct_clear,", `set_field:${mac(random)}->eth_dst,`, "resubmit(,9),"];
  return `${random.pick(before)}output:${outPort(random)}`;
}

/** The actions of a bucket. */
export function bucketActions(random: Random): string {
  const first = random.below(4) === 0 ? "pop_vlan" : random.pick(SIMPLE)(random);
  return `${first},output:${outPort(random)}`;
}

function ordered(actions: readonly string[]): string[] {
  const rank = (action: string): number =>
    INSTRUCTIONS.findIndex((name) => action.startsWith(name));
  const instructions = INSTRUCTIONS.flatMap((name) =>
    actions.filter((action) => action.startsWith(name)).slice(0, 1),
  );
  return [...actions.filter((action) => rank(action) < 0), ...instructions];
}

export function randomActions(random: Random, context: ActionContext): string {
  const lists = choices(context);
  const count = random.pick([0, 1, 1, 2, 2, 3, 4, 6]);
  const actions = Array.from({ length: count }, () => random.pick(random.pick(lists))(random));
  // Something to see, most of the time.
  if (random.below(4) > 0) actions.push(`output:${outPort(random)}`);
  if (context.version !== 10 && context.table < 3 && random.below(6) === 0) {
    actions.push(`goto_table:${context.table + 1}`);
  }
  if (random.below(20) === 0) actions.push("exit");
  if (random.below(30) === 0) actions.unshift("check_pkt_larger(64)->reg0[0]");
  return actions.length === 0
    ? "drop"
    : ordered(actions.map((action) => sendable(action, context))).join(",");
}

/** OpenFlow 1.1 and later refuse to pop a tag that may not be there. */
function sendable(action: string, { version, hasTag }: ActionContext): string {
  if (version === 10 || !/^(strip|pop)_vlan$/.test(action)) return action;
  return hasTag ? "pop_vlan" : "push_vlan:0x88a8,pop_vlan";
}
