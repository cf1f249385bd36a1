// Parts of a search that know nothing of each other add up to the whole, to the last digit; a part
// that is missing, doubled or of something else is refused.
import { describe, expect, it } from "vitest";
import { Random } from "../../src/base/random.js";
import { exploreTraces } from "../../src/explore/search/traces/dpor.js";
import { Machine } from "../../src/explore/search/machine.js";
import { explore, replay } from "../../src/explore/explore.js";
import { mergeParts, parsePart, partOf } from "../../src/explore/shard/merge.js";
import { mustSplit, parseShard } from "../../src/explore/shard/shards.js";
import { exploreShare, prefixes } from "../../src/explore/shard/traces.js";
import { loadProgram } from "../../src/explore/source/load.js";
import type { ExploreOptions } from "../../src/explore/types.js";
import { casrot, coa, fib, inc, lastzero, litmus } from "./programs.js";
import { randomProgram } from "./random-program.js";

const BOUNDS = { maxExecutions: 1e7, maxSteps: 1000, maxSeconds: 1000 };
const COUNTS = [1, 2, 3, 7];

async function counts(source: string, count: number) {
  const sum = { traces: 0, blocked: 0, parts: 0 };
  for (let index = 0; index < count; index++) {
    const machine = new Machine(await loadProgram(source, "p.ts"), 1000);
    const part = exploreShare(machine, { ...BOUNDS, shard: { index, count } }, () => "SAFE");
    expect(part.bound).toBeNull();
    sum.traces += part.traces;
    sum.blocked += part.blocked;
    if (part.executions > 0) sum.parts++;
  }
  return sum;
}

describe("traces of all shards", () => {
  const known: [string, string, number][] = [
    ["fib_bench(3)", fib(3), 1698],
    ["casrot(6)", casrot(6), 144],
    ["lastzero(6)", lastzero(6), 144],
    ["CoA(3)", coa(3), 130],
    ["IRIW", litmus.IRIW, 15],
  ];
  it.each(known)("%s: as many as of one search", async (_name, source, traces) => {
    const machine = new Machine(await loadProgram(source, "p.ts"), 1000);
    expect(exploreTraces(machine, BOUNDS, () => "SAFE").traces).toBe(traces);
    for (const count of COUNTS) {
      const sum = await counts(source, count);
      expect([sum.traces, sum.blocked], `${count} shards`).toEqual([traces, 0]);
      expect(sum.parts > 1).toBe(count > 1);
    }
  });

  it("150 random programs with locks, waits and choices: the same, blocked ones too", async () => {
    const random = new Random(31);
    for (let round = 0; round < 150; round++) {
      const source = randomProgram(random, 2 + random.below(2), 4);
      const machine = new Machine(await loadProgram(source, "p.ts"), 1000);
      const { traces, blocked } = exploreTraces(machine, BOUNDS, () => "SAFE");
      const sum = await counts(source, 1 + random.below(6));
      expect([sum.traces, sum.blocked], source).toEqual([traces, blocked]);
    }
  });

  it("beginnings are the same for whoever asks, and lead to their states", async () => {
    const [one, other] = [0, 1].map(async () => {
      const machine = new Machine(await loadProgram(coa(3), "p.ts"), 1000);
      return { machine, all: prefixes(machine, 50) };
    });
    const { machine, all } = await one!;
    expect(all.map((prefix) => prefix.moves)).toEqual(
      (await other!).all.map((prefix) => prefix.moves),
    );
    expect(all.length).toBeGreaterThanOrEqual(50);
    for (const { moves, state } of all) {
      const s = machine.initial();
      for (const { thread, choice } of moves) machine.take(s, thread, choice);
      expect(s).toEqual(state);
    }
  });
});

describe("--shard I/N", () => {
  it("counts from 0 or from 1", () => {
    expect(parseShard("0/3")).toEqual({ index: 0, count: 3 });
    expect(parseShard("2/3")).toEqual({ index: 2, count: 3 });
    expect(parseShard("3/3")).toEqual({ index: 0, count: 3 });
  });

  it.each(["", "3", "1/0", "4/3", "-1/3", "1/3/5", "1/99999", "a/b"])("%s: refused", (text) => {
    expect(() => parseShard(text)).toThrow("not a part");
  });
});

describe("merging", () => {
  const SETTINGS = { strategy: "dpor", maxSteps: 1000 } as const;
  const partsOf = async (source: string, count: number, options: ExploreOptions = SETTINGS) => {
    const program = await loadProgram(source, "p.ts");
    return Array.from({ length: count }, (_one, index) => {
      const own = { ...options, shard: { index, count } };
      const part = partOf(program, explore(program, own), own);
      return parsePart(JSON.stringify(part), `${index}.json`);
    });
  };

  it("gives the verdict and the counts of the whole; a part alone decides nothing", async () => {
    const whole = explore(await loadProgram(coa(3), "p.ts"), SETTINGS);
    const parts = await partsOf(coa(3), 3);
    expect(parts.map(({ part }) => [part.verdict, part.complete])).toEqual(
      Array.from({ length: 3 }, () => ["UNDECIDED", false]),
    );
    const { verdict, complete, traces, blocked, executions } = mergeParts(parts.reverse());
    expect({ verdict, complete, traces, blocked, executions }).toEqual({
      verdict: "SAFE",
      complete: true,
      traces: whole.traces,
      blocked: whole.blocked,
      executions: whole.executions,
    });
  });

  it("a violation in one part wins; without one, a bound makes it UNDECIDED", async () => {
    const source = inc(3).replace("],  })", "], final({ x }) { assert(ld(x) > 1); } })");
    const bad = mergeParts(await partsOf(source, 3));
    expect(bad.verdict).toBe("ASSERT");
    const program = await loadProgram(source, "p.ts");
    expect(replay(program, bad.counterexample!.token).verdict).toBe("ASSERT");
    const open = mergeParts(await partsOf(fib(3), 3, { strategy: "dpor", maxExecutions: 100 }));
    expect([open.verdict, open.complete, open.traces]).toEqual(["UNDECIDED", false, null]);
    expect(open.bound).toContain("executions");
  });

  it("runs by chance are shared out to the last one, with seeds of their own", async () => {
    const options = { strategy: "random", maxExecutions: 1000, seed: 5 } as const;
    const parts = await partsOf(coa(2), 7, options);
    expect(parts.map(({ part }) => part.executions)).toEqual([143, 143, 143, 143, 143, 143, 142]);
    const { verdict, executions, bound } = mergeParts(parts);
    expect([verdict, executions, bound]).toEqual(["UNDECIDED", 1000, "1000 executions"]);
  });

  it("what does not fit together is refused, and named", async () => {
    const parts = await partsOf(coa(2), 3);
    const [one, two, three] = parts;
    expect(() => mergeParts([])).toThrow("no parts");
    expect(() => mergeParts([one!, three!])).toThrow("of 3 parts, from 0: 1 missing");
    const later = { ...three!, part: { ...three!.part, schemaVersion: 2 } };
    expect(() => mergeParts([one!, two!, later])).toThrow("schemaVersion 2");
    expect(() => mergeParts([...parts, two!])).toThrow('part 1 of 3 twice: "1.json" and "1.json"');
    const other = (await partsOf(coa(3), 3))[2]!;
    expect(() => mergeParts([one!, two!, other])).toThrow("another source");
    const bound = (await partsOf(coa(2), 3, { ...SETTINGS, maxSteps: 999 }))[2]!;
    expect(() => mergeParts([one!, two!, bound])).toThrow("another maxSteps: 999, not 1000");
    const four = (await partsOf(coa(2), 4))[2]!;
    expect(() => mergeParts([one!, two!, four])).toThrow("another number of parts: 4, not 3");
    for (const text of ["", "3", "null", "{}", '{"shard":{"index":0,"count":1}}']) {
      expect(() => parsePart(text, "x.json")).toThrow(/expected what explore --shard/);
    }
  });

  it("states cannot be split", () => {
    expect(() => mustSplit("states", "--shard")).toThrow("cannot be split");
    expect(() => mustSplit("delay", "--jobs")).toThrow("cannot be split");
    expect(() => mustSplit("pct", "--jobs")).not.toThrow();
  });
});
