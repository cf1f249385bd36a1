// The schedule to a failure with the fewest context switches, and among those the fewest steps:
// Dijkstra's algorithm over pairs of a state and the thread that ran last. All schedules count
// here, but for where steps that concern nobody else stand: those are taken together with the next
// one that does, which changes neither number.
import { OP, VERDICTS } from "../types.js";
import type { SystemMachine, Vector } from "./machine.js";
import { StateTable } from "./state-table.js";
import { ENDLESS, type Failure, type FinalCheck, STUCK } from "./search.js";
import { isRead } from "./sets.js";

export interface Schedule {
  readonly failure: Failure;
  /** The thread of each step. */
  readonly moves: readonly number[];
  readonly switches: number;
  /** Whether no schedule has fewer switches, or as many and fewer steps. */
  readonly minimal: boolean;
}

/** Most states until the search gives up; the reduced search has shown that one can be reached. */
const STATES_MAX = 400_000;
const CHAIN_MAX = 2_000;

interface Entry {
  readonly state: number;
  readonly last: number;
  readonly steps: number;
  readonly from: number;
  /** How many steps `last` took from there. */
  readonly count: number;
}

/**
 * The cheapest schedule to a failure of any kind; null if none is met within the bounds. Repeated
 * while it meets what no search has met before, since that may be noticed.
 */
export function fewestSwitches(
  machine: SystemMachine,
  failureOf: (s: Vector) => Failure | null,
): Schedule | null {
  for (machine.settle(); ;) {
    const found = new Search(machine, failureOf).run();
    if (!machine.settle()) return found;
  }
}

class Search {
  private readonly machine: SystemMachine;
  private readonly failureOf: (s: Vector) => Failure | null;
  private readonly table: StateTable;
  private readonly to: Vector;
  private readonly entries: Entry[] = [];
  private readonly settled = new Set<number>();

  constructor(machine: SystemMachine, failureOf: (s: Vector) => Failure | null) {
    this.machine = machine;
    this.failureOf = failureOf;
    this.table = new StateTable(machine);
    this.to = machine.initial();
  }

  run(): Schedule | null {
    const { machine, table } = this;
    const from = machine.initial();
    const first = { state: table.add(from), last: -1, steps: 0, from: -1, count: 0 };
    // Entries by steps: those with as many switches as now, and those with one more.
    let now: number[][] = [];
    this.push(now, first);
    for (let switches = 0; now.length > 0; switches++) {
      const next: number[][] = [];
      for (let steps = 0; steps < now.length; steps++) {
        for (const index of now[steps] ?? []) {
          if (!this.isFresh(index)) continue;
          table.restore(this.entries[index]!.state, from);
          const failure = this.failureOf(from);
          if (failure !== null) {
            return { failure, moves: this.movesTo(index), switches, minimal: true };
          }
          if (table.count > STATES_MAX) return null;
          if (machine.ended(from) < 0) this.expand(index, from, now, next);
        }
      }
      now = next;
    }
    return null;
  }

  private push(buckets: number[][], entry: Entry): void {
    (buckets[entry.steps] ??= []).push(this.entries.push(entry) - 1);
  }

  private isFresh(index: number): boolean {
    const { state, last } = this.entries[index]!;
    const pair = state * (this.machine.threads.length + 1) + last + 1;
    if (this.settled.has(pair)) return false;
    this.settled.add(pair);
    return true;
  }

  private expand(index: number, from: Vector, now: number[][], next: number[][]): void {
    const { machine, table, to: s } = this;
    const { last, steps } = this.entries[index]!;
    for (let t = 0; t < machine.threads.length; t++) {
      s.set(from);
      const count = run(machine, s, t);
      if (count === 0) continue;
      const entry = { state: table.add(s), last: t, steps: steps + count, from: index, count };
      this.push(last >= 0 && t !== last ? next : now, entry);
    }
  }

  private movesTo(index: number): number[] {
    const runs: Entry[] = [];
    for (let at = index; at >= 0; at = this.entries[at]!.from) runs.push(this.entries[at]!);
    return runs.reverse().flatMap(({ last, count }) => new Array<number>(count).fill(last));
  }
}

/** Takes a thread's steps up to the first that others can notice; returns how many. */
function run(machine: SystemMachine, s: Vector, t: number): number {
  const count = machine.advance(s, t, CHAIN_MAX);
  // It never comes to that: where it stands is a failure by itself.
  if (count < 0) return 0;
  if (!machine.isEnabled(s, t)) return count;
  machine.take(s, t);
  return count + 1;
}

/** What a state is a failure of, or null. `spins`: a loop that reads shared memory is one, too. */
export function failureTest(machine: SystemMachine, final: FinalCheck, spins: boolean) {
  return (s: Vector): Failure | null => {
    const ended = machine.ended(s);
    if (ended >= 0) {
      const { kind, a, message } = machine.step(s, ended);
      return kind === OP.fail ? { verdict: VERDICTS[a]!, message } : null;
    }
    if (spins && machine.threads.some((_one, t) => spinsForEver(machine, s, t))) return ENDLESS;
    if (machine.threads.some((_one, t) => machine.isEnabled(s, t))) return null;
    if (!machine.isOver(s)) return STUCK;
    const message = final(s);
    return message === null ? null : { verdict: "ASSERT", message };
  };
}

/** Most steps of a round of a loop that reads shared memory. */
const ROUND_MAX = 16;

/** Whether a thread goes round a loop that reads only what nobody will write any more. */
function spinsForEver(machine: SystemMachine, from: Vector, t: number): boolean {
  if (!isRead(machine.kind(from, t))) return false;
  const s = from.slice();
  for (let steps = 0; steps < ROUND_MAX; steps++) {
    if (!machine.isEnabled(s, t) || !isRead(machine.kind(s, t))) return false;
    if (!machine.commuting.commutes(s, t)) return false;
    machine.take(s, t);
    if (s[t] === from[t]) return true;
  }
  return false;
}
