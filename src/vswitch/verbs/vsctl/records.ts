// The commands of ovs-vsctl that work on any row of any table: get, set, add, remove, clear,
// create, destroy, list, find, wait-until (lib/db-ctl-base.c of Open vSwitch 3.1). Main thread.
import { get, type Row } from "../../database/database.js";
import {
  type Atom,
  checkSize,
  type Datum,
  EMPTY,
  formatAtom,
  formatDatum,
  initialDatum,
  mapOf,
  pairsOf,
  parseAtom,
  parseDatum,
  readToken,
  setOf,
  unquote,
} from "../../database/datum.js";
import { type Column, type TableName } from "../../database/schema.js";
import { VerbError } from "../call.js";
import { has, valueOf } from "../options.js";
import { type Command, readingValue, type Transaction } from "./transaction.js";

/** `COLUMN[:KEY][OPERATOR VALUE]`, split. */
interface Setting {
  readonly name: string;
  readonly column: Column;
  readonly key: string | null;
  readonly operator: string;
  readonly value: string;
}

const OPERATOR = /^(\{<=\}|\{>=\}|\{!=\}|\{<\}|\{>\}|\{=\}|!=|<=|>=|=|<|>)/;

function readSetting(t: Transaction, table: TableName, text: string): Setting {
  const columnName = /^[A-Za-z_][A-Za-z0-9_-]*/.exec(text)?.[0] ?? "";
  if (columnName === "") throw new VerbError(`${text}: missing column name`);
  let rest = text.slice(columnName.length);
  const [name, column] = t.columnOf(table, columnName);
  let key: string | null = null;
  if (rest.startsWith(":")) {
    const token = readingValue(() => readToken(rest.slice(1)));
    key = unquote(token);
    if (key === "") throw new VerbError(`${text}: key required after ":"`);
    rest = rest.slice(1 + token.length);
  }
  const operator = OPERATOR.exec(rest)?.[0] ?? "";
  return { name, column, key, operator, value: rest.slice(operator.length) };
}

function withKey(datum: Datum, key: Atom, value: Atom): Datum {
  return mapOf([...pairsOf(datum), [key, value]]);
}

/** Applies `COLUMN[:KEY]=VALUE` texts to a row. */
export function setColumns(t: Transaction, row: Row, settings: readonly string[]): void {
  for (const text of settings) {
    const { name, column, key, operator, value } = readSetting(t, row.table, text);
    if (operator !== "=" || value === "") {
      throw new VerbError(`${text}: argument does not end in "=" followed by a value.`);
    }
    checkWritable(name, column);
    if (key === null) {
      const resolved = t.resolve(value, column);
      row.columns.set(
        name,
        readingValue(() => parseDatum(resolved, column)),
      );
      continue;
    }
    if (column.value === undefined) {
      throw new VerbError(`cannot specify key to set for non-map column ${name}`);
    }
    const type = column.value;
    const atom = readingValue(() => parseAtom(value, type, column));
    row.columns.set(name, withKey(get(row, name), key, atom));
  }
}

function checkWritable(name: string, column: Column): void {
  if (column.ephemeral === true) throw new VerbError(`cannot modify read-only column ${name}`);
}

function set(t: Transaction, { args, options }: Command): void {
  const [tableName, record, ...settings] = args as [string, string, ...string[]];
  const table = t.tableOf(tableName);
  const row = t.find(table, record);
  if (row === null && has(options, "if-exists")) return;
  setColumns(t, row ?? t.row(table, record), settings);
}

function getColumns(t: Transaction, { args, options }: Command): void {
  const [tableName, record, ...names] = args as [string, string, ...string[]];
  const table = t.tableOf(tableName);
  const row = t.find(table, record);
  if (row === null && has(options, "if-exists")) return;
  const found = row ?? t.row(table, record);
  const symbol = valueOf(options, "id");
  if (symbol !== null) t.symbols.set(symbol, found.uuid);
  for (const text of names) t.out(`${valueText(t, found, text, has(options, "if-exists"))}\n`);
}

function valueText(t: Transaction, row: Row, text: string, mayLack: boolean): string {
  if (text === "_uuid") return row.uuid;
  const { name, column, key } = readSetting(t, row.table, text);
  const datum = get(row, name);
  if (key === null) return formatDatum(datum, column);
  if (column.value === undefined) {
    throw new VerbError(`cannot specify key to get for non-map column ${name}`);
  }
  const at = datum.keys.indexOf(key);
  if (at >= 0) return formatAtom(datum.values[at]!, column.value);
  if (mayLack) return "";
  const record = row.table === "Open_vSwitch" ? "." : String(get(row, "name").keys[0]);
  throw new VerbError(`no key "${key}" in ${row.table} record "${record}" column ${name}`);
}

function add(t: Transaction, { args }: Command): void {
  const [tableName, record, columnName, ...values] = args as [string, string, string, ...string[]];
  const row = t.row(t.tableOf(tableName), record);
  const [name, column] = t.columnOf(row.table, columnName);
  checkWritable(name, column);
  let datum = get(row, name);
  for (const text of values) {
    const more = readingValue(() =>
      parseDatum(t.resolve(text, column), { ...column, min: 0, max: Infinity }),
    );
    const isMap = column.value !== undefined;
    // A key that is there already keeps its value.
    datum = isMap
      ? mapOf([...pairsOf(more), ...pairsOf(datum)])
      : setOf([...datum.keys, ...more.keys]);
  }
  if (datum.keys.length > column.max) {
    throw new VerbError(
      `"add" operation would put ${datum.keys.length} values in column ${name} of table ` +
        `${row.table} but the maximum number is ${column.max}`,
    );
  }
  row.columns.set(name, datum);
}

function remove(t: Transaction, { args, options }: Command): void {
  const [tableName, record, columnName, ...values] = args as [string, string, string, ...string[]];
  const table = t.tableOf(tableName);
  const found = t.find(table, record);
  if (found === null && has(options, "if-exists")) return;
  const row = found ?? t.row(table, record);
  const [name, column] = t.columnOf(table, columnName);
  checkWritable(name, column);
  let pairs = pairsOf(get(row, name));
  for (const text of values) {
    const isPair = column.value !== undefined && text.includes("=");
    const loose: Column = { ...column, min: 0, max: Infinity };
    const keysOnly: Column = { key: column.key, min: 0, max: Infinity };
    const wanted = isPair ? loose : keysOnly;
    const gone = readingValue(() => parseDatum(t.resolve(text, column), wanted));
    pairs = pairs.filter(([key, value]) => {
      const at = gone.keys.indexOf(key);
      return at < 0 || (isPair && gone.values[at] !== value);
    });
  }
  const datum = column.value === undefined ? setOf(pairs.map(([key]) => key)) : mapOf(pairs);
  if (datum.keys.length < column.min) {
    throw new VerbError(
      `"remove" operation would put ${datum.keys.length} values in column ${name} of table ` +
        `${table} but the minimum number is ${column.min}`,
    );
  }
  row.columns.set(name, datum);
}

function clear(t: Transaction, { args, options }: Command): void {
  const [tableName, record, ...names] = args as [string, string, ...string[]];
  const table = t.tableOf(tableName);
  const found = t.find(table, record);
  if (found === null && has(options, "if-exists")) return;
  const row = found ?? t.row(table, record);
  for (const columnName of names) {
    const [name, column] = t.columnOf(table, columnName);
    checkWritable(name, column);
    if (column.min > 0) {
      throw new VerbError(
        `"clear" operation cannot be applied to column ${name} of table ${table}, which is not ` +
          `allowed to be empty`,
      );
    }
    row.columns.set(name, EMPTY);
  }
}

function create(t: Transaction, { args, options }: Command): void {
  const [tableName, ...settings] = args as [string, ...string[]];
  const table = t.tableOf(tableName);
  const symbol = valueOf(options, "id");
  if (symbol !== null && !/^@[A-Za-z_]/.test(symbol)) {
    throw new VerbError(`row id "${symbol}" does not begin with "@"`);
  }
  const row = t.draft.insert(table, symbol === null ? undefined : t.symbol(symbol));
  setColumns(t, row, settings);
  t.out(`${row.uuid}\n`);
}

function destroy(t: Transaction, { args, options }: Command): void {
  const [tableName, ...records] = args as [string, ...string[]];
  const table = t.tableOf(tableName);
  const rows = has(options, "all") ? t.draft.table(table) : [];
  for (const record of records) {
    const row = t.find(table, record);
    if (row === null && !has(options, "if-exists")) t.row(table, record);
    if (row !== null) rows.push(row);
  }
  for (const row of rows) t.draft.remove(row);
}

/** Whether a row is as a condition (`COLUMN[:KEY]=VALUE`, or another operator) says. */
export function fulfills(t: Transaction, row: Row, text: string): boolean {
  const { name, column, key, operator, value } = readSetting(t, row.table, text);
  const plain = operator.replace(/[{}]/g, "");
  if (plain === "") {
    throw new VerbError(
      `${text}: argument does not end in =, !=, <, >, <=, >= followed by a value.`,
    );
  }
  let have = get(row, name);
  let want: Datum;
  if (key !== null && column.value !== undefined) {
    const at = have.keys.indexOf(key);
    if (at < 0) return false;
    const type = column.value;
    have = setOf([have.values[at]!]);
    want = readingValue(() => setOf([parseAtom(value, type, column)]));
  } else {
    want = readingValue(() => checkSize(parseDatum(value, column), { ...column, min: 0 }));
  }
  return holds(plain, compareData(have, want));
}

function compareData(a: Datum, b: Datum): number {
  const [left, right] = [a, b].map(({ keys, values }) => JSON.stringify([keys, values]));
  if (left === right) return 0;
  const [x, y] = [a.keys[0], b.keys[0]];
  if (typeof x === "number" && typeof y === "number" && x !== y) return x - y;
  return left! < right! ? -1 : 1;
}

function holds(operator: string, order: number): boolean {
  switch (operator) {
    case "=":
      return order === 0;
    case "!=":
      return order !== 0;
    case "<":
      return order < 0;
    case ">":
      return order > 0;
    case "<=":
      return order <= 0;
    default:
      return order >= 0;
  }
}

/** Everything is done when a command is over: what is not so now will not become so by waiting. */
function waitUntil(t: Transaction, { args, options }: Command): void {
  const [tableName, record, ...conditions] = args as [string, string, ...string[]];
  const table = t.tableOf(tableName);
  const row = t.find(table, record);
  if (row === null && has(options, "if-exists")) return;
  if (row !== null && conditions.every((text) => fulfills(t, row, text))) return;
  throw new VerbError(`${args.join(" ")}: this is not so, and waiting will not change it`);
}

/** A column as a new row has it; for `show`, which leaves such columns out. */
export function isInitial(row: Row, name: string, column: Column): boolean {
  return compareData(get(row, name), initialDatum(column)) === 0;
}

const RECORD = "TABLE RECORD";
export const RECORD_VERBS = [
  { name: "get", min: 2, max: Infinity, usage: `${RECORD} COLUMN[:KEY]...`, run: getColumns },
  { name: "set", min: 3, max: Infinity, usage: `${RECORD} COLUMN[:KEY]=VALUE...`, run: set },
  { name: "add", min: 4, max: Infinity, usage: `${RECORD} COLUMN [KEY=]VALUE...`, run: add },
  { name: "remove", min: 4, max: Infinity, usage: `${RECORD} COLUMN VALUE...`, run: remove },
  { name: "clear", min: 3, max: Infinity, usage: `${RECORD} COLUMN...`, run: clear },
  { name: "create", min: 2, max: Infinity, usage: "TABLE COLUMN[:KEY]=VALUE...", run: create },
  { name: "destroy", min: 1, max: Infinity, usage: "TABLE [RECORD]...", run: destroy },
  { name: "wait-until", min: 2, max: Infinity, usage: `${RECORD} [CONDITION]...`, run: waitUntil },
] as const;
