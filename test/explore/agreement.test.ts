// The engines share nothing but the step of the machine, so on random programs they must agree:
// on traces, on blocked executions, on whether anything is wrong; and a naive walk over all
// schedules, which knows neither sleep sets nor wakeup trees, must agree with both.
import { describe, expect, it } from "vitest";
import { Random } from "../../src/base/random.js";
import { explore, replay } from "../../src/explore/explore.js";
import { exploreTraces } from "../../src/explore/search/traces/dpor.js";
import { Machine, type Vector } from "../../src/explore/search/machine.js";
import { loadProgram } from "../../src/explore/source/load.js";
import type { LoadedProgram } from "../../src/explore/types.js";
import { randomProgram, WITH_PLAIN } from "./random-program.js";

const BOUNDS = { maxExecutions: 1e6, maxSteps: 1000, maxSeconds: 1000 };

/** All schedules, each brought into a normal form: the classes of those that commute. */
function naive(program: LoadedProgram): { traces: number; blocked: number; paths: number } {
  const machine = new Machine(program, 1000);
  const complete = new Set<string>();
  const stuck = new Set<string>();
  let paths = 0;
  const walk = (s: Vector, order: readonly string[]): void => {
    const enabled = program.threads.flatMap((_one, t) => (machine.isEnabled(s, t) ? [t] : []));
    if (enabled.length === 0) {
      paths++;
      (machine.isDone(s) ? complete : stuck).add(normalForm(order));
    }
    for (const t of enabled) {
      const step = machine.stepOf(s, t);
      const access = `${step.addr}${machine.isWrite(s, step) ? "w" : "r"}`;
      for (let choice = 0; choice < Math.max(1, machine.choices(s, t)); choice++) {
        const next = s.slice();
        machine.take(next, t, choice);
        const what = machine.choices(s, t) > 0 ? `0r${choice}` : access;
        walk(next, [...order, `${t}:${what}`]);
      }
    }
  };
  walk(machine.initial(), []);
  return { traces: complete.size, blocked: stuck.size, paths };
}

/** Per pair of conflicting events which came first, as text. */
function normalForm(order: readonly string[]): string {
  const counts = new Map<string, number>();
  const events = order.map((text) => {
    const [thread = "", access = ""] = text.split(":");
    const number = counts.get(thread) ?? 0;
    counts.set(thread, number + 1);
    const [, addr = "", kind = "", choice = ""] = /^(\d+)(.)(\d*)$/.exec(access) ?? [];
    return { name: `${thread}.${number}${kind}${choice}`, thread, addr, kind };
  });
  const pairs = events.flatMap((x, i) =>
    events.slice(i + 1).flatMap((y) => {
      const isConflict = x.addr !== "0" && x.addr === y.addr && (x.kind === "w" || y.kind === "w");
      return isConflict && x.thread !== y.thread ? [`${x.name}<${y.name}`] : [];
    }),
  );
  return [...events.map((one) => one.name).sort(), ...pairs.sort()].join(" ");
}

describe("engines agree", () => {
  // In parts, each of which is done in time on a machine that is busy with other things.
  const seeds = [7, 107, 207, 307, 407];
  const title = "on 50 random programs with locks, waits, choices and plain accesses, seed %i";
  it.each(seeds)(title, async (seed) => {
    const random = new Random(seed);
    for (let round = 0; round < 50; round++) {
      const source = randomProgram(random, 2 + random.below(2), 4, WITH_PLAIN);
      const program = await loadProgram(source, "random.ts");
      const states = explore(program);
      const runs = exploreTraces(new Machine(program, 1000), BOUNDS, () => "SAFE");
      const { traces, blocked, redundant } = runs;
      expect({ traces, blocked, redundant, source }).toEqual({
        traces: Number(states.traces),
        blocked: Number(states.blocked),
        // An outcome of a choice can lead to nothing new; without choices no run is given up.
        redundant: source.includes("choose(2)") ? redundant : 0,
        source,
      });
      expect(explore(program, { strategy: "dpor" }).verdict === "SAFE", source).toBe(
        states.verdict === "SAFE",
      );
    }
  });

  it("on 200 random programs when states are known by their hashes only", async () => {
    const random = new Random(10);
    let proved = 0;
    for (let round = 0; round < 200; round++) {
      const kinds = round % 4 === 0 ? WITH_PLAIN : undefined;
      const source = randomProgram(random, 2 + random.below(2), 3, kinds);
      const program = await loadProgram(source, "random.ts");
      const whole = explore(program);
      const hashed = explore(program, { strategy: "hash" });
      const hasPlain = /(read|write)\(/.test(source.slice(source.indexOf("default")));
      if (whole.verdict === "SAFE" && !hasPlain) {
        proved++;
        const { verdict, states, transitions } = whole;
        expect(hashed, source).toMatchObject({ verdict, states, transitions, complete: true });
        expect(hashed.collisionBound).toBe(states! ** 2 / 2 ** 65);
      } else {
        expect(hashed.verdict, source).not.toBe("SAFE");
        // It stops at whatever is wrong first.
        if (!hasPlain)
          expect(replay(program, hashed.counterexample!.token).verdict).not.toBe("SAFE");
      }
    }
    expect(proved).toBeGreaterThan(40);
  });

  it("with hashes proving nothing where a thread can come back to where it was", async () => {
    const source = `import { ld, st, program } from "packetpath/explore";
      export default program({ name: "p", cells: { x: 0 }, threads: [
        ({ x }) => { while (ld(x) === 0); }, ({ x }) => { ld(x); } ] });`;
    const program = await loadProgram(source, "p.ts");
    expect(explore(program).verdict).toBe("LIVELOCK");
    const hashed = explore(program, { strategy: "hash" });
    expect([hashed.verdict, hashed.complete]).toEqual(["UNDECIDED", false]);
    expect(hashed.bound).toContain("livelocks");
  });

  it("with a naive walk over all schedules, on 150 small programs", async () => {
    const random = new Random(8);
    for (let round = 0; round < 150; round++) {
      const source = randomProgram(random, 2, 3, WITH_PLAIN);
      const program = await loadProgram(source, "random.ts");
      const { traces, blocked, paths } = naive(program);
      const states = explore(program);
      expect([states.traces, states.blocked, states.interleavings], source).toEqual(
        [traces, blocked, paths].map(String),
      );
    }
  });

  it("random runs find nothing where all states are right, and replay what they find", async () => {
    const random = new Random(9);
    for (let round = 0; round < 40; round++) {
      const program = await loadProgram(randomProgram(random, 2, 3), "random.ts");
      const states = explore(program);
      const chance = explore(program, { strategy: "random", maxExecutions: 200, seed: round });
      if (chance.counterexample === null) continue;
      expect(states.verdict).not.toBe("SAFE");
      expect(replay(program, chance.counterexample.token).verdict).toBe(chance.verdict);
    }
  });
});
