// `packetpath run SCENARIO` for scenarios of an endpoint. Everything that the user wrote is checked
// before anything is created; the runner itself is loaded only then. Main thread only.
import { EXIT } from "../../base/errors.js";
import type { EndpointScenario } from "../../scenario/endpoint/schema.js";
import { writeOut } from "../failure.js";
import { type BackendName, needRoot } from "../input.js";
import { writeText } from "../results.js";
import { listenForStop } from "../signals.js";
import { giveBack, makeFolder, removeIfEmpty, repeatCommand } from "./folder.js";

export interface EndpointRunFlags {
  readonly backend: BackendName;
  readonly set: readonly string[];
  readonly out?: string;
  readonly json?: boolean;
}

/**
 * Runs it, prints, and writes report.json into the run folder.
 * @returns the exit code: whether the verdict is the one that the scenario expects.
 */
export async function runEndpoint(
  scenario: EndpointScenario,
  file: string,
  flags: EndpointRunFlags,
): Promise<number> {
  needRoot(flags.backend);
  const { design } = scenario.endpoint;
  const outFolder = makeFolder(flags.out, scenario.name, design);
  const note = (text: string) => void process.stderr.write(`${scenario.name}: ${text}\n`);
  const stop = listenForStop(note);
  try {
    const { runEndpointScenario } = await import("../../scenario/endpoint/run.js");
    const { endpointJson, endpointText } = await import("../../report/endpoint/text.js");
    note(`design ${design}, ${flags.backend}`);
    const report = await runEndpointScenario(scenario, {
      backend: flags.backend,
      outFolder,
      command: repeatCommand(file, flags, []),
      signal: stop.signal,
      onProgress: note,
    });
    writeText(`${outFolder}/report.json`, endpointJson(report));
    giveBack(outFolder);
    const isJson = flags.json === true;
    await writeOut(process.stdout, isJson ? endpointJson(report) : endpointText(report));
    const isExpected = report.verdict === report.expected;
    return stop.exitCode() ?? (isExpected ? EXIT.asExpected : EXIT.notAsExpected);
  } finally {
    stop.release();
    removeIfEmpty(outFolder);
  }
}
