// The proof engine of explored systems: every reachable failure and deadlock, with partial order
// reduction. In a state where a thread's next step commutes with everything that the others may
// still do, only that thread goes on (a persistent set of one); so nothing is missed. What the
// others may still do is learned: the search is repeated until it meets nothing new, and only that
// last round counts.
import { nowMs } from "../../base/clock.js";
import { OP, VERDICTS, type Verdict } from "../types.js";
import type { SystemMachine, Vector } from "./machine.js";
import { StateTable } from "./state-table.js";

export interface Bounds {
  readonly maxStates: number;
  readonly maxSeconds: number;
}

export interface Failure {
  readonly verdict: Verdict;
  readonly message: string;
}

export const ENDLESS: Failure = {
  verdict: "LOCKUP",
  message: "the same values again: this loop never ends",
};
export const STUCK: Failure = { verdict: "DEADLOCK", message: "nobody can go on" };

export interface Reduced {
  readonly states: number;
  readonly transitions: number;
  readonly rounds: number;
  /** The bound that ended the search, or null. */
  readonly bound: string | null;
  /** Whether a LOCKUP is a loop that reads shared memory, where no single step fails. */
  readonly spins: boolean;
  /** Kinds of failure that can be reached, with what they say. */
  readonly violations: ReadonlyMap<Verdict, string>;
}

/** What is wrong with an execution that is over, or null: the final check. */
export type FinalCheck = (s: Vector) => string | null;

/** Steps that are taken without a choice between two states that are kept. */
const CHAIN_MAX = 2_000;
const ROUNDS_MAX = 200;

/**
 * The first rounds only look ahead: one sees each thread by itself, the next one so many states. In
 * those what is not known yet is taken to be harmless. All rounds of the guard matrix together
 * take 13.1 million steps; with 40, 80 and 160 states looked at 14.8, 17.5 and 20.5 million.
 */
const LOOKS = 2;
const LOOK_STATES = 20;

/** Searches until a round meets nothing new. */
export function searchReduced(machine: SystemMachine, final: FinalCheck, bounds: Bounds): Reduced {
  const limits = { ...bounds, endMs: nowMs() + 1000 * bounds.maxSeconds };
  const table = new StateTable(machine);
  machine.settle();
  for (let rounds = 1; ; rounds++) {
    const isLook = rounds <= LOOKS;
    machine.isWary = !isLook;
    const round = new Round(machine, final, limits, table);
    round.run(isLook ? LOOK_STATES : Infinity);
    const isStable = !machine.settle() && !isLook;
    const { states, transitions, violations, spins } = round;
    const bound = isStable || rounds < ROUNDS_MAX ? round.bound : `${ROUNDS_MAX} rounds`;
    if (isStable || (bound !== null && !isLook)) {
      return { states, transitions, rounds, bound, violations, spins };
    }
  }
}

interface Limits extends Bounds {
  readonly endMs: number;
}

class Round {
  states = 0;
  transitions = 0;
  bound: string | null = null;
  spins = false;
  readonly violations = new Map<Verdict, string>();
  private readonly machine: SystemMachine;
  private readonly final: FinalCheck;
  private readonly limits: Limits;
  private readonly table: StateTable;

  constructor(machine: SystemMachine, final: FinalCheck, limits: Limits, table: StateTable) {
    this.machine = machine;
    this.final = final;
    this.limits = limits;
    this.table = table;
  }

  /** Expands at most `most` states. */
  run(most: number): void {
    const { table, limits, machine } = this;
    table.clear();
    const s = machine.initial();
    const from = machine.initial();
    if (this.chain(s)) table.add(s);
    for (let state = 0; state < Math.min(most, table.count); state++) {
      table.restore(state, from);
      this.expand(from, s);
      if (table.count > limits.maxStates) this.bound = `${limits.maxStates} states`;
      if ((state & 0xff) === 0 && nowMs() > limits.endMs) this.bound = `${limits.maxSeconds} s`;
      if (this.bound !== null) break;
    }
    this.states = table.count;
  }

  /**
   * Takes the steps that need no choice of a thread, in place. False: one of them is in a loop that
   * never ends, which ends the execution here.
   */
  private chain(s: Vector): boolean {
    const { machine } = this;
    const count = machine.threads.length;
    let length = 0;
    // A thread that has stopped is looked at again when another one has moved.
    for (let t = 0, idle = 0; idle < count && length < CHAIN_MAX; t = t + 1 < count ? t + 1 : 0) {
      const taken = machine.commuting.run(s, t, CHAIN_MAX - length);
      if (taken < 0) return this.spin();
      idle = taken > 0 ? 1 : idle + 1;
      length += taken;
      this.transitions += taken;
    }
    return true;
  }

  private spin(): boolean {
    this.spins = true;
    this.violations.set(ENDLESS.verdict, ENDLESS.message);
    return false;
  }

  private expand(from: Vector, s: Vector): void {
    const { machine, table } = this;
    let isStuck = true;
    const ended = machine.ended(from);
    if (ended >= 0) return this.fail(from, ended);
    for (let t = 0; t < machine.threads.length; t++) {
      if (!machine.isEnabled(from, t)) continue;
      isStuck = false;
      s.set(from);
      machine.take(s, t);
      this.transitions++;
      if (this.chain(s)) table.add(s);
    }
    if (isStuck) this.end(from);
  }

  private fail(s: Vector, t: number): void {
    const { kind, a, message } = this.machine.step(s, t);
    if (kind === OP.limit) this.bound = message;
    else this.violations.set(VERDICTS[a]!, message);
  }

  private end(s: Vector): void {
    const { machine } = this;
    const isOver = machine.isOver(s);
    const message = isOver ? this.final(s) : STUCK.message;
    if (message !== null) this.violations.set(isOver ? "ASSERT" : "DEADLOCK", message);
  }
}
