// Reads what the kernel's `trace` file prints: events with their task, CPU, flags and stack. Pure;
// any thread. Format: kernel/trace/trace_output.c; the flags: Documentation/trace/ftrace.rst,
// "Output format".

export interface TraceEvent {
  /** Microseconds of CLOCK_MONOTONIC. */
  readonly atUs: number;
  readonly cpu: number;
  readonly task: string;
  /** The kernel's pid, which is a thread's number. */
  readonly pid: number;
  /** As printed: irqs and softirqs off, need-resched, hardirq or softirq, preempt depth, ... */
  readonly flags: string;
  /** `netif_rx`, `sys_enter_write`. */
  readonly name: string;
  /** What stands behind the name, `dev=lo len=36` as pairs. */
  readonly fields: Readonly<Record<string, string>>;
  /** Functions, the innermost first; empty if stacks were not recorded. */
  readonly stack: readonly string[];
}

export interface Trace {
  readonly events: readonly TraceEvent[];
  /** Events that were overwritten because a buffer was full. */
  readonly lost: number;
}

const EVENT = /^\s*(.+?)-(\d+)\s+(?:\([\s\d-]+\)\s+)?\[(\d+)\]\s+(\S{4,})\s+(\d+\.\d+): (.*)$/;
const ENTRIES = /^# entries-in-buffer\/entries-written: (\d+)\/(\d+)/;

/** Lines that are neither events nor of a stack are skipped: headings, marks between buffers. */
export function parseTrace(text: string): Trace {
  const events: (TraceEvent & { stack: string[] })[] = [];
  let lost = 0;
  let stack: string[] | null = null;
  for (const line of text.split("\n")) {
    const frame = /^ => (\S+)/.exec(line);
    if (frame !== null) {
      stack?.push(frame[1]!);
      continue;
    }
    const entries = ENTRIES.exec(line);
    if (entries !== null) lost = Number(entries[2]) - Number(entries[1]);
    const parts = EVENT.exec(line);
    if (parts === null) continue;
    const [, task = "", pid, cpu, flags = "", seconds, rest = ""] = parts;
    const base = { task, pid: Number(pid), cpu: Number(cpu), flags, atUs: micros(seconds!) };
    if (rest.startsWith("<stack trace>")) {
      stack = ownerOfStack(events, base)?.stack ?? null;
      continue;
    }
    events.push({ ...base, ...nameAndFields(rest), stack: [] });
  }
  return { events, lost };
}

/** Exact: a sum of doubles would lose the last digit after some weeks of uptime. */
function micros(seconds: string): number {
  const [whole = "0", fraction = "0"] = seconds.split(".");
  return Number(whole) * 1e6 + Number(fraction.padEnd(6, "0").slice(0, 6));
}

/**
 * A stack follows its event, but an interrupt may have come between them, with events and stacks of
 * its own. Those have other flags.
 */
function ownerOfStack<T extends Pick<TraceEvent, "cpu" | "pid" | "flags" | "stack">>(
  events: readonly T[],
  { cpu, pid, flags }: Pick<TraceEvent, "cpu" | "pid" | "flags">,
): T | undefined {
  return events.findLast(
    (one) => one.stack.length === 0 && one.cpu === cpu && one.pid === pid && one.flags === flags,
  );
}

function nameAndFields(text: string): Pick<TraceEvent, "name" | "fields"> {
  const call = /^sys_(\w+?)(?:\((.*)\)| -> (\S+))$/.exec(text);
  if (call !== null) {
    const [, name = "", given, returned] = call;
    if (returned !== undefined) return { name: `sys_exit_${name}`, fields: { returned } };
    return { name: `sys_enter_${name}`, fields: { given: given ?? "" } };
  }
  const colon = text.indexOf(": ");
  const name = colon < 0 ? text : text.slice(0, colon);
  // napi_poll has words where the others have pairs: `for device lo work 2 budget 64`.
  const form = name === "napi_poll" ? /(device|work|budget) (\S+)/g : /(\w+)=([^\s\]]+)/g;
  const pairs = (colon < 0 ? "" : text.slice(colon + 2)).matchAll(form);
  return { name, fields: Object.fromEntries([...pairs].map(([, key, value]) => [key!, value!])) };
}

export type Context = "task" | "softirq" | "interrupt";

/** What the CPU was serving: the third flag. */
export function contextOf({ flags }: Pick<TraceEvent, "flags">): Context {
  if (/[hHzZ]/.test(flags[2] ?? "")) return "interrupt";
  return flags[2] === "s" ? "softirq" : "task";
}

/** Whether softirqs were off: b, or D with interrupts off too (5.18 and later say so). */
export function hasSoftirqsOff({ flags }: Pick<TraceEvent, "flags">): boolean {
  return flags[0] === "b" || flags[0] === "D";
}
