// Every access of the calling thread to shared memory, in order, and a hook before each: with it a
// test does what another CPU would do between two loads of the path. It stands around Atomics,
// through which all primitives go, so the path runs unchanged.
import type { Addr, Mem } from "../../src/sync/index.js";

const OPERATIONS = ["load", "store", "add", "or", "and", "exchange", "compareExchange"] as const;

export interface Access {
  readonly op: (typeof OPERATIONS)[number];
  readonly at: Addr;
}

type Operation = (m: Mem, at: Addr, ...rest: number[]) => number;

/**
 * Runs `run` and answers its accesses. `before` is called ahead of each one and may change the
 * memory with plain stores; its own accesses are not recorded.
 */
export function accessesOf(run: () => void, before: (access: Access) => void = () => {}): Access[] {
  const accesses: Access[] = [];
  const originals = OPERATIONS.map((op) => Reflect.get(Atomics, op) as Operation);
  OPERATIONS.forEach((op, i) => {
    Reflect.set(Atomics, op, (m: Mem, at: Addr, ...rest: number[]) => {
      const access = { op, at };
      accesses.push(access);
      before(access);
      return originals[i]!(m, at, ...rest);
    });
  });
  try {
    run();
  } finally {
    OPERATIONS.forEach((op, i) => Reflect.set(Atomics, op, originals[i]));
  }
  return accesses;
}

/** How many of the accesses are loads of one word. */
export function loadsOf(accesses: readonly Access[], at: Addr): number {
  return accesses.filter((access) => access.op === "load" && access.at === at).length;
}

/** Position of the first access of a kind to a word; -1 if there is none. */
export function firstOf(accesses: readonly Access[], op: Access["op"], at: Addr): number {
  return accesses.findIndex((access) => access.op === op && access.at === at);
}
