// Datapath flow text to a key: `in_port(1),eth(src=..,dst=..),eth_type(0x0800),ipv4(...)`, the
// syntax of `ofproto/trace`, `netdev-dummy/receive` and the dumps of datapath flows (Open vSwitch
// 3.1, lib/odp-util.c odp_flow_from_string). Masks are read over: a packet has values only.
// Slow path; any thread.
import { setFieldWords } from "../../flow/fields.js";
import { newKey, VLAN_PRESENT, WORD } from "../../flow/key.js";
import { parseIpv4, parseIpv6, parseMac } from "../text/addresses.js";
import { FlowTextError, parseInteger, wordsOf } from "../text/scan.js";
import { CT_STATE_NAMES, TCP_FLAG_NAMES } from "../text/values.js";
import {
  ARP,
  ETHERNET,
  ICMP,
  ICMPV6,
  IPV4,
  IPV6,
  METADATA_ATTRIBUTES,
  ND,
  SCTP,
  TCP,
  TCP_FLAGS,
  UDP,
  type OdpAttribute,
  type OdpField,
} from "./odp-fields.js";

/** dl_type of frames without an Ethernet type (FLOW_DL_TYPE_NONE). */
const DL_TYPE_NONE = 0x05ff;
const FRAGMENTS: Readonly<Record<string, bigint>> = { no: 0n, first: 1n, later: 3n };

const ATTRIBUTES: ReadonlyMap<string, OdpAttribute> = new Map(
  [
    ...METADATA_ATTRIBUTES,
    ...[ETHERNET, IPV4, IPV6, ARP, ND, TCP, UDP, SCTP, ICMP, ICMPV6, TCP_FLAGS],
  ].map((each) => [each.name, each]),
);

/** What was read: the key, but for in_port, which the caller knows how to find. */
export interface OdpFlow {
  /** in_port is 0. */
  readonly key: Uint32Array;
  /** Datapath port number; null: the text does not say. */
  readonly port: number | null;
}

interface Reading {
  readonly text: string;
  readonly key: Uint32Array;
  readonly ports: ReadonlyMap<string, number>;
  port: number | null;
  tags: number;
  /** Tag being read: its TPID. */
  tpid: number;
  hasEthernet: boolean;
  hasType: boolean;
}

/**
 * Reads the flow of a packet.
 * @param ports datapath port numbers by name.
 * @throws FlowTextError `syntax error at ...`, or what a flow without Ethernet addresses lacks.
 */
export function parseOdpFlow(text: string, ports: ReadonlyMap<string, number>): OdpFlow {
  const reading: Reading = {
    text,
    key: newKey(),
    ports,
    port: null,
    tags: 0,
    tpid: 0,
    hasEthernet: false,
    hasType: false,
  };
  // Dumps have an id in front, which says nothing of the packet.
  const start = /^\s*ufid:[0-9a-fA-F-]+[,\s]*/.exec(text)?.[0].length ?? 0;
  readList(reading, start, text.length);
  const { key, port } = reading;
  if (!reading.hasType) key[WORD.typeVlan]! |= DL_TYPE_NONE << 16;
  else if (!reading.hasEthernet) {
    throw new FlowTextError("packets without eth(...) are not supported here", 0);
  }
  return { key, port };
}

function readList(reading: Reading, from: number, end: number): void {
  const { text } = reading;
  let at = from;
  for (;;) {
    while (at < end && ", \t\r\n".includes(text[at]!)) at++;
    if (at >= end) return;
    const open = text.indexOf("(", at);
    const close = open < 0 ? -1 : closing(text, open, end);
    const wrong = new FlowTextError(`syntax error at ${text.slice(at)}`, at);
    if (close < 0) throw wrong;
    const name = text.slice(at, open);
    if (!readAttribute(reading, name, open + 1, close)) throw wrong;
    at = close + 1;
  }
}

/** Index of the parenthesis that closes the one at `open`, or -1. */
function closing(text: string, open: number, end: number): number {
  let depth = 0;
  for (let i = open; i < end; i++) {
    if (text[i] === "(") depth++;
    else if (text[i] === ")" && --depth === 0) return i;
  }
  return -1;
}

/** @returns false for what cannot be read. */
function readAttribute(reading: Reading, name: string, from: number, end: number): boolean {
  const value = reading.text.slice(from, end);
  switch (name) {
    case "in_port": {
      const port = parseInteger(value) ?? reading.ports.get(value);
      if (port === undefined) return false;
      reading.port = Number(port);
      return true;
    }
    case "packet_type":
      return /^ns=0,id=(0|0x0+)$/.test(value);
    case "eth_type":
      return readType(reading, parseInteger(value.split("/")[0]!));
    case "vlan":
      return readTag(reading, value);
    case "encap":
      readList(reading, from, end);
      return true;
    default:
      break;
  }
  const attribute = ATTRIBUTES.get(name);
  if (attribute === undefined) return false;
  if (name === "eth") reading.hasEthernet = true;
  return readParts(reading.key, attribute, value);
}

function readType(reading: Reading, type: bigint | null): boolean {
  if (type === null || type > 0xffffn) return false;
  reading.hasType = true;
  const number = Number(type);
  reading.tpid = number;
  // The type of the innermost; a tag that follows takes it for its own.
  reading.key[WORD.typeVlan] = (reading.key[WORD.typeVlan]! & 0xffff) | (number << 16);
  return true;
}

function readTag(reading: Reading, value: string): boolean {
  const parts = new Map(value.split(",").map((part) => part.split("=") as [string, string]));
  const number = (name: string, missing: bigint): bigint | null => {
    const text = parts.get(name);
    return text === undefined ? missing : parseInteger(text.split("/")[0]!);
  };
  const tci = number("tci", -1n);
  const [vid, pcp, cfi] = [number("vid", 0n), number("pcp", 0n), number("cfi", 1n)];
  if (tci === null || vid === null || pcp === null || cfi === null) return false;
  if (vid > 0xfffn || pcp > 7n || cfi > 1n || reading.tags === 2) return false;
  const built = Number(pcp << 13n) | (cfi === 1n ? VLAN_PRESENT : 0) | Number(vid);
  const all = tci < 0n ? built : Number(tci & 0xffffn);
  const { key } = reading;
  if (reading.tags++ === 0) {
    key[WORD.outerTpid] = reading.tpid << 16;
    key[WORD.typeVlan] = (key[WORD.typeVlan]! & 0xffff0000) | all;
  } else {
    key[WORD.innerVlan] = (reading.tpid << 16) | all;
  }
  return true;
}

function readParts(key: Uint32Array, attribute: OdpAttribute, text: string): boolean {
  const [only] = attribute.fields;
  if (only!.name === "") return readField(key, only!, text);
  return text
    .split(",")
    .filter((part) => part !== "")
    .every((part) => {
      const equals = part.indexOf("=");
      const field = attribute.fields.find(({ name }) => name === part.slice(0, equals));
      return field !== undefined && readField(key, field, part.slice(equals + 1));
    });
}

function readField(key: Uint32Array, { field, style }: OdpField, text: string): boolean {
  const value = readValue(style, text.split("/")[0]!);
  if (value === null || value < 0n) return false;
  if (value >> BigInt(Math.max(field.bits, field.stored)) !== 0n) return false;
  setFieldWords(key, field, wordsOf(value, field.words));
  return true;
}

function readValue(style: OdpField["style"], text: string): bigint | null {
  switch (style) {
    case "mac":
      return parseMac(text);
    case "ipv4":
      return parseIpv4(text);
    case "ipv6":
      return parseIpv6(text);
    case "frag":
      return FRAGMENTS[text] ?? null;
    case "flags":
      return readFlags(text, TCP_FLAG_NAMES);
    case "state":
      return readFlags(text, CT_STATE_NAMES);
    default:
      return parseInteger(text);
  }
}

/** `syn|ack`, `+syn-ack` or a number. */
function readFlags(text: string, names: readonly string[]): bigint | null {
  if (/^(0x)?[0-9]/.test(text)) return parseInteger(text);
  let value = 0n;
  for (const [, sign, name] of text.matchAll(/([+-]?)([a-z]+)\|?/g)) {
    const bit = names.indexOf(name!);
    if (bit < 0) return null;
    if (sign !== "-") value |= 1n << BigInt(bit);
  }
  return value;
}
