// Preemption- and delay-bounded search: all schedules that cost 0, then all that cost 1, and so on.
// Preemption bounding (Musuvathi, Qadeer, PLDI 2007): it costs 1 to stop a thread that could go on.
// Delay bounding (Emmi, Qadeer, Rakamaric, POPL 2011): threads take turns, each until it blocks or
// ends, and it costs 1 to skip the one whose turn it is. What is kept is each pair of a state and
// the thread that ran last, with its least cost, so that a bound that is completed is complete:
// every schedule within it has been covered. Any thread.
import { nowMs } from "../../base/clock.js";
import { plainFinder } from "../detect/accesses.js";
import { nextRace } from "../detect/races.js";
import type { Machine, Vector } from "../search/machine.js";
import { Growing } from "../states/edges.js";
import type { TokenMove } from "../text/token.js";
import type { Verdict } from "../types.js";
import { VectorStore } from "./store.js";
import { type Bad, isBadVerdict } from "./walk.js";

export type BoundRule = "preemption" | "delay";

export interface BoundedBounds {
  readonly maxStates: number;
  readonly maxSeconds: number;
  /** The last bound to complete. */
  readonly maxBound: number;
}

export interface BoundedResult {
  /** The last bound whose schedules have all been covered; -1 if none. */
  readonly completed: number;
  /** Whether all schedules have been covered, whatever they cost. */
  readonly isAll: boolean;
  /** What ended the search; null if `isAll`. */
  readonly bound: string | null;
  /** Pairs of a state and the thread that ran last. */
  readonly states: number;
  readonly transitions: number;
  /** Ends of executions that were come by, one that went wrong included. */
  readonly executions: number;
  /** A failure that no cheaper schedule shows, and its cost. */
  readonly bad: (Bad & { readonly cost: number }) | null;
}

export function exploreBounded(
  machine: Machine,
  rule: BoundRule,
  bounds: BoundedBounds,
  verdictOf: (end: Vector) => Verdict,
): BoundedResult {
  return new BoundedSearch(machine, rule, bounds, verdictOf).run();
}

const UNSETTLED = -1;

class BoundedSearch {
  private readonly machine: Machine;
  private readonly rule: BoundRule;
  private readonly bounds: BoundedBounds;
  private readonly verdictOf: (end: Vector) => Verdict;
  private readonly endMs: number;
  /** Pairs: the words of a state, then the thread that ran last plus 1. */
  private readonly pairs: VectorStore;
  private readonly parent = new Growing();
  private readonly parentBy = new Growing();
  private readonly least = new Growing();
  private readonly settled = new Growing();
  /** Pairs to look at, by cost. */
  private readonly waiting: number[][] = [[0]];
  private readonly scratch: Vector;
  private readonly hasPlain: () => boolean;
  private transitions = 0;
  private executions = 0;
  private stop: string | null = null;
  private limit: string | null = null;

  constructor(
    machine: Machine,
    rule: BoundRule,
    bounds: BoundedBounds,
    verdictOf: (end: Vector) => Verdict,
  ) {
    this.machine = machine;
    this.rule = rule;
    this.bounds = bounds;
    this.verdictOf = verdictOf;
    this.hasPlain = plainFinder(machine);
    this.endMs = nowMs() + 1000 * bounds.maxSeconds;
    this.pairs = new VectorStore(machine.width + 1);
    this.scratch = new Int32Array(machine.width + 1);
    this.scratch.set(machine.initial());
    this.reach(this.scratch, { from: 0, by: 0, cost: 0 });
  }

  run(): BoundedResult {
    for (let cost = 0; cost < this.waiting.length; cost++) {
      if (cost > this.bounds.maxBound) return this.result(cost - 1, null);
      // The list grows while it is gone through.
      const list = (this.waiting[cost] ??= []);
      for (let i = 0; i < list.length; i++) {
        const pair = list[i]!;
        if (this.settled.data[pair] !== UNSETTLED) continue;
        this.settled.data[pair] = cost;
        if (this.visit(pair, cost)) return this.result(cost - 1, pair);
        if ((i & 0x3ff) === 0 && nowMs() > this.endMs) this.stop = `${this.bounds.maxSeconds} s`;
        if (this.stop !== null) return this.result(cost - 1, null);
      }
      this.waiting[cost] = [];
    }
    return this.result(this.waiting.length - 1, null);
  }

  private result(completed: number, badPair: number | null): BoundedResult {
    const { rule, transitions, executions } = this;
    const done =
      completed < 0 ? `no ${rule} bound completed` : `${rule} bound ${completed} completed`;
    const reasons = [badPair === null ? this.stop : "first failure", this.limit];
    const why = reasons.filter((one) => one !== null).join(", ");
    const isAll = why === "" && !this.isWaiting();
    const bound = isAll ? null : why === "" ? done : `${why}; ${done}`;
    const bad = badPair === null ? null : { ...this.badOf(badPair), cost: completed + 1 };
    return { completed, isAll, bound, states: this.pairs.count, transitions, executions, bad };
  }

  private isWaiting(): boolean {
    return this.waiting.some((list) => list.some((pair) => this.settled.data[pair] === UNSETTLED));
  }

  /** Goes on from a pair; true if it is the end of a bad execution. */
  private visit(pair: number, cost: number): boolean {
    const { machine } = this;
    const threads = machine.threads.length;
    const s = this.pairs.at(pair).slice(0, machine.width);
    const last = this.pairs.at(pair)[machine.width]! - 1;
    const ended = machine.ended(s);
    if (ended >= 0) {
      this.executions++;
      if (machine.isBound(s, ended)) this.limit ??= machine.stepOf(s, ended).message;
      return isBadVerdict(this.verdictOf(s));
    }
    if (this.hasPlain() && nextRace(machine, s) !== null) return true;
    let enabled = 0;
    // In the order of turns, which begins with the thread that ran last.
    for (let i = 0; i < threads; i++) {
      const t = (Math.max(0, last) + i) % threads;
      if (!machine.isEnabled(s, t)) continue;
      const price = this.rule === "delay" ? enabled : i > 0 && this.canGoOn(s, last) ? 1 : 0;
      enabled++;
      const outcomes = Math.max(1, machine.choices(s, t));
      for (let choice = 0; choice < outcomes; choice++) {
        this.scratch.set(s);
        machine.take(this.scratch, t, choice);
        this.scratch[machine.width] = t + 1;
        this.transitions++;
        this.reach(this.scratch, { from: pair, by: t | (choice << 8), cost: cost + price });
      }
    }
    if (enabled === 0) this.executions++;
    return enabled === 0 && isBadVerdict(this.verdictOf(s));
  }

  private canGoOn(s: Vector, last: number): boolean {
    return last >= 0 && this.machine.isEnabled(s, last);
  }

  private reach(pair: Vector, way: { from: number; by: number; cost: number }): void {
    const index = this.pairs.insert(pair);
    if (index === this.parent.length) {
      this.parent.push(way.from);
      this.parentBy.push(way.by);
      this.least.push(way.cost);
      this.settled.push(UNSETTLED);
      if (this.pairs.count >= this.bounds.maxStates) this.stop ??= `${this.pairs.count} states`;
    } else {
      if (this.least.data[index]! <= way.cost) return;
      this.parent.data[index] = way.from;
      this.parentBy.data[index] = way.by;
      this.least.data[index] = way.cost;
    }
    (this.waiting[way.cost] ??= []).push(index);
  }

  private badOf(pair: number): Bad {
    const { machine } = this;
    const bys: number[] = [];
    for (let at = pair; at !== 0; at = this.parent.data[at]!) bys.push(this.parentBy.data[at]!);
    const s = machine.initial();
    const moves: TokenMove[] = bys.reverse().map((by) => {
      const thread = by & 0xff;
      const isChoice = machine.choices(s, thread) > 0;
      machine.take(s, thread, by >> 8);
      return { thread, choice: by >> 8, isChoice };
    });
    return { moves, end: s };
  }
}
