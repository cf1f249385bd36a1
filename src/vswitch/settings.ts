// From rows of the database to the shared tables of the slow path: VLANs of ports, flood VLANs, the
// MAC table's limits, mirrors, limits of flow tables (vswitchd/bridge.c of Open vSwitch 3.1).
// Main thread.
import type { MacTable } from "../pipeline/mac-table.js";
import {
  PORT_FLAG,
  type PortTable,
  PRIORITY_TAGS,
  type PriorityTags,
  SWITCH_FLAG,
  type VlanMode,
} from "../pipeline/ports.js";
import { type Mirror, setMirrors } from "../pipeline/switching/mirrors.js";
import { FlowTextError } from "../ofctl/text/scan.js";
import { parseSubField } from "../ofctl/text/subfield.js";
import type { SubField } from "../flow/types.js";
import { type Database, get, numberOf, optionOf, type Row, textOf } from "./database/database.js";
import { pairsOf } from "./database/datum.js";
import type { ConfiguredTable, TableLimits } from "./table-limits.js";

/** The bridge whose tables follow the database: the dummy switch's or a lab's. */
export interface ConfiguredBridge {
  readonly portTable: PortTable;
  readonly macs: MacTable;
  readonly limits: TableLimits;
  ports(): readonly { readonly name: string; readonly number: number }[];
}

/** Settings of a bridge, of those of its ports that are there, and its mirrors. */
export function applySettings(bridge: ConfiguredBridge, database: Database, row: Row): void {
  const numbers = new Map(bridge.ports().map((port) => [port.name, port.number]));
  for (const port of database.references(row, "ports")) {
    const number = numbers.get(textOf(port, "name"));
    if (number !== undefined) applyPortSettings(bridge.portTable, number, port);
  }
  // Frames are read up to the first tag unless somebody says else (LEGACY_MAX_VLAN_HEADERS).
  const limit = optionOf(database.root, "other_config", "vlan-limit") ?? "1";
  bridge.portTable.setSwitchFlags(limit === "1" ? SWITCH_FLAG.oneTag : 0, SWITCH_FLAG.oneTag);
  applyBridgeSettings(bridge.portTable, bridge.macs, row);
  applyMirrors(bridge.portTable, database, row, numbers);
  bridge.limits.configure(configuredTables(database, row));
}

/** What the rows of Flow_Table say (bridge.c bridge_configure_tables). */
function configuredTables(database: Database, row: Row): Map<number, ConfiguredTable> {
  const tables = pairsOf(get(row, "flow_tables")).map(([table, uuid]) => {
    const settings = database.row(uuid)!;
    const configured = {
      name: get(settings, "name").keys.length === 0 ? null : textOf(settings, "name"),
      flowLimit: numberOf(settings, "flow_limit"),
      evicts: textOf(settings, "overflow_policy") === "evict",
      groups: get(settings, "groups").keys.flatMap((text) => readGroup(String(text))),
    };
    return [Number(table), configured] as const;
  });
  return new Map(tables);
}

/** A field that flows are grouped by; what is none is left out, as Open vSwitch does. */
function readGroup(text: string): SubField[] {
  try {
    return [parseSubField(text, 0)];
  } catch (error) {
    if (error instanceof FlowTextError) return [];
    throw error;
  }
}

/** VLAN mode, tag and trunks of a port (bridge.c port_configure). */
function applyPortSettings(ports: PortTable, number: number, row: Row): void {
  const tag = numberOf(row, "tag");
  const trunks = get(row, "trunks").keys.map(Number);
  const cvlans = get(row, "cvlans").keys.map(Number);
  const said = textOf(row, "vlan_mode") as VlanMode | "";
  // Without a mode, a tag makes an access port.
  const mode = said === "" ? (tag === null ? "trunk" : "access") : said;
  const carried = mode === "dot1q-tunnel" ? cvlans : trunks;
  const priority = optionOf(row, "other_config", "priority-tags");
  const priorityTags = PRIORITY_TAGS.includes(priority as PriorityTags)
    ? (priority as PriorityTags)
    : priority === "true"
      ? "if-nonzero"
      : "never";
  ports.setVlan(number, {
    mode,
    tag: tag ?? 0,
    trunks: mode === "access" || carried.length === 0 ? null : carried,
    priorityTags,
    plainServiceTag: optionOf(row, "other_config", "qinq-ethtype") === "802.1q",
  });
  const isProtected = get(row, "protected").keys[0] === true;
  ports.setFlags(number, isProtected ? PORT_FLAG.protected : 0, PORT_FLAG.protected);
}

function numberOption(row: Row, key: string): number | null {
  const text = optionOf(row, "other_config", key);
  return text !== null && /^[0-9]+$/.test(text) ? Number(text) : null;
}

/** Flood VLANs, forward-bpdu and the ageing of MAC addresses. */
function applyBridgeSettings(ports: PortTable, macs: MacTable, row: Row): void {
  const forwards = optionOf(row, "other_config", "forward-bpdu") === "true";
  ports.setSwitchFlags(forwards ? SWITCH_FLAG.forwardBpdu : 0, SWITCH_FLAG.forwardBpdu);
  ports.setFloodVlans(get(row, "flood_vlans").keys.map(Number));
  macs.setAging(numberOption(row, "mac-aging-time") ?? 300);
  macs.setMaxEntries(numberOption(row, "mac-table-size") ?? 8192);
}

/** Mirrors of a bridge. @param numbers OpenFlow numbers of its ports, by name. */
function applyMirrors(
  ports: PortTable,
  database: Database,
  row: Row,
  numbers: ReadonlyMap<string, number>,
): void {
  const numbersOf = (mirror: Row, column: string): number[] =>
    database.references(mirror, column).flatMap((port) => numbers.get(textOf(port, "name")) ?? []);
  const mirrors = database.references(row, "mirrors").map((mirror): Mirror => {
    const selectAll = get(mirror, "select_all").keys[0] === true;
    return {
      name: textOf(mirror, "name"),
      selectAll,
      sources: numbersOf(mirror, "select_src_port"),
      destinations: numbersOf(mirror, "select_dst_port"),
      vlans: get(mirror, "select_vlan").keys.map(Number),
      outputPort: numbersOf(mirror, "output_port")[0] ?? null,
      outputVlan: numberOf(mirror, "output_vlan"),
      snapLength: numberOf(mirror, "snaplen") ?? 0,
    };
  });
  setMirrors(ports, mirrors);
}
