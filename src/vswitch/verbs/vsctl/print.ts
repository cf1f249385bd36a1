// What ovs-vsctl prints of rows: show, list and find (lib/db-ctl-base.c cmd_show, lib/table.c of
// Open vSwitch 3.1). Main thread.
import { get, type Row, textOf } from "../../database/database.js";
import {
  formatDatum,
  formatAtom,
  type Datum,
  initialDatum,
  pairsOf,
} from "../../database/datum.js";
import { type Column, columnsOf, type TableName } from "../../database/schema.js";
import { VerbError } from "../call.js";
import { has, valueOf } from "../options.js";
import { fulfills } from "./conditions.js";
import type { Command, Transaction, VsctlVerb } from "./transaction.js";

/** What `show` prints of a row, in this order; columns of references lead to rows further in. */
const SHOWN: Readonly<Partial<Record<TableName, readonly string[]>>> = {
  Open_vSwitch: ["bridges", "ovs_version"],
  Bridge: ["fail_mode", "datapath_type", "ports"],
  Port: ["tag", "trunks", "interfaces"],
  Interface: ["type", "options", "error"],
};
const INDENT = "    ";

function show(t: Transaction): void {
  t.out(`${t.draft.root.uuid}\n`);
  showColumns(t, t.draft.root, 1);
}

function showColumns(t: Transaction, row: Row, level: number): void {
  for (const name of SHOWN[row.table] ?? []) {
    const column = columnsOf(row.table)[name]!;
    if (column.key === "uuid") {
      for (const inner of t.draft.references(row, name)) {
        const title = formatAtom(textOf(inner, "name"), "string");
        t.out(`${INDENT.repeat(level)}${inner.table} ${title}\n`);
        showColumns(t, inner, level + 1);
      }
    } else {
      const text = formatDatum(get(row, name), column);
      if (text === formatDatum(initialDatum(column), column)) continue;
      t.out(`${INDENT.repeat(level)}${name}: ${text}\n`);
    }
  }
}

function list(t: Transaction, command: Command): void {
  const [tableName, ...records] = command.args as [string, ...string[]];
  const table = t.tableOf(tableName);
  const ifExists = has(command.options, "if-exists");
  const found = records.flatMap(
    (record) => t.find(table, record) ?? (ifExists ? [] : t.row(table, record)),
  );
  printRows(t, command, table, records.length === 0 ? t.draft.table(table) : found);
}

function find(t: Transaction, command: Command): void {
  const [tableName, ...conditions] = command.args as [string, ...string[]];
  const table = t.tableOf(tableName);
  const rows = t.draft.table(table).filter((row) => {
    return conditions.every((text) => fulfills(t, row, text));
  });
  printRows(t, command, table, rows);
}

/** A datum without punctuation: for `--bare` and `--data=bare`. */
function bareDatum(datum: Datum): string {
  if (datum.values.length === 0) return datum.keys.join(" ");
  return pairsOf(datum)
    .map(([key, value]) => `${String(key)}=${String(value)}`)
    .join(" ");
}

function printRows(t: Transaction, command: Command, table: TableName, rows: readonly Row[]): void {
  const { options } = t.call;
  const chosen = valueOf(command.options, "columns");
  const columns: [string, Column | null][] =
    chosen === null
      ? [["_uuid", null], ...Object.entries(columnsOf(table))]
      : chosen
          .split(/[ ,]+/)
          .map((name) => (name === "_uuid" ? ["_uuid", null] : t.columnOf(table, name)));
  const bare = has(options, "bare");
  const isBare = bare || valueOf(options, "data") === "bare";
  const cells = rows.map((row) =>
    columns.map(([name, column]) => {
      if (column === null) return row.uuid;
      const datum = get(row, name);
      return isBare ? bareDatum(datum) : formatDatum(datum, column);
    }),
  );
  const heads = columns.map(([name]) => name);
  const noHeadings = bare || has(options, "no-headings");
  switch (valueOf(options, "format") ?? "list") {
    case "list":
      return t.outTable(listText(heads, cells, noHeadings));
    case "table":
      return t.outTable(tableText(noHeadings ? [] : heads, cells));
    case "csv":
      return t.outTable(csvText(noHeadings ? cells : [heads, ...cells]));
    default:
      throw new VerbError(`unsupported output format "${valueOf(options, "format")}"`);
  }
}

function listText(heads: readonly string[], rows: readonly string[][], bare: boolean): string {
  const records = rows.map((row) =>
    row.map((cell, i) => (bare ? `${cell}\n` : `${heads[i]!.padEnd(20)}: ${cell}\n`)).join(""),
  );
  return records.join("\n");
}

function tableText(heads: readonly string[], rows: readonly string[][]): string {
  const columns = (rows[0] ?? heads).length;
  const cells = heads.length === 0 ? rows : [heads, ...rows];
  const widths = Array.from({ length: columns }, (_, i) =>
    Math.max(...cells.map((line) => line[i]!.length)),
  );
  const rule = widths.map((width) => "-".repeat(width));
  const lines = heads.length === 0 ? rows : [heads, rule, ...rows];
  const text = (line: readonly string[]): string =>
    `${line.map((cell, i) => (i === columns - 1 ? cell : cell.padEnd(widths[i]!))).join(" ")}\n`;
  return lines.map(text).join("");
}

function csvText(rows: readonly (readonly string[])[]): string {
  const cell = (text: string): string =>
    /[\n,"]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  return rows.map((row) => `${row.map(cell).join(",")}\n`).join("");
}

export const PRINT_VERBS: readonly VsctlVerb[] = [
  { name: "show", min: 0, max: 0, usage: "", run: show },
  { name: "list", min: 1, max: Infinity, usage: "TABLE [RECORD]...", run: list },
  { name: "find", min: 1, max: Infinity, usage: "TABLE [CONDITION]...", run: find },
];
