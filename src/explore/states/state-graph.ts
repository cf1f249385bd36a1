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
import { guessPacking } from "./packing.js";
import { hashOf, StateStore } from "./state-store.js";
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

/** Numbers in an array that grows. */
export class Growing {
  data = new Int32Array(1024);
  length = 0;

  push(value: number): void {
    this.reserve(1);
    this.data[this.length++] = value;
  }

  /** Makes room for so many more. */
  reserve(more: number): void {
    if (this.length + more <= this.data.length) return;
    const wider = new Int32Array(2 * (this.data.length + more));
    wider.set(this.data);
    this.data = wider;
  }
}

export class StateGraph {
  readonly machine: Machine;
  /** First edge of each state; one entry more than expanded states. */
  readonly firstEdge = new Growing();
  readonly edgeTo = new Growing();
  /** Thread of each edge, and its choice above bit 8. */
  readonly edgeBy = new Growing();
  readonly ends = new Growing();
  readonly violations: Violation[] = [];
  /** The bound that ended the search, or null. */
  bound: string | null = null;
  count = 0;
  private readonly store: StateStore;
  private readonly successors: Successors;
  private unpacked: { readonly index: number; readonly s: Vector } | null = null;

  constructor(machine: Machine) {
    this.machine = machine;
    this.store = new StateStore(guessPacking(machine));
    this.successors = new Successors(machine, this.store);
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
    const { machine, store, successors } = this;
    const endMs = nowMs() + 1000 * bounds.maxSeconds;
    const scratch = machine.initial();
    this.insertFirst(scratch);
    const counts = new Int32Array(BATCH);
    for (let index = 0; index < store.count;) {
      const maxStates = Math.min(bounds.maxStates, Math.floor(WORDS_MAX / store.packing.words));
      if (store.count >= maxStates) this.bound ??= `${maxStates} states`;
      if (nowMs() > endMs) this.bound ??= `${bounds.maxSeconds} s`;
      // Near the bound one state at a time, so that it stops where it says.
      const isNear = store.count + BATCH * machine.threads.length >= maxStates;
      const made = this.fill(index, isNear ? 1 : BATCH, counts, scratch);
      store.insert(successors);
      this.addEdges(made, counts);
      index += made;
      if (made === 0) store.repack(store.packing.widened(successors.misfit), scratch);
      successors.clear();
    }
    this.firstEdge.push(this.edgeTo.length);
    this.count = store.count;
  }

  private insertFirst(s: Vector): void {
    const { store, successors } = this;
    const { packing } = store;
    packing.pack(s, successors.packed, 0);
    successors.hashes[0] = hashOf(successors.packed, 0, packing.words);
    successors.length = 1;
    store.insert(successors);
    successors.clear();
  }

  /** Expands states from `index` on until the batch is full; returns how many it did. */
  private fill(index: number, most: number, counts: Int32Array, s: Vector): number {
    const { store, successors, machine } = this;
    const effort = machine.table.effort;
    let made = 0;
    store.read(index, s);
    for (; made < most && index + made < store.count; made++) {
      if (made > 0 && machine.table.effort - effort > EFFORT_MAX) break;
      store.readOver(index + made, s);
      counts[made] = this.bound === null ? this.expand(index + made, s) : this.leave();
      if (counts[made]! === NO_ROOM) break;
      if (successors.length >= BATCH) return made + 1;
    }
    return made;
  }

  private leave(): number {
    this.ends.push(END.unexpanded);
    return 0;
  }

  private addEdges(made: number, counts: Int32Array): void {
    const { edgeTo, edgeBy, firstEdge, successors } = this;
    const { length, numbers, by } = successors;
    edgeTo.reserve(length);
    edgeBy.reserve(length);
    firstEdge.reserve(made);
    const start = edgeTo.length;
    for (let k = 0; k < length; k++) {
      edgeTo.data[start + k] = numbers[k]!;
      edgeBy.data[start + k] = by[k]!;
    }
    for (let i = 0, first = start; i < made; i++) {
      firstEdge.data[firstEdge.length++] = first;
      first += counts[i]!;
    }
    edgeTo.length = start + length;
    edgeBy.length = start + length;
  }

  /** Adds a state's successors and says how it ends; how many it has, or NO_ROOM. */
  private expand(index: number, s: Vector): number {
    const { machine } = this;
    const ended = machine.ended(s);
    if (ended >= 0) {
      this.ends.push(this.endOf(index, machine.stepOf(s, ended)));
      return 0;
    }
    const made = this.successors.expand(index, s);
    if (made === NO_ROOM) return NO_ROOM;
    this.ends.push(made > 0 ? END.none : this.endAt(index, s));
    return made;
  }

  /** How a state ends in which no thread can take a step. */
  private endAt(index: number, s: Vector): number {
    const { machine } = this;
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
