// A lock in shared memory for a few dozen instructions of a worker: taken by compare-and-exchange.
// Whoever waits too long gives up and does without what the lock guards: a worker that died with a
// lock in its hand must not stop the others. Any thread that may touch the memory.

/** Tries before the thread sleeps a little, because the holder may not have a CPU. */
const SPINS = 2000;
const SLEEPS = 50;
const SLEEP_MS = 1;

/** Takes the lock in word `at`; false after some 50 ms. */
export function takeLock(words: Int32Array, at: number): boolean {
  for (let i = 0; i < SPINS; i++) {
    if (Atomics.compareExchange(words, at, 0, 1) === 0) return true;
  }
  for (let i = 0; i < SLEEPS; i++) {
    Atomics.wait(words, at, 1, SLEEP_MS);
    if (Atomics.compareExchange(words, at, 0, 1) === 0) return true;
  }
  return false;
}

export function releaseLock(words: Int32Array, at: number): void {
  Atomics.store(words, at, 0);
}
