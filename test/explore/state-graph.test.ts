// All states, held against the plainest search there is: a set of texts, a queue, and the machine.
// Programs whose values are far apart, negative or new late in the search make the packed fields
// too narrow again and again.
import { describe, expect, it } from "vitest";
import { Random } from "../../src/base/random.js";
import {
  countInterleavings,
  countTraces,
  topologicalOrder,
} from "../../src/explore/states/count.js";
import { Machine, type Vector } from "../../src/explore/search/machine.js";
import { NodeTable } from "../../src/explore/search/node-table.js";
import { Packing } from "../../src/explore/states/packing.js";
import { exploreRandomly } from "../../src/explore/search/random.js";
import { StateGraph } from "../../src/explore/states/state-graph.js";
import { loadProgram } from "../../src/explore/source/load.js";
import { OP } from "../../src/explore/types.js";
import { randomProgram, WITH_PLAIN } from "./random-program.js";

const INT_MIN = -(2 ** 31);
const INT_MAX = 2 ** 31 - 1;

function naive(machine: Machine): { states: string[]; edges: number[][] } {
  const first = machine.initial();
  const known = new Map([[first.join(), 0]]);
  const queue = [first];
  const edges: number[][] = [];
  for (const s of queue) {
    edges.push([]);
    if (machine.ended(s) >= 0) continue;
    for (let t = 0; t < machine.threads.length; t++) {
      if (!machine.isEnabled(s, t)) continue;
      for (let choice = 0; choice < Math.max(1, machine.choices(s, t)); choice++) {
        const next = s.slice();
        machine.take(next, t, choice);
        const text = next.join();
        if (!known.has(text)) known.set(text, queue.push(next) - 1);
        edges.at(-1)!.push(known.get(text)!, t | (choice << 8));
      }
    }
  }
  return { states: [...known.keys()], edges };
}

async function compare(source: string): Promise<number> {
  const machine = new Machine(await loadProgram(source, "p.ts"), 1000);
  const graph = new StateGraph(machine);
  graph.explore({ maxStates: 1e6, maxSeconds: 1000 });
  const { states, edges } = naive(machine);
  const found = Array.from({ length: graph.count }, (_, i) => graph.state(i).join());
  // Both are breadth first and take threads in order: even the numbers agree.
  expect(found, source).toEqual(states);
  const { firstEdge, edgeTo, edgeBy } = graph;
  const edgesOf = (state: number): number[] => {
    const all: number[] = [];
    const end = firstEdge.data[state + 1]!;
    for (let e = firstEdge.data[state]!; e < end; e++) all.push(edgeTo.data[e]!, edgeBy.data[e]!);
    return all;
  };
  expect(
    states.map((_text, i) => edgesOf(i)),
    source,
  ).toEqual(edges);
  expect(edgeTo.length, source).toBe(edges.flat().length / 2);
  expect(graph.bound).toBeNull();
  return graph.count;
}

describe("all states", () => {
  it("of 200 random programs are those of a naive search, in its order", async () => {
    const random = new Random(21);
    for (let round = 0; round < 200; round++) {
      await compare(randomProgram(random, 2 + random.below(2), 4, WITH_PLAIN));
    }
  });

  it("whose values grow in all directions while the search goes on", async () => {
    const count = await compare(`
      import { add, choose, program, st } from "packetpath/explore";
      export default program({
        name: "wide",
        cells: { x: 0, y: ${INT_MAX}, z: -5, seen: 0 },
        threads: [
          ({ x, y }) => { for (let i = 0; i < 5; i++) { add(x, 1 << (6 * i)); st(y, -i); } },
          ({ x, z }) => { for (let i = 0; i < 3; i++) st(z, -(1 << (9 * i))); },
          ({ y }) => { add(y, 1); st(y, ${INT_MIN}); },
          // Only one of 2^18 runs comes to its end, where values are that no run had guessed.
          ({ x, seen }) => {
            for (let i = 0; i < 18; i++) if (choose(2) === 0) return;
            for (let i = 0; i < 31; i++) st(seen, 1 << i);
            st(seen, ${INT_MIN});
            add(x, 1 << 30);
          },
        ],
      });`);
    expect(count).toBeGreaterThan(300);
  });

  it("are met again by ways of other lengths, and after rounds of a loop", async () => {
    const count = await compare(`
      import { ld, program, st } from "packetpath/explore";
      export default program({
        name: "ways",
        cells: { x: 0, y: 0, stop: 0 },
        threads: [
          ({ x, y }) => { for (let i = 0; i < 3; i++) if (ld(x) === 1) ld(y); },
          ({ x, stop }) => { while (ld(stop) === 0) st(x, 1 - ld(x)); },
          ({ y, stop }) => { st(y, 1); st(stop, 1); },
        ],
      });`);
    expect(count).toBeGreaterThan(50);
  });

  it("come back late, when states that they are equal to had been forgotten", async () => {
    const count = await compare(`
      import { choose, ld, program, st } from "packetpath/explore";
      export default program({
        name: "late",
        cells: { x: 0, y: 0 },
        threads: [
          // Only one of 2^18 runs comes to the loop.
          ({ x }) => {
            for (let i = 0; i < 18; i++) if (choose(2) === 0) return;
            for (;;) st(x, 1 - ld(x));
          },
          ({ x, y }) => { for (let i = 0; i < 24; i++) st(y, i); ld(x); },
        ],
      });`);
    expect(count).toBeGreaterThan(300);
  });

  it("stop at the number of states that is set, and say so", async () => {
    const program = await loadProgram(
      `import { add, program } from "packetpath/explore";
      export default program({ name: "p", cells: { x: 0 }, threads: [
        ({ x }) => { for (;;) add(x, 1); }, ({ x }) => { for (;;) add(x, 2); } ] });`,
      "p.ts",
    );
    const graph = new StateGraph(new Machine(program, 1000));
    graph.explore({ maxStates: 5_000, maxSeconds: 1000 });
    expect(graph.bound).toBe("5000 states");
    expect(graph.count).toBeGreaterThanOrEqual(5_000);
    expect(graph.count).toBeLessThan(5_004);
  });
});

describe("counting", () => {
  it("ends with the time that is set: then there is no number, not a wrong one", async () => {
    const program = await loadProgram(
      `import { add, program } from "packetpath/explore";
      const body = ({ x }) => { for (let i = 0; i < 12; i++) add(x, 1); };
      export default program({ name: "p", cells: { x: 0 }, threads: [body, body, body] });`,
      "p.ts",
    );
    const graph = new StateGraph(new Machine(program, 1000));
    graph.explore({ maxStates: 1e6, maxSeconds: 1000 });
    expect(graph.count).toBeGreaterThan(2_000);
    const order = topologicalOrder(graph);
    // Orders of 3 times 12 steps, none of which commute: 36! / 12!^3.
    const all = 3_384_731_762_521_200n;
    expect(countInterleavings(graph, order, Infinity)).toBe(all);
    expect(countTraces(graph, order, Infinity)).toEqual({ traces: all, blocked: 0n });
    expect(countInterleavings(graph, order, 0)).toBeNull();
    expect(countTraces(graph, order, 0)).toBeNull();
  });
});

describe("packing", () => {
  it("gives every value back that it says fits, and widens for every other", () => {
    const random = new Random(22);
    const value = () => random.pick([0, 1, -1, INT_MIN, INT_MAX, random.below(100), -7, 1 << 20]);
    for (let round = 0; round < 500; round++) {
      const width = 1 + random.below(40);
      const least = Int32Array.from({ length: width }, () => random.pick([0, -3, INT_MIN]));
      const greatest = least.map((low) => low + random.below(2 ** random.below(20)));
      let packing = new Packing({ least, greatest });
      for (let i = 0; i < 5; i++) {
        const s = Int32Array.from({ length: width }, value);
        const into = new Int32Array(width + 2);
        if (!packing.pack(s, into, 1)) packing = packing.widened(s);
        expect(packing.pack(s, into, 1)).toBe(true);
        const back = new Int32Array(width);
        packing.unpack(into, 1, back);
        expect(back).toEqual(s);
      }
    }
  });
});

describe("node table", () => {
  it("keeps edges by small, large and negative values apart", () => {
    const table = new NodeTable();
    const step = { kind: OP.ld, addr: 1, a: 0, b: 0, site: 0, message: "" };
    const nodes = Array.from({ length: 200 }, () => table.add(step, 0));
    const values = [0, 1, 2, 31, 63, 64, 65, 1000, -1, INT_MIN, INT_MAX, 7];
    const nextOf = (node: number, i: number) => node * values.length + i + 1;
    for (const [i, value] of values.entries()) {
      for (const node of nodes) table.setNext(node, value, nextOf(node, i));
    }
    for (const node of nodes) {
      for (const [i, value] of values.entries())
        expect(table.next(node, value)).toBe(nextOf(node, i));
      expect([3, 62, 66, -2, 5000].map((value) => table.next(node, value))).toEqual([
        0, 0, 0, 0, 0,
      ]);
    }
  });
});

describe("random runs", () => {
  it("give each enabled thread the same chance, whether others wait or have ended", async () => {
    // Who stores first, among the three that can; the fourth waits for them.
    const program = (winner: number) => `
      import { cas, ld, assert, program, waitUntil } from "packetpath/explore";
      export default program({ name: "p", cells: { first: 0, none: 0 }, threads: [
        ({ none }) => { waitUntil(none, 0); waitUntil(none, 1); },
        ({ first }) => { cas(first, 0, 1); },
        ({ first }) => { cas(first, 0, 2); },
        ({ first }) => { cas(first, 0, 3); assert(ld(first) !== ${winner}, "won"); },
      ] });`;
    for (const winner of [1, 2, 3]) {
      const loaded = await loadProgram(program(winner), "p.ts");
      const machine = new Machine(loaded, 100);
      let won = 0;
      for (let seed = 1; seed <= 3_000; seed++) {
        const { bad } = exploreRandomly(machine, {
          seed,
          maxExecutions: 1,
          maxSteps: 100,
          maxSeconds: 1000,
        });
        if (machine.ended(bad!.end as Vector) >= 0) won++;
      }
      // A third of 3000, within four standard deviations (25.8 each).
      expect(Math.abs(won - 1_000)).toBeLessThan(104);
    }
  });
});
