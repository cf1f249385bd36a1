// The flow of one packet in OpenFlow's words: `in_port=1,tcp,nw_src=10.0.0.1,tcp_dst=80` to a key
// (Open vSwitch 3.1, lib/ofp-flow.c parse_ofp_exact_flow). Unlike in a match, every value is exact,
// order matters, and what is not said is 0. Slow path; any thread.
import {
  fieldByName,
  fieldFullMask,
  fieldOf,
  getFieldWords,
  setField,
  setFieldWords,
  type Field,
} from "../flow/fields.js";
import { newKey, VLAN_PRESENT, WORD } from "../flow/key.js";
import { prerequisiteHolds } from "../flow/match.js";
import { OFPP } from "../flow/types.js";
import { PROTOCOLS } from "./parse-match.js";
import type { PortMap } from "./text/ports.js";
import { FlowTextError, numberOf, parseInteger, scanPairs, type Pair } from "./text/scan.js";
import { parseValue } from "./text/values.js";

const VLAN_NONE = 0xffffn;
const TPID_8021Q = 0x81000000;

/** IP protocols by shorthand; -1: it names an Ethernet type only. */
export const PROTOCOL_NUMBERS: ReadonlyMap<string, number> = new Map(
  PROTOCOLS.map(([name, , number]) => [name, number]),
);

/**
 * Reads the flow of a packet.
 * @param ports names of ports.
 * @throws FlowTextError with Open vSwitch's sentence.
 */
export function parseExactFlow(text: string, ports: PortMap): Uint32Array {
  const key = newKey();
  for (const pair of scanPairs(text, 0, text.length)) {
    if (!applyProtocol(key, pair, text)) applyField(key, pair, text, ports);
  }
  if (key[WORD.inPort] === 0) key[WORD.inPort] = OFPP.none;
  return key;
}

function applyProtocol(key: Uint32Array, pair: Pair, text: string): boolean {
  const protocol = PROTOCOLS.find(([name]) => name === pair.key);
  if (protocol === undefined) return pair.key === "eth";
  const refuse = (what: string): never => {
    throw new FlowTextError(`${text}: ${what} set multiple times`, pair.keyAt);
  };
  const [, type, number] = protocol;
  if (key[WORD.typeVlan]! >>> 16 !== 0) refuse("Ethernet type");
  setField(key, fieldOf("eth_type"), type);
  if (number < 0) return true;
  if (key[WORD.ip]! >>> 24 !== 0) refuse("network protocol");
  setField(key, fieldOf("nw_proto"), number);
  return true;
}

function applyField(key: Uint32Array, pair: Pair, text: string, ports: PortMap): void {
  const field = fieldByName(pair.key);
  const refuse = (what: string): never => {
    throw new FlowTextError(`${text}: ${what}`, pair.keyAt);
  };
  if (field?.names.includes(pair.key) !== true) return refuse(`unknown field ${pair.key}`);
  const all = key.map(() => 0xffffffff);
  const value = numberIn(key, field);
  if (!prerequisiteHolds({ value: key, mask: all }, field.prerequisite)) {
    return refuse(`prerequisites not met for setting ${pair.key}`);
  }
  if (value !== 0n) return refuse(`field ${pair.key} set multiple times`);
  if (field.id === "dl_vlan" && parseInteger(pair.value) === VLAN_NONE) return;
  const bad = (why: string): never => refuse(`bad value for ${pair.key} (${why})`);
  const parsed = parsePacketValue(field, pair, ports, bad);
  setFieldWords(key, field, parsed);
  finishVlan(key, field);
}

function parsePacketValue(
  field: Field,
  pair: Pair,
  ports: PortMap,
  bad: (why: string) => never,
): Uint32Array {
  try {
    const { value, mask } = parseValue(field, pair.value, pair.valueAt, ports);
    if (numberOf(mask) === numberOf(fieldFullMask(field))) return value;
  } catch (error) {
    if (!(error instanceof FlowTextError)) throw error;
    return bad(error.message);
  }
  return bad(`${pair.value}: wildcards not allowed here`);
}

function numberIn(key: Uint32Array, field: Field): bigint {
  const words = new Uint32Array(field.words);
  getFieldWords(key, field, words);
  return numberOf(words);
}

/** A VLAN id or priority implies a tag, and a tag its type. */
function finishVlan(key: Uint32Array, field: Field): void {
  if (field.id.startsWith("dl_vlan") || field.id === "vlan_pcp") {
    key[WORD.typeVlan]! |= VLAN_PRESENT;
  }
  const hasTag = (key[WORD.typeVlan]! & VLAN_PRESENT) !== 0;
  if (hasTag && key[WORD.outerTpid] === 0) key[WORD.outerTpid] = TPID_8021Q;
}
