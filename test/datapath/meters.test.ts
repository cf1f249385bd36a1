// Token buckets: the worked example of Open vSwitch's own test of its userspace datapath
// ("dpif-netdev - meters"), what a drop does to a frame, and buckets that two views of one memory
// share.
import { describe, expect, it } from "vitest";
import { MeterTable } from "../../src/datapath/meters.js";
import type { Meter } from "../../src/flow/types.js";
import { ends, textLab, udp } from "../pipeline/fixtures.js";

function meter(id: number, unit: "pktps" | "kbps", bands: readonly [number, number][]): Meter {
  return {
    ...{ id, unit, hasBurst: true, hasStats: true },
    bands: bands.map(([rate, burst]) => ({ type: "drop", rate, burst })),
  };
}

describe("a meter", () => {
  it("1 packet a second, burst 1: of the packets at 0, 1, 5000, 5870 and 5880 ms", () => {
    const meters = MeterTable.create();
    meters.set(meter(1, "pktps", [[1, 1]]), 0);
    const at = (ms: number) => meters.pass(1, 60, ms);
    expect([at(0), at(1), at(5000), at(5870), at(5880), at(6000)]).toEqual([
      ...[true, false, true, false, false],
      // Exactly a second after the last that passed.
      true,
    ]);
    expect(meters.stats(1)).toMatchObject({
      ...{ packets: 6, bytes: 360 },
      bands: [{ packets: 3, bytes: 180 }],
    });
  });

  it("1 kbit a second, burst 2: four packets of 60 bytes, then one for every 480 ms", () => {
    const meters = MeterTable.create();
    meters.set(meter(2, "kbps", [[1, 2]]), 0);
    const passed = [0, 0, 0, 0, 0, 479, 480, 500].map((ms) => meters.pass(2, 60, ms));
    // 2000 bits hold four times 480; 80 are left, and 479 ms bring 479 more.
    expect(passed).toEqual([true, true, true, true, false, true, false, false]);
  });

  it("without a burst holds a second's rate", () => {
    const meters = MeterTable.create();
    meters.set(meter(3, "pktps", [[3, 0]]), 0);
    expect([1, 2, 3, 4].map(() => meters.pass(3, 60, 10))).toEqual([true, true, true, false]);
  });

  it("of several bands that are exceeded the fastest counts the drop", () => {
    const meters = MeterTable.create();
    meters.set(
      meter(4, "pktps", [
        [1, 1],
        [2, 1],
      ]),
      0,
    );
    meters.pass(4, 60, 0);
    meters.pass(4, 60, 0);
    expect(meters.stats(4)!.bands).toEqual([
      { packets: 0, bytes: 0 },
      { packets: 1, bytes: 60 },
    ]);
  });

  it("is shared by all views of its memory, and gone when deleted", () => {
    const meters = MeterTable.create();
    meters.set(meter(5, "pktps", [[1, 1]]), 0);
    const other = new MeterTable(meters.buffer);
    expect(other.pass(5, 60, 0)).toBe(true);
    expect(meters.pass(5, 60, 0)).toBe(false);
    // 261 lies in the same place of a table of 256.
    meters.set(meter(261, "pktps", [[1, 1]]), 0);
    meters.delete(5);
    expect(meters.has(5)).toBe(false);
    expect(other.has(261)).toBe(true);
    expect(meters.pass(5, 60, 0)).toBe(true);
  });

  it("drops what is left of a frame by name; what left before it is counted as a copy", () => {
    const before = textLab(["actions=meter:1,output:2"]);
    before.meters.set(meter(1, "pktps", [[1, 1]]), 1_000_000);
    expect(ends(before.send(udp(), 1))).toEqual([2]);
    expect(ends(before.send(udp(), 1))).toEqual(["metered"]);
    const controlled = textLab(["actions=controller(meter_id=1),output:2"]);
    controlled.meters.set(meter(1, "pktps", [[1, 1]]), 1_000_000);
    for (let i = 0; i < 3; i++) expect(ends(controlled.send(udp(), 1))).toEqual([2]);
    expect(controlled.datapath.counters[6]).toBe(1);
  });
});
