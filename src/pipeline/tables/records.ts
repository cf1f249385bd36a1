// The statistics records of one worker, given out to flows, groups and buckets. Each record says
// whose it is, by an id that is never used twice, so that nobody reads another's counters in it.
// Replicas give the same thing the same record and id, because both follow from the order of
// changes alone. One per replica of the tables.
import { RECORD } from "../../flow/odp.js";

export interface RecordPlace {
  /** Offset in the array of records. */
  readonly record: number;
  /** Counts from 1. */
  readonly id: number;
}

export class RecordPool {
  readonly records: Float64Array;
  private readonly free: number[] = [];
  private readonly blocks: number[] = [];
  private end: number;
  private used = 0;
  private lastId = 0;

  constructor(records: Float64Array) {
    this.records = records;
    this.end = records.length;
  }

  /** Most records at a time. */
  get capacity(): number {
    return this.end / RECORD.size;
  }

  /** Records that are left. */
  get room(): number {
    return this.capacity - this.used + this.free.length;
  }

  /**
   * Keeps records behind all that are given out.
   * @returns the offset of the first; a block that was given back, if there is one.
   */
  reserve(count: number): number {
    const known = this.blocks.pop();
    if (known !== undefined) return known;
    this.end -= count * RECORD.size;
    return this.end;
  }

  /** Gives a reserved block back; all blocks are of one size. */
  giveBack(block: number): void {
    this.blocks.push(block);
  }

  /** An empty record. To be asked only while there is room. */
  take(): RecordPlace {
    const record = this.free.pop() ?? this.used++ * RECORD.size;
    const id = ++this.lastId;
    this.records.fill(0, record, record + RECORD.size);
    this.records[record + RECORD.flowId] = id;
    return { record, id };
  }

  release(record: number): void {
    this.records[record + RECORD.flowId] = 0;
    this.free.push(record);
  }
}
