// Values of match fields: from text to (value, mask) and Open vSwitch's sentences when it is none
// (lib/meta-flow.c mf_parse, 3.1). The printing side is format-match.ts.
import { fieldFullMask, type Field } from "../../flow/fields.js";
import { parseIpv4, parseIpv6, parseMac } from "./addresses.js";
import { leadingBytes, leadingInteger } from "./numbers.js";
import { parsePort, type PortMap } from "./ports.js";
import { FlowTextError, numberOf, onesOf, wordsOf } from "./scan.js";

/** A value under a mask, as big-endian words of the field. */
export interface MaskedValue {
  readonly value: Uint32Array;
  readonly mask: Uint32Array;
}

/** Flags with a name per bit, lowest first; `''` where a bit has none. */
export const TCP_FLAG_NAMES = ["fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr", "ns"];
export const CT_STATE_NAMES = ["new", "est", "rel", "rpl", "inv", "trk", "snat", "dnat"];

/** Fragment types: text, value, mask (lib/meta-flow.c mf_from_frag_string). */
export const FRAGMENT_TYPES: readonly (readonly [string, number, number])[] = [
  ["no", 0, 3],
  ["yes", 1, 1],
  ["first", 1, 3],
  ["later", 3, 3],
  ["not_later", 0, 2],
];

/** Bytes that Open vSwitch gives a field: 1, 2, 4, 6, 8 or 16. */
export function byteWidth(field: Field): number {
  if (field.bits <= 8) return 1;
  if (field.bits <= 16) return 2;
  if (field.bits <= 32) return 4;
  return field.bits / 8;
}

function exact(field: Field, value: bigint): MaskedValue {
  const mask = fieldFullMask(field);
  const words = wordsOf(value, field.words);
  return { value: words.map((word, i) => word & mask[i]!), mask };
}

function masked(field: Field, value: bigint, mask: bigint): MaskedValue {
  const full = numberOf(fieldFullMask(field));
  return { value: wordsOf(value & full, field.words), mask: wordsOf(mask & full, field.words) };
}

/** Reads an integer of a field, in Open vSwitch's words when it does not fit. */
function parseIntegerValue(field: Field, text: string, at: number): MaskedValue {
  const bytes = byteWidth(field);
  const read = (from: number, what: string, mayStop: boolean): { value: bigint; end: number } => {
    const found = leadingBytes(text.slice(from), bytes);
    if (found === "too large") {
      const message = `${text}: ${what} too large for ${bytes}-byte field ${field.id}`;
      throw new FlowTextError(message, at + from);
    }
    const end = found === null ? 0 : from + found.end;
    if (found === null || (end < text.length && !(mayStop && text[end] === "/"))) {
      throw new FlowTextError(`${text}: bad syntax for ${field.id} ${what}`, at + from);
    }
    return { value: found.value, end };
  };
  const { value, end } = read(0, "value", true);
  if (end === text.length) return exact(field, value);
  return masked(field, value, read(end + 1, "mask", false).value);
}

/** The bit of a flag by name; bits without one are printed as `[200]`, and read back. */
function flagBit(names: readonly string[], name: string, allowed: bigint): bigint | null {
  const index = names.indexOf(name);
  const unnamed = /^\[([1248]0*)\]$/.exec(name);
  const bit = index >= 0 ? 1n << BigInt(index) : unnamed && BigInt(`0x${unnamed[1]!}`);
  return bit !== null && (bit & allowed) !== 0n ? bit : null;
}

/** Flags as names or numbers; what stands behind `number/number` is not looked at (parse_flags). */
function parseFlags(field: Field, text: string, at: number): MaskedValue {
  const names = field.format === "tcp-flags" ? TCP_FLAG_NAMES : CT_STATE_NAMES;
  const what = field.format === "tcp-flags" ? "TCP" : "ct_state";
  const allowed = field.format === "tcp-flags" ? 0xfffn : onesOf(names.length);
  const unknown = (rest: string, index = text.length - rest.length): FlowTextError =>
    new FlowTextError(`${rest}: unknown ${what} flag(s)`, at + index);
  const first = leadingInteger(text);
  const after = first !== null && text[first.end] === "/" ? text.slice(first.end + 1) : "";
  // Read as scanf(3) does, of which "0x" alone is no number.
  const second = /^0x(?![0-9a-f])/i.test(after) ? null : leadingInteger(after);
  if (first !== null && second !== null) {
    const [value, mask] = [first.value & 0xffffffffn, second.value & 0xffffffffn];
    if (((value | mask) & ~allowed) !== 0n) throw unknown(text);
    return masked(field, value, mask);
  }
  if (text.startsWith("+") || text.startsWith("-")) {
    let [value, mask] = [0n, 0n];
    for (const part of text.matchAll(/([+-])([^+-]*)/g)) {
      const bit = flagBit(names, part[2]!, allowed);
      const rest = text.slice(part.index + 1);
      if (bit === null) throw unknown(rest);
      if ((mask & bit) !== 0n) {
        throw new FlowTextError(`${rest}: Each ${what} flag can be specified only once`, at);
      }
      mask |= bit;
      if (part[1] === "+") value |= bit;
    }
    return masked(field, value, mask);
  }
  let value = 0n;
  for (let from = 0; from < text.length;) {
    const rest = text.slice(from);
    const number = leadingInteger(rest);
    const name = /^[^|]*/.exec(rest)![0];
    const bits = number?.value ?? flagBit(names, name, allowed);
    if (bits === null || (bits & ~allowed) !== 0n) throw unknown(text, from);
    value |= bits;
    from += number?.end ?? name.length;
    if (text[from] === "|") from++;
  }
  return exact(field, value);
}

function parseIpv4Value(field: Field, text: string, at: number): MaskedValue {
  const [address = "", suffix] = text.split("/");
  const value = parseIpv4(address);
  if (value === null) throw new FlowTextError(`${text}: invalid IP address`, at);
  if (suffix === undefined) return exact(field, value);
  const dotted = parseIpv4(suffix);
  if (dotted !== null) return masked(field, value, dotted);
  // A mask with something behind it is no length either.
  if (/^\d+\.\d+\.\d+\.\d+/.test(suffix)) {
    throw new FlowTextError(`${text}: invalid IP address`, at);
  }
  // The length's range comes before what may stand behind it.
  const digits = /^\s*[+-]?[0-9]+/.exec(suffix)?.[0];
  const length = Number(digits);
  if (length < 0 || length > 32) {
    const range = "IPv4 network prefix bits not between 0 and 32, inclusive";
    throw new FlowTextError(`${text}: ${range}`, at);
  }
  if (digits !== suffix) throw new FlowTextError(`${text}: invalid IP address`, at);
  return masked(field, value, onesOf(32) ^ onesOf(32 - length));
}

/**
 * An address and a prefix length or mask (ipv6_parse_masked_len): what begins as a number is a
 * length.
 */
function parseIpv6Value(field: Field, text: string, at: number): MaskedValue {
  const parts = /^([0-9a-f:.]*)(?:\/\s*([+-]?\d+)|\/([0-9a-f:.]+))?(.*)$/is.exec(text)!;
  const [, address = "", length, maskText, rest] = parts;
  const value = parseIpv6(address);
  if (value === null) throw new FlowTextError(`${text}: invalid IPv6 address`, at);
  if (length !== undefined && (Number(length) < 0 || Number(length) > 128)) {
    const range = "IPv6 network prefix bits not between 0 and 128, inclusive";
    throw new FlowTextError(`${text}: ${range}`, at);
  }
  const mask = maskText === undefined ? onesOf(128) : parseIpv6(maskText);
  if (mask === null) throw new FlowTextError(`${text}: Invalid IPv6 mask`, at);
  if (rest !== "") throw new FlowTextError(`${text}: invalid IPv6 address`, at);
  if (length === undefined && maskText === undefined) return exact(field, value);
  const bits = length === undefined ? mask : onesOf(128) ^ onesOf(128 - Number(length));
  return masked(field, value, bits);
}

function parseMacValue(field: Field, text: string, at: number): MaskedValue {
  const [first = "", second, more] = text.split("/");
  const value = parseMac(first);
  const mask = second === undefined ? onesOf(48) : parseMac(second);
  if (value === null || mask === null || more !== undefined) {
    throw new FlowTextError(`${text}: invalid Ethernet address`, at);
  }
  return masked(field, value, mask);
}

function parseFragment(field: Field, text: string, at: number): MaskedValue {
  const type = FRAGMENT_TYPES.find(([name]) => name === text.toLowerCase());
  if (type === undefined) {
    const names = FRAGMENT_TYPES.map(([name]) => `"${name}"`).join(", ");
    // Open vSwitch leaves the parenthesis open.
    throw new FlowTextError(`${text}: unknown fragment type (valid types are ${names}`, at);
  }
  return masked(field, BigInt(type[1]), BigInt(type[2]));
}

function parsePortValue(field: Field, text: string, at: number, ports: PortMap): MaskedValue {
  const port = parsePort(text, ports);
  if (port === null) {
    // Fields with ports of 32 bits are read by another function of Open vSwitch.
    const fault = field.bits === 32 ? "port value out of range" : "invalid or unknown port";
    throw new FlowTextError(`${text}: ${fault} for ${field.id}`, at);
  }
  return exact(field, BigInt(port));
}

/** `(namespace,type)`; what follows is not looked at (mf_from_packet_type_string). */
function parsePacketType(field: Field, text: string, at: number): MaskedValue {
  const bad = (from: number, what: string): never => {
    throw new FlowTextError(`${text.slice(from)}: bad syntax for packet type ${what}`, at + from);
  };
  if (!text.startsWith("(")) return bad(0, "missing '('");
  let from = 1;
  const part = (what: string, end: string): bigint => {
    const found = leadingInteger(text.slice(from));
    if (found === null || found.value > 0xffffn) return bad(from, what);
    if (text[from + found.end] !== end) return bad(from, `missing '${end}'`);
    from += found.end + 1;
    return found.value;
  };
  const [namespace, type] = [part("ns", ","), part("ns_type", ")")];
  return exact(field, (namespace << 16n) | type);
}

function parseByFormat(field: Field, text: string, at: number, ports: PortMap): MaskedValue {
  switch (field.format) {
    case "decimal":
    case "hexadecimal":
      return parseIntegerValue(field, text, at);
    case "ethernet":
      return parseMacValue(field, text, at);
    case "ipv4":
      return parseIpv4Value(field, text, at);
    case "ipv6":
      return parseIpv6Value(field, text, at);
    case "frag":
      return parseFragment(field, text, at);
    case "tcp-flags":
    case "ct-state":
      return parseFlags(field, text, at);
    case "port":
      return parsePortValue(field, text, at, ports);
    case "packet-type":
      return parsePacketType(field, text, at);
  }
}

/**
 * Reads what follows `field=`.
 * @param at index of the value in the whole text, for errors.
 * @throws FlowTextError with Open vSwitch's sentence.
 */
export function parseValue(field: Field, text: string, at: number, ports: PortMap): MaskedValue {
  const { value, mask } = parseRawValue(field, text, at, ports);
  return { value: value.map((word, i) => word & mask[i]!), mask };
}

/** The same, with bits of the value that the mask does not have. */
export function parseRawValue(field: Field, text: string, at: number, ports: PortMap): MaskedValue {
  if (text === "*") {
    return { value: new Uint32Array(field.words), mask: new Uint32Array(field.words) };
  }
  const result = parseByFormat(field, text, at, ports);
  const full = numberOf(fieldFullMask(field));
  const mask = numberOf(result.mask);
  if (!field.maskable && mask !== 0n && mask !== full) {
    throw new FlowTextError(`${text}: invalid mask for field ${field.id}`, at);
  }
  return result;
}
