// What a program's module keeps from one run of a thread to the next is shared without a step to
// show for it: rounds would be taken for others, and the third one, which fails, never be seen. All
// of it is refused, whichever way it is changed, with the place of what is changed.
import { describe, expect, it } from "vitest";
import { explore, replay } from "../../src/explore/explore.js";
import { loadProgram } from "../../src/explore/source/load.js";

const spinning = (up: string, count: string, helpers: string) =>
  `import { assert, ld, program, st } from "packetpath/explore"; ${helpers}\n` +
  "export default program({ cells: { x: 0 }, name: 'p', threads: [({ x }) => {\n" +
  `while (ld(x) === 0) { ${up} } assert(${count} < 3, "three");\n}, ({ x }) => st(x, 1)] });\n`;

const BOX = "const box = [0];";
const ADD = "box[0] = Math.min(3, box[0]! + 1);";
const CLASS = "class C { n = 0; static n = 0; up() { this.n++; } static up() { this.n++; } }";
const COUNTER =
  "function counter() { let n = 0; return { up: () => { n++; }, n: () => n }; } " +
  "function wrap() { return counter(); }";

const CHANGED: [what: string, source: string, name: string, line: number][] = [
  ["by a method", spinning("c.up();", "c.n", `${CLASS} const c = new C();`), "c", 1],
  ["by a static method", spinning("C.up();", "C.n", CLASS), "C", 1],
  [
    "by a method of an object",
    spinning("o.up();", "o.n", "const o = { n: 0, up() { this.n++; } };"),
    "o",
    1,
  ],
  [
    "by a field that is a function",
    spinning("c.up();", "c.n", "class C { n = 0; up = () => { this.n++; }; }\nconst c = new C();"),
    "c",
    2,
  ],
  [
    "by a getter",
    spinning("o.v;", "box[0]!", `${BOX} const o = { get v() { ${ADD} return 1; } };`),
    "box",
    1,
  ],
  [
    "by toString",
    spinning("`${o}`;", "box[0]!", `${BOX} const o = { toString() { ${ADD} return ''; } };`),
    "box",
    1,
  ],
  [
    "by a callback",
    spinning("[1].forEach(up);", "box[0]!", `${BOX} const up = () => { ${ADD} };`),
    "box",
    1,
  ],
  [
    "by a tag",
    spinning("up`a`;", "box[0]!", `${BOX} const up = (_s: unknown) => { ${ADD} };`),
    "box",
    1,
  ],
  ["by call", spinning("up.call(null);", "box[0]!", `${BOX} function up() { ${ADD} }`), "box", 1],
  [
    "by a method that has a name at run time only",
    spinning("box['pu' + 'sh'](1);", "box.length", "const box: any = [0];"),
    "box",
    1,
  ],
  [
    "of a map",
    spinning("m['s' + 'et'](0, 3);", "m.get(0)!", "const m: any = new Map([[0, 0]]);"),
    "m",
    1,
  ],
  [
    "of bytes, by another view",
    spinning("const q = t.subarray(0); q[0] = 3;", "t[0]!", "const t = new Int32Array(1);"),
    "t",
    1,
  ],
  ["of an enumeration", spinning("(E as any).A = 3;", "E.A", "enum E { A = 0 }"), "E", 1],
  [
    "of a namespace",
    spinning("N.up();", "N.n", "namespace N { export let n = 0; export function up() { n = 3; } }"),
    "N",
    1,
  ],
];

describe("an object of the module", () => {
  it.each(CHANGED)("changed %s is refused", async (_what, source, name, line) => {
    const refusal = {
      code: "PROGRAM_INVALID",
      message: expect.stringContaining(`"${name}" of the module is changed`) as string,
      place: { file: "p.ts", line, column: expect.any(Number) as number },
    };
    const found = loadProgram(source, "p.ts").then((one) => explore(one));
    await expect(found).rejects.toMatchObject(refusal);
  });

  it("changed while a schedule is repeated is refused, too", async () => {
    const program = await loadProgram(CHANGED[0]![1], "p.ts");
    const token = `${program.sourceHash.slice(0, 4)}-a2`;
    expect(() => replay(program, token)).toThrow('"c" of the module');
  });

  it("that is only read, and changed while the module is built, is explored", async () => {
    const helpers = "const m = new Map([[0, 1]]); m.set(1, 2); const t = new Int32Array([7]);";
    const program = await loadProgram(spinning("m.get(t[0]!);", "m.size", helpers), "p.ts");
    expect(explore(program).verdict).toBe("SAFE");
  });
});

const REFUSED: [what: string, source: string, message: string][] = [
  [
    "a factory that the module and a thread call",
    spinning("counter().up(); kept.up();", "kept.n()", `${COUNTER} const kept = counter();`),
    '"n" of the function around',
  ],
  [
    "one that is called through another",
    spinning("wrap().up(); kept.up();", "kept.n()", `${COUNTER} const kept = wrap();`),
    '"n" of the function around',
  ],
  [
    "one that is handed on",
    spinning(
      "counter().up(); kept[0]!.up();",
      "kept[0]!.n()",
      `${COUNTER} const kept = [1].map(counter);`,
    ),
    '"n" of the function around',
  ],
  [
    "a property of JavaScript's own objects",
    spinning("(JSON as any).n = 3;", "(JSON as any).n", ""),
    '"JSON" of JavaScript is changed',
  ],
  [
    "the same under another name",
    spinning("const o: any = Map; o.n = 3;", "(Map as any).n", ""),
    '"Map" of JavaScript is changed',
  ],
  ["a global object in new", spinning("new Proxy({}, {});", "1", ""), '"Proxy" is not declared'],
  [
    "a global object in a list",
    spinning("const [w] = [WebAssembly];", "1", ""),
    '"WebAssembly" is not declared',
  ],
  ["import()", spinning("import('node:fs');", "1", ""), "import() is not explored"],
  [
    "a property of Math by pattern",
    spinning("const { random: r } = Math; r();", "1", ""),
    "Math is not controlled",
  ],
  ["a property of Math by text", spinning("Math['random']();", "1", ""), "Math is not controlled"],
];

describe("what nothing would show", () => {
  it.each(REFUSED)("%s is refused at its place", async (_what, source, message) => {
    const refused = loadProgram(source, "p.ts");
    await expect(refused).rejects.toThrow(message);
    await expect(refused).rejects.toMatchObject({
      place: { file: "p.ts", line: expect.any(Number) as number },
    });
  });

  it("a factory that only threads call may count", async () => {
    const program = await loadProgram(
      spinning("counter().up();", "0", COUNTER.split(" function wrap")[0]!),
      "p.ts",
    );
    expect(explore(program).verdict).toBe("SAFE");
  });

  it("types are no values: names of theirs need not be declared", async () => {
    const types =
      "type A = Record<string, Promise<number>>; interface B extends Iterable<number> { a: A }\n" +
      "class E extends Error { of(this: E, b: B): b is B { return true; } }";
    await expect(loadProgram(spinning("", "0", types), "p.ts")).resolves.toBeDefined();
  });
});
