// What the main thread and the threads of a repetition say to each other. Types and constants.
import type { Uses } from "../source/unpack.js";
import type { Verdict } from "../types.js";
import type { PlanEnd, PlanStep } from "./plan.js";

/** Given to a thread of a program when it is made. */
export interface ProgramData {
  readonly code: string;
  readonly file: string;
  /** What the program's text says that it needs. */
  readonly uses: Uses;
}

/** One repetition. */
export interface Job {
  readonly thread: number;
  /** Nobody else is there: steps wait for no turn. Set-up and final check. */
  readonly isAlone: boolean;
  readonly memory: SharedArrayBuffer;
  readonly baton: SharedArrayBuffer;
  readonly steps: readonly PlanStep[];
  readonly end: PlanEnd;
}

/**
 * How a thread came out. `blocked`: it waits in memory for a change that does not come; `open`: it
 * could go on but the schedule is over; `diverged`: it did not do as planned.
 */
export interface Report {
  readonly thread: number;
  readonly how: "done" | "blocked" | "failed" | "open" | "diverged";
  readonly verdict: Verdict | null;
  readonly message: string;
}

/** The thread has left the repetition and is ready for the next one. */
export interface Ready {
  readonly ready: number;
}

/** Rounds of a loop with the same values after which it is called endless. */
export const SAME_ROUNDS = 10_000;
