// Group text to commands on a group table, as `ovs-ofctl add-group`, mod-group, insert-buckets ...
// of Open vSwitch 3.1 read it (lib/ofp-group.c parse_ofp_group_mod_str__). The printing side is
// format-groups.ts. Slow path; any thread.
import { fieldByName, fieldFullMask, type Field } from "../flow/fields.js";
import type { Action, Bucket, Group } from "../flow/types.js";
import { newContext } from "./actions/context.js";
import { parseActions } from "./actions/parse-actions.js";
import { FORMATS } from "./protocols.js";
import { exactFormats, maskedFormats } from "./text/field-formats.js";
import { numberArgument, uint32Argument, uint64Argument } from "./text/numbers.js";
import { placed, placedLines, type ParseOptions } from "./text/place.js";
import { parsePort, type PortMap } from "./text/ports.js";
import { FlowTextError, scanPairs, type Pair } from "./text/scan.js";
import { parseValue } from "./text/values.js";

export type GroupCommand =
  "add" | "modify" | "add_or_mod" | "delete" | "insert_bucket" | "remove_bucket";

/** A command on a group table. */
export interface GroupMod {
  readonly command: GroupCommand;
  readonly group: number | "all";
  readonly type: Group["type"];
  readonly buckets: readonly Bucket[];
  /** "" when none was named; the switch knows hash and dp_hash. */
  readonly selectionMethod: string;
  readonly selectionParam: bigint;
  readonly fields: Group["fields"];
  /** Where to insert, or what to remove. */
  readonly commandBucket: number | "first" | "last" | "all";
  /** The flow formats (FORMAT bits) that can say it. */
  readonly formats: number;
}

/** Groups have numbers from 0 to this (OFPG_MAX), buckets too (OFPG15_BUCKET_MAX). */
export const GROUP_MAX = 0xffffff00;
const GROUP_ALL = 0xfffffffc;
/** OFPG15_BUCKET_FIRST, LAST and ALL, as numbers. */
const BUCKET_NUMBERS: Readonly<Record<number, "first" | "last" | "all">> = {
  0xfffffffd: "first",
  0xfffffffe: "last",
  0xffffffff: "all",
};
/** Characters of a selection method. */
const METHOD_MAX = 15;

/** OpenFlow 1.0 with extensions and 1.5: the versions that know of buckets' numbers. */
const BUCKET_FORMATS = FORMATS.openFlow10 | FORMATS.openFlow15Up;

interface Rules {
  readonly type: boolean;
  readonly buckets: boolean;
  /** null: takes no command_bucket_id. */
  readonly commandBucket: "all allowed" | "one" | null;
}

const RULES: Readonly<Record<GroupCommand, Rules>> = {
  add: { type: true, buckets: true, commandBucket: null },
  modify: { type: true, buckets: true, commandBucket: null },
  add_or_mod: { type: true, buckets: true, commandBucket: null },
  delete: { type: false, buckets: false, commandBucket: null },
  insert_bucket: { type: false, buckets: true, commandBucket: "one" },
  remove_bucket: { type: false, buckets: false, commandBucket: "all allowed" },
};

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

interface Draft {
  readonly mod: Mutable<Omit<GroupMod, "group" | "type">>;
  group: number | "all" | null;
  type: Group["type"] | null;
  hasCommandBucket: boolean;
}

function refuse(message: string, at: number): never {
  throw new FlowTextError(message, at);
}

function parseGroupType(pair: Pair): Group["type"] {
  switch (pair.value) {
    case "all":
    case "select":
    case "indirect":
    case "ff":
      return pair.value;
    case "fast_failover":
      return "ff";
    default:
      return refuse(`invalid group type ${pair.value}`, pair.valueAt);
  }
}

function parseGroupNumber(pair: Pair): number | "all" {
  if (pair.value === "all") return "all";
  const group = uint32Argument(pair.value, pair.valueAt);
  if (group === GROUP_ALL) return "all";
  return group > GROUP_MAX ? refuse(`invalid group id ${group}`, pair.valueAt) : group;
}

function parseCommandBucket(pair: Pair, rules: Rules): GroupMod["commandBucket"] {
  if (rules.commandBucket === null) return refuse("command bucket id is not needed", pair.keyAt);
  const isNamed = pair.value === "all" || pair.value === "first" || pair.value === "last";
  const number = isNamed ? 0 : uint32Argument(pair.value, pair.valueAt);
  const bucket = isNamed ? (pair.value as "all") : (BUCKET_NUMBERS[number] ?? number);
  if (typeof bucket === "number" && bucket > GROUP_MAX) {
    return refuse(`invalid command bucket id ${bucket}`, pair.valueAt);
  }
  if (bucket === "all" && rules.commandBucket === "one") {
    return refuse("command_bucket_id=all is not permitted", pair.valueAt);
  }
  return bucket;
}

/** `fields=F`, `fields(F,G=MASK)`: what selection method hash hashes. */
function parseFields(outer: Pair, text: string, draft: Draft, ports: PortMap): void {
  const end = outer.valueAt + outer.value.length;
  const found: { field: Field; mask: Uint32Array }[] = [];
  for (const pair of scanPairs(text, outer.valueAt, end)) {
    const rest = text.slice(pair.valueAt + pair.value.length + 1, end);
    const field = fieldByName(pair.key);
    if (field?.names.includes(pair.key) !== true) {
      return refuse(`${rest}: unknown field ${pair.key}`, pair.keyAt);
    }
    if (found.some((one) => one.field === field)) {
      return refuse(`${pair.key}: duplicate field`, pair.keyAt);
    }
    const mask = pair.value === "" ? fieldFullMask(field) : fieldMask(field, pair, rest, ports);
    found.push({ field, mask });
    draft.mod.formats &= pair.value === "" ? exactFormats(field) : maskedFormats(field, mask);
  }
  found.sort((a, b) => a.field.index - b.field.index);
  draft.mod.fields = found.map(({ field, mask }) => ({ field: field.id, mask }));
}

/** What stands after a field is a mask, written as a value. */
function fieldMask(field: Field, pair: Pair, rest: string, ports: PortMap): Uint32Array {
  const { value } = parseValue(field, pair.value, pair.valueAt, ports);
  if (value.every((word) => word === 0)) {
    return refuse(`${rest}: values are wildcards here and must not be all-zeros`, pair.valueAt);
  }
  const isWhole = value.every((word, i) => word === fieldFullMask(field)[i]);
  if (!field.maskable && !isWhole) {
    return refuse(`${pair.value}: invalid mask for field ${field.id}`, pair.valueAt);
  }
  return value;
}

function applyKey(draft: Draft, pair: Pair, text: string, rules: Rules, ports: PortMap): void {
  const { mod } = draft;
  const unlessType = (what: string): void => {
    if (!rules.type) refuse(what, pair.keyAt);
  };
  switch (pair.key) {
    case "command_bucket_id":
      mod.commandBucket = parseCommandBucket(pair, rules);
      draft.hasCommandBucket = true;
      return;
    case "group_id":
      draft.group = parseGroupNumber(pair);
      return;
    case "type":
      unlessType("type is not needed");
      draft.type = parseGroupType(pair);
      return;
    case "selection_method":
      unlessType("selection method is not needed");
      if (pair.value.length > METHOD_MAX) {
        refuse(`selection method is longer than ${METHOD_MAX} bytes long`, pair.valueAt);
      }
      mod.selectionMethod = pair.value;
      break;
    case "selection_method_param":
      unlessType("selection method param is not needed");
      mod.selectionParam = uint64Argument(pair.value, pair.valueAt);
      break;
    case "fields":
      unlessType("fields are not needed");
      parseFields(pair, text, draft, ports);
      break;
    default:
      refuse(`unknown keyword ${pair.key}`, pair.keyAt);
  }
  mod.formats &= BUCKET_FORMATS;
}

/** What everything before the buckets must have said. */
function checkKeys(draft: Draft, rules: Rules, at: number): void {
  const { mod } = draft;
  if (draft.group === null) refuse("must specify a group_id", at);
  if (rules.type && draft.type === null) refuse("must specify a type", at);
  if (mod.selectionMethod !== "hash" && mod.fields.length > 0) {
    refuse('fields may only be specified with "selection_method=hash"', at);
  }
  if (mod.selectionMethod === "" && mod.selectionParam !== 0n) {
    refuse('selection_method_param is only allowed with "selection_method"', at);
  }
  if (rules.commandBucket === "one" && !draft.hasCommandBucket) {
    refuse("must specify a command bucket id", at);
  }
}

interface BucketDraft extends Mutable<Omit<Bucket, "id">> {
  /** null: to be chosen. */
  id: number | null;
}

/** Reads one key of a bucket; false for those that belong to its actions. */
function applyBucketKey(bucket: BucketDraft, pair: Pair, draft: Draft, ports: PortMap): boolean {
  switch (pair.key.toLowerCase()) {
    case "weight":
      bucket.weight = numberArgument(pair, "weight", 0xffff);
      return true;
    case "watch_port": {
      const port = parsePort(pair.value, ports);
      if (port === null || (port >= 0xff00 && port !== 0xffff)) {
        return refuse(`${pair.value}: invalid watch_port`, pair.valueAt);
      }
      bucket.watchPort = port === 0xffff ? null : port;
      return true;
    }
    case "watch_group": {
      const group = uint32Argument(pair.value, pair.valueAt);
      if (group > GROUP_MAX) refuse(`invalid watch_group id ${group}`, pair.valueAt);
      bucket.watchGroup = group;
      return true;
    }
    case "bucket_id": {
      const id = uint32Argument(pair.value, pair.valueAt);
      if (id > GROUP_MAX) refuse(`invalid bucket_id id ${id}`, pair.valueAt);
      bucket.id = id;
      draft.mod.formats &= BUCKET_FORMATS;
      return true;
    }
    default:
      return false;
  }
}

/**
 * Reads the actions of a bucket. Its keys and its actions may be mixed, so the actions are
 * collected into a text of their own; a mistake in it is placed at the bucket.
 */
function parseBucketActions(text: string, at: number, draft: Draft, ports: PortMap): Action[] {
  const context = newContext(text, ports);
  try {
    const { formats } = draft.mod;
    const owner = { match: null, table: 255, formats, instructions: false };
    const actions = parseActions(context, 0, text.length, owner);
    draft.mod.formats = context.formats;
    return actions;
  } catch (error) {
    if (error instanceof FlowTextError) return refuse(error.message, at);
    throw error;
  }
}

function parseBucket(
  text: string,
  at: number,
  end: number,
  draft: Draft,
  ports: PortMap,
): BucketDraft {
  const weight = draft.type === "select" ? 1 : 0;
  const bucket: BucketDraft = {
    id: null,
    weight,
    watchPort: null,
    watchGroup: null,
    actions: [],
  };
  const parts: string[] = [];
  for (const pair of scanPairs(text, at, end)) {
    if (applyBucketKey(bucket, pair, draft, ports)) continue;
    const isList = /^actions?$/i.test(pair.key);
    parts.push(isList ? pair.value : `${pair.key}(${pair.value})`);
  }
  if (parts.length === 0) refuse("bucket must specify actions", at);
  if (draft.type === "ff" && bucket.watchPort === null && bucket.watchGroup === null) {
    refuse("fast failover bucket requires watch_port or watch_group", at);
  }
  bucket.actions = parseBucketActions(parts.join(","), at, draft, ports);
  if (draft.type !== "select" && bucket.weight !== 0) {
    refuse("Only select groups can have bucket weights.", at);
  }
  return bucket;
}

/**
 * Numbers for buckets that have none. As Open vSwitch 3.1 does, only the numbers of later buckets
 * are avoided: one that is taken already makes the whole group wrong (checkGroupMod).
 */
function numberBuckets(drafts: readonly BucketDraft[]): Bucket[] {
  const first = drafts.findIndex((bucket) => bucket.id === null);
  const taken = new Set(drafts.slice(first + 1).map((bucket) => bucket.id));
  let next = 0;
  return drafts.map((bucket) => {
    if (bucket.id !== null) return { ...bucket, id: bucket.id };
    while (taken.has(next)) next++;
    return { ...bucket, id: next++ };
  });
}

function parseGroupText(text: string, command: GroupCommand, ports: PortMap, from = 0): GroupMod {
  const rules = RULES[command];
  const draft: Draft = {
    mod: {
      command,
      buckets: [],
      selectionMethod: "",
      selectionParam: 0n,
      fields: [],
      commandBucket: "all",
      formats: rules.commandBucket === null ? FORMATS.any : BUCKET_FORMATS,
    },
    group: null,
    type: null,
    hasCommandBucket: false,
  };
  if (command === "delete" && text.slice(from) === "") {
    return { ...draft.mod, group: "all", type: "all" };
  }
  const starts = [...text.matchAll(/bucket=/g)].map((found) => found.index);
  const bucketsAt = starts.find((at) => at >= from) ?? text.length;
  if (bucketsAt < text.length && !rules.buckets) refuse("bucket is not needed", bucketsAt);
  for (const pair of scanPairs(text, from, bucketsAt)) applyKey(draft, pair, text, rules, ports);
  checkKeys(draft, rules, from);
  const buckets = starts
    .filter((at) => at >= from)
    .map((at, i, all) => {
      const end = all[i + 1] ?? text.length;
      return parseBucket(text, at + "bucket=".length, end, draft, ports);
    });
  if (draft.type === "indirect" && buckets.length > 1) {
    refuse("Indirect groups can have at most one bucket.", bucketsAt);
  }
  return {
    ...draft.mod,
    group: draft.group!,
    type: draft.type ?? "all",
    buckets: numberBuckets(buckets),
  };
}

/**
 * Reads the argument of add-group ("add"), mod-group ("modify", with --may-create "add_or_mod"),
 * del-groups ("delete"), insert-buckets, remove-buckets.
 * @throws PacketpathError FLOW_INVALID with Open vSwitch's sentence.
 */
export function parseGroupMod(
  text: string,
  command: GroupCommand,
  options: ParseOptions = {},
): GroupMod {
  return placed(options, (ports) => parseGroupText(text, command, ports));
}

/** In the order in which a beginning of one is looked for. */
const COMMANDS: readonly GroupCommand[] = [
  "add",
  "delete",
  "modify",
  "add_or_mod",
  "insert_bucket",
  "remove_bucket",
];

/**
 * Reads a file of groups, as add-groups takes it; each line may begin with a command.
 * @throws PacketpathError FLOW_INVALID for the first mistake.
 */
export function parseGroupFile(text: string, options: ParseOptions = {}): GroupMod[] {
  return placedLines(text, options, (line, ports) => {
    const at = /^\s*/.exec(line)![0].length;
    const word = /^[^,\s]*/.exec(line.slice(at))![0];
    const command = COMMANDS.find((name) => name.startsWith(word));
    if (word === "" || command === undefined) return parseGroupText(line, "add", ports);
    return parseGroupText(line, command, ports, at + word.length);
  });
}

/**
 * What a switch finds wrong with a command when it gets it (ofputil_decode_group_mod).
 * @returns the name of the OpenFlow error, or null.
 */
export function checkGroupMod(mod: GroupMod): string | null {
  const { command, type, buckets } = mod;
  const makesGroup = RULES[command].type;
  if (new Set(buckets.map((bucket) => bucket.id)).size !== buckets.length) {
    return "OFPGMFC_BAD_BUCKET";
  }
  if (!["", "hash", "dp_hash"].includes(mod.selectionMethod)) return "OFPBPC_BAD_VALUE";
  if (mod.selectionMethod !== "" && type !== "select") return "OFPBPC_BAD_VALUE";
  if (mod.group === "all" && command !== "delete") return "OFPGMFC_INVALID_GROUP";
  if (makesGroup && type === "indirect" && buckets.length !== 1) return "OFPGMFC_INVALID_GROUP";
  const isWatched = (bucket: Bucket): boolean =>
    bucket.watchPort !== null || bucket.watchGroup !== null;
  if ((type === "all" || type === "indirect") && buckets.some(isWatched)) {
    return "OFPGMFC_WATCH_UNSUPPORTED";
  }
  return null;
}

/** The group that an add or a modify makes. The command must have passed checkGroupMod. */
export function groupOfMod(mod: GroupMod): Group {
  return {
    id: Number(mod.group),
    type: mod.type,
    buckets: mod.buckets,
    selectionMethod: mod.selectionMethod as Group["selectionMethod"],
    selectionParam: mod.selectionParam,
    fields: mod.fields,
  };
}
