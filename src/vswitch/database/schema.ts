// The shape of the configuration database's tables: what a column may hold. Any thread.
import { TABLES } from "./tables.js";

export type AtomType = "string" | "integer" | "boolean" | "uuid";

export interface Column {
  readonly key: AtomType;
  /** Present: the column is a map. */
  readonly value?: AtomType;
  readonly min: 0 | 1;
  /** Infinity: any number. */
  readonly max: number;
  /** Allowed strings; absent: all. */
  readonly oneOf?: readonly string[];
  /** Allowed integers. */
  readonly range?: readonly [number, number];
  /** Of a column of one value, what a new row has. */
  readonly initial?: string | number | boolean;
  /** The table of the rows that its uuids name. */
  readonly refers?: string;
  /** Its references keep no row: a row that has only such is gone after a commit. */
  readonly weak?: true;
  /** Can be written only in the transaction that makes the row. */
  readonly fixed?: true;
}

export type TableName = keyof typeof TABLES;

export const TABLE_NAMES = Object.keys(TABLES) as TableName[];

/** Tables whose rows stay though nothing refers to them (`isRoot`). */
export const ROOT_TABLES: readonly TableName[] = [
  "Open_vSwitch",
  "QoS",
  "Queue",
  "Flow_Sample_Collector_Set",
];

export function columnsOf(table: TableName): Readonly<Record<string, Column>> {
  return TABLES[table];
}
