// What the parts of the explorer share: the kinds of steps, a loaded program, results. Types and
// constants only; any thread.
import type { Context, KernelKind, KernelLayout } from "./search/kernel/layout.js";
import type { Questions } from "./search/questions.js";
import type { Kept } from "./source/realm/kept.js";

/** Address of a cell or a lock; 0 is NULL. */
export type Cell = number;

/** What a thread function and the final check receive: each cell, array of cells and lock. */
export type Handles = Readonly<Record<string, Cell & Cell[]>>;

export type ThreadFunction = (handles: never, argument: number) => void;

/** What a cell or lock holds before anything was stored in it, or before initLock. */
export const UNINIT: unique symbol = Symbol("UNINIT");
/** A lock that is free at the start. */
export const FREE: unique symbol = Symbol("FREE");

/** A thread with its place in the kernel: a task, or a handler that runs when it is raised. */
export interface PlacedThread {
  /** Where it runs; absent: on a CPU of its own, or on the one that queues or arms it. */
  readonly cpu?: number;
  readonly context?: Context;
  /** A handler that is raised once at the start; absent: true for hardirq only. */
  readonly raised?: boolean;
  /** Whether the task may be moved to the next CPU, `maxMigrations` times. */
  readonly migrates?: boolean;
  /** Work that runs on any CPU, not on the one that queues it. */
  readonly unbound?: boolean;
  readonly run: ThreadFunction;
}

/** One, an array of them, or an array of arrays. */
type Nested<T> = T | readonly T[] | readonly (readonly T[])[];
type CellValue = number | typeof UNINIT;
type LockValue = typeof FREE | typeof UNINIT;

export const VERDICTS = [
  "SAFE",
  "UNDECIDED",
  "ASSERT",
  "DEADLOCK",
  "LIVELOCK",
  "LOCKUP",
  "NULL-DEREF",
  "MISUSE",
  "UNINIT-LOCK",
  "CORRUPTION",
  "USE-AFTER-FREE",
  "DOUBLE-FREE",
  "LEAK",
  "RACE",
  "COUNTER-OVERFLOW",
] as const;
export type Verdict = (typeof VERDICTS)[number];
/** What can be wrong. */
export type Failure = Exclude<Verdict, "SAFE" | "UNDECIDED">;

/** A program, as its author writes it. */
export interface ProgramSpec {
  readonly name: string;
  /** Shared cells and their initial values; an array makes an array of cells. Int32. */
  readonly cells?: Readonly<Record<string, Nested<CellValue>>>;
  /** Names of locks, free at the start; or what each is, an array making an array of locks. */
  readonly locks?: readonly string[] | Readonly<Record<string, Nested<LockValue>>>;
  readonly threads:
    | readonly (ThreadFunction | PlacedThread)[]
    | Readonly<Record<string, ThreadFunction | PlacedThread>>;
  /** CPUs that threads name; 1 if absent. */
  readonly cpus?: number;
  readonly kernel?: KernelKind;
  /** Most faults that strike in one execution (fault, alloc); 0 if absent. */
  readonly maxFaults?: number;
  /** Most migrations of each task that migrates; 1 if absent. */
  readonly maxMigrations?: number;
  /** Words that alloc can give out; 64 if absent. */
  readonly heap?: number;
  /** Whether memory that is never freed is a verdict. */
  readonly leaks?: boolean;
  /** Runs when all threads have ended. */
  readonly final?: ThreadFunction;
  /** The verdict that its author expects; SAFE if absent. */
  readonly expect?: Verdict;
}

/** Kinds of steps. Those below `done` are scheduling points; the rest are ends of a thread. */
export const OP = {
  ld: 0,
  st: 1,
  add: 2,
  cas: 3,
  xchg: 4,
  setBits: 5,
  clearBits: 6,
  lock: 7,
  unlock: 8,
  tryLock: 9,
  waitWhile: 10,
  waitUntil: 11,
  choose: 12,
  /** Not atomic: two of these at once, one of them a write, are a data race. */
  read: 30,
  write: 31,
  // Go's sync package. The second step of a lock is the wait for those who were there before.
  goLock: 32,
  goUnlock: 33,
  goTryLock: 34,
  rlock: 35,
  rlockWait: 36,
  runlock: 37,
  rwlock: 38,
  rwlockWait: 39,
  rwunlock: 40,
  wgAdd: 41,
  wgWait: 42,
  wgWake: 43,
  // The kernel's locks; `a` of a spin lock's steps says which variant (search/kernel/spin.ts).
  mutexLock: 44,
  mutexUnlock: 45,
  mutexTrylock: 46,
  spinLock: 47,
  spinWait: 48,
  spinUnlock: 49,
  spinTrylock: 50,
  localBhDisable: 51,
  localBhEnable: 52,
  localIrqSave: 53,
  localIrqEnable: 54,
  localIrqRestore: 55,
  preemptDisable: 56,
  preemptEnable: 57,
  thisCpu: 58,
  migrate: 59,
  // Handlers: threads that run when they are raised, queued, armed or called back.
  enter: 60,
  leave: 61,
  raiseSoftirq: 62,
  raiseHardirq: 63,
  queueWork: 64,
  flushWork: 65,
  cancelWorkSync: 66,
  modTimer: 67,
  delTimer: 68,
  delTimerSync: 69,
  callRcu: 70,
  rcuBarrier: 71,
  handlerWait: 72,
  rcuReadLock: 73,
  rcuReadUnlock: 74,
  synchronizeRcu: 75,
  gracePeriod: 76,
  sleep: 77,
  eventWrite: 78,
  eventRead: 79,
  fault: 80,
  alloc: 81,
  free: 82,
  initLock: 83,
  // Kinds 85 to 96 are those from ld to waitUntil, and 97 and 98 are read and write, on words that
  // may be freed, unallocated or not initialised (search/kernel/heap.ts).
  /** The function returned. Kinds from 30 to this one are in search/kernel-steps.ts. */
  done: 100,
  /** Something is wrong in this thread; `a` is the index of its verdict in VERDICTS. */
  fail: 101,
  /** A bound on the thread's own steps was hit. */
  limit: 102,
} as const;

export const OP_NAMES: Readonly<Record<number, string>> = Object.fromEntries(
  Object.entries(OP).map(([name, code]) => [code, name]),
);

/** What a thread wants to do next. */
export interface Step {
  readonly kind: number;
  readonly addr: number;
  readonly a: number;
  readonly b: number;
  readonly site: number;
  readonly message: string;
}

/** Where a step stands in the source; lines and columns count from 1. */
export interface Site {
  readonly line: number;
  readonly column: number;
  readonly text: string;
  readonly file: string;
  /** The function that it stands in; "" if that has no name. */
  readonly within: string;
}

export interface ThreadCode {
  readonly name: string;
  /** Serves the others: its waiting for work (waitWhile, waitUntil) is an end, not a deadlock. */
  readonly isDaemon: boolean;
  /** Starts the rewritten function. */
  start(): Generator<Step, unknown, number>;
}

/** A program, ready to be explored. */
export interface LoadedProgram {
  readonly name: string;
  readonly file: string;
  /** SHA-256 of the source, in hexadecimal; tokens carry its first digits. */
  readonly sourceHash: string;
  readonly sites: readonly Site[];
  /** Names by address; entry 0 is "NULL". */
  readonly names: readonly string[];
  readonly initial: readonly number[];
  /** Cells have addresses below this, locks from here on. */
  readonly firstLock: number;
  readonly threads: readonly ThreadCode[];
  readonly final: ThreadCode | null;
  readonly expect: Verdict;
  /** Where CPUs, handlers and the heap are kept, in programs that use any of it. */
  readonly kernel?: KernelLayout;
  /** What of it goes beyond cells and plain locks, for engines that know these only. */
  readonly beyond?: string;
  readonly runtime: Frames;
}

/**
 * What decides how a thread goes on: one text per function it is in, made of the values it has
 * loaded since the function began or since a loop of it went round, and of the live locals then.
 */
export interface Frames {
  keys: string[];
  /** Keys at loop heads since the last shared access: one twice means an endless loop. */
  seen: Set<string>;
  /** Whether a loop head replaced a key since the last shared access. */
  isReset: boolean;
  /** Values that the next steps get without being taken, last first: a way gone once more. */
  readonly ahead: number[];
  /** What the code asks of its case; absent: nothing. */
  readonly questions?: Questions;
  /** What the program's module keeps between runs; absent or null: nothing. */
  readonly kept?: Kept | null;
}

export interface TimelineStep {
  readonly thread: string;
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly text: string;
}

export interface Counterexample {
  readonly token: string;
  readonly steps: number;
  readonly switches: number;
  /** Whether no counterexample has fewer context switches, nor as many and fewer steps. */
  readonly minimal: boolean;
  readonly message: string;
  /** Names of the threads that take part, in the program's order. */
  readonly threads: readonly string[];
  readonly timeline: readonly TimelineStep[];
}

export interface Exploration {
  readonly program: string;
  readonly verdict: Verdict;
  readonly expected: Verdict;
  readonly complete: boolean;
  readonly strategy: Strategy;
  /** Complete executions up to commuting independent steps; null if not counted. */
  readonly traces: string | null;
  /** The same for executions that end with a thread blocked. */
  readonly blocked: string | null;
  readonly states: number | null;
  readonly transitions: number | null;
  /** Complete and blocked executions, each order counted; null if endless or not counted. */
  readonly interleavings: string | null;
  /** Whether the state graph has a cycle, so that executions are without number. */
  readonly cyclic: boolean | null;
  /** Which bound ended the search, or null. */
  readonly bound: string | null;
  readonly counterexample: Counterexample | null;
  readonly executions: number | null;
  /**
   * How likely a run under a scheduler without preferences is to show the verdict, from the state
   * graph; null if not known.
   */
  readonly bugProbability: number | null;
  /** The same exactly, as "p/q"; null where runs can be without end, or the numbers too long. */
  readonly bugProbabilityFraction: string | null;
  readonly coverage: Coverage | null;
  /** The first data race that was met, as a sentence; null if none was. */
  readonly race: string | null;
  /** Deadlocks that the order of locks lets one expect, whether or not a run came by them. */
  readonly predicted: readonly Prediction[];
  /** What a SAFE verdict rests on; null for every other one, and where no states are kept. */
  readonly certificate: Certificate | null;
  /**
   * About how likely it is that a state was taken for another; absent: states are kept
   * whole.
   */
  readonly collisionBound?: number;
  readonly seconds: number;
  readonly executionsPerSecond: number | null;
}

/** Pairs of conflicting accesses by two threads, and in which orders they were seen. */
export interface Coverage {
  readonly pairs: number;
  readonly bothOrders: number;
  /** Orders that were not seen: `first` before `second`, each as `thread:line:column`. */
  readonly missing: readonly {
    readonly cell: string;
    readonly first: string;
    readonly second: string;
  }[];
  /** How many runs were looked at; null: all that there are. */
  readonly runs: number | null;
}

/** A deadlock, or another misuse of locks, that follows from how runs used them. */
export interface Prediction {
  readonly kind: "circular" | "recursive" | "irq-inversion" | "uninitialised";
  readonly message: string;
  /** The report in full, in the form of the kernel's lockdep. */
  readonly report: string;
  readonly threads: readonly string[];
  /** The token of a schedule that shows it; null if none was found. */
  readonly confirmed: string | null;
  /** No schedule shows it: all have been covered. */
  readonly isRuledOut: boolean;
}

/** How an order of steps is picked; what a schedule comes to does not depend on it. */
export const STRATEGIES = [
  "states",
  "hash",
  "dpor",
  "random",
  "pct",
  "pos",
  "urw",
  "delay",
  "preemption",
] as const;
export type Strategy = (typeof STRATEGIES)[number];

export interface ExploreOptions {
  readonly strategy?: Strategy;
  /** Most states kept (states, hash, delay, preemption). */
  readonly maxStates?: number;
  /** Most steps of one execution (dpor, random, pct, pos, urw) and of one thread (all). */
  readonly maxSteps?: number;
  /** Most complete executions (dpor, random, pct, pos, urw). */
  readonly maxExecutions?: number;
  readonly maxSeconds?: number;
  readonly seed?: number;
  /** How many ordered steps a bug needs that pct looks for; 1 and up. */
  readonly depth?: number;
  /** The last bound that delay or preemption completes; absent: until all is covered. */
  readonly bound?: number;
  /** Which part of the executions to look at: of `count`, number `index` from 0. */
  readonly shard?: Shard;
  /** Gets the certificate of a SAFE verdict, to be made into a file's bytes or not. */
  readonly onCertificate?: (summary: Certificate, bytes: () => Uint8Array) => void;
}

/** One part of the work, done without knowing of the others. */
export interface Shard {
  readonly index: number;
  readonly count: number;
}

/** What a finished search that found nothing wrong has seen. */
export interface Certificate {
  readonly sourceHash: string;
  readonly bounds: Readonly<Record<string, number>>;
  readonly states: number;
  readonly transitions: number;
  readonly traces: string | null;
  readonly blocked: string | null;
  readonly interleavings: string | null;
  /** Of the set of states, in no order: 64 bits in hexadecimal. */
  readonly digest: string;
  /** How likely it is that a state was taken for another; null: states were kept whole. */
  readonly collisionBound: number | null;
  /** Why the checker cannot check it, or null. */
  readonly unchecked: string | null;
  /** Where it was written in full, or null. */
  readonly file: string | null;
}

/** A step that the schedule took: which thread, and the value that it got back. */
export interface Move {
  readonly thread: number;
  readonly value: number;
  /** Whether the value was chosen (choose) and not loaded. */
  readonly isChoice: boolean;
}
