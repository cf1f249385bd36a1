// The books: in = out + drops + injected, per port and in total, also when a worker was lost with a
// frame in hand; and that one frame too many or too few is seen.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DROP, DROP_REASONS } from "../../src/base/drop-reasons.js";
import { closeBooks, faultDrops, isBalanced, portTraffic } from "../../src/scenario/books.js";
import { CounterBlocks, portCounters, PORT_COUNTER } from "../../src/sync/counters.js";
import { CPU, cpuBlock, firstFreeWord } from "../../src/sync/memory.js";

const WORKERS = 3;
const PORTS = [
  { name: "client", number: 1, kind: "veth" },
  { name: "server", number: 2, kind: "veth" },
];
const NOBODY = { lost: new Set<number>(), lockedUp: new Set<number>() };

const memory = () => new Int32Array(new SharedArrayBuffer(4 * firstFreeWord(WORKERS)));

/** Counts one frame: read by a worker from a port, and ended there. */
function count(blocks: CounterBlocks, worker: number, port: number, end: "sent" | number): void {
  const block = blocks.block(worker);
  block[portCounters(port) + PORT_COUNTER.rx]!++;
  if (end === "sent") block[portCounters(port) + PORT_COUNTER.sent]!++;
  else block[portCounters(port) + PORT_COUNTER.drops + end]!++;
}

describe("the law", () => {
  const frame = fc.record({
    worker: fc.nat(WORKERS - 1),
    port: fc.integer({ min: 1, max: 2 }),
    end: fc.oneof(fc.constant("sent" as const), fc.nat(DROP_REASONS.length - 1)),
  });

  it("holds whatever happened to each frame, summed over all workers", () => {
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 80 }), (frames) => {
        const blocks = new CounterBlocks(WORKERS, 4);
        for (const { worker, port, end } of frames) count(blocks, worker, port, end);
        const { total, ports } = closeBooks(blocks, memory(), PORTS, NOBODY);
        expect(total.balanced).toBe(true);
        expect(total.in).toBe(frames.length);
        expect(total.out).toBe(frames.filter(({ end }) => end === "sent").length);
        expect(ports.map((port) => port.in)).toEqual(
          [1, 2].map((number) => frames.filter(({ port }) => port === number).length),
        );
      }),
    );
  });

  it.each([
    ["a frame without a fate", PORT_COUNTER.rx],
    ["a copy without a fate", PORT_COUNTER.cloned],
    ["a frame that left twice", PORT_COUNTER.sent],
    ["a frame that was dropped as well", PORT_COUNTER.drops + DROP.guard],
    ["an injected loss that nobody read", PORT_COUNTER.injected],
  ])("is broken by %s", (_name, counter) => {
    const blocks = new CounterBlocks(WORKERS, 4);
    for (let i = 0; i < 10; i++) count(blocks, i % WORKERS, 1, "sent");
    blocks.block(1)[portCounters(1) + counter]!++;
    expect(closeBooks(blocks, memory(), PORTS, NOBODY).total.balanced).toBe(false);
  });

  it("is broken when two ports are wrong by the same amount in opposite ways", () => {
    const blocks = new CounterBlocks(WORKERS, 4);
    blocks.block(0)[portCounters(1) + PORT_COUNTER.rx]!++;
    blocks.block(0)[portCounters(2) + PORT_COUNTER.sent]!++;
    expect(closeBooks(blocks, memory(), PORTS, NOBODY).total.balanced).toBe(false);
  });

  it("counts copies as frames, each with a fate of its own", () => {
    const blocks = new CounterBlocks(WORKERS, 4);
    count(blocks, 0, 1, "sent");
    const block = blocks.block(0);
    block[portCounters(1) + PORT_COUNTER.cloned]! += 2;
    block[portCounters(1) + PORT_COUNTER.sent]! += 1;
    block[portCounters(1) + PORT_COUNTER.drops + DROP["tx-down"]]! += 1;
    const { total } = closeBooks(blocks, memory(), PORTS, NOBODY);
    expect(total).toMatchObject({ in: 3, out: 2, cloned: 2, drops: { "tx-down": 1 } });
    expect(total.balanced).toBe(true);
  });

  it("is said of a book by isBalanced alone", () => {
    const book = { in: 10, out: 5, cloned: 0, drops: { guard: 3, runt: 1 }, injected: 1 };
    expect(isBalanced(book)).toBe(true);
    expect(isBalanced({ ...book, injected: 0 })).toBe(false);
  });
});

describe("a worker that was lost", () => {
  function inHand(ended: { lost: Set<number>; lockedUp: Set<number> }) {
    const blocks = new CounterBlocks(WORKERS, 4);
    const m = memory();
    for (const worker of [0, 1]) {
      blocks.block(worker)[portCounters(2) + PORT_COUNTER.rx]!++;
      m[cpuBlock(worker) + CPU.inHand] = 1;
      m[cpuBlock(worker) + CPU.inHandPort] = 2;
    }
    return closeBooks(blocks, m, PORTS, ended);
  }

  it("has its frame counted at the port it came from: held-by-lockup, or stopped", () => {
    const { total, ports } = inHand({ lost: new Set([0, 1]), lockedUp: new Set([1]) });
    expect(total.drops).toEqual({ "held-by-lockup": 1, stopped: 1 });
    expect(ports[0]!.drops).toEqual({});
    expect(total.balanced).toBe(true);
  });

  it("is not assumed: a frame in the hand of a worker that ended in order is missing", () => {
    expect(inHand({ lost: new Set([0]), lockedUp: new Set() }).total.balanced).toBe(false);
  });
});

describe("what faults have touched", () => {
  it("drops that only a fault brings about count; a switch's own do not", () => {
    const blocks = new CounterBlocks(WORKERS, 4);
    for (const reason of ["guard", "no-vport", "tx-gone", "rx-unpublished"] as const) {
      count(blocks, 0, 1, DROP[reason]);
    }
    for (const reason of ["action-drop", "in-port", "runt", "table-miss"] as const) {
      count(blocks, 1, 2, DROP[reason]);
    }
    expect(faultDrops(blocks, PORTS)).toBe(4);
  });

  it("traffic of a port is what was read from it and what was written to it", () => {
    const blocks = new CounterBlocks(WORKERS, 4);
    count(blocks, 0, 1, "sent");
    blocks.block(2)[portCounters(2) + PORT_COUNTER.tx]! += 5;
    expect(portTraffic(blocks, [2])).toBe(5);
    expect(portTraffic(blocks, [1, 2])).toBe(6);
  });
});
