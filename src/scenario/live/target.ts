// The database of a running lab, made from its scenario, and what of it can be changed
// while it runs: VLAN settings of ports, mirrors, flood VLANs, the MAC table's ageing, limits of
// flow tables, and whether a port of the scenario is on the bridge. Anything else is refused.
// Main thread only.
import { Database, get, type Row, textOf } from "../../vswitch/database/database.js";
import { mapOf, setOf } from "../../vswitch/database/datum.js";
import { shrink } from "../../vswitch/make-room.js";
import { applySettings } from "../../vswitch/settings.js";
import { type Target, VerbError } from "../../vswitch/verbs/call.js";
import type { Lab } from "../lab.js";
import type { LabSwitch } from "./switch.js";

export function labTarget(lab: Lab, control: LabSwitch): Target {
  const database = new Database();
  fill(database, lab);
  return {
    control,
    database,
    refresh: () => refresh(database, control),
    commit: async (draft) => {
      const [added, deleted] = portChanges(lab, database, draft);
      checkRest(database, draft);
      for (const port of deleted) await lab.supervisor.perform({ op: "del-port", port });
      for (const port of added) await lab.supervisor.perform({ op: "add-port", port });
      database.commit(draft);
      applySettings(control.bridge, database, database.table("Bridge")[0]!);
      await control.bridge.apply(shrink(control.bridge));
    },
  };
}

function insertPort(database: Database, bridge: Row, name: string, type: string): void {
  const one = database.insert("Interface");
  one.columns.set("name", setOf([name]));
  one.columns.set("type", setOf([type]));
  const port = database.insert("Port");
  port.columns.set("name", setOf([name]));
  port.columns.set("interfaces", setOf([one.uuid]));
  bridge.columns.set("ports", setOf([...get(bridge, "ports").keys, port.uuid]));
}

function fill(database: Database, { scenario }: Lab): void {
  const bridge = database.insert("Bridge");
  bridge.columns.set("name", setOf([scenario.bridge.name]));
  bridge.columns.set("fail_mode", setOf(["secure"]));
  bridge.columns.set("datapath_type", setOf(["netdev"]));
  const { macAgingSeconds, macTableSize } = scenario.bridge;
  const learning: readonly [string, string][] = [
    ["mac-aging-time", String(macAgingSeconds)],
    ["mac-table-size", String(macTableSize)],
  ];
  bridge.columns.set("other_config", mapOf(learning));
  database.root.columns.set("bridges", setOf([bridge.uuid]));
  // A lab's workers read both tags from the start.
  database.root.columns.set("other_config", mapOf([["vlan-limit", "2"]]));
  for (const { name, kind } of scenario.ports) insertPort(database, bridge, name, kind);
}

/** Port numbers, addresses and counters; only the switch knows them. */
function refresh(database: Database, { bridge }: LabSwitch): void {
  const byName = new Map(bridge.ports().map((port) => [port.name, port]));
  for (const row of database.table("Interface")) {
    const port = byName.get(textOf(row, "name"));
    row.columns.set("ofport", setOf(port === undefined ? [-1] : [port.number]));
    row.columns.set("mac_in_use", setOf(port === undefined ? [] : [port.mac]));
    row.columns.set("link_state", setOf([port?.linkUp === true ? "up" : "down"]));
  }
}

/** Names of ports that a draft puts onto the bridge, and takes away. */
function portChanges(lab: Lab, database: Database, draft: Database): [string[], string[]] {
  const names = (one: Database): Set<string> => {
    const rows = one.references(one.root, "bridges").flatMap((row) => one.references(row, "ports"));
    return new Set(rows.map((row) => textOf(row, "name")));
  };
  const [before, after] = [names(database), names(draft)];
  const added = [...after].filter((name) => !before.has(name));
  const known = new Set(lab.scenario.ports.map((port) => port.name));
  for (const name of added) {
    if (known.has(name)) continue;
    throw new VerbError(`${name} is no port of the scenario; a running lab gets no new devices`);
  }
  return [added, [...before].filter((name) => !after.has(name))];
}

/** What the scenario owns: bridges, types of interfaces. */
function checkRest(database: Database, draft: Database): void {
  const bridges = (one: Database): string =>
    one
      .table("Bridge")
      .map((row) => textOf(row, "name"))
      .join();
  if (bridges(database) !== bridges(draft)) {
    throw new VerbError("the bridge of a running lab can be neither deleted nor joined by another");
  }
  for (const row of draft.table("Interface")) {
    const old = database.named("Interface", textOf(row, "name"));
    if (old === null || textOf(old, "type") === textOf(row, "type")) continue;
    throw new VerbError(`the type of interface ${textOf(row, "name")} is the scenario's`);
  }
}
