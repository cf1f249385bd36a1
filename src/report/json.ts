// report.json, events.jsonl and the one object of `run --json`. Field names are a contract with
// scripts: they are those of `RunReport`, in its order. Pure; any thread.
import type { RunEvent, RunRecord } from "./types.js";

/**
 * The report as one JSON object with a final newline. Numbers that JSON cannot write (NaN, an
 * infinite latency) become null, never text.
 */
export function reportJson(record: RunRecord): string {
  return `${JSON.stringify(record.report, finite, 2)}\n`;
}

/** One line for each event, in the order of time. */
export function eventsJsonl(events: readonly RunEvent[]): string {
  const sorted = [...events].sort((a, b) => a.atMs - b.atMs);
  return sorted.map((event) => `${JSON.stringify(event, finite)}\n`).join("");
}

/** environment.json: what the machine was, and the warnings about it. */
export function environmentJson(record: RunRecord): string {
  const { environment, warnings } = record;
  return `${JSON.stringify({ ...environment, warnings }, finite, 2)}\n`;
}

function finite(_key: string, value: unknown): unknown {
  return typeof value === "number" && !Number.isFinite(value) ? null : value;
}
