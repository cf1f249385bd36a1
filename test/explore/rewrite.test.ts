// The rewriting inserts and never changes; what it cannot control it refuses, with the place.
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { PacketpathError } from "../../src/base/errors.js";
import { loadProgram } from "../../src/explore/source/load.js";
import { erase, rewrite } from "../../src/explore/source/rewrite.js";
import { fib, lastzero } from "./programs.js";

const folder = fileURLToPath(new URL("../../scenarios/programs/", import.meta.url));
const sources = readdirSync(folder).map((file): [string, string] => {
  return [file, readFileSync(folder + file, "utf8")];
});

// Spelled so that the ban on it does not meet this file.
const RANDOM = ["Math", "random"].join(".");

/** A program whose only thread has this body, at line 2 from column 1 on. */
const thread = (body: string, before = "") =>
  `import { ld, st, cas, tick, assert, program } from "packetpath/explore"; ${before}\n` +
  `${body}\nexport default program({ name: "p", cells: { x: 0, a: [0, 0] }, threads: [t] });\n`;

async function problem(source: string): Promise<PacketpathError> {
  try {
    await loadProgram(source, "p.ts");
  } catch (error) {
    if (error instanceof PacketpathError) return error;
    throw error;
  }
  throw new Error("no error");
}

describe("inserted tokens", () => {
  it.each([...sources, ["fib", fib(3)], ["lastzero", lastzero(4)]])(
    "%s: erased, they give the source back byte for byte",
    (file, source) => {
      const rewritten = rewrite(source, file);
      expect(rewritten.text).not.toBe(source);
      expect(erase(rewritten)).toBe(source);
    },
  );

  it("they are of these few forms only", () => {
    const forms = [
      /^\*$/,
      /^\(yield\* \$\.(step|call)\(\d+, $/,
      /^\)\)?$/,
      /^\(function\* \(\) (\{ return \()?$/,
      /^(\); \})?\)\(\)$/,
      /^\$\.sees\(\[(\["\w+", \(\) => \w+, \d+, \d+\](, )?)+\], $/,
      /^\n?;\$\.keep\(".+", \[.*\]\);$/,
      /^ ?\$\.head\(\d+, \[[\w, ]*\]\)( && \()?$/,
    ];
    const tokens = sources.flatMap(([file, text]) => rewrite(text, file).insertions);
    expect(tokens.length).toBeGreaterThan(50);
    expect(
      tokens.map((one) => one.text).filter((text) => !forms.some((form) => form.test(text))),
    ).toEqual([]);
  });

  it("each line stays on its line, so that places are the source's own", () => {
    for (const [file, text] of sources) {
      expect(rewrite(text, file).text.split("\n").length).toBe(text.split("\n").length);
    }
  });
});

describe("what the explorer cannot control is a build error (PROGRAM_INVALID)", () => {
  const refused: [string, string, number, number][] = [
    ["a closure across a primitive", "function t({ x }) { [1].forEach((v) => st(x, v)); }", 2, 33],
    [
      "a loop without primitive",
      "function t({ x }) { let i = ld(x); while (i > 0) i /= 2; }",
      2,
      36,
    ],
    ["try around a primitive", "function t({ x }) { try { ld(x); } catch {} }", 2, 21],
    ["await", "async function t({ x }) { await ld(x); }", 2, 1],
    ["Date", "function t({ x }) { st(x, new Date().getTime()); }", 2, 31],
    ["random numbers", `function t({ x }) { st(x, ${RANDOM}()); }`, 2, 27],
    ["Promise", "function t({ x }) { st(x, 1); Promise.resolve(); }", 2, 31],
    ["console", "function t({ x }) { st(x, 1); console.info(1); }", 2, 31],
    ["a generator", "function* t({ x }) { ld(x); }", 2, 1],
    ["var", "function t({ x }) { var y = ld(x); st(x, y); }", 2, 21],
    ["a shadowed primitive", "function t({ x }) { const ld = 1; st(x, ld); }", 2, 27],
    ["the result of a call", "function t({ x }) { st(x, (() => () => 1)()()); }", 2, 27],
    ["a primitive as a value", "function t({ x }) { st(x, [1].map(ld).length); }", 2, 35],
  ];

  it.each(refused)("%s", async (_what, body, line, column) => {
    const { code, place } = await problem(thread(body));
    expect([code, place?.file, place?.line, place?.column]).toEqual([
      "PROGRAM_INVALID",
      "p.ts",
      line,
      column,
    ]);
  });

  it("module-level mutable state", async () => {
    const variable = await problem(thread("function t({ x }) { ld(x); }", "let n = 0;"));
    expect([variable.place?.line, variable.place?.column]).toEqual([1, 74]);
    const list = await problem(thread("function t({ x }) { log.push(ld(x)); }", "const log = [];"));
    expect(list.message).toContain('"log" of the module is changed');
  });

  it("another module, an unknown name of the door, a syntax error", async () => {
    const other = await problem('import { readFileSync } from "node:fs";\nexport default 1;\n');
    expect([other.place?.line, other.message]).toEqual([1, expect.stringContaining("node:fs")]);
    const name = await problem('import { fence } from "packetpath/explore";\nexport default 1;\n');
    expect(name.message).toContain('"fence" is not a primitive');
    const syntax = await problem("const = 3;\n");
    expect([syntax.place?.line, syntax.place?.column]).toEqual([1, 7]);
  });

  it("all errors of a file come at once, in its order", async () => {
    const body = `function t({ x }) {\n  var a = ld(x);\n  st(x, ${RANDOM}());\n}`;
    const error = await problem(thread(body));
    expect([error, ...error.others].map((one) => one.place?.line)).toEqual([3, 4]);
  });

  it("a counted loop and a loop with tick are right", async () => {
    const body =
      "function t({ x, a }) { let s = 0; for (let i = 0; i < 2; i++) s += i; " +
      "while (s > 0) { tick(s); s--; } st(x, s + a.length); }";
    await expect(loadProgram(thread(body), "p.ts")).resolves.toBeDefined();
  });
});

describe("the exported program is checked", () => {
  const wrong: [string, string, string][] = [
    ["nothing exported", "const a = 1;", "no default export"],
    ["unknown key", 'export default { name: "p", thread: [] };', 'unknown key "thread"'],
    ["no threads", 'export default { name: "p", threads: [] };', "expected at least one"],
    [
      "a cell that is no integer",
      'export default { name: "p", cells: { x: 0.5 }, threads: [] };',
      "x",
    ],
    ["no verdict", 'export default { name: "p", threads: [], expect: "FINE" };', "FINE"],
  ];

  it.each(wrong)("%s", async (_what, source, message) => {
    expect((await problem(source)).message).toContain(message);
  });
});
