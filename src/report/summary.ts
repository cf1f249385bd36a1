// The end of a run in the terminal: what a tired person has to know, in the order they need it.
// First line the verdict, second line why; then one labelled row for each thing that can be right
// or wrong; last the folder and the command, unwrapped, so that they can be copied. 80 columns.
import { styleText } from "node:util";
import {
  accountedFrames,
  expectation,
  leakTotal,
  unfinished,
  verdictTone,
  windowStories,
  type Tone,
  type WindowStory,
} from "./story.js";
import { duration, grouped, microseconds, plural, short, total, trigger } from "./text.js";
import type { LockupReport, RunRecord, RunReport } from "./types.js";

const WIDTH = 80;
const INDENT = 13;
/** More of a kind are counted, not listed. */
const LISTED_MAX = 3;

export interface SummaryOptions {
  /** See `wantsColor`. */
  readonly color: boolean;
}

/** Whether a stream should get colors: a terminal, and NO_COLOR is not set (no-color.org). */
export function wantsColor(
  stream: { readonly isTTY?: boolean },
  environment: Readonly<Record<string, string | undefined>>,
): boolean {
  const force = environment["FORCE_COLOR"];
  if (environment["NO_COLOR"]) return false;
  if (force !== undefined && force !== "") return force !== "0" && force !== "false";
  return stream.isTTY === true && environment["TERM"] !== "dumb";
}

interface Row {
  readonly label: string;
  readonly text: string;
  readonly tone?: Tone;
  /** Not wrapped: a path, a command. */
  readonly whole?: boolean;
}

/** The summary, with a final newline. */
export function summary(record: RunRecord, options: SummaryOptions): string {
  const paint = painter(options.color);
  const { report } = record;
  const lines = [...headline(report, paint), ""];
  for (const row of rows(record)) {
    const width = row.whole === true ? Number.POSITIVE_INFINITY : WIDTH - INDENT;
    wrap(printable(row.text), width).forEach((line, index) => {
      const label = index === 0 ? row.label : "";
      const text = row.tone === undefined ? line : paint(row.tone, line);
      lines.push(`  ${paint("label", label.padEnd(INDENT - 2))}${text}`);
    });
  }
  return `${lines.join("\n")}\n`;
}

/** Names come from files: one with an escape sequence in it must not reach the terminal. */
function printable(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, "\ufffd");
}

type Paint = (
  style: Tone | "label" | "verdict-good" | "verdict-bad" | "verdict-warn",
  text: string,
) => string;

const FORMATS = {
  good: "green",
  bad: "red",
  warn: "yellow",
  label: "dim",
  "verdict-good": ["bold", "inverse", "green"],
  "verdict-bad": ["bold", "inverse", "red"],
  "verdict-warn": ["bold", "inverse", "yellow"],
} as const;

function painter(color: boolean): Paint {
  if (!color) return (_style, text) => text;
  return (style, text) => {
    const format = FORMATS[style];
    const list = typeof format === "string" ? format : [...format];
    return text === "" ? "" : styleText(list, text, { validateStream: false });
  };
}

function headline(report: RunReport, paint: Paint): string[] {
  const { met, text } = expectation(report);
  const tone = verdictTone(report);
  const badge = ` ${report.verdict} `;
  const left = printable(` ${report.scenario}, guard ${report.guard}, ${report.backend} backend`);
  const gap = WIDTH - badge.length - left.length - text.length;
  const state = paint(met ? "good" : "bad", text);
  const first = paint(`verdict-${tone}`, badge) + left;
  const head = gap >= 1 ? [first + " ".repeat(gap) + state] : [first, `  ${state}`];
  return [...head, ...wrap(printable(report.why), WIDTH - 2).map((line) => `  ${line}`)];
}

function rows(record: RunRecord): Row[] {
  const { report } = record;
  return [
    ...requestRows(report),
    ...windowStories(record).slice(0, LISTED_MAX).map(windowRow),
    ...bookRows(report),
    ...balancerRows(report.balancer),
    ...lockupRows(report.lockups),
    ...rcuRows(report),
    leakRow(report),
    ...report.faults.slice(0, 2 * LISTED_MAX).map((fault, index) => faultRow(fault, index)),
    ...record.warnings.map((text): Row => ({ label: "warning", text, tone: "warn" })),
    ...(report.folder === null ? [] : [{ label: "folder", text: report.folder, whole: true }]),
    { label: "repeat", text: report.command, whole: true },
  ];
}

function requestRows(report: RunReport): Row[] {
  const { requests, bystander } = report;
  const rows: Row[] = [];
  if (requests.sent === 0) {
    rows.push({ label: "requests", text: "none were sent" });
  } else {
    rows.push({ label: "requests", text: requestText(requests) });
    rows.push({ label: "", text: latencyText(requests) });
  }
  if (bystander.sent > 0) {
    const { same } = bystander;
    const text = `${requestText(bystander)}${same ? ": undisturbed" : ": disturbed"}`;
    rows.push({ label: "bystander", text, tone: same ? "good" : "bad" });
  }
  return rows;
}

function requestText(requests: RunReport["bystander"] | RunReport["requests"]): string {
  const failed = total(requests.failed);
  const parts = [`${grouped(requests.ok)} of ${grouped(requests.sent)} ok`];
  if (failed > 0) parts.push(`${grouped(failed)} failed (${counts(requests.failed)})`);
  const open = unfinished(requests);
  if (open > 0) parts.push(`${grouped(open)} without an end`);
  return parts.join(", ");
}

function latencyText(requests: RunReport["requests"]): string {
  const { p50, p99, max } = requests.latencyMs;
  const latency =
    requests.ok === 0
      ? "no latency, none was answered"
      : `latency p50 ${duration(p50)}, p99 ${duration(p99)}, max ${duration(max)}`;
  const { maxInFlight, maxHeld } = requests;
  const held = maxHeld === maxInFlight ? "" : ` (${grouped(maxHeld)} at a server)`;
  const head = `${grouped(maxInFlight)} in flight at once${held}, ${short(requests.seconds)} s`;
  const own = `${grouped(requests.listenOverflows)} listen overflows`;
  return `${head}; ${latency}; ${own}, ${grouped(requests.retransmittedSegments)} retransmits`;
}

function counts(record: Readonly<Record<string, number>>): string {
  const sorted = Object.entries(record)
    .filter(([, count]) => count > 0)
    .sort((a, b) => b[1] - a[1]);
  const shown = sorted.slice(0, 2 * LISTED_MAX).map(([name, n]) => `${name} ${grouped(n)}`);
  const more = sorted.length - shown.length;
  return shown.join(", ") + (more > 0 ? `, ${plural(more, "more kind")}` : "");
}

function windowRow(story: WindowStory): Row {
  const port = `${story.device} (port ${story.port})`;
  const picks = `${plural(story.picks, "packet")} picked a queue in it`;
  const us = story.microseconds ?? 0;
  switch (story.kind) {
    case "open":
      return {
        label: "window",
        text: `${port}: ${microseconds(us)} with 0 queues and still published; ${picks}`,
      };
    case "still-open":
      return {
        label: "window",
        text: `${port}: 0 queues and STILL published when the run ended; ${picks}`,
        tone: "bad",
      };
    case "safe-order":
      return { label: "window", text: `${port}: none, it was unpublished first` };
    case "unknown":
      return { label: "window", text: `${port}: not seen` };
  }
}

function bookRows(report: RunReport): Row[] {
  const { frames } = report;
  const accounted = accountedFrames(frames);
  const dropped = total(frames.drops);
  const sum = `${grouped(frames.out)} out + ${grouped(dropped)} dropped`;
  const injected = ` + ${grouped(frames.injected)} injected losses`;
  const result = frames.balanced
    ? "balanced"
    : `NOT balanced, ${plural(frames.in - accounted, "frame")} unaccounted for`;
  const row: Row = {
    label: "books",
    text: `${grouped(frames.in)} frames in = ${sum}${injected}: ${result}`,
    ...(frames.balanced ? {} : { tone: "bad" as const }),
  };
  const drops: Row[] = dropped > 0 ? [{ label: "drops", text: counts(frames.drops) }] : [];
  return [row, ...drops];
}

function balancerRows(balancer: RunReport["balancer"]): Row[] {
  if (balancer === null) return [];
  const { connections, counts, untold, clients } = balancer;
  const all = plural(connections.added, "connection");
  const open = connections.left === 0 ? "none left" : `${grouped(connections.left)} LEFT`;
  const rows: Row[] = [{ label: "balancer", text: `${all}, ${open}; ${countsOf(counts)}` }];
  if (total(untold) > 0) rows.push({ label: "", text: `went without: ${countsOf(untold)}` });
  if (clients !== null) {
    const { asked, same, different } = clients;
    const text =
      `of ${grouped(asked)} requests ${grouped(same)} came with their client's address, ` +
      `${grouped(different)} with another`;
    rows.push({ label: "clients", text, tone: same === asked && same > 0 ? "good" : "bad" });
  }
  return rows;
}

function countsOf(record: Readonly<Record<string, number>>): string {
  const entries = Object.entries(record).filter(([, count]) => count > 0);
  return entries.map(([name, count]) => `${name} ${grouped(count)}`).join(", ");
}

function lockupRows(lockups: readonly LockupReport[]): Row[] {
  const first = lockups[0];
  if (first === undefined) return [];
  const { state } = first;
  const hint = state.recordedRxQueue === null ? "none" : String(state.recordedRxQueue);
  const bits = `START ${bit(state.start)}, carrier ${bit(state.carrier)}, IFF_UP ${bit(state.up)}`;
  const words =
    `in ${first.where} on ${state.device} (${state.kind}): ` +
    `real_num_tx_queues ${state.realNumTxQueues}, reg_state ${state.regState}, ` +
    `recorded rx queue ${hint}, hash ${state.hash}, qcount ${state.qcount}, ${bits}`;
  const rows: Row[] = [
    { label: "lockup", text: first.message, tone: "bad", whole: true },
    { label: "", text: words },
  ];
  if (lockups.length > 1) {
    const others = lockups.slice(1).map((lockup) => lockup.worker);
    const list = others.slice(0, 8).join(", ") + (others.length > 8 ? " ..." : "");
    rows.push({ label: "", text: `and ${plural(others.length, "more worker")}: ${list}` });
  }
  return rows;
}

function bit(on: boolean): string {
  return on ? "set" : "clear";
}

function rcuRows(report: RunReport): Row[] {
  const { rcu } = report;
  if (rcu.stalled) {
    const text = "a grace period still waits for a locked-up worker";
    return [{ label: "rcu", text, tone: "bad" }];
  }
  if (rcu.gracePeriods === 0) return [];
  const longest = duration(rcu.longestMs);
  const text = `${plural(rcu.gracePeriods, "grace period")}, the longest ${longest}`;
  return [{ label: "rcu", text }];
}

function leakRow(report: RunReport): Row {
  const { namespaces, devices, fds, workers } = report.leaks;
  if (leakTotal(report) === 0) return { label: "leaks", text: "none" };
  const text =
    `${plural(namespaces, "namespace")}, ${plural(devices, "device")}, ` +
    `${plural(fds, "file descriptor")}, ${plural(workers, "worker")} left behind`;
  return { label: "leaks", text, tone: "bad" };
}

function faultRow(fault: RunReport["faults"][number], index: number): Row {
  const label = index === 0 ? "faults" : "";
  const head = `${fault.kind} ${fault.target} at ${trigger(fault.at)}: `;
  if (fault.firedAtMs === null) return { label, text: `${head}never fired`, tone: "warn" };
  const times = fault.times > 1 ? `, ${grouped(fault.times)} times` : "";
  const touched = plural(fault.framesTouched, "frame");
  return { label, text: `${head}after ${duration(fault.firedAtMs)}${times}, ${touched} touched` };
}

/** Breaks at spaces; a word that is longer than the width stays whole on its line. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(/\s+/)) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  lines.push(line);
  return lines;
}
