// How a node of an automaton lies in memory, and what its step touches. Apart from the table that
// holds them, because the build binds what a module imports, not what it exports. Pure.

/** Node n's words begin at n << NODE_SHIFT. */
export const NODE_SHIFT = 4;

/**
 * What the words of a node are. Most steps are a load and a store of one word, so that
 * `(old & and ^ xor) + plus` is what they leave in it and `old & value` what the thread gets: no
 * branch on the kind of step, which a processor could not foresee in a random schedule.
 */
export const NODE = {
  /** One of HOW. */
  how: 0,
  addr: 1,
  and: 2,
  xor: 3,
  plus: 4,
  value: 5,
  /** Where in `edges` its edges by value begin: the node that value 0 leads to, 1, 2, ... */
  edges: 6,
  /** Values below this have their place there; 0 marks an edge that nobody has followed. */
  edgeCount: 7,
  kind: 8,
  a: 9,
  b: 10,
  /** One of WRITES. */
  writes: 11,
  /** Node after a step that cannot be taken rightly, or 0. */
  bad: 12,
  /** What its step touches, as `whatOf` says; of a compare-and-exchange, when it fails. */
  what: 13,
} as const;

/** How a step is taken; in this order, so that engines can compare. */
export const HOW = {
  /** By and, xor, plus; always enabled. */
  plain: 0,
  /** The same, when its guard is open: lock, waitWhile, waitUntil. */
  guarded: 1,
  /** By `special`: cas, tryLock, unlock, choose. */
  special: 2,
  /** By the functions of kernel-steps.ts. */
  kernel: 3,
  /** Not at all: the thread has ended. */
  end: 4,
} as const;

export const WRITES = { never: 0, always: 1, onSuccess: 2 } as const;

/** What a step touches: nothing (address 0), or a cell or lock that it may write. */
export function whatOf(addr: number, isWrite: boolean): number {
  return addr === 0 ? 0 : (addr << 1) | (isWrite ? 1 : 0);
}

/** Whether two steps do not commute. */
export function conflict(x: number, y: number): boolean {
  return x >> 1 === y >> 1 && x !== 0 && ((x | y) & 1) === 1;
}
