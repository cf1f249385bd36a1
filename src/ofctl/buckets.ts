// The buckets of group text (lib/ofp-group.c parse_bucket_str of Open vSwitch 3.1). For groups.ts.
// Slow path; any thread.
import type { Action, Bucket, Group } from "../flow/types.js";
import { newContext } from "./actions/context.js";
import { parseActions } from "./actions/parse-actions.js";
import { FORMATS } from "./protocols.js";
import { numberArgument, uint32Argument } from "./text/numbers.js";
import { parsePort, type PortMap } from "./text/ports.js";
import { FlowTextError, scanPairs, type Pair } from "./text/scan.js";

/** Groups have numbers from 0 to this (OFPG_MAX), buckets too (OFPG15_BUCKET_MAX). */
export const GROUP_MAX = 0xffffff00;

/** OpenFlow 1.0 with extensions and 1.5: the versions that know of buckets' numbers. */
export const BUCKET_FORMATS = FORMATS.openFlow10 | FORMATS.openFlow15Up;

/** What a bucket needs to know of its group, and may take away from its flow formats. */
export interface BucketOwner {
  /** null: of a command that names no type. */
  readonly type: Group["type"] | null;
  formats: number;
}

export function refuse(message: string, at: number): never {
  throw new FlowTextError(message, at);
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

/** A bucket while it is read. */
export interface BucketDraft extends Mutable<Omit<Bucket, "id">> {
  /** null: to be chosen. */
  id: number | null;
}

/** Reads one key of a bucket; false for those that belong to its actions. */
function applyBucketKey(
  bucket: BucketDraft,
  pair: Pair,
  owner: BucketOwner,
  ports: PortMap,
): boolean {
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
      owner.formats &= BUCKET_FORMATS;
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
function parseBucketActions(
  text: string,
  at: number,
  owner: BucketOwner,
  ports: PortMap,
): Action[] {
  const context = newContext(text, ports);
  try {
    const list = { match: null, table: 255, formats: FORMATS.any, instructions: false };
    const actions = parseActions(context, 0, text.length, list);
    // Open vSwitch 3.1 forgets here what the group and the buckets before said of formats.
    owner.formats = context.formats;
    return actions;
  } catch (error) {
    if (error instanceof FlowTextError) return refuse(error.message, at);
    throw error;
  }
}

/** Reads what `text` has from `at`, after `bucket=`, to `end`. */
export function parseBucket(
  text: string,
  at: number,
  end: number,
  owner: BucketOwner,
  ports: PortMap,
): BucketDraft {
  const weight = owner.type === "select" ? 1 : 0;
  const bucket: BucketDraft = {
    id: null,
    weight,
    watchPort: null,
    watchGroup: null,
    actions: [],
  };
  const parts: string[] = [];
  for (const pair of scanPairs(text, at, end)) {
    if (applyBucketKey(bucket, pair, owner, ports)) continue;
    const isList = /^actions?$/i.test(pair.key);
    parts.push(isList ? pair.value : `${pair.key}(${pair.value})`);
  }
  if (parts.length === 0) refuse("bucket must specify actions", at);
  if (owner.type === "ff" && bucket.watchPort === null && bucket.watchGroup === null) {
    refuse("fast failover bucket requires watch_port or watch_group", at);
  }
  bucket.actions = parseBucketActions(parts.join(","), at, owner, ports);
  if (owner.type !== "select" && owner.type !== null && bucket.weight !== 0) {
    refuse("Only select groups can have bucket weights.", at);
  }
  return bucket;
}

/**
 * Numbers for buckets that have none. As Open vSwitch 3.1 does, only the numbers of later buckets
 * are avoided: one that is taken already makes the whole group wrong (checkGroupMod).
 */
export function numberBuckets(drafts: readonly BucketDraft[]): Bucket[] {
  const first = drafts.findIndex((bucket) => bucket.id === null);
  const taken = new Set(drafts.slice(first + 1).map((bucket) => bucket.id));
  let next = 0;
  return drafts.map((bucket) => {
    if (bucket.id !== null) return { ...bucket, id: bucket.id };
    while (taken.has(next)) next++;
    return { ...bucket, id: next++ };
  });
}
