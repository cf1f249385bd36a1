// Explores a loaded program with one of the engines and says what came out. Main thread or worker;
// synchronous, ended by its bounds.
import { nowMs } from "../base/clock.js";
import { PacketpathError } from "../base/errors.js";
import { endOf, type Ending, movesOf, narrate } from "./outcome.js";
import { countInterleavings, countTraces, topologicalOrder } from "./search/count.js";
import { exploreTraces } from "./search/dpor.js";
import { type FairCycle, fairCycle, wayAround } from "./search/lasso.js";
import { Machine } from "./search/machine.js";
import { exploreRandomly } from "./search/random.js";
import { shortestTo } from "./search/shortest.js";
import { StateGraph } from "./search/states.js";
import { type Scene, sceneOf } from "./text/scene.js";
import { tell } from "./text/timeline.js";
import { decodeToken, type TokenMove } from "./text/token.js";
import {
  type Counterexample,
  type Exploration,
  type ExploreOptions,
  type LoadedProgram,
} from "./types.js";

export const DEFAULTS = {
  maxStates: 5_000_000,
  maxSteps: 3_000,
  maxExecutions: 10_000_000,
  maxSeconds: 30,
  seed: 1,
} as const;

/** Explores; never throws for what the program does, that is its verdict. */
export function explore(program: LoadedProgram, options: ExploreOptions = {}): Exploration {
  const settings = { ...DEFAULTS, ...options };
  const strategy = options.strategy ?? "states";
  const startMs = nowMs();
  const machine = new Machine(program, settings.maxSteps);
  const run = { states: byStates, dpor: byTraces, random: byChance }[strategy];
  const found = run(machine, settings);
  const seconds = (nowMs() - startMs) / 1000;
  const { executions } = found;
  return {
    program: program.name,
    expected: program.expect,
    strategy,
    ...found,
    seconds: Math.round(seconds * 1e6) / 1e6,
    executionsPerSecond: executions === null ? null : Math.round(executions / seconds),
  };
}

type Settings = Required<Omit<ExploreOptions, "strategy">>;
type Found = Omit<
  Exploration,
  "program" | "expected" | "strategy" | "seconds" | "executionsPerSecond"
>;

const NOTHING = {
  traces: null,
  blocked: null,
  states: null,
  transitions: null,
  interleavings: null,
  cyclic: null,
  counterexample: null,
  executions: null,
} as const;

function byStates(machine: Machine, settings: Settings): Found {
  const graph = new StateGraph(machine);
  graph.explore(settings);
  const complete = graph.bound === null;
  const order = topologicalOrder(graph);
  const cyclic = order.length < graph.count;
  const traces = complete && !cyclic ? countTraces(graph, order) : null;
  // An unexpanded state might have left the cycle: nothing can be said then.
  const isEndless = graph.violations.length === 0 && complete && cyclic;
  const cycle = isEndless ? fairCycle(graph) : null;
  const first = graph.violations[0];
  const counterexample = cycle === null ? shortest(graph) : lasso(graph, cycle);
  const verdict = cycle === null ? first?.verdict : "LIVELOCK";
  return {
    verdict: verdict ?? (complete ? "SAFE" : "UNDECIDED"),
    complete,
    traces: traces === null ? null : String(traces.traces),
    blocked: traces === null ? null : String(traces.blocked),
    states: graph.count,
    transitions: graph.edgeTo.length,
    interleavings: complete && !cyclic ? String(countInterleavings(graph, order)) : null,
    cyclic: complete ? cyclic : null,
    bound: graph.bound,
    counterexample,
    executions: null,
  };
}

/** The cheapest counterexample of the verdict that is nearest to the start. */
function shortest(graph: StateGraph): Counterexample | null {
  const [first] = graph.violations;
  if (first === undefined) return null;
  const alike = graph.violations.filter((one) => one.verdict === first.verdict);
  const way = shortestTo(graph, new Set(alike.map((one) => one.state)));
  const { message } = endOf(graph.machine, graph.state(way.state));
  const minimal = way.isExact && graph.bound === null;
  return narrate(graph.machine, movesOf(graph, way.moves), { message, minimal });
}

/** The cheapest way to an endless cycle, and once around it. */
function lasso(graph: StateGraph, cycle: FairCycle): Counterexample {
  const stem = shortestTo(graph, cycle.states);
  const moves = [...stem.moves, ...wayAround(graph, cycle, stem.state)];
  const message = circleText(stem.moves.length);
  return narrate(graph.machine, movesOf(graph, moves), { message, minimal: false });
}

function circleText(stem: number): string {
  return `after ${stem} steps the rest can repeat for ever, and no thread is kept from running`;
}

function byTraces(machine: Machine, settings: Settings): Found {
  const result = exploreTraces(machine, settings, (s) => endOf(machine, s).verdict);
  const bad = result.bad;
  const ending = bad === null ? null : endOf(machine, bad.end);
  const complete = result.bound === null;
  return {
    ...NOTHING,
    verdict: ending?.verdict ?? (complete ? "SAFE" : "UNDECIDED"),
    complete,
    traces: complete ? String(result.traces) : null,
    blocked: complete ? String(result.blocked) : null,
    bound: result.bound,
    counterexample:
      bad === null
        ? null
        : narrate(machine, bad.moves, { message: ending!.message, minimal: false }),
    executions: result.executions,
  };
}

function byChance(machine: Machine, settings: Settings): Found {
  const result = exploreRandomly(machine, settings);
  const ending = result.bad === null ? null : endOf(machine, result.bad.end);
  return {
    ...NOTHING,
    verdict: ending?.verdict ?? "UNDECIDED",
    complete: false,
    bound: result.bound,
    counterexample:
      result.bad === null
        ? null
        : narrate(machine, result.bad.moves, { message: ending!.message, minimal: false }),
    executions: result.executions,
  };
}

/** Repeats a schedule. @throws PacketpathError USAGE when the token does not fit the program. */
export function replay(program: LoadedProgram, token: string): Ending & Counterexample {
  const moves = decodeToken(token, program.sourceHash, program.threads.length);
  const machine = new Machine(program, Math.max(DEFAULTS.maxSteps, moves.length + 1));
  const story = tell(machine, moves);
  if (story === null) {
    throw new PacketpathError("USAGE", `--replay "${token}": a step of it cannot be taken`);
  }
  const circle = fairCircle(machine, moves);
  const ending: Ending =
    circle < 0 ? endOf(machine, story.end) : { verdict: "LIVELOCK", message: circleText(circle) };
  return { ...narrate(machine, moves, { ...ending, minimal: false }), ...ending };
}

/** A schedule with all that drawings of it need. @throws PacketpathError as `replay` does. */
export function scene(program: LoadedProgram, token: string): Scene {
  const { verdict, message } = replay(program, token);
  const moves = decodeToken(token, program.sourceHash, program.threads.length);
  const machine = new Machine(program, Math.max(DEFAULTS.maxSteps, moves.length + 1));
  return sceneOf(machine, moves, { verdict, message })!;
}

/**
 * After how many steps a schedule comes by the state that it ends in, if what follows is a cycle on
 * which each thread takes a step or cannot take one somewhere; else -1.
 */
function fairCircle(machine: Machine, moves: readonly TokenMove[]): number {
  const s = machine.initial();
  const states = [s.slice()];
  for (const { thread, choice } of moves) {
    machine.take(s, thread, choice);
    states.push(s.slice());
  }
  const start = states.findIndex((one) => one.every((word, i) => word === s[i]));
  if (start === moves.length) return -1;
  const isFair = machine.threads.every((_one, t) => {
    const moved = moves.slice(start).some((one) => one.thread === t);
    return moved || states.slice(start).some((one) => !machine.isEnabled(one, t));
  });
  return isFair ? start : -1;
}
