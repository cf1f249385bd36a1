// `dump-flows` as Open vSwitch 3.1 prints it (lib/ofp-flow.c ofputil_flow_stats_format,
// utilities/ovs-ofctl.c ofctl_dump_flows). Slow path; any thread.
import { fieldByName, getFieldWords, isFieldZero, type Field } from "../flow/fields.js";
import { prerequisiteHolds } from "../flow/match.js";
import type { Flow } from "../flow/types.js";
import { flagsOfVersion, flowVersion, formatProperties, formatRule } from "./format.js";
import type { ActionFormatOptions } from "./print/format-actions.js";
import { hex } from "./print/format-value.js";
import type { OpenFlowVersion } from "./protocols.js";
import { formatTable } from "./text/ports.js";
import { numberOf } from "./text/scan.js";

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

/** A flow of a table and its counters. */
export interface DumpedFlow {
  readonly flow: Flow;
  readonly stats: FlowStats;
}

/** Seconds as dumps print durations: `7s`, `0.250s`. */
export function formatDuration(seconds: number): string {
  const milliseconds = Math.max(0, Math.round(seconds * 1000));
  const isWhole = milliseconds % 1000 === 0;
  return `${isWhole ? milliseconds / 1000 : (milliseconds / 1000).toFixed(3)}s`;
}

/** Ages, which the replies of only some versions carry. */
function formatAges(stats: FlowStats, version: OpenFlowVersion): string {
  const { idleAgeSeconds, hardAgeSeconds } = stats;
  const isUsual = hardAgeSeconds === Math.floor(Math.max(0, stats.durationSeconds));
  const idle = version === 10 || version === 15 ? `idle_age=${idleAgeSeconds}, ` : "";
  return version !== 10 || isUsual ? idle : `${idle}hard_age=${hardAgeSeconds}, `;
}

/** What a version says of a flow's flags and importance. */
function propertiesOf(flow: Flow, version: OpenFlowVersion) {
  // Before 1.3, flags are in flow mods only.
  const flags = version < 13 ? [] : flagsOfVersion(flow.flags, version);
  return { ...flow, flags, importance: version < 14 ? 0 : flow.importance };
}

/** One line of a reply to `dump-flows`, with the leading space. */
export function formatFlowStats(
  { flow, stats }: DumpedFlow,
  options: ActionFormatOptions = {},
  hasAges = true,
): string {
  const version = options.version ?? 10;
  return (
    ` cookie=0x${flow.cookie.toString(16)}, duration=${formatDuration(stats.durationSeconds)}, ` +
    `table=${formatTable(flow.table, options.tableNames)}, ` +
    `n_packets=${stats.packets}, n_bytes=${stats.bytes}, ` +
    formatProperties(propertiesOf(flow, version)) +
    (hasAges ? formatAges(stats, version) : "") +
    formatRule(flow, options)
  );
}

/** One line of `dump-flows --no-stats`, with the leading space. */
export function formatFlowWithoutStats(flow: Flow, options: ActionFormatOptions = {}): string {
  const cookie = flow.cookie === 0n ? "" : `cookie=${hex(flow.cookie)}, `;
  const name = formatTable(flow.table, options.tableNames);
  const table = name === "0" ? "" : `table=${name}, `;
  const properties = formatProperties(propertiesOf(flow, options.version ?? 10));
  return ` ${cookie}${table}${properties}${formatRule(flow, options)}`;
}

const VERSION_NAMES: Readonly<Record<OpenFlowVersion, string>> = {
  10: "",
  11: "(OF1.1) ",
  12: "(OF1.2) ",
  13: "(OF1.3) ",
  14: "(OF1.4) ",
  15: "(OF1.5) ",
};

/** `NAME reply (OF1.3) (xid=0x2):`, the first line of what a switch answers. */
export function formatReplyHeader(
  name: string,
  version: OpenFlowVersion,
  transaction: number,
): string {
  return `${name} reply ${VERSION_NAMES[version]}(xid=0x${transaction.toString(16)}):`;
}

/** The version in whose words nothing of any flow is lost. */
function versionOfAll(flows: readonly DumpedFlow[]): OpenFlowVersion {
  return flows.reduce<OpenFlowVersion>((version, { flow }) => {
    const own = flowVersion(flow);
    return own > version ? own : version;
  }, 10);
}

/**
 * All of `dump-flows`, header line and final newline included; without a version, in the words of
 * OpenFlow 1.0 or the version that a flow needs.
 * @param transaction as ovs-ofctl counts them: 4 without an argument, 8 with a flow to look for.
 * @param isExtended false: in OpenFlow 1.0's own words, without Nicira's extensions.
 */
export function formatDumpFlows(
  flows: readonly DumpedFlow[],
  options: ActionFormatOptions = {},
  transaction?: number,
  isExtended = true,
): string {
  const version = options.version ?? versionOfAll(flows);
  const name = version === 10 && isExtended ? "NXST_FLOW" : "OFPST_FLOW";
  const header = formatReplyHeader(name, version, transaction ?? (version === 10 ? 4 : 2));
  const lines = flows.map((one) => formatFlowStats(one, { ...options, version }));
  return [header, ...lines, ""].join("\n");
}

/**
 * All of `dump-flows` with --names, --no-stats, --sort or --rsort: flows only, one a line.
 */
export function formatDumpedLines(
  flows: readonly DumpedFlow[],
  options: ActionFormatOptions & { readonly stats: boolean },
): string {
  const hasAges = (options.version ?? 10) !== 10;
  const lines = flows.map((one) =>
    options.stats
      ? formatFlowStats(one, options, hasAges)
      : formatFlowWithoutStats(one.flow, options),
  );
  return lines.map((line) => `${line}\n`).join("");
}

/** One of --sort[=FIELD] and --rsort[=FIELD]; without a field, by priority. */
export interface SortCriterion {
  readonly field: Field | null;
  readonly descending: boolean;
}

/**
 * Reads the argument of --sort or --rsort.
 * @returns null when there is no such field.
 */
export function parseSortCriterion(text: string, descending: boolean): SortCriterion | null {
  if (text === "" || text.toLowerCase() === "priority") return { field: null, descending };
  const field = fieldByName(text);
  return field?.names.includes(text) === true ? { field, descending } : null;
}

function fieldNumber(flow: Flow, field: Field): bigint | null {
  const { match } = flow;
  const isSaid = prerequisiteHolds(match, field.prerequisite) && !isFieldZero(match.mask, field);
  if (!isSaid) return null;
  const words = new Uint32Array(field.words);
  getFieldWords(match.value, field, words);
  return numberOf(words);
}

function compare(a: Flow, b: Flow, criterion: SortCriterion): number {
  const sign = criterion.descending ? -1 : 1;
  const { field } = criterion;
  if (field === null) return sign * (a.priority - b.priority);
  const [x, y] = [fieldNumber(a, field), fieldNumber(b, field)];
  // Flows that do not say the field come last, whatever the direction.
  if (x === null || y === null) return Number(x === null) - Number(y === null);
  return x === y ? 0 : x < y ? -sign : sign;
}

/** Sorts flows by the first criterion, then the second ...; equal ones stay in their order. */
export function sortFlows(
  flows: readonly DumpedFlow[],
  criteria: readonly SortCriterion[],
): DumpedFlow[] {
  return flows.toSorted((a, b) => {
    for (const criterion of criteria) {
      const order = compare(a.flow, b.flow, criterion);
      if (order !== 0) return order;
    }
    return 0;
  });
}
