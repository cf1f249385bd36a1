// The proof engine of explored systems: every reachable failure and deadlock, with partial order
// reduction. In a state where a thread's next step commutes with everything that the others may
// still do, only that thread goes on (a persistent set of one); so nothing is missed. What the
// others may still do is learned: the search is repeated until it meets nothing new, and only that
// last round counts.
import { nowMs } from "../../base/clock.js";
import type { Machine, Vector } from "../search/machine.js";
import { OP, VERDICTS, type Verdict } from "../types.js";
import { Futures } from "./futures.js";
import type { SystemRuntime } from "./runtime.js";
import { StateTable } from "./state-table.js";

export interface Bounds {
  readonly maxStates: number;
  readonly maxSeconds: number;
}

export interface Violation {
  readonly verdict: Verdict;
  readonly message: string;
}

export interface Reduced {
  readonly states: number;
  readonly transitions: number;
  readonly rounds: number;
  /** The bound that ended the search, or null. */
  readonly bound: string | null;
  /** Kinds of failure that can be reached. */
  readonly violations: ReadonlyMap<Verdict, string>;
}

/** Steps that are taken without a choice between two states that are kept. */
const CHAIN_MAX = 2_000;
const ROUNDS_MAX = 200;

/** A machine that learns which steps commute with what the other threads may still do. */
export class Threads {
  readonly machine: Machine;
  readonly futures: Futures;

  constructor(machine: Machine) {
    this.machine = machine;
    this.futures = new Futures(machine.table.steps);
  }

  /** Takes a step and remembers where it led. */
  take(s: Vector, thread: number, choice: number): void {
    const at = this.machine.firstThread + thread;
    const before = s[at]!;
    this.machine.take(s, thread, choice);
    this.futures.note(before, s[at]!);
  }

  /**
   * Whether nothing that others can do before this thread's next step is in conflict with it. A
   * thread that is blocked, and that only this one can wake, does nothing before that.
   */
  commutes(s: Vector, thread: number): boolean {
    const { machine, futures } = this;
    const step = machine.stepOf(s, thread);
    const movable = this.movable(s, thread);
    for (let u = 0; u < machine.threads.length; u++) {
      if ((movable & (1 << u)) === 0) continue;
      if (futures.mayConflict(s[machine.firstThread + u]!, step)) return false;
    }
    return true;
  }

  /** Bits of the threads that can take a step while `thread` stands still. */
  private movable(s: Vector, thread: number): number {
    const { machine } = this;
    const count = machine.threads.length;
    let movable = 0;
    for (let u = 0; u < count; u++) {
      if (u !== thread && machine.isEnabled(s, u)) movable |= 1 << u;
    }
    for (let before = 0; before !== movable;) {
      before = movable;
      for (let u = 0; u < count; u++) {
        if (u === thread || (movable & (1 << u)) !== 0) continue;
        const step = machine.stepOf(s, u);
        if (step.kind < OP.done && this.canBeWoken(s, step.addr, movable)) movable |= 1 << u;
      }
    }
    return movable;
  }

  private canBeWoken(s: Vector, slot: number, by: number): boolean {
    const { machine, futures } = this;
    for (let v = 0; v < machine.threads.length; v++) {
      if ((by & (1 << v)) === 0) continue;
      if (futures.mayWrite(s[machine.firstThread + v]!, slot)) return true;
    }
    return false;
  }
}

/** Searches until a round meets nothing new. */
export function searchReduced(threads: Threads, runtime: SystemRuntime, bounds: Bounds): Reduced {
  const endMs = nowMs() + 1000 * bounds.maxSeconds;
  for (let rounds = 1; ; rounds++) {
    const slots = runtime.addresses.length;
    const { edges } = threads.futures;
    threads.futures.settle();
    const round = new Round(threads, bounds, endMs);
    round.run();
    const isStable = slots === runtime.addresses.length && edges === threads.futures.edges;
    const { states, transitions, violations } = round;
    const bound = isStable || rounds < ROUNDS_MAX ? round.bound : `${ROUNDS_MAX} rounds`;
    if (isStable || bound !== null) return { states, transitions, rounds, bound, violations };
  }
}

class Round {
  states = 0;
  transitions = 0;
  bound: string | null = null;
  readonly violations = new Map<Verdict, string>();
  private readonly threads: Threads;
  private readonly bounds: Bounds;
  private readonly endMs: number;
  private readonly table: StateTable;

  constructor(threads: Threads, bounds: Bounds, endMs: number) {
    this.threads = threads;
    this.bounds = bounds;
    this.endMs = endMs;
    this.table = new StateTable(threads.machine, threads.futures);
  }

  run(): void {
    const { table, bounds, threads } = this;
    const { machine } = threads;
    const s = machine.initial();
    this.chain(s);
    table.add(s);
    const from = machine.initial();
    for (let state = 0; state < table.count; state++) {
      table.restore(state, from);
      this.expand(from, s);
      if (table.count > bounds.maxStates) this.bound = `${bounds.maxStates} states`;
      if ((state & 0xff) === 0 && nowMs() > this.endMs) this.bound = `${bounds.maxSeconds} s`;
      if (this.bound !== null) break;
    }
    this.states = table.count;
  }

  /** Takes the steps that need no choice of a thread, in place. */
  private chain(s: Vector): void {
    const { threads } = this;
    const { machine } = threads;
    const count = machine.threads.length;
    for (let length = 0; length < CHAIN_MAX;) {
      const before = length;
      for (let t = 0; t < count; t++) {
        while (length < CHAIN_MAX && this.isAlone(s, t)) {
          threads.take(s, t, 0);
          length++;
          this.transitions++;
        }
      }
      if (length === before) return;
    }
  }

  private isAlone(s: Vector, t: number): boolean {
    const { machine } = this.threads;
    const { kind } = machine.stepOf(s, t);
    if (kind >= OP.done || kind === OP.choose) return false;
    return machine.isEnabled(s, t) && this.threads.commutes(s, t);
  }

  private expand(from: Vector, s: Vector): void {
    const { threads, table } = this;
    const { machine } = threads;
    const ended = machine.ended(from);
    if (ended >= 0) return this.fail(from, ended);
    let isStuck = true;
    for (let t = 0; t < machine.threads.length; t++) {
      if (!machine.isEnabled(from, t)) continue;
      isStuck = false;
      const choices = Math.max(1, machine.choices(from, t));
      for (let choice = 0; choice < choices; choice++) {
        s.set(from);
        threads.take(s, t, choice);
        this.transitions++;
        this.chain(s);
        table.add(s);
      }
    }
    if (isStuck) this.end(from);
  }

  private fail(s: Vector, thread: number): void {
    const { machine } = this.threads;
    const step = machine.stepOf(s, thread);
    if (machine.isBound(s, thread)) this.bound = step.message;
    else this.violations.set(VERDICTS[step.a]!, step.message);
  }

  private end(s: Vector): void {
    const { machine } = this.threads;
    if (!machine.isDone(s)) {
      this.violations.set("DEADLOCK", "");
      return;
    }
    const wrong = machine.checkFinal(s);
    if (wrong !== null) this.violations.set(VERDICTS[wrong.a]!, wrong.message);
  }
}
