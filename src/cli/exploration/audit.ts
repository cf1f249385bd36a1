// `packetpath explore FILE --audit`: the program's functions as they were written against the
// rewritten ones that were explored. Main thread only.
import { PacketpathError } from "../../base/errors.js";
import type { LoadedProgram } from "../../explore/types.js";
import type { PartFlags } from "./parts.js";

const SHOWN = 5;

export async function auditProgram(program: LoadedProgram, source: string, flags: PartFlags) {
  const { audit } = await import("../../explore/audit/audit.js");
  const { DEFAULTS } = await import("../../explore/explore.js");
  const { maxSteps, maxStates, maxSeconds } = { ...DEFAULTS, ...flags };
  const result = await audit(program, source, { maxSteps, maxStates, maxSeconds });
  const { edges, states, differences } = result;
  const anew =
    states === null
      ? "too many states to search anew"
      : `${states} states searched anew, none of them merged`;
  const shown = differences.slice(0, SHOWN).map((one) => `  audit: ${one}\n`);
  const count = `  audit: ${edges} local steps run again as written; ${anew}\n`;
  return {
    json: { audit: result },
    text: `${count}${shown.join("")}`,
    /** @throws PacketpathError INTERNAL: then no verdict can be trusted. */
    mustAgree(): void {
      if (differences.length === 0) return;
      const message = `the audit found ${differences.length} differences: ${differences[0]}`;
      throw new PacketpathError("INTERNAL", message);
    },
  };
}
