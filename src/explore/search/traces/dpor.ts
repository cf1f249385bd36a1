// Optimal dynamic partial order reduction: runs one execution of each Mazurkiewicz trace, with
// wakeup trees, without keeping states. After each complete execution its races are looked at; the
// reverse of each that no branch leads to yet becomes one. Blocking steps (locks, waits) race with
// whatever could have come after them, and a thread that is blocked at the end counts as wanting
// its step. Free choices are taken as soon as they are there, each outcome in its own branch.
import { nowMs } from "../../../base/clock.js";
import type { TokenMove } from "../../text/token.js";
import type { Verdict } from "../../types.js";
import type { Machine, Vector } from "../machine.js";
import { firstOf } from "../bits.js";
import { conflict } from "../node.js";
import { Execution, type Frame, isBefore } from "./execution.js";
import type { Place } from "./places.js";
import {
  type Branch,
  branchOf,
  choiceOf,
  Sequence,
  threadOf,
  WakeupTrees,
  whoOf,
} from "./wakeup.js";

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
  private readonly maxSteps: number;
  private readonly execution: Execution;
  private readonly trees = new WakeupTrees();
  private readonly sequence = new Sequence();
  /** Events before this one have been looked at for races. */
  private fresh: Frame;
  /** The work of automata when the clock was last looked at. */
  private effort = 0;

  constructor(machine: Machine, bounds: TraceBounds, verdictOf: (end: Vector) => Verdict) {
    this.machine = machine;
    this.bounds = bounds;
    this.verdictOf = verdictOf;
    this.maxSteps = bounds.maxSteps;
    this.endMs = nowMs() + 1000 * bounds.maxSeconds;
    const { state = machine.initial(), sleep = 0 } = bounds.start ?? {};
    this.execution = new Execution(machine, state, sleep);
    this.fresh = this.execution.start;
  }

  /** Depth first: one step down while there is a branch, else one step back. */
  run(): void {
    const { execution, result } = this;
    let isOver = !this.arrive(execution.top);
    for (;;) {
      const { top } = execution;
      if (!isOver && result.bound === null) isOver = !this.arrive(this.step(top));
      else if (top === execution.start) return;
      else isOver = !this.back();
    }
  }

  /** Says who takes the step at a new point of the execution; false if it ends here. */
  private arrive(top: Frame): boolean {
    const { result, trees, execution } = this;
    const { branch } = top;
    if (execution.failed >= 0) return this.fail(execution.failed);
    const enabled = execution.enabled();
    if (enabled === 0) return this.finish(top.living === 0);
    if (top.depth >= this.maxSteps) {
      result.bound = `${this.maxSteps} steps of one execution`;
      return false;
    }
    if (top.choosing !== 0) this.addOutcomes(branch, firstOf(top.choosing));
    const below = execution.after(top).branch;
    if (branch.first !== null) {
      top.who = trees.takeFirst(branch, below);
      return true;
    }
    const awake = enabled & ~top.asleep;
    if (awake !== 0) {
      top.who = whoOf(firstOf(awake), -1);
      below.first = null;
      return true;
    }
    // Its events may still be in races that no complete execution will show.
    result.redundant++;
    this.reverseAll();
    return false;
  }

  /** A branch for each outcome of a thread's free choice. */
  private addOutcomes(parent: Branch, thread: number): void {
    const { trees, machine, execution } = this;
    const outcomes = machine.choices(execution.state(), thread);
    for (let choice = 0; choice < outcomes; choice++) {
      const who = whoOf(thread, choice);
      if (branchOf(parent, (other) => other === who) === null) trees.add(parent, who, 0);
    }
  }

  /** Takes the step that a point wants; who sleeps goes on while nothing conflicts with it. */
  private step(top: Frame): Frame {
    if (top.depth < this.fresh.depth) this.fresh = top;
    const to = this.execution.take();
    const { what } = top;
    let asleep = top.asleep & ~(1 << threadOf(top.who));
    for (let left = asleep; left !== 0; left &= left - 1) {
      const sleeper = firstOf(left);
      const dream = top.dreams[sleeper]!;
      if (conflict(dream, what)) asleep ^= 1 << sleeper;
      else to.dreams[sleeper] = dream;
    }
    to.asleep = asleep;
    to.inherited = asleep & top.inherited;
    const { effort } = this.machine.table;
    if (effort - this.effort >= EFFORT_MAX) {
      this.effort = effort;
      this.lookAtClock();
    }
    return to;
  }

  /** Takes the last step back, whose branch is done with; whether there is another one. */
  private back(): boolean {
    const top = this.execution.undo();
    const { who, branch } = top;
    const thread = threadOf(who);
    // A thread falls asleep after the last outcome of its choice.
    if (choiceOf(who) < 0 || !hasBranchOf(branch, thread)) {
      top.asleep |= 1 << thread;
      top.dreams[thread] = top.what;
    }
    if (branch.first === null) return false;
    top.who = this.trees.takeFirst(branch, top.next.branch);
    return true;
  }

  /** A thread has failed or met a bound. Always false: the execution ends here. */
  private fail(thread: number): boolean {
    const { machine, result, execution } = this;
    if (machine.isBound(execution.state(), thread)) {
      result.bound = machine.stepOf(execution.state(), thread).message;
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
    this.result.bad = { moves: this.moves(), end: this.execution.state().slice() };
    this.bounds.onBad?.(this.result.bad.moves);
  }

  private moves(): TokenMove[] {
    return [...(this.bounds.start?.moves ?? []), ...this.execution.moves()];
  }

  /** A complete execution: counts it and makes branches of its races. Always false, as above. */
  private finish(haveReturned: boolean): boolean {
    const { machine, result, bounds, execution } = this;
    result.executions++;
    const isDone = haveReturned || machine.isDone(execution.state());
    if (isDone) result.traces++;
    else result.blocked++;
    if (bounds.onExecution !== undefined) bounds.onExecution(() => this.moves());
    const isSafe = isDone && machine.finalStart === 0;
    if (!isSafe && result.bad === null && this.verdictOf(execution.state()) !== "SAFE")
      this.keepBad();
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
    const { execution } = this;
    const { top } = execution;
    for (let j = this.fresh; j !== top; j = j.next) this.reverseRaces(j);
    this.fresh = top;
    if (top.living === 0) return;
    const blocked = top.living & ~execution.enabled();
    for (let left = blocked; left !== 0; left &= left - 1) this.reversePending(firstOf(left));
  }

  /** Makes a branch of each race that ends in event j. */
  private reverseRaces(j: Frame): void {
    const thread = threadOf(j.who);
    if (((j.guarded >> thread) & 1) === 1) return this.reverseBlocking(j, thread);
    for (let left = j.racers; left !== 0; left &= left - 1) {
      this.reverse(this.execution.frames[j.clock[firstOf(left)]!]!, thread, j.from);
    }
  }

  /** A step that can block races with whatever could have come after it. */
  private reverseBlocking(j: Frame, thread: number): void {
    const { what, from, sameThread } = j;
    for (let i = j.sameCell; i !== this.execution.nothing; i = i.sameCell) {
      const isRace = conflict(i.what, what) && threadOf(i.who) !== thread;
      if (isRace && !isBefore(i, sameThread)) this.reverseOpen(i, thread, from);
    }
  }

  /** A thread that is blocked at the end might have gone on earlier. */
  private reversePending(thread: number): void {
    const { execution } = this;
    const place = execution.placeOf(thread);
    const before = execution.lastOf(thread);
    for (let i = execution.lastOn(place.addr); i !== execution.nothing; i = i.sameCell) {
      const isOther = (i.what & 1) === 1 && threadOf(i.who) !== thread;
      if (isOther && !isBefore(i, before)) this.reverseOpen(i, thread, place);
    }
  }

  /** The same as `reverse` if a step that can block could be taken without event i. */
  private reverseOpen(i: Frame, thread: number, place: Place): void {
    if (this.execution.isOpen(place, i.old)) this.reverse(i, thread, place);
  }

  /** Makes a branch, before event i, in which `thread` takes its step without event i. */
  private reverse(i: Frame, thread: number, place: Place): void {
    // All else that touches the cell comes after event i and is left out with it.
    if (!this.gather(i, whoOf(thread, -1), place.whatWith(i.old))) return;
    this.trees.insert(i.branch, this.sequence);
  }

  /**
   * Makes the sequence of the events that do not come after event i, and of a last one. False if
   * one who sleeps at i could come first in it: then it has been explored.
   */
  private gather(i: Frame, lastWho: number, lastWhat: number): boolean {
    const { sequence } = this;
    const { top } = this.execution;
    const { depth } = i;
    const thread = threadOf(i.who);
    let { asleep } = i;
    sequence.length = 0;
    // Threads with events that may not come after event i: from a thread's first on, all do.
    let open = i.living & ~(1 << thread);
    for (let k = i.next; k !== top && open !== 0; k = k.next) {
      const { who, what, clock } = k;
      const bit = 1 << threadOf(who);
      if ((open & bit) === 0) continue;
      if (clock[thread]! >= depth) open ^= bit;
      else {
        asleep = this.append(who, what, i.dreams, asleep);
        if (asleep < 0) return false;
      }
    }
    asleep = this.append(lastWho, lastWhat, i.dreams, asleep);
    // If a thread that sleeps since the start does not occur, something may wake it further on,
    // and no execution that begins with its step has been here to plan for that.
    return (asleep & ~i.inherited) === 0;
  }

  /**
   * Adds an event to the sequence. Of the threads that sleep, returns those that may still come
   * first in it; -1 if one of them does.
   */
  private append(who: number, what: number, dreams: readonly number[], asleep: number): number {
    this.sequence.push(who, what);
    let still = asleep;
    for (let left = asleep; left !== 0; left &= left - 1) {
      const sleeper = firstOf(left);
      if (who === whoOf(sleeper, -1)) return -1;
      const isLater = threadOf(who) === sleeper || conflict(dreams[sleeper]!, what);
      if (isLater) still ^= 1 << sleeper;
    }
    return still;
  }
}

/**
 * Whether a thread's step is among the branches of a point. Apart from who asks: a function with a
 * closure in it takes memory at each call for what the closure holds.
 */
function hasBranchOf(parent: Branch, thread: number): boolean {
  return branchOf(parent, (other) => threadOf(other) === thread) !== null;
}

/** Runs of threads' code after which the clock is looked at. */
const EFFORT_MAX = 200;
