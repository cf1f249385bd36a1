// Guards of users: forms that people write are explored as they mean them, and whatever would get
// past the explorer is refused at its place, never explored wrongly.
import { describe, expect, it } from "vitest";
import { runMatrix } from "../../src/explore/matrix/lab.js";

const ONE = { kinds: ["dummy"], events: ["link-delete"], profiles: ["6.12"], hints: [true] };

async function verdictOf(text: string): Promise<string> {
  const { cells } = await runMatrix({ ...ONE, guard: { file: "my-guard.ts", text } });
  return cells[0]!.verdict;
}

/** A guard with a body, and what stands before it. */
const guard = (body: string, before = "") =>
  `${before}\nexport default function guard(dev: any, skb: any): boolean { ${body} }\n`;

describe("forms of a guard", () => {
  it.each([
    [
      "for...of that reads",
      "for (const a of [1, 2]) if (a === 2 && !dev.running) return false; return true;",
      "SAFE",
    ],
    [
      "for...of that counts",
      "let n = 0; for (const _ of [1, 2]) if (dev.running) n++; return n === 2;",
      "SAFE",
    ],
    [
      "for...of that counts too far",
      "let n = 0; for (const _ of [1, 2]) if (dev.running) n++; return n < 3;",
      "LOCKUP",
    ],
    [
      "a loop in for...of",
      "for (const a of [1, 2]) for (let i = 0; i < a; i++) if (!dev.running) return false; " +
        "return true;",
      "SAFE",
    ],
    [
      "for...of left early",
      "for (const _ of [1, 2]) { if (dev.up) break; } return dev.running;",
      "SAFE",
    ],
    [
      "a local object",
      "const seen = { n: 0 }; seen.n += dev.running ? 1 : 0; return seen.n === 1;",
      "SAFE",
    ],
    [
      "an array of its own",
      "const seen: boolean[] = []; seen.push(dev.running); return seen[0]!;",
      "SAFE",
    ],
    ["optional chaining", "return dev?.running === true;", "SAFE"],
  ])("%s", async (_form, body, verdict) => {
    expect(await verdictOf(guard(body))).toBe(verdict);
  });

  it("a helper that changes what its caller made", async () => {
    const before = "function note(seen: { n: number }, by: number) { seen.n += by; }";
    const body = "const seen = { n: 0 }; note(seen, dev.running ? 1 : 0); return seen.n === 1;";
    expect(await verdictOf(guard(body, before))).toBe("SAFE");
  });
});

const STATE = "const state = { n: 0, list: [] as number[] };";
const OK = "function ok(dev: any): boolean { return dev.running; }";

describe("what is refused, with its place", () => {
  it.each([
    ["a property that is set", guard("dev.running = 1; return true;"), /"dev" was handed/, 2],
    ["one that is taken away", guard("delete dev.running; return true;"), /"dev" was handed/, 2],
    ["one set by another name", guard("const d = dev; d.mark = 1; return true;"), /handed/, 2],
    ["one set out of a list", guard("const b = [dev]; b[0].up = 1; return true;"), /handed/, 2],
    ["a packet that is changed", guard("skb.queueMapping = 0; return true;"), /"skb" was/, 2],
    [
      "a helper that changes the module's object",
      guard("bump(state); return state.n < 2;", `${STATE} function bump(o: any) { o.n++; }`),
      /"state" of the module is changed by bump/,
      2,
    ],
    [
      "the same through two helpers",
      guard(
        "outer(state); return state.n < 2;",
        `${STATE} function bump(o: any) { o.n++; } function outer(p: any) { bump(p); }`,
      ),
      /"state" of the module is changed by outer/,
      2,
    ],
    [
      "the module's under another name",
      guard("const s = state; s.n++; return true;", STATE),
      /"state" of the module/,
      2,
    ],
    [
      "a list of the module's",
      guard("const { list } = state; list.push(1); return true;", STATE),
      /"state"/,
      2,
    ],
    [
      "the module's by Object.assign",
      guard("Object.assign(state, { n: 1 }); return true;", STATE),
      /"state"/,
      2,
    ],
    ["the module's in a pattern", guard("[state.n] = [1]; return true;", STATE), /"state"/, 2],
    [
      "the module's in a closure",
      guard("[1].forEach(() => { state.n++; }); return dev.up;", STATE),
      /"state"/,
      2,
    ],
    [
      "a function in a table",
      guard("return table.ok(dev);", `${OK} const table = { ok };`),
      /"table" holds/,
      2,
    ],
    [
      "a function in a list",
      guard("return list[0]!(dev);", `${OK} const list = [ok];`),
      /"list" holds/,
      2,
    ],
    [
      "a function under another name",
      guard("return other(dev);", `${OK} const other = ok;`),
      /passed on/,
      1,
    ],
    ["a function by call()", guard("return ok.call(null, dev);", OK), /passed on/, 2],
    [
      "a property by destructuring",
      guard("const { up, running } = dev; return up && running;"),
      /"up" is read/,
      2,
    ],
    [
      "a property by its name as text",
      guard('const u = dev["up"]; return u ? true : false;'),
      /"up" is read/,
      2,
    ],
    [
      "a step in for...in",
      guard("for (const _ in { a: 1 }) if (dev.up) return true; return false;"),
      /for\.\.\.in/,
      2,
    ],
  ])("%s", async (_case, text, message, line) => {
    await expect(verdictOf(text)).rejects.toMatchObject({
      code: "PROGRAM_INVALID",
      message: expect.stringMatching(message) as string,
      place: { file: "my-guard.ts", line },
    });
  });

  it.each([
    [
      "of the guard's own parameter",
      guard('for (const name of ["up", "running"]) if (!dev[name]) return false; return true;'),
      /^"dev\[name\]" is read in a way that cannot be followed/,
      { line: 2 },
    ],
    [
      "of a parameter that it is handed on to",
      guard(
        'return both(dev, ["up", "running"]);',
        "const both = (d, of) => first(of, d as never) && true;\n" +
          "function first(of, d) { return d[of[0]]; }",
      ),
      /^"d\[of\[0\]\]" is read/,
      { line: 2, column: 32 },
    ],
  ])("a property by a name that only the run knows, %s", async (_case, text, message, at) => {
    await expect(verdictOf(text)).rejects.toMatchObject({
      code: "PROGRAM_INVALID",
      message: expect.stringMatching(message) as string,
      place: { file: "my-guard.ts", ...at },
    });
  });

  it("a property by a name that only the run knows, of the device under another name", async () => {
    const text = guard('const d = [dev][0]; return d[["up"][0]] ? true : false;');
    await expect(verdictOf(text)).rejects.toMatchObject({
      code: "PROGRAM_INVALID",
      message: expect.stringMatching(/"up" in a way that cannot be followed/) as string,
      place: { file: "my-guard.ts" },
    });
  });

  it("but a table of the guard's own may be read by any name", async () => {
    const text = guard('const t = { a: 1 }; return dev.running && t[["a"][0]] === 1;');
    await expect(verdictOf(text)).resolves.toBeDefined();
  });
});

describe("a guard whose module is not well", () => {
  it.each([
    ["has no end", "for (;;) {}", "the module runs for more than 5 s"],
    ["throws", 'throw new Error("boom");', "the module throws: boom"],
  ])("%s is refused", async (_what, before, message) => {
    await expect(verdictOf(guard("return true;", before))).rejects.toMatchObject({
      code: "PROGRAM_INVALID",
      message,
      place: { file: "my-guard.ts" },
    });
  });

  it.each([
    [
      "in a closure",
      "const make = () => { const a: any = []; return { on: () => a['pu' + 'sh'](1) }; }; " +
        "const o = make();",
      "return o.on() < 3 && dev.running;",
      '"a" of the module is changed in a run',
    ],
    [
      "in a WeakMap",
      "const w: any = new WeakMap();",
      "w['s' + 'et'](skb, 1); return dev.running;",
      '"w" of the module holds a WeakMap',
    ],
    [
      "in what all arrays inherit from",
      "",
      "const p: any = Object.getPrototypeOf([]); p.n = 1; return dev.running;",
      '"Array" of JavaScript is changed in a run',
    ],
    [
      "in the world around it, by way of the device",
      "",
      "const d: any = dev; return dev.running && d['const' + 'ructor'] !== skb;",
      'the guard asks for "constructor"',
    ],
    [
      "under the name of a device's property",
      "const o: any = {}; o.up = 1;",
      "return dev.running;",
      "o.up is read outside of a guard's function",
    ],
  ])("one that keeps something %s is refused", async (_where, before, body, message) => {
    await expect(verdictOf(guard(body, before))).rejects.toThrow(message);
  });

  it("one that counts in an object of a class is refused, and not SAFE", async () => {
    const before = "class C { n = 0; up() { this.n = 1; return this.n; } } const c = new C();";
    await expect(verdictOf(guard("return c.up() === 1 && dev.running;", before))).rejects.toThrow(
      /"c" of the module is changed|this is not explored/,
    );
  });
});
