// Printing groups as Open vSwitch 3.1 does: dump-groups, dump-group-stats and group mods
// (lib/ofp-group.c ofp_print_group). Slow path; any thread.
import { fieldOf, fieldFullMask } from "../flow/fields.js";
import type { Bucket, Group } from "../flow/types.js";
import { formatDuration, formatReplyHeader } from "./dump-flows.js";
import type { GroupCommand, GroupMod } from "./groups.js";
import { formatActions, type ActionFormatOptions } from "./print/format-actions.js";
import { formatValue } from "./print/format-value.js";
import type { OpenFlowVersion } from "./protocols.js";
import { formatPort } from "./text/ports.js";
import { numberOf } from "./text/scan.js";

/** Only 1.0 (with extensions) and 1.5 know of buckets' numbers and selection methods. */
function hasBucketNumbers(version: OpenFlowVersion): boolean {
  return version === 10 || version === 15;
}

function formatFields(fields: Group["fields"]): string {
  if (fields.length === 0) return "";
  const texts = fields.map(({ field: id, mask }) => {
    const field = fieldOf(id);
    const [bits, full] = [numberOf(mask), numberOf(fieldFullMask(field))];
    return bits === full ? id : `${id}=${formatValue(field, bits, null, {})}`;
  });
  return texts.length === 1 ? `,fields=${texts[0]!}` : `,fields(${texts.join(",")})`;
}

function formatBucket(bucket: Bucket, type: Group["type"], options: ActionFormatOptions): string {
  const version = options.version ?? 10;
  const usualWeight = type === "select" ? 1 : 0;
  const port = bucket.watchPort === null ? "" : formatPort(bucket.watchPort, options.portNames);
  const parts = [
    hasBucketNumbers(version) ? `bucket_id:${bucket.id}` : "",
    bucket.weight === usualWeight ? "" : `weight:${bucket.weight}`,
    port === "" ? "" : `watch_port:${port}`,
    bucket.watchGroup === null ? "" : `watch_group:${bucket.watchGroup}`,
    `actions=${formatActions(bucket.actions, options)}`,
  ];
  return `,bucket=${parts.filter((part) => part !== "").join(",")}`;
}

interface Printable extends Pick<Group, "type" | "buckets" | "selectionParam" | "fields"> {
  readonly id: number | string;
  readonly selectionMethod: string;
}

function formatAny(group: Printable, hasType: boolean, options: ActionFormatOptions): string {
  const version = options.version ?? 10;
  const type = hasType ? `,type=${group.type}` : "";
  const param =
    group.selectionParam === 0n ? "" : `,selection_method_param=${group.selectionParam}`;
  const isSelected = hasBucketNumbers(version) && group.selectionMethod !== "";
  const selection = isSelected
    ? `,selection_method=${group.selectionMethod}${param}${formatFields(group.fields)}`
    : "";
  const buckets = group.buckets.map((bucket) => formatBucket(bucket, group.type, options));
  return `group_id=${group.id}${type}${selection}${buckets.join("")}`;
}

/** One group, as a line of dump-groups without its leading space. */
export function formatGroup(group: Group, options: ActionFormatOptions = {}): string {
  return formatAny(group, true, options);
}

/** All of `dump-groups`, header line and final newline included. */
export function formatDumpGroups(
  groups: readonly Group[],
  options: ActionFormatOptions = {},
  transaction = 2,
): string {
  const version = options.version ?? 10;
  const name = version === 10 ? "NXST_GROUP_DESC" : "OFPST_GROUP_DESC";
  const lines = groups.map((group) => ` ${formatGroup(group, options)}`);
  return [formatReplyHeader(name, version, transaction), ...lines, ""].join("\n");
}

/** Counters of a group, as `dump-group-stats` shows them. */
export interface GroupStats {
  readonly durationSeconds: number;
  /** Flows and buckets that send to the group. */
  readonly references: number;
  readonly packets: number;
  readonly bytes: number;
  /** In the order of the buckets. */
  readonly buckets: readonly { readonly packets: number; readonly bytes: number }[];
}

/** All of `dump-group-stats`, header line and final newline included. */
export function formatDumpGroupStats(
  groups: readonly { readonly id: number; readonly stats: GroupStats }[],
  version: OpenFlowVersion = 10,
  transaction = 6,
): string {
  const lines = groups.map(({ id, stats }) => {
    const duration =
      version === 11 || version === 12 ? "" : `duration=${formatDuration(stats.durationSeconds)},`;
    const buckets = stats.buckets.map(
      ({ packets, bytes }, i) => `,bucket${i}:packet_count=${packets},byte_count=${bytes}`,
    );
    return (
      ` group_id=${id},${duration}ref_count=${stats.references},` +
      `packet_count=${stats.packets},byte_count=${stats.bytes}${buckets.join("")}`
    );
  });
  const name = version === 10 ? "NXST_GROUP" : "OFPST_GROUP";
  return [formatReplyHeader(name, version, transaction), ...lines, ""].join("\n");
}

const COMMANDS: Readonly<Record<GroupCommand, string>> = {
  add: "ADD",
  modify: "MOD",
  add_or_mod: "ADD_OR_MOD",
  delete: "DEL",
  insert_bucket: "INSERT_BUCKET",
  remove_bucket: "REMOVE_BUCKET",
};

/** A group mod as ovs-ofctl prints the message when a switch refuses it, from the command on. */
export function formatGroupMod(mod: GroupMod, options: ActionFormatOptions = {}): string {
  const isBucketCommand = mod.command === "insert_bucket" || mod.command === "remove_bucket";
  const bucket = isBucketCommand ? `command_bucket_id:${mod.commandBucket},` : "";
  const id = mod.group === "all" ? 0xfffffffc : mod.group;
  const group = formatAny({ ...mod, id }, !isBucketCommand, options);
  return `${COMMANDS[mod.command]} ${bucket}${group}`;
}
