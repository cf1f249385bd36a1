// The switch of a scenario: from names to port numbers, and from there to the tables in shared
// memory that the workers read. Main thread.
import { MacTable } from "../../pipeline/mac-table.js";
import {
  PORT_FLAG,
  PortTable,
  SWITCH_FLAG,
  TRUNK_OF_ALL,
  type PortVlan,
} from "../../pipeline/ports.js";
import { setMirrors, type Mirror } from "../../pipeline/switching/mirrors.js";
import type { ScenarioText } from "../schema.js";
import type { Scenario, ScenarioBridge } from "../types.js";
import type { PORT_SETTINGS } from "./schema.js";

type PortText = ScenarioText["ports"][number];

const SETTING_FLAGS: Readonly<Record<(typeof PORT_SETTINGS)[number], number>> = {
  "no-flood": PORT_FLAG.noFlood,
  "no-forward": PORT_FLAG.noForward,
  "no-receive": PORT_FLAG.noReceive,
  protected: PORT_FLAG.protected,
};

/** Bits of PORT_FLAG. */
export function portFlags(port: PortText): number {
  return port.settings.reduce((flags, name) => flags | SETTING_FLAGS[name], 0);
}

export function resolveVlan({ vlan }: PortText): PortVlan {
  if (vlan === undefined) return TRUNK_OF_ALL;
  const { mode, tag, trunks, priorityTags } = vlan;
  return {
    mode: mode ?? (tag === undefined ? "trunk" : "access"),
    tag: tag ?? 0,
    trunks: trunks ?? null,
    priorityTags,
  };
}

/** @param numbers port numbers by name. */
export function resolveBridge(
  text: ScenarioText,
  numbers: ReadonlyMap<string, number>,
): ScenarioBridge {
  const numberOf = (name: string): number => numbers.get(name)!;
  const { mirrors, ...rest } = text.bridge;
  const resolved = mirrors.map((mirror): Mirror => {
    const { name, selectAll, vlans, outputPort } = mirror;
    return {
      name,
      selectAll,
      sources: mirror.sources.map(numberOf),
      destinations: mirror.destinations.map(numberOf),
      vlans,
      outputPort: outputPort === undefined ? null : numberOf(outputPort),
      outputVlan: mirror.outputVlan ?? null,
      snapLength: mirror.snapLength ?? 0,
    };
  });
  return { ...rest, mirrors: resolved };
}

/** Settings of all ports and of the switch; the ports are added as they are plugged in. */
export function configuredPorts(scenario: Scenario, capacity: number): PortTable {
  const table = PortTable.create(capacity);
  for (const { number, vlan, flags } of scenario.ports) {
    if (vlan !== TRUNK_OF_ALL) table.setVlan(number, vlan);
    if (flags !== 0) table.presetFlags(number, flags);
  }
  const { forwardBpdu, floodVlans, mirrors } = scenario.bridge;
  table.setSwitchFlags(forwardBpdu ? SWITCH_FLAG.forwardBpdu : 0);
  table.setFloodVlans(floodVlans);
  setMirrors(table, mirrors);
  return table;
}

export function macTableOf({ bridge }: Scenario): MacTable {
  return MacTable.create(bridge.macTableSize, bridge.macAgingSeconds);
}
