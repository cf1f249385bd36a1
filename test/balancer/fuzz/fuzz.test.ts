// 50,000 malformed frames; `node scripts/fuzz-toa.mjs` runs as many as one likes.
import { describe, expect, it } from "vitest";
import { fuzz } from "./fuzz.js";

const SEED = 2026;

describe("behaviour 11: malformed options, lengths and headers", () => {
  it("no crash, nothing written outside a frame, every connection goes on", () => {
    const result = fuzz(50_000, SEED);
    expect(result.forwarded).toBeGreaterThan(30_000);
    // The laws were asked of something: addresses told, options pruned or refused, frames dropped.
    expect(result.told).toBeGreaterThan(5_000);
    expect(result.balancer.toaInserted).toBeGreaterThanOrEqual(result.told);
    const untold = Object.keys(result.balancer.untold).sort();
    expect(untold).toEqual(["needs-fragment", "no-room", "signed"]);
    expect(result.broken["balancer-unreadable"]).toBeGreaterThan(1_000);
    expect(result.broken["passed"]).toBeGreaterThan(1_000);
    expect(result.receiver.ip6_address_alloc).toBe(result.receiver.ip6_address_free);
  });
});
