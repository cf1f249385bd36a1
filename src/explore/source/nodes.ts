// Which syntax nodes are functions, and which function a node stands in. Pure; any thread.
import ts from "typescript";

export type FunctionNode =
  ts.FunctionDeclaration | ts.FunctionExpression | ts.ArrowFunction | ts.MethodDeclaration;

export function isFunctionNode(node: ts.Node): node is FunctionNode {
  return (
    ts.isFunctionDeclaration(node) ||
    ts.isFunctionExpression(node) ||
    ts.isArrowFunction(node) ||
    ts.isMethodDeclaration(node)
  );
}

/** The function that a node stands in, or null. */
export function functionOf(node: ts.Node): FunctionNode | null {
  for (let one = node.parent; one !== undefined; one = one.parent) {
    if (isFunctionNode(one)) return one;
  }
  return null;
}
