// Makes the dummy switch what the database says, and writes back what it made: port numbers,
// addresses, counters. Runs after each commit of ovs-vsctl (Open vSwitch: bridge_reconfigure,
// vswitchd/bridge.c). Main thread.
import { OFPP, type Flow } from "../../flow/types.js";
import { newMatch } from "../../flow/match.js";
import { PORT_CONFIG, type PortView } from "../control.js";
import { type Datum, mapOf, setOf } from "../database/datum.js";
import { type Database, get, numberOf, optionOf, type Row, textOf } from "../database/database.js";
import { shrink } from "../make-room.js";
import { applySettings } from "../settings.js";
import type { DummyBridge } from "./bridge.js";
import type { DummySwitch } from "./switch.js";

/** Names that belong to the datapaths and tunnels of Open vSwitch (vswitchd/bridge.c). */
const RESERVED = [
  ...["ovs-netdev", "ovs-dummy", "genev_sys", "gre_sys", "ip6gre_sys", "lisp_sys", "vxlan_sys"],
  ...["erspan_sys", "ip6erspan_sys", "bareudp_sys", "srv6_sys"],
];

/** Why an interface cannot be a port; null: it can. */
function troubleWith(one: Row, port: Row): string | null {
  const name = textOf(one, "name");
  if (RESERVED.includes(name)) return `could not create interface ${name}, name is reserved`;
  const isBond = get(port, "interfaces").keys.length > 1;
  return isBond ? `${textOf(port, "name")}: bonds are not supported` : null;
}

/**
 * Brings the switch in line with the database.
 * @returns lines for stderr about interfaces that cannot be ports. Settings that are kept in the
 *   database and have no effect are noted by the switch.
 */
export async function follow(dummy: DummySwitch, database: Database): Promise<readonly string[]> {
  const wanted = database.references(database.root, "bridges");
  const names = new Set(wanted.map((row) => textOf(row, "name")));
  for (const bridge of dummy.bridges()) {
    if (!names.has(bridge.name)) dummy.deleteBridge(bridge.name);
  }
  for (const row of wanted) await followBridge(dummy, database, row);
  writeBack(dummy, database);
  dummy.note(wanted.flatMap(idleSettings));
  return wanted.flatMap((row) => troubles(database, row));
}

/** In the words of ovs-vsctl (post_db_reload_check in utilities/ovs-vsctl.c). */
function troubles(database: Database, bridge: Row): string[] {
  const lines: string[] = [];
  for (const port of database.references(bridge, "ports")) {
    for (const one of database.references(port, "interfaces")) {
      if (troubleWith(one, port) === null) continue;
      lines.push(
        `ovs-vsctl: Error detected while setting up '${textOf(one, "name")}'.  ` +
          "See ovs-vswitchd log for details.\n",
      );
    }
  }
  if (lines.length > 0)
    lines.push('ovs-vsctl: The default log directory is "/var/log/openvswitch".\n');
  return lines;
}

/** Features of a bridge that it does not have here: the columns that ask for them. */
const IDLE_COLUMNS = [
  ...["controller", "netflow", "sflow", "ipfix", "auto_attach"],
  ...["mcast_snooping_enable", "rstp_enable", "stp_enable"],
];

/** Which settings of a bridge have no effect. */
function idleSettings(bridge: Row): string[] {
  const name = textOf(bridge, "name");
  const set = IDLE_COLUMNS.filter((column) => {
    const { keys } = get(bridge, column);
    return keys.length > 0 && keys[0] !== false;
  });
  return set.map((column) => `${column} of bridge ${name} has no effect here`);
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
    const interfaces = database.references(port, "interfaces");
    return interfaces.filter((one) => troubleWith(one, port) === null);
  });
  const names = new Set(wanted.map((one) => textOf(one, "name")));
  for (const port of bridge.ports()) {
    if (port.number !== OFPP.local && !names.has(port.name)) dummy.removePort(bridge, port.number);
  }
  removeMisnumbered(dummy, bridge, wanted);
  // Who asks for a number gets it before others take it.
  const asking = wanted.filter((one) => requestOf(one) !== null);
  for (const one of [...asking, ...wanted.filter((each) => requestOf(each) === null)]) {
    const portName = textOf(one, "name");
    const type = textOf(one, "type");
    const peer = optionOf(one, "options", "peer");
    const old = bridge.ports().find((port) => port.name === portName);
    const isSame = old?.number === OFPP.local || (old?.type === type && old.peer === (peer ?? ""));
    if (old !== undefined && isSame) continue;
    if (old !== undefined) dummy.removePort(bridge, old.number);
    const request = requestOf(one) ?? old?.number ?? 0;
    dummy.addPort(bridge, { name: portName, type, request, peer });
  }
  for (const one of wanted) followCaptures(bridge, one);
  applySettings(bridge, database, row);
  await bridge.apply(shrink(bridge));
}

const requestOf = (one: Row): number | null => numberOf(one, "ofport_request");

/**
 * Takes ports away that ask for another number than they have, and whoever has it without asking;
 * they come back (bridge_delete_or_reconfigure_ports).
 */
function removeMisnumbered(dummy: DummySwitch, bridge: DummyBridge, wanted: readonly Row[]): void {
  const requests = new Map(wanted.map((one) => [textOf(one, "name"), requestOf(one)]));
  for (const { name, number } of bridge.ports()) {
    const request = requests.get(name) ?? null;
    const isThere = bridge.port(number)?.name === name;
    if (!isThere || number === OFPP.local || request === null || request === number) continue;
    const holder = bridge.port(request);
    if (holder !== null && requests.get(holder.name) === request) continue;
    if (holder !== null) dummy.removePort(bridge, request);
    dummy.removePort(bridge, number);
  }
}

/** Files that an interface's frames are written to; one that cannot be opened is its error. */
function followCaptures(bridge: DummyBridge, one: Row): void {
  const port = bridge.ports().find(({ name }) => name === textOf(one, "name"));
  const both = optionOf(one, "options", "pcap");
  const trouble = port?.captures.set({
    sent: both ?? optionOf(one, "options", "tx_pcap"),
    received: both ?? optionOf(one, "options", "rxq_pcap"),
  });
  one.columns.set("error", setOf(trouble === undefined || trouble === null ? [] : [trouble]));
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

const MTU = 1500;

/** As requested; of an internal port, otherwise the least of the others of its bridge. */
function mtuOf(bridge: DummyBridge, database: Database, { name, type }: PortView): Datum {
  const requested = (port: string): Datum | null => {
    const row = database.named("Interface", port);
    const request = row === null ? null : get(row, "mtu_request");
    return request === null || request.keys.length === 0 ? null : request;
  };
  const own = requested(name);
  if (own !== null || type !== "internal") return own ?? setOf([MTU]);
  const others = bridge.ports().filter((port) => port.type !== "internal");
  const sizes = others.map((port) => Number(requested(port.name)?.keys[0] ?? MTU));
  return setOf([sizes.length === 0 ? MTU : Math.min(...sizes)]);
}

/** Writes what only the switch knows into the database. */
export function writeBack(dummy: DummySwitch, database: Database): void {
  for (const port of database.table("Port")) {
    for (const one of database.references(port, "interfaces")) {
      const trouble = troubleWith(one, port);
      if (trouble === null) continue;
      // It is no port, and says why.
      one.columns.set("error", setOf([trouble]));
      one.columns.set("ofport", setOf([-1]));
    }
  }
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
        mtu: mtuOf(bridge, database, port),
        ofport: setOf([port.number]),
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
