// Records that belong to no flow: packets that met no flow, by table and by what then happened to
// them. They lie behind the records of flows, at the same place in every replica. One per replica.
import { RECORD } from "../../flow/odp.js";
import type { RecordPool } from "./records.js";

/** What happens to a packet that meets no flow; Open vSwitch's own flows of table 254. */
export const FATES = ["packet-in", "miss", "fragment"] as const;
export type Fate = (typeof FATES)[number];

const TABLES = 254;
/** Records that are kept free behind those of flows. */
export const OWN_RECORDS = TABLES + FATES.length;
/** The id that they all have; flows count from 1. */
const OWN_ID = -1;

export interface Misses {
  readonly packets: number;
  readonly bytes: number;
}

export class OwnRecords {
  /** Offset of the first. */
  readonly first: number;

  /** @param pool must have room for OWN_RECORDS. */
  constructor(pool: RecordPool) {
    const { records } = pool;
    this.first = pool.reserve(OWN_RECORDS);
    records.fill(0, this.first, this.first + OWN_RECORDS * RECORD.size);
    for (let i = 0; i < OWN_RECORDS; i++) {
      records[this.first + i * RECORD.size + RECORD.flowId] = OWN_ID;
    }
  }

  /** The record of packets that a table had no flow for. */
  ofTable(table: number): number {
    return this.first + table * RECORD.size;
  }

  ofFate(fate: Fate): number {
    return this.first + (TABLES + FATES.indexOf(fate)) * RECORD.size;
  }
}

/** A record's counters, summed over all workers. */
export function sumOwnRecord(record: number, workers: readonly Float64Array[]): Misses {
  let [packets, bytes] = [0, 0];
  for (const records of workers) {
    packets += records[record + RECORD.packets]!;
    bytes += records[record + RECORD.bytes]!;
  }
  return { packets, bytes };
}
