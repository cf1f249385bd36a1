// A load that cannot work must be refused before it begins, with the number that is in the way.
import { describe, expect, it } from "vitest";
import { checkConnectionLimits, connectionsMax } from "../../src/load/limits.js";
import { NOWHERE_SPEC as spec } from "./specs.js";

describe("connections at once", () => {
  it("are bounded by the requests, the concurrency, or the pace and the timeout", () => {
    expect(connectionsMax({ ...spec, requests: 3000 })).toBe(3000);
    expect(connectionsMax({ ...spec, requests: 3000, concurrency: 20 })).toBe(20);
    expect(connectionsMax({ ...spec, requests: 0, concurrency: 20 })).toBe(20);
    expect(connectionsMax({ ...spec, requests: 0, intervalMs: 4, timeoutMs: 1000 })).toBe(250);
    expect(connectionsMax({ ...spec, requests: 9, intervalMs: 4, timeoutMs: 1000 })).toBe(9);
  });
});

describe("the check before a load", () => {
  it("passes what the machine can carry", () => {
    checkConnectionLimits({ ...spec, requests: 10, holdUntilInFlight: 10 });
  });

  it("refuses a load without end and without a pace", () => {
    const endless = { ...spec, requests: 0 };
    expect(() => checkConnectionLimits(endless)).toThrowError(/without end needs an intervalMs/);
  });

  it("refuses a hold that could never be reached, and so would never be released", () => {
    const never = { ...spec, requests: 100, concurrency: 10, holdUntilInFlight: 11 };
    expect(() => checkConnectionLimits(never)).toThrowError(
      "holdUntilInFlight is 11, but at most 10 requests can be in flight",
    );
  });

  it("names RLIMIT_NOFILE and both numbers when descriptors would run out", () => {
    const many = { ...spec, requests: 1_000_000_000 };
    expect(() => checkConnectionLimits(many)).toThrowError(
      /1000000000 connections need 2000000500 file descriptors .*RLIMIT_NOFILE\) is \d+/,
    );
    expect(() => checkConnectionLimits({ ...many, serverApart: true })).toThrowError(
      /1000000000 connections need 1000000500 file descriptors, but .*RLIMIT_NOFILE\) is \d+/,
    );
  });
});
