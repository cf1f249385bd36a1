// What `observe tap` found, as text and as an object for --json. Pure; any thread.
import { claimLine } from "./claims.js";
import { tapNotes } from "./kernel-rules.js";
import type { TapResult, TapTimeline } from "./tap.js";
import { callChain, timelineLines } from "./trace/timeline.js";

export function tapAsExpected({ claims }: TapResult): boolean {
  return claims.every(({ asExpected }) => asExpected);
}

export function tapJson(result: TapResult): object {
  const notes = tapNotes(result.kernel);
  return { observation: "tap", asExpected: tapAsExpected(result), ...result, notes };
}

const TITLES = {
  echo: "an ICMP echo request, and the reply",
  syn: "a TCP SYN to a closed port, and the RST",
} as const;

export function tapText(result: TapResult): string {
  const { kernel, tracing, pid, cpu, claims, timelines } = result;
  const absent = tracing.absent.length === 0 ? "" : `; without ${tracing.absent.join(", ")}`;
  const lines = [
    `tap: frames written to a TAP in a namespace of its own, by thread ${pid} on CPU ${cpu}`,
    ` kernel ${kernel.release}; tracefs: ${tracing.place}${absent}`,
    ...timelines.flatMap(drawn),
    "",
    ...claims.map(claimLine),
    "",
    ...tapNotes(kernel),
  ];
  return `${lines.join("\n")}\n`;
}

function drawn({ what, events, stack }: TapTimeline): string[] {
  return ["", TITLES[what], "", ...timelineLines(events), "", ...callChain(stack)];
}
