// Addresses with prefix length as scenarios write them, and whether two subnets overlap. Values
// are big integers, so that IPv4 and IPv6 share every rule. Pure; any thread.
import { isIP } from "node:net";

export interface Cidr {
  readonly family: 4 | 6;
  /** The address alone, as written. */
  readonly address: string;
  readonly value: bigint;
  readonly prefix: number;
}

/** Parses `10.0.0.1/24` or `fd00::1/64`; a sentence when it is not such a text. */
export function parseCidr(text: string): Cidr | string {
  const slash = text.indexOf("/");
  if (slash < 0) return 'expected an address with prefix length, such as "10.0.0.1/24"';
  const address = text.slice(0, slash);
  const family = isIP(address);
  if (address.includes("-")) {
    return `"${text}" is no range of addresses; expected FIRST-LAST/PREFIX, at most ${RANGE_MAX}`;
  }
  if (family !== 4 && family !== 6) return `"${address}" is not an IPv4 or IPv6 address`;
  const bits = family === 4 ? 32 : 128;
  const digits = text.slice(slash + 1);
  const prefix = /^\d{1,3}$/.test(digits) ? Number(digits) : -1;
  if (prefix < 1 || prefix > bits) return `prefix length "${digits}" is not between 1 and ${bits}`;
  if (address.includes("%")) return "an address with a zone has no meaning here";
  return { family, address, value: addressValue(address, family), prefix };
}

/** Longer ranges of addresses are refused: each address is a system call, each port holds few. */
const RANGE_MAX = 1024;

/**
 * The addresses of `10.0.1.1-10.0.1.200/16`, each with the prefix length; any other text stays as
 * it is, for `parseCidr` to judge.
 */
export function expandRange(text: string): string[] {
  const [, first = "", last = "", prefix = ""] = /^([^-/]+)-([^-/]+)\/(\d+)$/.exec(text) ?? [];
  const family = isIP(first);
  if ((family !== 4 && family !== 6) || isIP(last) !== family) return [text];
  const begin = addressValue(first, family);
  const count = Number(addressValue(last, family) - begin) + 1;
  if (!(count >= 1 && count <= RANGE_MAX)) return [text];
  return Array.from({ length: count }, (_, i) => {
    return `${addressText(begin + BigInt(i), family)}/${prefix}`;
  });
}

function addressText(value: bigint, family: 4 | 6): string {
  const bits = family === 4 ? 8n : 16n;
  const parts = Array.from({ length: family === 4 ? 4 : 8 }, (_, i) => {
    const part = (value >> (bits * BigInt((family === 4 ? 3 : 7) - i))) & ((1n << bits) - 1n);
    return part.toString(family === 4 ? 10 : 16);
  });
  return parts.join(family === 4 ? "." : ":");
}

/** What is wrong with giving this address to a device; null if nothing. */
export function hostProblem(cidr: Cidr): string | null {
  const bits = cidr.family === 4 ? 32 : 128;
  const top = cidr.family === 4 ? cidr.value >> 28n : cidr.value >> 120n;
  if (cidr.family === 4 ? top === 0xen : top === 0xffn) return "a multicast address";
  if (cidr.value === 0n) return "the unspecified address";
  if (cidr.family === 6 && cidr.value === 1n) return "the loopback address";
  if (cidr.family === 4 && cidr.value >> 24n === 127n) return "a loopback address";
  if (bits - cidr.prefix < 2) return null;
  const mask = (1n << BigInt(bits - cidr.prefix)) - 1n;
  if ((cidr.value & mask) === 0n) return "the address of the network itself, not of a host";
  if (cidr.family === 4 && (cidr.value & mask) === mask) return "the broadcast address";
  return null;
}

/** Whether one of the two subnets contains the other. */
export function overlap(a: Cidr, b: Cidr): boolean {
  if (a.family !== b.family) return false;
  return contains(a, b.value, Math.min(a.prefix, b.prefix));
}

/** Whether `address` lies in the subnet of `cidr`. */
export function inSubnet(cidr: Cidr, address: string): boolean {
  const family = isIP(address);
  if (family !== cidr.family) return false;
  return contains(cidr, addressValue(address, cidr.family), cidr.prefix);
}

function contains(cidr: Cidr, value: bigint, prefix: number): boolean {
  const shift = BigInt((cidr.family === 4 ? 32 : 128) - prefix);
  return cidr.value >> shift === value >> shift;
}

/** The number that an address is; only where `isIP` agreed. */
export function addressValue(address: string, family: 4 | 6): bigint {
  if (family === 4) return v4Value(address);
  // An IPv4 tail (::ffff:10.0.0.1) stands for the last two groups.
  const tail = /(\d+\.\d+\.\d+\.\d+)$/.exec(address)?.[1];
  const text =
    tail === undefined ? address : `${address.slice(0, -tail.length)}${hexGroups(v4Value(tail))}`;
  const [head = "", rest] = text.split("::");
  const before = groups(head);
  const after = rest === undefined ? [] : groups(rest);
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => 0n);
  return [...before, ...zeros, ...after].reduce((value, group) => (value << 16n) | group, 0n);
}

function v4Value(address: string): bigint {
  return address.split(".").reduce((value, part) => (value << 8n) | BigInt(part), 0n);
}

function hexGroups(value: bigint): string {
  return `${(value >> 16n).toString(16)}:${(value & 0xffffn).toString(16)}`;
}

function groups(text: string): bigint[] {
  return text === "" ? [] : text.split(":").map((group) => BigInt(`0x${group}`));
}
