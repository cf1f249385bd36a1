// Counterexamples hold outside of the explorer: their schedules, repeated on real worker threads
// with the functions as they were written and real atomic operations, end in the same verdict.
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { explore } from "../../src/explore/explore.js";
import { loadProgram } from "../../src/explore/source/load.js";
import { replayOnThreads } from "../../src/explore/threads/replay.js";

const folder = fileURLToPath(new URL("../../scenarios/programs/", import.meta.url));
const TIMES = 100;

const one = (threads: string, more = "") =>
  "import { ld, st, add, cas, xchg, setBits, clearBits, assert, choose, tick, lock, unlock," +
  ' tryLock, waitWhile, waitUntil, program } from "packetpath/explore";\n' +
  'export default program({ name: "p", cells: { x: 0, y: 0 }, locks: ["m"],\n' +
  `threads: [${threads}] ${more} });\n`;

async function onThreads(source: string, times: number) {
  const program = await loadProgram(source, "p.ts");
  const { verdict, counterexample } = explore(program);
  const token = counterexample?.token ?? `${program.sourceHash.slice(0, 4)}-`;
  const runs = await replayOnThreads(program, { source, token, times });
  return { verdict, runs };
}

describe("worked programs", () => {
  const sources = readdirSync(folder).map((file): [string, string] => {
    return [file, readFileSync(`${folder}${file}`, "utf8")];
  });
  const failing = sources.filter(([, source]) => /expect: "(?!SAFE)/.test(source));

  it.each(failing)(`%s: ${TIMES} of ${TIMES} on real threads`, async (_file, source) => {
    const { verdict, runs } = await onThreads(source, TIMES);
    expect(runs.filter((run) => run.verdict === verdict)).toHaveLength(TIMES);
  });
});

describe("verdicts", () => {
  const verdicts: [string, string, string][] = [
    ["NULL-DEREF", "NULL-DEREF", "({ x }) => { ld(ld(x)); }"],
    ["MISUSE: no cell", "MISUSE", "({ x }) => { st(x, 99); ld(ld(x)); }"],
    ["MISUSE: unlock without lock", "MISUSE", "({ m }) => { unlock(m); }, ({ x }) => st(x, 1)"],
    ["DEADLOCK: a lock taken twice", "DEADLOCK", "({ m }) => { lock(m); lock(m); }"],
    ["DEADLOCK: a value that never comes", "DEADLOCK", "({ x }) => { waitUntil(x, 1); }"],
    ["ASSERT: a choice", "ASSERT", "({ x }) => { st(x, choose(3)); assert(ld(x) < 2, 'two'); }"],
    ["ASSERT: an exception", "ASSERT", "({ x }) => { st(x, null.foo); }"],
    ["LOCKUP: ticks", "LOCKUP", "({ x }) => { let v = ld(x); while (v < 2) { tick(v); v ^= 1; } }"],
    ["LIVELOCK: a spin", "LIVELOCK", "({ x }) => { while (ld(x) === 0); }, ({ y }) => st(y, 1)"],
    [
      "each kind of step does what the explorer says",
      "ASSERT",
      "({ x, y, m }) => { st(x, 5); lock(m); add(x, 2); setBits(x, 8); clearBits(x, 1); " +
        "xchg(y, ld(x)); unlock(m); tryLock(m); waitWhile(y, 0); " +
        "assert(cas(y, 14, 3) !== 14, 'y was 14'); }",
    ],
  ];
  it.each(verdicts)("%s", async (_what, verdict, threads) => {
    const { verdict: explored, runs } = await onThreads(one(threads), 3);
    expect([explored, ...runs.map((run) => run.verdict)]).toEqual(Array(4).fill(verdict));
  });

  it("a schedule that ends well ends well", async () => {
    const source = one("({ x }) => { add(x, 1); }, ({ x }) => { add(x, 1); }", ", final() {}");
    const program = await loadProgram(source, "p.ts");
    const token = `${program.sourceHash.slice(0, 4)}-ab`;
    const [run] = await replayOnThreads(program, { source, token, times: 1 });
    expect(run).toMatchObject({ verdict: "SAFE", threads: [{ how: "done" }, { how: "done" }] });
  });
});

describe("a thread that does something else", () => {
  it("is noticed, with the step", async () => {
    const planned = one("({ x }) => { st(x, 1); lock(x); }");
    const program = await loadProgram(planned, "p.ts");
    const { counterexample } = explore(program);
    const other = planned.replace("st(x, 1)", "st(x, 2)");
    const request = { source: other, token: counterexample!.token, times: 1 };
    await expect(replayOnThreads(program, request)).rejects.toThrow(
      "step 1: st(x, 2, 0) instead of st(x, 1, 0)",
    );
  });

  it("is noticed when it wants more steps than the explorer says", async () => {
    const planned = one("({ x }) => { st(x, 1); assert(false); }, ({ y }) => { st(y, 1); }");
    const program = await loadProgram(planned, "p.ts");
    const token = `${program.sourceHash.slice(0, 4)}-ba`;
    const source = planned.replace("st(y, 1)", "st(y, 1); st(y, 1)");
    await expect(replayOnThreads(program, { source, token, times: 1 })).rejects.toThrow(
      "t1 ends open instead of done",
    );
  });
});
