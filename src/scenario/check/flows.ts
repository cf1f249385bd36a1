// The flow table of a scenario: parsed by ofctl, with each error moved from its line in the text
// block to its line in the file. Pure; any thread.
import { isScalar, type Document } from "yaml";
import type { Flow } from "../../flow/types.js";
import { type Diagnostic, readFlows } from "../../ofctl/parse.js";
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
  const read = readFlows(flows, { file: problems.file, ports });
  const errors = read.diagnostics.filter((one) => one.severity === "error");
  for (const error of errors) addFlowError(error, flows, document, problems);
  return errors.length === 0 ? read.flows : [];
}

function addFlowError(
  error: Diagnostic,
  flows: string,
  document: Document,
  problems: Problems,
): void {
  const node = document.get("flows", true);
  const isLiteral = isScalar(node) && node.type === "BLOCK_LITERAL";
  const { line } = error;
  if (!isLiteral) {
    // Quoted and folded texts have no lines of their own in the file.
    problems.add(["flows"], `line ${line}: ${error.message}`);
    return;
  }
  const fileLine = problems.placeOf(["flows"]).line + line;
  const textLine = flows.split("\n")[line - 1] ?? "";
  const indent = problems.lineText(fileLine).length - textLine.length;
  const column = Math.max(0, indent) + error.column;
  problems.addLine(fileLine, column, `flows: ${error.message}`);
}
