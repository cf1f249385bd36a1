// The functions as they were written, run again from logs of values, do what the rewritten ones do:
// on the worked programs, on those with known counts, on random ones. And a difference is seen.
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { Random } from "../../src/base/random.js";
import { audit } from "../../src/explore/audit/audit.js";
import { loadProgram } from "../../src/explore/source/load.js";
import { casrot, coa, fib, inc, lastzero, litmus } from "./programs.js";
import { randomProgram } from "./random-program.js";

const BOUNDS = { maxSteps: 500, maxStates: 200_000, maxSeconds: 1000 };
const folder = fileURLToPath(new URL("../../scenarios/programs/", import.meta.url));
const worked = readdirSync(folder).map((file): [string, string] => {
  return [file, readFileSync(`${folder}${file}`, "utf8")];
});

describe("the rewritten program and the one that was written", () => {
  it.each(worked)("%s: the same steps, states and verdict", async (file, source) => {
    const result = await audit(await loadProgram(source, file), source, BOUNDS);
    expect(result.differences).toEqual([]);
    expect(result.edges).toBeGreaterThan(1);
  });

  const counted: [string, string][] = [
    ...Object.entries(litmus),
    ["inc(4)", inc(4)],
    ["casrot(5)", casrot(5)],
    ["lastzero(4)", lastzero(4)],
    ["CoA(3)", coa(3)],
    ["fib_bench(2)", fib(2)],
  ];
  it.each(counted)("%s: searched anew, the same traces", async (_name, source) => {
    const result = await audit(await loadProgram(source, "p.ts"), source, BOUNDS);
    expect(result.differences).toEqual([]);
    expect(result.states).toBeGreaterThan(0);
  });

  it("50 random programs with locks, waits and choices: no difference", async () => {
    const random = new Random(41);
    for (let round = 0; round < 50; round++) {
      const source = randomProgram(random, 2 + random.below(2), 3);
      const result = await audit(await loadProgram(source, "r.ts"), source, BOUNDS);
      expect([result.differences, result.states === null], source).toEqual([[], false]);
    }
  });

  it("a final check with a loop, after ends of many kinds: no difference", async () => {
    const source =
      'import { add, assert, choose, ld, program, st } from "packetpath/explore";\n' +
      "const work = ({ x }) => { st(x[choose(2)], 1 + choose(2)); };\n" +
      'export default program({ name: "p", cells: { x: [0, 0] }, threads: [work, work],\n' +
      "  final({ x }) { for (let i = 0; i < 2; i++) assert(ld(x[i]) < 3); } });\n";
    const result = await audit(await loadProgram(source, "p.ts"), source, BOUNDS);
    expect([result.differences, result.states === null]).toEqual([[], false]);
  });
});

describe("a difference", () => {
  const text = (value: number, more = "") =>
    'import { assert, ld, program, st } from "packetpath/explore";\n' +
    `const work = ({ x }) => { const v = ld(x); ${more} st(x, v + ${value}); };\n` +
    "export default program({ name: 'p', cells: { x: 0 }, threads: [work, work] });\n";

  it("in a value, in a step more: each is named with the log that leads to it", async () => {
    const program = await loadProgram(text(1), "p.ts");
    const value = await audit(program, text(2), BOUNDS);
    expect(value.differences[0]).toBe(
      "t0 after 0: step 1 (1, 2, 0), but rewritten step 1 (1, 1, 0)",
    );
    const step = await audit(program, text(1, "ld(x);"), BOUNDS);
    expect(step.differences.some((one) => one.startsWith("t1 after 0: step 0"))).toBe(true);
    expect(step.differences.some((one) => one.startsWith("traces"))).toBe(true);
    expect(step.differences.some((one) => one.startsWith("states"))).toBe(true);
  });
});
