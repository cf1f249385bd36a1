// Bridges and their ports as ovs-vsctl sees them: a port that says so is a bridge of its own for
// one VLAN of its parent, a "fake" bridge (vsctl_context_populate_cache in utilities/ovs-vsctl.c of
// Open vSwitch 3.1). Main thread.
import { get, numberOf, type Row, textOf } from "../../database/database.js";
import { VerbError } from "../call.js";
import type { Transaction } from "./transaction.js";

export interface BridgeView {
  readonly name: string;
  /** The row of the real bridge. */
  readonly row: Row;
  /** Of a fake bridge: the bridge that it is a VLAN of, and the port that makes it one. */
  readonly fake: { readonly parent: string; readonly port: Row; readonly vlan: number } | null;
}

function isFakeBridge(port: Row): boolean {
  return get(port, "fake_bridge").keys[0] === true && numberOf(port, "tag") !== null;
}

function realBridges(t: Transaction): BridgeView[] {
  const rows = t.draft.references(t.draft.root, "bridges");
  return rows.map((row) => ({ name: textOf(row, "name"), row, fake: null }));
}

/** The fake bridges of a real one. */
export function childrenOf(t: Transaction, { name, row }: BridgeView): BridgeView[] {
  const ports = t.draft.references(row, "ports").filter(isFakeBridge);
  return ports.map((port) => {
    const vlan = numberOf(port, "tag")!;
    return { name: textOf(port, "name"), row, fake: { parent: name, port, vlan } };
  });
}

/** All bridges, each real one before its fakes. */
export function bridges(t: Transaction): BridgeView[] {
  return realBridges(t).flatMap((bridge) => [bridge, ...childrenOf(t, bridge)]);
}

export function findBridge(t: Transaction, name: string): BridgeView | null {
  return bridges(t).find((one) => one.name === name) ?? null;
}

export function bridgeNamed(t: Transaction, name: string): BridgeView {
  const found = findBridge(t, name);
  if (found === null) throw new VerbError(`no bridge named ${name}`);
  return found;
}

export function realBridgeNamed(t: Transaction, name: string): BridgeView {
  const found = bridgeNamed(t, name);
  if (found.fake !== null) throw new VerbError(`${name} is a fake bridge`);
  return found;
}

/** The ports of a bridge, with its own: those of a fake one have its VLAN. */
export function portsOf(t: Transaction, bridge: BridgeView): Row[] {
  const ports = t.draft.references(bridge.row, "ports");
  const { fake } = bridge;
  if (fake !== null) return ports.filter((port) => numberOf(port, "tag") === fake.vlan);
  const taken = new Set(childrenOf(t, bridge).map((child) => child.fake!.vlan));
  return ports.filter((port) => !taken.has(numberOf(port, "tag") ?? -1));
}

/** Ports without those that are the bridge's own. */
export function ownPorts(t: Transaction, bridge: BridgeView): Row[] {
  return portsOf(t, bridge).filter((port) => textOf(port, "name") !== bridge.name);
}

export function ownInterfaces(t: Transaction, bridge: BridgeView): Row[] {
  return ownPorts(t, bridge).flatMap((port) => t.draft.references(port, "interfaces"));
}

/** The port of a name and its bridge, also of a bridge's own; null: there is none. */
export function findPort(
  t: Transaction,
  name: string,
): { readonly bridge: BridgeView; readonly port: Row } | null {
  for (const bridge of bridges(t)) {
    const port = portsOf(t, bridge).find((one) => textOf(one, "name") === name);
    if (port !== undefined) return { bridge, port };
  }
  return null;
}

/** A name must be free among bridges, ports and interfaces. */
export function checkFree(t: Transaction, name: string, what: string): void {
  const because = `cannot create ${what} named ${name} because`;
  if (findBridge(t, name) !== null) {
    throw new VerbError(`${because} a bridge named ${name} already exists`);
  }
  const port = findPort(t, name);
  if (port !== null) {
    throw new VerbError(
      `${because} a port named ${name} already exists on bridge ${port.bridge.name}`,
    );
  }
  for (const bridge of bridges(t)) {
    const interfaces = ownInterfaces(t, bridge);
    if (!interfaces.some((one) => textOf(one, "name") === name)) continue;
    throw new VerbError(
      `${because} an interface named ${name} already exists on bridge ${bridge.name}`,
    );
  }
}
