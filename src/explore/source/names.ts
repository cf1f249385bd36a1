// Names in a program: where each is declared, what is not declared at all, what hides another.
// Pure.
import ts from "typescript";
import { fromBinding } from "./locals.js";
import { type FunctionNode, functionOf, isFunctionNode } from "./nodes.js";

/** Globals of JavaScript that a program may use. */
const GLOBALS: ReadonlySet<string> = new Set(
  (
    "Array BigInt Boolean Error Infinity Int32Array JSON Map Math NaN Number Object RangeError " +
    "RegExp Set String Symbol TypeError Uint32Array Uint8Array isFinite isNaN parseFloat " +
    "parseInt undefined"
  ).split(" "),
);

/** All names that a file declares anywhere, imports included. */
export function declaredNames(tree: ts.SourceFile): ReadonlySet<string> {
  const names = new Set(GLOBALS);
  const visit = (node: ts.Node): void => {
    if (ts.isVariableDeclaration(node) || ts.isParameter(node)) fromBinding(node.name, names);
    const isNamed =
      ts.isFunctionDeclaration(node) ||
      ts.isFunctionExpression(node) ||
      ts.isClassDeclaration(node) ||
      ts.isEnumDeclaration(node) ||
      ts.isModuleDeclaration(node) ||
      ts.isImportSpecifier(node) ||
      ts.isImportClause(node) ||
      ts.isNamespaceImport(node);
    if (isNamed && node.name !== undefined) names.add(node.name.text);
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return names;
}

/** Whether an identifier stands for a value that somebody must have declared. */
export function isReference(node: ts.Identifier): boolean {
  const { parent } = node;
  if (ts.isPropertyAccessExpression(parent)) return parent.expression === node;
  if (ts.isPropertyAssignment(parent)) return parent.initializer === node;
  if (ts.isCallExpression(parent) || ts.isBinaryExpression(parent)) return true;
  if (ts.isElementAccessExpression(parent) || ts.isReturnStatement(parent)) return true;
  if (ts.isTemplateSpan(parent) || ts.isParenthesizedExpression(parent)) return true;
  if (ts.isPrefixUnaryExpression(parent) || ts.isPostfixUnaryExpression(parent)) return true;
  return ts.isVariableDeclaration(parent) && parent.initializer === node;
}

/** The names that a block, loop or function declares itself. */
function declaredBy(scope: ts.Node): Set<string> {
  const names = new Set<string>();
  const fromList = (list: ts.Node | undefined) => {
    if (list === undefined || !ts.isVariableDeclarationList(list)) return;
    for (const one of list.declarations) fromBinding(one.name, names);
  };
  if (ts.isBlock(scope) || ts.isCaseClause(scope) || ts.isDefaultClause(scope)) {
    for (const one of scope.statements)
      if (ts.isVariableStatement(one)) fromList(one.declarationList);
  } else if (ts.isForStatement(scope) || ts.isForOfStatement(scope) || ts.isForInStatement(scope)) {
    fromList(scope.initializer);
  } else if (isFunctionNode(scope)) {
    for (const parameter of scope.parameters) fromBinding(parameter.name, names);
  }
  return names;
}

/** A name in scope at a node that hides another one of the same function; null if none does. */
export function hiddenName(node: ts.Node): string | null {
  const owner = functionOf(node);
  const seen = new Set<string>();
  for (let scope = node; scope.parent !== undefined; scope = scope.parent) {
    for (const name of declaredBy(scope)) {
      if (seen.has(name)) return name;
      seen.add(name);
    }
    if (scope === owner) return null;
  }
  return null;
}

/** The function whose local a name is at a node; null if it is the module's. */
export function declaringFunction(node: ts.Node, name: string): FunctionNode | null {
  for (let scope = node; scope.parent !== undefined; scope = scope.parent) {
    if (!declaredBy(scope).has(name)) continue;
    return isFunctionNode(scope) ? scope : functionOf(scope);
  }
  return null;
}
