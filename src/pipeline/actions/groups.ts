// The group action: which buckets a packet meets (Open vSwitch 3.1, ofproto-dpif-xlate.c,
// xlate_group_action__ and the functions below it). Called by the walk, which then executes the
// buckets; slow path of each worker.
import { DROP } from "../../base/drop-reasons.js";
import { fieldOf } from "../../flow/fields.js";
import { WORD, flowHash } from "../../flow/key.js";
import type { Bucket, Group } from "../../flow/types.js";
import { readRun, writeRun } from "./bits.js";
import { isIp, noteDrop, type Context } from "../context.js";
import type { GroupEntry, GroupTable } from "../tables/group-table.js";
import { PORT_FLAG, type PortTable } from "../ports.js";
import { prerequisiteMet } from "../set-field.js";

/** Buckets that watch groups that watch groups ... (MAX_LIVENESS_RECURSION). */
const WATCH_DEPTH_MAX = 128;

interface Places {
  readonly groups: GroupTable;
  readonly ports: PortTable;
}

/** Indexes of the buckets that the packet goes to; null: when its hash is known. */
export function chooseBuckets(
  ctx: Context,
  entry: GroupEntry,
  places: Places,
): readonly number[] | null {
  const { group } = entry;
  if (group.type === "all" || group.type === "indirect") return [...group.buckets.keys()];
  const chosen = group.type === "ff" ? firstLive(ctx, group, places) : select(ctx, entry, places);
  if (chosen === null) return null;
  if (chosen < 0) {
    ctx.observer?.detail("no live bucket");
    noteDrop(ctx, DROP["no-live-bucket"]);
    return [];
  }
  ctx.observer?.detail(`using bucket ${group.buckets[chosen]!.id}`);
  return [chosen];
}

function firstLive(ctx: Context, group: Group, places: Places): number {
  return group.buckets.findIndex((bucket) => isLiveOrTold(ctx, { group, bucket }, places, 0));
}

/** The bucket of a select group, -1 for none, or null when the hash has to be taken first. */
function select(ctx: Context, entry: GroupEntry, places: Places): number | null {
  const { selection, group } = entry;
  if (selection.type === "default") return best(ctx, group, symmetricHash(ctx), places);
  if (selection.type === "hash") return best(ctx, group, fieldsHash(ctx, entry), places);
  const hash = ctx.flow[WORD.dpHash]!;
  // No packet that was hashed has a hash of 0.
  if (hash === 0) {
    ctx.exit = true;
    ctx.freezing = true;
    ctx.freezeHash = { algorithm: selection.algorithm, basis: selection.basis };
    // What Open vSwitch says then, too.
    ctx.observer?.detail("no live bucket");
    return null;
  }
  const { buckets } = selection;
  const mask = buckets.length - 1;
  ctx.wildcards[WORD.dpHash]! |= mask;
  // From the hash on, the first live bucket: keeps the proportions when some are not.
  for (let i = 0; i <= mask; i++) {
    const index = buckets[(hash + i) & mask]!;
    if (isLive(ctx, { group, bucket: group.buckets[index]! }, places, 0)) return index;
  }
  return -1;
}

/**
 * The live bucket of the highest score: hash of its place, times its weight
 * (group_best_live_bucket). A bucket that goes takes only its own packets with it.
 */
function best(ctx: Context, group: Group, basis: number, places: Places): number {
  let winner = -1;
  let most = 0;
  group.buckets.forEach((bucket, i) => {
    if (!isLiveOrTold(ctx, { group, bucket }, places, 0)) return;
    const score = ((mixHash(basis, i) & 0xffff) + 1) * bucket.weight;
    ctx.observer?.detail(`bucket ${bucket.id}: score ${score}`);
    if (score <= most) return;
    most = score;
    winner = i;
  });
  return winner;
}

interface Member {
  readonly group: Group;
  readonly bucket: Bucket;
}

/** The same as `isLive`; tells the observer what a bucket that is not live waits for. */
function isLiveOrTold(ctx: Context, member: Member, places: Places, depth: number): boolean {
  if (isLive(ctx, member, places, depth)) return true;
  const { bucket } = member;
  // Open vSwitch calls a watched group a port, too.
  const watched = [bucket.watchPort, bucket.watchGroup].filter((each) => each !== null);
  const causes = watched.map((each) => `port ${each}`).join(" and ");
  ctx.observer?.detail(`bucket ${bucket.id}: not live due to ${causes}`);
  return false;
}

function isLive(ctx: Context, { group, bucket }: Member, places: Places, depth: number): boolean {
  if (depth >= WATCH_DEPTH_MAX) {
    ctx.observer?.error(`bucket chaining exceeded ${WATCH_DEPTH_MAX} links`);
    return false;
  }
  // One that no packet can go to is as good as gone, whatever it watches.
  if (group.type === "select" && bucket.weight === 0) return false;
  const { watchPort, watchGroup } = bucket;
  if (watchPort === null && watchGroup === null) return true;
  if (watchPort !== null && isPortLive(places.ports, watchPort)) return true;
  if (watchGroup === null) return false;
  const watched = places.groups.get(watchGroup)?.group;
  if (watched === undefined) return false;
  return watched.buckets.some((each) =>
    isLiveOrTold(ctx, { group: watched, bucket: each }, places, depth + 1),
  );
}

function isPortLive(ports: PortTable, number: number): boolean {
  return ports.generationOf(number) !== 0 && (ports.flagsOf(number) & PORT_FLAG.down) === 0;
}

/** Of addresses, ports, VLAN and the rest (NX_HASH_FIELDS_SYMMETRIC_L4), all looked at. */
function symmetricHash(ctx: Context): number {
  const { flow, wildcards } = ctx;
  wildcards[WORD.ethDst] = 0xffffffff;
  wildcards[WORD.ethMid] = 0xffffffff;
  wildcards[WORD.ethSrc] = 0xffffffff;
  if (isIp(flow)) {
    wildcards[WORD.ip]! |= 0xff000000;
    wildcards[WORD.ports] = 0xffffffff;
    const isIpv4 = flow[WORD.typeVlan]! >>> 16 === 0x0800;
    const [first, count] = isIpv4 ? [WORD.nwSrc, 2] : [WORD.ipv6Src, 8];
    for (let i = 0; i < count; i++) wildcards[first + i] = 0xffffffff;
  }
  return flowHash(flow);
}

/** Of the group's own fields; those that the packet does not have are left out. */
function fieldsHash(ctx: Context, entry: GroupEntry): number {
  const { fields, selectionParam } = entry.group;
  let hash = mixHash(Number(selectionParam & 0xffffffffn), Number(selectionParam >> 32n));
  for (const { field: id, mask } of fields) {
    const field = fieldOf(id);
    if (!prerequisiteMet(ctx, field.prerequisite)) continue;
    const value = readRun(ctx.flow, field.start, field.stored);
    const seen = readRun(ctx.wildcards, field.start, field.stored);
    value.forEach((word, i) => {
      hash = mixHash(hash, word & mask[i]!);
      seen[i]! |= mask[i]!;
    });
    writeRun(ctx.wildcards, field.start, field.stored, seen);
  }
  return hash;
}

function mixHash(hash: number, word: number): number {
  let mixed = Math.imul(hash ^ Math.imul(word, 0x85ebca6b), 0x9e3779b1);
  mixed ^= mixed >>> 15;
  mixed = Math.imul(mixed, 0xc2b2ae35);
  return (mixed ^ (mixed >>> 13)) >>> 0;
}
