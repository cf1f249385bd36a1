// Which local variables a loop can depend on: everything declared before it in the functions it
// stands in. The keys at loop heads are made of their values. Pure; any thread.
import ts from "typescript";
import { type FunctionNode, isFunctionNode } from "./nodes.js";

/**
 * Names in scope at a loop, innermost first; without those of the module, and without functions
 * that a const names once and for all: what they go by is in scope at the loop itself.
 */
export function localsAt(loop: ts.Node): string[] {
  const names = new Set<string>();
  if (ts.isForStatement(loop)) fromInitializer(loop.initializer, names);
  for (const name of localsBefore(loop)) names.add(name);
  for (const name of functionsBefore(loop)) names.delete(name);
  return [...names];
}

/** Names of functions that are declared by `const` in the blocks that a loop stands in. */
function functionsBefore(loop: ts.Node): string[] {
  const found: string[] = [];
  for (let node = loop.parent; !ts.isSourceFile(node); node = node.parent) {
    if (!ts.isBlock(node) && !ts.isCaseOrDefaultClause(node)) continue;
    const lists = node.statements.filter(ts.isVariableStatement).map((one) => one.declarationList);
    const consts = lists.filter(({ flags }) => (flags & ts.NodeFlags.Const) !== 0);
    for (const { name, initializer } of consts.flatMap((list) => [...list.declarations])) {
      if (initializer === undefined || !isFunctionNode(initializer)) continue;
      if (ts.isIdentifier(name) && isOnlyCalled(name, node)) found.push(name.text);
    }
  }
  return found;
}

/** Names in scope before a statement. */
function localsBefore(loop: ts.Node): Set<string> {
  const names = new Set<string>();
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
  return names;
}

/** Whether a function is called in its block and nothing else: it could hold properties. */
function isOnlyCalled(name: ts.Identifier, node: ts.Node): boolean {
  if (ts.isIdentifier(node) && node.text === name.text && node !== name) {
    const { parent } = node;
    const isProperty = ts.isPropertyAccessExpression(parent) && parent.name === node;
    if (!isProperty && !(ts.isCallExpression(parent) && parent.expression === node)) return false;
  }
  return ts.forEachChild(node, (child) => (isOnlyCalled(name, child) ? undefined : true)) !== true;
}

/**
 * Locals that the function may still read at a statement: its parameters, and what is named at or
 * after the statement or in a loop around it. An object that a caller handed on is a parameter, so
 * what a callee changes in it stays in the callee's key.
 */
export function liveAt(statement: ts.Node, owner: FunctionNode): string[] {
  const start = statement.getStart();
  const parameters = new Set<string>();
  for (const parameter of owner.parameters) fromBinding(parameter.name, parameters);
  const spans: { from: number; to: number }[] = [{ from: start, to: owner.end }];
  for (let node = statement.parent; node !== owner; node = node.parent) {
    const isLoop = ts.isIterationStatement(node, false);
    if (isLoop) spans.push({ from: node.getStart(), to: node.end });
  }
  const read = new Set<string>();
  const visit = (node: ts.Node): void => {
    if (ts.isIdentifier(node)) {
      const at = node.getStart();
      if (spans.some(({ from, to }) => at >= from && at < to)) read.add(node.text);
    }
    ts.forEachChild(node, visit);
  };
  visit(owner);
  return [...localsBefore(statement)].filter((name) => parameters.has(name) || read.has(name));
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
