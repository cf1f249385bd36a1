// Sub-fields: `reg0[0..15]`, `NXM_OF_ETH_SRC[]`, `reg3` (lib/nx-match.c mf_parse_subfield__, 3.1).
import { fieldByName, fieldOf, type Field } from "../../flow/fields.js";
import type { SubField } from "../../flow/types.js";
import { FlowTextError } from "./scan.js";

/** Fields that an ofctl name exists for but no wire name; actions cannot name them. */
function actionField(name: string): Field | undefined {
  const field = fieldByName(name);
  if (field === undefined || field.wireNames.length === 0) return undefined;
  return field.names.includes(name) || field.wireNames.includes(name) ? field : undefined;
}

/** A sub-field and the index, within the text, of what follows it. */
export interface LeadingSubField {
  readonly sub: SubField;
  readonly end: number;
}

/**
 * Reads the sub-field that a text begins with. Its name ends at `[` or `-`.
 * @throws FlowTextError, which quotes the whole text.
 */
export function leadingSubField(text: string, at: number): LeadingSubField {
  const name = /^[^[-]*/.exec(text)![0];
  const field = actionField(name);
  if (field === undefined) throw new FlowTextError(`${text}: unknown field \`${name}'`, at);
  const refuse = (what: string): never => {
    throw new FlowTextError(`${text}: ${what}`, at + name.length);
  };
  const whole = { field: field.id, offset: 0, width: field.bits };
  const rest = text.slice(name.length);
  if (!rest.startsWith("[")) return { sub: whole, end: name.length };
  const range = /^\[(?:\s*(\+?\d+|-0+)(?:\.\.\s*(\+?\d+|-0+))?)?\]/.exec(rest);
  if (range === null) return refuse("syntax error expecting [] or [<bit>] or [<start>..<end>]");
  const end = name.length + range[0].length;
  if (range[1] === undefined) return { sub: whole, end };
  const first = Number(range[1]);
  const last = range[2] === undefined ? first : Number(range[2]);
  const bound = `is not valid because field is only ${field.bits} bits wide`;
  if (first > last) refuse(`starting bit ${first} is after ending bit ${last}`);
  if (first >= field.bits) refuse(`starting bit ${first} ${bound}`);
  if (last >= field.bits) refuse(`ending bit ${last} ${bound}`);
  return { sub: { field: field.id, offset: first, width: last - first + 1 }, end };
}

/**
 * Reads a text that is one sub-field.
 * @throws FlowTextError.
 */
export function parseSubField(text: string, at: number): SubField {
  const { sub, end } = leadingSubField(text, at);
  if (end === text.length) return sub;
  throw new FlowTextError("unexpected input following field syntax", at + end);
}

/** Prints a sub-field with its NXM or OXM name: `NXM_NX_REG0[0..15]`, `NXM_OF_IN_PORT[]`. */
export function formatSubField(sub: SubField): string {
  const field = fieldOf(sub.field);
  const name = field.wireNames[0] ?? field.id;
  if (sub.offset === 0 && sub.width === field.bits) return `${name}[]`;
  if (sub.width === 1) return `${name}[${sub.offset}]`;
  return `${name}[${sub.offset}..${sub.offset + sub.width - 1}]`;
}
