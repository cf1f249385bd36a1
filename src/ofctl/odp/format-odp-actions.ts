// Datapath actions as Open vSwitch 3.1 prints them (lib/odp-util.c format_odp_actions):
// `set(ipv4(ttl=63)),push_vlan(vid=5,pcp=0),2`. Slow path; any thread.
import { fieldOf, getFieldWords, type FieldId } from "../../flow/fields.js";
import { newKey, WORD } from "../../flow/key.js";
import {
  isMeteredPacketIn,
  ODP,
  ODP_WORDS,
  type ConntrackOperand,
  type Operand,
} from "../../flow/odp.js";
import type { ControllerOperand } from "../../flow/odp.js";
import { formatIpv4, formatIpv6, formatMac } from "../text/addresses.js";
import { formatNat } from "../print/format-nested.js";
import { hex } from "../print/format-value.js";
import { numberOf } from "../text/scan.js";

/** How the datapath numbers what the text refers to, and what the text is of. */
export interface OdpNames {
  /** A port of the datapath, by its OpenFlow number: a number, or a name. */
  readonly port: (number: number) => string;
  /** The actions of a trace without side effects: the controller would not hear of packets. */
  readonly isTrial?: boolean;
}

/** Headers that one `set` action covers: the words of the key, and the fields in print order. */
interface Header {
  readonly name: (key: Uint32Array) => string;
  readonly words: readonly number[];
  readonly fields: readonly (readonly [name: string, field: FieldId])[];
}

const range = (first: number, count: number): number[] =>
  Array.from({ length: count }, (_, i) => first + i);

const ADDRESSES: Header = {
  name: () => "eth",
  words: [WORD.ethDst, WORD.ethMid, WORD.ethSrc],
  fields: [
    ["src", "eth_src"],
    ["dst", "eth_dst"],
  ],
};
const IPV4: Header = {
  name: () => "ipv4",
  words: [WORD.nwSrc, WORD.nwDst, WORD.ip],
  fields: [
    ["src", "ip_src"],
    ["dst", "ip_dst"],
    ["tos", "nw_tos"],
    ["ttl", "nw_ttl"],
  ],
};
const IPV6: Header = {
  name: () => "ipv6",
  words: [...range(WORD.ipv6Src, 8), WORD.ipv6Label, WORD.ip],
  fields: [
    ["src", "ipv6_src"],
    ["dst", "ipv6_dst"],
    ["label", "ipv6_label"],
    ["tclass", "nw_tos"],
    ["hlimit", "nw_ttl"],
  ],
};
const ARP: Header = {
  name: () => "arp",
  words: [WORD.nwSrc, WORD.nwDst, WORD.ip, ...range(WORD.arpHardware, 3)],
  fields: [
    ["sip", "ip_src"],
    ["tip", "ip_dst"],
    ["op", "arp_op"],
    ["sha", "arp_sha"],
    ["tha", "arp_tha"],
  ],
};
const ND: Header = {
  name: () => "nd",
  words: [...range(WORD.ndTarget, 4), ...range(WORD.arpHardware, 3)],
  fields: [
    ["target", "nd_target"],
    ["sll", "arp_sha"],
    ["tll", "arp_tha"],
  ],
};
const PORTS: Header = {
  name: (key) => ({ 6: "tcp", 17: "udp" })[key[WORD.ip]! >>> 24] ?? "sctp",
  words: [WORD.ports],
  fields: [
    ["src", "tcp_src"],
    ["dst", "tcp_dst"],
  ],
};
const ICMP: Header = {
  name: (key) => (key[WORD.ip]! >>> 24 === 58 ? "icmpv6" : "icmp"),
  words: [WORD.ports],
  fields: [
    ["type", "icmp_type"],
    ["code", "icmp_code"],
  ],
};

/** The header that a word belongs to, in packets of this kind. */
function headerOf(key: Uint32Array, word: number): Header {
  const type = key[WORD.typeVlan]! >>> 16;
  if (ADDRESSES.words.includes(word)) return ADDRESSES;
  if (type === 0x0806 || type === 0x8035) return ARP;
  if (word === WORD.ports) return [1, 58].includes(key[WORD.ip]! >>> 24) ? ICMP : PORTS;
  if (type === 0x86dd) return IPV6.words.includes(word) ? IPV6 : ND;
  return IPV4;
}

/**
 * The actions as a list of texts; none of them is a drop.
 * @param key of the packets: a word of it means one thing in IPv4 and another in ARP.
 */
export function odpActionTexts(
  actions: ArrayLike<number>,
  operands: readonly Operand[],
  key: Uint32Array,
  names: OdpNames,
): string[] {
  const texts: string[] = [];
  for (let i = 0; i < actions.length;) {
    const operation = actions[i]!;
    if (operation === ODP.set) {
      const end = endOfSet(actions, i, key);
      texts.push(formatSet(actions, i, end, key));
      i = end;
    } else if (operation === ODP.clone) {
      const end = i + ODP_WORDS[ODP.clone]! + actions[i + 1]!;
      const inner = Array.from(actions).slice(i + ODP_WORDS[ODP.clone]!, end);
      const text = formatOdpActions(inner, operands, key, names);
      texts.push(
        isMeteredPacketIn(inner) ? `sample(sample=100.0%,actions(${text}))` : `clone(${text})`,
      );
      i = end;
    } else if (operation === ODP.checkLength) {
      const longer = i + ODP_WORDS[ODP.checkLength]!;
      const others = longer + actions[i + 2]!;
      const end = others + actions[i + 4]!;
      const list = (from: number, to: number): string =>
        formatOdpActions(Array.from(actions).slice(from, to), operands, key, names);
      const branches = `gt(${list(longer, others)}),le(${list(others, end)})`;
      texts.push(`check_pkt_len(size=${actions[i + 1]!},${branches})`);
      i = end;
    } else {
      texts.push(formatPlain(actions, i, operands, names));
      i += ODP_WORDS[operation]!;
    }
  }
  return texts;
}

/** The actions as one text; `drop` when there are none. */
export function formatOdpActions(
  actions: ArrayLike<number>,
  operands: readonly Operand[],
  key: Uint32Array,
  names: OdpNames,
): string {
  const texts = odpActionTexts(actions, operands, key, names);
  return texts.length === 0 ? "drop" : texts.join(",");
}

/** One header is set by one action: where the words that follow are no longer of it. */
function endOfSet(actions: ArrayLike<number>, from: number, key: Uint32Array): number {
  const first = actions[from + 1]!;
  let end = from + ODP_WORDS[ODP.set]!;
  if (isMetadata(first)) return end;
  const header = headerOf(key, first);
  while (end < actions.length && actions[end] === ODP.set) {
    const word = actions[end + 1]!;
    if (isMetadata(word) || headerOf(key, word) !== header) break;
    end += ODP_WORDS[ODP.set]!;
  }
  return end;
}

function isMetadata(word: number): boolean {
  return word === WORD.skbPriority || word === WORD.pktMark;
}

function formatSet(
  actions: ArrayLike<number>,
  from: number,
  end: number,
  key: Uint32Array,
): string {
  const value = newKey();
  const mask = newKey();
  for (let i = from; i < end; i += ODP_WORDS[ODP.set]!) {
    mask[actions[i + 1]!] = actions[i + 2]!;
    value[actions[i + 1]!] = actions[i + 3]!;
  }
  const word = actions[from + 1]!;
  if (isMetadata(word)) {
    const partial = mask[word] === 0xffffffff ? "" : `/${hex(mask[word]!)}`;
    const name = word === WORD.pktMark ? "skb_mark" : "skb_priority";
    return `set(${name}(${hex(value[word]!)}${partial}))`;
  }
  const header = headerOf(key, word);
  const fields = header.fields
    .map(([name, id]) => formatSetField(name, id, value, mask))
    .filter((text) => text !== "");
  return `set(${header.name(key)}(${fields.join(",")}))`;
}

/** `name=value[/mask]`, or nothing when the field is not set. */
function formatSetField(name: string, id: FieldId, value: Uint32Array, mask: Uint32Array): string {
  const field = id === "nw_tos" ? { ...fieldOf("nw_ecn"), ...TOS_BYTE } : fieldOf(id);
  const bits = new Uint32Array(field.words);
  getFieldWords(mask, field, bits);
  const maskNumber = numberOf(bits);
  if (maskNumber === 0n) return "";
  getFieldWords(value, field, bits);
  const number = numberOf(bits);
  const full = maskNumber === (1n << BigInt(field.stored)) - 1n;
  const text = (one: bigint, isMask: boolean): string => {
    if (field.format === "ethernet") return formatMac(one);
    if (field.format === "ipv4") return formatIpv4(one);
    if (field.format === "ipv6") return formatIpv6(one);
    return isMask || HEXADECIMAL.includes(name) ? hex(one) : String(one);
  };
  return `${name}=${text(number, false)}${full ? "" : `/${text(maskNumber, true)}`}`;
}

const HEXADECIMAL: readonly string[] = ["tos", "tclass", "label"];
/** The whole byte of which nw_tos names the DSCP bits. */
const TOS_BYTE = { start: fieldOf("nw_tos").start, stored: 8, words: 1 };

function formatPlain(
  actions: ArrayLike<number>,
  at: number,
  operands: readonly Operand[],
  names: OdpNames,
): string {
  const operand = actions[at + 1]!;
  switch (actions[at]) {
    case ODP.output:
      return names.port(operand);
    case ODP.truncate:
      return `trunc(${operand})`;
    case ODP.pushVlan:
      return formatPushVlan(operand);
    case ODP.popVlan:
      return "pop_vlan";
    case ODP.controller:
      return formatUserspace(operands[operand] as ControllerOperand, names.isTrial === true);
    case ODP.meter:
      return `meter(${operand})`;
    case ODP.hash:
      return `hash(${operand === 1 ? "sym_l4" : "l4"}(${actions[at + 2]! >>> 0}))`;
    case ODP.recirc:
      return `recirc(${hex(operand)})`;
    case ODP.ct:
      return formatConntrack(operands[operand] as ConntrackOperand);
    default:
      return "ct_clear";
  }
}

function formatPushVlan(tag: number): string {
  const tpid = tag >>> 16;
  const shown = tpid === 0x8100 ? "" : `tpid=0x${tpid.toString(16).padStart(4, "0")},`;
  const isPresent = (tag & 0x1000) !== 0;
  const rest = isPresent ? "" : ",cfi=0";
  return `push_vlan(${shown}vid=${tag & 0xfff},pcp=${(tag >>> 13) & 7}${rest})`;
}

/** The cookie of no flow. */
const NO_COOKIE = 0xffffffffffffffffn;
/** Numbers of OpenFlow's packet-in reasons. */
const REASONS: Readonly<Record<ControllerOperand["reason"], number>> = {
  no_match: 0,
  explicit_miss: 0,
  action: 1,
  invalid_ttl: 2,
  action_set: 3,
  group: 4,
  packet_out: 5,
  implicit_miss: 7,
};

function formatUserspace(operand: ControllerOperand, isTrial: boolean): string {
  const parts = [
    `reason=${REASONS[operand.reason]}`,
    `dont_send=${isTrial ? 1 : 0}`,
    `continuation=${operand.continuation ? 1 : 0}`,
    `recirc_id=${operand.recircId}`,
    `rule_cookie=${hex(operand.cookie ?? NO_COOKIE)}`,
    `controller_id=${operand.controllerId}`,
    `max_len=${operand.maxBytes}`,
  ];
  return `userspace(pid=0,controller(${parts.join(",")}))`;
}

function formatConntrack(ct: ConntrackOperand): string {
  const label = ct.label;
  const parts = [
    ct.commit ? (ct.force ? "force_commit" : "commit") : "",
    ct.zone === 0 ? "" : `zone=${ct.zone}`,
    ct.mark === null ? "" : `mark=${hex(ct.mark.value)}/${hex(ct.mark.mask)}`,
    label === null ? "" : formatLabel(numberOf(label.value), numberOf(label.mask)),
    ct.nat === null ? "" : formatNat(ct.nat),
  ].filter((part) => part !== "");
  return parts.length === 0 ? "ct" : `ct(${parts.join(",")})`;
}

/** Of a label, unlike of a mark, a mask of all bits is not shown (format_u128). */
function formatLabel(value: bigint, mask: bigint): string {
  const partial = mask === (1n << 128n) - 1n ? "" : `/${hex(mask)}`;
  return `label=${hex(value)}${partial}`;
}

/** Whether the kernel's or a dummy datapath leaves these sets to user space (SLOW_ACTION). */
export function needsHelp(actions: ArrayLike<number>, key: Uint32Array): boolean {
  for (let i = 0; i < actions.length; i += ODP_WORDS[actions[i]!]!) {
    if (actions[i] !== ODP.set || isMetadata(actions[i + 1]!)) continue;
    const header = headerOf(key, actions[i + 1]!);
    if (header === ARP || header === ND || header === ICMP) return true;
  }
  return false;
}
