// A reduced search that is made to be certified: a step that commutes with all that the others may
// still do is taken at once. What they may still do is learned: the search is repeated until it
// meets no new local step. For programs on cells and plain locks whose states are too many to be
// kept all. Any thread.
import { nowMs } from "../../base/clock.js";
import { Machine, type Vector } from "../search/machine.js";
import { Growing } from "../states/edges.js";
import type { LoadedProgram } from "../types.js";
import { Reduction } from "./reduction.js";
import type { Finished } from "./write.js";

export interface ReducedBounds {
  readonly maxSteps: number;
  readonly maxStates: number;
  readonly maxSeconds: number;
}

/** The kept states, or why there is nothing to certify: a bound, or what is wrong. */
export function searchToCertify(
  program: LoadedProgram,
  bounds: ReducedBounds,
): (Finished & { readonly transitions: number }) | string {
  const machine = new Machine(program, bounds.maxSteps);
  const endMs = nowMs() + 1000 * bounds.maxSeconds;
  for (;;) {
    const known = machine.table.followed();
    const round = new Round(machine, known);
    const problem = round.run(bounds, endMs);
    if (problem !== null) return problem;
    if (machine.table.followed().length === known.length) return round;
  }
}

class Round implements Finished {
  readonly machine: Machine;
  readonly firstEdge = new Growing();
  readonly edgeTo = new Growing();
  readonly edgeBy = new Growing();
  transitions = 0;
  private readonly states: Vector[] = [];
  private readonly numbers = new Map<string, number>();
  private readonly reduction: Reduction;
  private s: Vector;

  constructor(machine: Machine, edges: readonly [number, number, number][]) {
    this.machine = machine;
    this.s = machine.initial();
    const { steps } = machine.table;
    const next = steps.map(() => new Map<number, number>());
    for (const [node, value, to] of edges) next[node]!.set(value, to);
    const all = { steps: [...steps], hashes: [], next };
    const locals = machine.threads.map(() => all);
    this.reduction = new Reduction(locals, machine.firstThread);
  }

  get count(): number {
    return this.states.length;
  }

  state(index: number): Vector {
    return this.states[index]!;
  }

  /** Searches; what is wrong with the program or which bound was met, or null. */
  run({ maxStates, maxSeconds }: ReducedBounds, endMs: number): string | null {
    this.arrive();
    for (let i = 0; i < this.states.length; i++) {
      this.firstEdge.push(this.edgeTo.length);
      const problem = this.expand(i);
      if (problem !== null) return problem;
      if (this.count > maxStates) return `${maxStates} states`;
      if ((i & 0xff) === 0 && nowMs() > endMs) return `${maxSeconds} s`;
    }
    this.firstEdge.push(this.edgeTo.length);
    return null;
  }

  private expand(i: number): string | null {
    const { machine } = this;
    const from = this.state(i);
    const ended = machine.ended(from);
    if (ended >= 0) return machine.stepOf(from, ended).message;
    let isStuck = true;
    for (let t = 0; t < machine.threads.length; t++) {
      if (!machine.isEnabled(from, t)) continue;
      isStuck = false;
      for (let choice = 0; choice < Math.max(1, machine.choices(from, t)); choice++) {
        this.s = from.slice();
        this.take(t, choice);
        this.edgeTo.push(this.arrive());
        this.edgeBy.push(t | (choice << 8));
      }
    }
    if (!isStuck) return null;
    if (!machine.isDone(from)) return "a deadlock";
    return machine.checkFinal(from)?.message ?? null;
  }

  private take(thread: number, choice: number): void {
    this.machine.take(this.s, thread, choice);
    this.transitions++;
  }

  /** Goes on while there is no choice between threads; the number of the state that is kept. */
  private arrive(): number {
    const { machine, s } = this;
    this.reduction.goOn({
      s,
      cells: machine.firstThread,
      stepOf: (t) => machine.stepOf(s, t),
      isEnabled: (t) => machine.isEnabled(s, t),
      take: (t, choice) => this.take(t, choice),
    });
    const key = s.join();
    const known = this.numbers.get(key);
    if (known !== undefined) return known;
    this.numbers.set(key, this.states.length);
    return this.states.push(s.slice()) - 1;
  }
}
