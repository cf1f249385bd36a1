// The stateful engine: breadth first over all states of a machine, each kept whole (no state is
// taken for another because hashes agree) and expanded once, with its edges. What it returns is the
// graph that counting, cycle search and minimizing work on.
//
// Memory decides the speed: a state is looked up at a random place of a table of many megabytes. So
// states are packed into few words, and are worked on in batches: first all successors of some
// hundred states are made, then their places in the table are touched, one after the other without
// waiting for any, then they are looked up.
import { nowMs } from "../../base/clock.js";
import type { Step, Verdict } from "../types.js";
import { OP, VERDICTS } from "../types.js";
import type { Machine, Vector } from "../search/machine.js";
import { Edges, Growing } from "./edges.js";
import { guessPacking } from "./packing.js";
import { STATES_MAX, StateStore } from "./state-store.js";
import { NO_ROOM, Successors } from "./successors.js";

/** Most words of all states together: half a gigabyte. */
const WORDS_MAX = 2 ** 27;

/** Most states whose successors are made before they are looked up, and successors then. */
const BATCH = 512;

/** Runs of threads' code after which a batch ends early, so that the clock is looked at. */
const EFFORT_MAX = 200;

/** Why a state has no successors, or 0. */
export const END = { none: 0, done: 1, blocked: 2, failed: 3, unexpanded: 4 } as const;

export interface Violation {
  readonly verdict: Verdict;
  readonly state: number;
  readonly message: string;
  readonly site: number;
}

export interface SearchBounds {
  readonly maxStates: number;
  readonly maxSeconds: number;
}

export class StateGraph {
  readonly machine: Machine;
  readonly ends = new Growing();
  readonly violations: Violation[] = [];
  /** The bound that ended the search, or null. */
  bound: string | null = null;
  count = 0;
  private readonly edges = new Edges();
  private readonly store: StateStore;
  private readonly successors: Successors;
  private unpacked: { readonly index: number; readonly s: Vector } | null = null;

  constructor(machine: Machine) {
    this.machine = machine;
    this.store = new StateStore(guessPacking(machine));
    this.successors = new Successors(machine, this.store, this.edges);
  }

  /** First edge of each state; one entry more than expanded states. */
  get firstEdge(): Growing {
    return this.edges.first;
  }

  get edgeTo(): Growing {
    return this.edges.to;
  }

  /** Thread of each edge, and its choice above bit 8. */
  get edgeBy(): Growing {
    return this.edges.by;
  }

  /** A state's words; not to be written. */
  state(index: number): Vector {
    if (this.unpacked?.index === index) return this.unpacked.s;
    const s = new Int32Array(this.machine.width);
    this.store.read(index, s);
    this.unpacked = { index, s };
    return s;
  }

  /** Runs the search. Violations are in breadth-first order. */
  explore(bounds: SearchBounds): void {
    const { machine, store, successors, edges } = this;
    const endMs = nowMs() + 1000 * bounds.maxSeconds;
    store.insertFirst(machine.initial());
    let layerEnd = 0;
    for (let index = 0; index < store.count;) {
      if (index === layerEnd) {
        layerEnd = store.count;
        if (this.isLayered) store.forget();
      }
      const room = Math.min(STATES_MAX, Math.floor(WORDS_MAX / store.packing.words));
      const maxStates = Math.min(bounds.maxStates, room);
      if (store.count >= maxStates) this.bound ??= `${maxStates} states`;
      if (nowMs() > endMs) this.bound ??= `${bounds.maxSeconds} s`;
      // Near the bound one state at a time, so that it stops where it says.
      const isNear = store.count + BATCH * machine.threads.length >= maxStates;
      const made = this.fill(index, isNear ? 1 : Math.min(BATCH, layerEnd - index));
      if (!this.isLayered) store.recall();
      store.insert(successors, edges.to.data);
      edges.close();
      index += made;
      if (made === 0) store.repack(store.packing.widened(successors.misfit), machine.initial());
    }
    edges.begin();
    this.count = store.count;
  }

  /** Whether a state can only be met once more by the steps that first led to its like. */
  private get isLayered(): boolean {
    return this.machine.table.isGraded && this.machine.program.kernel === undefined;
  }

  /** Expands states from `index` on until the batch is full; returns how many it did. */
  private fill(index: number, most: number): number {
    const { store, successors, machine } = this;
    const effort = machine.table.effort;
    successors.clear();
    let made = 0;
    for (; made < most && index + made < store.count; made++) {
      if (made > 0 && machine.table.effort - effort > EFFORT_MAX) break;
      if (!this.expand(index + made)) break;
      if (successors.length >= BATCH) return made + 1;
    }
    return made;
  }

  /** Adds a state's edges and says how it ends; false if a successor has no room. */
  private expand(index: number): boolean {
    if (this.bound !== null) {
      this.edges.begin();
      this.ends.push(END.unexpanded);
      return true;
    }
    const made = this.successors.expand(index);
    if (made === NO_ROOM) return false;
    if (made > 0) this.ends.push(END.none);
    else this.ends.push(this.endAt(index, this.state(index)));
    return true;
  }

  /** How a state ends without successors: a thread has ended it, or none can take a step. */
  private endAt(index: number, s: Vector): number {
    const { machine } = this;
    const ended = machine.ended(s);
    if (ended >= 0) return this.endOf(index, machine.stepOf(s, ended));
    if (!machine.isDone(s)) {
      this.violations.push({ verdict: "DEADLOCK", state: index, message: "", site: -1 });
      return END.blocked;
    }
    const wrong = machine.checkFinal(s);
    if (wrong?.kind === OP.limit) this.bound ??= `final check: ${wrong.message}`;
    else if (wrong !== null) this.addFailure(index, wrong);
    return END.done;
  }

  private endOf(index: number, step: Step): number {
    const verdict = VERDICTS[step.a];
    if (step.kind === OP.limit) {
      this.bound ??= step.message;
      return END.unexpanded;
    }
    if (verdict !== undefined) this.addFailure(index, step);
    return END.failed;
  }

  private addFailure(state: number, step: Step): void {
    const verdict = VERDICTS[step.a] ?? "ASSERT";
    this.violations.push({ verdict, state, message: step.message, site: step.site });
  }
}
