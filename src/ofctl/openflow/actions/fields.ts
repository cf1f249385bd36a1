// Sub-fields inside actions: headers of 32 or 64 bits, with an offset and a width beside them, and
// whether they may be read or written (lib/meta-flow.c mf_check_src, mf_check_dst of Open vSwitch
// 3.1). Any thread.
import { fieldOf, type FieldId } from "../../../flow/fields.js";
import type { SubField } from "../../../flow/types.js";
import type { ByteReader, ByteWriter, WarnLog } from "../bytes.js";
import { findHeader, oxmField } from "../oxm-fields.js";
import { readHeader, writeHeader } from "../oxm-match.js";
import { refuse } from "./row.js";

/** The oldest words: headers inside actions are Nicira's, whatever the version. */
const OLDEST = 10;

/** The field of a header of 32 bits; null: none that an action can name. */
export function fieldOfHeader(header: number): FieldId | null {
  const known = findHeader(header >>> 16, (header >>> 9) & 0x7f, 0);
  const length = (header & 0xff) >> ((header >>> 8) & 1);
  return known?.field.bytes === length ? actionField(known.field) : null;
}

/** The in_port of 32 bits has no place of its own in actions here. */
function actionField(field: { id: string; field: FieldId | null }): FieldId | null {
  return field.id === field.field ? field.field : null;
}

/** A header in the stream. @throws WireError when it is unknown or has a mask. */
export function readField(reader: ByteReader): FieldId {
  const header = readHeader(reader);
  const field = header.known === null ? null : actionField(header.known.field);
  if (field === null) return refuse("OFPBMC_BAD_FIELD");
  if (header.hasMask) refuse("OFPBMC_BAD_MASK");
  return field;
}

export function writeField(out: ByteWriter, id: FieldId, version = OLDEST): void {
  writeHeader(out, oxmField(id), version, false);
}

/** `(offset << 6) | (width - 1)`. */
export function packRange({ offset, width }: SubField): number {
  return (offset << 6) | (width - 1);
}

export function unpackRange(bits: number): { offset: number; width: number } {
  return { offset: bits >> 6, width: (bits & 0x3f) + 1 };
}

/** @param use "source" or "destination", as Open vSwitch's log has it. */
function checked(
  field: FieldId | null,
  { offset, width }: { readonly offset: number; readonly width: number },
  use: string,
  warn: WarnLog,
): SubField {
  const complain = (what: string, error: string): never => {
    warn("meta_flow", what);
    return refuse(error);
  };
  if (field === null) return complain(`unknown ${use} field`, "OFPBAC_BAD_SET_TYPE");
  const { bits, id } = fieldOf(field);
  const short = "OFPBAC_BAD_SET_LEN";
  if (width === 0) complain(`zero bit ${use} field ${id}`, short);
  const where = `${bits}-bit width of ${use} field ${id}`;
  if (offset >= bits) complain(`bit offset ${offset} exceeds ${where}`, short);
  if (offset + width > bits) {
    complain(`bit offset ${offset} and width ${width} exceeds ${where}`, short);
  }
  return { field, offset, width };
}

type Range = { readonly offset: number; readonly width: number };

export function sourceOf(field: FieldId | null, range: Range, warn: WarnLog): SubField {
  return checked(field, range, "source", warn);
}

export function targetOf(field: FieldId | null, range: Range, warn: WarnLog): SubField {
  const sub = checked(field, range, "destination", warn);
  checkWritable(sub.field, warn);
  return sub;
}

export function checkWritable(field: FieldId, warn: WarnLog, module = "meta_flow"): void {
  if (fieldOf(field).writable) return;
  warn(module, `destination field ${field} is not writable`);
  refuse("OFPBAC_BAD_SET_ARGUMENT");
}
