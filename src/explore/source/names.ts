// Names in a program: where each is declared, what is not declared at all, what hides another.
// Pure.
import ts from "typescript";
import { fromBinding } from "./locals.js";
import { type FunctionNode, functionOf, isFunctionNode } from "./nodes.js";
import { GLOBALS } from "./realm/realm.js";

/** Whether a name that nobody declares stands for something of JavaScript's. */
export function isGlobal(name: string): boolean {
  return GLOBALS.has(name);
}

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
  if (ts.isShorthandPropertyAssignment(parent)) return true;
  // Where something gets its name, or a property is named.
  const { name, propertyName } = parent as { name?: ts.Node; propertyName?: ts.Node };
  if (name === node || propertyName === node) return false;
  if (ts.isLabeledStatement(parent) || ts.isBreakOrContinueStatement(parent)) return false;
  if (ts.isExportSpecifier(parent) || ts.isTypePredicateNode(parent)) return false;
  return !isOfType(node);
}

/** Whether a name belongs to a type; a class that another one extends does not. */
function isOfType(node: ts.Node): boolean {
  const { parent } = node;
  if (ts.isExpressionWithTypeArguments(parent)) {
    const clause = parent.parent;
    const isValue = ts.isHeritageClause(clause) && ts.isClassLike(clause.parent);
    return !isValue || clause.token !== ts.SyntaxKind.ExtendsKeyword;
  }
  return ts.isTypeNode(parent) || ts.isQualifiedName(parent);
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
