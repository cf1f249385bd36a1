// The worked programs have the verdicts that they promise; counterexamples are as short as they can
// be and can be repeated; what cannot be decided is called so.
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { explore, replay } from "../../src/explore/explore.js";
import { loadProgram } from "../../src/explore/source/load.js";

const folder = fileURLToPath(new URL("../../scenarios/programs/", import.meta.url));
const load = (file: string) => loadProgram(readFileSync(`${folder}${file}`, "utf8"), file);
const files = readdirSync(folder);

const one = (body: string, more = "") =>
  "import { ld, st, add, cas, assert, choose, tick, lock, unlock, program }" +
  ' from "packetpath/explore";\n' +
  'export default program({ name: "p", cells: { x: 0, y: 0 }, locks: ["m"],\n' +
  `threads: [${body}] ${more} });\n`;

describe("worked programs", () => {
  it.each(files)("%s: the verdict that it expects, and its token repeats it", async (file) => {
    const program = await load(file);
    const result = explore(program);
    expect([result.verdict, result.complete]).toEqual([program.expect, true]);
    if (result.counterexample === null) return;
    const again = replay(await load(file), result.counterexample.token);
    expect(again.verdict).toBe(result.verdict);
    expect(again.timeline).toEqual(result.counterexample.timeline);
    expect(again.message).toBe(result.counterexample.message);
  });

  const shortest: [string, number, number][] = [
    ["lost-update.ts", 2, 4],
    ["two-locks.ts", 1, 2],
    ["queue-pick.ts", 1, 2],
    ["lost-wakeup.ts", 2, 4],
    ["treiber-stack.ts", 2, 20],
  ];
  it.each(shortest)("%s needs %i switches and %i steps", async (file, switches, steps) => {
    const { counterexample } = explore(await load(file));
    expect([counterexample?.switches, counterexample?.steps]).toEqual([switches, steps]);
    expect(counterexample?.minimal).toBe(true);
  });

  it("a deadlock names who waits for whom", async () => {
    const { counterexample } = explore(await load("two-locks.ts"));
    expect(counterexample?.message).toBe(
      "notifier -> ovs (held by command) -> rtnl (held by notifier)",
    );
  });

  it("the same file twice gives the same result to the byte, times aside", async () => {
    const results = await Promise.all([load("treiber-stack.ts"), load("treiber-stack.ts")]);
    const [a, b] = results.map((program) => ({ ...explore(program), seconds: 0 }));
    expect(JSON.stringify(a)).toBe(JSON.stringify(b));
  });
});

describe("verdicts", () => {
  const verdicts: [string, string, string][] = [
    ["NULL-DEREF: a load of NULL", "({ x }) => { ld(ld(x)); }", "NULL-DEREF"],
    ["MISUSE: no cell", "({ x }) => { st(x, 99); ld(ld(x)); }", "MISUSE"],
    ["MISUSE: a lock as a cell", "({ m }) => { ld(m); }", "MISUSE"],
    ["MISUSE: unlock without lock", "({ m }) => { unlock(m); }", "MISUSE"],
    ["MISUSE: no integer", "({ x }) => { st(x, 0.5); }", "MISUSE"],
    ["DEADLOCK: a lock taken twice", "({ m }) => { lock(m); lock(m); }", "DEADLOCK"],
    [
      "ASSERT: one outcome of a choice",
      "({ x }) => { st(x, choose(3)); assert(ld(x) < 2); }",
      "ASSERT",
    ],
    ["ASSERT: an exception", "({ x }) => { st(x, null.foo); }", "ASSERT"],
    [
      "LOCKUP: the same tick again",
      "({ x }) => { const v = ld(x); while (v === 0) tick(v); }",
      "LOCKUP",
    ],
    ["LIVELOCK: a spin that nobody ends", "({ x }) => { while (ld(x) === 0); }", "LIVELOCK"],
    [
      "SAFE: a spin that somebody ends",
      "({ x }) => { while (ld(x) === 0); }, ({ x }) => st(x, 1)",
      "SAFE",
    ],
    ["SAFE: a bounded retry", "({ x }) => { for (let i = 0; i < 3 && ld(x) === 0; i++); }", "SAFE"],
    [
      "UNDECIDED: it never comes back",
      "({ x }) => { for (let i = 0; ld(x) === 0; i++); }",
      "UNDECIDED",
    ],
    [
      "UNDECIDED: growing without end",
      "({ x }) => { let i = ld(x); while (i >= 0) { tick(i); i++; } }",
      "UNDECIDED",
    ],
  ];

  it.each(verdicts)("%s", async (_what, threads, verdict) => {
    const result = explore(await loadProgram(one(threads), "p.ts"), { maxSteps: 500 });
    expect(result.verdict).toBe(verdict);
    expect(result.complete).toBe(verdict !== "UNDECIDED");
    expect(result.bound === null).toBe(verdict !== "UNDECIDED");
  });

  it("a spin in a called function is a cycle, and the caller forgets nothing", async () => {
    const source =
      'import { cas, ld, st, assert, program } from "packetpath/explore";\n' +
      "function acquire(word) { while (cas(word, 0, 1) !== 0); }\n" +
      "const work = ({ w, x }) => { const v = ld(x); acquire(w); st(x, ld(x) + 1); st(w, 0); " +
      "assert(v <= ld(x)); };\n" +
      'export default program({ name: "p", cells: { w: 0, x: 0 }, threads: [work, work],\n' +
      "  final({ x }) { assert(ld(x) === 2); } });\n";
    const result = explore(await loadProgram(source, "p.ts"));
    expect([result.verdict, result.cyclic]).toEqual(["SAFE", true]);
  });

  it("two loops in one another keep their locals apart", async () => {
    const body =
      "({ x }) => { let n = 0; for (let i = 0; i < 2; i++) for (let j = 0; j < 2; j++) " +
      "n += add(x, 1) + i + j; assert(n === 10); }";
    const result = explore(await loadProgram(one(body), "p.ts"));
    expect([result.verdict, result.transitions]).toEqual(["SAFE", 4]);
  });

  it("50 threads are undecided with the bound, not hung and not safe", async () => {
    const body = Array.from({ length: 50 }, () => "({ x }) => { st(x, ld(x) + 1); }").join(",");
    const program = await loadProgram(one(body), "p.ts");
    const result = explore(program, { maxStates: 20_000 });
    expect([result.verdict, result.bound]).toEqual(["UNDECIDED", "20000 states"]);
    const runs = explore(program, { strategy: "dpor" });
    expect([runs.verdict, runs.traces]).toEqual(["UNDECIDED", null]);
  });
});

describe("tokens", () => {
  it("of another source, none at all, one that cannot be taken: refused", async () => {
    const program = await load("two-locks.ts");
    const hash = program.sourceHash.slice(0, 4);
    expect(() => replay(program, "0000-ab")).toThrow("another version of the source");
    expect(() => replay(program, "hello")).toThrow("not a token");
    expect(() => replay(program, `${hash}-a9`)).toThrow("a step of it cannot be taken");
    expect(() => replay(program, `${hash}-c`)).toThrow("2 threads");
  });

  it("free choices are part of a token", async () => {
    const body = "({ x }) => { st(x, choose(3)); assert(ld(x) < choose(2) + 2); }";
    const program = await loadProgram(one(body), "p.ts");
    const { counterexample } = explore(program);
    expect(counterexample?.token).toMatch(/^[0-9a-f]{4}-a\.2a3\.0$/);
    expect(replay(program, counterexample!.token).verdict).toBe("ASSERT");
  });
});
