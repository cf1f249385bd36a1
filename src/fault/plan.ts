// What a fault does, as steps: actions of the control thread, deeds of an outsider, or a word to a
// worker. Pure: from a fault and what it needs to know of the topology to its strikes, the way to
// undo it (its lease), and the way to plug in again before the next strike. Main thread.
import type { NamespaceRef } from "../host/types.js";
import type { ControlAction, PortSpec } from "../worker/control/control-commands.js";

/** A fault as the scenario has it; the fields that its kind does not use are null. */
export interface FaultSpec {
  readonly kind: string;
  readonly target: string;
  readonly queueCount: number | null;
  readonly queueIndexes: readonly number[] | null;
  readonly txQueueLen: number | null;
  readonly toNamespace: string | null;
  readonly worker: number | null;
  readonly stallMs: number | null;
  readonly periodMs: number | null;
  readonly count: number | null;
}

/** What a plan needs to know of the topology. */
export interface Topology {
  readonly ports: readonly PortSpec[];
  /** Number of each namespace (1 and up) and its handle. */
  readonly namespaces: ReadonlyMap<string, { readonly number: number; readonly ref: NamespaceRef }>;
}

export type Step =
  | { readonly do: "control"; readonly action: ControlAction }
  /** Somebody else deletes the real device; the switch must notice. */
  | { readonly do: "outsider-delete"; readonly port: string }
  /** Somebody else removes the namespace's name and devices. */
  | { readonly do: "outsider-netns-delete"; readonly namespace: string }
  | { readonly do: "stall"; readonly worker: number; readonly ms: number }
  | { readonly do: "wait"; readonly ms: number };

export interface FaultPlan {
  readonly strike: readonly Step[];
  /** Heals the fault when its lease ends; empty: it cannot be healed but by plugging in again. */
  readonly undo: readonly Step[];
  /** Before the fault can strike again: the ports that it took away. */
  readonly replug: readonly PortSpec[];
  /** Ports whose frames the fault decides about: their numbers, for the effect check. */
  readonly affects: readonly number[];
  /** Whether it unregisters devices, so that "the port is published no more" ends a strike. */
  readonly unregisters: boolean;
}

const control = (action: ControlAction): Step => ({ do: "control", action });

function portOf(topology: Topology, name: string): PortSpec {
  const port = topology.ports.find((candidate) => candidate.name === name);
  if (port === undefined) throw new Error(`no port "${name}"`);
  return port;
}

function namespaceOf(topology: Topology, name: string) {
  const namespace = topology.namespaces.get(name);
  if (namespace === undefined) throw new Error(`no namespace "${name}"`);
  return namespace;
}

function plan(parts: Partial<FaultPlan>): FaultPlan {
  return { strike: [], undo: [], replug: [], affects: [], unregisters: false, ...parts };
}

/** Ports with their far end in a namespace; internal ports come home and stay. */
function portsIn(topology: Topology, namespace: string): PortSpec[] {
  const { number } = namespaceOf(topology, namespace);
  return topology.ports.filter((port) => port.netns === number && port.kind !== "internal");
}

function planOfNamespace(fault: FaultSpec, topology: Topology): FaultPlan {
  const ports = portsIn(topology, fault.target);
  const { number, ref } = namespaceOf(topology, fault.target);
  const strike: Step =
    fault.kind === "netns-delete"
      ? control({ op: "delete-netns", netns: number, ref })
      : { do: "outsider-netns-delete", namespace: fault.target };
  const affects = ports.map((port) => port.number);
  return plan({ strike: [strike], replug: ports, affects, unregisters: true });
}

function planOfDeletion(fault: FaultSpec, port: PortSpec): FaultPlan {
  const strike: Step =
    fault.kind === "outsider-link-delete"
      ? { do: "outsider-delete", port: port.name }
      : control({ op: "delete-links", ports: [port.name] });
  const affects = [port.number];
  if (fault.kind !== "re-plug") {
    return plan({ strike: [strike], replug: [port], affects, unregisters: true });
  }
  const again = control({ op: "plug", port });
  return plan({ strike: [strike, again], affects, unregisters: true });
}

function planOfFlap(fault: FaultSpec, port: PortSpec): FaultPlan {
  const half = (fault.periodMs ?? 100) / 2;
  const strike: Step[] = [];
  for (let i = 0; i < (fault.count ?? 1); i++) {
    strike.push(control({ op: "set-link", port: port.name, up: false }), { do: "wait", ms: half });
    strike.push(control({ op: "set-link", port: port.name, up: true }), { do: "wait", ms: half });
  }
  return plan({ strike, affects: [port.number] });
}

function planOfQueues(fault: FaultSpec, port: PortSpec): FaultPlan {
  const name = port.name;
  const affects = [port.number];
  if (fault.queueCount !== null) {
    const to = (count: number) => control({ op: "set-queues", port: name, count });
    return plan({ strike: [to(fault.queueCount)], undo: [to(port.queues)], affects });
  }
  const attached = fault.kind === "queue-attach";
  const indexes = fault.queueIndexes ?? [];
  const each = (value: boolean) =>
    indexes.map((index) => control({ op: "attach-queue", port: name, index, attached: value }));
  return plan({ strike: each(attached), undo: each(!attached), affects });
}

/** @throws Error when the fault names what is not there; the parser has checked that before. */
export function planFault(fault: FaultSpec, topology: Topology): FaultPlan {
  if (fault.kind === "worker-stall") {
    const step: Step = { do: "stall", worker: fault.worker ?? 0, ms: fault.stallMs ?? 100 };
    return plan({ strike: [step], affects: topology.ports.map((port) => port.number) });
  }
  if (fault.kind === "netns-delete" || fault.kind === "outsider-netns-delete") {
    return planOfNamespace(fault, topology);
  }
  const port = portOf(topology, fault.target);
  const name = port.name;
  const affects = [port.number];
  switch (fault.kind) {
    case "link-delete":
    case "outsider-link-delete":
    case "re-plug":
      return planOfDeletion(fault, port);
    case "link-down":
    case "link-up": {
      const to = (up: boolean) => control({ op: "set-link", port: name, up });
      const up = fault.kind === "link-up";
      return plan({ strike: [to(up)], undo: [to(!up)], affects });
    }
    case "carrier-off":
    case "carrier-on": {
      const to = (on: boolean) => control({ op: "set-carrier", port: name, on });
      const on = fault.kind === "carrier-on";
      return plan({ strike: [to(on)], undo: [to(!on)], affects });
    }
    case "flap":
      return planOfFlap(fault, port);
    case "del-port": {
      const undo = [control({ op: "add-port", port: name })];
      return plan({ strike: [control({ op: "del-port", port: name })], undo, affects });
    }
    case "netns-move": {
      const { number, ref } = namespaceOf(topology, fault.toNamespace ?? "");
      const strike = [control({ op: "move-netns", port: name, netns: number, ref })];
      return plan({ strike, affects, unregisters: true });
    }
    case "txqueuelen": {
      const to = (frames: number) => control({ op: "set-txqueuelen", port: name, frames });
      return plan({ strike: [to(fault.txQueueLen ?? 1)], undo: [to(port.txQueueLen)], affects });
    }
    default:
      return planOfQueues(fault, port);
  }
}
