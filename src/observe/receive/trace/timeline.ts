// Draws the events of one packet: a line each, in the column of the CPU and context that did it.
// Pure; any thread.
import { contextOf, type TraceEvent } from "./trace-text.js";

/** What an event says, for people. */
const SAYINGS: Readonly<Record<string, (fields: Readonly<Record<string, string>>) => string>> = {
  net_dev_queue: (f) => `${f["dev"]}: to be transmitted`,
  net_dev_xmit: (f) => `${f["dev"]}: transmitted`,
  netif_rx: (f) => `${f["dev"]}: into a backlog`,
  netif_receive_skb: (f) => `${f["dev"]}: received`,
  napi_poll: (f) => `backlog worked off: ${f["work"]}`,
  softirq_raise: (f) => `${f["action"]} raised`,
  softirq_entry: (f) => `${f["action"]} begins`,
  softirq_exit: (f) => `${f["action"]} ends`,
};

export function sayingOf({ name, fields }: Pick<TraceEvent, "name" | "fields">): string {
  const call = /^sys_(enter|exit)_(\w+)$/.exec(name);
  if (call?.[1] === "enter") return `${call[2]}() begins`;
  if (call !== null) return `${call[2]}() returns ${Number(fields["returned"])}`;
  return SAYINGS[name]?.(fields) ?? name;
}

/** In a softirq or interrupt, the thread is the one that it came over. */
function laneOf(event: TraceEvent): string {
  const thread = event.pid === 0 ? "idle" : `thread ${event.pid}`;
  return `CPU ${event.cpu} ${contextOf(event)}, ${thread}`;
}

/** Lines of text; microseconds since the first event. */
export function timelineLines(events: readonly TraceEvent[]): string[] {
  const lanes = [...new Set(events.map(laneOf))];
  const start = events[0]?.atUs ?? 0;
  const widths = lanes.map((lane) => {
    const texts = events.filter((one) => laneOf(one) === lane).map(sayingOf);
    return Math.max(lane.length, ...texts.map((text) => text.length));
  });
  const line = (head: string, cells: readonly string[]): string =>
    `${head}  ${cells.map((cell, i) => cell.padEnd(widths[i]!)).join(" | ")}`.trimEnd();
  const flags = Math.max(5, ...events.map((one) => one.flags.length));
  const head = `${"us".padStart(8)}  ${"flags".padEnd(flags)}`;
  return [
    line(head, lanes),
    ...events.map((event) => {
      const at = String(event.atUs - start).padStart(8);
      const cells = lanes.map((lane) => (laneOf(event) === lane ? sayingOf(event) : ""));
      return line(`${at}  ${event.flags.padEnd(flags)}`, cells);
    }),
  ];
}

const CHAIN_COLUMNS = 92;

/** The tracer's own functions, and what compilers append to names. */
const TRACER = /^(trace_event_raw_event_|__traceiter_|ftrace_)/;
const COMPILED = /\.(part|constprop|isra|cold)\b.*$/;

/** The functions of a stack, the outermost first, on as few lines as they need. */
export function callChain(stack: readonly string[]): string[] {
  const lines: string[] = [];
  const own = stack.filter((name) => !TRACER.test(name)).toReversed();
  const names = own.map((name) => name.replace(COMPILED, ""));
  // A function and a part that the compiler has cut out of it are one.
  for (const name of names.filter((one, index) => one !== names[index - 1])) {
    const last = lines.at(-1);
    const joined = last === undefined ? name : `${last} > ${name}`;
    if (last !== undefined && joined.length <= CHAIN_COLUMNS) lines[lines.length - 1] = joined;
    else lines.push(last === undefined ? name : `> ${name}`);
  }
  return lines.map((line, index) => ` ${index === 0 ? "way:" : "    "} ${line}`);
}
