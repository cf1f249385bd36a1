// Data races of one execution, by vector clocks: what happens before what follows from the order
// of each thread and from loads that read what an atomic store wrote (as in the memory model of
// JavaScript), locks and the like included. So one execution tells of races that it did not run
// into. Any thread.
import type { Machine, Vector } from "../search/machine.js";
import { isHandler } from "../search/kernel/layout.js";
import type { TokenMove } from "../text/token.js";
import { OP, type Step } from "../types.js";
import type { Watcher } from "../strategies/walk.js";
import { watchMoves } from "../strategies/walk.js";
import { type Access, accessOf, baseKind } from "./accesses.js";
import { lockUseOf } from "./lock-uses.js";
import { nextRace } from "./races.js";

/** Two accesses of an execution that nothing orders; indices of steps, counted from 0. */
export interface UnorderedPair {
  readonly addr: number;
  readonly first: number;
  readonly second: number;
}

/** Last accesses of a cell: per thread its own time then, and which step it was. */
interface History {
  readonly time: Int32Array;
  readonly step: Int32Array;
}

const SORTS = { plainRead: 0, plainWrite: 1, atomicRead: 2, atomicWrite: 3 } as const;

/** What is looked at: accesses of cells, or how locks come into being and are taken. */
export type Subject = "cells" | "locks";

/** Initialising a lock is no better than a plain store: it has to be ordered before any use. */
function lockLife(step: Step): Access | null {
  const isInit = baseKind(step.kind) === OP.initLock;
  const action = lockUseOf(step)?.action;
  if (!isInit && action !== "take" && action !== "try") return null;
  return { addr: step.addr, isWrite: true, isPlain: isInit };
}

export class RaceWatcher implements Watcher {
  /** The first pair found in the present run, or null. */
  found: UnorderedPair | null = null;
  /** What happens before each step of the run, itself included; kept only if asked for. */
  readonly log: Int32Array[] = [];
  private readonly machine: Machine;
  private readonly isLogging: boolean;
  private readonly subject: Subject;
  private readonly threads: number;
  private clocks: Int32Array[] = [];
  private released = new Map<number, Int32Array>();
  private histories = new Map<number, History[]>();
  private steps = 0;

  constructor(machine: Machine, subject: Subject = "cells", isLogging = false) {
    this.machine = machine;
    this.subject = subject;
    this.isLogging = isLogging;
    this.threads = machine.threads.length;
    this.begin();
  }

  begin(): void {
    this.found = null;
    this.log.length = 0;
    this.clocks = this.machine.threads.map(() => new Int32Array(this.threads));
    this.released = new Map();
    this.histories = new Map();
    this.steps = 0;
  }

  step(s: Vector, thread: number): void {
    const step = this.machine.stepOf(s, thread);
    const clock = this.clocks[thread]!;
    const access = accessOf(this.machine, s, step);
    clock[thread]!++;
    const cpu = this.cpuOf(s, thread);
    if (cpu >= 0) this.runOn(cpu, thread, clock);
    const looked = this.subject === "cells" ? this.cellOnly(access) : lockLife(step);
    if (looked !== null) this.look(looked, thread, clock);
    if (access?.isPlain !== true) this.synchronize(step, { thread, access }, clock);
    if (cpu >= 0) this.tell(this.isHandler(thread) ? handlersOf(cpu) : tasksOf(cpu), clock);
    if (this.isLogging) this.log.push(clock.slice());
    this.steps++;
  }

  private cellOnly(access: Access | null): Access | null {
    return access !== null && access.addr < this.machine.program.firstLock ? access : null;
  }

  /** Compares an access with all earlier ones, and remembers it. */
  private look(access: Access, thread: number, clock: Int32Array): void {
    const { addr, isWrite, isPlain } = access;
    let all = this.histories.get(addr);
    if (all === undefined) {
      const empty = () => ({
        time: new Int32Array(this.threads),
        step: new Int32Array(this.threads),
      });
      all = Array.from({ length: 4 }, empty);
      this.histories.set(addr, all);
    }
    this.compare(all[SORTS.plainWrite]!, addr, clock);
    if (isWrite) this.compare(all[SORTS.plainRead]!, addr, clock);
    if (isPlain) this.compare(all[SORTS.atomicWrite]!, addr, clock);
    if (isPlain && isWrite) this.compare(all[SORTS.atomicRead]!, addr, clock);
    const own = all[(isPlain ? 0 : 2) + (isWrite ? 1 : 0)]!;
    own.time[thread] = clock[thread]!;
    own.step[thread] = this.steps;
  }

  private compare(history: History, addr: number, clock: Int32Array): void {
    for (let t = 0; t < this.threads; t++) {
      if (history.time[t]! <= clock[t]!) continue;
      this.found ??= { addr, first: history.step[t]!, second: this.steps };
    }
  }

  /** The CPU that a thread shares with others, or -1. */
  private cpuOf(s: Vector, thread: number): number {
    const { kernel } = this.machine.program;
    return kernel?.isShared === true ? s[kernel.cpuOf + thread]! : -1;
  }

  private isHandler(thread: number): boolean {
    const { kernel } = this.machine.program;
    return kernel !== undefined && isHandler(kernel, thread);
  }

  /** A handler and the task that it interrupts are never at work at the same time. */
  private runOn(cpu: number, thread: number, clock: Int32Array): void {
    this.learn(handlersOf(cpu), clock);
    if (this.isHandler(thread)) this.learn(tasksOf(cpu), clock);
  }

  /** What the step learns from others, and lets others learn. */
  private synchronize(
    step: Step,
    { thread, access }: { thread: number; access: Access | null },
    clock: Int32Array,
  ): void {
    const kind = baseKind(step.kind);
    const isPassage = kind === OP.enter || kind === OP.leave;
    if (kind === OP.gracePeriod || kind === OP.enter || kind === OP.synchronizeRcu) {
      this.learn(READERS, clock);
    }
    if (kind === OP.rcuReadUnlock) this.tell(READERS, clock);
    const handle = isPassage ? (this.machine.program.kernel?.raised ?? 0) + thread : step.addr;
    const addr = access?.addr ?? handle;
    if (addr === 0) return;
    if (kind !== OP.st) this.learn(addr, clock);
    // A store hides what others have stored; a change goes on from what it found.
    if (kind === OP.st) this.released.set(addr, clock.slice());
    else if (access === null || access.isWrite) this.tell(addr, clock);
  }

  private learn(from: number, clock: Int32Array): void {
    const known = this.released.get(from);
    if (known === undefined) return;
    for (let t = 0; t < this.threads; t++) clock[t] = Math.max(clock[t]!, known[t]!);
  }

  private tell(to: number, clock: Int32Array): void {
    const known = this.released.get(to)?.slice() ?? new Int32Array(this.threads);
    for (let t = 0; t < this.threads; t++) known[t] = Math.max(clock[t]!, known[t]!);
    this.released.set(to, known);
  }
}

/** Stands for all RCU read sections: a grace period learns from those that have ended. */
const READERS = -1;

/** Stand for what handlers, and what tasks, have done on a CPU. */
const handlersOf = (cpu: number) => -2 - 2 * cpu;
const tasksOf = (cpu: number) => -3 - 2 * cpu;

/** A schedule taken apart around an unordered pair. */
export interface Around {
  /** All that happens before one of the two, and nothing else. */
  readonly needed: TokenMove[];
  readonly first: TokenMove;
  readonly second: TokenMove;
  /** The schedule up to the second of them. */
  readonly whole: TokenMove[];
}

/** Null if the schedule has no unordered pair. */
export function aroundPair(
  machine: Machine,
  moves: readonly TokenMove[],
  subject: Subject,
): Around | null {
  const watcher = new RaceWatcher(machine, subject, true);
  watchMoves(machine, moves, [watcher]);
  if (watcher.found === null) return null;
  const { first, second } = watcher.found;
  const isBefore = (i: number, j: number) => {
    const { thread } = moves[i]!;
    return watcher.log[j]![thread]! >= watcher.log[i]![thread]!;
  };
  const needed = moves.filter(
    (_one, i) => i < second && i !== first && (isBefore(i, first) || isBefore(i, second)),
  );
  const whole = moves.slice(0, second + 1);
  return { needed, first: moves[first]!, second: moves[second]!, whole };
}

/** The state after a schedule; null if a step of it cannot be taken. */
export function stateAfter(machine: Machine, moves: readonly TokenMove[]): Vector | null {
  const s = machine.initial();
  for (const { thread, choice } of moves) {
    if (machine.ended(s) >= 0 || !machine.isEnabled(s, thread)) return null;
    machine.take(s, thread, choice);
  }
  return s;
}

/**
 * A schedule that ends where both accesses of an unordered pair are next. Where that cannot be
 * taken, the schedule up to the second access.
 */
export function scheduleToRace(machine: Machine, moves: readonly TokenMove[]): TokenMove[] | null {
  const around = aroundPair(machine, moves, "cells");
  if (around === null) return null;
  const s = stateAfter(machine, around.needed);
  return s === null || nextRace(machine, s) === null ? around.whole : around.needed;
}
