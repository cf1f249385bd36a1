// Which cell of the matrix a scenario is: the device that its first unregistering fault takes away,
// and the packets that its other ports can send there. Pure; any thread.
import { PacketpathError } from "../../base/errors.js";
import { vethIngressMapping, tunIngressMapping } from "../../path/core/skb.js";
import { findProfile } from "../../path/profiles.js";
import {
  type FaultKind,
  KINDS_IN_NAMESPACE,
  NAMESPACE_TARGETS,
  type PortKind,
  type Scenario,
  type ScenarioFault,
  type ScenarioPort,
} from "../../scenario/types.js";

export interface ScenarioCell {
  readonly kind: PortKind;
  readonly profile: string;
  readonly event: string;
  /** Whether some packets have a recorded queue. */
  readonly hint: boolean;
  /** What `queue_mapping` packets can have, each once, ascending. */
  readonly sorts: readonly number[];
  readonly cpus: number;
  readonly queues: number;
  /** The port whose device goes. */
  readonly port: string;
}

/** What a fault does to the device of the port that packets are sent to. */
const EVENT_OF: Readonly<Partial<Record<FaultKind, string>>> = {
  "link-delete": "link-delete",
  "outsider-link-delete": "link-delete",
  "re-plug": "link-delete",
  "netns-delete": "netns-delete",
  "outsider-netns-delete": "netns-delete",
  "del-port": "del-port",
  "netns-move": "netns-move",
  "queue-shrink": "shrink",
};

/** Packets of more CPUs or queues than these go the same ways. */
const CPUS_MAX = 8;
const QUEUES_MAX = 16;

/** @throws PacketpathError USAGE when no fault of the scenario is explored. */
export function scenarioCell(scenario: Scenario): ScenarioCell {
  const { faults, file, profile, workers } = scenario;
  const fault = faults.find((one) => EVENT_OF[one.kind] !== undefined);
  if (fault === undefined) {
    const kinds = faults.map((one) => one.kind).join(", ") || "none at all";
    throw new PacketpathError("USAGE", `no fault that takes a device or queues away: ${kinds}`, {
      place: { file },
      fix: `Explored are ${Object.keys(EVENT_OF).join(", ")}.`,
    });
  }
  const port = targetOf(scenario, fault);
  const sorts = sortsOf(scenario, port);
  return {
    kind: port.kind,
    profile,
    event: EVENT_OF[fault.kind]!,
    hint: sorts.some((one) => one > 0),
    sorts,
    cpus: Math.min(workers, CPUS_MAX),
    queues: Math.min(port.queues, QUEUES_MAX),
    port: port.name,
  };
}

/** Of a namespace, the port that load is sent to; the first one if there is none. */
function targetOf({ ports, load }: Scenario, { kind, target }: ScenarioFault): ScenarioPort {
  if (!NAMESPACE_TARGETS.includes(kind)) return ports.find((port) => port.name === target)!;
  const inside = ports.filter((port) => port.namespace === target);
  const sent = [...load.flood, ...(load.http === null ? [] : [load.http]), ...load.ping];
  const isSentTo = ({ addresses }: ScenarioPort) =>
    sent.some(({ toAddress }) => addresses.some((one) => one.split("/")[0] === toAddress));
  return inside.find(isSentTo) ?? inside[0]!;
}

/** From each port but the one that is sent to, on each of its queues. */
function sortsOf({ ports, profile }: Scenario, target: ScenarioPort): number[] {
  const known = findProfile(profile)!;
  const mappingOf = (kind: PortKind, queue: number) => {
    if (kind === "tun") return tunIngressMapping(queue);
    return kind === "veth" ? vethIngressMapping(known, queue, false) : 0;
  };
  const senders = ports.filter((one) => {
    return one.name !== target.name && KINDS_IN_NAMESPACE.includes(one.kind);
  });
  const all = senders.flatMap(({ kind, queues }) =>
    Array.from({ length: queues }, (_one, queue) => mappingOf(kind, queue)),
  );
  // A switch without another port that sends: both sorts, as in the matrix.
  const sorts = all.length === 0 ? [0, 1, 3] : all;
  return [...new Set(sorts)].sort((x, y) => x - y);
}
