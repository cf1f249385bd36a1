// Explores a loaded program with one of the engines and says what came out. Main thread or worker;
// synchronous, ended by its bounds.
import { nowMs } from "../base/clock.js";
import { PacketpathError } from "../base/errors.js";
import { certify } from "./certificate/write.js";
import { withinSeconds } from "./deadline.js";
import { stateAfter } from "./detect/clocks.js";
import { Detectors } from "./detect/detectors.js";
import { withPredictions } from "./detect/predict.js";
import { racingStates } from "./detect/races.js";
import { graphCoverage } from "./detect/coverage.js";
import {
  endOf,
  type Ending,
  type Failed,
  type Found,
  movesOf,
  narrate,
  NOTHING,
  raceAlong,
  type Settings,
  type Sighting,
} from "./outcome.js";
import { NodeTable } from "./search/node-table.js";
import { countInterleavings, countTraces, topologicalOrder } from "./states/count.js";
import { collisionBound, exploreHashed } from "./search/hashed.js";
import { type FairCycle, fairCycle, wayAround } from "./states/lasso.js";
import { Machine, type Vector } from "./search/machine.js";
import { shortestTo, stepsTo } from "./states/shortest.js";
import { StateGraph } from "./states/state-graph.js";
import { shareOf } from "./shard/shards.js";
import { exploreShare } from "./shard/traces.js";
import { bugProbability } from "./strategies/probability.js";
import { byBound, byChance, failureOf } from "./strategies/run.js";
import { type Scene, sceneOf } from "./text/scene.js";
import { tell } from "./text/timeline.js";
import { decodeToken, type TokenMove } from "./text/token.js";
import {
  type Counterexample,
  type Exploration,
  type ExploreOptions,
  type LoadedProgram,
  type Strategy,
} from "./types.js";

export const DEFAULTS = {
  maxStates: 5_000_000,
  maxSteps: 3_000,
  maxExecutions: 10_000_000,
  maxSeconds: 30,
  seed: 1,
  depth: 3,
  bound: 1e9,
  shard: { index: 0, count: 1 },
  onCertificate: () => undefined,
} as const;

/**
 * Explores. What the program does is its verdict, and no error.
 * @throws PacketpathError PROGRAM_INVALID when something that is not a cell is shared by threads or
 * runs, or the final check does more than to load.
 */
export function explore(program: LoadedProgram, options: ExploreOptions = {}): Exploration {
  const startMs = nowMs();
  const bounds = { ...DEFAULTS, ...options };
  const sighting: Sighting = { tell: () => null };
  const settings = { ...bounds, endMs: startMs + 1000 * bounds.maxSeconds, sighting };
  const strategy = options.strategy ?? "states";
  const table = new NodeTable();
  let searched: Found | null = null;
  const predicted = withinSeconds(settings.maxSeconds, () => {
    const machine = new Machine(program, settings.maxSteps, table);
    const detectors = new Detectors(machine);
    searched = findBy(machine, settings, strategy, detectors);
    return withPredictions(machine, detectors.locks, searched);
  });
  const result = predicted ?? searched ?? overtime(program, table.running, settings);
  program.runtime.kept?.mustBeSame();
  const seconds = (nowMs() - startMs) / 1000;
  const { executions } = result;
  return {
    program: program.name,
    expected: program.expect,
    strategy,
    ...result,
    seconds: Math.round(seconds * 1e6) / 1e6,
    executionsPerSecond: executions === null ? null : Math.round(executions / seconds),
  };
}

/** What there is to say when a search did not end by itself: what it has met until then. */
function overtime(program: LoadedProgram, running: number, settings: Settings): Found {
  const { maxSeconds, sighting } = settings;
  const bound = `${maxSeconds} s, ${whereEnded(program, running)}`;
  const failed = withinSeconds(0, sighting.tell);
  const race = failed?.verdict === "RACE" ? failed.counterexample.message : null;
  return { ...NOTHING, verdict: "UNDECIDED", ...failed, complete: false, bound, race };
}

/** Whose code was running when time was over; below 0, nobody's. */
function whereEnded({ threads }: LoadedProgram, running: number): string {
  if (running < 0) return "while its result was made up";
  const who = running < threads.length ? `thread ${threads[running]?.name}` : "the final check";
  return `ended in the code of ${who}`;
}

function findBy(
  machine: Machine,
  settings: Settings,
  strategy: Strategy,
  detectors: Detectors,
): Found {
  switch (strategy) {
    case "states":
      return byStates(machine, settings);
    case "hash":
      return byHashes(machine, settings);
    case "dpor":
      return byTraces(machine, settings, detectors);
    case "delay":
    case "preemption":
      return byBound(machine, settings, strategy, () => byStates(machine, settings));
    default:
      return byChance(machine, shareOf(settings), strategy, detectors);
  }
}

function byStates(machine: Machine, settings: Settings): Found {
  const { endMs } = settings;
  const graph = new StateGraph(machine);
  settings.sighting.tell = () => firstMet(graph);
  graph.explore(settings);
  const complete = graph.bound === null;
  const order = complete ? topologicalOrder(graph) : new Int32Array(0);
  const cyclic = complete && order.length < graph.count;
  const hasTraces = machine.program.kernel?.hasTraces ?? true;
  const isCountable = complete && !cyclic;
  const interleavings = isCountable ? countInterleavings(graph, order, endMs) : null;
  const traces = isCountable && hasTraces ? countTraces(graph, order, endMs) : null;
  const isUncounted = interleavings === null || (traces === null && hasTraces);
  const isCut = isCountable && isUncounted && nowMs() > endMs;
  // An unexpanded state might have left the cycle: nothing can be said then.
  const isEndless = graph.violations.length === 0 && complete && cyclic;
  const cycle = isEndless ? fairCycle(graph) : null;
  const worst = cycle === null ? shortest(graph, endMs) : lasso(graph, cycle, endMs);
  const { verdict, counterexample } = worst ?? { verdict: null, counterexample: null };
  const chance = verdict === null ? null : bugProbability(graph, verdict, endMs);
  const numbers = {
    traces: traces === null ? null : String(traces.traces),
    blocked: traces === null ? null : String(traces.blocked),
    states: graph.count,
    transitions: graph.edgeTo.length,
    interleavings: interleavings === null ? null : String(interleavings),
  };
  const isSafe = verdict === null && complete;
  return {
    ...NOTHING,
    ...numbers,
    verdict: verdict ?? (complete ? "SAFE" : "UNDECIDED"),
    certificate: isSafe ? certify(graph, { ...numbers, isReduced: false }, settings) : null,
    complete,
    cyclic: complete ? cyclic : null,
    bound: isCut ? whileCounting(settings) : graph.bound,
    counterexample,
    bugProbability: chance?.value ?? (isSafe ? 0 : null),
    bugProbabilityFraction: chance?.fraction ?? null,
    coverage: graphCoverage(graph, endMs),
    race: verdict === "RACE" ? counterexample!.message : null,
  };
}

/** All states are known, and so is the verdict; what is missing are numbers. */
function whileCounting({ maxSeconds }: Settings): string {
  return `${maxSeconds} s, while traces and interleavings were counted`;
}

/** The failure that a graph has met first, by the way with the fewest steps. */
function firstMet(graph: StateGraph): Failed | null {
  const [first] = graph.violations;
  if (first === undefined) return null;
  const { machine } = graph;
  return failedBy(machine, movesOf(graph, stepsTo(graph, first.state)));
}

/** What a schedule comes to that went wrong. */
function failedBy(machine: Machine, moves: readonly TokenMove[]): Failed {
  const { verdict, message } = endOf(machine, stateAfter(machine, moves)!);
  return { verdict, counterexample: narrate(machine, moves, { message, minimal: false }) };
}

/** The cheapest counterexample of the verdict that is nearest to the start; a race comes last. */
function shortest(graph: StateGraph, endMs: number): Failed | null {
  const { machine } = graph;
  const [first] = graph.violations;
  const alike = graph.violations.filter((one) => one.verdict === first?.verdict);
  // A search that has used up its time looks for no races any more.
  if (first === undefined && graph.bound !== null && nowMs() > endMs) return null;
  const targets =
    first === undefined ? racingStates(graph) : new Set(alike.map((one) => one.state));
  if (targets.size === 0) return null;
  const way = shortestTo(graph, targets, endMs);
  const { verdict, message } = endOf(machine, graph.state(way.state));
  const minimal = way.isExact && graph.bound === null;
  return {
    verdict,
    counterexample: narrate(machine, movesOf(graph, way.moves), { message, minimal }),
  };
}

/** The cheapest way to an endless cycle, and once around it. */
function lasso(graph: StateGraph, cycle: FairCycle, endMs: number): Failed {
  const stem = shortestTo(graph, cycle.states, endMs);
  const moves = [...stem.moves, ...wayAround(graph, cycle, stem.state)];
  const message = circleText(stem.moves.length);
  const told = narrate(graph.machine, movesOf(graph, moves), { message, minimal: false });
  return { verdict: "LIVELOCK", counterexample: told };
}

function circleText(stem: number): string {
  return `after ${stem} steps the rest can repeat for ever, and no thread is kept from running`;
}

function byHashes(machine: Machine, settings: Settings): Found {
  const { states, transitions, bound, bad } = exploreHashed(machine, settings);
  const failure = failureOf(machine, bad, null, settings);
  const complete = bound === null;
  const verdict = complete ? "SAFE" : failure.verdict;
  const numbers = { states, transitions, collisionBound: collisionBound(states) };
  return { ...NOTHING, ...failure, ...numbers, verdict, complete, bound };
}

function byTraces(machine: Machine, settings: Settings, detectors: Detectors): Found {
  if (machine.program.kernel !== undefined) {
    const { beyond } = machine.program;
    const bound = `dpor knows cells and plain locks only, not ${beyond}; use states`;
    return { ...NOTHING, verdict: "UNDECIDED", complete: false, bound };
  }
  const onBad = (moves: readonly TokenMove[]) => {
    settings.sighting.tell = () => failedBy(machine, moves);
  };
  const bounds = { ...settings, onExecution: detectors.lookAt.bind(detectors), onBad };
  const result = exploreShare(machine, bounds, (s) => endOf(machine, s).verdict);
  const complete = result.bound === null;
  const bad = result.bad?.moves ?? null;
  const failure = failureOf(machine, bad, detectors.raceSchedule, settings);
  const isSafe = complete && failure.verdict === "UNDECIDED";
  return {
    ...NOTHING,
    ...failure,
    verdict: isSafe ? "SAFE" : failure.verdict,
    complete,
    traces: complete ? String(result.traces) : null,
    blocked: complete ? String(result.blocked) : null,
    bound: result.bound,
    executions: result.executions,
    coverage: detectors.coverage(),
  };
}

/**
 * Repeats a schedule.
 * @throws PacketpathError USAGE when the token does not fit the program; PROGRAM_INVALID when the
 * program's own code has not come back after `maxSeconds`.
 */
export function replay(
  program: LoadedProgram,
  token: string,
  maxSeconds: number = DEFAULTS.maxSeconds,
): Ending & Counterexample {
  const moves = decodeToken(token, program.sourceHash, program.threads.length);
  const table = new NodeTable();
  const told = withinSeconds(maxSeconds, () => {
    const maxSteps = Math.max(DEFAULTS.maxSteps, moves.length + 1);
    return repeat(new Machine(program, maxSteps, table), token, moves);
  });
  program.runtime.kept?.mustBeSame();
  if (told !== null) return told;
  const where = whereEnded(program, table.running);
  const message = `--replay "${token}" takes more than ${maxSeconds} s, ${where}`;
  throw new PacketpathError("PROGRAM_INVALID", message, { place: { file: program.file } });
}

function repeat(
  machine: Machine,
  token: string,
  moves: readonly TokenMove[],
): Ending & Counterexample {
  const story = tell(machine, moves);
  if (story === null) {
    throw new PacketpathError("USAGE", `--replay "${token}": a step of it cannot be taken`);
  }
  const circle = fairCircle(machine, moves);
  const ending: Ending =
    circle < 0
      ? endOfRun(machine, moves, story.end)
      : { verdict: "LIVELOCK", message: circleText(circle) };
  return { ...narrate(machine, moves, { ...ending, minimal: false }), ...ending };
}

/** What a schedule comes to, or the data race on its way if it comes to nothing. */
function endOfRun(machine: Machine, moves: readonly TokenMove[], end: Vector): Ending {
  const ending = endOf(machine, end);
  const race = ending.verdict === "UNDECIDED" ? raceAlong(machine, moves) : null;
  return race === null ? ending : { verdict: "RACE", message: race };
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
export function fairCircle(machine: Machine, moves: readonly TokenMove[]): number {
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
