// From the text of a scenario of an endpoint to its checked values, or to everything that is wrong
// with it, each with line and column. Any thread.
import { addIssues } from "../text/issues.js";
import { readText } from "../text/read.js";
import { endpointSchema, type EndpointScenario } from "./schema.js";

/**
 * Parses and checks a scenario of an endpoint.
 * @param file how the user named it; every message begins with it.
 * @throws PacketpathError SCENARIO_INVALID with all problems (`others`); USAGE for a bad `set`.
 */
export function parseEndpointScenario(
  text: string,
  file: string,
  set: readonly string[] = [],
): EndpointScenario {
  const expected = "expected a map with name, endpoint and expect";
  const { problems, raw } = readText(text, file, { schema: endpointSchema, expected, set });
  const result = endpointSchema.safeParse(raw);
  if (result.success) return { ...result.data, file };
  addIssues(problems, result.error.issues, { root: raw, schema: endpointSchema });
  problems.throwIfAny();
  throw result.error;
}
