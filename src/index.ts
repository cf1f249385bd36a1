// The library's door: read a scenario, run it, look at the result. Main thread of a process of its
// own: a run enters namespaces and starts threads. Everything is undone when `runScenario` settles.
//
//   import { parseScenario, runScenario } from "packetpath";
//
//   const scenario = parseScenario(await readFile("flap.yaml", "utf8"), "flap.yaml");
//   const { report } = await runScenario(scenario, { guard: "running", backend: "memory" });
//   if (report.verdict !== "SAFE") process.stdout.write(`${report.why}\n`);
import type { RunRecord } from "./report/types.js";
import { runScenario as run } from "./scenario/run.js";
import type { RunOptions, Scenario } from "./scenario/types.js";

export { PacketpathError } from "./base/errors.js";
export { parseScenario } from "./scenario/parse.js";
export { summary } from "./report/summary.js";
export type { RunRecord, RunReport, Verdict } from "./report/types.js";
export type { RunOptions, Scenario } from "./scenario/types.js";
export type { UserGuard } from "./path/guards.js";

/**
 * One scenario to its verdict.
 * @param options all optional: guard and seed default to the scenario's, backend to "linux".
 * @throws PacketpathError when the machine lacks something; verdicts are results, not errors.
 */
export function runScenario(
  scenario: Scenario,
  options: Partial<RunOptions> = {},
): Promise<RunRecord> {
  return run(scenario, {
    guard: scenario.guard,
    guardModule: null,
    backend: "linux",
    seed: scenario.seed,
    outFolder: null,
    command: "",
    signal: new AbortController().signal,
    onProgress: () => undefined,
    ...options,
  });
}
