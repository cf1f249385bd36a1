// The flow table of a scenario: parsed by ofctl, with each error moved from its line in the text
// block to its line in the file. Pure; any thread.
import { isScalar, type Document } from "yaml";
import { PacketpathError } from "../../base/errors.js";
import type { Flow } from "../../flow/types.js";
import { parseFlows } from "../../ofctl/parse.js";
import type { ScenarioText } from "../schema.js";
import type { Problems } from "../text/problems.js";

/** What a bridge without flows does, as ovs-vsctl creates it. */
const DEFAULT_FLOWS = "priority=0 actions=NORMAL\n";

/** The flows; an empty list when problems were added. */
export function checkFlowText(
  text: Pick<ScenarioText, "flows">,
  ports: ReadonlyMap<string, number>,
  document: Document,
  problems: Problems,
): Flow[] {
  const flows = text.flows.trim() === "" ? DEFAULT_FLOWS : text.flows;
  try {
    return parseFlows(flows, { file: problems.file, ports });
  } catch (error) {
    if (!(error instanceof PacketpathError)) throw error;
    for (const one of [error, ...error.others]) addFlowError(one, flows, document, problems);
    return [];
  }
}

function addFlowError(
  error: PacketpathError,
  flows: string,
  document: Document,
  problems: Problems,
): void {
  const node = document.get("flows", true);
  const isLiteral = isScalar(node) && node.type === "BLOCK_LITERAL";
  const line = error.place?.line ?? 1;
  if (!isLiteral) {
    // Quoted and folded texts have no lines of their own in the file.
    problems.add(["flows"], `line ${line}: ${error.message}`);
    return;
  }
  const fileLine = problems.placeOf(["flows"]).line + line;
  const textLine = flows.split("\n")[line - 1] ?? "";
  const indent = problems.lineText(fileLine).length - textLine.length;
  const column = Math.max(0, indent) + (error.place?.column ?? 1);
  problems.addLine(fileLine, column, `flows: ${error.message}`);
}
