// The benchmark of the primitives compares like with like, and the build's binding of primitives
// only inserts.
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { ACCESSES, byHand, PATH_WORDS, throughSync } from "../../src/cli/bench/sync-paths.js";
import { filesBelow } from "../tidy/sources.js";

interface Binding {
  readonly BOUND: RegExp;
  bindPrimitives(text: string, path: string): string;
}
const file = new URL("../../scripts/bind-primitives.mjs", import.meta.url);
const { BOUND, bindPrimitives } = (await import(file.href)) as Binding;

describe("bench sync", () => {
  it("both paths do the same to memory", () => {
    const results = [throughSync, byHand].map((path) => {
      const m = new Int32Array(new SharedArrayBuffer(4 * 2 * PATH_WORDS));
      for (let i = 0; i < m.length; i++) m[i] = i * i;
      const sums = [path(m, 0), path(m, PATH_WORDS), path(m, 0)];
      return { sums, words: [...m] };
    });
    expect(results[0]).toEqual(results[1]);
  });

  it("both have the accesses that are printed", () => {
    const text = readFileSync("src/cli/bench/sync-paths.ts", "utf8");
    const count = (pattern: RegExp) => text.match(pattern)?.length ?? 0;
    const { loads, stores, adds } = ACCESSES;
    expect([/\bld\(/g, /\bst\(/g, /(?<!\.)add\(m/g].map(count)).toEqual([loads, stores, adds]);
    const byName = [/Atomics\.load\(/g, /Atomics\.store\(/g, /Atomics\.add\(/g];
    expect(byName.map(count)).toEqual([loads, stores, adds]);
  });
});

describe("binding of primitives", () => {
  const files = filesBelow("src").filter((one) => BOUND.test(`/${one}`));

  it("taken out again, the source is what it was, byte for byte", () => {
    let changed = 0;
    for (const one of files) {
      const source = readFileSync(one, "utf8");
      const bound = bindPrimitives(source, `/${one}`);
      if (bound !== source) changed++;
      const erased = bound.replace(/ as \$\w+/g, "").replace(/ const \w+ = \$\w[^;\n]*;/g, "");
      expect(erased, one).toBe(source);
    }
    expect(changed).toBeGreaterThan(10);
  });

  it("takes functions and tables, not types and classes, and only of this project", () => {
    const text = 'import { type Addr, Tracker, HEADER, ld } from "../sync/index.js";\nld(m, 1);\n';
    expect(bindPrimitives(text, "/src/flow/key.ts")).toBe(
      'import { type Addr, Tracker, HEADER as $HEADER, ld as $ld } from "../sync/index.js"; ' +
        "const HEADER = $HEADER, ld = $ld;\nld(m, 1);\n",
    );
    const foreign = 'import { openDevice } from "tuntap2";\n';
    expect(bindPrimitives(foreign, "/src/flow/key.ts")).toBe(foreign);
  });

  it("binds nothing in a circle of imports, where it would have no value yet", () => {
    const imports = new Map<string, string[]>();
    for (const one of files) {
      const text = bindPrimitives(readFileSync(one, "utf8"), `/${one}`);
      const bound = text.matchAll(/import \{[^}]* as \$[^}]*\} from "(\.[^"]*)\.js";/g);
      imports.set(
        one,
        [...bound].map((match) => join(dirname(one), `${match[1]}.ts`)),
      );
    }
    const reached = (from: string, seen = new Set<string>()): Set<string> => {
      for (const next of imports.get(from) ?? []) {
        if (!seen.has(next)) reached(next, seen.add(next));
      }
      return seen;
    };
    expect(files.filter((one) => reached(one).has(one))).toEqual([]);
  });
});
