// Data races, and orders of accesses that were or were not seen: runs are held against all states,
// and states against each other.
import { describe, expect, it } from "vitest";
import { Random } from "../../src/base/random.js";
import { RaceWatcher, scheduleToRace } from "../../src/explore/detect/clocks.js";
import { graphCoverage } from "../../src/explore/detect/coverage.js";
import { explore, replay } from "../../src/explore/explore.js";
import { Machine } from "../../src/explore/search/machine.js";
import { StateGraph } from "../../src/explore/states/state-graph.js";
import { loadProgram } from "../../src/explore/source/load.js";
import { watchMoves } from "../../src/explore/strategies/walk.js";
import type { Coverage } from "../../src/explore/types.js";
import { randomProgram } from "./random-program.js";

const HEAD =
  "import { add, assert, cas, choose, ld, lock, program, read, st, tryLock, unlock, waitUntil," +
  ' waitWhile, write, xchg } from "packetpath/explore";\n';
const one = (threads: string, more = "") =>
  `${HEAD}export default program({ name: "p", cells: { d: 0, f: 0, x: 0, y: 0 }, ` +
  `locks: ["m", "n"],\nthreads: [${threads}] ${more} });\n`;

describe("data races", () => {
  const programs: [string, string, string][] = [
    ["two writes", "({ d }) => write(d, 1), ({ d }) => write(d, 2)", "RACE"],
    ["a write and a read", "({ d }) => write(d, 1), ({ d }) => { read(d); }", "RACE"],
    ["two reads are none", "({ d }) => { read(d); }, ({ d }) => { read(d); }", "SAFE"],
    ["a plain and an atomic access", "({ d }) => write(d, 1), ({ d }) => { ld(d); }", "RACE"],
    ["atomic accesses are none", "({ d }) => st(d, 1), ({ d }) => { ld(d); }", "SAFE"],
    [
      "message passing by an atomic flag",
      "({ d, f }) => { write(d, 1); st(f, 1); }, ({ d, f }) => { if (ld(f) === 1) read(d); }",
      "SAFE",
    ],
    [
      "a flag set too early",
      "({ d, f }) => { st(f, 1); write(d, 1); }, ({ d, f }) => { if (ld(f) === 1) read(d); }",
      "RACE",
    ],
    [
      "a flag that is plain itself",
      "({ d, f }) => { write(d, 1); write(f, 1); }, ({ d, f }) => { if (read(f) === 1) read(d); }",
      "RACE",
    ],
    [
      "a flag that somebody else sets too",
      "({ d, f }) => { write(d, 1); st(f, 1); }, ({ d, f }) => { if (ld(f) === 1) read(d); }, " +
        "({ f }) => { st(f, 1); }",
      "RACE",
    ],
    [
      "one lock",
      "({ d, m }) => { lock(m); write(d, 1); unlock(m); }, " +
        "({ d, m }) => { lock(m); read(d); unlock(m); }",
      "SAFE",
    ],
    [
      "two locks",
      "({ d, m }) => { lock(m); write(d, 1); unlock(m); }, " +
        "({ d, n }) => { lock(n); read(d); unlock(n); }",
      "RACE",
    ],
    [
      "a failed tryLock",
      "({ d, m }) => { lock(m); write(d, 1); unlock(m); }, " +
        "({ d, m }) => { if (tryLock(m)) { read(d); unlock(m); } else read(d); }",
      "RACE",
    ],
    [
      "a wait",
      "({ d, f }) => { write(d, 1); st(f, 1); }, ({ d, f }) => { waitUntil(f, 1); write(d, 2); }",
      "SAFE",
    ],
    [
      "handing on by a chain of three",
      "({ d, x }) => { write(d, 1); add(x, 1); }, " +
        "({ x, y }) => { waitWhile(x, 0); xchg(y, 1); }, " +
        "({ d, y }) => { waitUntil(y, 1); read(d); }",
      "SAFE",
    ],
  ];

  it.each(programs)("%s", async (_what, threads, verdict) => {
    const program = await loadProgram(one(threads), "p.ts");
    for (const strategy of ["states", "dpor", "preemption", "delay"] as const) {
      const result = explore(program, { strategy });
      expect([strategy, result.verdict, result.race === null]).toEqual([
        strategy,
        verdict,
        verdict === "SAFE",
      ]);
      if (result.counterexample === null) continue;
      expect(result.counterexample.minimal).toBe(true);
      const again = replay(program, result.counterexample.token);
      expect([again.verdict, again.message]).toEqual(["RACE", result.counterexample.message]);
    }
  });

  it("one run tells of a race that it did not run into", async () => {
    // In every run of PCT without a change of priority, one thread ends before the other begins.
    const threads =
      "({ d, x }) => { write(d, 1); add(x, 1); }, ({ d, y }) => { add(y, 1); read(d); }";
    const program = await loadProgram(one(threads), "p.ts");
    const result = explore(program, { strategy: "pct", depth: 1, maxExecutions: 1 });
    expect([result.verdict, result.executions]).toEqual(["RACE", 1]);
    expect(result.counterexample?.timeline.at(-1)?.text).toBe("next: read d");
  });

  const orders: [string, string, string][] = [
    ["a write, then a read", "write(d, 1)", "read(d)"],
    ["a read, then a write", "read(d)", "write(d, 1)"],
    ["a write, then an atomic load", "write(d, 1)", "ld(d)"],
    ["an atomic load, then a write", "ld(d)", "write(d, 1)"],
    ["an atomic store, then a read", "st(d, 1)", "read(d)"],
    ["a read, then an atomic store", "read(d)", "st(d, 1)"],
  ];
  it.each(orders)("in one run: %s", async (_what, first, second) => {
    const program = await loadProgram(
      one(`({ d, x }) => { ${first}; add(x, 1); }, ({ d, y }) => { add(y, 1); ${second}; }`),
      "p.ts",
    );
    const machine = new Machine(program, 100);
    const watcher = new RaceWatcher(machine);
    const moves = [0, 0, 1, 1].map((thread) => ({ thread, choice: 0, isChoice: false }));
    watchMoves(machine, moves, [watcher]);
    expect(watcher.found).toEqual({ addr: program.names.indexOf("d"), first: 0, second: 3 });
    expect(scheduleToRace(machine, moves)?.map((one) => one.thread)).toEqual([1]);
  });

  it("a claim that does not hold counts more, and the race is named beside it", async () => {
    const threads = "({ d }) => write(d, 1), ({ d }) => { assert(read(d) === 0); }";
    const program = await loadProgram(one(threads), "p.ts");
    expect(explore(program).verdict).toBe("ASSERT");
    const runs = explore(program, { strategy: "dpor" });
    expect([runs.verdict, runs.race]).toEqual([
      "ASSERT",
      expect.stringContaining("data race on d"),
    ]);
  });

  const title = "states and runs agree on 25 random programs with plain accesses, seed %i";
  it.each([31, 131, 231, 331])(title, async (seed) => {
    const random = new Random(seed);
    const count = { race: 0, none: 0 };
    for (let round = 0; round < 25; round++) {
      const source = randomProgram(random, 2 + random.below(2), 5)
        .replace("import {", "import { read, write,")
        .replaceAll(/\bld\(x\)/g, "read(x)")
        .replaceAll(/\bst\(x, /g, "write(x, ");
      const program = await loadProgram(source, "random.ts");
      const states = explore(program);
      const runs = explore(program, { strategy: "dpor", maxExecutions: 600 });
      if (runs.bound !== null || states.verdict === "DEADLOCK") continue;
      expect([runs.verdict, runs.race === null], source).toEqual([
        states.verdict,
        states.race === null,
      ]);
      count[states.race === null ? "none" : "race"]++;
    }
    expect(count.race).toBeGreaterThan(2);
    expect(count.none).toBeGreaterThan(2);
  });
});

describe("coverage of racing pairs", () => {
  const coverage = async (source: string, strategy: "states" | "dpor" | "random", runs = 1000) => {
    const program = await loadProgram(source, "p.ts");
    return explore(program, { strategy, maxExecutions: runs, seed: 33 });
  };

  it("names the order that an order by locks or waits leaves out", async () => {
    const threads =
      "({ x, f }) => { st(x, 1); st(f, 1); }, ({ x, f }) => { waitUntil(f, 1); ld(x); }";
    const { coverage: seen } = await coverage(one(threads), "states");
    expect(seen).toMatchObject({ pairs: 2, bothOrders: 0, runs: null });
    expect(seen?.missing.map(({ cell, first }) => `${cell} ${first.split(":")[0]}`)).toEqual([
      expect.stringMatching(/^f /),
      expect.stringMatching(/^x /),
    ]);
  });

  it("one run has seen one order of each pair", async () => {
    const threads = "({ x }) => { st(x, 1); }, ({ x }) => { ld(x); }";
    const run = await coverage(one(threads), "random", 1);
    expect(run.coverage).toMatchObject({ pairs: 1, bothOrders: 0, runs: 1 });
    const all = await coverage(one(threads), "states");
    expect(all.coverage).toEqual({ pairs: 1, bothOrders: 1, missing: [], runs: null });
  });

  it("all traces have the orders that all states have; random runs have no others", async () => {
    const random = new Random(32);
    const orders = ({ pairs, bothOrders, missing }: Coverage) => ({ pairs, bothOrders, missing });
    let compared = 0;
    for (let round = 0; round < 150; round++) {
      const source = randomProgram(random, 2 + random.below(2), 4);
      const program = await loadProgram(source, "random.ts");
      const graph = new StateGraph(new Machine(program, 1000));
      graph.explore({ maxStates: 1e5, maxSeconds: 1000 });
      const exact = orders(graphCoverage(graph, Infinity)!);
      const runs = explore(program, { strategy: "dpor" });
      if (runs.bound !== null || runs.executions! > 1000) continue;
      expect(orders(runs.coverage!), source).toEqual(exact);
      const some = explore(program, { strategy: "random", maxExecutions: 30, seed: round });
      expect(some.coverage!.bothOrders).toBeLessThanOrEqual(exact.bothOrders);
      compared += exact.pairs;
    }
    expect(compared).toBeGreaterThan(300);
  });
});
