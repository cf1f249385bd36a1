// A result of `packetpath explore` in the forms of other programs: a test case for continuous
// integration, and drawings of the counterexample. Main thread only.
import { basename } from "node:path";
import type { Exploration, LoadedProgram } from "../explore/types.js";
import type { CaseResult } from "../report/junit.js";

export const EXPORTS = ["mermaid", "perfetto", "bpftrace"] as const;
export type ExportName = (typeof EXPORTS)[number];

/**
 * The counterexample as a drawing; `isKernel`: of the kernel path. @throws PacketpathError USAGE
 * when the token does not fit.
 */
export async function exportText(
  program: LoadedProgram,
  token: string,
  name: ExportName,
  isKernel = false,
): Promise<string> {
  const { scene } = await import("../explore/explore.js");
  const drawn = scene(program, token);
  if (name === "mermaid") {
    return (await import("../explore/text/mermaid.js")).mermaidText(drawn);
  }
  if (name === "perfetto") {
    return (await import("../explore/text/perfetto.js")).perfettoText(drawn);
  }
  const { bpftraceText, kernelTraceText } = await import("../explore/text/bpftrace.js");
  return isKernel ? kernelTraceText(drawn) : bpftraceText(drawn);
}

/** A program's exploration as a test case; its place is the last step of the counterexample. */
export async function programCase(file: string, result: Exploration): Promise<CaseResult> {
  const { verdict, expected, bound, counterexample } = result;
  const { timelineTable } = await import("../explore/text/timeline.js");
  const last = counterexample?.timeline.findLast((one) => one.line > 0);
  const why = counterexample?.message ?? (bound === null ? "" : `bound: ${bound}`);
  const surprise = verdict === expected ? "" : ` (expected ${expected})`;
  const replay = counterexample === null ? "" : ` --replay ${counterexample.token}`;
  return {
    group: result.program,
    name: basename(file),
    file,
    line: last?.line ?? 1,
    column: last?.column ?? 1,
    seconds: result.seconds,
    outcome: outcomeOf(result),
    message: `${verdict}${surprise}${why === "" ? "" : `: ${why}`}`,
    ...(counterexample === null ? {} : { details: timelineTable(counterexample) }),
    command: `packetpath explore ${file}${replay}`,
  };
}

function outcomeOf({ verdict, expected }: Exploration): CaseResult["outcome"] {
  if (verdict === expected) return "passed";
  return verdict === "UNDECIDED" ? "error" : "failed";
}
