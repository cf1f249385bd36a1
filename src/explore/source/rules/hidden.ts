// What would remember something between two runs of a thread, unseen: closures that the module
// makes and that change what stands around them, and regular expressions that go on where they
// stopped. Such a thread would be explored wrongly, not noisily. Pure; any thread.
import ts from "typescript";
import type { Analysis } from "../analyze.js";
import { declaringFunction } from "../names.js";
import { type FunctionNode, functionOf, isFunctionNode } from "../nodes.js";
import { targetsOf } from "./mutation.js";

/** Names what a module keeps from one run of its functions to the next. */
export function checkMemory(node: ts.Node, analysis: Analysis): void {
  if (functionOf(node) === null && isStatefulPattern(node)) {
    const fix = "Leave the flags g and y away, or make it in the function.";
    analysis.problem(node, "a regular expression of the module remembers where it stopped", fix);
  }
  if (isFunctionNode(node) && !ts.isCallExpression(node.parent)) checkClosure(node, analysis);
}

function isStatefulPattern(node: ts.Node): boolean {
  if (ts.isRegularExpressionLiteral(node)) return /\/[a-z]*[gy][a-z]*$/.test(node.text);
  return ts.isNewExpression(node) && node.expression.getText() === "RegExp";
}

/** A function that outlives the one that makes it, while the module is run. */
function checkClosure(closure: FunctionNode, analysis: Analysis): void {
  const { explored, problem, outside } = analysis;
  const maker = functionOf(closure);
  if (maker === null || explored.has(closure) || !outside.has(maker)) return;
  const visit = (node: ts.Node): void => {
    for (const { to } of targetsOf(node)) {
      let base: ts.Expression = to;
      while (ts.isPropertyAccessExpression(base) || ts.isElementAccessExpression(base)) {
        base = base.expression;
      }
      if (!ts.isIdentifier(base)) continue;
      const home = declaringFunction(base, base.text);
      if (home === null || (home.pos >= closure.pos && home.end <= closure.end)) continue;
      const fix = "Make it a cell of the program, or a local of the thread.";
      problem(node, `"${base.text}" of the function around is changed by a closure`, fix);
    }
    ts.forEachChild(node, visit);
  };
  visit(closure);
}
