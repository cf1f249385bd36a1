// Numbers in the arguments of actions and properties, read as Open vSwitch 3.1 reads them
// (lib/ofp-parse.c str_to_u16, str_to_u32 ...; lib/util.c str_to_int), with its sentences.
// Slow path; any thread.
import { FlowTextError, type Pair } from "./scan.js";

const UINT64_END = 1n << 64n;

/**
 * The number that a text begins with, as strtoull(3) with base 0 reads it, and where it ends; null
 * when it begins with none or with one beyond 64 bits. A minus counts down from 2^64.
 */
export function leadingInteger(text: string): { value: bigint; end: number } | null {
  const parts = /^\s*([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)/.exec(text);
  if (parts === null) return null;
  const digits = parts[2]!;
  const octal = /^0[0-7]+$/.test(digits);
  const magnitude = BigInt(octal ? `0o${digits}` : digits);
  if (magnitude >= UINT64_END) return null;
  const value = parts[1] === "-" && magnitude !== 0n ? UINT64_END - magnitude : magnitude;
  return { value, end: parts[0].length };
}

/** A whole text that is one number, from 0 to `max`; else null. */
function wholeNumber(text: string, max: bigint): bigint | null {
  const found = leadingInteger(text);
  return found === null || found.end !== text.length || found.value > max ? null : found.value;
}

/** A number with Open vSwitch's sentence `invalid WHAT "TEXT"`, for 8 and 16 bits. */
export function numberArgument(pair: Pair, what: string, max: number): number {
  const value = wholeNumber(pair.value, BigInt(max));
  if (value === null) throw new FlowTextError(`invalid ${what} "${pair.value}"`, pair.valueAt);
  return Number(value);
}

/** A 64-bit number (str_to_u64). */
export function uint64Argument(text: string, at: number): bigint {
  if (text === "") throw new FlowTextError("missing required numeric argument", at);
  const value = wholeNumber(text, UINT64_END - 1n);
  if (value === null) throw new FlowTextError(`invalid numeric format ${text}`, at);
  return value;
}

/** A 32-bit number (str_to_u32). Of larger numbers Open vSwitch keeps the low 32 bits. */
export function uint32Argument(text: string, at: number): number {
  return Number(uint64Argument(text, at) & 0xffffffffn);
}

/** What atoi(3) makes of a text, cut to 16 bits: 0 when it is no number. */
export function looseNumber16(text: string): number {
  const parts = /^\s*[+-]?[0-9]+/.exec(text);
  return parts === null ? 0 : Number(BigInt.asUintN(16, BigInt(parts[0].trim().replace("+", ""))));
}

/**
 * The number that a text begins with, for a field of `bytes` bytes (lib/util.c parse_int_string):
 * hexadecimal of any length, or what strtoull(3) reads. "too large" when the bytes cannot hold it,
 * null when there is none.
 */
export function leadingBytes(
  text: string,
  bytes: number,
): { value: bigint; end: number } | "too large" | null {
  // White space behind hexadecimal digits belongs to them.
  const digits = /^0[xX]([0-9a-fA-F]*)\s*/.exec(text);
  if (digits === null && /^\s*[+-]?[1-9][0-9]{20}/.test(text)) return "too large";
  const found =
    digits === null
      ? leadingInteger(text)
      : { value: BigInt(`0x${digits[1]! || "0"}`), end: digits[0].length };
  if (found === null) return null;
  return found.value >> BigInt(8 * bytes) === 0n ? found : "too large";
}
