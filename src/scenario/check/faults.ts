// What must hold of faults: a target that exists and can suffer the fault, exactly one trigger that
// can fire, and the fields that this kind needs, no others. Pure; any thread.
import type { ScenarioText } from "../schema.js";
import { didYouMean } from "../text/did-you-mean.js";
import type { Path, Problems } from "../text/problems.js";
import { type FaultKind, KINDS_IN_NAMESPACE, NAMESPACE_TARGETS, TRIGGERS } from "../types.js";
import { checkNamespaceName } from "./ports.js";

type Text = Pick<ScenarioText, "namespaces" | "ports" | "defaults" | "load" | "faults" | "workers">;
type FaultText = Text["faults"][number];
type FieldName =
  "queues" | "txQueueLen" | "toNamespace" | "worker" | "stallMs" | "periodMs" | "count";

/** Kinds that a lease can undo. */
const LEASABLE: readonly FaultKind[] = [
  "link-down",
  "carrier-off",
  "queue-shrink",
  "queue-detach",
  "txqueuelen",
];

/** Kinds that act on a real device, which only ports with a peer have. */
const NEEDS_DEVICE: readonly FaultKind[] = [
  "outsider-link-delete",
  "queue-detach",
  "queue-attach",
  "netns-move",
];

/** Fields beyond the common ones: what a kind must have, and what it may have. */
const FIELDS: Readonly<Partial<Record<FaultKind, { must: FieldName[]; may: FieldName[] }>>> = {
  flap: { must: [], may: ["periodMs", "count"] },
  "queue-shrink": { must: ["queues"], may: [] },
  "queue-grow": { must: ["queues"], may: [] },
  "queue-detach": { must: ["queues"], may: [] },
  "queue-attach": { must: ["queues"], may: [] },
  "netns-move": { must: ["toNamespace"], may: [] },
  "worker-stall": { must: ["worker", "stallMs"], may: [] },
  txqueuelen: { must: ["txQueueLen"], may: [] },
};
const ALL_FIELDS: readonly FieldName[] = [
  "queues",
  "txQueueLen",
  "toNamespace",
  "worker",
  "stallMs",
  "periodMs",
  "count",
];

export function checkFaults(text: Text, problems: Problems): void {
  text.faults.forEach((fault, index) => {
    const path = ["faults", index];
    checkTarget(fault, path, text, problems);
    checkTrigger(fault, path, text, problems);
    checkFields(fault, path, problems);
    if (fault.queues !== undefined) checkQueues(fault, path, text, problems);
    if (fault.toNamespace !== undefined) checkMove(fault, path, text, problems);
    if (fault.worker !== undefined && fault.worker >= workersOf(text)) {
      const range = `workers are 0 to ${workersOf(text) - 1}`;
      problems.add([...path, "worker"], `no worker ${fault.worker}; ${range}`);
    }
  });
}

/** Worker threads of a run: as written, or the most queues of any port. */
export function workersOf(text: Pick<Text, "workers" | "ports" | "defaults">): number {
  const most = Math.max(...text.ports.map((port) => port.queues ?? text.defaults.queues));
  return text.workers ?? Math.min(most, 128);
}

function portOf(fault: FaultText, text: Text) {
  return text.ports.find((port) => port.name === fault.target);
}

/** A device keeps its name when it moves, so the name must be free where it goes. */
function checkMove(fault: FaultText, path: Path, text: Text, problems: Problems): void {
  const at = [...path, "toNamespace"];
  const to = fault.toNamespace!;
  const port = portOf(fault, text);
  if (!checkNamespaceName(to, text.namespaces, at, problems) || port === undefined) return;
  if (port.namespace === to) return problems.add(at, `"${port.name}" is in "${to}" already`);
  const comes = (name: string) =>
    text.faults.some((other) => other.target === name && other.toNamespace === to);
  const holder = text.ports.find(
    (other) =>
      other !== port &&
      other.device === port.device &&
      (other.namespace === to || comes(other.name)),
  );
  if (holder === undefined) return;
  const has = `"${to}" has or gets a device "${port.device}" already`;
  const fix = 'give one of the two another "device"';
  problems.add(at, `${has}, that of port "${holder.name}"; ${fix}`);
}

function checkTarget(fault: FaultText, path: Path, text: Text, problems: Problems): void {
  if (fault.kind === "worker-stall") {
    if (fault.target !== undefined) {
      problems.add([...path, "target"], 'worker-stall has no target; "worker" says which one');
    }
    return;
  }
  const isNamespace = NAMESPACE_TARGETS.includes(fault.kind);
  if (fault.target === undefined) {
    const what = isNamespace ? "the name of a namespace" : "the name of a port";
    problems.add(path, `${fault.kind} needs "target", ${what}`);
    return;
  }
  const at = [...path, "target"];
  if (isNamespace) {
    if (!checkNamespaceName(fault.target, text.namespaces, at, problems)) return;
    if (!text.ports.some((port) => port.namespace === fault.target)) {
      problems.add(at, `no port has its peer in namespace "${fault.target}"`);
    }
    return;
  }
  const port = portOf(fault, text);
  if (port === undefined) {
    const names = text.ports.map((one) => one.name);
    const hint = didYouMean(fault.target, names) || `; the ports are ${names.join(", ")}`;
    const other = text.namespaces.includes(fault.target) ? ", though a namespace is called so" : "";
    problems.add(at, `no port "${fault.target}"${other}${hint}`);
  } else if (NEEDS_DEVICE.includes(fault.kind) && !KINDS_IN_NAMESPACE.includes(port.kind)) {
    problems.add(at, `${fault.kind} needs a real device, which a ${port.kind} port does not have`);
  }
}

function checkTrigger(fault: FaultText, path: Path, text: Text, problems: Problems): void {
  const given = TRIGGERS.filter((name) => fault.at[name] !== undefined);
  const at = [...path, "at"];
  if (given.length !== 1) {
    const found = given.length === 0 ? "none" : given.join(" and ");
    problems.add(at, `expected exactly one of ${TRIGGERS.join(", ")}; found ${found}`);
    return;
  }
  const name = given[0]!;
  if (name === "framesSeen" || name === "afterMs") return;
  const { http } = text.load;
  if (http === undefined) {
    problems.add([...at, name], "can never fire: the scenario has no load.http");
    return;
  }
  const most =
    name === "inFlight" && http.concurrency > 0
      ? Math.min(http.concurrency, http.requests)
      : http.requests;
  const asked = fault.at[name]!;
  if (asked > most) problems.add([...at, name], `${asked} can never be reached; at most ${most}`);
}

function checkFields(fault: FaultText, path: Path, problems: Problems): void {
  const fields = FIELDS[fault.kind] ?? { must: [], may: [] };
  for (const name of fields.must) {
    if (fault[name] === undefined) problems.add(path, `${fault.kind} needs "${name}"`);
  }
  for (const name of ALL_FIELDS) {
    if (fault[name] === undefined) continue;
    if (fields.must.includes(name) || fields.may.includes(name)) continue;
    problems.add(path, `${fault.kind} does not take "${name}"`, { key: name });
  }
  if (fault.leaseMs !== undefined && !LEASABLE.includes(fault.kind)) {
    const takes = `only ${LEASABLE.join(", ")} can be undone`;
    problems.add(path, `${fault.kind} does not take a lease: ${takes}`, { key: "leaseMs" });
  }
}

function checkQueues(fault: FaultText, path: Path, text: Text, problems: Problems): void {
  const at = [...path, "queues"];
  const port = portOf(fault, text);
  if (port === undefined) return;
  const has = port.queues ?? text.defaults.queues;
  const { queues } = fault;
  if (fault.kind === "queue-detach" || fault.kind === "queue-attach") {
    if (!Array.isArray(queues)) {
      problems.add(at, `expected a list of queue indexes such as [0, 1], not ${queues}`);
      return;
    }
    queues.forEach((queue, index) => {
      if (queue < has) return;
      problems.add([...at, index], `no queue ${queue}; "${port.name}" has 0 to ${has - 1}`);
    });
  } else if (Array.isArray(queues)) {
    problems.add(at, "expected the new number of queues, not a list");
  } else if (fault.kind === "queue-shrink" && queues !== undefined && queues >= has) {
    problems.add(at, `${queues} is no shrinking: "${port.name}" has ${has} queues`);
  } else if (fault.kind === "queue-grow" && queues !== undefined && queues > has) {
    problems.add(at, `"${port.name}" was created with ${has} queues and cannot grow beyond them`);
  }
}
