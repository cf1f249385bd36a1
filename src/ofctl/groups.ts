// Group text to commands on a group table, as `ovs-ofctl add-group`, mod-group, insert-buckets ...
// of Open vSwitch 3.1 read it (lib/ofp-group.c parse_ofp_group_mod_str__). The printing side is
// format-groups.ts. Slow path; any thread.
import { fieldByName, fieldFullMask, type Field } from "../flow/fields.js";
import type { Bucket, Group } from "../flow/types.js";
import { BUCKET_FORMATS, GROUP_MAX, numberBuckets, parseBucket, refuse } from "./buckets.js";
import { FORMATS } from "./protocols.js";
import { exactFormats, maskedFormats } from "./text/field-formats.js";
import { uint32Argument, uint64Argument } from "./text/numbers.js";
import { placed, placedLines, type ParseOptions } from "./text/place.js";
import type { PortMap } from "./text/ports.js";
import { scanPairs, type Pair } from "./text/scan.js";
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

const GROUP_ALL = 0xfffffffc;
/** OFPG15_BUCKET_FIRST, LAST and ALL, as numbers. */
const BUCKET_NUMBERS: Readonly<Record<number, "first" | "last" | "all">> = {
  0xfffffffd: "first",
  0xfffffffe: "last",
  0xffffffff: "all",
};
/** Characters of a selection method. */
const METHOD_MAX = 15;

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
  const owner = { type: draft.type, formats: draft.mod.formats };
  const buckets = starts
    .filter((at) => at >= from)
    .map((at, i, all) => {
      const end = all[i + 1] ?? text.length;
      return parseBucket(text, at + "bucket=".length, end, owner, ports);
    });
  if (draft.type === "indirect" && buckets.length > 1) {
    refuse("Indirect groups can have at most one bucket.", bucketsAt);
  }
  return {
    ...draft.mod,
    formats: owner.formats,
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
 * @param given what every line means; then no line begins with a command (`insert-buckets br -`).
 * @throws PacketpathError FLOW_INVALID for the first mistake.
 */
export function parseGroupFile(
  text: string,
  options: ParseOptions = {},
  given?: GroupCommand,
): GroupMod[] {
  return placedLines(text, options, (line, ports) => {
    if (given !== undefined) return parseGroupText(line, given, ports);
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
