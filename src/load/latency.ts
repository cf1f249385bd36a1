// Latencies of one thread's requests: exact percentiles for the summary, and coarse buckets for
// the curve in the report. One object per load thread; never shared, so plain stores suffice.
// Also used by the memory backend's load.
import { createHistogram, type RecordableHistogram } from "node:perf_hooks";
import type { LatencyMs } from "./types.js";

/** Bucket bounds grow by the fourth root of two, from 50 microseconds to about four minutes. */
const BUCKET_FIRST_MS = 0.05;
const BUCKETS_PER_DOUBLING = 4;
const BUCKET_COUNT = 90;
const MICROSECONDS_MAX = 3_600_000_000;

export interface Bucket {
  readonly upToMs: number;
  readonly count: number;
}

/** Collects latencies of up to an hour; longer ones count as an hour. */
export class LatencyRecorder {
  private readonly exact: RecordableHistogram;
  private readonly counts = new Float64Array(BUCKET_COUNT);

  constructor() {
    this.exact = createHistogram({ lowest: 1, highest: MICROSECONDS_MAX, figures: 3 });
  }

  /** @param latencyMs from the start of the request to its last byte; not negative. */
  record(latencyMs: number): void {
    const microseconds = Math.round(latencyMs * 1000);
    this.exact.record(Math.min(Math.max(microseconds, 1), MICROSECONDS_MAX));
    const doublings = Math.log2(Math.max(latencyMs, BUCKET_FIRST_MS) / BUCKET_FIRST_MS);
    const index = Math.ceil(doublings * BUCKETS_PER_DOUBLING);
    this.counts[Math.min(index, BUCKET_COUNT - 1)]! += 1;
  }

  /** All zero when nothing was recorded. */
  summary(): LatencyMs {
    if (this.exact.count === 0) return { p50: 0, p99: 0, max: 0 };
    return {
      p50: this.exact.percentile(50) / 1000,
      p99: this.exact.percentile(99) / 1000,
      max: this.exact.max / 1000,
    };
  }

  /** Buckets from the first to the last that is not empty. Bounds are inclusive. */
  buckets(): Bucket[] {
    let first = 0;
    let end = BUCKET_COUNT;
    while (first < end && this.counts[first] === 0) first++;
    while (end > first && this.counts[end - 1] === 0) end--;
    const buckets: Bucket[] = [];
    for (let i = first; i < end; i++) {
      buckets.push({ upToMs: bucketBoundMs(i), count: this.counts[i]! });
    }
    return buckets;
  }
}

function bucketBoundMs(index: number): number {
  const exact = BUCKET_FIRST_MS * 2 ** (index / BUCKETS_PER_DOUBLING);
  return Number(exact.toPrecision(4));
}
