// The commands of ovs-vsctl that work on any row of any table: get, set, add, remove, clear,
// create, destroy, list, find, wait-until (lib/db-ctl-base.c of Open vSwitch 3.1). Main thread.
import { get, type Row } from "../../database/database.js";
import {
  type Atom,
  type Datum,
  EMPTY,
  formatAtom,
  formatDatum,
  isUuid,
  mapOf,
  pairsOf,
  parseAtom,
  parseDatum,
  readToken,
  setOf,
  unquote,
} from "../../database/datum.js";
import { type Column, columnsOf, ROOT_TABLES, type TableName } from "../../database/schema.js";
import { VerbError, warn } from "../call.js";
import { has, valueOf } from "../options.js";
import { type Command, readingValue, type Transaction, type VsctlVerb } from "./transaction.js";

/** `COLUMN[:KEY][OPERATOR VALUE]`, split. */
interface Setting {
  readonly name: string;
  readonly column: Column;
  readonly key: string | null;
  readonly operator: string;
  readonly value: string;
}

/** The relations of conditions, in the order in which ovs-vsctl lists them. */
export const OPERATORS = [
  ...["=", "!=", "<", ">", "<=", ">="],
  ...["{=}", "{!=}", "{<}", "{>}", "{<=}", "{>=}", "{in}", "{not-in}"],
];

function operatorOf(text: string): string {
  const found = OPERATORS.filter((one) => text.startsWith(one));
  return found.sort((a, b) => b.length - a.length)[0] ?? "";
}

export function readSetting(t: Transaction, table: TableName, text: string): Setting {
  const columnName = /^[A-Za-z_][A-Za-z0-9_-]*/.exec(text)?.[0] ?? "";
  if (columnName === "") throw new VerbError(`${text}: missing column name`);
  let rest = text.slice(columnName.length);
  const [name, column] = t.columnOf(table, columnName);
  let key: string | null = null;
  if (rest.startsWith(":")) {
    const token = readingValue(() => readToken(rest.slice(1)));
    key = unquote(token);
    if (key === "" && rest === ":") throw new VerbError(`${text}: key required after ":"`);
    rest = rest.slice(1 + token.length);
  }
  const operator = operatorOf(rest);
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
    checkWritable(t, row, name);
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
    const own = readingValue(() => parseAtom(key, column.key, column));
    const atom = readingValue(() => parseAtom(t.resolve(value, column), type, column));
    row.columns.set(name, withKey(get(row, name), own, atom));
  }
}

function checkWritable(t: Transaction, row: Row, name: string): void {
  if (columnsOf(row.table)[name]!.fixed !== true || t.isNew(row)) return;
  throw new VerbError(`cannot modify read-only column ${name} in table ${row.table}`);
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
  const { name, column, key, operator, value } = readSetting(t, row.table, text);
  if (operator + value !== "") {
    throw new VerbError(`${text}: trailing garbage "${operator}${value}" in argument`);
  }
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
  checkWritable(t, row, name);
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
  checkWritable(t, row, name);
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
    checkWritable(t, row, name);
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
  const id = valueOf(options, "id");
  if (id !== null && !isUuid(id) && !/^@[A-Za-z_]/.test(id)) {
    throw new VerbError(`row id "${id}" does not begin with "@"`);
  }
  if (id === null && !ROOT_TABLES.includes(table)) {
    const useless = `applying "create" command to table ${table} without --id option`;
    warn(t.call, "db_ctl_base", `${useless} will have no effect`);
  }
  const uuid = id === null ? undefined : isUuid(id) ? id : t.symbol(id);
  if (uuid !== undefined && t.draft.row(uuid) !== null) {
    throw new VerbError(
      'transaction error: {"details":"This UUID would duplicate a UUID already present within ' +
        'the table or deleted within the same transaction.","error":"duplicate uuid"}',
    );
  }
  const row = t.draft.insert(table, uuid);
  setColumns(t, row, settings);
  t.out(`${row.uuid}\n`);
}

function destroy(t: Transaction, { args, options }: Command): void {
  const [tableName, ...records] = args as [string, ...string[]];
  const table = t.tableOf(tableName);
  const all = has(options, "all");
  if (all && records.length > 0) {
    throw new VerbError("--all and records argument should not be specified together");
  }
  const rows = all ? t.draft.table(table) : [];
  if (!all && records.length === 0) {
    warn(t.call, "db_ctl_base", "either --all or records argument should be specified");
  }
  for (const record of records) {
    const row = t.find(table, record);
    if (row === null && !has(options, "if-exists")) t.row(table, record);
    if (row !== null) rows.push(row);
  }
  for (const row of rows) t.draft.remove(row);
}

const RECORD = "TABLE RECORD";
export const RECORD_VERBS: readonly VsctlVerb[] = [
  { name: "get", min: 2, max: Infinity, usage: `${RECORD} COLUMN[:KEY]...`, run: getColumns },
  { name: "set", min: 3, max: Infinity, usage: `${RECORD} COLUMN[:KEY]=VALUE...`, run: set },
  { name: "add", min: 4, max: Infinity, usage: `${RECORD} COLUMN [KEY=]VALUE...`, run: add },
  { name: "remove", min: 4, max: Infinity, usage: `${RECORD} COLUMN VALUE...`, run: remove },
  { name: "clear", min: 3, max: Infinity, usage: `${RECORD} COLUMN...`, run: clear },
  { name: "create", min: 2, max: Infinity, usage: "TABLE COLUMN[:KEY]=VALUE...", run: create },
  { name: "destroy", min: 1, max: Infinity, usage: "TABLE [RECORD]...", run: destroy },
];
