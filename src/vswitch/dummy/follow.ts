// Makes the dummy switch what the database says, and writes back what it made: port numbers,
// addresses, counters. Runs after each commit of ovs-vsctl (Open vSwitch: bridge_reconfigure,
// vswitchd/bridge.c). Main thread.
import { OFPP, type Flow } from "../../flow/types.js";
import { newMatch } from "../../flow/match.js";
import { PORT_CONFIG } from "../control.js";
import { type Datum, EMPTY, mapOf, setOf } from "../database/datum.js";
import { type Database, get, numberOf, optionOf, type Row, textOf } from "../database/database.js";
import { applySettings } from "../settings.js";
import type { DummyBridge } from "./bridge.js";
import type { DummySwitch } from "./switch.js";

/** Brings the switch in line with the database. */
export async function follow(dummy: DummySwitch, database: Database): Promise<void> {
  const wanted = database.references(database.root, "bridges");
  const names = new Set(wanted.map((row) => textOf(row, "name")));
  for (const bridge of dummy.bridges()) {
    if (!names.has(bridge.name)) dummy.deleteBridge(bridge.name);
  }
  for (const row of wanted) await followBridge(dummy, database, row);
  writeBack(dummy, database);
}

async function followBridge(dummy: DummySwitch, database: Database, row: Row): Promise<void> {
  const name = textOf(row, "name");
  const mac = optionOf(row, "other_config", "hwaddr");
  const known = dummy.bridge(name);
  const bridge = known ?? dummy.addBridge(name, mac === null ? {} : { mac });
  const datapathId = optionOf(row, "other_config", "datapath-id");
  if (datapathId !== null) bridge.datapathId = datapathId.padStart(16, "0");
  await followFailMode(bridge, textOf(row, "fail_mode") === "secure");
  const wanted = database.references(row, "ports").flatMap((port) => {
    return database.references(port, "interfaces");
  });
  const names = new Set(wanted.map((one) => textOf(one, "name")));
  for (const port of bridge.ports()) {
    if (port.number !== OFPP.local && !names.has(port.name)) dummy.removePort(bridge, port.number);
  }
  for (const one of wanted) {
    const portName = textOf(one, "name");
    const type = textOf(one, "type");
    const peer = optionOf(one, "options", "peer");
    const old = bridge.ports().find((port) => port.name === portName);
    const isSame = old?.number === OFPP.local || (old?.type === type && old.peer === (peer ?? ""));
    if (old !== undefined && isSame) continue;
    if (old !== undefined) dummy.removePort(bridge, old.number);
    const request = numberOf(one, "ofport_request") ?? old?.number ?? 0;
    dummy.addPort(bridge, { name: portName, type, request, peer });
  }
  applySettings(bridge, database, row);
}

/** The flow of a bridge that stands alone: it is a learning switch until somebody says else. */
const STANDALONE: Flow = {
  table: 0,
  priority: 0,
  match: newMatch(),
  actions: [{ type: "output", port: OFPP.normal }],
  cookie: 0n,
  idleTimeout: 0,
  hardTimeout: 0,
  importance: 0,
  flags: [],
};

/** A change of the fail mode flushes the flows (ofproto/connmgr.c connmgr_set_fail_mode). */
async function followFailMode(bridge: DummyBridge, secure: boolean): Promise<void> {
  if (bridge.secure === secure) return;
  bridge.secure = secure;
  await bridge.apply([{ type: "replace", flows: secure ? [] : [STANDALONE] }]);
}

/** Writes what only the switch knows into the database's ephemeral columns. */
export function writeBack(dummy: DummySwitch, database: Database): void {
  for (const bridge of dummy.bridges()) {
    const row = database.named("Bridge", bridge.name);
    row?.columns.set("datapath_id", setOf([bridge.datapathId]));
    row?.columns.set("datapath_version", setOf(["<built-in>"]));
    for (const port of bridge.ports()) {
      const one = database.named("Interface", port.name);
      if (one === null) continue;
      const { rxPackets, rxBytes, txPackets, txBytes } = bridge.portStats(port.number);
      const up = (port.config & PORT_CONFIG.down) === 0;
      const columns: Record<string, Datum> = {
        admin_state: setOf([up ? "up" : "down"]),
        link_state: setOf([port.linkUp ? "up" : "down"]),
        mac_in_use: setOf([port.mac]),
        mtu: get(one, "mtu_request").keys.length === 0 ? setOf([1500]) : get(one, "mtu_request"),
        ofport: setOf([port.number]),
        error: EMPTY,
        statistics: mapOf([
          ["rx_bytes", rxBytes],
          ["rx_packets", rxPackets],
          ["tx_bytes", txBytes],
          ["tx_packets", txPackets],
        ]),
      };
      for (const [name, value] of Object.entries(columns)) one.columns.set(name, value);
    }
  }
}
