// What happened, drawn from a RunRecord once, so that the terminal, the page and the traces tell
// the same story: where each window opened and closed, which steps belong to it, what is wrong.
// Pure; any thread.
import type { RunEvent, RunRecord, RunReport } from "./types.js";
import { total } from "./text.js";

const ZEROES_COUNT = /\b(netdev_unregister_kobject|remove_queue_kobjects)\b/;
const UNPUBLISHES = /\bovs_dp_detach_port\b/;
/** U1 ... U14, N1, X, Z and so on in front of a function's name. */
const STEP = /^([A-Z]\d{0,2}[a-z]?)\s+(.+)$/;
/** Steps further than this from the window are another story. */
const REACH_MS = 2000;

/** One unregistered port: from its first step to the moment it was unpublished. */
export interface WindowStory {
  readonly device: string;
  readonly port: number;
  readonly zeroedAtMs: number | null;
  /** null: never, as far as this run saw. */
  readonly unpublishedAtMs: number | null;
  readonly microseconds: number | null;
  readonly picks: number;
  /** open: the count was zeroed first, so packets could still find the port with no queues. */
  readonly kind: "open" | "still-open" | "safe-order" | "unknown";
  /** Events around it, in the order of time. */
  readonly events: readonly RunEvent[];
  /** The fault that led to it: its place in report.faults, or -1. */
  readonly fault: number;
}

/** A label of an event in two parts: the step ("U8") and the rest ("unlist_netdevice"). */
export function stepOf(what: string): { readonly step: string; readonly name: string } {
  const match = STEP.exec(what);
  return match === null ? { step: "", name: what } : { step: match[1]!, name: match[2]! };
}

/** One entry for each entry of report.windows, in its order. */
export function windowStories(record: RunRecord): WindowStory[] {
  const events = [...record.events].sort((a, b) => a.atMs - b.atMs);
  const seen = new Map<string, number>();
  return record.report.windows.map((window) => {
    const nth = seen.get(window.device) ?? 0;
    seen.set(window.device, nth + 1);
    const own = events.filter((event) => event.device === window.device);
    const zeroed = window.zeroedAtMs ?? nthAt(zeroings(own), nth);
    const found = nthAt(own.filter(isFunction(UNPUBLISHES)), nth);
    const unpublished = window.unpublishedAtMs ?? (window.microseconds === null ? null : found);
    const close = closing(zeroed, unpublished, window.microseconds);
    const fault = faultBefore(record.report, zeroed);
    return {
      device: window.device,
      port: window.port,
      zeroedAtMs: zeroed,
      unpublishedAtMs: close,
      microseconds: window.microseconds,
      picks: window.picksInWindow,
      kind: kindOf(zeroed, close, window.microseconds),
      events: around(events, window.device, zeroed, close),
      fault,
    };
  });
}

function isFunction(pattern: RegExp) {
  return (event: RunEvent): boolean =>
    event.fields["ret"] !== true &&
    (pattern.test(event.what) || pattern.test(String(event.fields["function"] ?? "")));
}

/**
 * The events at which the count becomes 0. A probe at the entry of netdev_unregister_kobject still
 * sees the old count, so where the events carry the count, those that say 0 are meant.
 */
function zeroings(own: readonly RunEvent[]): RunEvent[] {
  const named = own.filter(isFunction(ZEROES_COUNT));
  const zero = named.filter((event) => event.fields["real_num_tx_queues"] === 0);
  return zero.length > 0 ? zero : named;
}

function nthAt(events: readonly RunEvent[], n: number): number | null {
  return events[n]?.atMs ?? null;
}

/** Where the window ends: as recorded, or by its length. */
function closing(zeroed: number | null, unpublished: number | null, us: number | null) {
  if (unpublished !== null) return unpublished;
  return zeroed === null || us === null ? null : zeroed + us / 1000;
}

function kindOf(
  zeroed: number | null,
  close: number | null,
  us: number | null,
): WindowStory["kind"] {
  // Shorter than the clock's microsecond is still open: the order decides, then the length.
  if (zeroed !== null && close !== null) return close >= zeroed ? "open" : "safe-order";
  if (us !== null) return us > 0 ? "open" : "safe-order";
  return zeroed === null ? "unknown" : "still-open";
}

function around(
  events: readonly RunEvent[],
  device: string,
  zeroed: number | null,
  close: number | null,
): RunEvent[] {
  if (zeroed === null) return [];
  const end = close ?? zeroed;
  return events.filter(
    (event) =>
      (event.device === device || event.device === null) &&
      event.atMs >= zeroed - REACH_MS &&
      event.atMs <= end + REACH_MS,
  );
}

function faultBefore(report: RunReport, zeroed: number | null): number {
  if (zeroed === null) return -1;
  let best = -1;
  let bestAt = Number.NEGATIVE_INFINITY;
  report.faults.forEach((fault, index) => {
    if (fault.firedAtMs === null || fault.firedAtMs > zeroed) return;
    if (fault.firedAtMs >= bestAt) {
      best = index;
      bestAt = fault.firedAtMs;
    }
  });
  return best;
}

/** The window that matters most: one that never closed, else the longest. */
export function worstWindow(stories: readonly WindowStory[]): WindowStory | null {
  let worst: WindowStory | null = null;
  for (const story of stories) {
    if (worst === null || rank(story) > rank(worst)) worst = story;
  }
  return worst;
}

function rank(story: WindowStory): number {
  return story.kind === "still-open" ? Number.POSITIVE_INFINITY : (story.microseconds ?? -1);
}

/** Good, bad, or nothing shown; decides color and sign everywhere. */
export type Tone = "good" | "bad" | "warn";

export function verdictTone(report: RunReport): Tone {
  if (report.verdict === "SAFE") return "good";
  return report.verdict === "INVALID" ? "warn" : "bad";
}

/** "as expected" and so on; a tired reader must not have to compare two words. */
export function expectation(report: RunReport): { readonly met: boolean; readonly text: string } {
  if (report.verdict === report.expected) return { met: true, text: "as expected" };
  return { met: false, text: `NOT as expected: the scenario expects ${report.expected}` };
}

/** Requests whose fate is unknown: sent, neither answered nor failed. */
export function unfinished(requests: { sent: number; ok: number; failed: object }): number {
  const failed = total(requests.failed as Readonly<Record<string, number>>);
  return Math.max(0, requests.sent - requests.ok - failed);
}

/** Sum of everything that a run left behind. */
export function leakTotal(report: RunReport): number {
  const { namespaces, devices, fds, workers } = report.leaks;
  return namespaces + devices + fds + workers;
}

/** Right-hand side of the books: what `frames.in` has to be. */
export function accountedFrames(frames: RunReport["frames"]): number {
  return frames.out + total(frames.drops) + frames.injected;
}
