// A bridge made from a trace case: what `ovs-vsctl` and `ovs-ofctl` would make of its texts, built
// directly, without a switch around it. Ports p1 to p5 and LOCAL, which the datapath calls 100.
import { SteppedClock } from "../../src/base/clock.js";
import type { Flow, Group } from "../../src/flow/types.js";
import { receivedActions } from "../../src/ofctl/print/received.js";
import { parseFlow } from "../../src/ofctl/parse.js";
import { FlowTables, type FlowChange } from "../../src/pipeline/flow-tables.js";
import { MacTable } from "../../src/pipeline/mac-table.js";
import { setMirrors, type Mirror } from "../../src/pipeline/switching/mirrors.js";
import {
  PORT_FLAG,
  PortTable,
  SWITCH_FLAG,
  VLAN_MODES,
  type PriorityTags,
  type VlanMode,
} from "../../src/pipeline/ports.js";
import { Pipeline } from "../../src/pipeline/translate.js";
import type { TraceBridge } from "../../src/trace/trace.js";
import type { MirrorCase, TraceCase } from "./case.js";

const LOCAL = 65534;
const PORTS = [1, 2, 3, 4, 5];
const numberOf = (name: string): number => Number(name.slice(1));

export interface OurBridge extends TraceBridge {
  readonly macs: MacTable;
  readonly clock: SteppedClock;
}

export function ourBridge(one: TraceCase): OurBridge {
  const clock = new SteppedClock(1_000_000);
  const ports = PortTable.create();
  for (const port of [...PORTS, LOCAL]) ports.add(port);
  for (const [name, columns] of Object.entries(one.ports ?? {})) {
    setColumns(ports, numberOf(name), columns);
  }
  for (const [name, change] of one.modPort ?? []) {
    const flags = { "no-flood": 1, "no-forward": 2, "no-receive": 4 } as const;
    ports.setFlags(numberOf(name), flags[change as keyof typeof flags]);
  }
  if (one.bridge?.includes("other-config:forward-bpdu=true") === true) {
    ports.setSwitchFlags(SWITCH_FLAG.forwardBpdu);
  }
  if (one.bridge?.includes("flood_vlans=5") === true) ports.setFloodVlans([5]);
  setMirrors(ports, (one.mirrors ?? []).map(mirrorOf));
  const tables = new FlowTables({ clock });
  const version = one.version ?? 10;
  const changes: FlowChange[] = [];
  for (const text of one.groups ?? []) changes.push({ type: "set-group", group: groupOf(text) });
  for (const text of one.flows) changes.push({ type: "add", flow: flowOf(text, version) });
  tables.apply(changes);
  const macs = MacTable.create();
  const pipeline = new Pipeline({ tables, ports, macs, clock });
  const views = [...PORTS, LOCAL].map((number) => ({
    number,
    name: number === LOCAL ? "br0" : `p${number}`,
    datapathNumber: number === LOCAL ? 100 : number,
  }));
  return { name: "br0", pipeline, ports: () => views, macs, clock };
}

function setColumns(ports: PortTable, number: number, columns: readonly string[]): void {
  const map = new Map(columns.map((column) => column.split("=") as [string, string]));
  const list = (text: string | undefined): number[] | null => text?.split(",").map(Number) ?? null;
  const tag = map.get("tag");
  const mode = map.get("vlan_mode") ?? (tag === undefined ? "trunk" : "access");
  if (!VLAN_MODES.includes(mode as VlanMode)) throw new Error(`vlan_mode ${mode}`);
  const priority = map.get("other-config:priority-tags") ?? "never";
  ports.setVlan(number, {
    mode: mode as VlanMode,
    tag: Number(tag ?? 0),
    trunks: list(map.get("trunks") ?? map.get("cvlans")),
    priorityTags: (priority === "true" ? "if-nonzero" : priority) as PriorityTags,
  });
  if (map.get("protected") === "true") ports.setFlags(number, PORT_FLAG.protected);
}

function mirrorOf(one: MirrorCase): Mirror {
  return {
    name: one.name,
    selectAll: one.selectAll ?? false,
    sources: (one.sources ?? []).map(numberOf),
    destinations: (one.destinations ?? []).map(numberOf),
    vlans: one.vlans ?? [],
    outputPort: one.outputPort === undefined ? null : numberOf(one.outputPort),
    outputVlan: one.outputVlan ?? null,
    snapLength: one.snapLength ?? 0,
  };
}

/** A flow as the switch has it after it was sent with this version of OpenFlow. */
function flowOf(text: string, version: 10 | 15): Flow {
  const flow = parseFlow(text);
  return { ...flow, actions: receivedActions(flow.actions, version, flow.match) };
}

/** Reads the groups of the cases. */
function groupOf(text: string): Group {
  const [head = "", ...buckets] = text.split(/,bucket=/);
  const fields = new Map(head.split(",").map((part) => part.split("=") as [string, string]));
  return {
    id: Number(fields.get("group_id")),
    type: fields.get("type") as Group["type"],
    selectionMethod: "",
    selectionParam: 0n,
    fields: [],
    buckets: buckets.map((bucket, id) => {
      const watch = /^watch_port:(\d+),/.exec(bucket);
      const list = bucket.slice(watch === null ? 0 : watch[0].length);
      return {
        id,
        weight: 0,
        watchPort: watch === null ? null : Number(watch[1]),
        watchGroup: null,
        actions: receivedActions(parseFlow(`actions=${list}`).actions, 15, null),
      };
    }),
  };
}
