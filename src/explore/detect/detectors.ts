// All that looks on while a program runs, for engines that run it: data races in every run once the
// program has a plain access, orders of accesses and of locks in the first runs. Any thread.
import type { Machine } from "../search/machine.js";
import { type Watcher, watchMoves } from "../strategies/walk.js";
import type { TokenMove } from "../text/token.js";
import type { Coverage } from "../types.js";
import { plainFinder } from "./accesses.js";
import { RaceWatcher, scheduleToRace } from "./clocks.js";
import { CoverageWatcher } from "./coverage.js";
import { LockGraph } from "./lock-graph.js";

/** Runs whose orders of accesses are noted. */
export const WATCHED_RUNS = 1_000;

export class Detectors {
  /** A schedule that shows the first data race; null if none was met. */
  raceSchedule: TokenMove[] | null = null;
  readonly locks: LockGraph;
  private readonly machine: Machine;
  private readonly orders: CoverageWatcher;
  private readonly races: RaceWatcher;
  private readonly hasPlain: () => boolean;
  private runs = 0;

  constructor(machine: Machine) {
    this.machine = machine;
    this.locks = new LockGraph(machine);
    this.orders = new CoverageWatcher(machine);
    this.races = new RaceWatcher(machine);
    this.hasPlain = plainFinder(machine);
  }

  /** Those that look on in the next run. */
  watchers(): Watcher[] {
    const isFirst = this.runs++ < WATCHED_RUNS;
    const races = isFirst || this.hasPlain() ? [this.races] : [];
    return isFirst ? [this.orders, this.locks, ...races] : races;
  }

  /** Whether the run that was looked at last has a data race. */
  hasRace(): boolean {
    return this.races.found !== null;
  }

  /** Keeps the race of the run that was looked at last. */
  keepRace(moves: readonly TokenMove[]): void {
    this.raceSchedule ??= scheduleToRace(this.machine, moves);
  }

  /** Looks at a run that is over. */
  lookAt(moves: () => readonly TokenMove[]): void {
    const watchers = this.watchers();
    if (watchers.length === 0) return;
    const list = moves();
    watchMoves(this.machine, list, watchers);
    if (this.raceSchedule === null && this.hasRace()) this.keepRace(list);
  }

  coverage(): Coverage {
    return this.orders.coverage();
  }
}
