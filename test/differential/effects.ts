// Datapath actions as what they do: a list of outputs, each with the packet as it is at that point.
// Both our own form (flow/odp.ts) and the text of Open vSwitch are executed on the same key, so
// that two ways to say the same thing compare equal.
import { extractKey } from "../../src/flow/extract.js";
import {
  FIELDS,
  fieldOf,
  getFieldWords,
  setFieldWords,
  type FieldId,
} from "../../src/flow/fields.js";
import { newKey, VLAN_PRESENT, WORD } from "../../src/flow/key.js";
import {
  isMeteredPacketIn,
  ODP,
  ODP_WORDS,
  operationWords,
  type Megaflow,
  type Operand,
} from "../../src/flow/odp.js";
import { odpActionTexts, type OdpNames } from "../../src/ofctl/odp/format-odp-actions.js";
import { readNumber, wordsOf } from "./field-text.js";
import { LOCAL_DATAPATH_NUMBER } from "./ovs.js";

/** A tag stack and a key, changed by actions. */
interface Packet {
  readonly key: Uint32Array;
  /** TPID << 16 | TCI, outermost first. */
  readonly tags: number[];
}

const LOCAL = 65534;

function packetOf(key: Uint32Array): Packet {
  const tags: number[] = [];
  if ((key[WORD.typeVlan]! & 0x1000) !== 0) {
    tags.push(((key[WORD.outerTpid]! & 0xffff0000) | (key[WORD.typeVlan]! & 0xffff)) >>> 0);
  }
  if (key[WORD.innerVlan] !== 0) tags.push(key[WORD.innerVlan]!);
  return { key: key.slice(), tags };
}

/** Everything that tells the packet from the one that came. */
function difference(packet: Packet, original: Uint32Array): string {
  const parts: string[] = [`tags=${packet.tags.map((tag) => tag.toString(16)).join("+")}`];
  for (let word = 0; word < original.length; word++) {
    if ([WORD.outerTpid, WORD.innerVlan].includes(word as 10)) continue;
    const mask = word === WORD.typeVlan ? 0xffff0000 : 0xffffffff;
    const [now, then] = [(packet.key[word]! & mask) >>> 0, (original[word]! & mask) >>> 0];
    if (now !== then) parts.push(`word${word}=${now.toString(16)}`);
  }
  return parts.join(" ");
}

/** As OpenFlow numbers the ports of the bridge. */
const portNumber = (number: number): number => (number === LOCAL_DATAPATH_NUMBER ? LOCAL : number);

const NAMES: OdpNames = { port: String, isTrial: true };

/**
 * Our actions with meters as the datapath of a fresh Open vSwitch numbers those of kinds.ts: it has
 * numbers of its own, from 0 on, where ours keeps OpenFlow's.
 */
export function withTheirMeters(text: string): string {
  return text.replace(/\bmeter\((1|7)\)/g, (_, id) => `meter(${id === "1" ? 0 : 1})`);
}

/** Ids of what goes round again depend on what was translated before. */
export function withoutIds(text: string): string {
  return text
    .replace(/\brecirc\(0x[0-9a-f]+\)/g, "recirc")
    .replace(/\brecirc_id=(0x)?[0-9a-f]+/g, "recirc");
}

/**
 * Outputs one after the other may come in any order of ports: floods follow hash tables. So may
 * what is done to copies between them: the flood of another bridge behind a cable.
 */
export function inOrder(effects: readonly string[]): string[] {
  const out: string[] = [];
  let run: string[] = [];
  for (let i = 0; i < effects.length; i++) {
    const effect = effects[i]!;
    if (/^(output|clone|sample)/.test(effect)) run.push(effect);
    else if (effect.startsWith("hash") && effects[i + 1] === "recirc") {
      run.push(`${effect}; recirc`);
      i++;
    } else {
      out.push(...run.sort(), effect);
      run = [];
    }
  }
  return [...out, ...run.sort()];
}

/** Effects of our own datapath actions on a key. */
export function ourEffects({ actions, operands }: Megaflow, key: Uint32Array): string[] {
  return runOurs({ actions, operands, key }, packetOf(key));
}

interface OurActions {
  readonly actions: Int32Array;
  readonly operands: readonly Operand[];
  /** The packet as it came. */
  readonly key: Uint32Array;
}

function runOurs({ actions, operands, key }: OurActions, packet: Packet): string[] {
  const effects: string[] = [];
  let cut = "";
  const onCopy = (from: number, to: number): string => {
    const inner = { actions: actions.slice(from, to), operands, key };
    return inOrder(runOurs(inner, copyOf(packet))).join("; ");
  };
  for (let at = 0; at < actions.length;) {
    const [first, second, third] = [actions[at + 1]!, actions[at + 2]!, actions[at + 3]!];
    const end = at + ODP_WORDS[actions[at]!]!;
    const next = at + operationWords(actions, at);
    switch (actions[at]) {
      case ODP.output:
        effects.push(`output ${portNumber(first)}${cut} ${difference(packet, key)}`);
        cut = "";
        break;
      case ODP.set:
        packet.key[first] = (packet.key[first]! & ~second) | (third & second);
        break;
      case ODP.pushVlan:
        packet.tags.unshift(first >>> 0);
        break;
      case ODP.popVlan:
        packet.tags.shift();
        break;
      case ODP.truncate:
        cut = ` cut to ${first}`;
        break;
      case ODP.clone:
        effects.push(
          isMeteredPacketIn(actions.slice(end, next))
            ? `sample(sample=100.0%,actions(${onCopy(end, next).replace("; ", ",")}))`
            : `clone(${onCopy(end, next)})`,
        );
        break;
      case ODP.checkLength: {
        const others = end + second;
        const [longer, shorter] = [onCopy(end, others), onCopy(others, next)];
        effects.push(`check_pkt_len(size=${first},gt(${longer}),le(${shorter}))`);
        break;
      }
      default:
        // What does not change the packet is compared as text.
        effects.push(
          ...odpActionTexts(actions.slice(at, end), operands, key, NAMES)
            .map(withoutIds)
            .map(withTheirMeters),
        );
    }
    at = next;
  }
  return effects;
}

function copyOf({ key, tags }: Packet): Packet {
  return { key: key.slice(), tags: tags.slice() };
}

/** Splits `a,b(c,d),e` at the commas that are in no parentheses. */
export function splitActions(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    if (text[i] === "(") depth++;
    else if (text[i] === ")") depth--;
    else if (text[i] === "," && depth === 0) {
      parts.push(text.slice(start, i));
      start = i + 1;
    }
  }
  return [...parts, text.slice(start)].map((part) => part.trim()).filter((part) => part !== "");
}

/** The fields behind the names in `set(kind(name=value))`. */
const SET_FIELDS: Readonly<Record<string, Readonly<Record<string, FieldId>>>> = {
  eth: { src: "eth_src", dst: "eth_dst" },
  ipv4: { src: "ip_src", dst: "ip_dst", ttl: "nw_ttl", proto: "nw_proto" },
  ipv6: { src: "ipv6_src", dst: "ipv6_dst", label: "ipv6_label", hlimit: "nw_ttl" },
  tcp: { src: "tcp_src", dst: "tcp_dst" },
  udp: { src: "udp_src", dst: "udp_dst" },
  sctp: { src: "sctp_src", dst: "sctp_dst" },
  icmp: { type: "icmp_type", code: "icmp_code" },
  icmpv6: { type: "icmpv6_type", code: "icmpv6_code" },
  arp: { sip: "arp_spa", tip: "arp_tpa", op: "arp_op", sha: "arp_sha", tha: "arp_tha" },
  nd: { target: "nd_target", sll: "nd_sll", tll: "nd_tll" },
};

/** Sets the bits of a mask in a run of bits that begins at `start` of the key's bit stream. */
function setBitsOf(key: Uint32Array, id: FieldId, value: bigint, mask: bigint | null): void {
  const field = fieldOf(id);
  const old = new Uint32Array(field.words);
  getFieldWords(key, field, old);
  const values = wordsOf(id, value);
  const masks = mask === null ? null : wordsOf(id, mask);
  setFieldWords(
    key,
    field,
    values.map((word, i) => (masks === null ? word : (old[i]! & ~masks[i]!) | (word & masks[i]!))),
  );
}

function setPart(key: Uint32Array, kind: string, part: string): void {
  const at = part.indexOf("=");
  const name = part.slice(0, at);
  const [value, mask] = part
    .slice(at + 1)
    .split("/")
    .map(readNumber);
  if (name === "tos" || name === "tclass") {
    const bits = Number(mask ?? 0xffn) << 16;
    key[WORD.ip] = (key[WORD.ip]! & ~bits) | ((Number(value) << 16) & bits);
    return;
  }
  const id = SET_FIELDS[kind]?.[name];
  if (id === undefined) throw new Error(`set(${kind}(${part})): not known here`);
  setBitsOf(key, id, value!, mask ?? null);
}

function applySet(packet: Packet, text: string): void {
  const [, kind, inside] = /^(\w+)\((.*)\)$/s.exec(text)!;
  const metadata = { skb_mark: "pkt_mark", skb_priority: "skb_priority" } as const;
  if (kind === "skb_mark" || kind === "skb_priority") {
    const [value, mask] = inside!.split("/").map(readNumber);
    setBitsOf(packet.key, metadata[kind], value!, mask ?? null);
    return;
  }
  for (const part of splitActions(inside!)) setPart(packet.key, kind!, part);
}

function pushTag(packet: Packet, text: string): void {
  const of = (name: string, otherwise: number): number => {
    const found = new RegExp(`\\b${name}=(\\w+)`).exec(text);
    return found === null ? otherwise : Number(found[1]);
  };
  const tci = of("vid", 0) | (of("pcp", 0) << 13) | (of("cfi", 1) << 12);
  packet.tags.unshift(((of("tpid", 0x8100) << 16) | tci) >>> 0);
}

/** Effects of the actions that Open vSwitch prints, on a key. */
export function ovsEffects(text: string, key: Uint32Array): string[] {
  return runTheirs(text, key, packetOf(key));
}

/** The same on a frame, which may have more tags than a key has room for. */
export function ovsEffectsOnFrame(text: string, frame: Uint8Array): string[] {
  const key = newKey();
  extractKey(frame, 0, frame.length, 0, key);
  const tags: number[] = [];
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  for (let at = 12; at + 4 <= frame.length; at += 4) {
    if (![0x8100, 0x88a8].includes(view.getUint16(at))) break;
    // A tag in a key has the bit that a frame need not have.
    tags.push((view.getUint32(at) | VLAN_PRESENT) >>> 0);
  }
  return runTheirs(text, key, { key: key.slice(), tags });
}

function runTheirs(text: string, key: Uint32Array, packet: Packet): string[] {
  const effects: string[] = [];
  let cut = "";
  for (const action of splitActions(text)) {
    const inside = /\((.*)\)$/s.exec(action)?.[1] ?? "";
    if (/^\d+$/.test(action)) {
      effects.push(`output ${portNumber(Number(action))}${cut} ${difference(packet, key)}`);
      cut = "";
    } else if (action === "drop") continue;
    else if (action.startsWith("set(")) applySet(packet, inside);
    else if (action.startsWith("push_vlan")) pushTag(packet, inside);
    else if (action === "pop_vlan") packet.tags.shift();
    else if (action.startsWith("trunc(")) cut = ` cut to ${inside}`;
    else if (action.startsWith("clone(")) {
      effects.push(`clone(${inOrder(runTheirs(inside, key, copyOf(packet))).join("; ")})`);
    } else if (action.startsWith("check_pkt_len(")) {
      const [size, longer, shorter] = splitActions(inside) as [string, string, string];
      const branch = (text: string): string =>
        inOrder(runTheirs(text.slice(3, -1), key, copyOf(packet))).join("; ");
      effects.push(`check_pkt_len(${size},gt(${branch(longer)}),le(${branch(shorter)}))`);
    } else effects.push(withoutIds(action));
  }
  return effects;
}

/** The fields that have bits in a mask, for messages. */
export function fieldsIn(mask: Uint32Array): string[] {
  return FIELDS.filter((field) => {
    const words = new Uint32Array(field.words);
    getFieldWords(mask, field, words);
    return words.some((word) => word !== 0);
  }).map((field) => field.id);
}
