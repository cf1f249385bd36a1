// The arithmetic and the table of `bench peers`; what it measures is in test/host/peers.test.ts.
import { describe, expect, it } from "vitest";
import { MEASURES } from "../../src/cli/bench/peers/measures.js";
import {
  costOf,
  peersText,
  ratiosOf,
  type Series,
  spreadOf,
} from "../../src/cli/bench/peers/report.js";

function series(measure: string, peer: string, values: number[], rest: Partial<Series> = {}) {
  const each = <T>(value: T) => values.map(() => value);
  return {
    ...{ measure, peer, values, cpuSeconds: each(1), machineSeconds: each(2) },
    ...{ bytes: each(0), packets: each(0), lost: each(null) },
    ...{ inVain: each(0), stolen: each(0), ...rest },
  };
}

describe("bench peers", () => {
  it("the median of an even number of rounds lies between the two in the middle", () => {
    expect(spreadOf([4, 1, 3, 2])).toEqual({ median: 2.5, min: 1, max: 4 });
    expect(spreadOf([5, 1, 3])).toEqual({ median: 3, min: 1, max: 5 });
  });

  it("a ratio is the median of the rounds' ratios, not the ratio of the medians", () => {
    const own = series("tcp-1", "packetpath", [10, 2, 9]);
    const other = series("tcp-1", "ovs-tso", [5, 2, 3]);
    expect(ratiosOf([own, other], MEASURES)).toEqual([
      { measure: "tcp-1", against: "ovs-tso", value: 2, goal: 1.1, met: true },
    ]);
  });

  it("where less is better, a goal is the most that is allowed", () => {
    const ratio = (value: number) =>
      ratiosOf(
        [series("requests-3000", "packetpath", [value]), series("requests-3000", "bridge", [1])],
        MEASURES,
      )[0]!.met;
    expect([ratio(1), ratio(1.01)]).toEqual([true, false]);
  });

  it("CPU time is counted per gigabyte of streams and per million packets", () => {
    const stream = series("tcp-1", "c-tso", [9, 9], { bytes: [1e9, 3e9] });
    expect(costOf(stream)).toEqual({ perGigabyte: 0.5, perMillion: null });
    const small = series("udp-64", "c-tso", [9], { packets: [250_000], bytes: [16e6] });
    expect(costOf(small)).toEqual({ perGigabyte: null, perMillion: 4 });
    const kernel = series("tcp-1", "bridge", [9], { cpuSeconds: [null], bytes: [1e9] });
    expect(costOf(kernel)).toEqual({ perGigabyte: null, perMillion: null });
  });

  it("a segment that had arrived when it was sent again is not counted among the lost", () => {
    const clean = series("tcp-4", "packetpath", [9, 9], { lost: [0, 0], inVain: [2, 1] });
    const text = peersText([clean], MEASURES, []);
    expect(text).toContain("3 sent again that had arrived");
    expect(text).not.toContain("lost");
    const lossy = series("tcp-4", "packetpath", [9], { lost: [4], inVain: [1] });
    expect(peersText([lossy], MEASURES, [])).toContain("4 lost or sent again, 1 sent again that");
  });

  it("a machine that was away for longer than a figure bears is named beside it", () => {
    const text = (share: number) =>
      peersText([series("wrk", "packetpath", [20, 20], { stolen: [0, share] })], MEASURES, []);
    expect(text(0.31)).toContain("up to 31 % of the machine was away");
    expect(text(0.03)).not.toContain("away");
  });

  it("what is not there is named, and nothing is made up for it", () => {
    const text = peersText([series("wrk", "packetpath", [20])], MEASURES, [
      { name: "ovs", lacks: "ovs-vswitchd (Debian: openvswitch-switch)" },
    ]);
    expect(text).toContain("not compared: ovs, for want of ovs-vswitchd");
    expect(text).not.toContain("ovs-tso wrk");
  });
});
