// A strategy chooses the order of steps and nothing else: what it finds is among what all states
// have, and what it completes is complete. Chances are those of the strategies' papers.
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { Random } from "../../src/base/random.js";
import { explore, replay } from "../../src/explore/explore.js";
import { endOf } from "../../src/explore/outcome.js";
import { Machine, type Vector } from "../../src/explore/search/machine.js";
import { StateGraph } from "../../src/explore/states/state-graph.js";
import { loadProgram } from "../../src/explore/source/load.js";
import { exploreBounded } from "../../src/explore/strategies/bounded.js";
import { schedulesToFirstBug } from "../../src/explore/strategies/first-bug.js";
import { minimize } from "../../src/explore/strategies/minimize.js";
import { pctScheduler, turnScheduler } from "../../src/explore/strategies/schedulers.js";
import { uniformOverGraph } from "../../src/explore/strategies/uniform.js";
import { type Scheduler, walk } from "../../src/explore/strategies/walk.js";
import type { LoadedProgram } from "../../src/explore/types.js";
import { inc } from "./programs.js";
import { randomProgram } from "./random-program.js";

const folder = fileURLToPath(new URL("../../scenarios/programs/", import.meta.url));
const load = (file: string) => loadProgram(readFileSync(`${folder}${file}`, "utf8"), file);
const machineOf = (program: LoadedProgram) => new Machine(program, 1000);
const BOUNDS = { maxExecutions: 1, maxSteps: 1000, maxSeconds: 1000 };

/** Runs a scheduler and hands each run's schedule, as text, to `see`. */
function sample(machine: Machine, scheduler: Scheduler, runs: number, see: (text: string) => void) {
  for (let run = 0; run < runs; run++) {
    let text = "";
    const s = machine.initial();
    const spy: Scheduler = {
      ...scheduler,
      pick(at, enabled) {
        const thread = scheduler.pick(at, enabled);
        const choice = machine.choices(at, thread) > 0 ? scheduler.outcome(2) : 0;
        text += `${thread}.${choice} `;
        s.set(at);
        machine.take(s, thread, choice);
        return thread;
      },
    };
    const plan = { scheduler: spy, bounds: BOUNDS, verdictOf: () => "SAFE" as const };
    walk(machine, { ...plan, watchers: () => [], isFound: () => false });
    see(`${endOf(machine, s).verdict} ${text}`);
  }
}

describe("every strategy", () => {
  const strategies = ["random", "pct", "pos", "urw", "delay", "preemption"] as const;

  it.each(strategies)(
    "%s: what it finds is true, repeats, and is as short as can be",
    async (one) => {
      const random = new Random(11);
      let found = 0;
      for (let round = 0; round < 60; round++) {
        const source = randomProgram(random, 2 + random.below(2), 4);
        const program = await loadProgram(source, "random.ts");
        const states = explore(program);
        const result = explore(program, { strategy: one, maxExecutions: 300, seed: round });
        if (states.verdict === "SAFE") expect(result.counterexample, source).toBe(null);
        if (result.counterexample === null) continue;
        found++;
        const { token, minimal, steps, switches } = result.counterexample;
        expect(replay(program, token).verdict).toBe(result.verdict);
        expect(minimal).toBe(true);
        if (result.verdict !== states.verdict) continue;
        const best = states.counterexample!;
        expect([switches, steps], source).toEqual([best.switches, best.steps]);
      }
      expect(found).toBeGreaterThan(10);
    },
  );

  it.each(strategies)("%s: the same seed gives the same result to the byte", async (strategy) => {
    const program = await load("treiber-stack.ts");
    const run = () => {
      const result = explore(program, { strategy, maxExecutions: 500, seed: 3 });
      return JSON.stringify({ ...result, seconds: 0, executionsPerSecond: 0 });
    };
    expect(run()).toBe(run());
  });

  it.each(["random", "pct", "pos", "urw"] as const)("%s never says SAFE", async (strategy) => {
    const result = explore(await load("peterson.ts"), { strategy, maxExecutions: 200 });
    expect([result.verdict, result.complete]).toEqual(["UNDECIDED", false]);
    expect(result.bound).toMatch(/^200 executions/);
  });
});

/** The least cost of any bad schedule, by going through all of them. */
function leastCost(machine: Machine, rule: "preemption" | "delay"): number {
  let least = Infinity;
  const threads = machine.threads.length;
  const go = (s: Vector, last: number, cost: number): void => {
    if (cost >= least) return;
    const order = Array.from({ length: threads }, (_, i) => (Math.max(last, 0) + i) % threads);
    const enabled = machine.ended(s) >= 0 ? [] : order.filter((t) => machine.isEnabled(s, t));
    if (enabled.length === 0 && endOf(machine, s).verdict !== "SAFE") least = cost;
    for (const [i, t] of enabled.entries()) {
      const isPreempted = t !== last && enabled[0] === last;
      const price = rule === "delay" ? i : isPreempted ? 1 : 0;
      for (let choice = 0; choice < Math.max(1, machine.choices(s, t)); choice++) {
        const next = s.slice();
        machine.take(next, t, choice);
        go(next, t, cost + price);
      }
    }
  };
  go(machine.initial(), -1, 0);
  return least;
}

describe.each(["preemption", "delay"] as const)("%s bounding", (rule) => {
  const bounds = { maxStates: 1e6, maxSeconds: 1000, maxBound: 1e9 };

  it("without a last bound ends with the verdict of all states", async () => {
    const random = new Random(12);
    for (let round = 0; round < 60; round++) {
      const program = await loadProgram(randomProgram(random, 3, 3), "random.ts");
      const states = explore(program);
      const result = explore(program, { strategy: rule });
      expect(result.verdict === "SAFE").toBe(states.verdict === "SAFE");
      expect(result.complete).toBe(states.verdict === "SAFE");
    }
  });

  it("finds a failure at the least bound that has one; all schedules say so", async () => {
    const random = new Random(13);
    let found = 0;
    const thread = (parts: number) => {
      const part = () => {
        const [c, d] = [random.pick(["x", "y"]), random.pick(["x", "y"])];
        return random.pick([`st(${c}, ld(${d}) + 1);`, `add(${c}, 1);`, `waitWhile(${c}, 0);`]);
      };
      return `({ x, y }) => { ${Array.from({ length: parts }, part).join(" ")} }`;
    };
    for (let round = 0; round < 120; round++) {
      const parts = round % 2 === 0 ? [3, 3] : [2, 2, 1];
      const source =
        'import { add, assert, ld, program, st, waitWhile } from "packetpath/explore";\n' +
        'export default program({ name: "p", cells: { x: 0, y: 0 }, ' +
        `threads: [${parts.map(thread).join(", ")}], ` +
        `final({ x, y }) { assert(ld(x) + ld(y) !== ${2 + random.below(4)}); } });`;
      const machine = machineOf(await loadProgram(source, "random.ts"));
      const result = exploreBounded(machine, rule, bounds, (s) => endOf(machine, s).verdict);
      expect(result.bad?.cost ?? Infinity, source).toBe(leastCost(machine, rule));
      if (result.bad !== null && result.bad.cost > 0) found++;
    }
    expect(found).toBeGreaterThan(5);
  });

  it("a completed bound is no proof, and is named", async () => {
    const result = explore(await load("peterson.ts"), { strategy: rule, bound: 1 });
    expect([result.verdict, result.bound]).toEqual(["UNDECIDED", `${rule} bound 1 completed`]);
    const few = explore(await load("peterson.ts"), { strategy: rule, maxStates: 50 });
    expect(few.bound).toMatch(/^50 states; (no )?(delay|preemption) bound/);
  });

  it("a cycle that is fair is met: covering all schedules is not enough for SAFE", async () => {
    const result = explore(await load("polite-philosophers.ts"), { strategy: rule });
    expect(result.verdict).toBe("LIVELOCK");
  });
});

describe("chances", () => {
  it("URW: each execution as likely as any other", async () => {
    const random = new Random(14);
    const sources = [inc(2), inc(3), randomProgram(new Random(5), 2, 4)];
    for (const source of sources) {
      const machine = machineOf(await loadProgram(source, "p.ts"));
      const graph = new StateGraph(machine);
      graph.explore({ maxStates: 1e5, maxSeconds: 1000 });
      const total = Number(explore(machine.program).interleavings);
      const seen = new Map<string, number>();
      const runs = 200 * total;
      const scheduler = uniformOverGraph(graph, random)!;
      sample(machine, scheduler, runs, (text) => seen.set(text, (seen.get(text) ?? 0) + 1));
      expect(seen.size).toBe(total);
      // Chi squared with total - 1 degrees of freedom: mean total - 1, variance twice that.
      const chi = [...seen.values()].reduce((sum, n) => sum + (n - 200) ** 2 / 200, 0);
      expect(Math.abs(chi - (total - 1))).toBeLessThan(4 * Math.sqrt(2 * total));
    }
  });

  it.each([
    ["lost-update.ts", 2],
    ["two-locks.ts", 2],
    ["treiber-stack.ts", 3],
  ] as const)("PCT: %s at depth %i at least as often as 1 / (n k^(d - 1))", async (file, depth) => {
    const program = await load(file);
    const machine = machineOf(program);
    const scheduler = pctScheduler(machine, new Random(15), depth);
    const runs = 4000;
    let hits = 0;
    let longest = 0;
    sample(machine, scheduler, runs, (text) => {
      if (!text.startsWith("SAFE")) hits++;
      longest = Math.max(longest, text.split(" ").length - 2);
    });
    const least = 1 / (program.threads.length * longest ** (depth - 1));
    expect(hits / runs).toBeGreaterThan(least - 3 * Math.sqrt(least / runs));
  });

  it("PCT and turns do not starve whom a spin waits for", async () => {
    const machine = machineOf(await load("spin-lock.ts"));
    for (const scheduler of [pctScheduler(machine, new Random(16), 3), turnScheduler(machine, 0)]) {
      const plan = { scheduler, bounds: { ...BOUNDS, maxExecutions: 300, maxSteps: 300 } };
      const verdictOf = (end: Vector) => endOf(machine, end).verdict;
      const result = walk(machine, {
        ...plan,
        verdictOf,
        watchers: () => [],
        isFound: () => false,
      });
      expect([result.bad, result.endless]).toEqual([null, 0]);
    }
  });
});

describe("shortening without the state graph", () => {
  it("leaves out threads that have nothing to do with it, and claims no minimum", async () => {
    // Nine threads of eight steps have more states than are made for shortening.
    const bystander = "({ y }) => { for (let i = 0; i < 8; i++) add(y[i], i); }";
    const source =
      'import { add, assert, ld, program, st } from "packetpath/explore";\n' +
      "const inc = ({ x, d }) => { st(x, ld(x) + 1); " +
      "if (add(d, 1) === 1) assert(ld(x) === 2); };\n" +
      'export default program({ name: "p", cells: { x: 0, d: 0, y: [0,0,0,0,0,0,0,0] },\n' +
      `threads: [inc, inc, ${Array.from({ length: 7 }, () => bystander).join(", ")}] });\n`;
    const program = await loadProgram(source, "p.ts");
    const { verdict, counterexample } = explore(program, { strategy: "random", seed: 17 });
    expect([verdict, counterexample?.minimal]).toEqual(["ASSERT", false]);
    expect([counterexample?.switches, counterexample?.steps]).toEqual([2, 7]);
    expect(replay(program, counterexample!.token).verdict).toBe("ASSERT");
  });

  it("a schedule that is short already gets no longer", async () => {
    const machine = machineOf(await load("lost-update.ts"));
    const verdictOf = (end: Vector) => endOf(machine, end).verdict;
    const at = (thread: number) => ({ thread, choice: 0, isChoice: false });
    const moves = [0, 1, 1, 0].map(at);
    const short = minimize(machine, moves, { verdict: "ASSERT", verdictOf, endMs: Infinity });
    expect([short.moves.length, short.minimal]).toEqual([4, true]);
  });
});

describe("schedules to the first failure", () => {
  const limits = { seeds: 11, maxExecutions: 500, maxSteps: 500, depth: 3 };
  const buggy = readdirSync(folder).filter((file) => file.endsWith(".ts"));

  it.each(buggy)("%s: ten at most within bounds, if it has a failure", async (file) => {
    const program = await load(file);
    if (["SAFE", "LIVELOCK", "RACE"].includes(program.expect)) return;
    expect(schedulesToFirstBug(program, "delay", limits)).toBeLessThanOrEqual(10);
    expect(schedulesToFirstBug(program, "preemption", limits)).toBeLessThanOrEqual(10);
  });

  it("none where there is none, for as long as it is looked for", async () => {
    const program = await load("lost-update-fixed.ts");
    for (const strategy of ["random", "pct", "pos", "urw", "delay"] as const) {
      expect(schedulesToFirstBug(program, strategy, limits)).toBe(Infinity);
    }
  });
});
