// Loops that remember something where a key of locals does not show it: a closure, an iterator, a
// property that is not listed. Taken for the same local state, rounds would be skipped, and the
// third one, which fails, never be seen. And what is refused because nothing can be seen of it.
import { describe, expect, it } from "vitest";
import { explore } from "../../src/explore/explore.js";
import { serialize } from "../../src/explore/serialize.js";
import { loadProgram } from "../../src/explore/source/load.js";

/** A thread that goes round while x is 0 and another that ends that, at once or later. */
const spinning = (body: string, helpers = "") =>
  `import { add, assert, ld, program, st } from "packetpath/explore";\n${helpers}\n` +
  "export default program({ cells: { x: 0, z: 0 }, name: 'p', threads: [({ x, z }) => {\n" +
  `${body}\n}, ({ x }) => { st(x, 1); }] });\n`;

const counting = (start: string, up: string, count: string, helpers = "") =>
  spinning(`${start}\nwhile (ld(x) === 0) { ${up} }\nassert(${count} < 3, "three");`, helpers);

const COUNTER =
  "function counter() { let n = 0; return { up: () => { n = Math.min(n + 1, 3); }, n: () => n }; }";

const UNSEEN: [what: string, source: string][] = [
  ["a closure of a helper", counting("const c = counter();", "c.up();", "c.n()", COUNTER)],
  [
    "a closure that a helper gets",
    spinning(
      "const o = { k: 0 }; spin(x, () => { if (o.k < 3) o.k++; }); assert(o.k < 3);",
      "function spin(c: number, up: () => void) { while (ld(c) === 0) up(); }",
    ),
  ],
  [
    "a bound this",
    counting(
      "const up = mk();",
      "up(1);",
      "up(0)",
      "function mk() { return (function (this: { n: number }, d: number) " +
        "{ if (this.n < 3) this.n += d; return this.n; }).bind({ n: 0 }); }",
    ),
  ],
  ["a property of a function", counting("const f: any = () => 0; f.n = 0;", "f.n++;", "f.n")],
  ["a property of an array", counting("const f: any = []; f.n = 0;", "f.n++;", "f.n")],
  [
    "an iterator",
    counting("const i = [1, 2, 3][Symbol.iterator]();", "add(z, i.next().value ?? 0);", "ld(z)"),
  ],
  ["a place in a text", counting("const r = /a/g;", "r.test('aaa');", "r.lastIndex")],
  [
    "a view of bytes",
    counting("const v = new DataView(new ArrayBuffer(1));", "v.setUint8(0, 3);", "v.getUint8(0)"),
  ],
  [
    "a property that is not listed",
    counting(
      "const o: any = Object.defineProperty({}, 'n', { value: 0, writable: true });",
      "o.n = 3;",
      "o.n",
    ),
  ],
  [
    "a WeakMap",
    counting("const k = {}; const w = new WeakMap([[k, 0]]);", "w.set(k, 3);", "w.get(k)!"),
  ],
];

const REFUSED: [what: string, source: string, message: string][] = [
  [
    "a private field",
    counting(
      "const c = new C();",
      "c.up();",
      "c.n()",
      "class C { #n = 0; up() { this.#n++; } n() { return this.#n; } }",
    ),
    "#n is private",
  ],
  [
    "a closure of the module",
    counting("", "c.up();", "c.n()", `${COUNTER} const c = counter();`),
    '"n" of the function around',
  ],
  [
    "a pattern of the module",
    counting("", "r.test('aaa');", "r.lastIndex", "const r = /a/g;"),
    "remembers where it stopped",
  ],
  [
    "an iterator of the module",
    counting("", "i.next();", "0", "const i = [1].values();"),
    '"i" of the module is changed',
  ],
  [
    "a prototype",
    counting("", "Array.prototype.push.call(m, 1);", "m.length", "const m: number[] = [];"),
    "prototypes are shared",
  ],
  ["a class in a thread", counting("class C { }", "new C();", "0"), "a class inside"],
];

describe("a loop forgets nothing where a local hides what it holds", () => {
  it.each(UNSEEN)("%s", async (_what, source) => {
    expect(explore(await loadProgram(source, "p.ts"), { maxSteps: 40 }).verdict).toBe("ASSERT");
  });

  it("a spin beside a closure that only reads what is in sight is SAFE", async () => {
    const source = counting("const one = () => ld(x);", "one();", "0");
    expect(explore(await loadProgram(source, "p.ts")).verdict).toBe("SAFE");
  });

  it("a spin beside an iterator is undecided at the bound, not SAFE", async () => {
    const source = counting("const i = [1].values();", "", "[...i].length");
    const { verdict, bound } = explore(await loadProgram(source, "p.ts"), { maxSteps: 40 });
    expect([verdict, bound]).toEqual(["UNDECIDED", expect.stringContaining("40 steps")]);
  });
});

describe("what hides its state from every key", () => {
  it.each(REFUSED)("%s is refused", async (_what, source, message) => {
    const refused = loadProgram(source, "p.ts");
    await expect(refused).rejects.toThrow(message);
    await expect(refused).rejects.toMatchObject({ place: { file: "p.ts" } });
  });
});

describe("values that a program can tell apart have different texts", () => {
  const shared = {};
  class Sub {
    n = 0;
  }
  const values = [
    [0, -0, NaN, 1, 1n, "1", true, null, undefined, "undefined"],
    [[], {}, new Map(), new Set(), new Sub(), Object.create(null), new ArrayBuffer(0)],
    [new Map([["a", 1]]), { a: 1 }, new Set([["a", 1]]), [["a", 1]], { a: undefined }],
    [new Uint8Array(2), new Int8Array(2), new Uint16Array(1), new DataView(new ArrayBuffer(2))],
    [
      [undefined],
      new Array(1),
      [[]],
      [shared, shared],
      [{}, {}],
      Object.freeze({}),
      Object.seal({ n: 0 }),
    ],
    [{ a: 1, b: 2 }, { b: 2, a: 1 }, { a: 1, c: 2 }, { n: 0 }, Object.freeze({ n: 0 })],
  ].flat();
  it("all of a list", () => {
    const texts = values.map((value) => serialize([value]));
    expect(texts).not.toContain(null);
    expect(new Set(texts).size).toBe(values.length);
  });
});
