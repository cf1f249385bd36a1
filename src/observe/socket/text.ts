// The table of `packetpath observe socket` as text and as JSON. Pure; any thread.
import { STEPS } from "../../models/socket/steps.js";
import {
  type ConditionResult,
  differing,
  socketAsExpected,
  type SocketObservation,
  type SocketRow,
} from "./observe-socket.js";

/** Facts, one line per condition, all rows that differ; with `all`, every row. */
export function socketText(observation: SocketObservation, all: boolean): string {
  const { conditions, skipped } = observation;
  const rows = conditions.flatMap((one) => one.rows);
  const equal = socketAsExpected(observation);
  const asked = rows.filter((row) => row.predicted !== null).length;
  const lines = [
    ...factLines(observation),
    "",
    ...conditions.flatMap((one) => conditionLines(one, all)),
    "",
    "steps that answered, by their number in the kernel's path:",
    ...stepLines(rows),
    "",
    ...skipped.map(({ name, why }) => `not asked: ${name}: ${why}`),
    "",
    `${asked} rows asked, ${differing(rows).length} differ from the rules: ` +
      (equal ? "as predicted" : "NOT as predicted"),
  ];
  return `${lines.join("\n")}\n`;
}

function factLines({ facts }: SocketObservation): string[] {
  const { kernel, protocols, netlink, moduleAliases, pingGroups, mptcp, hasVmci } = facts;
  const [first, last] = pingGroups;
  const modules = moduleAliases.length;
  return [
    `kernel ${kernel}, facts read before anything is asked:`,
    `  /proc/net/protocols: ${[...protocols].sort().join(" ")}`,
    `  netlink protocols of the kernel: ${netlink.join(" ")}`,
    `  modules for families that are not there: ${modules === 0 ? "none can be loaded" : modules}`,
    `  ping_group_range ${first} ${last}, net.mptcp.enabled ${mptcp ? 1 : 0}, ` +
      `vsock datagrams (VMCI) ${hasVmci ? "yes" : "no"}`,
  ];
}

function conditionLines({ name, what, rows, left }: ConditionResult, all: boolean): string[] {
  const open = rows.filter((row) => row.predicted === null).length;
  const differ = differing(rows);
  const unsaid = open === 0 ? "" : `, ${open} without a rule`;
  const lost = left.sockets + left.descriptors;
  const remains =
    lost === 0
      ? "nothing left"
      : `${left.sockets} sockets and ${left.descriptors} descriptors are LEFT`;
  return [
    `${name.padEnd(22)}${String(rows.length).padStart(5)} rows, ` +
      `${differ.length} differ${unsaid}, ${remains}  (${what})`,
    ...(all ? rows : differ).map(rowLine),
  ];
}

function rowLine({ call, step, predicted, answered }: SocketRow): string {
  const mark = predicted === null ? "?" : predicted === answered ? "=" : "!";
  const words = `socket(${call.join(", ")})`.padEnd(28);
  const columns = [predicted ?? "no rule", answered].map((one) => one.padEnd(16));
  return `  ${mark} ${words} ${columns.join(" ")} ${step ?? ""}`;
}

function stepLines(rows: readonly SocketRow[]): string[] {
  return Object.entries(STEPS).flatMap(([step, { number }]) => {
    const own = rows.filter((row) => row.step === step);
    if (own.length === 0) return [];
    const names = [...new Set(own.map((row) => row.answered))].join(" ");
    return [`  ${String(number).padStart(2)} ${step.padEnd(12)} ${names} (${own.length})`];
  });
}

/** The object of --json; every row is in it. */
export function socketJson(observation: SocketObservation): object {
  const { facts, conditions, skipped } = observation;
  const rows = conditions.flatMap((one) => one.rows);
  return {
    observation: "socket",
    asExpected: socketAsExpected(observation),
    facts,
    conditions: conditions.map(({ name, what, rows: own, left }) => {
      return { name, what, rows: own.length, differing: differing(own).length, left };
    }),
    skipped,
    rows,
  };
}
