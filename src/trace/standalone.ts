// A bridge that exists only to be traced: flow tables, groups and ports, without devices, without a
// datapath and without a clock that runs. For `packetpath flow trace` and for tests. Any thread.
import { SteppedClock } from "../base/clock.js";
import type { Flow, Group } from "../flow/types.js";
import { flowVersion } from "../ofctl/format.js";
import { receivedActions } from "../ofctl/print/received.js";
import type { OpenFlowVersion } from "../ofctl/protocols.js";
import { FlowTables, type FlowChange } from "../pipeline/flow-tables.js";
import { MacTable } from "../pipeline/mac-table.js";
import { PortTable, type PortVlan } from "../pipeline/ports.js";
import { setMirrors, type Mirror } from "../pipeline/switching/mirrors.js";
import { Pipeline } from "../pipeline/translate.js";
import type { TraceBridge, TracePort } from "./trace.js";

export interface StandalonePort extends TracePort {
  readonly vlan?: PortVlan;
  /** Bits of PORT_FLAG. */
  readonly flags?: number;
}

export interface StandaloneOptions {
  readonly name: string;
  readonly ports: readonly StandalonePort[];
  /** As parsed; the bridge gets them as they come through OpenFlow. */
  readonly flows: readonly Flow[];
  readonly groups?: readonly Group[];
  readonly mirrors?: readonly Mirror[];
  /** VLANs in which nothing is learned. */
  readonly floodVlans?: readonly number[];
  /** Bits of SWITCH_FLAG. */
  readonly switchFlags?: number;
  /** OpenFlow version by which flows come; default: the first that has words for all of them. */
  readonly version?: OpenFlowVersion;
}

/**
 * Builds the bridge.
 * @throws PacketpathError FLOW_INVALID when a flow sends to a group that is not there.
 */
export function standaloneBridge(options: StandaloneOptions): TraceBridge {
  const { name, ports, flows } = options;
  const clock = new SteppedClock(1_000_000);
  const table = PortTable.create(Math.max(16, ports.length));
  for (const port of ports) {
    table.add(port.number, port.flags ?? 0);
    if (port.vlan !== undefined) table.setVlan(port.number, port.vlan);
  }
  setMirrors(table, options.mirrors ?? []);
  table.setFloodVlans(options.floodVlans ?? []);
  table.setSwitchFlags(options.switchFlags ?? 0);
  const version = options.version ?? versionFor(flows);
  const tables = new FlowTables({ clock });
  const changes: FlowChange[] = [
    ...(options.groups ?? []).map((group): FlowChange => {
      const buckets = group.buckets.map((bucket) => ({
        ...bucket,
        actions: receivedActions(bucket.actions, 15, null),
      }));
      return { type: "set-group", group: { ...group, buckets } };
    }),
    ...flows.map((flow): FlowChange => {
      const actions = receivedActions(flow.actions, version, flow.match);
      return { type: "add", flow: { ...flow, actions } };
    }),
  ];
  tables.apply(changes);
  const pipeline = new Pipeline({ tables, ports: table, macs: MacTable.create(), clock });
  return { name, pipeline, ports: () => ports };
}

/** All flows of a file go by the same version. */
function versionFor(flows: readonly Flow[]): OpenFlowVersion {
  return flows.reduce<OpenFlowVersion>((least, flow) => {
    const own = flowVersion(flow);
    return own > least ? own : least;
  }, 10);
}
