// Rings of trace events: one per thread, so that each has a single writer; the main thread drains
// them. They lie in shared memory, not in messages, because what a thread did last must survive
// the thread: a worker that locks up never posts a message again.
import { nowNs } from "../base/clock.js";
import type { Addr, Mem } from "./memory.js";

/** Doubles per record: time (ns), event, device, a, b, cpu, and two words of the device. */
const RECORD = 8;
const CAPACITY = 4096;

/** Which two words of a device each record copies: the queue count and the registration state. */
export interface DeviceWords {
  readonly realNumTxQueues: number;
  readonly regState: number;
}

export interface TraceRecord {
  readonly atNs: number;
  readonly event: number;
  readonly device: Addr;
  readonly a: number;
  readonly b: number;
  readonly cpu: number;
  readonly realNumTxQueues: number;
  readonly regState: number;
}

/** Bytes of one ring: the write count, then the records. */
export const EVENT_RING_BYTES = 8 + CAPACITY * RECORD * 8;

export class EventRing {
  private readonly count: Int32Array;
  private readonly records: Float64Array;
  private readonly words: DeviceWords;

  constructor(shared: SharedArrayBuffer, words: DeviceWords) {
    this.count = new Int32Array(shared, 0, 1);
    this.records = new Float64Array(shared, 8, CAPACITY * RECORD);
    this.words = words;
  }

  /** Writer only: the thread that owns the ring. Overwrites the oldest record when full. */
  write(m: Mem, event: number, device: Addr, a: number, b: number, cpu: number): void {
    const count = this.count[0] as number;
    const at = (count & (CAPACITY - 1)) * RECORD;
    const records = this.records;
    records[at] = nowNs();
    records[at + 1] = event;
    records[at + 2] = device;
    records[at + 3] = a;
    records[at + 4] = b;
    records[at + 5] = cpu;
    records[at + 6] = device === 0 ? 0 : (m[device + this.words.realNumTxQueues] as number);
    records[at + 7] = device === 0 ? 0 : (m[device + this.words.regState] as number);
    // Published by the atomic store: a reader that sees the count sees the record.
    Atomics.store(this.count, 0, (count + 1) | 0);
  }

  /**
   * Reader only: the records since `from` (a count returned earlier; 0 at first).
   * @returns the records, the new count, and how many were overwritten before they were read. Of a
   * full ring the oldest record counts as overwritten: the writer may be at it.
   */
  read(from: number): { records: TraceRecord[]; next: number; lost: number } {
    const next = Atomics.load(this.count, 0);
    let first = Math.max(from, next - CAPACITY + 1);
    const records: TraceRecord[] = [];
    for (let i = first; i < next; i++) {
      const at = (i & (CAPACITY - 1)) * RECORD;
      const r = Array.from(this.records.subarray(at, at + RECORD));
      records.push({
        atNs: r[0]!,
        event: r[1]!,
        device: r[2]!,
        a: r[3]!,
        b: r[4]!,
        cpu: r[5]!,
        realNumTxQueues: r[6]!,
        regState: r[7]!,
      });
    }
    // What the writer has come to meanwhile may be half of an old record and half of a new one.
    const intact = Atomics.load(this.count, 0) - CAPACITY + 1;
    const torn = Math.min(records.length, Math.max(0, intact - first));
    records.splice(0, torn);
    first += torn;
    return { records, next, lost: first - from };
  }
}
