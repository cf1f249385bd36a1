// Optimal dynamic partial order reduction: runs one execution of each Mazurkiewicz trace, with
// wakeup trees, without keeping states. After each complete execution its races are looked at; the
// reverse of each that no branch leads to yet becomes one. Blocking steps (locks, waits) race with
// whatever could have come after them, and a thread that is blocked at the end counts as wanting
// its step. Free choices are taken as soon as they are there, each outcome in its own branch.
import { nowMs } from "../../../base/clock.js";
import type { TokenMove } from "../../text/token.js";
import type { Verdict } from "../../types.js";
import type { Machine, Vector } from "../machine.js";
import { Execution, firstOf, type Frame, isBefore } from "./execution.js";
import { conflict, HOW, NODE } from "../node.js";
import { isOpenAt } from "../node-table.js";
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
    this.endMs = nowMs() + 1000 * bounds.maxSeconds;
    const { state = machine.initial(), sleep = 0 } = bounds.start ?? {};
    this.execution = new Execution(machine, state);
    this.fresh = this.execution.start;
    this.execution.start.asleep = sleep;
    this.execution.start.inherited = sleep;
  }

  /** Depth first: one step down while there is a branch, else one step back. */
  run(): void {
    const { execution, result } = this;
    for (let isNew = true; ;) {
      const { top } = execution;
      const isOver: boolean = (isNew && !this.arrive(top)) || result.bound !== null;
      const next: Branch | null = isOver ? null : top.branch.first;
      isNew = next !== null;
      if (next !== null) this.step(top, next);
      else if (top === execution.start) return;
      else this.back();
    }
  }

  /** Prepares the branches of a new point of the execution; false if it ends here. */
  private arrive(top: Frame): boolean {
    const { result, trees, execution } = this;
    const { branch } = top;
    if (execution.failed >= 0) return this.fail(execution.failed);
    const enabled = execution.enabled();
    if (enabled === 0) return this.finish(top.living === 0);
    const awake = enabled & ~top.asleep;
    if (top.choosing !== 0) this.addOutcomes(branch, firstOf(top.choosing));
    else if (awake !== 0 && branch.first === null) {
      const thread = firstOf(awake);
      trees.add(branch, whoOf(thread, -1), execution.nextWhat(thread));
    }
    if (top.depth >= this.bounds.maxSteps) {
      result.bound = `${this.bounds.maxSteps} steps of one execution`;
      return false;
    }
    if (branch.first !== null) return true;
    // Its events may still be in races that no complete execution will show.
    result.redundant++;
    this.reverseAll();
    return false;
  }

  /** A branch for each outcome of a thread's free choice. */
  private addOutcomes(parent: Branch, thread: number): void {
    const { trees, machine, execution } = this;
    const outcomes = machine.choices(execution.s, thread);
    for (let choice = 0; choice < outcomes; choice++) {
      const who = whoOf(thread, choice);
      if (branchOf(parent, (other) => other === who) === null) trees.add(parent, who, 0);
    }
  }

  /** Takes the step of a branch; who sleeps stays asleep while nothing conflicts with its step. */
  private step(top: Frame, branch: Branch): void {
    const { execution } = this;
    const { who } = branch;
    const thread = threadOf(who);
    const what = execution.nextWhat(thread);
    let { asleep } = top;
    for (let left = asleep; left !== 0; left &= left - 1) {
      const sleeper = firstOf(left);
      const dream = execution.nextWhat(sleeper);
      top.dreams[sleeper] = dream;
      if (sleeper === thread || conflict(dream, what)) asleep &= ~(1 << sleeper);
    }
    if (top.depth < this.fresh.depth) this.fresh = top;
    const to = execution.take(who, what);
    to.branch = branch;
    to.asleep = asleep;
    to.inherited = asleep & top.inherited;
    const { effort } = this.machine.table;
    if (effort - this.effort < EFFORT_MAX) return;
    this.effort = effort;
    this.lookAtClock();
  }

  /** Takes the last step back, whose branch is done with. */
  private back(): void {
    const top = this.execution.undo();
    const { who, branch } = top;
    const thread = threadOf(who);
    this.trees.removeFirst(branch);
    // A thread falls asleep after the last outcome of its choice.
    const isChoice = choiceOf(who) >= 0;
    if (isChoice && branchOf(branch, (other) => threadOf(other) === thread) !== null) return;
    top.asleep |= 1 << thread;
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
    const { execution } = this;
    const { top } = execution;
    for (let j = this.fresh; j !== top; j = j.next!) this.reverseRaces(j);
    this.fresh = top;
    if (top.living === 0) return;
    const blocked = top.living & ~execution.enabled();
    for (let left = blocked; left !== 0; left &= left - 1) this.reversePending(firstOf(left));
  }

  /**
   * Makes a branch of each race that ends in event j. A step that can block races with whatever
   * could have come after it; any other with the last events that it conflicts with.
   */
  private reverseRaces(j: Frame): void {
    const { what, node, sameThread } = j;
    if (what === 0) return;
    const isBlocking = this.machine.table.words[node + NODE.how] === HOW.guarded;
    const thread = threadOf(j.who);
    for (let i = j.sameCell; i !== null; i = i.sameCell) {
      const isRace = conflict(i.what, what) && threadOf(i.who) !== thread;
      if (isRace && !isBefore(i, sameThread) && (isBlocking || !hasBetween(i, j))) {
        this.reverse(i, thread, node);
      }
      if ((i.what & 1) === 1 && !isBlocking) return;
    }
  }

  /** A thread that is blocked at the end might have gone on earlier. */
  private reversePending(thread: number): void {
    const { execution, machine } = this;
    const node = execution.nodeOf(thread);
    const before = execution.lastOf(thread);
    const last = execution.lastOn(machine.table.words[node + NODE.addr]!);
    for (let i = last; i !== null; i = i.sameCell) {
      const isOther = (i.what & 1) === 1 && threadOf(i.who) !== thread;
      if (isOther && !isBefore(i, before)) this.reverse(i, thread, node);
    }
  }

  /** Makes a branch, before event i, in which `thread` takes its step without event i. */
  private reverse(i: Frame, thread: number, node: number): void {
    // All else that touches the cell comes after event i and is left out with it.
    const { old } = i;
    const { words } = this.machine.table;
    if (words[node + NODE.how] === HOW.guarded && !isOpenAt(words, node, old)) return;
    const what = this.execution.whatAt(node, old);
    if (this.gather(i, whoOf(thread, -1), what)) this.trees.insert(i.branch, this.sequence);
  }

  /**
   * Makes the sequence of the events that do not come after event i, and of a last one. False if
   * one who sleeps at i could come first in it: then it has been explored.
   */
  private gather(i: Frame, lastWho: number, lastWhat: number): boolean {
    const { sequence } = this;
    const { top } = this.execution;
    const { dreams, depth } = i;
    const thread = threadOf(i.who);
    let { asleep } = i;
    sequence.length = 0;
    for (let k = i.next!; ; k = k.next!) {
      const isLast = k === top;
      if (!isLast && k.clock[thread]! >= depth) continue;
      const who = isLast ? lastWho : k.who;
      const what = isLast ? lastWhat : k.what;
      sequence.push(who, what);
      for (let left = asleep; left !== 0; left &= left - 1) {
        const sleeper = firstOf(left);
        if (who === whoOf(sleeper, -1)) return false;
        const isLater = threadOf(who) === sleeper || conflict(dreams[sleeper]!, what);
        if (isLater) asleep &= ~(1 << sleeper);
      }
      // If a thread that sleeps since the start does not occur, something may wake it further on,
      // and no execution that begins with its step has been here to plan for that.
      if (isLast) return (asleep & ~i.inherited) === 0;
    }
  }
}

/** Whether an event that j comes right after comes after event i. */
function hasBetween(i: Frame, j: Frame): boolean {
  for (let k = j.sameCell; k !== null && k !== i; k = k.sameCell) {
    if (conflict(k.what, j.what) && isBefore(i, k)) return true;
    if ((k.what & 1) === 1) return false;
  }
  return false;
}

/** Runs of threads' code after which the clock is looked at. */
const EFFORT_MAX = 200;
