// Cutting ofctl text into key-value pairs, and reading numbers. Slow path; any thread.
// The rules are those of Open vSwitch 3.1 (lib/ofp-util.c ofputil_parse_key_value): pairs are
// separated by commas or white space; a value follows `:` or `=`, or stands in parentheses.

/** A mistake in the text, at an index into it. Caught in parse.ts, which knows file and line. */
export class FlowTextError extends Error {
  readonly index: number;

  constructor(message: string, index: number) {
    super(message);
    this.name = "FlowTextError";
    this.index = index;
  }
}

/** One `key`, `key=value`, `key:value` or `key(value)`. Indices are into the whole text. */
export interface Pair {
  readonly key: string;
  readonly keyAt: number;
  readonly value: string;
  readonly valueAt: number;
}

const SEPARATORS = ", \t\r\n";
const KEY_ENDS = ":=(, \t\r\n";

/**
 * Index of the first character of `ends` at or after `from` that stands outside of parentheses.
 * Brackets do not nest: `reg0[1,2]` ends at the comma.
 */
function valueEnd(text: string, from: number, end: number, ends: string): number {
  let level = 0;
  for (let i = from; i < end; i++) {
    const char = text[i]!;
    if (level === 0 && ends.includes(char)) return i;
    if (char === "(") level++;
    else if (char === ")" && level > 0) level--;
  }
  return end;
}

/** Cuts `text` from index `from` to `end` into pairs. */
export function scanPairs(text: string, from: number, end: number): Pair[] {
  const pairs: Pair[] = [];
  let at = from;
  for (;;) {
    while (at < end && SEPARATORS.includes(text[at]!)) at++;
    if (at >= end) return pairs;
    const keyAt = at;
    while (at < end && !KEY_ENDS.includes(text[at]!)) at++;
    const key = text.slice(keyAt, at);
    const delimiter = at < end ? text[at]! : "";
    if (delimiter !== ":" && delimiter !== "=" && delimiter !== "(") {
      pairs.push({ key, keyAt, value: "", valueAt: at });
      at++;
      continue;
    }
    const valueAt = at + 1;
    at = valueEnd(text, valueAt, end, delimiter === "(" ? ")" : SEPARATORS);
    // `(x)->y` is one value.
    if (delimiter === "(" && text.startsWith(")->", at))
      at = valueEnd(text, at + 1, end, SEPARATORS);
    pairs.push({ key, keyAt, value: text.slice(valueAt, at), valueAt });
    at++;
  }
}

const NUMBER = /^([+-]?)(0[xX][0-9a-fA-F]+|[0-9]+)$/;

/**
 * A whole number as `strtoull(s, NULL, 0)` reads it: decimal, 0x hexadecimal or 0 octal; a minus
 * counts down from 2^64. Null when it is not one. Values may pass 2^64: the caller checks.
 */
export function parseInteger(text: string): bigint | null {
  const parts = NUMBER.exec(text);
  if (parts === null) return null;
  const digits = parts[2]!;
  const octal = digits.length > 1 && digits[0] === "0" && /^[0-7]+$/.test(digits);
  if (digits.length > 1 && /^0[0-9]/.test(digits) && !octal) return null;
  const value = BigInt(octal ? `0o${digits.slice(1)}` : digits);
  return parts[1] === "-" ? (1n << 64n) - value : value;
}

/** A number from 0 to `max` (below 2^53), or null. */
export function parseUnsigned(text: string, max: number): number | null {
  const value = text.startsWith("-") ? null : parseInteger(text);
  return value === null || value > BigInt(max) ? null : Number(value);
}

/** Big-endian words of a number, the lowest bits in the last one. */
export function wordsOf(value: bigint, count: number): Uint32Array {
  const words = new Uint32Array(count);
  for (let i = 0; i < count; i++) {
    words[count - 1 - i] = Number((value >> BigInt(32 * i)) & 0xffffffffn);
  }
  return words;
}

/** The number that big-endian words make. */
export function numberOf(words: Uint32Array): bigint {
  return words.reduce((sum, word) => (sum << 32n) | BigInt(word), 0n);
}

/** 2^width - 1. */
export function onesOf(width: number): bigint {
  return (1n << BigInt(width)) - 1n;
}
