// One thread of one case: the local states and edges of its automaton that the case has met, in the
// order in which it met them. What earlier cases had met is not in here, so that a case is searched
// in the same way whatever was searched before it. One owner, the case's machine.
import { BAD_VALUE } from "../search/automaton.js";
import type { Answer } from "../search/questions.js";
import { OP, type Step, type ThreadCode } from "../types.js";
import { LOCAL, type LocalStates } from "./local-states.js";
import { Sets } from "./sets.js";
import type { SharedThread } from "./shared-thread.js";

export class SystemThread {
  /** The record of the local state that it begins in. */
  readonly start: number;
  /** Records by order; 0 is none. */
  readonly records: number[] = [0];
  /** Whether an edge leads to a local state that was met before the one that it comes from. */
  hasCircles = false;
  /** What may be touched, whatever the others do. */
  readonly sets: Sets;
  /** Words that it waits on, each with the values that it waits to go away, or all (null). */
  readonly awaited = new Map<number, Set<number> | null>();
  /** What its code was told by the case. */
  readonly answers = new Map<string, unknown>();
  readonly locals: LocalStates;
  private readonly shared: SharedThread;
  /** The word of a state that a step's slot stands for. */
  private readonly wordOf: (slot: number) => number;
  /** Records by node of the automaton. */
  private known: Int32Array;
  /** Where steps lead that cannot be taken rightly (BAD_VALUE). */
  private readonly bad = new Map<number, number>();
  /** Edges met so far, and those that the sets know of. */
  private edges = 0;
  private settled = -1;
  /** Words of a state, as far as this thread touches them. */
  private width = 1;
  private readonly fixed = new Map<number, Map<number, Sets>>();

  constructor(shared: SharedThread, locals: LocalStates, wordOf: (slot: number) => number) {
    this.shared = shared;
    this.locals = locals;
    this.wordOf = wordOf;
    this.sets = new Sets(this, null);
    this.known = new Int32Array(shared.count + 64);
    this.note(shared.firstAnswers);
    this.start = this.recordOf(shared.start);
  }

  get code(): ThreadCode {
    return this.shared.code;
  }

  step(at: number): Step {
    return this.shared.step(this.locals.columns[at + LOCAL.node]!);
  }

  /** The steps of all local states that were met. */
  steps(): Step[] {
    const steps: Step[] = [];
    for (let order = 1; order < this.records.length; order++) {
      steps.push(this.step(this.records[order]!));
    }
    return steps;
  }

  /** Where a step that got `value` leads. */
  next(at: number, value: number): number {
    const known = this.locals.next(at, value);
    return known === 0 ? this.follow(at, value) : known;
  }

  /** Follows an edge that has not been met. */
  private follow(at: number, value: number): number {
    const to = this.made(at, value);
    this.locals.setNext(at, value, to);
    if (to <= at) this.hasCircles = true;
    this.edges++;
    return to;
  }

  /** Where a step leads that cannot be taken rightly. */
  nextBad(at: number): number {
    const known = this.bad.get(at);
    if (known !== undefined) return known;
    const to = this.made(at, BAD_VALUE);
    this.bad.set(at, to);
    this.edges++;
    return to;
  }

  private made(at: number, value: number): number {
    const { shared } = this;
    const to = this.recordOf(shared.next(this.locals.columns[at + LOCAL.node]!, value));
    this.note(shared.answers);
    return to;
  }

  private note(answers: readonly Answer[]): void {
    for (const [name, answer] of answers) this.answers.set(name, answer);
  }

  private recordOf(node: number): number {
    if (node >= this.known.length) {
      const wider = new Int32Array(2 * node);
      wider.set(this.known);
      this.known = wider;
    }
    const known = this.known[node]!;
    if (known !== 0) return known;
    const step = this.shared.step(node);
    const { kind, addr, a } = step;
    const word = kind < OP.done ? this.wordOf(addr) : 0;
    this.width = Math.max(this.width, word + 1);
    if (kind === OP.waitUntil) this.awaited.set(word, null);
    else if (kind === OP.waitWhile) {
      const values = this.awaited.get(word);
      if (values === undefined) this.awaited.set(word, new Set([a]));
      else values?.add(a);
    }
    const record = this.locals.add(step, word, this.records.length, node);
    this.records.push(record);
    return (this.known[node] = record);
  }

  /**
   * Makes the sets anew if edges have been met since. Says whether that changed what is known of a
   * local state that was there before; those that were not have been taken to touch everything.
   */
  settle(): boolean {
    const { columns } = this.locals;
    for (const at of this.records) columns[at + LOCAL.aheadCount] = 0;
    if (this.settled === this.edges) return false;
    this.settled = this.edges;
    let isChanged = this.sets.close(this.width);
    for (const values of this.fixed.values()) {
      for (const sets of values.values()) if (sets.close(this.width)) isChanged = true;
    }
    return isChanged;
  }

  /** What may be touched as long as a word keeps a value. */
  setsWhile(word: number, value: number): Sets {
    const awaited = this.awaited.get(word);
    // It never waits because of this value: then all of it may be touched.
    if (awaited !== null && awaited?.has(value) !== true) return this.sets;
    let values = this.fixed.get(word);
    if (values === undefined) {
      values = new Map();
      this.fixed.set(word, values);
    }
    let sets = values.get(value);
    if (sets === undefined) {
      sets = new Sets(this, { word, value });
      sets.close(this.width);
      values.set(value, sets);
    }
    return sets;
  }
}
