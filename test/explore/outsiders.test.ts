// Programs written from the explorer's page alone, by somebody who had not read its code: their
// numbers come from a brute-force walk over all prefixes of all executions, or from the literature.
// And files that wish the explorer ill: none may hang it, nor be called SAFE.
import { describe, expect, it } from "vitest";
import { explore } from "../../src/explore/explore.js";
import { loadProgram } from "../../src/explore/source/load.js";

const NAMES =
  "ld st read write add xchg cas lock unlock tryLock waitWhile waitUntil choose fault alloc free " +
  "initLock assert tick rlock runlock rwlock rwunlock spinLock spinUnlock spinLockIrq " +
  "spinUnlockIrq spinLockIrqsave spinUnlockIrqrestore UNINIT FREE program";

const source = (spec: string, helpers = "") =>
  `import { ${NAMES.split(" ").join(", ")} } from "packetpath/explore";\n${helpers}\n` +
  `export default program({ name: "p", ${spec} });\n`;

async function look(spec: string, helpers = "") {
  return explore(await loadProgram(source(spec, helpers), "p.ts"), { maxSeconds: 1000 });
}

/** Threads on cells x, y, z: "Wx1" stores 1 to x, "Rx" loads it. */
function litmus(...threads: string[]): string {
  const step = (one: string) =>
    one[0] === "W" ? `st(${one[1]}, ${one[2]});` : `ld(${one.slice(1)});`;
  const code = threads.map((text) => text.split(" ").map(step).join(" "));
  return (
    "cells: { x: 0, y: 0, z: 0 }, threads: [" +
    `${code.map((one) => `({ x, y, z }) => { ${one} }`).join(", ")}]`
  );
}

const CS = "function cs(c) { assert(add(c, 1) === 0, 'two inside'); add(c, -1); }";

const COUNTS: [name: string, spec: string, numbers: [number, number, number]][] = [
  ["2+2W", litmus("Wx1 Wy2", "Wy1 Wx2"), [3, 0, 6]],
  ["WRC", litmus("Wx1", "Rx Wy1", "Ry Rx"), [7, 0, 30]],
  ["ISA2", litmus("Wx1 Wy1", "Ry Wz1", "Rz Rx"), [7, 0, 90]],
  ["W+RWC", litmus("Wx1 Wz1", "Rz Ry", "Wy1 Rx"), [7, 0, 90]],
  ["Z6.0", litmus("Wx1 Wy1", "Ry Wz1", "Wz2 Rx"), [7, 0, 90]],
  ["Z6.3", litmus("Wx1 Wy1", "Wy2 Wz1", "Rz Rx"), [7, 0, 90]],
  ["3.2W", litmus("Wx1 Wy2", "Wy1 Wz2", "Wz1 Wx2"), [7, 0, 90]],
  ["3.SB", litmus("Wx1 Ry", "Wy1 Rz", "Wz1 Rx"), [7, 0, 90]],
  ["CoRR2", litmus("Wx1", "Wx2", "Rx Rx", "Rx Rx"), [72, 0, 180]],
  ["wwmerge", litmus("Wx1 Wx2", "Wx3 Wx4", "Rx"), [30, 0, 30]],
  [
    "tryLock of three",
    `cells: { x: 0 }, locks: ["l"], threads: [0, 1, 2].map(() => ({ x, l }) => { if
      (tryLock(l)) { st(x, ld(x) + 1); unlock(l); } })`,
    [24, 0, 78],
  ],
  [
    "a value that passes a waiter by",
    `cells: { x: 0 }, threads: [({ x }) => { waitUntil(x, 1); }, ({ x }) => { st(x, 1);
      st(x, 2); }]`,
    [1, 1, 2],
  ],
  [
    "four philosophers",
    `locks: { f: [FREE, FREE, FREE, FREE] }, threads: [0, 1, 2, 3].map((i) => ({ f }) =>
      { const q = (i + 1) % 4; lock(f[i]); lock(f[q]); unlock(f[q]); unlock(f[i]); })`,
    [14, 1, 98184],
  ],
  [
    "an MCS lock that sets its flag too late",
    `cells: { tail: 0, locked: [0, 0, 0], next: [0, 0, 0] }, threads: [1, 2].map((i) =>
      ({ tail, locked, next }) => { st(next[i], 0); const p = xchg(tail, i); if (p !== 0)
      { st(next[p], i); st(locked[i], 1); waitUntil(locked[i], 0); } if (ld(next[i]) ===
      0) { if (cas(tail, i, 0) === i) return; waitWhile(next[i], 0); }
      st(locked[ld(next[i])], 0); })`,
    [6, 4, 160],
  ],
];

const OTHER = `function other(level, i, l) { for (let k = 0; k < 3; k++) if (k !== i &&
    ld(level[k]) >= l) return true; return false; }`;

describe("litmus tests, by brute force", () => {
  it.each(COUNTS)("%s", async (_name, spec, [traces, blocked, interleavings]) => {
    const result = await look(spec);
    expect([result.traces, result.blocked, result.interleavings].map(String)).toEqual(
      [traces, blocked, interleavings].map(String),
    );
  });
});

const TWINS: [name: string, verdict: string, spec: string, helpers?: string][] = [
  [
    "Szymanski's lock",
    "SAFE",
    szymanski("for (;;) { const v = ld(f[1]); if (v !== 2 && v !== 3) break; }"),
    CS,
  ],
  [
    "Szymanski's lock that looks twice on its way out",
    "LIVELOCK",
    szymanski("while (ld(f[1]) === 2 || ld(f[1]) === 3);"),
    CS,
  ],
  ["a filter for three", "SAFE", filter(3), `${CS} ${OTHER}`],
  ["a filter for three that lacks a level", "ASSERT", filter(2), `${CS} ${OTHER}`],
  ["locks of two orders through an interrupt", "DEADLOCK", throughInterrupt(false)],
  ["the same with interrupts off", "SAFE", throughInterrupt(true)],
  [
    "a reader that comes back behind a writer",
    "DEADLOCK",
    `locks: ["l"], threads: [({ l }) => { rlock(l); rlock(l); runlock(l); runlock(l); },
      ({ l }) => { rwlock(l); rwunlock(l); }]`,
  ],
  [
    "a reader that comes back behind a reader",
    "SAFE",
    `locks: ["l"], threads: [({ l }) => { rlock(l); rlock(l); runlock(l); runlock(l); },
      ({ l }) => { rlock(l); runlock(l); }]`,
  ],
  ["an owner who exchanges", "SAFE", freed("xchg(p, 0)")],
  ["an owner who looks", "DOUBLE-FREE", freed("ld(p)")],
];

function szymanski(leave: string): string {
  return `cells: { c: 0, f: [0, 0] }, threads: [0, 1].map((i) => ({ c, f }) => {
    const j = 1 - i;
    st(f[i], 1);
    while (ld(f[j]) >= 3);
    st(f[i], 3);
    if (ld(f[j]) === 1) { st(f[i], 2); while (ld(f[j]) !== 4); }
    st(f[i], 4);
    if (i === 1) while (ld(f[0]) >= 2);
    cs(c);
    if (i === 0) ${leave}
    st(f[i], 0);
  })`;
}

function filter(levels: number): string {
  return `cells: { c: 0, level: [0, 0, 0], victim: [0, 0, 0] },
    threads: [0, 1, 2].map((i) => ({ c, level, victim }) => {
      for (let l = 1; l < ${levels}; l++) {
        st(level[i], l);
        st(victim[l], i);
        while (other(level, i, l) && ld(victim[l]) === i);
      }
      cs(c);
      st(level[i], 0);
    })`;
}

function throughInterrupt(isFixed: boolean): string {
  const task = isFixed
    ? "const f = spinLockIrqsave(a); spinUnlockIrqrestore(a, f);"
    : "spinLock(a); spinUnlock(a);";
  return `cpus: 2, locks: ["a", "b"], threads: {
    t0: { cpu: 0, run({ a }) { ${task} } },
    irq0: { cpu: 0, context: "hardirq", run({ b }) { spinLock(b); spinUnlock(b); } },
    t1: { cpu: 1, run({ a, b }) {
      const f = spinLockIrqsave(b); spinLock(a); spinUnlock(a); spinUnlockIrqrestore(b, f);
    } },
  }`;
}

function freed(take: string): string {
  const thread = `({ p }) => { const h = ${take}; if (h) free(h); }`;
  return `cells: { p: 0 }, threads: [({ p }) => { st(p, alloc(1)); }, ${thread}, ${thread}]`;
}

describe("algorithms and their broken twins", () => {
  it.each(TWINS)("%s: %s", async (_name, verdict, spec, helpers) => {
    const result = await look(spec, helpers);
    expect([result.verdict, result.complete]).toEqual([verdict, true]);
  });
});

const x = (body: string, more = "") =>
  `cells: { x: 0 }, threads: [({ x }) => { ${body} }], ${more}`;

describe("files that wish the explorer ill", () => {
  const refused: [what: string, text: string, message: RegExp][] = [
    ["a primitive under another name", source(x("const s = st; s(x, 1);")), /passed on as a value/],
    [
      "a primitive under a name of the module",
      source(x("s(x, 1);"), "const s = st;"),
      /passed on as a value/,
    ],
    [
      "a function with steps under another name",
      source(x("g(x);"), "function f(c) { st(c, 1); }\nconst g = f;"),
      /passed on as a value/,
    ],
    [
      "code of a text",
      source(x('const p = (() => 1).constructor("return 1"); st(x, 1);')),
      /constructor is not controlled/,
    ],
    ["a final check without end", source(x("st(x, 1);", "final() { for (;;) {} }")), /may never/],
    ["a thread without a primitive or an end", source(x("for (;;) {}")), /may never end/],
    ["brackets without end", source(x(`st(x, ${"(".repeat(20_000)}1`)), /nested too deeply|'\)'/],
    [
      "an array in itself",
      source("cells: { x: own }, threads: [() => {}]", "const own = []; own.push(own);"),
      /nested too deeply/,
    ],
    [
      "an export without end",
      source("cells: { get x() { for (;;) {} } }, threads: [() => {}]"),
      /more than 5 s/,
    ],
  ];
  it.each(refused)("%s is refused", async (_what, text, message) => {
    const error: unknown = await loadProgram(text, "p.js").catch((one: unknown) => one);
    expect(error).toMatchObject({ code: "PROGRAM_INVALID", place: { file: "p.js" } });
    expect(String(error)).toMatch(message);
  });

  it("a final check that stores is refused at its place", async () => {
    const program = await loadProgram(source(x("st(x, 1);", "final({ x }) { st(x, 2); }")), "p.js");
    const refusal = { code: "PROGRAM_INVALID", message: "a final check only loads" };
    expect(() => explore(program)).toThrow(expect.objectContaining(refusal));
  });

  it("a final check that loads for ever is a LOCKUP, by states and by random runs", async () => {
    const text = source(x("st(x, 1);", "final({ x }) { while (ld(x) === 1); }"));
    for (const strategy of ["states", "random"] as const) {
      const result = explore(await loadProgram(text, "p.js"), { strategy, maxExecutions: 10 });
      expect(result.verdict, strategy).toBe("LOCKUP");
    }
  });

  it.each([
    ["a final check", x("st(x, 1);", 'final() { throw new Error("boom"); }')],
    ["a thread without a primitive", 'cells: { x: 0 }, threads: [() => { throw "boom"; }]'],
  ])("%s that throws is an ASSERT", async (_what, spec) => {
    const { verdict, counterexample } = await look(spec);
    expect([verdict, counterexample?.message]).toEqual(["ASSERT", expect.stringMatching(/boom/)]);
  });
});

describe("what is wrong is named as the program's author sees it", () => {
  const placed: [what: string, text: string, message: string, line: number][] = [
    ["no default export", 'import { st } from "packetpath/explore";\n', "no default export", 1],
    ["no threads", source("cells: { x: 0 }"), "threads: expected program", 3],
    ["a thread that is none", source("threads: [5]"), "t0: expected a function", 3],
    ["a thread that returns", source("threads: [() => 5]"), "t0: expected a thread function", 3],
    [
      "too many cells",
      source("cells: { x: Array(9999).fill(0) }, threads: [() => {}]"),
      "cells: 9999; at most 4096",
      3,
    ],
    [
      "an undeclared name",
      source("cells: { x: 0 },\nthreads: [({ y }) => { st(y, 1); }]"),
      't0 asks for "y"',
      4,
    ],
  ];
  it.each(placed)("%s, with its line", async (_what, text, message, line) => {
    const found = loadProgram(text, "p.js").then((one) => explore(one));
    await expect(found).rejects.toMatchObject({
      message: expect.stringContaining(message) as string,
      place: { file: "p.js", line },
    });
  });

  it.each([
    ["st(a, 1);", "st: an array of 2, not one of its elements; expected a cell"],
    ["st(a[2], 1);", "st: undefined, as behind the end of an array; expected a cell"],
    ["st(999, 1);", "st: 999 is the handle of something else, or of nothing; expected a cell"],
    ["lock(a[0]);", "lock: 8 is the handle of something else, or of nothing; expected a lock"],
  ])("%s: %s", async (body, message) => {
    const { verdict, counterexample } = await look(
      `cells: { a: [0, 0] }, threads: [({ a }) => { ${body} }]`,
    );
    expect([verdict, counterexample?.message]).toEqual(["MISUSE", message]);
  });

  it.each(["dpor", "hash"] as const)("%s says what it does not know", async (strategy) => {
    const text = source(
      "cells: { x: UNINIT }, threads: [({ x }) => { free(alloc(1)); st(x, 1); }]",
    );
    const { verdict, bound } = explore(await loadProgram(text, "p.js"), { strategy });
    expect([verdict, bound]).toEqual(["UNDECIDED", expect.stringContaining("not ")]);
    expect(bound).toContain("alloc, free");
  });
});
