// One case of the matrix, decided: SAFE by a finished search, or its cheapest counterexample.
import { nowMs } from "../../base/clock.js";
import { type Verdict, VERDICTS } from "../types.js";
import type { CellOptions, Cells } from "./cell.js";
import { failureTest, fewestSwitches, type Schedule } from "../reduced/minimal.js";
import { independentReader } from "../reduced/readers.js";
import { type Bounds, type Reduced, searchReduced } from "../reduced/search.js";

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

const BOUNDS: Bounds = { maxStates: 2_000_000, maxSeconds: 60 };

/** The worst first: what a case is called when several failures can be reached. */
const SEVERITY: readonly Verdict[] = [
  "USE-AFTER-FREE",
  "LOCKUP",
  "NULL-DEREF",
  "MISUSE",
  "DEADLOCK",
  "ASSERT",
];

export interface DecideOptions {
  /** Explores all packets together even where they cannot concern each other. */
  readonly product?: boolean;
  readonly bounds?: Bounds;
  /** Gets the fields of the kernel profile that were read, with their values. */
  readonly reads?: Map<string, unknown>;
}

export function decide(cells: Cells, options: CellOptions, how: DecideOptions = {}): Decision {
  const startMs = nowMs();
  const parts: Decision[] = [];
  for (const part of how.product === true ? [] : singles(options)) {
    const one = decidePart(cells, part, how, true);
    if (one === null) return decidePart(cells, options, how, false)!;
    parts.push(one);
    if (one.verdict !== "SAFE") break;
  }
  const last = parts.at(-1) ?? decidePart(cells, options, how, false)!;
  const seconds = (nowMs() - startMs) / 1000;
  if (parts.length === 0) return { ...last, seconds };
  const sum = (key: "states" | "transitions") => parts.reduce((all, one) => all + one[key], 0);
  return { ...last, states: sum("states"), transitions: sum("transitions"), seconds };
}

/** The case with one packet of each sort, by itself. */
function singles(options: CellOptions): CellOptions[] {
  const sorts = [...new Set(options.mappings.flat())];
  return sorts.map((one) => ({ ...options, mappings: [[one]] }));
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
  if (oneByOne && !independentReader(machine, cells.sites, 0)) return null;
  const verdict = verdictOf(found);
  const message = found.violations.get(verdict) ?? "";
  const isFailure = found.violations.size > 0;
  const schedule = isFailure
    ? fewestSwitches(machine, failureTest(machine, final, verdict, found.spins))
    : null;
  for (const [field, value] of cell.profileRead()) how.reads?.set(field, value);
  const failure = schedule === null ? null : { ...schedule, options };
  const { states, transitions, bound } = found;
  const seconds = (nowMs() - startMs) / 1000;
  return { verdict, message, bound, states, transitions, seconds, oneByOne, failure };
}

function verdictOf(found: Reduced): Verdict {
  const rank = (one: Verdict) => SEVERITY.indexOf(one) + 1 || SEVERITY.length + 1;
  const [worst] = [...found.violations.keys()].sort((x, y) => rank(x) - rank(y));
  if (worst !== undefined) return worst;
  return found.bound === null ? "SAFE" : VERDICTS[1];
}
