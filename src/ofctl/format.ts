// Printing flows as Open vSwitch 3.1 does: canonical text, and the flow mods of `ovs-ofctl
// parse-flow`. Dumps of a flow table are dump-flows.ts. Slow path; any thread.
import {
  DEFAULT_PRIORITY,
  FLOW_FLAGS,
  type Flow,
  type FlowFlag,
  type Match,
} from "../flow/types.js";
import { ANY_TABLE, type FlowCommand, type FlowMod } from "./flow-mods.js";
import { formatActions, type ActionFormatOptions } from "./print/format-actions.js";
import { formatMatch } from "./print/format-match.js";
import { hex } from "./print/format-value.js";
import { leastVersion } from "./print/received.js";
import { receivedMatch } from "./print/received-match.js";
import type { OpenFlowVersion } from "./protocols.js";
import { formatPort, formatTable } from "./text/ports.js";

/** Flags and the first version of OpenFlow that has them. */
const FLAG_VERSIONS: Readonly<Record<FlowFlag, OpenFlowVersion>> = {
  send_flow_rem: 10,
  check_overlap: 10,
  reset_counts: 12,
  no_packet_counts: 13,
  no_byte_counts: 13,
};

/** Flags that a version can send. */
export function flagsOfVersion(flags: readonly FlowFlag[], version: OpenFlowVersion): FlowFlag[] {
  return FLOW_FLAGS.filter((flag) => flags.includes(flag) && FLAG_VERSIONS[flag] <= version);
}

/** The version of OpenFlow in whose words nothing of a flow is lost; 1.0 when it will do. */
export function flowVersion(flow: Flow): OpenFlowVersion {
  if (flow.importance !== 0) return 14;
  return flow.flags.some((flag) => FLAG_VERSIONS[flag] > 10) ? 13 : leastVersion(flow.actions);
}

/** `priority=N,match`, and nothing for the usual priority and a match of everything. */
export function formatPriorityAndMatch(
  priority: number,
  match: Match,
  options: ActionFormatOptions,
): string {
  const parts = [
    priority === DEFAULT_PRIORITY ? "" : `priority=${priority}`,
    formatMatch(receivedMatch(match, options.version ?? 10), options),
  ];
  return parts.filter((part) => part !== "").join(",");
}

/** Priority, match and actions: what every line of a dump ends with. */
export function formatRule(flow: Flow, options: ActionFormatOptions): string {
  const rule = formatPriorityAndMatch(flow.priority, flow.match, options);
  const actions = formatActions(flow.actions, options, flow.match);
  return `${rule === "" ? "" : `${rule} `}actions=${actions}`;
}

/** Timeouts, flags and importance, each followed by a comma and a space or, flags, a space. */
export function formatProperties(
  properties: Pick<Flow, "idleTimeout" | "hardTimeout" | "flags" | "importance">,
): string {
  const { idleTimeout, hardTimeout, flags, importance } = properties;
  return [
    idleTimeout === 0 ? "" : `idle_timeout=${idleTimeout}, `,
    hardTimeout === 0 ? "" : `hard_timeout=${hardTimeout}, `,
    ...flags.map((flag) => `${flag} `),
    importance === 0 ? "" : `importance=${importance}, `,
  ].join("");
}

/**
 * One flow as `dump-flows --no-stats` prints it (without the leading space): the canonical text,
 * in the words of OpenFlow 1.0 or of the version that the flow needs. Reading it back gives an
 * equal flow.
 */
export function formatFlow(flow: Flow, options: ActionFormatOptions = {}): string {
  const version = options.version ?? flowVersion(flow);
  const cookie = flow.cookie === 0n ? "" : `cookie=${hex(flow.cookie)}, `;
  const table = flow.table === 0 ? "" : `table=${flow.table}, `;
  return cookie + table + formatProperties(flow) + formatRule(flow, { ...options, version });
}

const COMMANDS: Readonly<Record<FlowCommand, string>> = {
  add: "ADD",
  modify: "MOD",
  modify_strict: "MOD_STRICT",
  delete: "DEL",
  delete_strict: "DEL_STRICT",
  query: "",
};

export interface FlowModFormatOptions extends ActionFormatOptions {
  /** Table 255, any, is printed too. */
  readonly namesAnyTable?: boolean;
}

/**
 * A flow mod as `ovs-ofctl parse-flow` prints the message that it makes of it, from the command on.
 * The version decides which flags, and which actions in which words, the message has.
 */
export function formatFlowMod(mod: FlowMod, options: FlowModFormatOptions = {}): string {
  const version = options.version ?? 10;
  const { cookie, cookieFilter: filter } = mod;
  const isLate = version >= 11;
  // Only OpenFlow 1.0 sends a new cookie with a modify.
  const newCookie = mod.command === "add" || version === 10 ? (cookie ?? 0n) : 0n;
  const flags = flagsOfVersion(mod.flags, version);
  const isAny = mod.table === ANY_TABLE;
  const isUnnamed = mod.table === 0 || (isAny && options.namesAnyTable !== true);
  const parts = [
    COMMANDS[mod.command],
    isUnnamed ? "" : `table:${formatTable(mod.table, options.tableNames)}`,
    formatPriorityAndMatch(mod.priority, mod.match, options),
    newCookie === 0n ? "" : `cookie:${hex(newCookie)}`,
    filter.mask === 0n ? "" : `cookie:${hex(filter.value)}/${hex(filter.mask)}`,
    mod.idleTimeout === 0 ? "" : `idle:${mod.idleTimeout}`,
    mod.hardTimeout === 0 ? "" : `hard:${mod.hardTimeout}`,
    mod.importance === 0 || version < 14 ? "" : `importance:${mod.importance}`,
    mod.outPort === null ? "" : `out_port:${formatPort(mod.outPort, options.portNames)}`,
    mod.outGroup === null || !isLate ? "" : `out_group:${mod.outGroup}`,
    ...flags,
    `actions=${formatActions(mod.actions, options, mod.match)}`,
  ];
  return parts.filter((part) => part !== "").join(" ");
}
