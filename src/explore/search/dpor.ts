// Optimal dynamic partial order reduction: runs one execution of each Mazurkiewicz trace, with
// wakeup trees, without keeping states. After each complete execution its races are looked at; the
// reverse of each that no branch leads to yet becomes one. Blocking steps (locks, waits) race with
// whatever could have come after them, and a thread that is blocked at the end counts as wanting
// its step. Free choices are taken as soon as they are there, each outcome in its own branch.
import { nowMs } from "../../base/clock.js";
import type { TokenMove } from "../text/token.js";
import { OP, type Verdict } from "../types.js";
import type { Machine, Vector } from "./machine.js";
import { Execution } from "./execution.js";
import { HOW, isOpen, isOpenAt, NODE } from "./node-table.js";
import { choiceOf, conflict, doubled, Sequence, threadOf, WakeupTrees, whoOf } from "./wakeup.js";

export interface TraceBounds {
  readonly maxExecutions: number;
  readonly maxSteps: number;
  readonly maxSeconds: number;
  /** Where to begin instead of the program's start: executions with this beginning only. */
  readonly start?: Prefix;
  /** Called after each complete execution; its argument makes the list of the steps. */
  onExecution?(moves: () => TokenMove[]): void;
  /** Called with the first one that went wrong; the search may go on for long. */
  onBad?(moves: readonly TokenMove[]): void;
}

/** The beginning of executions. */
export interface Prefix {
  readonly moves: readonly TokenMove[];
  /** The state that they lead to. */
  readonly state: Vector;
  /** A bit per thread whose next step comes first in executions of other beginnings only. */
  readonly sleep: number;
}

export interface TraceResult {
  traces: number;
  /** Executions that end with a thread blocked. */
  blocked: number;
  executions: number;
  /** Runs given up because all they could do was known: none in programs without free choices. */
  redundant: number;
  bound: string | null;
  bad: { readonly moves: TokenMove[]; readonly end: Vector } | null;
}

/** Bits of a sleep set. */
const THREADS_MAX = 30;

export function exploreTraces(
  machine: Machine,
  bounds: TraceBounds,
  verdictOf: (end: Vector) => Verdict,
): TraceResult {
  const search = new TraceSearch(machine, bounds, verdictOf);
  if (machine.threads.length > THREADS_MAX) {
    search.result.bound = `more than ${THREADS_MAX} threads`;
  } else {
    search.run();
  }
  return search.result;
}

/** Events that there is room for at first. */
const DEPTH = 256;

class TraceSearch {
  readonly result: TraceResult = {
    traces: 0,
    blocked: 0,
    executions: 0,
    redundant: 0,
    bound: null,
    bad: null,
  };
  private readonly machine: Machine;
  private readonly bounds: TraceBounds;
  private readonly verdictOf: (end: Vector) => Verdict;
  private readonly endMs: number;
  private readonly execution: Execution;
  private readonly trees = new WakeupTrees();
  private readonly sequence = new Sequence();
  // By depth: the tree node that the execution is at; a bit per thread that sleeps there; what the
  // sleepers' steps would touch, in as many places as there are threads.
  private nodes = new Int32Array(DEPTH);
  private sleeps = new Int32Array(DEPTH);
  private dreams: Int32Array;
  /** Of those asleep, the ones that have been since the start of the prefix that was given. */
  private inherited = new Int32Array(DEPTH);
  /** Events before this one have been looked at for races. */
  private fresh = 0;
  /** The work of automata when the clock was last looked at. */
  private effort = 0;

  constructor(machine: Machine, bounds: TraceBounds, verdictOf: (end: Vector) => Verdict) {
    this.machine = machine;
    this.bounds = bounds;
    this.verdictOf = verdictOf;
    this.endMs = nowMs() + 1000 * bounds.maxSeconds;
    this.execution = new Execution(machine, bounds.start?.state ?? machine.initial());
    this.dreams = new Int32Array(DEPTH * machine.threads.length);
    this.inherited[0] = bounds.start?.sleep ?? 0;
    this.sleeps[0] = bounds.start?.sleep ?? 0;
    this.nodes[0] = this.trees.add(0, 0, 0);
  }

  /** Depth first: one step down while there is a branch, else one step back. */
  run(): void {
    const { execution, trees, result } = this;
    let isDown = true;
    for (;;) {
      const depth = execution.length;
      const node = this.nodes[depth]!;
      if (isDown && !this.arrive(depth, node)) isDown = false;
      else if (trees.first[node] === 0 || result.bound !== null) isDown = false;
      else {
        this.step(depth, trees.first[node]!);
        isDown = true;
        continue;
      }
      if (depth === 0) return;
      this.back(depth - 1);
    }
  }

  /** Prepares the branches of a point of the execution; false if it ends here. */
  private arrive(depth: number, node: number): boolean {
    const { result, trees, execution } = this;
    const { words } = this.machine.table;
    const sleep = this.sleeps[depth]!;
    let awake = -1;
    let living = 0;
    let enabled = 0;
    let chooser = -1;
    for (let t = 0; t < execution.threads; t++) {
      const at = execution.nodeOf(t);
      const how = words[at + NODE.how]!;
      if (how === HOW.end) {
        if (words[at + NODE.kind] !== OP.done) return this.fail(t);
        continue;
      }
      living++;
      if (how === HOW.guarded && !isOpen(words, at, execution.s)) continue;
      enabled++;
      if (awake < 0 && (sleep & (1 << t)) === 0) awake = t;
      if (chooser < 0 && words[at + NODE.kind] === OP.choose) chooser = t;
    }
    if (enabled === 0) return this.finish(living === 0);
    if (chooser >= 0) this.addOutcomes(node, chooser);
    else if (trees.first[node] === 0 && awake >= 0) {
      trees.add(node, whoOf(awake, -1), execution.nextWhat(awake));
    }
    if (depth >= this.bounds.maxSteps) {
      result.bound = `${this.bounds.maxSteps} steps of one execution`;
      return false;
    }
    if (trees.first[node] !== 0) return true;
    // Its events may still be in races that no complete execution will show.
    result.redundant++;
    this.reverseAll();
    return false;
  }

  /** A branch for each outcome of a thread's free choice. */
  private addOutcomes(node: number, thread: number): void {
    const { trees, machine, execution } = this;
    const outcomes = machine.choices(execution.s, thread);
    for (let choice = 0; choice < outcomes; choice++) {
      const who = whoOf(thread, choice);
      if (trees.child(node, who) === 0) trees.add(node, who, 0);
    }
  }

  /** Takes the step of a branch; who sleeps stays asleep while nothing conflicts with its step. */
  private step(depth: number, child: number): void {
    const { execution } = this;
    const { threads } = execution;
    const who = this.trees.who[child]!;
    const thread = threadOf(who);
    const what = choiceOf(who) >= 0 ? 0 : execution.nextWhat(thread);
    let sleep = 0;
    const sleepers = this.sleeps[depth]!;
    for (let t = 0; sleepers >> t !== 0; t++) {
      if ((sleepers & (1 << t)) === 0) continue;
      const dream = execution.nextWhat(t);
      this.dreams[depth * threads + t] = dream;
      if (t !== thread && !conflict(dream, what)) sleep |= 1 << t;
    }
    if (depth < this.fresh) this.fresh = depth;
    if (depth + 1 === this.nodes.length) this.grow();
    execution.take(who);
    this.sleeps[depth + 1] = sleep;
    this.inherited[depth + 1] = sleep & this.inherited[depth]!;
    this.nodes[depth + 1] = child;
    const { effort } = this.machine.table;
    if (effort - this.effort < EFFORT_MAX) return;
    this.effort = effort;
    this.lookAtClock();
  }

  private grow(): void {
    this.nodes = doubled(this.nodes);
    this.sleeps = doubled(this.sleeps);
    this.inherited = doubled(this.inherited);
    this.dreams = doubled(this.dreams);
  }

  /** Takes back the step at a depth, whose branch is done with. */
  private back(depth: number): void {
    const { trees, execution } = this;
    const node = this.nodes[depth]!;
    const who = trees.who[trees.first[node]!]!;
    execution.undo();
    trees.removeFirst(node);
    // A thread falls asleep after the last outcome of its choice.
    if (choiceOf(who) >= 0) {
      for (let one = trees.first[node]!; one !== 0; one = trees.next[one]!) {
        if (threadOf(trees.who[one]!) === threadOf(who)) return;
      }
    }
    this.sleeps[depth]! |= 1 << threadOf(who);
  }

  /** A thread has failed or met a bound. Always false: the execution ends here. */
  private fail(thread: number): boolean {
    const { machine, result, execution } = this;
    if (machine.isBound(execution.s, thread)) {
      result.bound = machine.stepOf(execution.s, thread).message;
      return false;
    }
    result.executions++;
    result.bound = "first failure";
    this.keepBad();
    this.bounds.onExecution?.(() => this.moves());
    return false;
  }

  private keepBad(): void {
    if (this.result.bad !== null) return;
    this.result.bad = { moves: this.moves(), end: this.execution.s.slice() };
    this.bounds.onBad?.(this.result.bad.moves);
  }

  private moves(): TokenMove[] {
    return [...(this.bounds.start?.moves ?? []), ...this.execution.moves()];
  }

  /** A complete execution: counts it and makes branches of its races. Always false, as above. */
  private finish(haveReturned: boolean): boolean {
    const { machine, result, bounds, execution } = this;
    result.executions++;
    const isDone = haveReturned || machine.isDone(execution.s);
    if (isDone) result.traces++;
    else result.blocked++;
    if (bounds.onExecution !== undefined) bounds.onExecution(() => this.moves());
    const isSafe = isDone && machine.finalStart === 0;
    if (!isSafe && result.bad === null && this.verdictOf(execution.s) !== "SAFE") this.keepBad();
    this.reverseAll();
    if (result.executions >= bounds.maxExecutions) result.bound = `${result.executions} executions`;
    if ((result.executions & 0xff) === 0) this.lookAtClock();
    return false;
  }

  private lookAtClock(): void {
    if (nowMs() > this.endMs) this.result.bound = `${this.bounds.maxSeconds} s`;
  }

  /** The races of events that no execution before had, and of threads that are blocked now. */
  private reverseAll(): void {
    const { execution, fresh } = this;
    for (let j = fresh; j < execution.length; j++) this.reverseRaces(j);
    this.fresh = execution.length;
    const { words } = this.machine.table;
    for (let t = 0; t < execution.threads; t++) {
      const isWaiting = words[execution.nodeOf(t) + NODE.how] === HOW.guarded;
      if (isWaiting && !execution.isEnabled(t)) this.reversePending(t);
    }
  }

  /**
   * Makes a branch of each race that ends in event j. A step that can block races with whatever
   * could have come after it; any other with the last events that it conflicts with.
   */
  private reverseRaces(j: number): void {
    const { execution } = this;
    const { what, who, sameCell, node } = execution;
    if (what[j] === 0) return;
    const isBlocking = this.machine.table.words[node[j]! + NODE.how] === HOW.guarded;
    const isWrite = (what[j]! & 1) === 1;
    const thread = threadOf(who[j]!);
    const before = execution.sameThread[j]!;
    for (let i = sameCell[j]!; i >= 0; i = sameCell[i]!) {
      const isOtherWrite = (what[i]! & 1) === 1;
      const isRace = (isWrite || isOtherWrite) && (who[i]! & 0xff) !== thread;
      if (isRace && !execution.isBefore(i, before) && (isBlocking || !this.hasBetween(i, j))) {
        this.reverse(i, thread, node[j]!);
      }
      if (isOtherWrite && !isBlocking) return;
    }
  }

  /** Whether an event that j comes right after comes after event i. */
  private hasBetween(i: number, j: number): boolean {
    const { execution } = this;
    const { what, sameCell } = execution;
    const isWrite = (what[j]! & 1) === 1;
    for (let k = sameCell[j]!; k > i; k = sameCell[k]!) {
      const isOtherWrite = (what[k]! & 1) === 1;
      if ((isWrite || isOtherWrite) && execution.isBefore(i, k)) return true;
      if (isOtherWrite) return false;
    }
    return false;
  }

  /** A thread that is blocked at the end might have gone on earlier. */
  private reversePending(thread: number): void {
    const { execution } = this;
    const { words } = this.machine.table;
    const node = execution.nodeOf(thread);
    const before = execution.lastOfThread[thread]!;
    const last = execution.lastOfCell[words[node + NODE.addr]!]!;
    for (let i = last; i >= 0; i = execution.sameCell[i]!) {
      if ((execution.what[i]! & 1) === 0 || threadOf(execution.who[i]!) === thread) continue;
      if (!execution.isBefore(i, before)) this.reverse(i, thread, node);
    }
  }

  /** Makes a branch, before event i, in which `thread` takes its step without event i. */
  private reverse(i: number, thread: number, node: number): void {
    const { execution, sequence, machine } = this;
    const { who, what, old, length, threads, clocks } = execution;
    // All else that touches the cell comes after event i and is left out with it.
    const value = old[i]!;
    const { words } = machine.table;
    if (words[node + NODE.how] === HOW.guarded && !isOpenAt(words, node, value)) return;
    sequence.length = 0;
    const first = who[i]! & 0xff;
    const own = clocks[i * threads + first]!;
    for (let k = i + 1; k < length; k++) {
      if (clocks[k * threads + first]! < own) sequence.push(who[k]!, what[k]!);
    }
    sequence.push(whoOf(thread, -1), execution.whatAt(node, value));
    // Without event i the step may no longer conflict with it (a compare-and-exchange that fails
    // now): then nothing is reversed.
    if (sequence.weakInitial(who[i]!, what[i]!) !== -2) return;
    const sleep = this.sleeps[i]!;
    for (let t = 0; sleep >> t !== 0; t++) {
      if ((sleep & (1 << t)) === 0) continue;
      const at = sequence.weakInitial(whoOf(t, -1), this.dreams[i * threads + t]!);
      // If a thread that sleeps since the start does not occur, something may wake it further on,
      // and no execution that begins with its step has been here to plan for that.
      const isElsewhere = at >= 0 || (this.inherited[i]! & (1 << t)) === 0;
      if (at !== -2 && isElsewhere) return;
    }
    this.trees.insert(this.nodes[i]!, sequence);
  }
}

/** Runs of threads' code after which the clock is looked at. */
const EFFORT_MAX = 200;
