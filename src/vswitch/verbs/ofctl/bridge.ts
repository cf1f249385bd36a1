// The bridge that a command of ovs-ofctl is about. Main thread.
import type { FormatOptions } from "../../../ofctl/print/format-value.js";
import type { PortMap } from "../../../ofctl/text/ports.js";
import { TABLES } from "../../../pipeline/flow-tables.js";
import type { BridgeControl } from "../../control.js";
import type { Call } from "../call.js";
import { has } from "../options.js";
import { openFlowName } from "./port-text.js";

/** The bridge that the first argument names. */
export function bridgeOf(call: Call): BridgeControl {
  const name = call.args[0]!;
  return call.bridge(name, `${name} is not a bridge or a socket`);
}

/** Numbers by name, for text that names ports and tables. */
export function namesOf(call: Call, bridge: BridgeControl): PortMap {
  if (!acceptsNames(call)) return new Map();
  const byName = (names: readonly Named[]): Map<string, number> =>
    new Map(names.map(([number, name]) => [name, number]));
  return Object.assign(byName(portNames(bridge)), { tables: byName(tableNames(bridge)) });
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
    portNames: new Map(portNames(bridge)),
    tableNames: new Map(tableNames(bridge)),
  };
}

type Named = readonly [number: number, name: string];

function portNames(bridge: BridgeControl): Named[] {
  return unique(bridge.ports().map((port) => [port.number, openFlowName(port)]));
}

function tableNames({ limits }: BridgeControl): Named[] {
  const all = Array.from({ length: TABLES }, (_, i): Named => [i, limits.name(i)]);
  return unique(all.filter(([, name]) => name !== ""));
}

/** Names that one has and no other. */
function unique(all: readonly Named[]): Named[] {
  const counts = new Map<string, number>();
  for (const [, name] of all) counts.set(name, (counts.get(name) ?? 0) + 1);
  return all.filter(([, name]) => counts.get(name) === 1);
}
