// `packetpath bench explore`: how fast the explorer's engines are, on the programs in
// scenarios/bench: random executions, state transitions, traces. One core; the engines take turns,
// so that a drift of the machine takes all of them. Main thread.
import { fileURLToPath } from "node:url";
import { nowMs } from "../../base/clock.js";
import { median } from "../../base/median.js";
import { exploreTraces } from "../../explore/search/traces/dpor.js";
import { Machine } from "../../explore/search/machine.js";
import { exploreRandomly } from "../../explore/search/random.js";
import { StateGraph } from "../../explore/states/state-graph.js";
import { loadProgram } from "../../explore/source/load.js";
import type { LoadedProgram } from "../../explore/types.js";
import { readText } from "../input.js";

/** Goals of the project, for one core. */
const GOALS = { randomPerSecond: 1.5e6, transitionsPerSecond: 8e6, fibSeconds: 0.25 } as const;

const RANDOM_EXECUTIONS = 1_000_000;
/** What a search may take before the measurement is given up. */
const MAX_SECONDS = 120;
/** Of depth-first runs, that many make one measurement: the first one compiles. */
const FIB_RUNS = 3;

/** Rounds of one figure. */
export interface Figure {
  readonly best: number;
  readonly median: number;
  readonly goal: number;
}

export interface ExploreBench {
  readonly rounds: number;
  /** Complete random executions a second, three threads of twelve accesses. */
  readonly randomPerSecond: Figure;
  /** State transitions a second, and how many there were, four threads of twelve accesses. */
  readonly transitionsPerSecond: Figure;
  readonly states: number;
  readonly transitions: number;
  /** Seconds for all traces of fib_bench(5), each run once, and how many there were. */
  readonly fibSeconds: Figure;
  readonly traces: number;
}

export async function benchExplore(rounds: number): Promise<ExploreBench> {
  const three = await load("three-by-twelve");
  const four = await load("four-by-twelve");
  const fib = await load("fib-bench");
  const random: number[] = [];
  const transitions: number[] = [];
  const seconds: number[] = [];
  let counts = { states: 0, transitions: 0, traces: 0 };
  for (let round = 0; round < rounds; round++) {
    random.push(randomRate(three));
    const searched = stateRate(four);
    transitions.push(searched.rate);
    const traced = fibTime(fib);
    seconds.push(traced.seconds);
    counts = { ...searched.counts, traces: traced.traces };
  }
  return {
    rounds,
    randomPerSecond: rate(random, GOALS.randomPerSecond),
    transitionsPerSecond: rate(transitions, GOALS.transitionsPerSecond),
    fibSeconds: { best: Math.min(...seconds), median: median(seconds), goal: GOALS.fibSeconds },
    ...counts,
  };
}

function load(name: string): Promise<LoadedProgram> {
  const file = fileURLToPath(new URL(`../../../scenarios/bench/${name}.ts`, import.meta.url));
  return loadProgram(readText(file), file);
}

function randomRate(program: LoadedProgram): number {
  const machine = new Machine(program, 1000);
  const bounds = { seed: 1, maxExecutions: RANDOM_EXECUTIONS, maxSteps: 1000 };
  const startMs = nowMs();
  const { executions } = exploreRandomly(machine, { ...bounds, maxSeconds: MAX_SECONDS });
  return executions / secondsSince(startMs);
}

function stateRate(program: LoadedProgram) {
  const graph = new StateGraph(new Machine(program, 1000));
  const startMs = nowMs();
  graph.explore({ maxStates: 1e8, maxSeconds: MAX_SECONDS });
  const transitions = graph.edgeTo.length;
  const counts = { states: graph.count, transitions };
  return { rate: transitions / secondsSince(startMs), counts };
}

function fibTime(program: LoadedProgram) {
  let best = Infinity;
  let traces = 0;
  for (let run = 0; run < FIB_RUNS; run++) {
    const machine = new Machine(program, 1000);
    const bounds = { maxExecutions: 1e9, maxSteps: 1000, maxSeconds: MAX_SECONDS };
    const startMs = nowMs();
    ({ traces } = exploreTraces(machine, bounds, () => "SAFE"));
    best = Math.min(best, secondsSince(startMs));
  }
  return { seconds: best, traces };
}

function secondsSince(startMs: number): number {
  return (nowMs() - startMs) / 1000;
}

function rate(values: readonly number[], goal: number): Figure {
  return { best: Math.max(...values), median: median(values), goal };
}

export function exploreBenchText(one: ExploreBench): string {
  const million = (value: number) => `${(value / 1e6).toFixed(2)} M`;
  const line = (what: string, figure: Figure, unit: (value: number) => string) => {
    const { best, median: middle, goal } = figure;
    return `  ${what.padEnd(34)} ${unit(middle)} median, ${unit(best)} best, goal ${unit(goal)}\n`;
  };
  const { states, transitions, traces } = one;
  return (
    `explore: ${one.rounds} rounds\n` +
    line("random executions/s, 3 x 12", one.randomPerSecond, million) +
    line("state transitions/s, 4 x 12", one.transitionsPerSecond, million) +
    `    ${states} states, ${transitions} transitions\n` +
    line("fib_bench(5), all traces", one.fibSeconds, (value) => `${value.toFixed(3)} s`) +
    `    ${traces} traces\n`
  );
}
