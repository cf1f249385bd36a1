// What the thread short of memory is told, and the memory that it shares with who tells it. Data;
// any thread.

export const IDLE = 0;
/** Makes a namespace and lets it go. */
export const GO_NAMESPACE = 1;
/** Asks for a socket by each call, and closes it. */
export const GO_SOCKETS = 2;
export const STOP = 3;

/**
 * All of it shared. `words` (Int32): [0] thread id, written once by the thread; [1] order, by the
 * main thread, and back to IDLE by the thread; [2] 0 or a negative errno of the namespace, by the
 * thread. `calls`: family, type and protocol of each call, by the main thread beforehand. `errnos`:
 * 0 or the errno of each call, by the thread.
 */
export interface ShortWork {
  readonly words: Int32Array;
  readonly calls: Int32Array;
  readonly errnos: Int32Array;
}

export function shortWork(calls: readonly (readonly [number, number, number])[]): ShortWork {
  const shared = (words: number): Int32Array => new Int32Array(new SharedArrayBuffer(words * 4));
  const work = { words: shared(3), calls: shared(calls.length * 3), errnos: shared(calls.length) };
  calls.forEach((call, i) => work.calls.set(call, i * 3));
  return work;
}
