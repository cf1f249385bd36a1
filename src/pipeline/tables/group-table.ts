// The groups of one worker: the group tables of OpenFlow (Open vSwitch 3.1, ofproto/ofproto-dpif.c
// group_dpif; ovs-ofctl(8) "Group Syntax"). A part of FlowTables, changed with it in one step, so
// every worker has a replica and no packet sees half a change. Groups and buckets have statistics
// records as flows do.
import { RECORD } from "../../flow/odp.js";
import { HASH_ALGORITHM } from "../../flow/odp.js";
import type { Bucket, Group } from "../../flow/types.js";

/** How a select group chooses (OVS group_selection_method). */
export type Selection =
  /** By a hash that the translation takes of the addresses and ports, the same both ways. */
  | { readonly type: "default" }
  /** By a hash that the translation takes of `group.fields`. */
  | { readonly type: "hash" }
  /** By the datapath's hash: bucket index of each value of its lowest bits; -1: none. */
  | {
      readonly type: "dp-hash";
      readonly algorithm: number;
      readonly basis: number;
      readonly buckets: Int16Array;
    };

export interface GroupEntry {
  readonly group: Group;
  readonly selection: Selection;
  /** Offsets of the statistics records, of the group and of its buckets. */
  readonly record: number;
  readonly bucketRecords: readonly number[];
  /** Ids of these records. */
  readonly id: number;
  readonly bucketIds: readonly number[];
  readonly addedMs: number;
}

/** Fewest and most values of a hash that buckets are given (MAX_SELECT_GROUP_HASH_VALUES). */
const HASH_VALUES_MIN = 16;
const HASH_VALUES_MAX = 256;
/** The same for a group that does not name its method. */
const HASH_VALUES_UNASKED = 64;

/** How OVS would choose among the buckets of a group (group_set_selection_method). */
export function selectionOf(group: Group): Selection {
  if (group.selectionMethod === "hash" && group.fields.length > 0) return { type: "hash" };
  if (group.selectionMethod === "hash") return { type: "default" };
  const isAsked = group.selectionMethod === "dp_hash";
  const buckets = apportion(group.buckets, isAsked ? HASH_VALUES_MAX : HASH_VALUES_UNASKED);
  if (buckets === null) return { type: "default" };
  const asked = Number(group.selectionParam >> 32n);
  const known = asked === HASH_ALGORITHM.symmetricL4 ? asked : HASH_ALGORITHM.l4;
  return {
    type: "dp-hash",
    algorithm: isAsked ? known : HASH_ALGORITHM.symmetricL4,
    basis: isAsked ? Number(group.selectionParam & 0xffffffffn) : 0,
    buckets,
  };
}

/**
 * Gives each of 16 or more hash values (a power of two) to a bucket, by weight, with Webster's
 * method (group_setup_dp_hash_table). null: there is no weight, or it takes too many values.
 */
export function apportion(buckets: readonly Bucket[], most: number): Int16Array | null {
  const weights = buckets.map((bucket) => bucket.weight);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  if (total === 0) return null;
  const least = Math.min(...weights.filter((weight) => weight > 0));
  const needed = 2 ** Math.ceil(Math.log2(Math.ceil(total / least)));
  const values = Math.max(HASH_VALUES_MIN, needed);
  if (values > most) return null;
  const divisors = weights.map(() => 1);
  return Int16Array.from({ length: values }, () => {
    let winner = 0;
    for (let i = 1; i < weights.length; i++) {
      if (weights[i]! / divisors[i]! > weights[winner]! / divisors[winner]!) winner = i;
    }
    divisors[winner]! += 2;
    return winner;
  });
}

export class GroupTable {
  private readonly groups = new Map<number, GroupEntry>();

  get size(): number {
    return this.groups.size;
  }

  get(id: number): GroupEntry | null {
    return this.groups.get(id) ?? null;
  }

  /** All groups, by number; for dumps. */
  entries(): GroupEntry[] {
    return [...this.groups.values()].sort((a, b) => a.group.id - b.group.id);
  }

  /** Adds a group, or replaces the one of its number. FlowTables only. */
  set(entry: GroupEntry): void {
    this.groups.set(entry.group.id, entry);
  }

  /** FlowTables only. */
  delete(id: number): void {
    this.groups.delete(id);
  }
}

/** The counters of a record of a group or bucket, summed over the records of all workers. */
export function sumRecord(
  record: number,
  id: number,
  workers: readonly Float64Array[],
): { packets: number; bytes: number } {
  let packets = 0;
  let bytes = 0;
  for (const records of workers) {
    if (records[record + RECORD.flowId] !== id) continue;
    packets += records[record + RECORD.packets]!;
    bytes += records[record + RECORD.bytes]!;
  }
  return { packets, bytes };
}
