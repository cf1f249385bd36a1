// The law of the hot path: nothing is allocated per frame. Measured as growth of this heap.
import v8 from "node:v8";
import { describe, expect, it } from "vitest";
import type { Transmit } from "../../src/datapath/datapath.js";
import { OFPP } from "../../src/flow/types.js";
import { decTtl, flow, lab, output, set, udp } from "../pipeline/fixtures.js";

const FRAMES = 50_000;

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
    const { datapath } = lab([flow({}, actions)], [1, 2, 3, 4], transmit);
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
