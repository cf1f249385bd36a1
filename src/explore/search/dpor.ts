// Optimal dynamic partial order reduction: runs one execution of each Mazurkiewicz trace, with
// wakeup trees, without keeping states. After each complete execution its races are looked at; the
// reverse of each that no branch leads to yet becomes one. Blocking steps (locks, waits) race with
// whatever could have come after them, and a thread that is blocked at the end counts as wanting
// its step. Free choices are taken as soon as they are there, each outcome in its own branch.
import { nowMs } from "../../base/clock.js";
import type { TokenMove } from "../text/token.js";
import { OP, type Verdict } from "../types.js";
import type { Machine, Vector } from "./machine.js";
import { type Branch, conflict, type Event, insert, weakInitial } from "./wakeup.js";

export interface TraceBounds {
  readonly maxExecutions: number;
  readonly maxSteps: number;
  readonly maxSeconds: number;
  /** Where to begin instead of the program's start: executions with this beginning only. */
  readonly start?: Prefix;
  /** Called after each complete execution; its argument makes the list of the steps. */
  onExecution?(moves: () => TokenMove[]): void;
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
    search.visit(0, bounds.start?.sleep ?? 0, { event: NO_EVENT, children: [] });
  }
  return search.result;
}

const NO_EVENT: Event = { thread: -1, addr: 0, isWrite: false, choice: -1 };

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
  // All below are indexed by depth: the state before an event, the event, what happened before it.
  private readonly states: Vector[] = [];
  private readonly events: Event[] = [];
  private readonly isBlocking: boolean[] = [];
  private readonly clocks: Int32Array[] = [];
  private readonly sleeps: number[] = [];
  /** Of those asleep, the ones that have been since the start of the prefix that was given. */
  private readonly inherited: number[] = [];
  private readonly trees: Branch[] = [];

  constructor(machine: Machine, bounds: TraceBounds, verdictOf: (end: Vector) => Verdict) {
    this.machine = machine;
    this.bounds = bounds;
    this.verdictOf = verdictOf;
    this.endMs = nowMs() + 1000 * bounds.maxSeconds;
    this.inherited.push(bounds.start?.sleep ?? 0);
    this.states.push(bounds.start?.state.slice() ?? machine.initial());
  }

  /** Explores everything that begins with the events so far. */
  visit(depth: number, sleep: number, tree: Branch): void {
    const { machine, result } = this;
    const s = this.states[depth]!;
    this.sleeps[depth] = sleep;
    this.trees[depth] = tree;
    const ended = machine.ended(s);
    if (ended >= 0) return this.fail(depth, ended);
    if (!this.prepare(depth, tree)) return this.finish(depth);
    if (depth >= this.bounds.maxSteps) {
      result.bound = `${this.bounds.maxSteps} steps of one execution`;
      return;
    }
    if (tree.children.length === 0) {
      // Its events may still be in races that no complete execution will show.
      result.redundant++;
      return this.reverseAll(depth);
    }
    while (tree.children.length > 0 && result.bound === null) {
      const child = tree.children[0]!;
      const next = this.step(depth, child);
      this.visit(depth + 1, next, child);
      tree.children.shift();
      const { thread, choice } = child.event;
      const hasMore = tree.children.some((one) => one.event.thread === thread);
      // A thread falls asleep after the last outcome of its choice.
      if (choice < 0 || !hasMore) this.sleeps[depth]! |= 1 << thread;
    }
  }

  /** Fills the tree if nothing is prescribed; false when no thread can go on. */
  private prepare(depth: number, tree: Branch): boolean {
    const { machine } = this;
    const s = this.states[depth]!;
    let awake = -1;
    let enabled = 0;
    const sleep = this.sleeps[depth]!;
    for (let t = 0; t < machine.threads.length; t++) {
      const outcomes = machine.choices(s, t);
      if (outcomes > 0) {
        for (let choice = 0; choice < outcomes; choice++) {
          if (tree.children.some((one) => one.event.choice === choice)) continue;
          const event = { thread: t, addr: 0, isWrite: false, choice };
          tree.children.push({ event, children: [] });
        }
        return true;
      }
      if (!machine.isEnabled(s, t)) continue;
      enabled++;
      if (awake < 0 && (sleep & (1 << t)) === 0) awake = t;
    }
    if (enabled === 0) return false;
    if (tree.children.length === 0 && awake >= 0) {
      tree.children.push({ event: this.eventOf(s, awake), children: [] });
    }
    return true;
  }

  private eventOf(s: Vector, thread: number): Event {
    const step = this.machine.stepOf(s, thread);
    if (step.kind === OP.choose) return { thread, addr: 0, isWrite: false, choice: 0 };
    return { thread, addr: step.addr, isWrite: this.machine.isWrite(s, step), choice: -1 };
  }

  /** Takes a step; returns who stays asleep. */
  private step(depth: number, child: Branch): number {
    const { machine } = this;
    const s = this.states[depth]!;
    const { thread, choice } = child.event;
    const event = choice >= 0 ? child.event : this.eventOf(s, thread);
    this.events[depth] = event;
    this.isBlocking[depth] = isBlockingKind(machine.stepOf(s, thread).kind);
    this.clocks[depth] = this.clockOf(depth, event);
    let sleep = 0;
    for (let t = 0; t < machine.threads.length; t++) {
      if ((this.sleeps[depth]! & (1 << t)) === 0 || t === thread) continue;
      if (!conflict(this.eventOf(s, t), event)) sleep |= 1 << t;
    }
    this.inherited[depth + 1] = sleep & this.inherited[depth]!;
    const next = (this.states[depth + 1] ??= new Int32Array(machine.width));
    next.set(s);
    machine.take(next, thread, Math.max(0, choice));
    return sleep;
  }

  /** Per thread, how many of its events happen before this one or are it. */
  private clockOf(depth: number, event: Event): Int32Array {
    const clock = new Int32Array(this.machine.threads.length);
    let own = 1;
    for (let i = depth - 1; i >= 0; i--) {
      const one = this.events[i]!;
      if (one.thread === event.thread) own++;
      if (one.thread !== event.thread && !conflict(one, event)) continue;
      const other = this.clocks[i]!;
      for (let t = 0; t < clock.length; t++) clock[t] = Math.max(clock[t]!, other[t]!);
    }
    clock[event.thread] = own;
    return clock;
  }

  /** Whether event i is before whatever has this clock. */
  private isBefore(i: number, clock: Int32Array | undefined): boolean {
    if (clock === undefined) return false;
    const { thread } = this.events[i]!;
    return clock[thread]! >= this.clocks[i]![thread]!;
  }

  private fail(depth: number, thread: number): void {
    const { machine, result } = this;
    const s = this.states[depth]!;
    if (machine.isBound(s, thread)) {
      result.bound = machine.stepOf(s, thread).message;
      return;
    }
    result.executions++;
    result.bound = "first failure";
    this.keepBad(depth);
    this.bounds.onExecution?.(() => this.movesTo(depth));
  }

  private keepBad(depth: number): void {
    this.result.bad ??= { moves: this.movesTo(depth), end: this.states[depth]!.slice() };
  }

  private movesTo(depth: number): TokenMove[] {
    const moves = this.events.slice(0, depth).map(({ thread, choice }) => ({
      thread,
      choice: Math.max(0, choice),
      isChoice: choice >= 0,
    }));
    return [...(this.bounds.start?.moves ?? []), ...moves];
  }

  /** A complete execution of `length` events: counts it and makes branches of its races. */
  private finish(length: number): void {
    const { machine, result, bounds } = this;
    const s = this.states[length]!;
    result.executions++;
    if (machine.isDone(s)) result.traces++;
    else result.blocked++;
    bounds.onExecution?.(() => this.movesTo(length));
    if (result.bad === null && this.verdictOf(s) !== "SAFE") this.keepBad(length);
    this.reverseAll(length);
    if (result.executions >= bounds.maxExecutions) result.bound = `${result.executions} executions`;
    if ((result.executions & 0xff) === 0 && nowMs() > this.endMs) {
      result.bound = `${bounds.maxSeconds} s`;
    }
  }

  private reverseAll(length: number): void {
    const { machine } = this;
    const s = this.states[length]!;
    for (let j = 1; j < length; j++) this.reverseRaces(j, length);
    for (let t = 0; t < machine.threads.length; t++) {
      const step = machine.stepOf(s, t);
      if (step.kind < OP.done && !machine.isEnabled(s, t)) this.reversePending(t, length);
    }
  }

  private reverseRaces(j: number, length: number): void {
    const event = this.events[j]!;
    const before = this.clocks[this.previousOf(event.thread, j)];
    for (let i = j - 1; i >= 0; i--) {
      const one = this.events[i]!;
      if (one.thread === event.thread || !conflict(one, event)) continue;
      if (this.isBefore(i, before)) continue;
      if (!this.isBlocking[j] && this.hasBetween(i, j)) continue;
      this.reverse(i, event.thread, length);
    }
  }

  /** The last event of a thread before `end`, or -1. */
  private previousOf(thread: number, end: number): number {
    for (let i = end - 1; i >= 0; i--) if (this.events[i]!.thread === thread) return i;
    return -1;
  }

  private hasBetween(i: number, j: number): boolean {
    for (let k = i + 1; k < j; k++) {
      if (this.isBefore(i, this.clocks[k]) && this.isBefore(k, this.clocks[j])) return true;
    }
    return false;
  }

  /** A thread that is blocked at the end might have gone on earlier. */
  private reversePending(thread: number, length: number): void {
    const { addr } = this.machine.stepOf(this.states[length]!, thread);
    const before = this.clocks[this.previousOf(thread, length)];
    for (let i = length - 1; i >= 0; i--) {
      const one = this.events[i]!;
      if (one.thread === thread || one.addr !== addr || !one.isWrite) continue;
      if (this.isBefore(i, before)) continue;
      this.reverse(i, thread, length);
    }
  }

  /** Makes a branch, before event i, in which `thread` takes its step without event i. */
  private reverse(i: number, thread: number, length: number): void {
    const { machine } = this;
    const s = this.states[i]!.slice();
    const sequence: Event[] = [];
    for (let k = i + 1; k < length; k++) {
      if (this.isBefore(i, this.clocks[k])) continue;
      const { thread: t, choice } = this.events[k]!;
      sequence.push(choice >= 0 ? this.events[k]! : this.eventOf(s, t));
      machine.take(s, t, Math.max(0, choice));
    }
    if (!machine.isEnabled(s, thread)) return;
    sequence.push(this.eventOf(s, thread));
    // Without event i the step may no longer conflict with it (a compare-and-exchange that fails
    // now): then nothing is reversed.
    if (weakInitial(this.events[i]!, sequence) !== -2) return;
    for (let t = 0; t < machine.threads.length; t++) {
      if ((this.sleeps[i]! & (1 << t)) === 0) continue;
      const at = weakInitial(this.eventOf(this.states[i]!, t), sequence);
      // If a thread that sleeps since the start does not occur, something may wake it further on,
      // and no execution that begins with its step has been here to plan for that.
      const isElsewhere = at >= 0 || (this.inherited[i]! & (1 << t)) === 0;
      if (at !== -2 && isElsewhere) return;
    }
    insert(this.trees[i]!, sequence);
  }
}

function isBlockingKind(kind: number): boolean {
  return kind === OP.lock || kind === OP.waitWhile || kind === OP.waitUntil;
}
