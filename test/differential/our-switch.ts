// Our pipeline with the ports of the private Open vSwitch, and flows as texts.
import { SteppedClock } from "../../src/base/clock.js";
import type { Megaflow } from "../../src/flow/odp.js";
import type { Bucket, Flow, Group } from "../../src/flow/types.js";
import { parseFlow } from "../../src/ofctl/parse.js";
import { receivedActions } from "../../src/ofctl/print/received.js";
import { FlowTables, type FlowChange } from "../../src/pipeline/flow-tables.js";
import { MacTable } from "../../src/pipeline/mac-table.js";
import { PortTable } from "../../src/pipeline/ports.js";
import { Pipeline } from "../../src/pipeline/translate.js";
import { formatTrace } from "../../src/trace/print.js";
import { trace, type TracePort } from "../../src/trace/trace.js";
import type { Case } from "./compare.js";
import { splitActions } from "./effects.js";
import { BRIDGE, LOCAL_DATAPATH_NUMBER, PORTS } from "./ovs.js";

const LOCAL = 65534;

const TRACE_PORTS: readonly TracePort[] = [
  ...Array.from({ length: PORTS }, (_, i) => ({
    ...{ name: `p${i + 1}`, number: i + 1, datapathNumber: i + 1 },
  })),
  { name: BRIDGE, number: LOCAL, datapathNumber: LOCAL_DATAPATH_NUMBER },
];

export class OurSwitch {
  private readonly pipeline: Pipeline;

  /** @throws PacketpathError when a flow or group is refused. */
  constructor({ version, flows, groups }: Pick<Case, "version" | "flows" | "groups">) {
    const clock = new SteppedClock();
    const ports = PortTable.create();
    for (let port = 1; port <= PORTS; port++) ports.add(port);
    ports.add(LOCAL);
    const tables = new FlowTables({ clock });
    const changes: FlowChange[] = [];
    for (const text of groups) changes.push({ type: "set-group", group: groupOf(text, version) });
    for (const text of flows) changes.push({ type: "add", flow: flowOf(text, version) });
    tables.apply(changes);
    this.pipeline = new Pipeline({ tables, ports, macs: MacTable.create(), clock });
  }

  /** What `ofproto/trace` would print. */
  trace(key: Uint32Array): string {
    return formatTrace(
      trace({ name: BRIDGE, pipeline: this.pipeline, ports: () => TRACE_PORTS }, key),
    );
  }

  translate(key: Uint32Array): Megaflow {
    return this.pipeline.translate(key, { sideEffects: false });
  }
}

/** A flow as the switch has it after it was sent with this version of OpenFlow. */
function flowOf(text: string, version: 10 | 15): Flow {
  const flow = parseFlow(text);
  return { ...flow, actions: receivedActions(flow.actions, version, flow.match) };
}

/** Reads the groups that flows.ts writes, and no others. */
function groupOf(text: string, version: 10 | 15): Group {
  const [head, ...tails] = text.split(/,?bucket=/);
  const values = new Map(splitActions(head!).map((part) => part.split("=") as [string, string]));
  return {
    id: Number(values.get("group_id")),
    type: values.get("type") as Group["type"],
    buckets: tails.map((tail, id) => bucketOf(tail, id, version)),
    selectionMethod: "",
    selectionParam: 0n,
    fields: [],
  };
}

function bucketOf(text: string, id: number, version: 10 | 15): Bucket {
  const watch = /watch_port:(\d+),/.exec(text);
  const { actions } = parseFlow(text.slice(text.indexOf("actions=")));
  return {
    id,
    weight: 1,
    watchPort: watch === null ? null : Number(watch[1]),
    watchGroup: null,
    actions: receivedActions(actions, version, null),
  };
}
