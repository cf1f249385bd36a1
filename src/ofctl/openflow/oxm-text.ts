// Extensible matches as the text that names their headers, `NXM_OF_IN_PORT(0001)`, and back
// (lib/nx-match.c nx_match_from_string, nx_match_to_string of Open vSwitch 3.1). Slow path; any
// thread.
import { FlowTextError } from "../text/scan.js";
import { ByteReader, ByteWriter, hexOf, leadingHex, WireError } from "./bytes.js";
import { EXPERIMENTER_CLASS, findName } from "./oxm-fields.js";
import { readEntry, type Entry } from "./oxm-match.js";

/** What a text names: class, number, experimenter, whether with a mask, bytes of the value. */
interface Named {
  readonly class: number;
  readonly number: number;
  readonly experimenter: number;
  readonly hasMask: boolean;
  readonly length: number;
}

const COOKIE_NAME = "NXM_NX_COOKIE";

/** A field by its name, with `_W` for one with a mask, or a header as hexadecimal digits. */
function headerNamed(text: string): Named | null {
  const isWild = text.length > 2 && text.endsWith("_W");
  const found = findName(isWild ? text.slice(0, -2) : text);
  if (found !== undefined && (!isWild || found.field.maskable)) {
    const { name, field } = found;
    const { class: klass, number, experimenter } = name;
    return { class: klass, number, experimenter, hasMask: isWild, length: field.bytes };
  }
  if (text === COOKIE_NAME || text === `${COOKIE_NAME}_W`) {
    return { class: 1, number: 30, experimenter: 0, hasMask: isWild, length: 8 };
  }
  return headerInDigits(text);
}

function headerInDigits(text: string): Named | null {
  if (!/^([0-9a-f]{8}|[0-9a-f]{16})$/i.test(text)) return null;
  const digits = (from: number, count: number): number =>
    Number.parseInt(text.slice(from, from + count), 16);
  const klass = digits(0, 4);
  if (text.length === 16 && klass !== EXPERIMENTER_CLASS) return null;
  const hasMask = (digits(4, 2) & 1) === 1;
  const payload = digits(6, 2) - (text.length === 16 ? 4 : 0);
  return {
    ...{ class: klass, number: digits(4, 2) >> 1, hasMask },
    experimenter: text.length === 16 ? digits(8, 8) : 0,
    length: hasMask ? Math.floor(payload / 2) : payload,
  };
}

/** Field by field, cut out of the text. */
class MatchText {
  private readonly text: string;
  private readonly out: ByteWriter;
  private at = 0;

  constructor(text: string, out: ByteWriter) {
    this.text = text;
    this.out = out;
  }

  /** @returns false at the end. */
  next(): boolean {
    this.skip(", ");
    if (this.at >= this.text.length) return false;
    const open = this.text.indexOf("(", this.at);
    if (open < 0) this.refuse(`${this.text}: missing ( at end of nx_match`);
    const name = this.text.slice(this.at, open);
    const header = headerNamed(name);
    if (header === null) return this.refuse(`${this.text}: unknown field \`${name}'`);
    this.at = open + 1;
    const value = this.digits();
    if (value.length !== header.length) {
      this.refuse(`expected to read ${header.length} bytes but got ${value.length}`);
    }
    this.write(header, value);
    if (header.hasMask) this.mask(name, header);
    this.skip(" ");
    if (this.text[this.at] !== ")") {
      this.refuse(`${this.text}: missing ) following field ${name}`);
    }
    this.at++;
    return true;
  }

  private write(header: Named, value: Uint8Array): void {
    const { class: klass, number, experimenter, hasMask, length } = header;
    const isExperimenter = klass === EXPERIMENTER_CLASS;
    this.out.number(klass, 2);
    this.out.number((number << 1) | Number(hasMask), 1);
    this.out.number((length * (hasMask ? 2 : 1) + (isExperimenter ? 4 : 0)) & 0xff, 1);
    if (isExperimenter) this.out.number(experimenter, 4);
    this.out.bytes(value);
  }

  private mask(name: string, header: Named): void {
    this.skip(" ");
    if (this.text[this.at] !== "/") {
      this.refuse(`${this.text}: missing / in masked field ${name}`);
    }
    this.at++;
    const mask = this.digits();
    if (mask.length !== header.length) {
      this.refuse(`${this.text.slice(this.at, this.at + 2)}: hex digits expected`);
    }
    this.out.bytes(mask);
  }

  private digits(): Uint8Array {
    const { bytes, end } = leadingHex(this.text, this.at);
    this.at = end;
    return bytes;
  }

  private skip(letters: string): void {
    while (this.at < this.text.length && letters.includes(this.text[this.at]!)) this.at++;
  }

  private refuse(message: string): never {
    throw new FlowTextError(message, this.at);
  }
}

/**
 * Appends what a text names, which need not be known fields or make sense.
 * @throws FlowTextError.
 */
export function writeMatchText(out: ByteWriter, text: string): void {
  if (text === "<any>") return;
  const parts = new MatchText(text, out);
  while (parts.next());
}

function entryText({ header, bytes, maskBytes }: Entry): string {
  const known = header.known?.name.name ?? (header.isCookie ? COOKIE_NAME : undefined);
  const suffix = header.hasMask ? "_W" : "";
  const name = known === undefined ? `${header.class}:${header.number}` : `${known}${suffix}`;
  const mask = maskBytes === null ? "" : `/${hexOf(maskBytes)}`;
  return `${name}(${hexOf(bytes)}${mask})`;
}

/** A match as text. */
export function matchText(bytes: Uint8Array): string {
  if (bytes.length === 0) return "<any>";
  const reader = new ByteReader(bytes, "OFPBMC_BAD_LEN");
  const texts: string[] = [];
  try {
    while (reader.left > 0) texts.push(entryText(readEntry(reader, () => undefined)));
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    texts.push(`<${reader.left} invalid bytes>`);
  }
  return texts.join(", ");
}
