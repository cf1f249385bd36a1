// One ovs-vsctl command line: several commands, separated by `--`, that happen together or not at
// all. They work on a draft of the database; rows may be named before they are made (`@name`).
// Main thread.
import { randomUUID } from "node:crypto";
import { type Call, VerbError } from "../call.js";
import type { Database, Row } from "../../database/database.js";
import { DatumError, isUuid } from "../../database/datum.js";
import {
  columnsOf,
  type Column,
  ROOT_TABLES,
  TABLE_NAMES,
  type TableName,
} from "../../database/schema.js";
import { type Options } from "../options.js";

/** One command of the line, its options read. */
export interface Command {
  readonly name: string;
  readonly args: readonly string[];
  readonly options: Options;
}

/** A command, with how many arguments it takes and what it does to the draft. */
export interface VsctlVerb {
  readonly name: string;
  readonly min: number;
  readonly max: number;
  readonly usage: string;
  run(t: Transaction, command: Command): void;
}

/** Tables whose rows may be named by the row that refers to them: by which one, in which column. */
const NAMED_BY: Readonly<Partial<Record<TableName, readonly [TableName, string]>>> = {
  Controller: ["Bridge", "controller"],
  NetFlow: ["Bridge", "netflow"],
  sFlow: ["Bridge", "sflow"],
  IPFIX: ["Bridge", "ipfix"],
  AutoAttach: ["Bridge", "auto_attach"],
  QoS: ["Port", "qos"],
};

export class Transaction {
  readonly draft: Database;
  readonly call: Call;
  /** Rows by `@name`; those that are still to be made have a uuid already. */
  readonly symbols = new Map<string, string>();
  /** What each command so far has printed; a table is never put on one line. */
  private readonly printed: { text: string; isTable: boolean }[] = [];

  constructor(call: Call) {
    this.call = call;
    this.draft = call.target.database.draft();
  }

  /** The next command begins to print. */
  begin(): void {
    this.printed.push({ text: "", isTable: false });
  }

  out(text: string): void {
    this.printed.at(-1)!.text += text;
  }

  outTable(text: string): void {
    this.out(text);
    this.printed.at(-1)!.isTable = true;
  }

  /** What all commands print. @param oneline each on a line of its own, as `--oneline` has it. */
  output(oneline: boolean): string {
    const shown = this.printed.map(({ text, isTable }) => {
      if (!oneline || isTable) return text;
      const line = text.replace(/\n$/, "");
      return `${line.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")}\n`;
    });
    return shown.join("");
  }

  /** Whether this transaction has made a row. */
  isNew(row: Row): boolean {
    return this.call.target.database.row(row.uuid) === null;
  }

  /** WARN lines about rows that were made and will not be there. */
  lostRows(): string[] {
    const names = new Map([...this.symbols].map(([name, uuid]) => [uuid, name]));
    const after = this.draft.draft();
    after.commit(after);
    const lines: string[] = [];
    for (const [uuid, name] of names) {
      const row = this.draft.row(uuid);
      if (row === null || !this.isNew(row) || after.row(uuid) !== null) continue;
      if (ROOT_TABLES.includes(row.table)) continue;
      const holders = this.draft.holdersOf(uuid);
      if (holders === "strong") continue;
      const what =
        holders === "none"
          ? "no reference to it was inserted"
          : "only a weak reference to it was inserted";
      lines.push(
        `row id "${name}" was created but ${what}, so it will not actually appear in the database`,
      );
    }
    return lines;
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
    if (column.refers === undefined) return text;
    return text.replace(/@[A-Za-z_][A-Za-z0-9_.-]*/g, (name) => this.symbol(name));
  }

  /** @throws VerbError as ovs-vsctl, when the name is none or not unique. */
  tableOf(name: string): TableName {
    const wanted = name.toLowerCase().replaceAll("-", "_");
    const found = TABLE_NAMES.filter((table) => table.toLowerCase().startsWith(wanted));
    const exact = found.find((table) => table.toLowerCase() === wanted);
    if (exact !== undefined) return exact;
    if (found.length === 1) return found[0]!;
    if (found.length === 0) throw new VerbError(`unknown table "${name}"`);
    const all = [...found].sort().join(", ");
    throw new VerbError(`"${name}" matches multiple table names: ${all}`);
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
        : `${table} contains more than one column whose name matches "${name}": ` +
            found.map(([one]) => one).join(", "),
    );
  }

  /** A row by name, uuid, `.` (of a table with one row) or `@name`; null when there is none. */
  find(table: TableName, record: string): Row | null {
    if (record.startsWith("@")) return this.draft.row(this.symbol(record));
    const byUuid = isUuid(record) ? this.draft.row(record) : null;
    if (byUuid?.table === table) return byUuid;
    if (table === "Open_vSwitch") return record === "." ? this.draft.root : null;
    if (table === "SSL") return this.draft.table(table)[0] ?? null;
    if (table === "Manager") return this.draft.named(table, record, "target");
    const named = NAMED_BY[table];
    if (named === undefined) return this.draft.named(table, record);
    const owner = this.draft.named(named[0], record);
    return owner === null ? null : (this.draft.references(owner, named[1])[0] ?? null);
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
