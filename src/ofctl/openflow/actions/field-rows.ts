// Actions on fields, as rows: set_field, load, move, the stack, output to a field
// (lib/ofp-actions.c of Open vSwitch 3.1). Any thread.
import { fieldFullMask, fieldOf } from "../../../flow/fields.js";
import { VLAN_PRESENT } from "../../../flow/key.js";
import type { SubField } from "../../../flow/types.js";
import { isWhole, loadParts, type SetField } from "../../print/format-set-field.js";
import { formatValue } from "../../print/format-value.js";
import { numberOf, onesOf, wordsOf } from "../../text/scan.js";
import { ByteReader, type ByteWriter } from "../bytes.js";
import { findHeader, type OxmField, oxmField } from "../oxm-fields.js";
import { isValidValue, readEntry, readHeader, writeEntry } from "../oxm-match.js";
import {
  checkWritable,
  fieldOfHeader,
  packRange,
  readField,
  sourceOf,
  targetOf,
  unpackRange,
  writeField,
} from "./fields.js";
import {
  type ActionContext,
  type ActionRow,
  type AnyAction,
  exactRow,
  isType,
  type Of,
  openRow,
  refuse,
} from "./row.js";

type Move = Of<"move">;

const isSetField = (action: AnyAction): action is SetField =>
  action.type === "set-field" && ["set_field", "masked", "load"].includes(action.spelling);

/** The field of the next header; another length than its own is told apart from no field. */
function settableField(reader: ByteReader): OxmField {
  const ahead = new ByteReader(reader.bytes, "OFPBMC_BAD_LEN", reader.at, reader.end);
  const header = readHeader(ahead);
  if (header.known !== null) return header.known.field;
  const other = findHeader(header.class, header.number, header.experimenter);
  const isLength = other !== undefined && header.payload > 0;
  return refuse(isLength ? "OFPBAC_BAD_SET_LEN" : "OFPBAC_BAD_SET_TYPE");
}

function withoutZeros(reader: ByteReader): void {
  reader.zeros(reader.left, "OFPBAC_BAD_SET_ARGUMENT");
}

function setFieldOf(oxm: OxmField, value: bigint, mask: bigint): SetField {
  const field = fieldOf(oxm.field!);
  const all = numberOf(fieldFullMask(field));
  // A mask of all bits that the field has, but not of all that travel, is told.
  const isTold = (mask & all) === all && mask !== onesOf(8 * oxm.bytes);
  return {
    ...{ type: "set-field", field: field.id, spelling: isTold ? "masked" : "set_field" },
    value: wordsOf(value & all, field.words),
    mask: wordsOf(mask & all, field.words),
  };
}

/** A VLAN id has to say that there is a tag. */
function isTag(oxm: OxmField, value: bigint, mask: bigint): boolean {
  const present = BigInt(VLAN_PRESENT);
  return oxm.id !== "vlan_vid" || (value & mask & present) !== 0n;
}

function decodeSetField(reader: ByteReader, mayMask: boolean, context: ActionContext): SetField {
  const oxm = settableField(reader);
  const { value, mask, maskBytes } = readEntry(reader, context.warn);
  if (maskBytes !== null && !mayMask) refuse("OFPBAC_BAD_SET_MASK");
  withoutZeros(reader);
  if (oxm.id === "in_port_oxm") refuse("OFPBAC_BAD_SET_ARGUMENT");
  if (oxm.field === null) return refuse("OFPBAC_BAD_SET_TYPE");
  checkWritable(oxm.field, context.warn, "ofp_actions");
  if (!isValidValue(oxm, value, context.warn) || !isTag(oxm, value, mask)) {
    const text = formatValue(fieldOf(oxm.field), value, null, {});
    context.warn("ofp_actions", `Invalid value for set field ${oxm.field}: ${text}`);
    refuse("OFPBAC_BAD_SET_ARGUMENT");
  }
  return setFieldOf(oxm, value, mask);
}

function encodeEntry(action: SetField, out: ByteWriter, version: number): void {
  const oxm = oxmField(action.field);
  const whole = onesOf(8 * oxm.bytes);
  const mask = isWhole(action) && action.spelling !== "masked" ? whole : numberOf(action.mask);
  writeEntry(out, oxm, version, { value: numberOf(action.value), mask });
}

const SET_FIELDS: readonly ActionRow[] = [
  openRow<SetField>("OFPAT_SET_FIELD", "OF1.2-1.4:25", 8, {
    decode: (reader, context) => decodeSetField(reader, false, context),
    takes: (action): action is SetField =>
      isSetField(action) && action.spelling === "set_field" && isWhole(action),
    encode: (action, out, { version }) => encodeEntry(action, out, version),
  }),
  openRow<SetField>("OFPAT_SET_FIELD", "OF1.5+:25", 8, {
    decode: (reader, context) => decodeSetField(reader, true, context),
    takes: isSetField,
    encode: (action, out, { version }) => encodeEntry(action, out, version),
  }),
  exactRow<SetField>("NXAST_REG_LOAD", "NX1.0-1.4:7", 24, {
    decode: (reader, { warn }) => {
      const range = unpackRange(reader.number(2));
      const target = targetOf(fieldOfHeader(reader.number(4)), range, warn);
      const value = reader.wide(8);
      if (value >> BigInt(target.width) !== 0n) refuse("OFPBAC_BAD_ARGUMENT");
      const { words } = fieldOf(target.field);
      const shift = BigInt(target.offset);
      return {
        ...{ type: "set-field", field: target.field, spelling: "load" },
        value: wordsOf(value << shift, words),
        mask: wordsOf(onesOf(target.width) << shift, words),
      };
    },
    takes: (action): action is SetField =>
      isSetField(action) &&
      action.spelling === "load" &&
      loadParts(action).length === 1 &&
      oxmField(action.field).names[0]!.experimenter === 0,
    encode: (action, out) => {
      const [part] = loadParts(action);
      out.number(packRange({ field: action.field, ...part! }), 2);
      writeField(out, action.field);
      out.wide(part!.value, 8);
    },
  }),
  openRow<SetField>("NXAST_REG_LOAD2", "NX1.0-1.4:33", 16, {
    decode: (reader, { warn }) => {
      reader.skip(6);
      const oxm = settableField(reader);
      const { value, mask } = readEntry(reader, warn);
      withoutZeros(reader);
      if (oxm.field === null) return refuse("OFPBAC_BAD_SET_TYPE");
      checkWritable(oxm.field, warn, "ofp_actions");
      return setFieldOf(oxm, value, mask);
    },
    takes: isSetField,
    encode: (action, out) => {
      out.zeros(6);
      encodeEntry(action, out, 10);
    },
  }),
];

/** Offsets and width of a move, and the padding behind them, then its two fields. */
function moveRow(
  name: string,
  headers: string,
  bytes: number,
  padding: { readonly before: number; readonly after: number },
  headerVersion: (version: number) => number,
): ActionRow {
  return openRow<Move>(name, headers, bytes, {
    decode: (reader, { warn }) => {
      reader.skip(padding.before);
      const [width, from, to] = [reader.number(2), reader.number(2), reader.number(2)];
      reader.skip(padding.after);
      const fields = [readField(reader), readField(reader)] as const;
      reader.zeros(reader.left, "NXBRC_MUST_BE_ZERO");
      const source = sourceOf(fields[0], { offset: from, width }, warn);
      return { type: "move", source, target: targetOf(fields[1], { offset: to, width }, warn) };
    },
    takes: isType("move"),
    encode: ({ source, target }, out, { version }) => {
      out.zeros(padding.before);
      for (const number of [target.width, source.offset, target.offset]) out.number(number, 2);
      out.zeros(padding.after);
      writeField(out, source.field, headerVersion(version));
      writeField(out, target.field, headerVersion(version));
    },
  });
}

const ONF = { name: "ONFACT_COPY_FIELD", headers: "ONF1.3:3200, ONF1.4:3200r" } as const;

const MOVES: readonly ActionRow[] = [
  moveRow("OFPAT_COPY_FIELD", "OF1.5+:28", 16, { before: 0, after: 2 }, (version) => version),
  moveRow("NXAST_REG_MOVE", "NX1.0-1.4:6", 16, { before: 0, after: 0 }, () => 10),
  moveRow(ONF.name, ONF.headers, 24, { before: 2, after: 2 }, (version) => version),
];

type Stack = Of<"push"> | Of<"pop">;

/** What is pushed or popped, in 14 bytes: offset, header, width, zeros. */
function stackRow(name: string, type: number, kind: Stack["type"]): ActionRow {
  return exactRow<Stack>(name, `NX1.0+:${type}`, 24, {
    decode: (reader, { warn }) => {
      const offset = reader.number(2);
      const field = readField(reader);
      const range = { offset, width: reader.number(2) };
      reader.zeros(reader.left, "NXBRC_MUST_BE_ZERO");
      if (kind === "pop") return { type: kind, target: targetOf(field, range, warn) };
      return { type: kind, source: sourceOf(field, range, warn) };
    },
    takes: (action): action is Stack => action.type === kind,
    encode: (action, out) => {
      const sub = action.type === "push" ? action.source : action.target;
      out.number(sub.offset, 2);
      writeField(out, sub.field);
      out.number(sub.width, 2);
    },
  });
}

const isPlainHeader = (sub: SubField): boolean => oxmField(sub.field).names[0]!.experimenter === 0;

const REST: readonly ActionRow[] = [
  stackRow("NXAST_STACK_PUSH", 27, "push"),
  stackRow("NXAST_STACK_POP", 28, "pop"),
  exactRow<Of<"output-field">>("NXAST_OUTPUT_REG", "NX1.0+:15", 24, {
    decode: (reader, { warn }) => {
      const range = unpackRange(reader.number(2));
      const field = fieldOfHeader(reader.number(4));
      const maxBytes = reader.number(2);
      reader.zeros(6, "OFPBAC_BAD_ARGUMENT");
      return { action: { type: "output-field", source: sourceOf(field, range, warn) }, maxBytes };
    },
    takes: (action): action is Of<"output-field"> =>
      action.type === "output-field" && isPlainHeader(action.source),
    encode: ({ source }, out, _, maxBytes) => {
      out.number(packRange(source), 2);
      writeField(out, source.field);
      out.number(maxBytes, 2);
    },
  }),
  exactRow<Of<"output-field">>("NXAST_OUTPUT_REG2", "NX1.0+:32", 24, {
    decode: (reader, { warn }) => {
      const range = unpackRange(reader.number(2));
      const maxBytes = reader.number(2);
      const field = readField(reader);
      reader.zeros(reader.left, "NXBRC_MUST_BE_ZERO");
      return { action: { type: "output-field", source: sourceOf(field, range, warn) }, maxBytes };
    },
    takes: isType("output-field"),
    encode: ({ source }, out, _, maxBytes) => {
      out.number(packRange(source), 2);
      out.number(maxBytes, 2);
      writeField(out, source.field);
    },
  }),
  openRow<Of<"check-packet-larger">>("NXAST_CHECK_PKT_LARGER", "NX1.0+:49", 24, {
    decode: (reader, { warn }) => {
      const [bytes, offset] = [reader.number(2), reader.number(2)];
      const field = readField(reader);
      reader.zeros(reader.left, "NXBRC_MUST_BE_ZERO");
      const target = targetOf(field, { offset, width: 1 }, warn);
      return { type: "check-packet-larger", bytes, target };
    },
    takes: isType("check-packet-larger"),
    encode: ({ bytes, target }, out) => {
      out.number(bytes, 2);
      out.number(target.offset, 2);
      writeField(out, target.field);
      out.zeros(6);
    },
  }),
];

export const FIELD_ROWS: readonly ActionRow[] = [...SET_FIELDS, ...MOVES, ...REST];
