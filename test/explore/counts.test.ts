// The number of traces is a fact about a program that other tools have published to the last digit
// (GenMC's test suite; the papers of source-DPOR). Both ways to count must give it: paths that
// sleep sets leave in the state graph, and one run per trace.
import { describe, expect, it } from "vitest";
import { explore } from "../../src/explore/explore.js";
import { exploreTraces } from "../../src/explore/search/traces/dpor.js";
import { Machine } from "../../src/explore/search/machine.js";
import { loadProgram } from "../../src/explore/source/load.js";
import { ainc, casrot, coa, fib, inc, lastzero, litmus, readers } from "./programs.js";

const BOUNDS = { maxExecutions: 1e7, maxSteps: 1000, maxSeconds: 1000 };

async function byRuns(source: string) {
  const machine = new Machine(await loadProgram(source, "p.ts"), 1000);
  const { traces, blocked, redundant, executions, bound } = exploreTraces(
    machine,
    BOUNDS,
    () => "SAFE",
  );
  return { traces, blocked, redundant, executions, bound };
}

async function byStates(source: string) {
  const { traces, blocked } = explore(await loadProgram(source, "p.ts"));
  return { traces, blocked };
}

const factorial = (n: number): number => (n < 2 ? 1 : n * factorial(n - 1));

const known: [string, string, number][] = [
  ["SB", litmus.SB, 3],
  ["MP", litmus.MP, 3],
  ["LB", litmus.LB, 3],
  ["IRIW", litmus.IRIW, 15],
  ...[4, 36, 576].map((n, i): [string, string, number] => [`inc(${i + 2})`, inc(i + 2), n]),
  ...[2, 3, 4, 5, 6, 7].map((n): [string, string, number] => [`ainc(${n})`, ainc(n), factorial(n)]),
  ...[2, 5, 14, 43, 144, 523, 2048, 8597].map((n, i): [string, string, number] => {
    return [`casrot(${i + 2})`, casrot(i + 2), n];
  }),
  ...[1, 4, 8].map((n): [string, string, number] => [`readers(${n})`, readers(n), 2 ** n]),
  ...[2, 5, 7].map((n): [string, string, number] => {
    return [`lastzero(${n})`, lastzero(n), (n + 3) * 2 ** (n - 2)];
  }),
  ...[4, 15, 130, 2028].map((n, i): [string, string, number] => [`CoA(${i + 1})`, coa(i + 1), n]),
];

describe("traces that are known", () => {
  it.each(known)("%s, by one run per trace, none given up", async (_name, source, traces) => {
    const all = { traces, blocked: 0, redundant: 0, executions: traces, bound: null };
    expect(await byRuns(source)).toEqual(all);
  });

  it.each(known)("%s, by counting in the state graph", async (_name, source, traces) => {
    expect(await byStates(source)).toEqual({ traces: String(traces), blocked: "0" });
  });

  it("CoA(5) has 49776 and lastzero(10) 3328, by runs", async () => {
    expect((await byRuns(coa(5))).traces).toBe(49_776);
    const zero = await byRuns(lastzero(10));
    expect([zero.traces, zero.redundant]).toEqual([3328, 0]);
  });

  it("fib_bench(5) has 218243, by runs", async () => {
    const { traces, redundant } = await byRuns(fib(5));
    expect([traces, redundant]).toEqual([218_243, 0]);
  });
});

describe("interleavings", () => {
  it("two threads of n steps each have (2n)! / n!^2, whatever they touch", async () => {
    const result = explore(await loadProgram(coa(1), "p.ts"));
    expect(result.interleavings).toBe("20");
  });

  it("they are counted beyond 2^53", async () => {
    const result = explore(await loadProgram(lastzero(8), "p.ts"));
    expect(BigInt(result.interleavings!)).toBeGreaterThan(1_000_000_000_000n);
  });
});
