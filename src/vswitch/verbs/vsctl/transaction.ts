// One ovs-vsctl command line: several commands, separated by `--`, that happen together or not at
// all. They work on a draft of the database; rows may be named before they are made (`@name`).
// Main thread.
import { randomUUID } from "node:crypto";
import { type Call, VerbError } from "../call.js";
import type { Database, Row } from "../../database/database.js";
import { DatumError, isUuid } from "../../database/datum.js";
import { columnsOf, type Column, TABLE_NAMES, type TableName } from "../../database/schema.js";
import { type Options } from "../options.js";

/** One command of the line, its options read. */
export interface Command {
  readonly name: string;
  readonly args: readonly string[];
  readonly options: Options;
}

export class Transaction {
  readonly draft: Database;
  readonly call: Call;
  /** Rows by `@name`; those that are still to be made have a uuid already. */
  readonly symbols = new Map<string, string>();

  constructor(call: Call) {
    this.call = call;
    this.draft = call.target.database.draft();
  }

  out(text: string): void {
    this.call.out(text);
  }

  /** The uuid that a `@name` stands for, given out on first mention. */
  symbol(name: string): string {
    const known = this.symbols.get(name);
    if (known !== undefined) return known;
    const uuid = randomUUID();
    this.symbols.set(name, uuid);
    return uuid;
  }

  /** Text in which each `@name` has become a uuid; for columns of references. */
  resolve(text: string, column: Column): string {
    if (column.key !== "uuid") return text;
    return text.replace(/@[A-Za-z_][A-Za-z0-9_.-]*/g, (name) => this.symbol(name));
  }

  /** @throws VerbError as ovs-vsctl, when the name is none or not unique. */
  tableOf(name: string): TableName {
    const wanted = name.toLowerCase().replaceAll("-", "_");
    const found = TABLE_NAMES.filter((table) => table.toLowerCase().startsWith(wanted));
    const exact = found.find((table) => table.toLowerCase() === wanted);
    if (exact !== undefined) return exact;
    if (found.length === 1) return found[0]!;
    const all = found.length === 0 ? "unknown table" : "multiple tables match";
    throw new VerbError(`${all} "${name}"`);
  }

  /** A column by its name, with dashes or abbreviated; `_uuid` is none of these. */
  columnOf(table: TableName, name: string): [string, Column] {
    const wanted = name.toLowerCase().replaceAll("-", "_");
    const columns = Object.entries(columnsOf(table));
    const exact = columns.find(([one]) => one === wanted);
    if (exact !== undefined) return exact;
    const found = columns.filter(([one]) => one.startsWith(wanted));
    if (found.length === 1) return found[0]!;
    throw new VerbError(
      found.length === 0
        ? `${table} does not contain a column whose name matches "${name}"`
        : `${table} contains more than one column whose name matches "${name}"`,
    );
  }

  /** A row by name, uuid, `.` (of a table with one row) or `@name`; null when there is none. */
  find(table: TableName, record: string): Row | null {
    if (record.startsWith("@")) return this.draft.row(this.symbol(record));
    if (isUuid(record)) {
      const row = this.draft.row(record);
      return row?.table === table ? row : null;
    }
    if (record === "." && table === "Open_vSwitch") return this.draft.root;
    return table === "Open_vSwitch" ? null : this.draft.named(table, record);
  }

  row(table: TableName, record: string): Row {
    const found = this.find(table, record);
    if (found === null) throw new VerbError(`no row "${record}" in table ${table}`);
    return found;
  }
}

/** Runs what reads a user's value; its complaint becomes ovs-vsctl's. */
export function readingValue<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw error instanceof DatumError ? new VerbError(error.message) : error;
  }
}
