// Values of fields as Open vSwitch 3.1 prints them in set_field, learn and error sentences
// (lib/meta-flow.c mf_format). The reading side is text/values.ts. Slow path; any thread.
import { fieldFullMask, type Field } from "../../flow/fields.js";
import { formatIpv4, formatIpv6, formatMac, prefixLength } from "../text/addresses.js";
import { formatPort } from "../text/ports.js";
import { numberOf, wordsOf } from "../text/scan.js";
import { CT_STATE_NAMES, FRAGMENT_TYPES, TCP_FLAG_NAMES } from "../text/values.js";

/** How numbers are shown where there is a choice. */
export interface FormatOptions {
  /** Interface names by port number; ports without one are printed as numbers. */
  readonly portNames?: ReadonlyMap<number, string>;
  /** Names by table number, in the same way. */
  readonly tableNames?: ReadonlyMap<number, string>;
}

/** `%#x` of C: 0 has no prefix. */
export function hex(value: bigint | number): string {
  return value === 0 || value === 0n ? "0" : `0x${value.toString(16)}`;
}

/** Prints flags: `a|b` when all are matched, else `+a-b`. Bits without a name: `[200]`. */
export function formatFlags(
  value: number,
  mask: number,
  names: readonly string[],
  full: number,
): string {
  const nameOf = (bit: number): string => names[bit] ?? `[${(2 ** bit).toString(16)}]`;
  const parts: string[] = [];
  for (let bit = 0; bit < 32; bit++) {
    const one = 2 ** bit;
    if ((mask & one) === 0) continue;
    const set = (value & one) !== 0;
    if (mask === full) {
      if (set) parts.push(nameOf(bit));
    } else {
      parts.push(`${set ? "+" : "-"}${nameOf(bit)}`);
    }
  }
  if (mask !== full) return parts.join("");
  return parts.length === 0 ? "0" : parts.join("|");
}

export function formatFragment(value: number, mask: number): string {
  const type = FRAGMENT_TYPES.find(([, v, m]) => v === value && m === mask);
  if (type !== undefined) return type[0];
  // Only "any or first" style masks are left; no text of ofctl makes them.
  return `<${value}/${mask}>`;
}

/** An address of 32 or 128 bits: exact, with a prefix length, or with a mask. */
export function formatAddress(value: bigint, mask: bigint, width: number): string {
  const text = width === 32 ? formatIpv4 : formatIpv6;
  const prefix = prefixLength(wordsOf(mask, width / 32), width);
  if (prefix < 0) return `${text(value)}/${text(mask)}`;
  return prefix < width ? `${text(value)}/${prefix}` : text(value);
}

/**
 * A value under a mask; a mask with every bit that the field has is not shown. The mask is the one
 * that travels: of `load:5->ipv6_label[]` it has 20 bits of 32, and is shown.
 */
export function formatValue(
  field: Field,
  value: bigint,
  mask: bigint | null,
  options: FormatOptions,
): string {
  if (mask === 0n) return "ANY";
  const full = numberOf(fieldFullMask(field));
  const bits = mask ?? full;
  switch (field.format) {
    case "port":
      if (mask === null) return formatPort(Number(value), options.portNames);
      return `${value}/0x${mask.toString(16)}`;
    case "decimal":
    case "hexadecimal": {
      const text = field.format === "decimal" ? String(value) : hex(value);
      return mask === null ? text : `${text}/${hex(mask)}`;
    }
    case "ethernet":
      return mask === null ? formatMac(value) : `${formatMac(value)}/${formatMac(mask)}`;
    case "ipv4":
    case "ipv6":
      return formatAddress(value, bits, field.bits);
    case "frag":
      return formatFragment(Number(value), Number(bits));
    case "packet-type":
      return `(${value >> 16n},${hex(value & 0xffffn)})`;
    case "ct-state":
      return formatFlags(Number(value), Number(bits) | 0, CT_STATE_NAMES, -1);
    case "tcp-flags":
      return formatFlags(Number(value), Number(bits), TCP_FLAG_NAMES, 0xfff);
  }
}
