// Looks for a schedule that shows what the lock graph lets one expect: a search that goes first
// where more of the threads stand before the locks that they are to wait for. What it finds is a
// real execution; that it finds nothing within its bound says nothing. Any thread.
import { endOf } from "../outcome.js";
import type { Machine, Vector } from "../search/machine.js";
import { Growing } from "../states/edges.js";
import { shorten } from "../strategies/minimize.js";
import { turnScheduler } from "../strategies/schedulers.js";
import { VectorStore } from "../strategies/store.js";
import { listEnabled } from "../strategies/walk.js";
import type { TokenMove } from "../text/token.js";
import type { Suspicion } from "./lock-order.js";
import { lockUseOf } from "./lock-uses.js";

/** Most states of one search, and most steps of those who go on when it has come to the worst. */
const STATES_MAX = 30_000;
const REST_MAX = 2_000;

/** A schedule that ends in the deadlock that is suspected, or null. */
export function confirm(machine: Machine, suspicion: Suspicion): TokenMove[] | null {
  const search = new Steered(machine, suspicion);
  const moves = search.run();
  if (moves === null) return null;
  const isAlike = (s: Vector) => isWorst(machine, s, suspicion) && isDeadlock(machine, s);
  return shorten(machine, moves, { isAlike, endMs: Infinity });
}

function isDeadlock(machine: Machine, s: Vector): boolean {
  return endOf(machine, s).verdict === "DEADLOCK";
}

/** Whether all threads stand where they wait for ever, or one has noticed that it would. */
function isWorst(machine: Machine, s: Vector, { stands }: Suspicion): boolean {
  const ended = machine.ended(s);
  if (ended >= 0) return stands.some(({ thread }) => thread === ended);
  return stands.every(({ thread, lock }) => {
    const step = machine.stepOf(s, thread);
    return step.addr === lock && lockUseOf(step) !== null && !machine.isEnabled(s, thread);
  });
}

class Steered {
  private readonly machine: Machine;
  private readonly suspicion: Suspicion;
  private readonly states: VectorStore;
  private readonly parent = new Growing();
  private readonly by = new Growing();
  /** States to go on from, by their score. */
  private readonly waiting: number[][] = [];

  constructor(machine: Machine, suspicion: Suspicion) {
    this.machine = machine;
    this.suspicion = suspicion;
    this.states = new VectorStore(machine.width);
    this.reach(machine.initial(), 0, 0);
  }

  run(): TokenMove[] | null {
    const { machine } = this;
    for (let at = this.best(); at >= 0; at = this.best()) {
      const s = this.states.at(at).slice();
      if (isWorst(machine, s, this.suspicion)) {
        const moves = this.withRest(at, s);
        if (moves !== null) return moves;
      }
      if (machine.ended(s) >= 0) continue;
      for (let t = 0; t < machine.threads.length; t++) {
        if (!machine.isEnabled(s, t)) continue;
        const outcomes = Math.max(1, machine.choices(s, t));
        for (let choice = 0; choice < outcomes; choice++) {
          const next = s.slice();
          machine.take(next, t, choice);
          this.reach(next, at, t | (choice << 8));
        }
      }
      if (this.states.count > STATES_MAX) return null;
    }
    return null;
  }

  private best(): number {
    while (this.waiting.length > 0) {
      const one = this.waiting.at(-1)?.pop();
      if (one !== undefined) return one;
      this.waiting.pop();
    }
    return -1;
  }

  private reach(s: Vector, from: number, by: number): void {
    const index = this.states.insert(s);
    if (index < this.parent.length) return;
    this.parent.push(from);
    this.by.push(by);
    (this.waiting[this.score(s)] ??= []).push(index);
    // Holes would look like the end of the list.
    for (let i = 0; i < this.waiting.length; i++) this.waiting[i] ??= [];
  }

  private score(s: Vector): number {
    const { machine, suspicion } = this;
    let score = 0;
    for (const { thread, lock, site } of suspicion.stands) {
      const step = machine.stepOf(s, thread);
      if (step.addr !== lock || step.site !== site) continue;
      score += machine.isEnabled(s, thread) ? 2 : 3;
    }
    for (const { thread, from } of suspicion.circle) if (s[from.lock] === thread + 1) score++;
    const outside = suspicion.inversion?.outside;
    if (outside !== undefined && s[outside.holding.lock] === outside.thread + 1) score++;
    return score;
  }

  /** The schedule to a state, and on until nobody can go on; null if that is no deadlock. */
  private withRest(at: number, s: Vector): TokenMove[] | null {
    const { machine } = this;
    const bys: number[] = [];
    for (let one = at; one !== 0; one = this.parent.data[one]!) bys.push(this.by.data[one]!);
    const moves: TokenMove[] = [];
    const again = machine.initial();
    for (const by of bys.reverse()) moves.push(take(machine, again, by & 0xff, by >> 8));
    const scheduler = turnScheduler(machine, 0);
    const enabled: number[] = [];
    scheduler.begin(s);
    for (let step = 0; step < REST_MAX && machine.ended(s) < 0; step++) {
      listEnabled(machine, s, enabled);
      if (enabled.length === 0) break;
      moves.push(take(machine, s, scheduler.pick(s, enabled), 0));
    }
    return isDeadlock(machine, s) && isWorst(machine, s, this.suspicion) ? moves : null;
  }
}

function take(machine: Machine, s: Vector, thread: number, choice: number): TokenMove {
  const isChoice = machine.choices(s, thread) > 0;
  machine.take(s, thread, choice);
  return { thread, choice, isChoice };
}
