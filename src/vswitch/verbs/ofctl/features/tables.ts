// The verbs of ovs-ofctl about tables as a whole: dump-tables, dump-table-features, dump-table-desc
// and mod-table (utilities/ovs-ofctl.c, lib/ofp-table.c of Open vSwitch 3.1). Main thread.
import type { OpenFlowVersion } from "../../../../ofctl/protocols.js";
import {
  formatTableFeatures,
  formatTableStats,
  type TableView,
} from "../../../../ofctl/print/table-features.js";
import { TABLES, type TableMiss } from "../../../../pipeline/flow-tables.js";
import type { BridgeControl } from "../../../control.js";
import { type Call, type Verb, VerbError } from "../../call.js";
import { bridgeOf } from "../bridge.js";
import { versionOf } from "../formats.js";
import { messageHead } from "../refusals.js";

function viewOf(bridge: BridgeControl, table: number): TableView {
  const { tables } = bridge;
  const entries = tables.entries({ table });
  const now = entries.reduce((sum, entry) => sum + bridge.flowStats(entry).packets, 0);
  const matches = now + tables.pastMatches[table]!;
  const missed = bridge.misses(tables.own.ofTable(table)).packets;
  const miss = tables.missOf(table);
  return { table, active: entries.length, lookups: matches + missed, matches, miss };
}

function dumpTables(call: Call): void {
  const bridge = bridgeOf(call);
  const version = versionOf(call);
  const views = Array.from({ length: TABLES }, (_, table) => viewOf(bridge, table));
  call.out(`${messageHead("OFPST_TABLE reply", version, 2)}\n`);
  call.out(formatTableStats(views, version));
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
  bridgeOf(call);
  call.out(formatTableFeatures(needVersion(call, 13)));
}

function dumpDescription(call: Call): void {
  bridgeOf(call);
  const version = needVersion(call, 14);
  call.out(`${messageHead("OFPST_TABLE_DESC reply", version, 2)}`);
  for (let table = 0; table < TABLES; table++) {
    call.out(`\n  table ${table}:\n`);
    call.out("   eviction=off eviction_flags=OTHER|IMPORTANCE|LIFETIME\n   vacancy=off\n");
  }
}

const MISSES: readonly TableMiss[] = ["controller", "continue", "drop"];
/** Settings of limits that tables have not got here: what they set could never be met. */
const LIMITS = ["evict", "noevict", "vacancy", "novacancy", "name"];

function readTable(text: string): number | null {
  if (/^all$/i.test(text)) return null;
  if (/^[0-9]+$/.test(text) && Number(text) <= 255)
    return Number(text) === 255 ? null : Number(text);
  throw new VerbError(`unknown table "${text}"`);
}

async function modifyTable(call: Call): Promise<void> {
  const bridge = bridgeOf(call);
  const [, tableText, setting] = call.args as [string, string, string];
  const table = readTable(tableText);
  const word = setting.split(":")[0]!;
  if (LIMITS.includes(word)) {
    throw new VerbError(`table_mod '${setting}': tables have no such setting here`);
  }
  const miss = MISSES.find((each) => each === setting);
  if (miss === undefined) throw new VerbError(`invalid table_mod setting ${setting}`);
  if (![11, 12].includes(versionOf(call))) {
    const versions = "OpenFlow11, OpenFlow12";
    throw new VerbError(`table_mod '${setting}' requires one of the OpenFlow versions ${versions}`);
  }
  await bridge.apply([{ type: "set-miss", table, miss }]);
}

export const TABLE_VERBS: readonly Verb[] = [
  { name: "dump-tables", min: 1, max: 1, usage: "SWITCH", run: dumpTables },
  { name: "dump-table-features", min: 1, max: 1, usage: "SWITCH", run: dumpFeatures },
  { name: "dump-table-desc", min: 1, max: 1, usage: "SWITCH", run: dumpDescription },
  { name: "mod-table", min: 3, max: 3, usage: "SWITCH TABLE MOD", run: modifyTable },
];
