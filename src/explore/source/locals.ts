// Which local variables a loop can depend on: everything declared before it in the functions it
// stands in. The keys at loop heads are made of their values. Pure; any thread.
import ts from "typescript";
import { isFunctionNode } from "./nodes.js";

/** Names in scope at a loop, innermost first; without those of the module. */
export function localsAt(loop: ts.Node): string[] {
  const names = new Set<string>();
  if (ts.isForStatement(loop)) fromInitializer(loop.initializer, names);
  const start = loop.getStart();
  for (let node = loop.parent; !ts.isSourceFile(node); node = node.parent) {
    if (ts.isBlock(node) || ts.isCaseClause(node) || ts.isDefaultClause(node)) {
      for (const statement of node.statements) {
        if (statement.end <= start && ts.isVariableStatement(statement)) {
          fromInitializer(statement.declarationList, names);
        }
      }
    } else if (ts.isForStatement(node) || ts.isForOfStatement(node) || ts.isForInStatement(node)) {
      fromInitializer(node.initializer, names);
    } else if (isFunctionNode(node)) {
      for (const parameter of node.parameters) fromBinding(parameter.name, names);
    }
  }
  return [...names];
}

function fromInitializer(node: ts.ForInitializer | undefined, names: Set<string>): void {
  if (node === undefined || !ts.isVariableDeclarationList(node)) return;
  for (const declaration of node.declarations) fromBinding(declaration.name, names);
}

/** Adds the names of a pattern. */
export function fromBinding(name: ts.BindingName, names: Set<string>): void {
  if (ts.isIdentifier(name)) {
    names.add(name.text);
    return;
  }
  for (const element of name.elements) {
    if (ts.isBindingElement(element)) fromBinding(element.name, names);
  }
}
