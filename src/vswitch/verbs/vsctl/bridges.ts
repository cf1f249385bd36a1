// The commands of ovs-vsctl that speak of bridges, ports and interfaces (utilities/ovs-vsctl.c of
// Open vSwitch 3.1). Main thread.
import { type Row, textOf, get } from "../../database/database.js";
import { setOf } from "../../database/datum.js";
import { VerbError } from "../call.js";
import { has } from "../options.js";
import { setColumns } from "./records.js";
import type { Command, Transaction } from "./transaction.js";

/** A command, with how many arguments it takes and what it does to the draft. */
export interface VsctlVerb {
  readonly name: string;
  readonly min: number;
  readonly max: number;
  readonly usage: string;
  run(t: Transaction, command: Command): void;
}

function bridges(t: Transaction): Row[] {
  return t.draft.references(t.draft.root, "bridges");
}

function bridgeNamed(t: Transaction, name: string): Row {
  const row = bridges(t).find((one) => textOf(one, "name") === name);
  if (row === undefined) throw new VerbError(`no bridge named ${name}`);
  return row;
}

function ports(t: Transaction, bridge: Row): Row[] {
  return t.draft.references(bridge, "ports");
}

/** Ports without the bridge's own. */
function ownPorts(t: Transaction, bridge: Row): Row[] {
  const name = textOf(bridge, "name");
  return ports(t, bridge).filter((port) => textOf(port, "name") !== name);
}

function bridgeOfPort(t: Transaction, port: string): Row | null {
  const hasIt = (bridge: Row): boolean =>
    ports(t, bridge).some((one) => textOf(one, "name") === port);
  return bridges(t).find(hasIt) ?? null;
}

function ownInterfaces(t: Transaction, bridge: Row): Row[] {
  return ownPorts(t, bridge).flatMap((port) => t.draft.references(port, "interfaces"));
}

/** A name must be free among bridges and ports. */
function checkFree(t: Transaction, name: string, what: string): void {
  const sentence = `cannot create a ${what} named ${name} because a`;
  if (bridges(t).some((bridge) => textOf(bridge, "name") === name)) {
    throw new VerbError(`${sentence} bridge named ${name} already exists`);
  }
  const bridge = bridgeOfPort(t, name);
  if (bridge === null) return;
  throw new VerbError(
    `${sentence} port named ${name} already exists on bridge ${textOf(bridge, "name")}`,
  );
}

function insertPort(t: Transaction, bridge: Row, name: string): { port: Row; one: Row } {
  const one = t.draft.insert("Interface");
  one.columns.set("name", setOf([name]));
  const port = t.draft.insert("Port");
  port.columns.set("name", setOf([name]));
  port.columns.set("interfaces", setOf([one.uuid]));
  bridge.columns.set("ports", setOf([...get(bridge, "ports").keys, port.uuid]));
  return { port, one };
}

function addBridge(t: Transaction, { args, options }: Command): void {
  const name = args[0]!;
  if (args.length > 1) throw new VerbError("fake bridges (VLAN bridges) are not supported here");
  const exists = bridges(t).some((bridge) => textOf(bridge, "name") === name);
  if (exists && has(options, "may-exist")) return;
  checkFree(t, name, "bridge");
  const row = t.draft.insert("Bridge");
  row.columns.set("name", setOf([name]));
  const { root } = t.draft;
  root.columns.set("bridges", setOf([...get(root, "bridges").keys, row.uuid]));
  insertPort(t, row, name).one.columns.set("type", setOf(["internal"]));
}

function withoutReference(row: Row, column: string, uuid: string): void {
  row.columns.set(column, setOf(get(row, column).keys.filter((one) => one !== uuid)));
}

function deleteBridge(t: Transaction, { args, options }: Command): void {
  const row = bridges(t).find((one) => textOf(one, "name") === args[0]);
  if (row === undefined && has(options, "if-exists")) return;
  withoutReference(t.draft.root, "bridges", bridgeNamed(t, args[0]!).uuid);
}

function addPort(t: Transaction, { args, options }: Command): void {
  const [bridgeName, name, ...settings] = args as [string, string, ...string[]];
  const existing = bridgeOfPort(t, name);
  const isLocal = existing !== null && textOf(existing, "name") === name;
  if (has(options, "may-exist") && existing !== null && !isLocal) {
    if (existing === bridgeNamed(t, bridgeName)) return;
    throw new VerbError(
      `"--may-exist add-port ${bridgeName} ${name}" but ${name} is actually attached to ` +
        `bridge ${textOf(existing, "name")}`,
    );
  }
  checkFree(t, name, "port");
  setColumns(t, insertPort(t, bridgeNamed(t, bridgeName), name).port, settings);
}

function deletePort(t: Transaction, { args, options }: Command): void {
  const name = args.at(-1)!;
  const bridge = bridgeOfPort(t, name);
  if (bridge === null || textOf(bridge, "name") === name) {
    if (bridge === null && has(options, "if-exists")) return;
    throw new VerbError(
      bridge === null
        ? `no port named ${name}`
        : `cannot delete port ${name} because it is the local port for bridge ${name} ` +
            `(deleting this port requires deleting the entire bridge)`,
    );
  }
  if (args.length === 2 && textOf(bridge, "name") !== args[0]) {
    bridgeNamed(t, args[0]!);
    throw new VerbError(
      `bridge ${args[0]} does not have a port ${name} (although its parent bridge ` +
        `${textOf(bridge, "name")} does)`,
    );
  }
  const port = ports(t, bridge).find((one) => textOf(one, "name") === name)!;
  withoutReference(bridge, "ports", port.uuid);
}

function printNames(t: Transaction, rows: readonly Row[]): void {
  const names = rows.map((row) => textOf(row, "name")).sort();
  for (const name of names) t.out(`${name}\n`);
}

function bridgeExists(t: Transaction, { args }: Command): void {
  if (bridges(t).some((bridge) => textOf(bridge, "name") === args[0])) return;
  throw new VerbError("", { exitCode: 2, whole: "" });
}

function bridgeOf(rowsOf: (t: Transaction, bridge: Row) => Row[], what: string) {
  return (t: Transaction, { args }: Command): void => {
    const name = args[0]!;
    const found = bridges(t).find((bridge) => {
      return rowsOf(t, bridge).some((row) => textOf(row, "name") === name);
    });
    if (found === undefined) throw new VerbError(`no ${what} named ${name}`);
    t.out(`${textOf(found, "name")}\n`);
  };
}

function failMode(t: Transaction, { name, args }: Command): void {
  const bridge = bridgeNamed(t, args[0]!);
  const mode = textOf(bridge, "fail_mode");
  if (name === "get-fail-mode") return void (mode === "" ? null : t.out(`${mode}\n`));
  const wanted = args[1];
  if (wanted !== undefined && wanted !== "standalone" && wanted !== "secure") {
    throw new VerbError('fail-mode must be "standalone" or "secure"');
  }
  bridge.columns.set("fail_mode", setOf(wanted === undefined ? [] : [wanted]));
}

function toParent(t: Transaction, { name, args }: Command): void {
  const bridge = bridgeNamed(t, args[0]!);
  t.out(name === "br-to-vlan" ? "0\n" : `${textOf(bridge, "name")}\n`);
}

/** There is no OpenFlow connection to anywhere; to ask for one is refused, to have none is not. */
function controller(t: Transaction, { name, args }: Command): void {
  bridgeNamed(t, args[0]!);
  if (name !== "set-controller") return;
  throw new VerbError("controllers are not supported: this switch has no OpenFlow connections");
}

const nothing = (): void => undefined;

export const BRIDGE_VERBS: readonly VsctlVerb[] = [
  { name: "init", min: 0, max: 0, usage: "", run: nothing },
  { name: "comment", min: 0, max: Infinity, usage: "[ARG]...", run: nothing },
  { name: "add-br", min: 1, max: 3, usage: "BRIDGE", run: addBridge },
  { name: "del-br", min: 1, max: 1, usage: "BRIDGE", run: deleteBridge },
  { name: "list-br", min: 0, max: 0, usage: "", run: (t) => printNames(t, bridges(t)) },
  { name: "br-exists", min: 1, max: 1, usage: "BRIDGE", run: bridgeExists },
  { name: "br-to-vlan", min: 1, max: 1, usage: "BRIDGE", run: toParent },
  { name: "br-to-parent", min: 1, max: 1, usage: "BRIDGE", run: toParent },
  { name: "add-port", min: 2, max: Infinity, usage: "BRIDGE PORT [COLUMN=VALUE]...", run: addPort },
  { name: "del-port", min: 1, max: 2, usage: "[BRIDGE] PORT", run: deletePort },
  {
    name: "list-ports",
    min: 1,
    max: 1,
    usage: "BRIDGE",
    run: (t, { args }) => printNames(t, ownPorts(t, bridgeNamed(t, args[0]!))),
  },
  {
    name: "list-ifaces",
    min: 1,
    max: 1,
    usage: "BRIDGE",
    run: (t, { args }) => printNames(t, ownInterfaces(t, bridgeNamed(t, args[0]!))),
  },
  { name: "port-to-br", min: 1, max: 1, usage: "PORT", run: bridgeOf(ownPorts, "port") },
  {
    name: "iface-to-br",
    min: 1,
    max: 1,
    usage: "IFACE",
    run: bridgeOf(ownInterfaces, "interface"),
  },
  { name: "get-fail-mode", min: 1, max: 1, usage: "BRIDGE", run: failMode },
  { name: "set-fail-mode", min: 2, max: 2, usage: "BRIDGE MODE", run: failMode },
  { name: "del-fail-mode", min: 1, max: 1, usage: "BRIDGE", run: failMode },
  { name: "get-controller", min: 1, max: 1, usage: "BRIDGE", run: controller },
  { name: "del-controller", min: 1, max: 1, usage: "BRIDGE", run: controller },
  { name: "set-controller", min: 1, max: Infinity, usage: "BRIDGE TARGET...", run: controller },
];
