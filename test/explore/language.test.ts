// What a program may be written in: forms of TypeScript that people use, explored as they mean
// them; and what is refused, at its place and with what to do instead.
import { describe, expect, it } from "vitest";
import { explore } from "../../src/explore/explore.js";
import { loadProgram } from "../../src/explore/source/load.js";

const IMPORT =
  "import { add, assert, cas, choose, FREE, ld, lock, program, st, tick, unlock, xchg, " +
  'type Cell } from "packetpath/explore";\n';

/** A program of one thread on cells x, y, an array a and a lock m; and helpers before it. */
const one = (body: string, helpers = "", more = "") =>
  `${IMPORT}${helpers}\nexport default program({ name: "p", cells: { x: 0, y: 1, a: [0, 0] }, ` +
  `locks: ["m"], threads: { t({ x, y, a, m }) {\n${body}\n} }, ${more} });\n`;

const FORMS: [form: string, source: string][] = [
  [
    "a closure that is called by its name",
    one("const inc = () => { add(x, 1); }; inc(); inc(); assert(ld(x) === 2);"),
  ],
  [
    "a nested function with a default parameter",
    one("function inc(by = 1): number { return add(x, by) + by; } inc(); assert(inc(2) === 3);"),
  ],
  [
    "for...of over constants",
    one(
      "for (const i of ORDER) st(a[i]!, i + 1); assert(ld(a[1]) === 2);",
      "const ORDER = [1, 0] as const;",
    ),
  ],
  [
    "for...of over entries",
    one("for (const [i, c] of a.entries()) st(c, i); assert(ld(a[1]) === 1);"),
  ],
  [
    "a loop inside of for...of",
    one(
      "let n = 0; for (const c of [a[0], a[0]]) for (let i = 0; i < 2; i++) n += add(c, 1); " +
        "assert(n === 6);",
    ),
  ],
  [
    "for...of left by break and return",
    one(
      "for (const c of a) { for (let i = 0; i < 2; i++) add(c, 1); break; } " +
        "for (const c of a) { while (ld(c) === 0) {} assert(ld(c) === 2); return; }",
    ),
  ],
  [
    "switch, const enum, fall through",
    one(
      "switch (choose(2) as Op) { case Op.Push: st(x, 1); break; default: st(x, 2); } " +
        "assert(ld(x) > 0, `x is ${ld(x)}`);",
      "const enum Op { Push, Pop }",
    ),
  ],
  [
    "conditions with several loads",
    one(
      "const v = ld(x) === 0 && ld(y) === 1 ? ld(y) : ld(x) || add(x, 2); " +
        "assert(v === 1 && !(ld(x) > 0 || ld(y) > 1)); assert(Math.max(ld(x), ld(y)) === 1);",
    ),
  ],
  [
    "labels",
    one(
      "outer: for (let i = 0; i < 3; i++) { for (let j = 0; j < 3; j++) { " +
        "if (add(x, 1) === 3) break outer; if (j === 1) continue outer; } } assert(ld(x) === 4);",
    ),
  ],
  [
    "do, while, early return",
    one("let n = 3; do { add(x, 1); n--; } while (n > 0); if (ld(x) === 3) return; assert(false);"),
  ],
  [
    "destructuring, rest, tuples",
    one(
      "const [v, w] = both({ p: x, q: y }); const { a: rest } = { a, m }; " +
        "assert(v + w + ld(rest[0]) === 1);",
      "function both({ p, q }: { p: Cell; q: Cell }) { return [ld(p), ld(q)] as const; }",
    ),
  ],
  [
    "recursion",
    one(
      "assert(sum([x, y, y], 0) === 2);",
      "function sum(c: Cell[], i: number): number {" +
        " return i === c.length ? 0 : ld(c[i]!) + sum(c, i + 1); }",
    ),
  ],
  ["try and finally", one("lock(m); try { st(x, 1); } finally { unlock(m); } lock(m); unlock(m);")],
  [
    "arrays, sets and maps as locals",
    one(
      "const seen = [ld(x), ld(y)]; const s = new Set(seen); seen.push(ld(x)); " +
        "assert(s.size === 2 && seen.filter((v) => v > 0).length === 1);",
    ),
  ],
  [
    "generics, void, optional members",
    one(
      "twice<number>(x, 3); void later(y); assert(ld(x) === 3 && ld(y) === 9);",
      "function twice<T extends number>(c: Cell, v: T) { st(c, v); st(c, v); }\n" +
        "const later = (c: Cell, o: { v?: number } = {}): void => void st(c, o.v ?? 9);",
    ),
  ],
  [
    "arrays of arrays, arrays of locks, threads from a factory",
    `${IMPORT}const N = 2;
    const w = (i: number) => ({ grid, forks }: any) => { lock(forks[i]); add(grid[i][1], i);
      unlock(forks[i]); };
    export default program({ name: "p", cells: { grid: [[0, 1], [2, 3]] },
      locks: { forks: Array(N).fill(FREE) }, threads: [...Array(N).keys()].map(w),
      final({ grid }) { assert(ld(grid[1][1]) === 4); } });`,
  ],
  [
    "threads by name from Object.fromEntries, a constant program, a named final check",
    `${IMPORT}const inc = ({ x }) => { add(x, 1); };
    function check({ x }) { assert(ld(x) === 2); }
    const threads = Object.fromEntries([0, 1].map((i) => ["w" + i, ({ x }) => { add(x, 1); }]));
    const spec = program({ name: "p", cells: { x: 0 }, threads, final: check });
    export default spec;`,
  ],
  [
    "a plain object",
    `${IMPORT}export default { name: "p", cells: { x: 0 }, threads: [({ x }) => st(x, 1)] };`,
  ],
  [
    "other names for primitives",
    'import { ld as load, program, st as store } from "packetpath/explore";\n' +
      'export default program({ name: "p", cells: { x: 0 }, ' +
      "threads: [({ x }) => store(x, load(x))] });",
  ],
];

describe("forms that are explored", () => {
  it.each(FORMS)("%s", async (_form, source) => {
    const result = explore(await loadProgram(source, "p.ts"));
    const message = result.counterexample?.message ?? "";
    expect([result.verdict, message]).toEqual(["SAFE", ""]);
  });

  it("a loop that never ends is one, though a finally block stands on the way out", async () => {
    const body =
      "lock(m); try { const v = ld(x); while (v === 0) tick(v); } finally { unlock(m); }";
    expect(explore(await loadProgram(one(body), "p.ts")).verdict).toBe("LOCKUP");
  });

  it("for...of tells its rounds apart, though the same cell comes twice", async () => {
    const body = "for (const c of [x, x]) { while (add(c, 1) < 0) {} } assert(ld(x) === 2);";
    const result = explore(await loadProgram(one(body), "p.ts"));
    expect([result.verdict, result.cyclic]).toEqual(["SAFE", false]);
  });
});

const REFUSED: [what: string, source: string, message: string, line: number][] = [
  [
    "a primitive that was not imported",
    'import { program } from "packetpath/explore";\n' +
      'export default program({ name: "p", cells: { x: 0 }, ' +
      "threads: [({ x }) => { st(x, 1); }] });",
    '"st" is not declared',
    2,
  ],
  ["a slip of the pen", one("stx(x, 1);"), '"stx" is not declared', 4],
  ["a handle that is none", one("st(z, 1);").replace("m })", "m, z })"), 't asks for "z"', 0],
  ["a closure that is passed on", one("a.forEach((c) => st(c, 1));"), "is passed on", 4],
  ["catch", one("try { st(x, 1); } catch { st(x, 2); }"), "try with catch", 4],
  [
    "state of a factory",
    `${IMPORT}const w = () => { let n = 0; return ({ x }) => { n++; add(x, n); }; };\n` +
      'export default program({ name: "p", cells: { x: 0 }, threads: [w(), w()] });',
    '"n" of the function around the thread is changed',
    2,
  ],
  [
    "a list of a factory",
    `${IMPORT}const w = () => { const s: number[] = []; ` +
      "return ({ x }) => { s.push(ld(x)); }; };\n" +
      'export default program({ name: "p", cells: { x: 0 }, threads: [w(), w()] });',
    '"s" of the function around the thread is changed',
    2,
  ],
  [
    "a local that hides another one around a loop",
    one("for (let i = 0; i < 2; i++) { { let i = 0; while (ld(x) === i) {} } }"),
    '"i" hides',
    4,
  ],
  ["a cell that is no integer", one("ld(x);").replace("y: 1", "y: 0.5"), "cells.y", 3],
  ["a lock that is none", one("ld(x);").replace('["m"]', "{ m: 3 }"), "locks.m", 3],
  [
    "a CPU that is not there",
    one("ld(x);").replace("t({", "u: { cpu: 4, run() {} }, t({"),
    "threads.u: cpu: expected 0 to 0",
    3,
  ],
  [
    "a context that is none",
    one("ld(x);").replace("t({", 'u: { context: "nmi", run() {} }, t({'),
    "context: nmi",
    3,
  ],
  [
    "a handler that nothing raises",
    one("ld(x);").replace("t({", 'u: { context: "softirq", run() {} }, t({'),
    "nothing makes it run",
    3,
  ],
  ["a key of a thread", one("ld(x);").replace("t({", "u: { cpus: 1, run() {} }, t({"), "cpus", 3],
  ["two CPUs of a kernel for one", one("ld(x);", "", 'kernel: "up", cpus: 2,'), "cpus", 5],
];

describe("forms that are refused", () => {
  it.each(REFUSED)("%s", async (_what, source, message, line) => {
    const refused = loadProgram(source, "p.ts").then((program) => explore(program));
    await expect(refused).rejects.toThrow(message);
    const error = await refused.catch((one: unknown) => one);
    expect(error).toMatchObject({ code: "PROGRAM_INVALID", place: { file: "p.ts" } });
    if (line > 0) expect(error).toMatchObject({ place: { line } });
  });
});
