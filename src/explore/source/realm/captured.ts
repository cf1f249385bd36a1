// Tokens around closures of a module: a closure that is made while the module is run outlives what
// made it, with the variables that it has in sight. The token hands those out, each by a function
// of its own, so that what is kept in them can be looked at. Pure; any thread.
import ts from "typescript";
import { fromBinding } from "../locals.js";
import { functionOf, type FunctionNode } from "../nodes.js";
import type { Insertion } from "../rewrite.js";

/** The token in front of an expression that makes a closure, or of a statement that hoists one. */
export function openCaptured(node: ts.Node, explored: ReadonlySet<FunctionNode>): Insertion[] {
  if (isInside(node, explored)) return [];
  const hoisted = declaredFunctions(node).map(captureOf);
  const opened = hoisted.filter((one) => one !== "").map((one) => `$.sees([${one}], 0); `);
  const insertions = opened.map((text) => ({ at: firstIn(node), text }));
  const own = isMaker(node) ? captureOf(node) : "";
  if (own !== "") insertions.push({ at: node.getStart(), text: `$.sees([${own}], ` });
  return insertions;
}

/** What closes it; behind a class, the whole token. */
export function closeCaptured(node: ts.Node, explored: ReadonlySet<FunctionNode>): Insertion[] {
  if (isInside(node, explored)) return [];
  const isClass = ts.isClassDeclaration(node) && !ts.isSourceFile(node.parent);
  if (!isClass && !isMaker(node)) return [];
  const captured = captureOf(node);
  if (captured === "") return [];
  return [{ at: node.end, text: isClass ? `; $.sees([${captured}], 0);` : ")" }];
}

/** Expressions that make closures. */
function isMaker(node: ts.Node): boolean {
  if (ts.isFunctionExpression(node) || ts.isArrowFunction(node)) return true;
  if (ts.isClassExpression(node)) return true;
  const isFunction = (one: ts.Node) => ts.isMethodDeclaration(one) || ts.isAccessor(one);
  return ts.isObjectLiteralExpression(node) && node.properties.some(isFunction);
}

/** Whether it is threads that make it: then its variables are the thread's own. */
function isInside(node: ts.Node, explored: ReadonlySet<FunctionNode>): boolean {
  for (let owner = functionOf(node); owner !== null; owner = functionOf(owner)) {
    if (explored.has(owner)) return true;
  }
  return false;
}

/** Functions that are there from the start of a block. */
function declaredFunctions(node: ts.Node): ts.FunctionDeclaration[] {
  if (ts.isCaseOrDefaultClause(node)) {
    return node.parent.clauses.flatMap((one) => one.statements.filter(ts.isFunctionDeclaration));
  }
  if (!ts.isBlock(node) && !ts.isModuleBlock(node)) return [];
  return node.statements.filter(ts.isFunctionDeclaration);
}

function firstIn(node: ts.Node): number {
  if (ts.isCaseOrDefaultClause(node)) return node.statements[0]?.getStart() ?? node.end;
  return node.getStart() + 1;
}

/** Each variable that a closure may have in sight as `[name, function, line, column]`. */
function captureOf(closure: ts.Node): string {
  const tree = closure.getSourceFile();
  const { line, character } = tree.getLineAndCharacterOfPosition(closure.getStart());
  const used = namesIn(closure);
  const names = [...declaredAround(closure)].filter((name) => used.has(name));
  if (ts.isArrowFunction(closure) && used.has("this")) names.push("this");
  const place = `${line + 1}, ${character + 1}`;
  return names.map((name) => `["${name}", () => ${name}, ${place}]`).join(", ");
}

/** All names in a piece of text, whatever they name there. */
function namesIn(node: ts.Node): Set<string> {
  const names = new Set<string>();
  const visit = (one: ts.Node): void => {
    if (ts.isIdentifier(one)) names.add(one.text);
    if (one.kind === ts.SyntaxKind.ThisKeyword) names.add("this");
    ts.forEachChild(one, visit);
  };
  visit(node);
  return names;
}

/** Names that are declared around a closure, by the statement of the module that it stands in. */
function declaredAround(closure: ts.Node): Set<string> {
  const names = new Set<string>();
  let statement = closure;
  while (!ts.isSourceFile(statement.parent)) statement = statement.parent;
  const visit = (one: ts.Node): void => {
    if (one === closure) return;
    if (ts.isVariableDeclaration(one) || ts.isParameter(one)) fromBinding(one.name, names);
    const isFunction = ts.isFunctionDeclaration(one) || ts.isFunctionExpression(one);
    const isNamed = isFunction || ts.isClassLike(one) || ts.isEnumDeclaration(one);
    if (isNamed && one.name !== undefined) names.add(one.name.text);
    // What another function declares is not in sight.
    const isAround = one.pos <= closure.pos && closure.end <= one.end;
    if (isAround || !ts.isFunctionLike(one)) ts.forEachChild(one, visit);
  };
  visit(statement);
  names.delete("this");
  return names;
}
