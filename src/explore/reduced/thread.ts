// One thread of one case: the local states and edges of its automaton that the case has met, in the
// order in which it met them. What earlier cases had met is not in here, so that a case is searched
// in the same way whatever was searched before it. One owner, the case's machine.
import type { Answer } from "../search/questions.js";
import { OP, type Step, type ThreadCode } from "../types.js";
import { type LocalGraph, Sets } from "./sets.js";
import type { SharedThread } from "./shared-thread.js";

/** The local state that a thread begins in; 0 is none. */
export const START = 1;

export class SystemThread implements LocalGraph {
  // By local state.
  readonly kinds: number[] = [OP.done];
  readonly words: number[] = [0];
  readonly as: number[] = [0];
  readonly bs: number[] = [0];
  readonly firstValues: number[] = [0];
  readonly firstNodes: number[] = [0];
  readonly others: (number[] | undefined)[] = [undefined];
  hasCircles = false;
  /** Where loads of words that nobody writes lead, and how many these are; the machine's. */
  readonly aheadNodes: number[] = [0];
  readonly aheadCounts: number[] = [0];
  /** What may be touched, whatever the others do. */
  readonly sets = new Sets(null);
  /** Words that it waits on, each with the values that it waits to go away, or all (null). */
  readonly awaited = new Map<number, Set<number> | null>();
  /** What its code was told by the case. */
  readonly answers = new Map<string, unknown>();
  private readonly shared: SharedThread;
  /** The word of a state that a step's slot stands for. */
  private readonly wordOf: (slot: number) => number;
  /** The automaton's nodes by local state, and the other way round. */
  private readonly nodes: number[] = [0];
  private locals: Int32Array;
  /** Edges met so far, and those that the sets know of. */
  private edges = 0;
  private settled = -1;
  /** Words of a state, as far as this thread touches them. */
  private width = 1;
  private readonly fixed = new Map<number, Map<number, Sets>>();
  /** The last answer of `setsWhile`. */
  private lastWord = 0;
  private lastValue = 0;
  private last = this.sets;

  constructor(shared: SharedThread, wordOf: (slot: number) => number) {
    this.shared = shared;
    this.wordOf = wordOf;
    this.locals = new Int32Array(shared.count + 64);
    this.note(shared.firstAnswers);
    this.localOf(shared.start);
  }

  get code(): ThreadCode {
    return this.shared.code;
  }

  step(node: number): Step {
    return this.shared.step(this.nodes[node]!);
  }

  /** The steps of all local states that were met. */
  steps(): Step[] {
    return this.nodes.slice(START).map((node) => this.shared.step(node));
  }

  /** Where a step that got `value` leads. */
  next(node: number, value: number): number {
    const first = this.firstNodes[node]!;
    if (first !== 0 && this.firstValues[node] === value) return first;
    const more = this.others[node];
    if (more !== undefined) {
      for (let i = 0; i < more.length; i += 2) if (more[i] === value) return more[i + 1]!;
    }
    return this.follow(node, value);
  }

  private follow(node: number, value: number): number {
    const { shared } = this;
    const to = this.localOf(shared.next(this.nodes[node]!, value));
    this.note(shared.answers);
    const more = this.others[node];
    if (this.firstNodes[node] === 0) {
      this.firstValues[node] = value;
      this.firstNodes[node] = to;
    } else if (more === undefined) this.others[node] = [value, to];
    else more.push(value, to);
    if (to <= node) this.hasCircles = true;
    this.edges++;
    return to;
  }

  private note(answers: readonly Answer[]): void {
    for (const [name, answer] of answers) this.answers.set(name, answer);
  }

  private localOf(node: number): number {
    if (node >= this.locals.length) {
      const wider = new Int32Array(2 * node);
      wider.set(this.locals);
      this.locals = wider;
    }
    const known = this.locals[node]!;
    if (known !== 0) return known;
    const { kind, addr, a, b } = this.shared.step(node);
    const word = kind < OP.done ? this.wordOf(addr) : 0;
    this.kinds.push(kind);
    this.words.push(word);
    this.width = Math.max(this.width, word + 1);
    this.as.push(a);
    this.bs.push(b);
    this.firstValues.push(0);
    this.firstNodes.push(0);
    this.others.push(undefined);
    this.aheadNodes.push(0);
    this.aheadCounts.push(0);
    if (kind === OP.waitUntil) this.awaited.set(word, null);
    else if (kind === OP.waitWhile) {
      const values = this.awaited.get(word);
      if (values === undefined) this.awaited.set(word, new Set([a]));
      else values?.add(a);
    }
    return (this.locals[node] = this.nodes.push(node) - 1);
  }

  /**
   * Makes the sets anew if edges have been met since. Says whether that changed what is known of a
   * local state that was there before; those that were not have been taken to touch everything.
   */
  settle(): boolean {
    this.aheadCounts.fill(0);
    if (this.settled === this.edges) return false;
    this.lastWord = 0;
    this.settled = this.edges;
    let isChanged = this.sets.close(this, this.width);
    for (const values of this.fixed.values()) {
      for (const sets of values.values()) if (sets.close(this, this.width)) isChanged = true;
    }
    return isChanged;
  }

  /** What may be touched as long as a word keeps a value. */
  setsWhile(word: number, value: number): Sets {
    if (this.lastWord === word && this.lastValue === value) return this.last;
    this.lastWord = word;
    this.lastValue = value;
    this.last = this.fixedSets(word, value);
    return this.last;
  }

  private fixedSets(word: number, value: number): Sets {
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
      sets = new Sets({ word, value });
      sets.close(this, this.width);
      values.set(value, sets);
    }
    return sets;
  }
}
