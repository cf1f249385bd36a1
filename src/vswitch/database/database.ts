// The configuration database: rows of the tables of schema.ts. `ovs-vsctl` changes a draft and
// commits it whole; a draft that is not committed has changed nothing. Rows that nothing refers to
// any more are gone after a commit, as ovsdb-server collects them. Main thread.
import { randomUUID } from "node:crypto";
import { type Atom, type Datum, EMPTY, initialDatum, mapOf, pairsOf, setOf } from "./datum.js";
import { columnsOf, ROOT_TABLES, TABLE_NAMES, type TableName } from "./schema.js";

export interface Row {
  readonly uuid: string;
  readonly table: TableName;
  readonly columns: Map<string, Datum>;
}

export class Database {
  private rows = new Map<string, Row>();

  constructor() {
    this.insert("Open_vSwitch");
  }

  /** The one row of table Open_vSwitch. */
  get root(): Row {
    return this.table("Open_vSwitch")[0]!;
  }

  /** The rows of a table, in the order in which they were made. */
  table(table: TableName): Row[] {
    return [...this.rows.values()].filter((row) => row.table === table);
  }

  row(uuid: Atom): Row | null {
    return this.rows.get(String(uuid)) ?? null;
  }

  named(table: TableName, name: string, column = "name"): Row | null {
    return this.table(table).find((row) => textOf(row, column) === name) ?? null;
  }

  /** How a row is referred to: what refers to it weakly does not keep it. */
  holdersOf(uuid: string): "none" | "weak" | "strong" {
    let holders: "none" | "weak" = "none";
    for (const row of this.rows.values()) {
      for (const [name, column] of Object.entries(columnsOf(row.table))) {
        if (column.refers === undefined) continue;
        const { keys, values } = get(row, name);
        if (!keys.includes(uuid) && !values.includes(uuid)) continue;
        if (column.weak !== true) return "strong";
        holders = "weak";
      }
    }
    return holders;
  }

  /** The rows that a column of references leads to, in the order in which they were made. */
  references(row: Row, column: string): Row[] {
    const { keys, values } = get(row, column);
    const uuids = new Set(columnsOf(row.table)[column]?.value === "uuid" ? values : keys);
    return [...this.rows.values()].filter((one) => uuids.has(one.uuid));
  }

  /** A new row with every column as it is at first. */
  insert(table: TableName, uuid: string = randomUUID()): Row {
    const columns = Object.entries(columnsOf(table));
    const row: Row = {
      uuid,
      table,
      columns: new Map(columns.map(([name, column]) => [name, initialDatum(column)])),
    };
    this.rows.set(row.uuid, row);
    return row;
  }

  remove(row: Row): void {
    this.rows.delete(row.uuid);
  }

  /** A copy that may be changed without changing this one. */
  draft(): Database {
    const copy = new Database();
    copy.take(this);
    return copy;
  }

  /** Becomes what the draft is, without what nothing refers to. */
  commit(draft: Database): void {
    draft.collect();
    this.take(draft);
  }

  private take(other: Database): void {
    this.rows = new Map(
      [...other.rows].map(([uuid, row]) => [uuid, { ...row, columns: new Map(row.columns) }]),
    );
  }

  /** Removes what cannot be reached, and references to what is gone. */
  private collect(): void {
    const queue = ROOT_TABLES.flatMap((table) => this.table(table));
    const reached = new Set<string>(queue.map(({ uuid }) => uuid));
    while (queue.length > 0) {
      for (const target of this.ownedBy(queue.pop()!)) {
        if (reached.has(target.uuid)) continue;
        reached.add(target.uuid);
        queue.push(target);
      }
    }
    for (const uuid of [...this.rows.keys()]) if (!reached.has(uuid)) this.rows.delete(uuid);
    for (const table of TABLE_NAMES) {
      for (const row of this.table(table)) this.dropDangling(row);
    }
  }

  /** Rows that live as long as this one. */
  private ownedBy(row: Row): Row[] {
    const columns = Object.entries(columnsOf(row.table));
    const owning = columns.filter(([, { refers, weak }]) => refers !== undefined && weak !== true);
    return owning.flatMap(([name]) => this.references(row, name));
  }

  private dropDangling(row: Row): void {
    for (const [name, column] of Object.entries(columnsOf(row.table))) {
      if (column.refers === undefined) continue;
      const datum = get(row, name);
      const isKept = (uuid: Atom): boolean => this.rows.has(String(uuid));
      const kept =
        column.value === undefined
          ? setOf(datum.keys.filter(isKept))
          : mapOf(pairsOf(datum).filter(([, uuid]) => isKept(uuid)));
      row.columns.set(name, kept);
    }
  }
}

export function get(row: Row, column: string): Datum {
  return row.columns.get(column) ?? EMPTY;
}

/** The text of a column of one string; "" when it has none. */
export function textOf(row: Row, column: string): string {
  return String(get(row, column).keys[0] ?? "");
}

/** The number in a column of at most one integer. */
export function numberOf(row: Row, column: string): number | null {
  const value = get(row, column).keys[0];
  return value === undefined ? null : Number(value);
}

/** The value of a key in a column that is a map; null when it has none. */
export function optionOf(row: Row, column: string, key: string): string | null {
  const datum = get(row, column);
  const at = datum.keys.indexOf(key);
  return at < 0 ? null : String(datum.values[at]);
}
