// The bridge that a command of ovs-ofctl is about. Main thread.
import type { FormatOptions } from "../../../ofctl/print/format-value.js";
import type { PortMap } from "../../../ofctl/text/ports.js";
import { TABLES } from "../../../pipeline/flow-tables.js";
import type { BridgeControl } from "../../control.js";
import type { Call } from "../call.js";
import { has } from "../options.js";

/** The bridge that the first argument names. */
export function bridgeOf(call: Call): BridgeControl {
  const name = call.args[0]!;
  return call.bridge(name, `${name} is not a bridge or a socket`);
}

/** Numbers by name, for text that names ports and tables. */
export function namesOf(call: Call, bridge: BridgeControl): PortMap {
  if (!acceptsNames(call)) return new Map();
  const ports = bridge.ports().map((port): [string, number] => [port.name, port.number]);
  const tables = new Map(tableNames(bridge).map(([table, name]) => [name, table]));
  return Object.assign(new Map(ports), { tables });
}

export function acceptsNames(call: Call): boolean {
  return !has(call.options, "no-names");
}

/** Names are printed when asked for, and on a terminal. */
export function usesNames(call: Call): boolean {
  return acceptsNames(call) && (has(call.options, "names") || call.request.terminal);
}

/** Names by number, if they are to be printed. */
export function namesShown(call: Call, bridge: BridgeControl): FormatOptions {
  if (!usesNames(call)) return {};
  return {
    portNames: new Map(bridge.ports().map((port) => [port.number, port.name])),
    tableNames: new Map(tableNames(bridge)),
  };
}

/** Names that one table has and no other. */
function tableNames({ limits }: BridgeControl): [table: number, name: string][] {
  const all = Array.from({ length: TABLES }, (_, i): [number, string] => [i, limits.name(i)]);
  const named = all.filter(([, name]) => name !== "");
  return named.filter(([, name]) => named.filter((other) => other[1] === name).length === 1);
}
