// The histogram behind every latency that a report shows.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LatencyRecorder } from "../../src/load/latency.js";

describe("latencies", () => {
  it("are all zero, without buckets, when nothing was recorded", () => {
    const recorder = new LatencyRecorder();
    expect(recorder.summary()).toEqual({ p50: 0, p99: 0, max: 0 });
    expect(recorder.buckets()).toEqual([]);
  });

  it("come out as percentiles within the three digits of the histogram", () => {
    const recorder = new LatencyRecorder();
    for (let i = 1; i <= 1000; i++) recorder.record(i);
    const { p50, p99, max } = recorder.summary();
    expect(Math.abs(p50 - 500)).toBeLessThan(1);
    expect(Math.abs(p99 - 990)).toBeLessThan(2);
    expect(Math.abs(max - 1000)).toBeLessThan(2);
  });

  it("are each in exactly one bucket, whose bounds hold it", () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: 1e7, noNaN: true }), { minLength: 1 }),
        (all) => {
          const recorder = new LatencyRecorder();
          for (const one of all) recorder.record(one);
          const buckets = recorder.buckets();
          expect(buckets.reduce((sum, bucket) => sum + bucket.count, 0)).toBe(all.length);
          expect(buckets[0]!.count).toBeGreaterThan(0);
          expect(buckets.at(-1)!.count).toBeGreaterThan(0);
        },
      ),
    );
  });

  it("of one value fall into the bucket that it bounds, a hair more into the next", () => {
    const bounds = new LatencyRecorder();
    bounds.record(0.05);
    bounds.record(0.1);
    bounds.record(0.1001);
    const filled = bounds.buckets().filter((bucket) => bucket.count > 0);
    expect(filled.map((bucket) => bucket.upToMs)).toEqual([0.05, 0.1, 0.1189]);
  });
});
