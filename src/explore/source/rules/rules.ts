// The rules that a program keeps so that the explorer controls all of it. Each break is a build
// error with its place: an uncontrolled program would be explored wrongly, not noisily. Pure.
import ts from "typescript";
import { PRIMITIVE_TABLE } from "../../requests.js";
import type { Analysis } from "../analyze.js";
import { fromBinding } from "../locals.js";
import { declaredNames, hiddenName, isReference } from "../names.js";
import { type FunctionNode, functionOf, isFunctionNode } from "../nodes.js";
import { checkMemory } from "./hidden.js";
import { targetsOf } from "./mutation.js";

/** Globals whose value the explorer does not decide. */
const UNCONTROLLED: ReadonlySet<string> = new Set(
  (
    "Date Promise process require setTimeout setInterval setImmediate queueMicrotask fetch " +
    "console performance crypto globalThis eval Function Atomics SharedArrayBuffer Worker " +
    "WeakRef FinalizationRegistry arguments"
  ).split(" "),
);

/** Rules about the file as a whole. */
export function checkModule(analysis: Analysis): void {
  const { tree, problem } = analysis;
  for (const statement of tree.statements) {
    if (!ts.isVariableStatement(statement)) continue;
    if ((statement.declarationList.flags & ts.NodeFlags.Const) === 0) {
      const fix = "Make it const, or a cell of the program.";
      problem(statement, "module-level mutable state is not explored", fix);
    }
  }
  const names = declaredNames(tree);
  const tables = tablesOf(analysis);
  const visit = (node: ts.Node): void => {
    checkNode(node, analysis);
    checkMemory(node, analysis);
    if (ts.isIdentifier(node) && isReference(node) && !names.has(node.text)) {
      if (!UNCONTROLLED.has(node.text) && node.text !== "$") checkUndeclared(node, analysis);
    }
    if (ts.isIdentifier(node)) checkAlias(node, tables, analysis);
    ts.forEachChild(node, visit);
  };
  visit(tree);
}

function checkUndeclared(node: ts.Identifier, { problem }: Analysis): void {
  const isOurs = PRIMITIVE_TABLE.has(node.text) || /^(assert|tick|program)$/.test(node.text);
  const fix = isOurs
    ? `import { ${node.text} } from "packetpath/explore"`
    : "Declare it in this file; a program has no other globals than JavaScript's own.";
  problem(node, `"${node.text}" is not declared`, fix);
}

/**
 * Outside of explored functions nothing waits for a step: under another name, or out of a table, a
 * primitive or a function that holds one would be called and do nothing. A program's threads are
 * handed to `program`, by way of tables of the module perhaps; those no function may look into.
 */
function checkAlias(node: ts.Identifier, tables: ReadonlySet<string>, analysis: Analysis): void {
  const { primitives, named, explored, problem } = analysis;
  if (!isValue(node) || isName(node)) return;
  const owner = functionOf(node);
  const target = named.get(node.text);
  const isStep = target !== undefined && explored.has(target);
  if (isStep || primitives.has(node.text)) {
    // In explored functions, `checkUse` looks.
    if (owner !== null && explored.has(owner)) return;
    const { parent } = node;
    if (ts.isCallExpression(parent) && parent.expression === node) return;
    if (isStep && (isThread(node) || tableOf(node) !== null)) return;
    problem(node, `"${node.text}" is passed on as a value; call it by its name`);
  } else if (tables.has(node.text) && !isThread(node)) {
    problem(node, `"${node.text}" holds functions that hold steps; call them by their names`);
  }
}

/** Tables of the module that explored functions are put into. */
function tablesOf({ tree, named, explored }: Analysis): ReadonlySet<string> {
  const tables = new Set<string>();
  const visit = (node: ts.Node): void => {
    const target = ts.isIdentifier(node) && isValue(node) ? named.get(node.text) : undefined;
    const table = target !== undefined && explored.has(target) ? tableOf(node) : null;
    if (table !== null) tables.add(table);
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return tables;
}

/** Whether an identifier is where something gets its name, or leaves the file under it. */
function isName(node: ts.Identifier): boolean {
  const { parent } = node;
  if (ts.isExportAssignment(parent) || ts.isExportSpecifier(parent)) return true;
  if (ts.isImportSpecifier(parent) || ts.isTypeQueryNode(parent)) return true;
  if (ts.isShorthandPropertyAssignment(parent)) return false;
  return (parent as { readonly name?: ts.Node }).name === node;
}

/** Whether a function's name stands where `program` gets its threads. */
function isThread(node: ts.Node): boolean {
  for (let one = node; one.parent !== undefined && !isFunctionNode(one); one = one.parent) {
    const { parent } = one;
    if (ts.isCallExpression(parent) && parent.expression.getText() === "program") return true;
  }
  return false;
}

/** The name of the module's table that a function is put into, or null. */
function tableOf(node: ts.Node): string | null {
  let one = node;
  while (isPartOfLiteral(one)) one = one.parent;
  const { parent } = one;
  if (one === node || !ts.isVariableDeclaration(parent) || functionOf(node) !== null) return null;
  return ts.isIdentifier(parent.name) ? parent.name.text : null;
}

function isPartOfLiteral({ parent }: ts.Node): boolean {
  return (
    ts.isArrayLiteralExpression(parent) ||
    ts.isObjectLiteralExpression(parent) ||
    ts.isPropertyAssignment(parent) ||
    ts.isShorthandPropertyAssignment(parent) ||
    ts.isAsExpression(parent) ||
    ts.isSatisfiesExpression(parent)
  );
}
function checkNode(node: ts.Node, analysis: Analysis): void {
  const { problem, calls } = analysis;
  if (ts.isAwaitExpression(node) || node.kind === ts.SyntaxKind.AsyncKeyword) {
    problem(node, "async code is not explored: the event loop would choose the order");
  } else if (ts.isYieldExpression(node)) {
    problem(node, "yield belongs to the explorer; write an ordinary function");
  } else if (isFunctionNode(node) && node.asteriskToken !== undefined) {
    problem(node, "a generator is not explored; write an ordinary function");
  } else if (ts.isIdentifier(node) && UNCONTROLLED.has(node.text) && isValue(node)) {
    problem(node, `${node.text} is not controlled by the explorer`);
  } else if (ts.isPropertyAccessExpression(node) && node.name.text === "constructor") {
    problem(node, "constructor is not controlled by the explorer");
  } else if (ts.isPrivateIdentifier(node)) {
    const fix = "Make it an ordinary property; states are told apart by what can be read.";
    problem(node, `${node.text} is private, and hidden from the explorer`, fix);
  } else if (node.kind === ts.SyntaxKind.AccessorKeyword) {
    const fix = "Make it an ordinary property; states are told apart by what can be read.";
    problem(node, "what an accessor stores is hidden from the explorer", fix);
  } else if (ts.isMetaProperty(node) && node.keywordToken === ts.SyntaxKind.ImportKeyword) {
    problem(node, "import.meta is not controlled by the explorer");
  } else if (ts.isClassLike(node) && functionOf(node) !== null) {
    problem(node, "a class inside of a function is not explored", "Declare it in the module.");
  } else if (isLoop(node) && isUnwatched(node, analysis)) {
    problem(node, "a loop without a primitive or tick may never end", "Count up to a fixed bound.");
  } else if (isRandom(node)) {
    problem(node, `${node.getText()} is not controlled by the explorer`, "Use choose(count).");
  } else if (ts.isIdentifier(node) && node.text === "Math" && isPassedOn(node)) {
    problem(node, "Math is not controlled by the explorer", "Name the function: Math.min(a, b).");
  } else if (node.kind === ts.SyntaxKind.ImportKeyword && ts.isCallExpression(node.parent)) {
    problem(node, "import() is not explored", "Import by name, at the head of the file.");
  } else if (ts.isIdentifier(node) && node.text === "$") {
    problem(node, 'the name "$" belongs to the explorer');
  } else if (calls.has(node) && functionOf(node) === null) {
    const isCall = ts.isCallExpression(node);
    const what = isCall ? `${node.expression.getText()} is called` : `${node.getText()} is read`;
    // A guard's module has no threads: what is read there has the name of a device's property.
    problem(node, `${what} outside of a ${isCall ? "thread" : "guard's"} function`);
  }
  if (ts.isVariableDeclaration(node) || ts.isParameter(node)) checkShadow(node, analysis);
}

/** Whether a loop of a function without steps, a final check without loads for one, may not end. */
function isUnwatched(node: ts.Node, analysis: Analysis): boolean {
  const owner = functionOf(node);
  if (owner === null || analysis.explored.has(owner) || analysis.reached.has(owner)) return false;
  return !isCounted(node) && !holdsStep(node, analysis);
}

function isRandom(node: ts.Node): boolean {
  if (!ts.isPropertyAccessExpression(node)) return false;
  return node.expression.getText() === "Math" && node.name.text === "random";
}

/** Whether something else is done with an object than naming one of its properties. */
function isPassedOn(node: ts.Identifier): boolean {
  const { parent } = node;
  return (
    isReference(node) && !(ts.isPropertyAccessExpression(parent) && parent.expression === node)
  );
}

function isValue(node: ts.Identifier): boolean {
  const { parent } = node;
  if (ts.isPropertyAccessExpression(parent) && parent.name === node) return false;
  if (ts.isPropertyAssignment(parent) && parent.name === node) return false;
  return !ts.isTypeReferenceNode(parent);
}

/** A local that has the name of a primitive or of an explored function would be taken for it. */
function checkShadow(
  node: ts.VariableDeclaration | ts.ParameterDeclaration,
  analysis: Analysis,
): void {
  const names = new Set<string>();
  fromBinding(node.name, names);
  for (const name of names) {
    const target = analysis.named.get(name);
    const isItself = target !== undefined && target.parent === node;
    const isExplored = target !== undefined && analysis.explored.has(target);
    if (isItself || (!isExplored && !analysis.primitives.has(name))) continue;
    analysis.problem(node, `"${name}" is declared twice; the explorer goes by names`, "Rename it.");
  }
}

/** Rules about a function that runs as part of a thread. */
export function checkFunction(owner: FunctionNode, analysis: Analysis): void {
  const { problem, explored } = analysis;
  if (explored.has(owner) && !isWellPlaced(owner, analysis)) {
    const fix = "Use a loop, or a named function that is called directly.";
    problem(owner, "a closure that holds a primitive is passed on; who calls it, and when?", fix);
  }
  const visit = (node: ts.Node): void => {
    if (isFunctionNode(node)) return;
    checkStatement(node, owner, analysis);
    ts.forEachChild(node, visit);
  };
  if (owner.body !== undefined) visit(owner.body);
}

function checkStatement(node: ts.Node, owner: FunctionNode, analysis: Analysis): void {
  const { problem, explored } = analysis;
  if (ts.isTryStatement(node) && node.catchClause !== undefined && holdsStep(node, analysis)) {
    const fix = "Use try and finally, or take the primitive out of it.";
    problem(node, "try with catch around a primitive is not explored", fix);
  } else if (ts.isVariableDeclarationList(node) && (node.flags & ts.NodeFlags.BlockScoped) === 0) {
    problem(node, "var is not explored; use let or const");
  } else if (isLoop(node) && !holdsStep(node, analysis) && !isCounted(node)) {
    const fix = "Put tick(live values) into it.";
    problem(node, "a loop without a primitive or tick may never end", fix);
  } else if (ts.isForInStatement(node) && holdsLoop(node, analysis)) {
    problem(node, "a loop inside of for...in: use for...of over Object.keys outside");
  } else if (node.kind === ts.SyntaxKind.ThisKeyword) {
    problem(node, "this is not explored");
  } else if (ts.isPropertyAccessExpression(node) && node.name.text === "prototype") {
    problem(node, "prototypes are shared by all threads and not explored");
  } else if (ts.isCallExpression(node) && ts.isCallExpression(node.expression)) {
    problem(node, "calling the result of a call is not explored; name the function");
  } else if (ts.isIdentifier(node) && explored.has(owner)) checkUse(node, analysis);
  if (isLoop(node) && explored.has(owner)) checkHidden(node, analysis);
}

/** An explored function may be called by name; handing it on would lose control of it. */
function checkUse(node: ts.Identifier, analysis: Analysis): void {
  const target = analysis.named.get(node.text);
  const { parent } = node;
  const isCallee = ts.isCallExpression(parent) && parent.expression === node;
  const isDeclared = ts.isVariableDeclaration(parent) && parent.name === node;
  const isStep = target !== undefined ? analysis.explored.has(target) : false;
  if ((!isStep && !analysis.primitives.has(node.text)) || isCallee || isDeclared) return;
  if (!isValue(node)) return;
  analysis.problem(node, `"${node.text}" is passed on as a value; call it by its name`);
}

/** A loop is told from itself by its locals; two of one name would be taken for one. */
function checkHidden(node: ts.Node, { problem }: Analysis): void {
  const name = hiddenName(node);
  if (name !== null) problem(node, `"${name}" hides another "${name}" here`, "Rename one of them.");
}

function isLoop(node: ts.Node): node is ts.ForStatement | ts.WhileStatement | ts.DoStatement {
  return ts.isForStatement(node) || ts.isWhileStatement(node) || ts.isDoStatement(node);
}

/** Whether a step is taken in it. */
export function holdsStep(node: ts.Node, analysis: Analysis): boolean {
  if (analysis.calls.has(node)) return true;
  return ts.forEachChild(node, (child) => holdsStep(child, analysis) || undefined) ?? false;
}

export function holdsLoop(node: ts.Node, analysis: Analysis): boolean {
  const find = (child: ts.Node): boolean | undefined =>
    isLoop(child) || ts.forEachChild(child, find) || undefined;
  return holdsStep(node, analysis) && (ts.forEachChild(node, find) ?? false);
}

/** `for (let i = a; i < b; i++)` whose body leaves `i` alone ends without help. */
function isCounted(node: ts.Node): boolean {
  if (!ts.isForStatement(node)) return false;
  const { initializer, condition, incrementor, statement } = node;
  if (initializer === undefined || !ts.isVariableDeclarationList(initializer)) return false;
  const name = initializer.declarations[0]?.name.getText() ?? "";
  const isBounded = condition !== undefined && ts.isBinaryExpression(condition);
  if (!isBounded || condition.left.getText() !== name) return false;
  const up = incrementor?.getText() === `${name}++`;
  const down = incrementor?.getText() === `${name}--`;
  const operator = condition.operatorToken.getText();
  if (!(up && /^<=?$/.test(operator)) && !(down && /^>=?$/.test(operator))) return false;
  const bound = condition.right.getText();
  const isSteady = /^\d+$/.test(bound) || /^[\w.]+$/.test(bound);
  const changes = (child: ts.Node): boolean | undefined => {
    const isBound = targetsOf(child).some(({ to }) => {
      const text = to.getText();
      return text === name || bound.split(".")[0] === text.split(/[.[]/)[0];
    });
    return isBound || ts.forEachChild(child, changes) || undefined;
  };
  return isSteady && changes(statement) !== true;
}

/** Places where it is clear who calls a function: a name, a thread of the program, a factory. */
function isWellPlaced(owner: FunctionNode, analysis: Analysis): boolean {
  if (ts.isFunctionDeclaration(owner)) return true;
  let node: ts.Node = owner;
  for (; node.parent !== undefined; node = node.parent) {
    const { parent } = node;
    if (ts.isVariableDeclaration(parent)) return node === owner;
    if (ts.isExportAssignment(parent)) return true;
    if (ts.isReturnStatement(parent) || ts.isArrowFunction(parent)) {
      const factory = functionOf(node);
      return factory !== null && !analysis.explored.has(factory);
    }
    if (ts.isCallExpression(parent)) return parent.expression.getText() === "program";
    const isTransparent =
      ts.isPropertyAssignment(parent) ||
      ts.isObjectLiteralExpression(parent) ||
      ts.isArrayLiteralExpression(parent) ||
      ts.isParenthesizedExpression(parent) ||
      ts.isSatisfiesExpression(parent) ||
      ts.isAsExpression(parent) ||
      ts.isSpreadElement(parent) ||
      ts.isConditionalExpression(parent);
    if (!isTransparent) return false;
  }
  return false;
}
