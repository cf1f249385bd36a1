// `packetpath run SCENARIO` and `packetpath explore SCENARIO` for scenarios of models: nothing is
// built, the model is explored, and its verdict is held against the scenario's. Main thread only.
import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { EXIT, PacketpathError } from "../../base/errors.js";
import type { Exploration } from "../../explore/types.js";
import type { ModelScenario } from "../../scenario/model/parse.js";
import { writeOut } from "../failure.js";
import { writeText } from "../results.js";
import { resultText } from "./text.js";
import type { ChosenProgram } from "./variants.js";

export interface ModelRunFlags {
  readonly set: readonly string[];
  /** A folder for report.json; none is made unless it is asked for. */
  readonly out?: string;
  readonly json?: boolean;
}

/** The scenario in a text, which is one of a model. @throws PacketpathError */
export async function modelScenario(
  text: string,
  file: string,
  set: readonly string[],
): Promise<ModelScenario> {
  const { parseModelScenario } = await import("../../scenario/model/parse.js");
  return parseModelScenario(text, file, set);
}

/** What `explore` takes for it. */
export function modelProgram({ program, expect, file }: ModelScenario): ChosenProgram {
  return { ...program, expect, name: file };
}

/**
 * Explores all states and prints.
 * @returns the exit code: whether the verdict is the one that the scenario expects.
 * @throws PacketpathError FILE_UNUSABLE for a folder that cannot be made.
 */
export async function runModel(scenario: ModelScenario, flags: ModelRunFlags): Promise<number> {
  const { explore, loadProgram } = await import("../../explore/index.js");
  const { file, source } = scenario.program;
  const program = { ...(await loadProgram(source, file)), expect: scenario.expect };
  const result = explore(program);
  const json = `${JSON.stringify(reportOf(scenario, result))}\n`;
  if (flags.out !== undefined) writeReport(flags.out, json);
  await writeOut(process.stdout, flags.json === true ? json : await textOf(scenario, result));
  return result.verdict === result.expected ? EXIT.asExpected : EXIT.notAsExpected;
}

/** The fields of `run --json` that a model has; what only a built topology has is null. */
function reportOf(scenario: ModelScenario, { seconds, ...result }: Exploration) {
  const { name, system, variant, parameters } = scenario;
  return {
    schemaVersion: 1,
    scenario: name,
    backend: "explorer",
    guard: null,
    profile: null,
    seed: null,
    ...{ system, variant, parameters },
    ...result,
    seconds,
  };
}

async function textOf(scenario: ModelScenario, result: Exploration): Promise<string> {
  const { name, system, variant } = scenario;
  const which = variant === null ? system : `${system} ${variant}`;
  const isExpected = result.verdict === result.expected;
  const says = isExpected ? "as expected" : `expected ${result.expected}`;
  const head = ` ${result.verdict}  ${name}, ${which}, every schedule: ${says}\n`;
  return `${head}${await resultText(result)}`;
}

function writeReport(out: string, json: string): void {
  const folder = resolve(out);
  try {
    mkdirSync(folder, { recursive: true });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const fix = "Name another folder with --out.";
    throw new PacketpathError("FILE_UNUSABLE", `cannot make the run folder: ${reason}`, { fix });
  }
  writeText(join(folder, "report.json"), json);
}
