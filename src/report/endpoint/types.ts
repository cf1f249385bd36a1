// What the run of an endpoint's scenario leaves behind: report.json, with the fields of other runs
// where they apply. A contract with scripts: fields may be added, never renamed. Types only.
import type { Leaks, Verdict } from "../types.js";

export interface StopTimes {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** Least and most of a number; null where nobody has looked. */
type Range = { readonly least: number; readonly most: number } | null;

export interface ProcessRange {
  readonly threads: Range;
  readonly fds: Range;
}

export interface EndpointReport {
  readonly schemaVersion: 1;
  readonly scenario: string;
  readonly backend: "linux" | "memory";
  /** There is no switch here, and nothing random. */
  readonly guard: null;
  readonly profile: null;
  readonly seed: null;
  readonly design: string;
  readonly queues: number;
  readonly verdict: Verdict;
  readonly expected: Verdict;
  /** One sentence: why this verdict. */
  readonly why: string;
  /** Attaches and detaches that came to their end. */
  readonly cycles: { readonly idle: number; readonly flood: number };
  /** From the call of Attach(nil) to its return; null where there was no cycle. */
  readonly stopMs: {
    readonly idle: StopTimes | null;
    readonly flood: StopTimes | null;
    /** What `p99` is held against. */
    readonly within: { readonly idle: number; readonly flood: number };
  };
  /** Threads that wait for each other, each for the next; empty: there was no deadlock. */
  readonly cycle: readonly {
    readonly thread: string;
    readonly tid: number;
    readonly holds: readonly string[];
    readonly in: string;
    readonly waitsFor: string;
  }[];
  /** From the call that never returned to the moment when the cycle was told. */
  readonly detectedAfterMs: number | null;
  /** `in` = `out` + the sum of `drops` + `inHand`, exactly. */
  readonly frames: {
    readonly in: number;
    /** Delivered to the handler. */
    readonly out: number;
    readonly drops: Readonly<Record<string, number>>;
    /** In the hands of loops that a deadlock has kept. */
    readonly inHand: number;
    readonly balanced: boolean;
    /** Read by a loop after it was told to stop; at most one per loop and stop. */
    readonly afterStop: number;
  };
  readonly flood: { readonly sent: number; readonly errors: Readonly<Record<string, number>> };
  /** Threads and descriptors of the process while the cycles ran. */
  readonly process: { readonly idle: ProcessRange; readonly flood: ProcessRange };
  readonly leaks: Leaks;
  readonly seconds: number;
  /** The command that repeats this run. */
  readonly command: string;
  /** Absolute path of the run folder, or null if none was written. */
  readonly folder: string | null;
}
