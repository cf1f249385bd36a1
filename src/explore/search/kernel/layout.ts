// Where the words of CPUs, handlers, read sections, wait groups and the heap stand in a state,
// behind cells and locks. Made once per program, by its loader; the steps of this folder go by it.
// Pure.
import type { Vector } from "../machine.js";

/** What a thread is to the kernel. */
export const CONTEXTS = ["task", "softirq", "hardirq", "timer", "work", "rcu"] as const;
export type Context = (typeof CONTEXTS)[number];

/** Which kernel: with several CPUs, without (no spinning), or PREEMPT_RT (locks sleep). */
export const KERNELS = ["smp", "up", "rt"] as const;
export type KernelKind = (typeof KERNELS)[number];

/** Where a thread runs and what makes it run. */
export interface Placement {
  readonly context: Context;
  /**
   * Null: a CPU of its own; work runs on the CPU that queues it, a timer on the one that arms
   * it.
   */
  readonly cpu: number | null;
  /** A handler that is raised once, at the start. */
  readonly isRaised: boolean;
  /** Work that runs on whichever CPU is free. */
  readonly isUnbound: boolean;
  /** The task that this one moves to other CPUs, or -1. */
  readonly mover: number;
}

export const TASK: Placement = {
  context: "task",
  cpu: null,
  isRaised: false,
  isUnbound: false,
  mover: -1,
};

/** Words of a CPU. */
export const CPU = {
  preempt: 0,
  bh: 1,
  isIrqOff: 2,
  /** Thread + 1 of the handler that runs there, or 0. */
  hard: 3,
  soft: 4,
  /** Softirqs that ran in a row and have to run before the task goes on, or 0. */
  drain: 5,
  /** Thread + 1 of the task that no other one may take the CPU from, or 0. */
  owner: 6,
  words: 7,
} as const;

/** Words of a lock that readers and waiters need, beside the lock's own. */
export const AUX = { readers: 0, waiting: 1, words: 2 } as const;

/** Offsets of first words; `+ thread`, `+ CPU.words * cpu` and the like go on top. */
export interface KernelLayout {
  readonly kernel: KernelKind;
  readonly placements: readonly Placement[];
  /** CPUs that the program declares; those of threads without one come after. */
  readonly cpus: number;
  /** Whether threads can stand in one another's way on a CPU. */
  readonly isShared: boolean;
  /** Whether what steps conflict with is known well enough to count traces. */
  readonly hasTraces: boolean;
  readonly areLeaksWrong: boolean;
  readonly firstLock: number;
  readonly endLocks: number;
  readonly firstShadowed: number;
  readonly firstHeap: number;
  /** Handles of threads: their word says whether the handler is raised. */
  readonly raised: number;
  readonly argument: number;
  readonly isRunning: number;
  /** Bit per thread that waits for the handler's next run, or for the present one. */
  readonly waitNext: number;
  readonly waitRun: number;
  readonly cpuOf: number;
  readonly nesting: number;
  /** Bit per thread whose read section a grace period still waits for. */
  readonly grace: number;
  readonly perCpu: number;
  readonly aux: number;
  readonly faults: number;
  readonly migrations: number;
  /** First heap word that was never given out. */
  readonly heapNext: number;
  readonly shadow: number;
}

export interface KernelSpec {
  readonly kernel: KernelKind;
  readonly cpus: number;
  readonly placements: readonly Placement[];
  readonly maxFaults: number;
  readonly maxMigrations: number;
  readonly areLeaksWrong: boolean;
  readonly firstLock: number;
  readonly endLocks: number;
  readonly firstShadowed: number;
  readonly firstHeap: number;
  /** Cells from `firstShadowed` on that hold nothing yet. */
  readonly uninitialized: ReadonlySet<number>;
}

/** What a shadow word says about its cell; the size of a heap object that begins there, times 4. */
export const SHADOW = { valid: 0, uninitialized: 1, freed: 2, unallocated: 3 } as const;

/** Appends the words to `initial`, whose last words are the threads' handles. */
export function layOutKernel(spec: KernelSpec, initial: number[]): KernelLayout {
  const { placements, cpus } = spec;
  const threads = placements.length;
  const block = (values: readonly number[]): number => {
    initial.push(...values);
    return initial.length - values.length;
  };
  const zeros = (count: number) => block(Array.from({ length: count }, () => 0));
  const raised = spec.endLocks;
  for (const [t, one] of placements.entries()) initial[raised + t] = one.isRaised ? 1 : 0;
  const shadows: number[] = [];
  for (let at = spec.firstShadowed; at < spec.firstLock; at++) {
    const isUnwritten = spec.uninitialized.has(at);
    if (at >= spec.firstHeap) shadows.push(SHADOW.unallocated);
    else shadows.push(isUnwritten ? SHADOW.uninitialized : SHADOW.valid);
  }
  const taken = new Set<number>();
  const isShared = placements.some(({ context, cpu, mover }) => {
    const isTwice = cpu !== null && taken.has(cpu);
    if (cpu !== null) taken.add(cpu);
    return isTwice || mover >= 0 || (context !== "task" && context !== "rcu");
  });
  const isPlain = placements.every(({ context }) => context === "task");
  return {
    ...spec,
    isShared: isShared && spec.kernel !== "rt",
    hasTraces: isPlain && !isShared,
    raised,
    argument: zeros(threads),
    isRunning: zeros(threads),
    waitNext: zeros(threads),
    waitRun: zeros(threads),
    cpuOf: block(placements.map(({ cpu }, t) => cpu ?? cpus + t)),
    nesting: zeros(threads),
    grace: zeros(threads),
    perCpu: zeros(CPU.words * (cpus + threads)),
    aux: zeros(AUX.words * (spec.endLocks - spec.firstLock)),
    faults: block([spec.maxFaults]),
    migrations: block(placements.map(() => spec.maxMigrations)),
    heapNext: block([spec.firstHeap]),
    shadow: block(shadows),
  };
}

/** Index of a word of the CPU that a thread runs on. */
export function cpuWord(k: KernelLayout, s: Vector, thread: number, word: number): number {
  return k.perCpu + CPU.words * (s[k.cpuOf + thread] as number) + word;
}

/** Index of a word beside a lock's own. */
export function auxWord(k: KernelLayout, lock: number, word: number): number {
  return k.aux + AUX.words * (lock - k.firstLock) + word;
}

export function isHandler(k: KernelLayout, thread: number): boolean {
  const { context } = k.placements[thread]!;
  return context !== "task" && context !== "work";
}
