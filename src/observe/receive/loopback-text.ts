// What `observe loopback` found, as text and as an object for --json. Pure; any thread.
import { claimLine, skippedLine } from "./claims.js";
import { loopbackNotes } from "./kernel-rules.js";
import type { LoopbackPart, LoopbackResult } from "./loopback.js";
import { callChain, timelineLines } from "./trace/timeline.js";

export function loopbackAsExpected({ parts }: LoopbackResult): boolean {
  return parts.every(({ claims }) => claims.every(({ asExpected }) => asExpected));
}

export function loopbackJson(result: LoopbackResult): object {
  const notes = loopbackNotes(result.kernel);
  return { observation: "loopback", asExpected: loopbackAsExpected(result), ...result, notes };
}

export function loopbackText(result: LoopbackResult): string {
  const { kernel, tracing, pid, parts, skipped } = result;
  const absent = tracing.absent.length === 0 ? "" : `; without ${tracing.absent.join(", ")}`;
  const lines = [
    `loopback: pings to 127.0.0.1 in a namespace of their own, by thread ${pid}`,
    ` kernel ${kernel.release}; tracefs: ${tracing.place}${absent}`,
    ...parts.flatMap(partLines),
    "",
    ...skipped.map(skippedLine),
    ...loopbackNotes(kernel),
  ];
  return `${lines.join("\n")}\n`;
}

function partLines(part: LoopbackPart): string[] {
  const { cpu, steeredTo, claims, events, stack, counters } = part;
  const steered = steeredTo === null ? "" : `; lo's packets are steered to CPU ${steeredTo} (RPS)`;
  return [
    "",
    `sent on CPU ${cpu}${steered}`,
    "",
    ...timelineLines(events),
    "",
    ...callChain(stack),
    ...claims.map(claimLine),
    countersLine(steeredTo ?? cpu, counters),
  ];
}

function countersLine(cpu: number, { before, after }: LoopbackPart["counters"]): string {
  const grown = (key: "netRx" | "processed" | "dropped") =>
    `${before[key]} +${after[key] - before[key]}`;
  const packets = `${grown("processed")} processed, ${grown("dropped")} dropped`;
  return ` counters of CPU ${cpu}: NET_RX ${grown("netRx")}; packets ${packets}`;
}
