// Values of database columns: how they are kept, read from a command line and printed, as
// ovsdb_datum_from_string and ovsdb_datum_to_string do (lib/ovsdb-data.c, 3.1). Pure functions.
import type { AtomType, Column } from "./schema.js";

export type Atom = string | number | boolean;

/** A set of atoms, or a map; sorted by key, no key twice. */
export interface Datum {
  readonly keys: readonly Atom[];
  /** Of a map: the value of each key; of a set: empty. */
  readonly values: readonly Atom[];
}

export const EMPTY: Datum = { keys: [], values: [] };

/** A value that a column cannot have, in the words of ovsdb. */
export class DatumError extends Error {}

function compare(a: Atom, b: Atom): number {
  if (typeof a === "string" && typeof b === "string") return a < b ? -1 : a > b ? 1 : 0;
  return Number(a) - Number(b);
}

/** A set in order, each atom once. */
export function setOf(atoms: readonly Atom[]): Datum {
  const keys = [...new Set(atoms)].sort(compare);
  return { keys, values: [] };
}

/** A map in order; of a key that is given twice the last value counts. */
export function mapOf(pairs: Iterable<readonly [Atom, Atom]>): Datum {
  const sorted = [...new Map(pairs)].sort(([a], [b]) => compare(a, b));
  return { keys: sorted.map(([key]) => key), values: sorted.map(([, value]) => value) };
}

export function pairsOf(datum: Datum): [Atom, Atom][] {
  return datum.keys.map((key, i) => [key, datum.values[i]!]);
}

/** What a new row has in a column. */
export function initialDatum(column: Column): Datum {
  return column.initial === undefined ? EMPTY : setOf([column.initial]);
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

export function isUuid(text: string): boolean {
  return UUID.test(text);
}

function needsQuotes(text: string): boolean {
  if (!/^[A-Za-z_][A-Za-z0-9_.-]*$/.test(text)) return true;
  return isUuid(text) || text === "true" || text === "false";
}

export function formatAtom(atom: Atom, type: AtomType): string {
  if (type !== "string") return String(atom);
  const text = String(atom);
  return needsQuotes(text) ? JSON.stringify(text) : text;
}

export function formatDatum(datum: Datum, column: Column): string {
  if (column.value !== undefined) {
    const pairs = pairsOf(datum).map(
      ([key, value]) => `${formatAtom(key, column.key)}=${formatAtom(value, column.value!)}`,
    );
    return `{${pairs.join(", ")}}`;
  }
  const atoms = datum.keys.map((key) => formatAtom(key, column.key));
  return column.max === 1 && atoms.length === 1 ? atoms[0]! : `[${atoms.join(", ")}]`;
}

const DELIMITERS = ":=, []{}!<>";

/**
 * The token at the start of a text: a quoted string, or what runs to a delimiter.
 * @returns the token, as written, and how long it is.
 */
export function readToken(text: string): string {
  if (text.startsWith('"')) {
    const match = /^"(?:[^"\\]|\\.)*"/.exec(text);
    if (match === null) throw new DatumError(`missing quote at end of quoted string`);
    return match[0];
  }
  let end = 0;
  while (end < text.length && !DELIMITERS.includes(text[end]!)) end++;
  return text.slice(0, end);
}

/** Takes the quotes off a token that has them. */
export function unquote(token: string): string {
  if (!token.startsWith('"')) return token;
  try {
    return String(JSON.parse(token));
  } catch {
    throw new DatumError(`${token} is not a valid quoted string`);
  }
}

/** Reads one atom, checked against the column. */
export function parseAtom(token: string, type: AtomType, column: Column): Atom {
  switch (type) {
    case "integer": {
      if (!/^[+-]?[0-9]+$/.test(token))
        throw new DatumError(`"${token}" is not a valid integer or range`);
      return checkedInteger(Number(token), column);
    }
    case "boolean":
      if (["true", "yes", "on", "1"].includes(token)) return true;
      if (["false", "no", "off", "0"].includes(token)) return false;
      throw new DatumError(`"${token}" is not a valid boolean (use "true" or "false")`);
    case "uuid":
      if (!isUuid(token)) throw new DatumError(`"${token}" is not a valid UUID`);
      return token.toLowerCase();
    case "string":
      if (token === "") {
        throw new DatumError(
          'An empty string is not valid as input; use "" to represent the empty string',
        );
      }
      return checkedString(unquote(token), column);
  }
}

function checkedInteger(value: number, column: Column): number {
  const { range } = column;
  if (range !== undefined && (value < range[0] || value > range[1])) {
    const valid = `the valid range ${range[0]} to ${range[1]} (inclusive)`;
    throw new DatumError(`constraint violation: ${value} is not in ${valid}`);
  }
  return value;
}

function checkedString(value: string, column: Column): string {
  if (column.oneOf !== undefined && !column.oneOf.includes(value)) {
    const allowed = [...column.oneOf].sort().join(", ");
    throw new DatumError(
      `constraint violation: ${value} is not one of the allowed values ([${allowed}])`,
    );
  }
  return value;
}

/** Reads a value for a whole column: `5`, `[1,2]`, `{a=b, c=d}`, with or without the brackets. */
export function parseDatum(text: string, column: Column): Datum {
  const isMap = column.value !== undefined;
  const [open, close] = isMap ? ["{", "}"] : ["[", "]"];
  let rest = text.trim();
  // A set may be written in braces by mistake of shells, but a map never in brackets.
  const bracketed = rest.startsWith(open!);
  if (bracketed) rest = rest.slice(1).trimStart();
  const pairs: [Atom, Atom][] = [];
  while (rest !== "" && !(bracketed && rest.startsWith(close!))) {
    const key = readToken(rest);
    rest = rest.slice(key.length);
    if (key === "")
      throw new DatumError(`${text}: unexpected "${rest[0]}" parsing ${typeText(column)}`);
    const parsed = parseAtom(key, column.key, column);
    let value: Atom = true;
    if (isMap) {
      if (!rest.startsWith("=")) {
        throw new DatumError(`${text}: unexpected "${rest[0] ?? ""}" parsing ${typeText(column)}`);
      }
      const token = readToken(rest.slice(1));
      value = parseAtom(token, column.value, column);
      rest = rest.slice(1 + token.length);
    }
    pairs.push([parsed, value]);
    rest = rest.replace(/^[ ,]+/, "");
  }
  if (bracketed && rest.slice(1).trim() !== "") {
    throw new DatumError(`${text}: trailing garbage "${rest.slice(1)}" at end of value`);
  }
  if (bracketed && rest === "") throw new DatumError(`${text}: missing "${close}" at end of value`);
  checkCount(text, pairs.length, column);
  const datum = isMap ? mapOf(pairs) : setOf(pairs.map(([key]) => key));
  if (datum.keys.length === pairs.length) return datum;
  throw new DatumError(`${text}: ${isMap ? "map contains duplicate key" : DUPLICATE}`);
}

const DUPLICATE = "set contains duplicate value";

/** As many as were written, before equal ones are looked for. */
function checkCount(text: string, count: number, column: Column): void {
  const what = column.value === undefined ? "value" : "pair";
  const specified = `${text}: ${count} ${what}(s) specified but`;
  if (count < column.min) {
    throw new DatumError(`${specified} the minimum number is ${column.min}`);
  }
  if (count > column.max) {
    throw new DatumError(`${specified} the maximum number is ${column.max}`);
  }
}

function typeText(column: Column): string {
  if (column.value !== undefined) return `map of ${column.key}-${column.value} pairs`;
  return column.max === 1 ? column.key : `set of ${column.key}s`;
}
