// One case of the matrix, decided: SAFE by a finished search, or its cheapest counterexample.
import { nowMs } from "../../base/clock.js";
import type { Verdict } from "../types.js";
import type { CellOptions, Cells } from "../system/cell.js";
import { failureTest, fewestSwitches, type Schedule } from "../reduced/minimal.js";
import type { SystemMachine } from "../reduced/machine.js";
import { independentReader } from "../reduced/readers.js";
import { type Bounds, type Failure, type Reduced, searchReduced } from "../reduced/search.js";

/** A schedule, and the case that it is one of. */
export interface FailureSchedule extends Schedule {
  readonly options: CellOptions;
}

export interface Decision {
  readonly verdict: Verdict;
  readonly message: string;
  readonly bound: string | null;
  readonly states: number;
  readonly transitions: number;
  readonly seconds: number;
  /** Whether each packet was explored by itself (see readers.ts). */
  readonly oneByOne: boolean;
  /** What was explored when the failure was found, and the way to it; null without one. */
  readonly failure: FailureSchedule | null;
}

/** Of one case. */
export const BOUNDS: Bounds = { maxStates: 2_000_000, maxSeconds: 60 };

export interface DecideOptions {
  /** Explores all packets together even where they cannot concern each other. */
  readonly product?: boolean;
  /** What `queue_mapping` packets can have; absent: those that the case sends. */
  readonly sorts?: readonly number[] | undefined;
  readonly bounds?: Bounds;
  /** Gets what the threads asked of the case beside shared memory, with the answers. */
  readonly reads?: Map<string, unknown>;
}

export function decide(cells: Cells, options: CellOptions, how: DecideOptions = {}): Decision {
  const startMs = nowMs();
  const parts: Decision[] = [];
  for (const part of how.product === true ? [] : singles(options, how.sorts)) {
    const one = decidePart(cells, part, how, true);
    if (one === null) return decidePart(cells, options, how, false)!;
    parts.push(one);
  }
  if (parts.length === 0) return decidePart(cells, options, how, false)!;
  const worst = parts.reduce((best, one) => (price(one) < price(best) ? one : best));
  const seconds = (nowMs() - startMs) / 1000;
  const sum = (key: "states" | "transitions") => parts.reduce((all, one) => all + one[key], 0);
  return { ...worst, states: sum("states"), transitions: sum("transitions"), seconds };
}

/** How cheap the way to its failure is; SAFE is the dearest. */
function price({ verdict, failure }: Decision): number {
  if (failure !== null) return 1e6 * failure.switches + failure.moves.length;
  return verdict === "SAFE" ? Infinity : Number.MAX_VALUE;
}

/** The case with one packet of each sort, by itself. */
export function singles(
  options: CellOptions,
  sorts: readonly number[] = options.mappings.flat(),
): CellOptions[] {
  return [...new Set(sorts)].map((one) => ({ ...options, mappings: [[one]] }));
}

/** Null: the packets have to be explored together. */
function decidePart(
  cells: Cells,
  options: CellOptions,
  how: DecideOptions,
  oneByOne: boolean,
): Decision | null {
  const startMs = nowMs();
  const cell = cells.make(options);
  const { machine, final } = cell;
  const found = searchReduced(machine, final, how.bounds ?? BOUNDS);
  if (oneByOne && !independentReader(stepsOf(machine), cells.sites, 0)) return null;
  const isFailure = found.violations.size > 0;
  const schedule = isFailure
    ? fewestSwitches(machine, failureTest(machine, final, found.spins))
    : null;
  for (const [name, answer] of cell.answers()) how.reads?.set(name, answer);
  const failure = schedule === null ? null : { ...schedule, options };
  const { states, transitions, bound } = found;
  const { verdict, message } = schedule?.failure ?? firstOf(found);
  const seconds = (nowMs() - startMs) / 1000;
  return { verdict, message, bound, states, transitions, seconds, oneByOne, failure };
}

function stepsOf({ threads }: SystemMachine) {
  return threads.map((one) => one.steps());
}

/** What there is to say without a schedule. */
function firstOf({ violations, bound }: Reduced): Failure {
  const [first] = violations;
  if (first !== undefined) return { verdict: first[0], message: first[1] };
  return { verdict: bound === null ? "SAFE" : "UNDECIDED", message: "" };
}
