// A lock on one word of shared memory: 0 free, 1 held, 2 held and somebody may sleep for it.
// For sections of well under a microsecond; called on every thread that touches the backend.
//
// Not a ticket lock: under a ticket lock a preempted holder stalls everybody in line, and a run
// that shows a lockup has more spinning threads than cores by design. Here a waiter spins briefly
// and then sleeps (as a futex mutex does), which gives the core back to the holder.
import { HEADER } from "./layout.js";

const SPINS = 200;
const SLEEP_MS = 10;
/** After 10 s asleep the holder is dead: a thread that was terminated inside the section. */
const SLEEPS_MAX = 1000;
const ROUNDS_MAX = 10_000_000;

/** Takes the lock at word `at`. */
export function lock(words: Int32Array, at: number): void {
  if (Atomics.compareExchange(words, at, 0, 1) !== 0) lockSlow(words, at);
}

function lockSlow(words: Int32Array, at: number): void {
  for (let i = 0; i < SPINS; i++) {
    if (Atomics.load(words, at) === 0 && Atomics.compareExchange(words, at, 0, 1) === 0) return;
  }
  let sleeps = 0;
  for (let round = 0; round < ROUNDS_MAX && sleeps < SLEEPS_MAX; round++) {
    if (Atomics.exchange(words, at, 2) === 0) return;
    if (Atomics.wait(words, at, 2, SLEEP_MS) === "timed-out") sleeps++;
  }
  // Sections publish with their last store, so the state behind the lock of a dead holder is
  // whole; at worst the cells in its hands are lost.
  Atomics.add(words, HEADER.lockSteals, 1);
  Atomics.store(words, at, 2);
}

/** Gives the lock back and wakes one sleeper, if there may be one. */
export function unlock(words: Int32Array, at: number): void {
  if (Atomics.exchange(words, at, 0) === 2) Atomics.notify(words, at, 1);
}
