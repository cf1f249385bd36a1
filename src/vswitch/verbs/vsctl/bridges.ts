// The commands of ovs-vsctl that speak of bridges, ports and interfaces (utilities/ovs-vsctl.c of
// Open vSwitch 3.1). Main thread.
import { get, optionOf, type Row, textOf } from "../../database/database.js";
import { mapOf, pairsOf, setOf } from "../../database/datum.js";
import { VerbError } from "../call.js";
import { has } from "../options.js";
import { setColumns } from "./records.js";
import type { Command, Transaction, VsctlVerb } from "./transaction.js";
import {
  bridgeNamed,
  bridges,
  type BridgeView,
  checkFree,
  childrenOf,
  findBridge,
  findPort,
  ownInterfaces,
  ownPorts,
  portsOf,
  realBridgeNamed,
} from "./views.js";

function insertPort(t: Transaction, bridge: Row, name: string, interfaces = [name]): Row {
  const rows = interfaces.map((one) => {
    const row = t.draft.insert("Interface");
    row.columns.set("name", setOf([one]));
    return row;
  });
  const port = t.draft.insert("Port");
  port.columns.set("name", setOf([name]));
  port.columns.set("interfaces", setOf(rows.map((row) => row.uuid)));
  bridge.columns.set("ports", setOf([...get(bridge, "ports").keys, port.uuid]));
  return port;
}

function checkNamed(name: string, what: string): void {
  if (name === "") throw new VerbError(`${what} name must not be empty string`);
}

function addBridge(t: Transaction, { name: command, args, options }: Command): void {
  const [name, parent, vlanText] = args as [string, string?, string?];
  checkNamed(name, "bridge");
  if (args.length === 2) throw new VerbError(`'${command}' command takes exactly 1 or 3 arguments`);
  const vlan = Number.parseInt(vlanText ?? "0", 10) || 0;
  if (vlan < 0 || vlan > 4095) throw new VerbError(`${command}: vlan must be between 0 and 4095`);
  const old = findBridge(t, name);
  if (old !== null && has(options, "may-exist")) return checkSame(old, parent ?? null, vlan);
  checkFree(t, name, "a bridge");
  if (parent !== undefined) return addFakeBridge(t, name, parent, vlan);
  const row = t.draft.insert("Bridge");
  row.columns.set("name", setOf([name]));
  const { root } = t.draft;
  root.columns.set("bridges", setOf([...get(root, "bridges").keys, row.uuid]));
  makeInternal(t, insertPort(t, row, name));
}

function makeInternal(t: Transaction, port: Row): void {
  for (const one of t.draft.references(port, "interfaces")) {
    one.columns.set("type", setOf(["internal"]));
  }
}

function addFakeBridge(t: Transaction, name: string, parentName: string, vlan: number): void {
  const parent = findBridge(t, parentName);
  if (parent === null) throw new VerbError(`parent bridge ${parentName} does not exist`);
  if (parent.fake !== null) throw new VerbError("cannot create bridge with fake bridge as parent");
  const rival = childrenOf(t, parent).find(({ fake }) => fake?.vlan === vlan);
  if (rival !== undefined) {
    throw new VerbError(
      `bridge ${parentName} already has a child VLAN bridge ${rival.name} on VLAN ${vlan}`,
    );
  }
  const port = insertPort(t, parent.row, name);
  port.columns.set("fake_bridge", setOf([true]));
  port.columns.set("tag", setOf([vlan]));
  makeInternal(t, port);
}

/** With `--may-exist`: a bridge that is there must be what is asked for. */
function checkSame({ name, fake }: BridgeView, parent: string | null, vlan: number): void {
  const asked = `"--may-exist add-br ${name}${parent === null ? "" : ` ${parent} ${vlan}`}"`;
  const but = (what: string): VerbError => new VerbError(`${asked} but ${name} ${what}`);
  if (parent === null) {
    if (fake !== null) throw but(`is a VLAN bridge for VLAN ${fake.vlan}`);
  } else if (fake === null) throw but("is not a VLAN bridge");
  else if (fake.parent !== parent) throw but(`has the wrong parent ${fake.parent}`);
  else if (fake.vlan !== vlan) throw but(`is a VLAN bridge for the wrong VLAN ${fake.vlan}`);
}

function withoutReference(row: Row, column: string, uuid: string): void {
  row.columns.set(column, setOf(get(row, column).keys.filter((one) => one !== uuid)));
}

function deleteBridge(t: Transaction, { args, options }: Command): void {
  const bridge = findBridge(t, args[0]!);
  if (bridge === null && has(options, "if-exists")) return;
  const { row, fake } = bridge ?? bridgeNamed(t, args[0]!);
  if (fake === null) return withoutReference(t.draft.root, "bridges", row.uuid);
  for (const port of portsOf(t, bridge!)) withoutReference(row, "ports", port.uuid);
}

function interfacesText(t: Transaction, port: Row): string {
  const names = t.draft.references(port, "interfaces").map((one) => textOf(one, "name"));
  return names.sort().join(", ");
}

function addPort(t: Transaction, command: Command): void {
  const [bridgeName, name, ...settings] = command.args as [string, string, ...string[]];
  newPort(t, command, { bridgeName, name, interfaces: [name], settings });
}

function addBond(t: Transaction, command: Command): void {
  const [bridgeName, name, ...rest] = command.args as [string, string, ...string[]];
  const count = rest.findIndex((word) => word.includes("="));
  const interfaces = count < 0 ? rest : rest.slice(0, count);
  if (interfaces.length < 2) {
    throw new VerbError(
      `add-bond requires at least 2 interfaces, but only ${interfaces.length} were specified`,
    );
  }
  const settings = rest.slice(interfaces.length);
  const port = newPort(t, command, { bridgeName, name, interfaces, settings });
  if (has(command.options, "fake-iface")) port?.columns.set("bond_fake_iface", setOf([true]));
}

interface NewPort {
  readonly bridgeName: string;
  readonly name: string;
  readonly interfaces: readonly string[];
  readonly settings: readonly string[];
}

/** @returns null when it is there already. */
function newPort(t: Transaction, command: Command, wanted: NewPort): Row | null {
  const { bridgeName, name, interfaces, settings } = wanted;
  const old = findPort(t, name);
  const bridge = bridgeNamed(t, bridgeName);
  if (has(command.options, "may-exist") && old !== null && old.bridge.name !== name) {
    const asked = `"--may-exist ${command.name} ${command.args.join(" ")}" but ${name} is actually`;
    if (old.bridge.name !== bridge.name) {
      throw new VerbError(`${asked} attached to bridge ${old.bridge.name}`);
    }
    const has = interfacesText(t, old.port);
    if (has === [...interfaces].sort().join(", ")) return null;
    throw new VerbError(`${asked.replace("is actually", "actually has interface(s)")} ${has}`);
  }
  checkNamed(name, "port");
  for (const one of interfaces) checkNamed(one, "interface");
  checkFree(t, name, "a port");
  for (const one of interfaces) if (one !== name) checkFree(t, one, "an interface");
  const port = insertPort(t, bridge.row, name, [...interfaces]);
  if (bridge.fake !== null) port.columns.set("tag", setOf([bridge.fake.vlan]));
  setColumns(t, port, settings);
  return port;
}

function deletePort(t: Transaction, { args, options }: Command): void {
  const name = args.at(-1)!;
  const found = has(options, "with-iface") ? findByInterface(t, name) : findPort(t, name);
  if (found === null || found.bridge.name === name) {
    if (has(options, "if-exists")) return;
    throw new VerbError(
      found === null
        ? `no port named ${name}`
        : `cannot delete port ${name} because it is the local port for bridge ${name} ` +
            `(deleting this port requires deleting the entire bridge)`,
    );
  }
  if (args.length === 2) checkBridge(bridgeNamed(t, args[0]!), found.bridge, name);
  withoutReference(found.bridge.row, "ports", found.port.uuid);
}

function findByInterface(t: Transaction, name: string): ReturnType<typeof findPort> {
  const byPort = findPort(t, name);
  if (byPort !== null) return byPort;
  for (const bridge of bridges(t)) {
    const port = portsOf(t, bridge).find((one) => {
      return t.draft.references(one, "interfaces").some((each) => textOf(each, "name") === name);
    });
    if (port !== undefined) return { bridge, port };
  }
  return null;
}

/** A port to be deleted from a bridge must be on that one. */
function checkBridge(said: BridgeView, actual: BridgeView, port: string): void {
  if (said.name === actual.name) return;
  const sentence = `bridge ${said.name} does not have a port ${port}`;
  if (actual.fake?.parent === said.name) {
    throw new VerbError(`${sentence} (although its child bridge ${actual.name} does)`);
  }
  if (said.fake?.parent === actual.name) {
    throw new VerbError(`${sentence} (although its parent bridge ${actual.name} does)`);
  }
  throw new VerbError(sentence);
}

function printSorted(t: Transaction, names: readonly string[]): void {
  for (const name of [...names].sort()) t.out(`${name}\n`);
}

function printNames(t: Transaction, rows: readonly Row[]): void {
  printSorted(
    t,
    rows.map((row) => textOf(row, "name")),
  );
}

function listBridges(t: Transaction, { options }: Command): void {
  const [real, fake] = [has(options, "real"), has(options, "fake")];
  const wanted = bridges(t).filter((one) => real === fake || (one.fake !== null) === fake);
  printSorted(
    t,
    wanted.map(({ name }) => name),
  );
}

function bridgeExists(t: Transaction, { args }: Command): void {
  if (findBridge(t, args[0]!) !== null) return;
  throw new VerbError("", { exitCode: 2, whole: "" });
}

function bridgeOf(rowsOf: (t: Transaction, bridge: BridgeView) => Row[], what: string) {
  return (t: Transaction, { args }: Command): void => {
    const name = args[0]!;
    const found = bridges(t).find((bridge) => {
      return rowsOf(t, bridge).some((row) => textOf(row, "name") === name);
    });
    if (found === undefined) throw new VerbError(`no ${what} named ${name}`);
    t.out(`${found.name}\n`);
  };
}

function failMode(t: Transaction, { name, args }: Command): void {
  const { row } = realBridgeNamed(t, args[0]!);
  const mode = textOf(row, "fail_mode");
  if (name === "get-fail-mode") return void (mode === "" ? null : t.out(`${mode}\n`));
  const wanted = args[1];
  if (wanted !== undefined && wanted !== "standalone" && wanted !== "secure") {
    throw new VerbError('fail-mode must be "standalone" or "secure"');
  }
  row.columns.set("fail_mode", setOf(wanted === undefined ? [] : [wanted]));
}

function toParent(t: Transaction, { name, args }: Command): void {
  const { name: own, fake } = bridgeNamed(t, args[0]!);
  t.out(name === "br-to-vlan" ? `${fake?.vlan ?? 0}\n` : `${fake?.parent ?? own}\n`);
}

/** The ids of a fake bridge stand among its port's, with this before their names. */
const FAKE_PREFIX = "fake-bridge-";

function setExternalId(t: Transaction, { args }: Command): void {
  const [name, key, value] = args as [string, string, string?];
  const { row, fake } = bridgeNamed(t, name);
  const owner = fake === null ? row : fake.port;
  const wanted = fake === null ? key : `${FAKE_PREFIX}${key}`;
  const others = pairsOf(get(owner, "external_ids")).filter(([one]) => one !== wanted);
  const all = value === undefined ? others : [...others, [wanted, value] as const];
  owner.columns.set("external_ids", mapOf(all));
}

function getExternalId(t: Transaction, { args }: Command): void {
  const [name, key] = args as [string, string?];
  const { row, fake } = bridgeNamed(t, name);
  const prefix = fake === null ? "" : FAKE_PREFIX;
  const owner = fake === null ? row : fake.port;
  if (key !== undefined) {
    const value = optionOf(owner, "external_ids", `${prefix}${key}`);
    return void (value === null ? null : t.out(`${value}\n`));
  }
  for (const [one, value] of pairsOf(get(owner, "external_ids"))) {
    const text = String(one);
    if (text.startsWith(prefix)) t.out(`${text.slice(prefix.length)}=${String(value)}\n`);
  }
}

const nothing = (): void => undefined;
const SETTINGS = "[COLUMN=VALUE]...";

export const BRIDGE_VERBS: readonly VsctlVerb[] = [
  { name: "init", min: 0, max: 0, usage: "", run: nothing },
  { name: "comment", min: 0, max: Infinity, usage: "[ARG]...", run: nothing },
  { name: "add-br", min: 1, max: 3, usage: "BRIDGE [PARENT VLAN]", run: addBridge },
  { name: "del-br", min: 1, max: 1, usage: "BRIDGE", run: deleteBridge },
  { name: "list-br", min: 0, max: 0, usage: "", run: listBridges },
  { name: "br-exists", min: 1, max: 1, usage: "BRIDGE", run: bridgeExists },
  { name: "br-to-vlan", min: 1, max: 1, usage: "BRIDGE", run: toParent },
  { name: "br-to-parent", min: 1, max: 1, usage: "BRIDGE", run: toParent },
  {
    name: "br-set-external-id",
    min: 2,
    max: 3,
    usage: "BRIDGE KEY [VALUE]",
    run: setExternalId,
  },
  { name: "br-get-external-id", min: 1, max: 2, usage: "BRIDGE [KEY]", run: getExternalId },
  { name: "add-port", min: 2, max: Infinity, usage: `BRIDGE PORT ${SETTINGS}`, run: addPort },
  {
    name: "add-bond",
    min: 4,
    max: Infinity,
    usage: `BRIDGE PORT IFACE... ${SETTINGS}`,
    run: addBond,
  },
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
];
