// Bytes of OpenFlow messages, in and out, in network byte order. A reader knows where its bytes
// end; what is wrong with them is a WireError, which has OpenFlow's own name. Slow path; any
// thread.

/** What is wrong with bytes that were received: OFPBAC_BAD_LEN ... (lib/ofp-errors.h). */
export class WireError extends Error {
  constructor(name: string) {
    super(name);
    this.name = "WireError";
  }
}

/**
 * Takes what Open vSwitch would write into its log as a warning: module and message.
 * @param how "unlimited": even when there were many before; "info": as information.
 */
export type WarnLog = (module: string, message: string, how?: "unlimited" | "info") => void;

export class ByteReader {
  readonly bytes: Uint8Array;
  at: number;
  readonly end: number;
  /** What reading past the end is called. */
  private readonly shortError: string;

  constructor(bytes: Uint8Array, shortError: string, at = 0, end = bytes.length) {
    this.bytes = bytes;
    this.shortError = shortError;
    this.at = at;
    this.end = end;
  }

  get left(): number {
    return this.end - this.at;
  }

  /** The next bytes, as a view. @throws WireError when there are not so many. */
  take(count: number): Uint8Array {
    if (count > this.left) throw new WireError(this.shortError);
    this.at += count;
    return this.bytes.subarray(this.at - count, this.at);
  }

  /** A number of so many bytes. */
  wide(bytes: number): bigint {
    return bigOf(this.take(bytes));
  }

  /** A number of 1, 2 or 4 bytes. */
  number(bytes: 1 | 2 | 4): number {
    return this.take(bytes).reduce((sum, byte) => sum * 256 + byte, 0);
  }

  skip(count: number): void {
    this.take(count);
  }

  /** Padding that has to be 0. @throws WireError with the error that says it is not. */
  zeros(count: number, error: string): void {
    if (this.take(count).some((byte) => byte !== 0)) throw new WireError(error);
  }
}

/** The number that bytes make. */
export function bigOf(bytes: Uint8Array): bigint {
  return bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
}

export class ByteWriter {
  private readonly parts: number[] = [];

  get length(): number {
    return this.parts.length;
  }

  number(value: number, bytes: 1 | 2 | 4): void {
    this.wide(BigInt(value), bytes);
  }

  wide(value: bigint, bytes: number): void {
    for (let i = bytes - 1; i >= 0; i--) this.parts.push(Number((value >> BigInt(8 * i)) & 0xffn));
  }

  bytes(bytes: Uint8Array): void {
    for (const byte of bytes) this.parts.push(byte);
  }

  zeros(count: number): void {
    for (let i = 0; i < count; i++) this.parts.push(0);
  }

  /** Zeros up to a multiple of 8, counted from a place. */
  padTo8(from = 0): void {
    this.zeros(-(this.length - from) & 7);
  }

  /** Overwrites 16 bits that are there. */
  patch16(at: number, value: number): void {
    this.parts[at] = value >>> 8;
    this.parts[at + 1] = value & 0xff;
  }

  done(): Uint8Array {
    return Uint8Array.from(this.parts);
  }
}

/** Bytes of hexadecimal digits in pairs, between spaces and dots, and where they end. */
export function leadingHex(text: string, from = 0): { bytes: Uint8Array; end: number } {
  const bytes: number[] = [];
  let at = from;
  for (;;) {
    while (at < text.length && " .\t\r\n".includes(text[at]!)) at++;
    const pair = text.slice(at, at + 2);
    if (!/^[0-9a-f]{2}$/i.test(pair)) return { bytes: Uint8Array.from(bytes), end: at };
    bytes.push(Number.parseInt(pair, 16));
    at += 2;
  }
}

/** Bytes as hexadecimal digits without anything between them. */
export function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * Bytes in lines of 16 behind their places, as commands print them (lib/util.c ovs_hex_dump).
 */
export function hexDump(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 16) {
    text += `${at.toString(16).padStart(8, "0")} `;
    for (let i = at; i < Math.min(at + 16, bytes.length); i++) {
      text += `${i - at === 8 ? "-" : " "}${hexOf(bytes.subarray(i, i + 1))}`;
    }
    text += "\n";
  }
  return text;
}

/**
 * The same as the log and printed messages have it, whose first 8 bytes are parted off even if no
 * others follow (lib/dynamic-string.c ds_put_hex_dump).
 * @param letters behind each line, what it says.
 */
export function logHexDump(bytes: Uint8Array, letters = false): string {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const row = bytes.subarray(at, at + 16);
    const cells = Array.from(
      row,
      (_, i) => `${hexOf(row.subarray(i, i + 1))}${i === 7 ? "-" : " "}`,
    );
    const shown = Array.from(row, (byte) => {
      return byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : ".";
    });
    const text = letters
      ? `${cells.join("").padEnd(48)}|${shown.join("").padEnd(16)}|`
      : cells.join("").trimEnd();
    lines.push(`${at.toString(16).padStart(8, "0")}  ${text}`);
  }
  return lines.join("\n");
}
