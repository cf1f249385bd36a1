// The law of the hot path: nothing is allocated per frame. Measured as growth of this heap.
import v8 from "node:v8";
import { describe, expect, it } from "vitest";
import type { Transmit } from "../../src/datapath/datapath.js";
import { OFPP, type Action } from "../../src/flow/types.js";
import { decTtl, flow, lab, output, set, udp } from "../pipeline/fixtures.js";

const FRAMES = 50_000;
const METER = { id: 1, unit: "pktps", hasBurst: true, hasStats: true } as const;

const ct: Action = {
  ...{ type: "ct", commit: true, force: false, zone: 3, table: 1, alg: 0, actions: [] },
};
const clone: Action = { type: "clone", actions: [{ ...ct, table: null }, decTtl, output(3)] };
const meter: Action = { type: "meter", meter: 1 };
const setQueue: Action = { type: "set-queue", queue: 2 };

/** Bytes that `work` leaves allocated, provided that no collection runs in between. */
function allocated(work: () => void): number {
  const before = v8.getHeapStatistics().used_heap_size;
  work();
  return v8.getHeapStatistics().used_heap_size - before;
}

describe("allocation per frame", () => {
  it.each([
    ["one output", [output(2)]],
    ["three outputs", [output(OFPP.all)]],
    ["rewriting", [set("eth_dst", 0x0200000000ee), set("ip_src", 9), decTtl, output(2)]],
    ["a clone", [clone, output(2)]],
    ["a meter and a queue", [meter, setQueue, output(2)]],
    ["a tracked connection that comes round", [ct]],
    ["tags", [{ type: "push-vlan", ethertype: 0x8100 } as const, output(2)]],
  ])("a cached frame with %s allocates nothing", (_name, actions) => {
    let sent = 0;
    const transmit: Transmit = {
      output: () => {
        sent++;
      },
      drop: () => undefined,
      cloned: () => undefined,
    };
    const second = flow({}, [output(2)], { table: 1 });
    const { datapath, meters } = lab([flow({}, actions), second], [1, 2, 3, 4], transmit);
    meters.set({ ...METER, bands: [{ type: "drop", rate: 1e9, burst: 1e9 }] }, 0);
    const bytes = new Uint8Array(2048);
    const original = udp();
    const frame = {
      bytes,
      offset: 100,
      length: 0,
      vnetOffset: -1,
      inPort: 1,
      queueMapping: 3,
      hash: 0,
    };
    const run = (count: number) => {
      for (let i = 0; i < count; i++) {
        if ((i & 31) === 0) datapath.beginBurst();
        bytes.set(original, 100);
        frame.offset = 100;
        frame.length = original.length;
        datapath.receive(frame);
      }
    };
    run(30_000);
    // The median: a collection makes one of them negative, the test runner's timers one too large.
    const rounds = [1, 2, 3, 4, 5].map(() => allocated(() => run(FRAMES)));
    const median = rounds.sort((a, b) => a - b)[2]!;
    expect(sent).toBeGreaterThan(FRAMES);
    // One object per frame would be 16 bytes each, at least.
    expect(median).toBeLessThan(FRAMES / 10);
  });
});
