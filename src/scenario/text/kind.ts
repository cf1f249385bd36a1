// Which kind of scenario a text is, before any of its parsers is loaded. Any thread.
import { isMap, parseDocument } from "yaml";
import { TEXT_CHARACTERS_MAX } from "./read.js";

/** Of a switch with its namespaces; of a model, which is explored; of a link endpoint. */
export type ScenarioKind = "switch" | "model" | "endpoint";

/**
 * Told by the key that only one kind has: `system`, `endpoint`. What cannot be read counts as of a
 * switch: its parser says what is wrong.
 */
export function scenarioKind(text: string): ScenarioKind {
  if (text.length > TEXT_CHARACTERS_MAX) return "switch";
  const { contents } = parseDocument(text, { prettyErrors: false });
  if (!isMap(contents)) return "switch";
  if (contents.has("endpoint")) return "endpoint";
  return contents.has("system") ? "model" : "switch";
}
