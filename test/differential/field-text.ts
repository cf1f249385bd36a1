// Values of fields as ofctl text and back, written for the comparisons alone: what is compared does
// not read or write its own test data.
import { fieldOf, type FieldId } from "../../src/flow/fields.js";

/** Words of a field's value, lowest bits in the last. */
export function wordsOf(id: FieldId, value: bigint): Uint32Array {
  const { words } = fieldOf(id);
  return Uint32Array.from({ length: words }, (_, i) =>
    Number((value >> BigInt(32 * (words - 1 - i))) & 0xffffffffn),
  );
}

function numberOf(words: Uint32Array): bigint {
  return words.reduce((sum, word) => (sum << 32n) | BigInt(word), 0n);
}

/** Parts of a number, `bits` each, the highest first. */
function parts(value: bigint, count: number, bits: number): number[] {
  const ones = (1n << BigInt(bits)) - 1n;
  return Array.from({ length: count }, (_, i) =>
    Number((value >> BigInt(bits * (count - 1 - i))) & ones),
  );
}

const hexPair = (part: number): string => part.toString(16).padStart(2, "0");

function valueText(id: FieldId, value: bigint): string {
  switch (fieldOf(id).format) {
    case "ethernet":
      return parts(value, 6, 8).map(hexPair).join(":");
    case "ipv4":
      return parts(value, 4, 8).join(".");
    case "ipv6":
      return parts(value, 8, 16)
        .map((part) => part.toString(16))
        .join(":");
    case "port":
    case "decimal":
      return value.toString();
    default:
      return `0x${value.toString(16)}`;
  }
}

const FRAGMENTS: Readonly<Record<string, string>> = {
  "0/3": "no",
  "1/1": "yes",
  "1/3": "first",
  "3/3": "later",
  "0/2": "not_later",
};

/** `name=value` or `name=value/mask`. @param name the field's name where it has several. */
export function fieldText(
  id: FieldId,
  value: Uint32Array,
  mask: Uint32Array | null = null,
  name: string = id,
): string {
  if (id === "ip_frag") {
    const bits = mask === null ? 3 : mask[0]!;
    return `${name}=${FRAGMENTS[`${value[0]! & bits}/${bits}`]}`;
  }
  const number = numberOf(value);
  if (mask === null) return `${name}=${valueText(id, number)}`;
  const bits = numberOf(mask);
  return `${name}=${valueText(id, number & bits)}/${maskText(id, bits)}`;
}

/** Prefixes as a length: of other masks that begin with a digit, ovs-ofctl makes a length too. */
function maskText(id: FieldId, bits: bigint): string {
  const { format, stored } = fieldOf(id);
  const zeros = bits.toString(2).padStart(stored, "0").indexOf("0");
  const length = zeros < 0 ? stored : zeros;
  const prefix = ((1n << BigInt(length)) - 1n) << BigInt(stored - length);
  if (format === "ipv6" && bits === prefix) return String(length);
  return valueText(id, bits);
}

const MAC = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/;

/** A number as Open vSwitch prints it: an address of any kind, decimal or hexadecimal. */
export function readNumber(text: string): bigint {
  if (MAC.test(text)) return BigInt(`0x${text.replaceAll(":", "")}`);
  if (/^\d+(\.\d+){3}$/.test(text)) {
    return text.split(".").reduce((sum, part) => (sum << 8n) | BigInt(part), 0n);
  }
  return text.includes(":") ? readIpv6(text) : BigInt(text);
}

function readIpv6(text: string): bigint {
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  if (dotted !== null) {
    const low = readNumber(dotted[2]!);
    return readIpv6(`${dotted[1]}${(low >> 16n).toString(16)}:${(low & 0xffffn).toString(16)}`);
  }
  const [head, tail] = text.split("::").map((half) => half.split(":").filter((one) => one !== ""));
  const middle = tail === undefined ? 0 : 8 - head!.length - tail.length;
  const groups = [...head!, ...new Array<string>(middle).fill("0"), ...(tail ?? [])];
  return groups.reduce((sum, group) => (sum << 16n) | BigInt(`0x${group}`), 0n);
}
