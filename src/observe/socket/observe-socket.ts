// `packetpath observe socket`: the rules of `src/models/socket`, row by row, against the running
// kernel. Each row is a call of socket(2) in a namespace of its own, made by a child that has taken
// something from itself before. Main thread, root.
import { errnoName } from "../../base/errno.js";
import { PacketpathError } from "../../base/errors.js";
import type { SocketFacts, StepName } from "../../models/socket/steps.js";
import { predictSocket } from "../../models/socket/rules.js";
import { askWithoutMemory } from "../../host/namespaces/memory-rollback.js";
import { deniedCgroup } from "../../host/probe/cgroup-deny.js";
import { readSocketFacts, type SocketHostFacts } from "../../host/probe/socket-facts.js";
import { askForSockets, type Call, type SocketAnswers } from "../../host/probe/socket-probe.js";
import { cgroupCondition, type Condition, memoryCondition, plainConditions } from "./rows.js";

export interface SocketRow {
  readonly condition: string;
  readonly call: Call;
  /** The step that is to fail; null where the host's facts do not say what will come. */
  readonly step: StepName | null;
  /** Names of errnos; "ok" for a socket. */
  readonly predicted: string | null;
  readonly answered: string;
}

export interface ConditionResult {
  readonly name: string;
  readonly what: string;
  readonly rows: readonly SocketRow[];
  /** Sockets and descriptors that are there at the end and were not before. */
  readonly left: { readonly sockets: number; readonly descriptors: number };
}

export interface SocketObservation {
  readonly facts: SocketHostFacts;
  readonly conditions: readonly ConditionResult[];
  readonly skipped: readonly { readonly name: string; readonly why: string }[];
}

/** @throws PacketpathError ENVIRONMENT without root, or when a child cannot be started. */
export async function observeSocket(signal: AbortSignal): Promise<SocketObservation> {
  if (process.geteuid?.() !== 0) {
    throw new PacketpathError("ENVIRONMENT", "observe socket needs root: it makes namespaces", {
      fix: "Use sudo.",
    });
  }
  const facts = readSocketFacts();
  const conditions: ConditionResult[] = [];
  const skipped = [...NOT_ASKED, lsmSkip(facts)];
  for (const condition of plainConditions()) {
    if (signal.aborted) break;
    conditions.push(compare(condition, facts, await askForSockets(condition)));
  }
  for (const more of [askDenied, askShort]) {
    if (signal.aborted) break;
    const result = await more(facts);
    if ("why" in result) skipped.push(result);
    else conditions.push(result);
  }
  return { facts, conditions, skipped };
}

type Outcome = ConditionResult | { readonly name: string; readonly why: string };

async function askDenied(facts: SocketHostFacts): Promise<Outcome> {
  const condition = cgroupCondition();
  const group = deniedCgroup();
  if (typeof group === "string") return { name: condition.name, why: group };
  try {
    return compare(condition, facts, await askForSockets(condition, (pid) => group.enter(pid)));
  } finally {
    await group.remove();
  }
}

async function askShort(facts: SocketHostFacts): Promise<Outcome> {
  const condition = memoryCondition();
  const errnos = await askWithoutMemory(condition.calls);
  if (typeof errnos === "string") return { name: condition.name, why: errnos };
  // Asked by a thread of this process, so its sockets are not counted apart: none may be made.
  const before = { sockets: 0, descriptors: 0 };
  const after = { sockets: errnos.filter((one) => one === 0).length, descriptors: 0 };
  return compare(condition, facts, { errnos, before, after });
}

/** Steps that are not asked for, and why. */
const NOT_ASKED = [
  { name: "sk (ENOMEM), file (ENFILE)", why: "memory that lasts to the inode lasts to them" },
  { name: "owner (EAFNOSUPPORT)", why: "no module is unloaded on this host" },
];

function lsmSkip({ securityModules }: SocketHostFacts) {
  const name = "security_socket_create (EACCES)";
  if (securityModules === null) {
    return { name, why: "/sys/kernel/security/lsm cannot be read: no security module is known" };
  }
  const active = securityModules.join(", ");
  return { name, why: `active: ${active}; no policy of this host is changed` };
}

function compare(condition: Condition, facts: SocketHostFacts, answers: SocketAnswers) {
  const decided = factsOf(condition, facts);
  const rows = condition.calls.map((call, i): SocketRow => {
    const [family, type, protocol] = call;
    const said = predictSocket({ family, type, protocol }, decided);
    return {
      condition: condition.name,
      call,
      step: said?.step ?? null,
      predicted: said === null ? null : nameOf(said.errno),
      answered: nameOf(answers.errnos[i] ?? -1),
    };
  });
  const { before, after } = answers;
  const left = {
    sockets: after.sockets - before.sockets,
    descriptors: after.descriptors - before.descriptors,
  };
  return { name: condition.name, what: condition.what, rows, left };
}

function nameOf(errno: number): string {
  return errno === 0 ? "ok" : errnoName(errno);
}

/** What the rules are to know: the host, and what the condition takes away. */
function factsOf(
  { restriction, cgroupDenies, lacksMemory }: Condition,
  facts: SocketHostFacts,
): SocketFacts {
  const aliases = new Set(facts.moduleAliases);
  const [first, last] = facts.pingGroups;
  return {
    protocols: new Set(facts.protocols),
    netlink: new Set(facts.netlink),
    loads: (alias) => aliases.has(alias),
    mayRaw: restriction.withoutRaw !== true,
    // The group of root.
    mayPing: first <= 0 && last >= 0,
    mptcp: facts.mptcp,
    hasVsockDatagrams: facts.hasVmci,
    descriptorsLeft: { zero: 0, none: 0, one: 1, all: 1 }[restriction.descriptors ?? "all"],
    seccomp: restriction.refusal ?? null,
    cgroupDenies,
    lacksMemory,
  };
}

/** Rows that can be compared, and those of them that differ. */
export function differing(rows: readonly SocketRow[]): SocketRow[] {
  return rows.filter((row) => row.predicted !== null && row.predicted !== row.answered);
}

/** Whether every row is as predicted, and nothing was left behind. */
export function socketAsExpected({ conditions }: SocketObservation): boolean {
  return conditions.every(({ rows, left }) => {
    return differing(rows).length === 0 && left.sockets === 0 && left.descriptors === 0;
  });
}
