// Printing flows as Open vSwitch 3.1 does: `ovs-ofctl dump-flows` and `parse-flows`, in the
// OpenFlow 1.0 style that is their default. Slow path; any thread.
import { DEFAULT_PRIORITY, type Flow } from "../flow/types.js";
import { formatActions } from "./actions/format-actions.js";
import { formatMatch, hex, type FormatOptions } from "./match/format-match.js";

/** Counters of a flow, as `dump-flows` shows them. */
export interface FlowStats {
  readonly durationSeconds: number;
  readonly packets: number;
  readonly bytes: number;
  /** Whole seconds since the last packet. */
  readonly idleAgeSeconds: number;
  /** Whole seconds since the flow was added or changed. */
  readonly hardAgeSeconds: number;
}

/** Priority, match and actions: what every form ends with. */
function formatRule(flow: Flow, options: FormatOptions): string {
  const priority = flow.priority === DEFAULT_PRIORITY ? "" : `priority=${flow.priority}`;
  const match = formatMatch(flow.match, options);
  const rule = [priority, match].filter((part) => part !== "").join(",");
  return `${rule === "" ? "" : `${rule} `}actions=${formatActions(flow.actions, options)}`;
}

/** Timeouts, flags and importance, each followed by a comma and a space. */
function formatProperties(flow: Flow): string {
  const parts = [
    flow.idleTimeout === 0 ? "" : `idle_timeout=${flow.idleTimeout}`,
    flow.hardTimeout === 0 ? "" : `hard_timeout=${flow.hardTimeout}`,
    ...flow.flags,
    flow.importance === 0 ? "" : `importance=${flow.importance}`,
  ];
  return parts
    .filter((part) => part !== "")
    .map((part) => `${part}, `)
    .join("");
}

/**
 * One flow as `dump-flows --no-stats` prints it (without the leading space): the canonical text.
 * Reading it back gives an equal flow.
 */
export function formatFlow(flow: Flow, options: FormatOptions = {}): string {
  const cookie = flow.cookie === 0n ? "" : `cookie=${hex(flow.cookie)}, `;
  const table = flow.table === 0 ? "" : `table=${flow.table}, `;
  return cookie + table + formatProperties(flow) + formatRule(flow, options);
}

/** One flow as `parse-flow` prints the message it makes of it, from `ADD` on. */
export function formatFlowMod(flow: Flow, options: FormatOptions = {}): string {
  const priority = flow.priority === DEFAULT_PRIORITY ? "" : `priority=${flow.priority}`;
  const match = [priority, formatMatch(flow.match, options)]
    .filter((part) => part !== "")
    .join(",");
  const parts = [
    "ADD",
    flow.table === 0 ? "" : `table:${flow.table}`,
    match,
    flow.cookie === 0n ? "" : `cookie:${hex(flow.cookie)}`,
    flow.idleTimeout === 0 ? "" : `idle:${flow.idleTimeout}`,
    flow.hardTimeout === 0 ? "" : `hard:${flow.hardTimeout}`,
    flow.importance === 0 ? "" : `importance:${flow.importance}`,
    ...flow.flags,
    `actions=${formatActions(flow.actions, options)}`,
  ];
  return parts.filter((part) => part !== "").join(" ");
}

/** One line of `dump-flows`, with the leading space. */
export function formatFlowStats(flow: Flow, stats: FlowStats, options: FormatOptions = {}): string {
  const duration = Math.max(0, stats.durationSeconds);
  const seconds = Math.floor(duration);
  const hardAge = stats.hardAgeSeconds === seconds ? "" : `hard_age=${stats.hardAgeSeconds}, `;
  return (
    ` cookie=0x${flow.cookie.toString(16)}, duration=${duration.toFixed(3)}s, ` +
    `table=${flow.table}, n_packets=${stats.packets}, n_bytes=${stats.bytes}, ` +
    formatProperties(flow) +
    `idle_age=${stats.idleAgeSeconds}, ${hardAge}${formatRule(flow, options)}`
  );
}

/** All of `dump-flows`, header line and final newline included. */
export function formatDumpFlows(
  flows: readonly { readonly flow: Flow; readonly stats: FlowStats }[],
  options: FormatOptions = {},
): string {
  const lines = flows.map(({ flow, stats }) => formatFlowStats(flow, stats, options));
  return ["NXST_FLOW reply (xid=0x4):", ...lines, ""].join("\n");
}
