// The only place that reads time. CLOCK_MONOTONIC counts the same in every thread of the process
// (unlike `performance.now`, whose zero is each thread's own start), so stamps taken in different
// threads can be compared.
//
// `process` is imported, for the global of this name is a getter that takes as long as the clock.
import process from "node:process";

/** Monotonic time in nanoseconds. Below 2^53 for 104 days of uptime. */
export function nowNs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e9 + nanoseconds;
}

/** Monotonic time in milliseconds, with a fraction. */
export function nowMs(): number {
  return nowNs() / 1e6;
}

/** Wall-clock time, for people and file names only: ISO 8601, UTC. */
export function wallClock(): string {
  return new Date().toISOString();
}

/** A clock that code receives instead of reading time itself, so that tests can step it. */
export interface Clock {
  nowMs(): number;
}

export const realClock: Clock = { nowMs };

/** A clock that moves only when told to. */
export class SteppedClock implements Clock {
  private ms: number;

  constructor(startMs = 0) {
    this.ms = startMs;
  }

  nowMs(): number {
    return this.ms;
  }

  /** Moves time forward by `ms` milliseconds (0 or more). */
  step(ms: number): void {
    if (!(ms >= 0)) throw new RangeError(`a clock cannot step by ${ms} ms`);
    this.ms += ms;
  }
}
