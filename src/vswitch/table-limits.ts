// What is set for the flow tables of a bridge: names, how many flows they hold and which of them
// make room for others (ofproto_configure_table and table_mod in ofproto/ofproto.c of
// Open vSwitch 3.1). The database says it, or ovs-ofctl mod-table. Main thread.
import type { SubField } from "../flow/types.js";
import { TABLES } from "../pipeline/flow-tables.js";

/** What the database says of a table (Flow_Table). */
export interface ConfiguredTable {
  /** null: it has none. */
  readonly name: string | null;
  /** The most flows that it holds; null: as many as there is room for. */
  readonly flowLimit: number | null;
  /** Full, it gives up the flow that would time out next; else it takes no more. */
  readonly evicts: boolean;
  /** Flows that agree in these fields are of a group; the largest group gives a flow up. */
  readonly groups: readonly SubField[];
}

/** Percentages of free room below and above which a table would say so (OpenFlow 1.4). */
export interface Vacancy {
  readonly down: number;
  readonly up: number;
}

const NOTHING: ConfiguredTable = { name: null, flowLimit: null, evicts: false, groups: [] };

export class TableLimits {
  private configured: ReadonlyMap<number, ConfiguredTable> = new Map();
  private readonly names = new Map<number, string>();
  private readonly evicting = new Set<number>();
  private readonly vacancies = new Map<number, Vacancy>();

  /** Takes what the database says, of the tables it speaks of; its names replace all others. */
  configure(tables: ReadonlyMap<number, ConfiguredTable>): void {
    this.configured = tables;
    for (const [table, { name }] of tables) if (name !== null) this.names.delete(table);
  }

  /** Tables with a limit. */
  limited(): number[] {
    return [...this.configured].flatMap(([table, { flowLimit }]) =>
      flowLimit === null ? [] : [table],
    );
  }

  flowLimit(table: number): number {
    return this.configured.get(table)?.flowLimit ?? Infinity;
  }

  /** Whether OpenFlow or the database lets a table give up flows. */
  evicts(table: number): boolean {
    return this.evicting.has(table) || (this.configured.get(table) ?? NOTHING).evicts;
  }

  groups(table: number): readonly SubField[] {
    return (this.configured.get(table) ?? NOTHING).groups;
  }

  /** The name of a table; "" when it has none. */
  name(table: number): string {
    return this.configured.get(table)?.name ?? this.names.get(table) ?? "";
  }

  /** Names a table, as OpenFlow may unless the database does. @returns whether it may. */
  setName(table: number, name: string): boolean {
    const configured = this.configured.get(table)?.name ?? null;
    if (configured !== null) return configured === name;
    if (name === "") this.names.delete(table);
    else this.names.set(table, name);
    return true;
  }

  /** @param table null: all. */
  setEviction(table: number | null, on: boolean): void {
    for (const each of tablesOf(table)) {
      if (on) this.evicting.add(each);
      else this.evicting.delete(each);
    }
  }

  vacancy(table: number): Vacancy | null {
    return this.vacancies.get(table) ?? null;
  }

  /** @param table null: all. */
  setVacancy(table: number | null, vacancy: Vacancy | null): void {
    for (const each of tablesOf(table)) {
      if (vacancy === null) this.vacancies.delete(each);
      else this.vacancies.set(each, vacancy);
    }
  }
}

function tablesOf(table: number | null): number[] {
  return table === null ? Array.from({ length: TABLES }, (_, i) => i) : [table];
}
