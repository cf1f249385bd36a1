// The end of a run of an endpoint's scenario in the terminal, and as one JSON object. Pure.
import { duration, grouped, plural } from "../text.js";
import type { EndpointReport, StopTimes } from "./types.js";

/** The report as one JSON object with a final newline. */
export function endpointJson(report: EndpointReport): string {
  return `${JSON.stringify(report, null, 2)}\n`;
}

/** The summary, with a final newline. */
export function endpointText(report: EndpointReport): string {
  const { scenario, design, backend, verdict, expected, why, cycles, stopMs } = report;
  const says = verdict === expected ? "as expected" : `expected ${expected}`;
  const head = ` ${verdict}  ${scenario}, design ${design}, ${backend} backend: ${says}`;
  const rows: [label: string, text: string][] = [
    ["why", why],
    ...cycleRows(report),
    ["stop, idle", stopText(cycles.idle, stopMs.idle, stopMs.within.idle)],
    ["stop, flood", stopText(cycles.flood, stopMs.flood, stopMs.within.flood)],
    ["packets", framesText(report)],
    ["process", processText(report)],
    ["left behind", leaksText(report.leaks)],
    ["time", duration(report.seconds * 1000)],
    ...(report.folder === null ? [] : [["folder", report.folder] as [string, string]]),
    ["repeat", report.command],
  ];
  return `${head}\n${rows.map(([label, text]) => `  ${label.padEnd(13)}${text}\n`).join("")}`;
}

function cycleRows({ cycle, detectedAfterMs }: EndpointReport): [string, string][] {
  const rows = cycle.map(({ thread, tid, holds, in: call, waitsFor }): [string, string] => {
    const has = holds.length === 0 ? "nothing" : holds.join(" and ");
    return [thread, `[${tid}] holds ${has}; waits in ${call} for ${waitsFor}`];
  });
  if (detectedAfterMs === null) return rows;
  return [...rows, ["told after", duration(detectedAfterMs)]];
}

function stopText(count: number, times: StopTimes | null, within: number): string {
  if (times === null) return "none";
  const { p50, p99, max } = times;
  const list = `p50 ${duration(p50)}, p99 ${duration(p99)}, max ${duration(max)}`;
  return `${plural(count, "time")}: ${list} (p99 within ${duration(within)})`;
}

function framesText({ frames, flood }: EndpointReport): string {
  const drops = Object.entries(frames.drops).map(([reason, n]) => `${reason} ${grouped(n)}`);
  const kept = frames.inHand === 0 ? "" : ` + ${frames.inHand} kept`;
  const balance = frames.balanced ? "balanced" : "NOT BALANCED";
  return (
    `${grouped(frames.in)} read = ${grouped(frames.out)} delivered + dropped ` +
    `(${drops.join(", ")})${kept}: ${balance}; ` +
    `${grouped(frames.afterStop)} read after a stop; ${grouped(flood.sent)} sent`
  );
}

function processText({ process: { idle, flood } }: EndpointReport): string {
  const text = (range: { readonly least: number; readonly most: number } | null) => {
    if (range === null) return "-";
    return range.least === range.most ? `${range.least}` : `${range.least} to ${range.most}`;
  };
  return (
    `threads ${text(idle.threads)} idle, ${text(flood.threads)} under the flood; ` +
    `descriptors ${text(idle.fds)}, ${text(flood.fds)}`
  );
}

function leaksText({ namespaces, devices, fds, workers }: EndpointReport["leaks"]): string {
  const sum = namespaces + devices + fds + workers;
  if (sum === 0) return "nothing";
  return `${namespaces} namespaces, ${devices} devices, ${fds} descriptors, ${workers} threads`;
}
