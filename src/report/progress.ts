// Progress while a run is on, for stderr: one line that is drawn again on a terminal, a plain line
// every few seconds anywhere else. Main thread only. Time is the sample's own, not a clock's.
import { duration, grouped } from "./text.js";
import type { Sample } from "./types.js";

/** Redrawing faster than this only flickers. */
const REDRAW_MS = 100;
const PLAIN_EVERY_MS = 3000;

/** What progress writes to; process.stderr is one. */
export interface ProgressStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

export interface ProgressOptions {
  /** Requests that the load will send in total; null when it has no such number. */
  readonly requests: number | null;
  /** Milliseconds between plain lines (default 3000). */
  readonly plainEveryMs?: number;
}

export interface Progress {
  /** Shows a sample if enough time has passed since the last one shown. */
  update(sample: Sample): void;
  /** Writes a line of its own that stays: a fault, a lockup. */
  note(text: string): void;
  /** Removes the redrawn line; the stream is free for the summary. */
  done(): void;
}

/** One line without a newline, at most `columns` wide. */
export function progressLine(
  sample: Sample,
  options: { readonly requests: number | null; readonly columns: number },
): string {
  const of = options.requests === null ? "" : `/${grouped(options.requests)}`;
  const parts = [`${grouped(sample.requestsOk)}${of} requests ok`];
  if (sample.requestsFailed > 0) parts.push(`${grouped(sample.requestsFailed)} failed`);
  if (sample.inFlight > 0) parts.push(`${grouped(sample.inFlight)} in flight`);
  parts.push(`${grouped(sample.framesIn)} frames`);
  if (sample.framesDropped > 0) parts.push(`${grouped(sample.framesDropped)} dropped`);
  const line = `${duration(sample.atMs).padStart(7)}  ${parts.join(", ")}`;
  return line.length <= options.columns ? line : line.slice(0, Math.max(0, options.columns));
}

/** A progress display on `stream`. */
export function createProgress(stream: ProgressStream, options: ProgressOptions): Progress {
  const redraws = stream.isTTY === true;
  const every = redraws ? REDRAW_MS : (options.plainEveryMs ?? PLAIN_EVERY_MS);
  // The line is one column shorter than the terminal: a full line would wrap on some.
  const columns = () => (redraws ? (stream.columns ?? 80) - 1 : 200);
  let shownAtMs = Number.NEGATIVE_INFINITY;
  let drawn = false;
  const erase = () => {
    if (drawn) stream.write("\r\u001b[2K");
    drawn = false;
  };
  return {
    update(sample) {
      if (sample.atMs - shownAtMs < every) return;
      shownAtMs = sample.atMs;
      const line = progressLine(sample, { requests: options.requests, columns: columns() });
      if (redraws) {
        stream.write(`\r\u001b[2K${line}`);
        drawn = true;
      } else {
        stream.write(`${line}\n`);
      }
    },
    note(text) {
      erase();
      stream.write(`${text}\n`);
      shownAtMs = Number.NEGATIVE_INFINITY;
    },
    done: erase,
  };
}
