// The commands of ovs-vsctl about whom the switch should talk to: controllers, managers, SSL; and
// emer-reset, which takes all of that away (utilities/ovs-vsctl.c of Open vSwitch 3.1). They
// change the database only: this switch makes no connection to anywhere. Main thread.
import { get, type Row, textOf } from "../../database/database.js";
import { EMPTY, mapOf, pairsOf, setOf } from "../../database/datum.js";
import type { TableName } from "../../database/schema.js";
import { has, valueOf } from "../options.js";
import type { Command, Transaction, VsctlVerb } from "./transaction.js";
import { bridgeNamed, realBridgeNamed } from "./views.js";

function printTargets(t: Transaction, row: Row, column: string): void {
  const targets = t.draft.references(row, column).map((one) => textOf(one, "target"));
  for (const target of targets.sort()) t.out(`${target}\n`);
}

function setTargets(
  t: Transaction,
  command: Command,
  to: { row: Row; column: string; table: TableName; targets: readonly string[] },
): void {
  for (const old of t.draft.references(to.row, to.column)) t.draft.remove(old);
  const probe = valueOf(command.options, "inactivity-probe");
  const rows = [...new Set(to.targets)].map((target) => {
    const row = t.draft.insert(to.table);
    row.columns.set("target", setOf([target]));
    if (probe !== null) row.columns.set("inactivity_probe", setOf([Number(probe)]));
    return row.uuid;
  });
  to.row.columns.set(to.column, setOf(rows));
}

function getController(t: Transaction, { args }: Command): void {
  printTargets(t, bridgeNamed(t, args[0]!).row, "controller");
}

function setController(t: Transaction, command: Command): void {
  const [name, ...targets] = command.args as [string, ...string[]];
  const { row } = realBridgeNamed(t, name);
  setTargets(t, command, { row, column: "controller", table: "Controller", targets });
}

function setManager(t: Transaction, command: Command): void {
  const { root } = t.draft;
  const targets = command.args;
  setTargets(t, command, { row: root, column: "manager_options", table: "Manager", targets });
}

function getSsl(t: Transaction): void {
  for (const ssl of t.draft.references(t.draft.root, "ssl")) {
    t.out(`Private key: ${textOf(ssl, "private_key")}\n`);
    t.out(`Certificate: ${textOf(ssl, "certificate")}\n`);
    t.out(`CA Certificate: ${textOf(ssl, "ca_cert")}\n`);
    t.out(`Bootstrap: ${textOf(ssl, "bootstrap_ca_cert")}\n`);
  }
}

function setSsl(t: Transaction, { args, options }: Command): void {
  const [key, certificate, authority] = args as [string, string, string];
  const ssl = t.draft.insert("SSL");
  ssl.columns.set("private_key", setOf([key]));
  ssl.columns.set("certificate", setOf([certificate]));
  ssl.columns.set("ca_cert", setOf([authority]));
  ssl.columns.set("bootstrap_ca_cert", setOf([has(options, "bootstrap")]));
  t.draft.root.columns.set("ssl", setOf([ssl.uuid]));
}

function clearColumns(row: Row, columns: readonly string[]): void {
  for (const column of columns) row.columns.set(column, EMPTY);
}

const BRIDGE_CLEARED = [
  ...["controller", "fail_mode", "mirrors", "netflow", "sflow", "ipfix", "flood_vlans"],
];

/** Takes away what could keep a host off the network; bridges and ports stay. */
function emergencyReset(t: Transaction): void {
  const { draft } = t;
  clearColumns(draft.root, ["manager_options", "ssl"]);
  for (const bridge of draft.table("Bridge")) {
    clearColumns(bridge, BRIDGE_CLEARED);
    const kept = pairsOf(get(bridge, "other_config")).filter(([key]) => key === "hwaddr");
    bridge.columns.set("other_config", mapOf(kept));
  }
  for (const port of draft.table("Port")) clearColumns(port, ["other_config"]);
  for (const one of draft.table("Interface")) {
    one.columns.set("ingress_policing_rate", setOf([0]));
    one.columns.set("ingress_policing_burst", setOf([0]));
  }
}

const TARGETS = "TARGET...";

export const CONNECTION_VERBS: readonly VsctlVerb[] = [
  { name: "get-controller", min: 1, max: 1, usage: "BRIDGE", run: getController },
  { name: "del-controller", min: 1, max: 1, usage: "BRIDGE", run: setController },
  {
    name: "set-controller",
    min: 1,
    max: Infinity,
    usage: `BRIDGE ${TARGETS}`,
    run: setController,
  },
  {
    name: "get-manager",
    min: 0,
    max: 0,
    usage: "",
    run: (t) => printTargets(t, t.draft.root, "manager_options"),
  },
  { name: "del-manager", min: 0, max: Infinity, usage: "", run: setManager },
  { name: "set-manager", min: 1, max: Infinity, usage: TARGETS, run: setManager },
  { name: "get-ssl", min: 0, max: 0, usage: "", run: getSsl },
  {
    name: "del-ssl",
    min: 0,
    max: 0,
    usage: "",
    run: (t) => clearColumns(t.draft.root, ["ssl"]),
  },
  { name: "set-ssl", min: 3, max: 3, usage: "PRIVATE-KEY CERT CA-CERT", run: setSsl },
  { name: "emer-reset", min: 0, max: 0, usage: "", run: emergencyReset },
];
