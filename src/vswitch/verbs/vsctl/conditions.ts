// Conditions on rows: `COLUMN[:KEY]=VALUE` and the other relations of ovs-vsctl's find and
// wait-until (evaluate_relop in lib/db-ctl-base.c of Open vSwitch 3.1). Main thread.
import { get, type Row } from "../../database/database.js";
import { type Atom, type Datum, EMPTY, parseDatum, setOf } from "../../database/datum.js";
import type { Column } from "../../database/schema.js";
import { VerbError } from "../call.js";
import { OPERATORS, readSetting } from "./records.js";
import { readingValue, type Transaction } from "./transaction.js";

/** Whether a row is as a condition says. @throws VerbError when it is none. */
export function fulfills(t: Transaction, row: Row, text: string): boolean {
  const { name, column, key, operator, value } = readSetting(t, row.table, text);
  if (operator === "" || value === "") {
    const names = OPERATORS.map((one) => `"${one}"`);
    const list = `${names.slice(0, -1).join(", ")}, or ${names.at(-1)}`;
    throw new VerbError(`${text}: argument does not end in ${list} followed by a value.`);
  }
  if (key === null) {
    const want = readingValue(() => parseDatum(t.resolve(value, column), loose(column)));
    return holds(operator, get(row, name), want);
  }
  const type = column.value;
  if (type === undefined) {
    throw new VerbError(`cannot specify key to check for non-map column ${name}`);
  }
  const { keys, values } = get(row, name);
  const at = keys.indexOf(key);
  const isOfSets = operator.startsWith("{");
  if (at < 0 && !isOfSets) return false;
  const set: Column = { key: type, min: 0, max: isOfSets ? Infinity : 1 };
  const want = readingValue(() => parseDatum(value, set));
  return holds(operator, at < 0 ? EMPTY : setOf([values[at]!]), want);
}

/** The column without limits on how many values it has: a condition may name any. */
function loose(column: Column): Column {
  return { ...column, min: 0, max: Infinity };
}

function compareAtoms(a: Atom, b: Atom): number {
  return a === b ? 0 : a < b ? -1 : 1;
}

/** The greater is what has more members; then the first that differ decide. */
function compareData(a: Datum, b: Datum): number {
  if (a.keys.length !== b.keys.length) return a.keys.length - b.keys.length;
  for (const list of ["keys", "values"] as const) {
    for (const [i, atom] of a[list].entries()) {
      const order = compareAtoms(atom, b[list][i]!);
      if (order !== 0) return order;
    }
  }
  return 0;
}

function includes(whole: Datum, part: Datum, at: number): boolean {
  const found = whole.keys.indexOf(part.keys[at]!);
  return found >= 0 && whole.values[found] === part.values[at];
}

function includesAll(part: Datum, whole: Datum): boolean {
  return part.keys.every((_, at) => includes(whole, part, at));
}

function holds(operator: string, a: Datum, b: Datum): boolean {
  const order = compareData(a, b);
  const [m, n] = [a.keys.length, b.keys.length];
  switch (operator) {
    case "=":
    case "{=}":
      return order === 0;
    case "!=":
    case "{!=}":
      return order !== 0;
    case "<":
      return order < 0;
    case ">":
      return order > 0;
    case "<=":
      return order <= 0;
    case ">=":
      return order >= 0;
    case "{<}":
      return m < n && includesAll(a, b);
    case "{>}":
      return m > n && includesAll(b, a);
    case "{<=}":
    case "{in}":
      return includesAll(a, b);
    case "{>=}":
      return includesAll(b, a);
    default:
      return !a.keys.some((_, at) => includes(b, a, at));
  }
}
