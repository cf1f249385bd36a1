// One thread of a program as a finite automaton that grows as it is explored. A node is a local
// state with the step it wants to take; an edge is the value that the step got back. The thread's
// code runs only when an edge is followed for the first time; after that a step of the search is a
// few array reads. Nodes with equal keys at loop heads are one node, so that a spin is a cycle.
// Every engine steps through this file.
import { EndlessLoop, failStep, TooManyRounds } from "../runtime.js";
import { PacketpathError } from "../../base/errors.js";
import { NODE, NODE_SHIFT } from "./node.js";
import { type NodeTable, NOT_HELD } from "./node-table.js";
import type { Answer } from "./questions.js";
import { type Frames, OP, type Step, type ThreadCode } from "../types.js";

/** Not a 32-bit value: the edge of a step that cannot be taken rightly (unlock without lock). */
export const BAD_VALUE = 2 ** 40;

/** Where an automaton keeps its nodes, and whose they are. */
interface Home {
  readonly table: NodeTable;
  readonly thread: number;
}

export class Automaton {
  /** The node that the thread starts at; nodes of all automata of a table are numbered together. */
  readonly start: number;
  private readonly table: NodeTable;
  private readonly thread: number;
  private readonly parent = new Map<number, number>();
  private readonly parentValue = new Map<number, number>();
  private readonly depth = new Map<number, number>();
  private readonly byKey = new Map<string, number>();
  /** What the code was told on the edge by which a node was met first; nothing: not in here. */
  private readonly answers = new Map<number, readonly Answer[]>();
  private readonly code: ThreadCode;
  private readonly frames: Frames;
  private readonly maxDepth: number;
  /** The run that last made a node, kept so that going on from there needs no replay. */
  private live: { node: number; run: Generator<Step, unknown, number>; keys: string[] } | null =
    null;

  constructor(code: ThreadCode, frames: Frames, maxDepth: number, home: Home) {
    this.code = code;
    this.frames = frames;
    this.maxDepth = maxDepth;
    this.table = home.table;
    this.thread = home.thread;
    const run = code.start();
    this.useKeys([""]);
    this.forgetAsked();
    const step = this.resume(run, null);
    this.start = this.addNode(step, -1, 0);
    // A handler is at its start again after each run.
    if (this.frames.isReset && step.kind < OP.done) this.byKey.set(this.keyOf(step), this.start);
    this.live = { node: this.start, run, keys: this.frames.keys };
  }

  /** The step that each node wants to take. */
  get steps(): readonly Step[] {
    return this.table.steps;
  }

  /** The node that `value` leads to from `node`. */
  next(node: number, value: number): number {
    if (value === BAD_VALUE) return this.nextBad(node);
    const known = this.known(node, value);
    if (known !== 0) return known;
    const made = this.grow(node, value);
    this.keep(node, value, made);
    return made;
  }

  /** The same if somebody has kept it; else 0. */
  known(node: number, value: number): number {
    return this.table.next(node, value);
  }

  keep(node: number, value: number, next: number): void {
    this.table.setNext(node, value, next);
  }

  private nextBad(node: number): number {
    const at = (node << NODE_SHIFT) + NODE.bad;
    if (this.table.words[at] === 0) {
      const made = this.addNode(notHeld(this.steps[node]!), node, NOT_HELD);
      // Adding may have moved the words.
      this.table.words[at] = made;
    }
    return this.table.words[at]!;
  }

  /** Runs the code on from `node` with `value`; returns the node where it then stands. */
  grow(node: number, value: number): number {
    const from = this.steps[node] as Step;
    this.forgetAsked();
    if (from.kind === OP.unlock && value === NOT_HELD) {
      return this.addNode(notHeld(from), node, value);
    }
    if (this.depth.get(node)! >= this.maxDepth) {
      const message = `more than ${this.maxDepth} steps of one thread`;
      return this.addNode({ ...from, kind: OP.limit, message }, node, value);
    }
    const run = this.runAt(node);
    const step = this.resume(run, value);
    const isEnd = step.kind >= OP.done;
    const key = this.frames.isReset && !isEnd ? this.keyOf(step) : null;
    let made = key === null ? undefined : this.byKey.get(key);
    if (made === undefined) {
      made = this.addNode(step, node, value);
      if (key !== null) this.byKey.set(key, made);
    } else if (this.depth.get(made) !== this.depth.get(node)! + 1) this.table.isGraded = false;
    this.live = isEnd ? null : { node: made, run, keys: this.frames.keys };
    return made;
  }

  /** A run of the thread's code that stands at `node`. */
  private runAt(node: number): Generator<Step, unknown, number> {
    if (this.live !== null && this.live.node === node) {
      this.frames.keys = this.live.keys;
      return this.live.run;
    }
    const { questions, ahead } = this.frames;
    const way: number[] = [];
    for (let one = node; one !== this.start; one = this.parent.get(one)!) {
      way.push(one);
      ahead.push(this.parentValue.get(one)!);
    }
    const isAsked = this.answers.size > 0;
    const answers = isAsked
      ? [this.start, ...way.reverse()].flatMap((at) => this.answersOf(at))
      : [];
    questions?.repeat(answers);
    this.table.effort += ahead.length;
    const run = this.code.start();
    this.useKeys([""]);
    try {
      this.resume(run, null);
      // Values that the code does not take by itself.
      while (ahead.length > 0) this.resume(run, ahead.pop()!);
    } finally {
      ahead.length = 0;
    }
    return run;
  }

  /** What the code was told on the edge by which a node was met first. */
  answersOf(node: number): readonly Answer[] {
    return this.answers.get(node) ?? [];
  }

  private forgetAsked(): void {
    const { questions } = this.frames;
    if (questions !== undefined) questions.asked = [];
  }

  private keyOf(step: Step): string {
    return `${this.frames.keys.join("/")}|${step.kind},${step.addr},${step.a},${step.b}`;
  }

  private useKeys(keys: string[]): void {
    this.frames.keys = keys;
  }

  /** Runs the code to its next step. */
  private resume(run: Generator<Step, unknown, number>, value: number | null): Step {
    this.table.effort++;
    this.table.running = this.thread;
    // To clear an empty set makes a new one.
    if (this.frames.seen.size > 0) this.frames.seen.clear();
    this.frames.isReset = false;
    try {
      const { value: step, done } = value === null ? run.next() : run.next(value);
      if (done !== true) return step;
      return { kind: OP.done, addr: 0, a: 0, b: 0, site: -1, message: "" };
    } catch (error) {
      if (error instanceof EndlessLoop) return failStep("LOCKUP", error.message, error.site);
      if (error instanceof PacketpathError) throw error;
      const message = error instanceof Error ? error.message : String(error);
      if (!(error instanceof TooManyRounds)) return failStep("ASSERT", `threw ${message}`, -1);
      return { kind: OP.limit, addr: 0, a: 0, b: 0, site: -1, message };
    } finally {
      this.table.running = -1;
    }
  }

  private addNode(step: Step, parent: number, value: number): number {
    const node = this.table.add(step, this.thread);
    this.parent.set(node, parent);
    this.parentValue.set(node, value);
    this.depth.set(node, parent < 0 ? 0 : this.depth.get(parent)! + 1);
    const { asked = [] } = this.frames.questions ?? {};
    if (asked.length > 0) this.answers.set(node, asked);
    return node;
  }
}

function notHeld({ site }: Step): Step {
  return failStep("MISUSE", "unlock of a lock that this thread does not hold", site);
}
