// Texts of MAC, IPv4 and IPv6 addresses, as Open vSwitch 3.1 reads and prints them.
import { getBits } from "../../flow/fields.js";
import { numberOf, onesOf } from "./scan.js";

const MAC_PART = String.raw`\s*[+-]?(?:0[xX](?=[0-9a-fA-F]))?[0-9a-fA-F]+`;
const MAC = new RegExp(`^${MAC_PART}(?::${MAC_PART}){5}`);

/**
 * The `1:2:3:4:5:6` that a text begins with, as a 48-bit number, or null. Of longer parts the
 * lowest 8 bits count, as in Open vSwitch (scanf `%hhx`).
 */
export function leadingMac(text: string): { value: bigint; end: number } | null {
  const found = MAC.exec(text)?.[0];
  if (found === undefined) return null;
  const value = found.split(":").reduce((mac, part) => {
    const number = BigInt(`0x${part.replace(/^\s*[+-]?(0[xX])?/, "")}`);
    return (mac << 8n) | BigInt.asUintN(8, part.includes("-") ? -number : number);
  }, 0n);
  return { value, end: found.length };
}

/** A whole text of that form, or null. */
export function parseMac(text: string): bigint | null {
  const found = leadingMac(text);
  return found?.end === text.length ? found.value : null;
}

export function formatMac(value: bigint): string {
  const digits = value.toString(16).padStart(12, "0");
  return digits.match(/../g)!.join(":");
}

/** A dotted address; of each part the lowest 8 bits count, as in Open vSwitch (scanf `%hhu`). */
export function parseIpv4(text: string): bigint | null {
  if (!/^[+-]?[0-9]+(\.[+-]?[0-9]+){3}$/.test(text)) return null;
  const octet = (part: string): bigint => BigInt.asUintN(8, BigInt(part.replace("+", "")));
  return text.split(".").reduce((sum, part) => (sum << 8n) | octet(part), 0n);
}

export function formatIpv4(value: bigint): string {
  return [24n, 16n, 8n, 0n].map((shift) => ((value >> shift) & 255n).toString()).join(".");
}

/** An IPv6 address (RFC 4291, 2.2), or null. */
export function parseIpv6(text: string): bigint | null {
  if (!/^[0-9a-fA-F:.]+$/.test(text)) return null;
  const halves = text.split("::");
  if (halves.length > 2) return null;
  const [head, tail] = halves.map((half) => parseGroups(half));
  if (head === null || head === undefined || tail === null) return null;
  const given = head.length + (tail?.length ?? 0);
  if (tail === undefined ? given !== 8 : given > 7) return null;
  const zeros = new Array<bigint>(8 - given).fill(0n);
  return [...head, ...zeros, ...(tail ?? [])].reduce((sum, group) => (sum << 16n) | group, 0n);
}

/** Groups of 16 bits; the last may be a dotted IPv4 address. */
function parseGroups(text: string): bigint[] | null {
  if (text === "") return [];
  const groups: bigint[] = [];
  const parts = text.split(":");
  for (const [i, part] of parts.entries()) {
    if (i === parts.length - 1 && /^\d{1,3}(\.\d{1,3}){3}$/.test(part)) {
      if (part.split(".").some((octet) => Number(octet) > 255)) return null;
      const address = parseIpv4(part)!;
      groups.push(address >> 16n, address & 0xffffn);
    } else if (/^[0-9a-fA-F]{1,4}$/.test(part)) {
      groups.push(BigInt(`0x${part}`));
    } else {
      return null;
    }
  }
  return groups;
}

/** As inet_ntop prints it: the longest run of zeros shortened, IPv4 tails dotted (glibc). */
export function formatIpv6(value: bigint): string {
  const groups = Array.from({ length: 8 }, (_, i) =>
    Number((value >> BigInt(112 - 16 * i)) & 0xffffn),
  );
  let best = { at: -1, length: 1 };
  for (let i = 0; i < 8; i++) {
    let length = 0;
    while (i + length < 8 && groups[i + length] === 0) length++;
    if (length > best.length) best = { at: i, length };
  }
  const hex = (part: number[]): string => part.map((group) => group.toString(16)).join(":");
  const dotted =
    best.at === 0 && (best.length === 6 || (best.length === 5 && groups[5] === 0xffff));
  if (dotted) {
    const prefix = best.length === 6 ? "::" : "::ffff:";
    return prefix + formatIpv4(value & 0xffffffffn);
  }
  if (best.at < 0) return hex(groups);
  return `${hex(groups.slice(0, best.at))}::${hex(groups.slice(best.at + best.length))}`;
}

/** Length of the prefix that a mask of `width` bits is, or -1 when its ones are not leading. */
export function prefixLength(mask: Uint32Array, width: number): number {
  const start = mask.length * 32 - width;
  let length = 0;
  while (length < width && getBits(mask, start + length, 1) === 1) length++;
  const rest = onesOf(width - length);
  return (numberOf(mask) & rest) === 0n ? length : -1;
}
