// From the text of a scenario of a model to the program that is to be explored, or to everything
// that is wrong with it, each with line and column. Reads the texts of the models; any thread.
import { PacketpathError } from "../../base/errors.js";
import type { Verdict } from "../../explore/types.js";
import {
  type Parameters,
  type ParameterValue,
  withParameters,
} from "../../explore/variants/parameters.js";
import { type VariantText, variantText } from "../../explore/variants/variants.js";
import { SYSTEMS } from "../../models/systems.js";
import { didYouMean } from "../text/did-you-mean.js";
import { addIssues, show } from "../text/issues.js";
import type { Problems } from "../text/problems.js";
import { readText } from "../text/read.js";
import { modelSchema } from "./schema.js";

/** A scenario that is decided by exploring a model; nothing is built for it. */
export interface ModelScenario {
  /** The file it came from, as the user named it. */
  readonly file: string;
  readonly name: string;
  readonly description: string;
  readonly system: string;
  /** null: the system's program as it stands. */
  readonly variant: string | null;
  /** Those that the scenario itself gives. */
  readonly parameters: Parameters;
  readonly expect: Verdict;
  /** The program with all parameters in its text. */
  readonly program: VariantText;
}

/**
 * Parses and checks a scenario of a model.
 * @param file how the user named it; every message begins with it.
 * @throws PacketpathError SCENARIO_INVALID with all problems (`others`); USAGE for a bad `set`.
 */
export function parseModelScenario(
  text: string,
  file: string,
  set: readonly string[] = [],
): ModelScenario {
  const expected = "expected a map with name, system, variant and expect";
  const { problems, raw } = readText(text, file, { schema: modelSchema, expected, set });
  const result = modelSchema.safeParse(raw);
  if (!result.success) {
    addIssues(problems, result.error.issues, { root: raw, schema: modelSchema });
    problems.throwIfAny();
  }
  const { name, description, system, variant = null, expect, ...rest } = modelSchema.parse(raw);
  const parameters = rest.parameters as Parameters;
  const program = programOf({ system, variant, parameters }, problems);
  return { file, name, description, system, variant, parameters, expect, program };
}

type Chosen = Pick<ModelScenario, "system" | "variant" | "parameters">;

function programOf({ system: name, variant: id, parameters }: Chosen, problems: Problems) {
  const system = SYSTEMS.find((one) => one.name === name)!;
  const variant = system.variants.find((one) => one.id === id) ?? null;
  if (id !== null && variant === null) {
    const ids = system.variants.map((one) => one.id);
    const hint = didYouMean(id, ids) || `; it has ${ids.join(", ")}`;
    problems.add(["variant"], `no variant "${id}" of ${name}${hint}`);
    problems.throwIfAny();
  }
  const { file, source } = variantText(system, variant);
  for (const [key, value] of Object.entries(parameters)) {
    if (!isParameter(value)) {
      problems.add(["parameters"], `expected ${KINDS}, not ${show(value)}`, { key });
      continue;
    }
    try {
      withParameters(source, file, { [key]: value });
    } catch (error) {
      if (!(error instanceof PacketpathError)) throw error;
      problems.add(["parameters"], error.message, { key });
    }
  }
  problems.throwIfAny();
  return { file, source: withParameters(source, file, parameters) };
}

const KINDS = "a number, a text, true or false, or a list of texts";

function isParameter(value: unknown): value is ParameterValue {
  if (Array.isArray(value)) return value.every((one) => typeof one === "string");
  return typeof value === "boolean" || typeof value === "string" || Number.isSafeInteger(value);
}
