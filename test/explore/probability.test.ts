// The chance that random runs show a verdict: exact against going through all runs, and against
// 10,000 of them.
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { Random } from "../../src/base/random.js";
import { explore } from "../../src/explore/explore.js";
import { endOf } from "../../src/explore/outcome.js";
import { Machine, type Vector } from "../../src/explore/search/machine.js";
import { loadProgram } from "../../src/explore/source/load.js";
import { uniformScheduler } from "../../src/explore/strategies/schedulers.js";
import { isBadVerdict, walk } from "../../src/explore/strategies/walk.js";
import type { LoadedProgram } from "../../src/explore/types.js";
import { inc } from "./programs.js";
import { randomProgram } from "./random-program.js";

const RUNS = 10_000;
const folder = fileURLToPath(new URL("../../scenarios/programs/", import.meta.url));
const files = readdirSync(folder).filter((file) => file.endsWith(".ts"));
const load = (file: string) => loadProgram(readFileSync(`${folder}${file}`, "utf8"), file);
const one = (threads: string, more = "") =>
  "import { add, assert, choose, ld, lock, program, read, st, unlock, write } from" +
  ' "packetpath/explore";\n' +
  'export default program({ name: "p", cells: { x: 0, y: 0 }, locks: ["m"],\n' +
  `threads: [${threads}] ${more} });\n`;

/** How many of 10,000 runs go wrong; a run that is too long counts as one that does not. */
function sampled(program: LoadedProgram, seed: number): number {
  const machine = new Machine(program, 3000);
  const scheduler = uniformScheduler(new Random(seed));
  const bounds = { maxExecutions: 1, maxSteps: 3000, maxSeconds: 1000 };
  const verdictOf = (end: Vector) => endOf(machine, end).verdict;
  const plan = { scheduler, bounds, verdictOf, watchers: () => [], isFound: () => false };
  let bad = 0;
  for (let run = 0; run < RUNS; run++) if (walk(machine, plan).bad !== null) bad++;
  return bad;
}

function expectWithin3Sigma(bad: number, chance: number, what: string): void {
  const sigma = Math.sqrt(RUNS * chance * (1 - chance));
  expect(Math.abs(bad - RUNS * chance), what).toBeLessThanOrEqual(3 * sigma);
}

/** The chance by going through all runs, each a product of doubles. */
function naive(machine: Machine, s: Vector): number {
  const isOver = machine.ended(s) >= 0;
  const enabled = machine.threads.flatMap((_one, t) =>
    !isOver && machine.isEnabled(s, t) ? [t] : [],
  );
  if (enabled.length === 0) return isBadVerdict(endOf(machine, s).verdict) ? 1 : 0;
  let sum = 0;
  for (const t of enabled) {
    const outcomes = Math.max(1, machine.choices(s, t));
    for (let choice = 0; choice < outcomes; choice++) {
      const next = s.slice();
      machine.take(next, t, choice);
      sum += naive(machine, next) / outcomes / enabled.length;
    }
  }
  return sum;
}

describe("bugProbability", () => {
  const known: [string, string, string | null][] = [
    ["two loads, then two stores: 2/3 of the runs", inc(2), null],
    [
      "the same with a check",
      one(
        "({ x }) => st(x, ld(x) + 1), ({ x }) => st(x, ld(x) + 1)",
        ", final({ x }) { assert(ld(x) === 2); }",
      ),
      "1/2",
    ],
    ["one outcome of three", one("() => { assert(choose(3) !== 1); }"), "1/3"],
    [
      "an outcome while another thread can go on too",
      one("() => { assert(choose(3) !== 1); }, ({ x }) => { st(x, 1); }"),
      "1/3",
    ],
    [
      "a race, which needs no particular end",
      one("({ x }) => { write(x, 1); }, ({ x, y }) => { ld(y); read(x); }"),
      "1/2",
    ],
    ["always", one("({ m }) => { lock(m); lock(m); }"), "1/1"],
    [
      "a geometric series, through a cycle",
      one(
        "({ x, y }) => { while (ld(x) === 0); assert(ld(y) === 1); }, " +
          "({ x, y }) => { st(x, 1); st(y, 1); }",
      ),
      null,
    ],
  ];
  it.each(known)("%s", async (_what, source, fraction) => {
    const result = explore(await loadProgram(source, "p.ts"));
    expect(result.bugProbabilityFraction).toBe(fraction);
    if (fraction === null) return;
    const [p, q] = fraction.split("/").map(Number) as [number, number];
    expect(result.bugProbability).toBe(p / q);
  });

  it("through a cycle it is what the series sums up to", async () => {
    // After st(x) both threads can run: the check comes before st(y) in 1/2 + 0 of the runs if the
    // reader stands at its second load, and it has to load x first otherwise: 1/4.
    const source =
      "({ x, y }) => { while (ld(x) === 0); assert(ld(y) === 1); }, " +
      "({ x, y }) => { st(x, 1); st(y, 1); }";
    const result = explore(await loadProgram(one(source), "p.ts"));
    expect([result.cyclic, result.verdict]).toEqual([true, "ASSERT"]);
    expect(result.bugProbability).toBeCloseTo(1 / 4, 10);
  });

  it("agrees with going through all runs of 100 random programs", async () => {
    const random = new Random(21);
    let between = 0;
    for (let round = 0; round < 100; round++) {
      const source = randomProgram(random, 2, 5);
      const program = await loadProgram(source, "random.ts");
      const machine = new Machine(program, 1000);
      const { bugProbability, bugProbabilityFraction, verdict } = explore(program);
      expect(bugProbability, source).toBeCloseTo(naive(machine, machine.initial()), 10);
      expect(bugProbabilityFraction === null).toBe(verdict === "SAFE");
      if (bugProbability !== 0 && bugProbability !== 1) between++;
    }
    expect(between).toBeGreaterThan(10);
  });

  it.each(files)("%s: 10,000 runs agree within three sigma", async (file) => {
    const program = await load(file);
    const { bugProbability: chance, verdict } = explore(program);
    expect(chance).not.toBe(null);
    // What is endless is no end of a run, and a race need not be one: nothing to count.
    if (verdict === "LIVELOCK" || verdict === "RACE") return;
    expectWithin3Sigma(sampled(program, 22), chance!, file);
  });

  it("of a livelock: a scheduler by chance leaves a cycle that it can leave", async () => {
    const { verdict, bugProbability } = explore(await load("polite-philosophers.ts"));
    expect([verdict, bugProbability]).toEqual(["LIVELOCK", 0]);
    const stuck = explore(await loadProgram(one("({ x }) => { while (ld(x) === 0); }"), "p.ts"));
    expect([stuck.verdict, stuck.bugProbability]).toEqual(["LIVELOCK", 1]);
  });

  it("of a search that met a bound: not known", async () => {
    const result = explore(await load("treiber-stack.ts"), { maxStates: 50 });
    expect([result.bound, result.bugProbability]).toEqual(["50 states", null]);
  });
});
