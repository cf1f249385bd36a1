// A certificate proves what it says to a checker that shares nothing with the search; whatever is
// changed in it, or in the source, is refused. Certificates of random programs are accepted if and
// only if the verdict is SAFE.
import { readdirSync, readFileSync } from "node:fs";
import { gunzipSync, gzipSync } from "node:zlib";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { Random } from "../../src/base/random.js";
import { checkCertificate } from "../../src/explore/certificate/check.js";
import { type Header, readCertificate } from "../../src/explore/certificate/header.js";
import { searchToCertify } from "../../src/explore/certificate/reduced.js";
import { certify, type Facts } from "../../src/explore/certificate/write.js";
import { explore } from "../../src/explore/explore.js";
import { Machine } from "../../src/explore/search/machine.js";
import { StateGraph } from "../../src/explore/states/state-graph.js";
import { loadProgram } from "../../src/explore/source/load.js";
import type { LoadedProgram } from "../../src/explore/types.js";
import { casrot, coa, fib, inc, lastzero, litmus } from "./programs.js";
import { randomProgram } from "./random-program.js";

const folder = fileURLToPath(new URL("../../scenarios/programs/", import.meta.url));
const worked = readdirSync(folder).map((file): [string, string] => {
  return [file, readFileSync(`${folder}${file}`, "utf8")];
});
const counted: [string, string][] = [
  ...Object.entries(litmus),
  ["inc(4)", inc(4)],
  ["casrot(6)", casrot(6)],
  ["lastzero(5)", lastzero(5)],
  ["CoA(3)", coa(3)],
  ["fib_bench(2)", fib(2)],
];

async function certificateOf(source: string): Promise<Uint8Array | null> {
  let made: Uint8Array | null = null;
  explore(await loadProgram(source, "p.ts"), {
    onCertificate: (summary, bytes) => {
      if (summary.unchecked === null) made = bytes();
    },
  });
  return made;
}

/** The same file with its words or its header changed. */
function forged(file: Uint8Array, change: (words: Int32Array, header: Header) => object | void) {
  const { header, words } = readCertificate(file);
  const cut = words.slice();
  const other = change(cut, header) ?? {};
  const { keep = cut.length, ...fields } = other as { keep?: number };
  const line = Buffer.from(`${JSON.stringify({ ...header, ...fields })}\n`);
  return gzipSync(Buffer.concat([line, Buffer.from(cut.buffer, 0, 4 * keep)]));
}

const check = async (file: Uint8Array, source: string) =>
  checkCertificate(file, await loadProgram(source, "p.ts"));

describe("certificates", () => {
  it.each([...worked, ...counted])("%s: there if SAFE, and accepted", async (_n, text) => {
    const program = await loadProgram(text, "p.ts");
    const { verdict, certificate, states, transitions } = explore(program);
    expect(certificate === null).toBe(verdict !== "SAFE");
    if (certificate === null || certificate.unchecked !== null) return;
    expect([certificate.states, certificate.transitions]).toEqual([states, transitions]);
    const file = await certificateOf(text);
    expect(await check(file!, text)).toBeNull();
    expect(readCertificate(file!).header.digest).toBe(certificate.digest);
  });

  it("the checker has at most 200 lines, and none of its files is the search's", () => {
    const room = fileURLToPath(new URL("../../src/explore/certificate/", import.meta.url));
    const read = (file: string) => readFileSync(room + file, "utf8");
    expect(read("check.ts").split("\n").length - 1).toBeLessThanOrEqual(200);
    const parts = ["check.ts", "digest.ts", "header.ts", "reduction.ts", "replay.ts"];
    for (const file of parts) {
      const imports = [...read(file).matchAll(/from "([^"]+)"/g)].map(([, from]) => from!);
      const own = parts.map((one) => `./${one.replace(/ts$/, "js")}`);
      expect(imports.filter((one) => ![...own, "../types.js", "node:zlib"].includes(one))).toEqual(
        [],
      );
    }
  });

  it("the digest is the same from another run, another for another program", async () => {
    const digest = async (source: string) =>
      explore(await loadProgram(source, "p.ts")).certificate?.digest;
    expect(await digest(coa(3))).toBe(await digest(coa(3)));
    expect(await digest(coa(3))).toMatch(/^[0-9a-f]{16}$/);
    expect(await digest(coa(3))).not.toBe(await digest(coa(2)));
  });
});

describe("what is refused", () => {
  const source = readFileSync(`${folder}spin-lock.ts`, "utf8");

  it("each single state removed", async () => {
    const file = (await certificateOf(inc(2)))!;
    const { header, words } = readCertificate(file);
    const program = await loadProgram(inc(2), "p.ts");
    const width = program.initial.length + program.threads.length;
    const start = words.length - header.states * width;
    for (let state = 0; state < header.states; state++) {
      const less = forged(file, (all) => {
        all.copyWithin(start + state * width, start + (state + 1) * width);
        return { states: header.states - 1, keep: all.length - width };
      });
      expect(checkCertificate(less, program)).toMatch(/out of the set|transitions|digest/);
    }
  });

  // A run may be longer than need be, or name another idle thread: that is as good a proof.
  it("each single word of an edge or a state changed", async () => {
    for (const text of [inc(2), source, casrot(3)]) {
      const file = (await certificateOf(text))!;
      const program = await loadProgram(text, "p.ts");
      const { header, words } = readCertificate(file);
      const runs = 3 * header.edges.reduce((sum, count) => sum + count);
      for (let at = 0; at < words.length; at++) {
        if (at >= runs && at < runs + 3 * header.runs) continue;
        const other = forged(file, (all) => void all[at]!++);
        expect(checkCertificate(other, program), `word ${at}`).not.toBeNull();
      }
    }
  });

  it("an edge that leads to another local state with the same step", async () => {
    const text =
      'import { assert, ld, program, st } from "packetpath/explore";\n' +
      "export default program({ name: 'p', cells: { x: 0 }, threads: [({ x }) => { st(x, 1); }, " +
      "({ x }) => { const v = ld(x); ld(x); assert(v < 2); }] });\n";
    const file = (await certificateOf(text))!;
    const swapped = forged(file, (all, { edges }) => {
      const second = 3 * edges[0]!;
      const first = all.subarray(second, second + 3 * edges[1]!);
      // Both values of the first load are said to lead to one local state.
      for (let e = 0, to = -1; e < first.length; e += 3) {
        if (first[e] !== 0) continue;
        if (to < 0) to = first[e + 2]!;
        else first[e + 2] = to;
      }
    });
    expect(await check(file, text)).toBeNull();
    expect(await check(swapped, text)).toContain("t1: an edge");
  });

  it("a livelock, whatever is said about its runs of states", async () => {
    const text = readFileSync(`${folder}polite-philosophers.ts`, "utf8");
    const program = await loadProgram(text, "p.ts");
    const graph = new StateGraph(new Machine(program, 1000));
    graph.explore({ maxStates: 1e5, maxSeconds: 1000 });
    const file = blind(graph);
    const { header, words } = readCertificate(file);
    const runs = 3 * header.edges.reduce((sum, count) => sum + count);
    const random = new Random(5);
    for (let round = 0; round < 2000; round++) {
      const count = 1 + random.below(4);
      const firsts = Array.from({ length: count }, () => random.below(header.states)).sort(
        (x, y) => x - y,
      );
      const said = firsts.flatMap((first) => [
        first,
        1 + random.below(header.states - first),
        random.below(3) - 1,
      ]);
      const all = [...words.subarray(0, runs), ...said, ...words.subarray(runs + 3 * header.runs)];
      const line = Buffer.from(`${JSON.stringify({ ...header, runs: count })}\n`);
      const forgery = Buffer.concat([line, Buffer.from(Int32Array.from(all).buffer)]);
      const problem = checkCertificate(gzipSync(forgery, { level: 1 }), program);
      expect(problem, `${said}`).toMatch(/back|again|cannot go on|overlap/);
    }
  });

  it("wrong numbers, another digest, another source, no certificate at all", async () => {
    const file = (await certificateOf(source))!;
    const cases: [object, RegExp][] = [
      [{ transitions: 1 }, /transitions/],
      [{ digest: "0000000000000000" }, /digest/],
      [{ sourceHash: "00000000" }, /another source/],
      [{ format: "2" }, /not a/],
      [{ states: 1 }, /length/],
    ];
    for (const [change, why] of cases) {
      expect(
        await check(
          forged(file, () => change),
          source,
        ),
      ).toMatch(why);
    }
    expect(await check(file, source.replace("spin", "spun"))).toMatch(/another source/);
    expect(await check(Buffer.from("hello"), source)).not.toBeNull();
    expect(await check(gzipSync(gunzipSync(file).subarray(0, 900)), source)).not.toBeNull();
  });
});

/** The certificate that would be made of a search if nobody looked at its verdict. */
function blind(graph: StateGraph): Uint8Array {
  let file: Uint8Array | null = null;
  const none = { traces: null, blocked: null, interleavings: null };
  const facts: Facts = {
    states: graph.count,
    transitions: graph.edgeTo.length,
    ...none,
    isReduced: false,
  };
  const onCertificate = (_summary: object, bytes: () => Uint8Array) => void (file = bytes());
  certify(graph, facts, { maxStates: 1, maxSteps: 1, onCertificate });
  return file!;
}

describe("a certificate of a program that is not SAFE", () => {
  it("is refused by the checker, and accepted of one that is, on 200 random programs", async () => {
    const random = new Random(21);
    const seen = { safe: 0, other: 0 };
    for (let round = 0; round < 200; round++) {
      const text = randomProgram(random, 2 + random.below(2), 4);
      const program = await loadProgram(text, "random.ts");
      const graph = new StateGraph(new Machine(program, 1000));
      graph.explore({ maxStates: 1e5, maxSeconds: 1000 });
      const { verdict } = explore(program);
      const problem = checkCertificate(blind(graph), program);
      expect(problem === null, `${verdict} ${problem} ${text}`).toBe(verdict === "SAFE");
      seen[verdict === "SAFE" ? "safe" : "other"]++;
    }
    expect(Math.min(seen.safe, seen.other)).toBeGreaterThan(20);
  });

  it.each(worked)("%s", async (_name, text) => {
    const program = await loadProgram(text, "p.ts");
    const { verdict } = explore(program);
    if (program.kernel !== undefined || verdict === "SAFE") return;
    const graph = new StateGraph(new Machine(program, 1000));
    graph.explore({ maxStates: 1e5, maxSeconds: 1000 });
    expect(checkCertificate(blind(graph), program)).not.toBeNull();
  });
});

describe("reduced sets of states", () => {
  const BOUNDS = { maxSteps: 1000, maxStates: 1e5, maxSeconds: 1000 };

  /** The certificate of a reduced search, or what it says instead. */
  const reduced = (program: LoadedProgram): Uint8Array | string => {
    const found = searchToCertify(program, BOUNDS);
    if (typeof found === "string") return found;
    let file: Uint8Array | null = null;
    const none = { traces: null, blocked: null, interleavings: null };
    const facts = { states: found.count, transitions: found.transitions, ...none, isReduced: true };
    certify(found, facts, { ...BOUNDS, onCertificate: (_one, bytes) => void (file = bytes()) });
    return file!;
  };

  it("200 random programs: accepted if and only if the verdict is SAFE", async () => {
    const random = new Random(51);
    const seen = { safe: 0, other: 0, fewer: 0 };
    for (let round = 0; round < 200; round++) {
      const text = randomProgram(random, 2 + random.below(2), 4);
      const program = await loadProgram(text, "p.ts");
      const { verdict, states } = explore(program);
      const file = reduced(program);
      expect(typeof file !== "string", text).toBe(verdict === "SAFE");
      seen[verdict === "SAFE" ? "safe" : "other"]++;
      if (typeof file === "string") continue;
      expect(checkCertificate(file, program), text).toBeNull();
      if (readCertificate(file).header.states < states!) seen.fewer++;
    }
    expect(seen.safe).toBeGreaterThan(20);
    expect(seen.other).toBeGreaterThan(20);
    expect(seen.fewer).toBeGreaterThan(20);
  });

  it("a state left out, or an edge by which others would still conflict, is refused", async () => {
    const text = coa(3);
    const program = await loadProgram(text, "p.ts");
    const file = reduced(program);
    if (typeof file === "string") throw new Error(file);
    const { header, words } = readCertificate(file);
    expect(header.states).toBeLessThan(explore(program).states!);
    const width = program.initial.length + program.threads.length;
    const start = words.length - header.states * width;
    for (let state = 0; state < header.states; state++) {
      const less = forged(file, (all) => {
        all.copyWithin(start + state * width, start + (state + 1) * width);
        return { states: header.states - 1, keep: all.length - width };
      });
      expect(checkCertificate(less, program), `state ${state}`).not.toBeNull();
    }
    // The same states said to be all of them: steps lead out of the set.
    const whole = forged(file, () => ({ isReduced: false }));
    expect(checkCertificate(whole, program)).toMatch(/out of the set/);
    // Without the last edges of a thread's local states, its later steps are not known.
    const edges = header.edges[0]!;
    const cut = forged(file, (all, { edges: [, ...others] }) => {
      all.copyWithin(3 * (edges - 1), 3 * edges);
      return { edges: [edges - 1, ...others], keep: all.length - 3 };
    });
    expect(checkCertificate(cut, program)).toMatch(/no edge|no local state|out of the set/);
  });
});
