// The verbs of ovs-ofctl about tables as a whole: dump-tables, dump-table-features, dump-table-desc
// and mod-table (utilities/ovs-ofctl.c, lib/ofp-table.c of Open vSwitch 3.1). Main thread.
import { ANY_TABLE } from "../../../../ofctl/flow-mods.js";
import type { OpenFlowVersion } from "../../../../ofctl/protocols.js";
import {
  formatTableFeatures,
  formatTableStats,
  type TableView,
} from "../../../../ofctl/print/table-features.js";
import { parseTable, type PortMap } from "../../../../ofctl/text/ports.js";
import { TABLES, type TableMiss } from "../../../../pipeline/flow-tables.js";
import type { BridgeControl } from "../../../control.js";
import type { Vacancy } from "../../../table-limits.js";
import { type Call, type Verb, VerbError } from "../../call.js";
import { bridgeOf, namesOf } from "../bridge.js";
import { versionOf } from "../formats.js";
import { messageHead } from "../refusals.js";

/** What a table holds when nobody has set a limit. */
const FLOWS_MAX = 1_000_000;

function viewOf(bridge: BridgeControl, table: number): TableView {
  const { tables } = bridge;
  const entries = tables.entries({ table });
  const now = entries.reduce((sum, entry) => sum + bridge.flowStats(entry).packets, 0);
  const matches = now + tables.pastMatches[table]!;
  const missed = bridge.misses(tables.own.ofTable(table)).packets;
  const miss = tables.missOf(table);
  const limits = { name: bridge.limits.name(table), flowLimit: bridge.limits.flowLimit(table) };
  return { table, active: entries.length, lookups: matches + missed, matches, miss, ...limits };
}

function allViews(bridge: BridgeControl): TableView[] {
  return Array.from({ length: TABLES }, (_, table) => viewOf(bridge, table));
}

function dumpTables(call: Call): void {
  const bridge = bridgeOf(call);
  const version = versionOf(call);
  call.out(`${messageHead("OFPST_TABLE reply", version, 2)}\n`);
  call.out(formatTableStats(allViews(bridge), version));
}

/** @throws VerbError when the version spoken is too old for what is asked. */
function needVersion(call: Call, least: OpenFlowVersion): OpenFlowVersion {
  const version = versionOf(call);
  if (version >= least) return version;
  const name = (least / 10).toFixed(1);
  throw new VerbError(
    `${call.options.args[0]} needs OpenFlow ${name} or later ('-O OpenFlow${least}')`,
  );
}

function dumpFeatures(call: Call): void {
  const bridge = bridgeOf(call);
  call.out(formatTableFeatures(allViews(bridge), needVersion(call, 13)));
}

function dumpDescription(call: Call): void {
  const { limits, tables } = bridgeOf(call);
  const version = needVersion(call, 14);
  call.out(`${messageHead("OFPST_TABLE_DESC reply", version, 2)}`);
  for (let table = 0; table < TABLES; table++) {
    const eviction = limits.evicts(table) ? "on" : "off";
    const vacancy = limits.vacancy(table);
    const limit = Math.min(limits.flowLimit(table), FLOWS_MAX);
    const free = Math.floor(((limit - tables.entries({ table }).length) * 100) / limit);
    const percentages =
      vacancy === null
        ? "off"
        : `on vacancy_down=${vacancy.down}% vacancy_up=${vacancy.up}% vacancy=${free}%`;
    call.out(`\n  table ${table}:\n`);
    call.out(`   eviction=${eviction} eviction_flags=OTHER|IMPORTANCE|LIFETIME\n`);
    call.out(`   vacancy=${percentages}\n`);
  }
}

const MISSES: readonly TableMiss[] = ["controller", "continue", "drop"];

function readTable(text: string, names: PortMap): number | null {
  if (/^all$/i.test(text)) return null;
  const table = parseTable(text, names);
  if (table === null) throw new VerbError(`unknown table "${text}"`);
  return table === ANY_TABLE ? null : table;
}

/** @throws VerbError when the version spoken has no such setting. */
function needOneOf(call: Call, setting: string, versions: readonly OpenFlowVersion[]): void {
  if (versions.includes(versionOf(call))) return;
  const names = versions.map((version) => `OpenFlow${version}`).join(", ");
  throw new VerbError(`table_mod '${setting}' requires one of the OpenFlow versions ${names}`);
}

function readVacancy(text: string): Vacancy {
  const [down, up] = text.split(",");
  const percent = (part: string, name: string): number => {
    if (/^[0-9]+$/.test(part) && Number(part) <= 100) return Number(part);
    throw new VerbError(`Invalid vacancy ${name} value "${part}"`);
  };
  if (down === undefined || down === "") throw new VerbError("Vacancy down value missing");
  if (up === undefined || up === "") throw new VerbError("Vacancy up value missing");
  const vacancy = { down: percent(down, "down"), up: percent(up, "up") };
  if (vacancy.up >= vacancy.down) return vacancy;
  throw new VerbError(
    "Invalid vacancy range, vacancy up should be greater than vacancy down (OFPBPC_BAD_VALUE)",
  );
}

/** A name given to a table that the database has named is refused. */
function nameTable(call: Call, { limits }: BridgeControl, table: number, name: string): void {
  if (limits.setName(table, name)) return;
  const version = versionOf(call);
  throw new VerbError("", { whole: `${messageHead("OFPT_ERROR", version, 5)} OFPTFFC_EPERM\n` });
}

async function modifyTable(call: Call): Promise<void> {
  const bridge = bridgeOf(call);
  const { limits } = bridge;
  const [, tableText, setting] = call.args as [string, string, string];
  const table = readTable(tableText, namesOf(call, bridge));
  const miss = MISSES.find((each) => each === setting);
  if (miss !== undefined) {
    needOneOf(call, setting, [11, 12]);
    return bridge.apply([{ type: "set-miss", table, miss }]);
  }
  if (setting === "evict" || setting === "noevict") {
    needOneOf(call, setting, [14, 15]);
    return limits.setEviction(table, setting === "evict");
  }
  if (setting === "novacancy" || setting.startsWith("vacancy:")) {
    const vacancy = setting === "novacancy" ? null : readVacancy(setting.slice(8));
    needOneOf(call, setting, [14, 15]);
    return limits.setVacancy(table, vacancy);
  }
  if (!setting.startsWith("name:") || table === null) {
    throw new VerbError(`invalid table_mod setting ${setting}`);
  }
  needOneOf(call, setting, [13, 14, 15]);
  nameTable(call, bridge, table, setting.slice(5));
}

export const TABLE_VERBS: readonly Verb[] = [
  { name: "dump-tables", min: 1, max: 1, usage: "SWITCH", run: dumpTables },
  { name: "dump-table-features", min: 1, max: 1, usage: "SWITCH", run: dumpFeatures },
  { name: "dump-table-desc", min: 1, max: 1, usage: "SWITCH", run: dumpDescription },
  { name: "mod-table", min: 3, max: 3, usage: "SWITCH TABLE MOD", run: modifyTable },
];
