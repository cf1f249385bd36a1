// How threads of the memory backend wait: for a lock (`lock`, `unlock`) and for something to happen
// (one bell per waiter: `openWaiter` once per handle; `ringArmed` from whoever puts a frame on a
// list). Every thread that touches the backend.
//
// The lock is one word: 0 free, 1 held, 2 held and somebody may sleep for it; for sections of well
// under a microsecond. Not a ticket lock: under a ticket lock a preempted holder stalls everybody
// in line, and a run that shows a lockup has more spinning threads than cores by design. Here a
// waiter spins briefly and then sleeps (as a futex mutex does), which gives the core to the holder.
//
// Why no wake-up is lost. The sleeper: reads its bell, stores `sleeping` = 1, arms the lists it
// waits for, looks at the lists, and only then Atomics.wait(bell, the value read). The ringer:
// puts the frame on the list, then reads `armed` and `sleeping`. All of these are sequentially
// consistent, so either the ringer's reads come after the sleeper's stores, and it rings, which
// changes the bell so that Atomics.wait returns at once or is woken; or they came before, and then
// the frame was on the list before the sleeper looked. A list stays armed for good; `sleeping` is
// what keeps a busy reader from being rung for every frame.
import { nowMs } from "../../base/clock.js";
import { PacketpathError } from "../../base/errors.js";
import { HEADER, WAITER, WAITERS_AT, WAITER_SLOTS, WAITER_WORDS } from "./layout.js";

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

/** Value of an `armed` word when more than one waiter has armed it: ring all of them. */
export const ARMED_MANY = -1;

const WAITER_BITS = 10;
const REWAITS_MAX = 1_000_000;

function at(slot: number): number {
  return WAITERS_AT + slot * WAITER_WORDS;
}

/**
 * Takes a waiter for the calling thread.
 * @returns its handle, for `kickWaiter` and as `stopHandle`; the slot is `waiterSlot(handle)`.
 */
export function openWaiter(words: Int32Array): number {
  lock(words, HEADER.waiterLock);
  let slot = 0;
  while (slot < WAITER_SLOTS && words[at(slot) + WAITER.used] !== 0) slot++;
  if (slot === WAITER_SLOTS) {
    unlock(words, HEADER.waiterLock);
    throw new PacketpathError(
      "ENVIRONMENT",
      `the memory backend has ${WAITER_SLOTS} waiters and all are in use`,
    );
  }
  const base = at(slot);
  const generation = (words[base + WAITER.generation]! + 1) & 0xfffff;
  words[base + WAITER.used] = 1;
  words[base + WAITER.generation] = generation;
  Atomics.store(words, base + WAITER.sleeping, 0);
  Atomics.store(words, base + WAITER.kicked, 0);
  if (slot >= Atomics.load(words, HEADER.waiterHigh)) {
    Atomics.store(words, HEADER.waiterHigh, slot + 1);
  }
  unlock(words, HEADER.waiterLock);
  return (generation << WAITER_BITS) | slot;
}

export function waiterSlot(handle: number): number {
  return handle & (WAITER_SLOTS - 1);
}

/** Gives the waiter back; lists it armed ring its next owner for nothing, which is harmless. */
export function closeWaiter(words: Int32Array, handle: number): void {
  const base = at(waiterSlot(handle));
  lock(words, HEADER.waiterLock);
  if (words[base + WAITER.generation] === handle >>> WAITER_BITS) {
    Atomics.store(words, base + WAITER.sleeping, 0);
    words[base + WAITER.used] = 0;
  }
  unlock(words, HEADER.waiterLock);
}

/** Wakes a waiter whether it sleeps or not: its next wait returns at once. */
export function kickWaiter(words: Int32Array, handle: number): void {
  const base = at(waiterSlot(handle));
  if (Atomics.load(words, base + WAITER.generation) !== handle >>> WAITER_BITS) return;
  Atomics.store(words, base + WAITER.kicked, 1);
  Atomics.add(words, base + WAITER.bell, 1);
  Atomics.notify(words, base + WAITER.bell);
}

/** Consumes a kick. */
export function takeKick(words: Int32Array, slot: number): boolean {
  return Atomics.exchange(words, at(slot) + WAITER.kicked, 0) === 1;
}

export function isSleeping(words: Int32Array, slot: number): boolean {
  return Atomics.load(words, at(slot) + WAITER.sleeping) === 1;
}

function ring(words: Int32Array, slot: number): void {
  const base = at(slot);
  if (Atomics.load(words, base + WAITER.sleeping) === 0) return;
  Atomics.add(words, base + WAITER.bell, 1);
  Atomics.notify(words, base + WAITER.bell);
}

/** Rings everybody who sleeps. */
export function ringAll(words: Int32Array): void {
  const high = Atomics.load(words, HEADER.waiterHigh);
  for (let slot = 0; slot < high; slot++) ring(words, slot);
}

/** Rings whoever armed the list whose `armed` word this is. Call it after the frame is on. */
export function ringArmed(words: Int32Array, armedAt: number): void {
  const armed = Atomics.load(words, armedAt);
  if (armed === 0) return;
  if (armed === ARMED_MANY) ringAll(words);
  else ring(words, armed - 1);
}

/** Arms a list for a waiter; a second waiter makes it ARMED_MANY. */
export function arm(words: Int32Array, armedAt: number, slot: number): void {
  const armed = Atomics.load(words, armedAt);
  if (armed === slot + 1 || armed === ARMED_MANY) return;
  if (armed !== 0 && words[at(armed - 1) + WAITER.used] === 1) {
    Atomics.store(words, armedAt, ARMED_MANY);
  } else if (Atomics.compareExchange(words, armedAt, armed, slot + 1) !== armed) {
    Atomics.store(words, armedAt, ARMED_MANY);
  }
}

/**
 * Sleeps until `look` finds something, a kick arrives or the time is over.
 * @param look arms and counts what is ready; called before each sleep.
 * @param timeoutMs milliseconds; negative: for ever.
 * @returns what `look` found last, 0 after a timeout or a kick.
 */
export function waitUntil(
  words: Int32Array,
  slot: number,
  timeoutMs: number,
  look: () => number,
): number {
  const base = at(slot);
  const startMs = nowMs();
  Atomics.store(words, HEADER.jiffiesMs, startMs | 0);
  const deadline = timeoutMs < 0 ? Infinity : startMs + timeoutMs;
  let found = 0;
  for (let i = 0; i < REWAITS_MAX; i++) {
    const bell = Atomics.load(words, base + WAITER.bell);
    Atomics.store(words, base + WAITER.sleeping, 1);
    found = look();
    if (found > 0 || Atomics.load(words, base + WAITER.kicked) === 1) break;
    const leftMs = deadline === Infinity ? Infinity : deadline - nowMs();
    if (leftMs <= 0) break;
    Atomics.wait(words, base + WAITER.bell, bell, leftMs);
  }
  Atomics.store(words, base + WAITER.sleeping, 0);
  takeKick(words, slot);
  return found;
}
