// Sub-fields: `reg0[0..15]`, `NXM_OF_ETH_SRC[]` (lib/nx-match.c mf_parse_subfield__, 3.1).
import { fieldByName, fieldOf, type Field } from "../../flow/fields.js";
import type { SubField } from "../../flow/types.js";
import { FlowTextError } from "./scan.js";

/** Fields that an ofctl name exists for but no wire name; actions cannot name them. */
function actionField(name: string): Field | undefined {
  const field = fieldByName(name);
  return field !== undefined && field.wireNames.length > 0 ? field : undefined;
}

/**
 * Reads a sub-field.
 * @param whole what Open vSwitch quotes in its errors: the rest of the argument from here on.
 * @throws FlowTextError.
 */
export function parseSubField(text: string, at: number, whole = text): SubField {
  const bracket = text.indexOf("[");
  const name = bracket < 0 ? text : text.slice(0, bracket);
  const field = actionField(name);
  if (field === undefined) throw new FlowTextError(`${whole}: unknown field \`${name}'`, at);
  if (bracket < 0) return { field: field.id, offset: 0, width: field.bits };
  const range = /^\[(?:(\d+)(?:\.\.(\d+))?)?\]$/.exec(text.slice(bracket));
  if (range === null) {
    const expected = "syntax error expecting [] or [<bit>] or [<start>..<end>]";
    throw new FlowTextError(`${whole}: ${expected}`, at + bracket);
  }
  if (range[1] === undefined) return { field: field.id, offset: 0, width: field.bits };
  const start = Number(range[1]);
  const end = range[2] === undefined ? start : Number(range[2]);
  if (start > end) {
    throw new FlowTextError(
      `${whole}: starting bit ${start} is after ending bit ${end}`,
      at + bracket,
    );
  }
  const width = `is not valid because field is only ${field.bits} bits wide`;
  if (start >= field.bits) {
    throw new FlowTextError(`${whole}: starting bit ${start} ${width}`, at + bracket);
  }
  if (end >= field.bits) {
    throw new FlowTextError(`${whole}: ending bit ${end} ${width}`, at + bracket);
  }
  return { field: field.id, offset: start, width: end - start + 1 };
}

/** Prints a sub-field with its NXM or OXM name: `NXM_NX_REG0[0..15]`, `NXM_OF_IN_PORT[]`. */
export function formatSubField(sub: SubField): string {
  const field = fieldOf(sub.field);
  const name = field.wireNames[0] ?? field.id;
  if (sub.offset === 0 && sub.width === field.bits) return `${name}[]`;
  if (sub.width === 1) return `${name}[${sub.offset}]`;
  return `${name}[${sub.offset}..${sub.offset + sub.width - 1}]`;
}
