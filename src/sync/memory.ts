// The part of the shared kernel memory that the primitives themselves own: per-CPU blocks, grace
// periods, RCU callbacks and the abort word. `src/path` lays its structures out behind it.
//
// All of it is one Int32Array over a SharedArrayBuffer; an address is an index into it, and 0 is
// the NULL pointer (word 0 is never used).
//
//   word    0        unused, so that address 0 can mean NULL
//   words   1..31    the header (HEADER)
//   words  32..      one block of CPU_WORDS words per CPU (CPU), each on cache lines of its own
//   then             the ring of RCU callbacks, then whatever the path lays out

/** Shared memory, as every primitive takes it. */
export type Mem = Int32Array;
/** An index into `Mem`; 0 is NULL. */
export type Addr = number;
export const NULL: Addr = 0;

/** Header words. `writer` in each line is the only thread that stores to it. */
export const HEADER = {
  /** Number of CPUs. Writer: the thread that lays the memory out, once. */
  cpuCount: 1,
  /** Not 0: every blocking primitive throws `SyncAborted`. Writer: the main thread, at teardown. */
  abort: 2,
  /** Grace periods that have ended. Writer: the thread that ends one (atomic add). */
  gracePeriods: 3,
  /** Microseconds of the longest finished grace period. Writer: as above (compare-exchange). */
  longestGracePeriodUs: 4,
  /** Threads that are waiting for a grace period now. Writer: each of them (atomic add). */
  gracePeriodWaiters: 5,
  /** Least duration of an expedited grace period, in microseconds. Writer: layout, once. */
  expeditedMinUs: 6,
  /** Spread above it: durations are drawn from [min, min + spread]. Writer: layout, once. */
  expeditedSpreadUs: 7,
  /** The same for a normal grace period. */
  normalMinUs: 8,
  normalSpreadUs: 9,
  /** State of the generator that draws the durations. Writer: whoever draws (atomic add). */
  draw: 10,
  /** RCU callbacks queued and run, as free-running counts. Writers: callRcu, the rcu thread. */
  callbacksQueued: 11,
  callbacksDone: 12,
  /** Bell of the threads that run work items: rung by each queueWork. Writer: queueWork. */
  workBell: 13,
  /** A word that nobody writes: waiting on it is a sleep that the abort check can cut short. */
  never: 14,
  /** Spin lock of the callback ring. */
  callbackLock: 15,
} as const;

export const HEADER_WORDS = 32;

/** Words of a per-CPU block. Writer of each: the CPU itself, unless it says otherwise. */
export const CPU = {
  /** Odd inside the outermost RCU read section; read by synchronizeRcu of others. */
  rcuSequence: 0,
  /** Depth of nested read sections. */
  rcuNesting: 1,
  /** The process-context task that has the CPU: 0, or task number + 1. Writers: those tasks. */
  runningTask: 2,
  /** softnet_data.xmit.recursion (net/core/dev.c). */
  xmitRecursion: 3,
  /** What `tick` saw last: the site and the loop's live values. Plain stores, for the watchdog. */
  tickSite: 5,
  tickDevice: 6,
  tickQueueMapping: 7,
  tickHash: 8,
  tickQcount: 9,
  tickCount: 10,
  /** Grows with every burst; the watchdog looks whether it does. */
  heartbeat: 11,
  /** One of CPU_STATE. */
  state: 12,
  /** Thread id as `ps -L` shows it. */
  tid: 13,
  /** Queue-selection counts (plain stores): picks, hinted, corrected, picks at count 0. */
  picks: 14,
  hinted: 15,
  outOfRange: 16,
  picksAtZero: 17,
  /** Frames in the hands of this worker now: 1 between read and fate (plain store). */
  inHand: 18,
  /** Port number that the frame in hand came in by (plain store), for the books of a lockup. */
  inHandPort: 19,
  /** Frames that wait to be written together, all of one port, and that port (plain stores). */
  heldFrames: 20,
  heldPort: 21,
} as const;

/** Two cache lines of 64 bytes, so that no CPU writes into a line that another polls. */
export const CPU_WORDS = 32;

export const CPU_STATE = { off: 0, idle: 1, forwarding: 2, stalled: 3, stopped: 4 } as const;

/** The ring of RCU callbacks: two words each, function number and argument. */
export const CALLBACK_RING_SIZE = 256;

/** Address of a CPU's block. */
export function cpuBlock(cpu: number): Addr {
  return HEADER_WORDS + cpu * CPU_WORDS;
}

/** Address of the callback ring. */
export function callbackRing(cpuCount: number): Addr {
  return cpuBlock(cpuCount);
}

/** The first word behind what the primitives own. */
export function firstFreeWord(cpuCount: number): Addr {
  return callbackRing(cpuCount) + 2 * CALLBACK_RING_SIZE;
}

/** How long grace periods take at least, in microseconds. */
export interface GracePeriodUs {
  readonly expeditedMin: number;
  readonly expeditedMax: number;
  readonly normalMin: number;
  readonly normalMax: number;
}

/** Writes the header of fresh memory. Called once, before any other thread sees it. */
export function initMemory(m: Mem, cpuCount: number, gp: GracePeriodUs, seed: number): void {
  m[HEADER.cpuCount] = cpuCount;
  m[HEADER.expeditedMinUs] = gp.expeditedMin;
  m[HEADER.expeditedSpreadUs] = gp.expeditedMax - gp.expeditedMin;
  m[HEADER.normalMinUs] = gp.normalMin;
  m[HEADER.normalSpreadUs] = gp.normalMax - gp.normalMin;
  m[HEADER.draw] = seed | 0;
}
