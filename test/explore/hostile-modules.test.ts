// Modules that try to remember something where no rule about their text sees it, and no look at
// what their names stand for did: in closures, by methods that have a name at run time only, in
// JavaScript's own objects, in iterators. Counted so, a third round would be taken for the first
// and never be seen. Each is refused, or its verdict is right.
import { describe, expect, it } from "vitest";
import { explore } from "../../src/explore/explore.js";
import { loadProgram } from "../../src/explore/source/load.js";

const IMPORT = 'import { assert, ld, program, st } from "packetpath/explore";';

/** A thread that does `up` while x is 0; three times is too often. */
const spinning = (helpers: string, up: string, count: string) =>
  `${IMPORT}\n${helpers}\nexport default program({ cells: { x: 0 }, name: "p", threads: [` +
  `({ x }) => { while (ld(x) === 0) { ${up} } assert(${count} < 3, "three"); }, ` +
  "({ x }) => st(x, 1)] });\n";

/** The same with an object that a function of the module makes. */
const made = (body: string, up = "o.up();", count = "o.n()") =>
  spinning(`const make = (): any => { ${body} }; const o = make();`, up, count);

const verdictOf = async (source: string) =>
  explore(await loadProgram(source, "p.ts"), { maxSteps: 40 }).verdict;

const PUSH = "a['pu' + 'sh'](1)";

/** What is kept, the program, the name that the refusal has. */
const IN_CLOSURES: [what: string, source: string, name: string][] = [
  ["an array", made(`const a: any = []; return { up: () => ${PUSH}, n: () => a.length };`), "a"],
  [
    "a map",
    made(
      "const m: any = new Map(); return { up: () => m['s' + 'et'](m.size, 1), n: () => m.size };",
    ),
    "m",
  ],
  [
    "bytes",
    made(
      "const t = new Int32Array(1); return { up: () => t['fi' + 'll'](t[0]! + 1), n: () => t[0] };",
    ),
    "t",
  ],
  [
    "bytes, by a view of another kind",
    made(
      "const v = new DataView(new ArrayBuffer(1));" +
        "return { up: () => v.setUint8(0, v.getUint8(0) + 1), n: () => v.getUint8(0) };",
    ),
    "v",
  ],
  [
    "a variable that a getter counts up",
    made("let n = 0; return { get up() { n++; return n; } };", "o.up;", "o.up"),
    "n",
  ],
  [
    "an argument's default",
    spinning(
      "const make = (d: any = { k: 0 }) => () => Object['as' + 'sign'](d, { k: d.k + 1 }).k;" +
        "const o = make();",
      "o();",
      "o()",
    ),
    "d",
  ],
  [
    "a declared function's",
    made(
      "const a: any = []; return { up, n }; " +
        `function up() { ${PUSH}; } function n() { return a.length; }`,
    ),
    "a",
  ],
  [
    "what toJSON counts",
    made(
      `const a: any = []; return { toJSON() { return ${PUSH}; } };`,
      "JSON.stringify(o);",
      "+JSON.stringify(o)",
    ),
    "a",
  ],
  [
    "what valueOf counts",
    made(`const a: any = []; return { valueOf() { return ${PUSH}; } };`, "+o;", "+o"),
    "a",
  ],
  [
    "what an iterator's maker counts",
    made(
      "const a: any = []; return { [Symbol.iterator]: () => " +
        `{ ${PUSH}; return [a.length].values(); } };`,
      "[...o];",
      "[...o][0]",
    ),
    "a",
  ],
  [
    "a block's variable",
    spinning(
      "const o: any = {}; { let n = 0; o.up = () => { n++; }; o.n = () => n; }",
      "o.up();",
      "o.n()",
    ),
    "n",
  ],
  [
    "a loop's variable",
    spinning(
      "const o: any = {}; for (let i = 0; i < 1; i++) { o.up = () => { i++; }; o.n = () => i; }",
      "o.up();",
      "o.n()",
    ),
    "i",
  ],
  [
    "a caught value",
    spinning(
      "const o: any = {}; try { throw { n: 0 }; } " +
        "catch (e: any) { o.up = () => { e['n'] += 1; }; o.n = () => e.n; }",
      "o.up();",
      "o.n()",
    ),
    "e",
  ],
  [
    "a variable of a class's static block",
    spinning(
      "class C { static up: any; static n: any; " +
        "static { let n = 0; this.up = () => { n++; }; this.n = () => n; } }",
      "C.up();",
      "C.n()",
    ),
    "n",
  ],
  [
    "a constructor's variable",
    spinning(
      "class C { up: any; n: any; constructor() " +
        "{ let k = 0; this.up = () => { k++; }; this.n = () => k; } } const c = new C();",
      "c.up();",
      "c.n()",
    ),
    "k",
  ],
  [
    "a namespace's variable",
    spinning(
      "namespace N { let n = 0; export const up = () => { n++; }; export const get = () => n; }",
      "N.up();",
      "N.get()",
    ),
    "n",
  ],
  [
    "a class of a block",
    spinning(
      "const o: any = {}; " +
        "{ let n = 0; class C { up() { n++; } get n() { return n; } } o.c = new C(); }",
      "o.c.up();",
      "o.c.n",
    ),
    "n",
  ],
  [
    "what an arrow function calls this",
    made(
      "return (function (this: any): any " +
        "{ return { up: () => { this['n'] += 1; }, n: () => this.n }; } as any)" +
        "['ca' + 'll']({ n: 0 });",
    ),
    "this",
  ],
  [
    "a function's own name",
    spinning(
      "const o: any = (function self(): any { const me: any = self; me.n = 0; " +
        "return { up: () => { (self as any)['n'] += 1; }, n: () => (self as any).n }; })();",
      "o.up();",
      "o.n()",
    ),
    "self",
  ],
  [
    "a function's name, which is given another value",
    spinning(
      "function f(): any { return 0; } const o = { up() { (f as any) = () => 3; } };",
      "o.up();",
      "f()",
    ),
    "f",
  ],
  [
    "what is put back in the end",
    spinning(
      "const o = { n: 0, up() { this.n++; }, " +
        "take() { const { n } = this; this.n = 0; return n; } };",
      "o.up();",
      "o.take()",
    ),
    "o",
  ],
  [
    "what comes round again",
    spinning("const o = { n: 0, up() { this.n = (this.n + 1) % 4; } };", "o.up();", "o.n"),
    "o",
  ],
  [
    "a buffer without a view",
    spinning(
      "const b = new ArrayBuffer(4);",
      "const v = new Int32Array(b); v[0]!++;",
      "new Int32Array(b)[0]!",
    ),
    "b",
  ],
];

const UNSEEN: [what: string, source: string, message: string][] = [
  [
    "a WeakMap",
    spinning(
      "const w: any = new WeakMap(); const k = {};",
      "w['s' + 'et'](k, (w.get(k) ?? 0) + 1);",
      "(w.get(k) ?? 0)",
    ),
    "holds a WeakMap",
  ],
  [
    "a WeakMap of a closure",
    made(
      "const w: any = new WeakMap(); return () => { w['s' + 'et'](make, 3); return w.get(make); };",
      "o();",
      "o()",
    ),
    "holds a WeakMap",
  ],
  [
    "a WeakSet",
    spinning("const w: any = new WeakSet();", "w['a' + 'dd'](w);", "+w.has(w) * 3"),
    "holds a WeakMap",
  ],
  [
    "an iterator",
    spinning(
      "const i: any = [1, 2, 3].values();",
      "i['ne' + 'xt']();",
      "(i['ne' + 'xt']().value ?? 3)",
    ),
    "holds an iterator",
  ],
  [
    "a map's iterator",
    spinning(
      "const i: any = new Map([[1, 1]]).keys();",
      "i['ne' + 'xt']();",
      "+i['ne' + 'xt']().done * 3",
    ),
    "holds an iterator",
  ],
  [
    "a bound function",
    spinning("const up: any = ([].push as any)['bi' + 'nd']([]);", "up(1);", "up(1)"),
    "holds a bound function",
  ],
  [
    "an accessor",
    spinning("class C { accessor n = 0; up() { this.n++; } } const c = new C();", "c.up();", "c.n"),
    "what an accessor stores",
  ],
  [
    "the file's own place",
    spinning("const { url } = import.meta as any;", "", "url.length"),
    "import.meta",
  ],
];

const ARRAY = "Object.getPrototypeOf([])";

const INTRINSIC: [what: string, source: string, message: string][] = [
  [
    "a prototype of a thread's array",
    spinning("", `const p: any = ${ARRAY}; p.n = (p.n ?? 0) + 1;`, "(([] as any).n ?? 0)"),
    '"Array" of JavaScript is changed in a run',
  ],
  [
    "what made a thread's array",
    spinning(
      "const c = 'const' + 'ructor';",
      "const A: any = ([] as any)[c]; A.n = (A.n ?? 0) + 1;",
      "(([] as any)[c].n ?? 0)",
    ),
    '"Array" of JavaScript is changed in a run',
  ],
  [
    "a method of all arrays",
    spinning("(Array as any).prototype.push = () => 0;", "", "0"),
    'the module changes "Array"',
  ],
  [
    "a method of all maps",
    spinning("Object.defineProperty(Map.prototype, 'get', { value: () => 3 });", "", "0"),
    'the module changes "Map"',
  ],
  [
    "how arrays are gone through",
    spinning(
      `const p: any = Object.getPrototypeOf([].values()); p.next = () => ({ done: true });`,
      "",
      "0",
    ),
    'the module changes "Array"',
  ],
  [
    "text that becomes code",
    spinning(
      "const f = ([] as any)['const' + 'ructor']['const' + 'ructor']('return 1');",
      "f();",
      "0",
    ),
    "Code generation from strings",
  ],
];

describe("a module that keeps something past the rules is refused: it keeps", () => {
  it.each(IN_CLOSURES)("%s", async (_what, source, name) => {
    await expect(verdictOf(source)).rejects.toMatchObject({
      code: "PROGRAM_INVALID",
      message: `"${name}" of the module is changed in a run`,
      place: { file: "p.ts", line: 2 },
    });
  });

  it("an array that two threads push to, each from its own closure", async () => {
    const source =
      `${IMPORT}\nconst make = () => { const a: any = []; return [0, 1].map((i) => ` +
      `({ x }: any) => { st(x, i); ${PUSH}; ld(x); assert(a.length < 2); }); };\n` +
      'export default program({ name: "p", cells: { x: 0 }, threads: make() });\n';
    await expect(verdictOf(source)).rejects.toThrow('"a" of the module is changed in a run');
  });
});

describe("what cannot be looked into is refused before a search: the module keeps", () => {
  it.each(UNSEEN)("%s", async (_what, source, message) => {
    const refused = loadProgram(source, "p.ts");
    await expect(refused).rejects.toThrow(message);
    await expect(refused).rejects.toMatchObject({ place: { file: "p.ts", line: 2 } });
  });
});

describe("JavaScript's own objects are each program's own, and stay as they are", () => {
  it.each(INTRINSIC)("%s", async (_what, source, message) => {
    await expect(verdictOf(source)).rejects.toThrow(message);
  });

  it("a list of handles cannot be made longer", async () => {
    const source =
      `${IMPORT}\nexport default program({ name: "p", cells: { a: [0] }, ` +
      `threads: [({ a }: any) => { ld(a[0]); ${PUSH}; }] });\n`;
    const program = await loadProgram(source, "p.ts");
    const { verdict, counterexample } = explore(program);
    expect([verdict, counterexample?.message]).toEqual([
      "ASSERT",
      expect.stringContaining("add property"),
    ]);
  });

  it("a thread that makes code of text fails, and so does nothing with it", async () => {
    const code = "([] as any)['const' + 'ructor']['const' + 'ructor']('return 1')";
    expect(await verdictOf(spinning("", `const f = ${code}; f();`, "0"))).toBe("ASSERT");
  });
});

describe("what looks alike and is right", () => {
  it("closures of a factory that only read are explored, spins and all", async () => {
    const source =
      `${IMPORT}\nconst waiter = ({ at, list }: any) => ({ x }: any) => ` +
      "{ while (ld(x) === at); st(x, list[at]); };\n" +
      'export default program({ name: "p", cells: { x: 0 }, ' +
      "threads: [waiter({ at: 0, list: [2] }), ({ x }: any) => st(x, 1)] });\n";
    expect(await verdictOf(source)).toBe("SAFE");
  });

  /** The spin with a local before it. */
  const holding = (local: string, up: string, count: string) =>
    spinning("", up, count).replace("while", `${local} while`);

  it("plain objects, maps and sets of a thread are told apart: a spin ends", async () => {
    const local = "const m = new Map([[1, { a: [1] }]]); const s = new Set([1]);";
    expect(await verdictOf(holding(local, "", "0"))).toBe("SAFE");
  });

  it("an object whose prototype counts is not taken for the one that it was", async () => {
    const local = "const o = Object.create({ constructor: Object, n: 0 });";
    const up = "Object.getPrototypeOf(o).n++;";
    expect(await verdictOf(holding(local, up, "o.n"))).toBe("ASSERT");
  });

  it("a map that calls itself an object is not taken for an empty one", async () => {
    const local = "const o: any = new Map(); o[Symbol.toStringTag] = 'Object';";
    expect(await verdictOf(holding(local, "o.set(o.size, 1);", "o.size"))).toBe("ASSERT");
  });
});
