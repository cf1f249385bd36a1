// What a program or a guard may change: its cells and its own locals. An object of the module would
// be shared by all threads and schedules without a step to show for it, and so would what a caller
// handed on. Looks through helpers and other names for the same object. Pure.
import ts from "typescript";
import type { Analysis } from "../analyze.js";
import { fromBinding } from "../locals.js";
import { declaringFunction, isGlobal } from "../names.js";
import { type FunctionNode, functionOf, isFunctionNode } from "../nodes.js";

/** Methods that change the array, map, set or iterator they belong to. */
const MUTATING =
  /^(push|pop|shift|unshift|splice|sort|reverse|fill|copyWithin|set|add|delete|clear|next)$/;
/** Functions of JavaScript's that change their first argument. */
const CHANGES_FIRST = /^Object\.(assign|defineProperty|defineProperties|setPrototypeOf|freeze)$/;

/** Where an object comes from: a parameter, the module, the function around, JavaScript itself. */
interface Root {
  readonly name: string;
  readonly of: FunctionNode | "module" | "around" | "JavaScript";
}

/** A place where something that has come from outside is changed. */
interface Change {
  readonly node: ts.Node;
  readonly root: Root;
  /** The helper by which it is changed; "" for a change in the place itself. */
  readonly by: string;
}

/** What a change is looked at from: the function it stands in. */
interface View {
  readonly owner: FunctionNode;
  readonly analysis: Analysis;
  /** Locals on the way here: one that is made of itself has no other source for that. */
  readonly via: ReadonlySet<string>;
}

/**
 * Says where threads, or a guard, change what is not their own. `isWhole`: all callers of the
 * functions are in this file, so that what is handed on can be followed to where it comes from.
 */
export function checkMutations(
  owners: Iterable<FunctionNode>,
  analysis: Analysis,
  isWhole: boolean,
): void {
  const found: Change[] = [];
  for (const owner of owners) {
    if (owner.body !== undefined)
      collectChanges(owner.body, { owner, analysis, via: new Set() }, found);
  }
  const calls = isWhole ? callsOf(analysis) : [];
  const seen = new Set<ts.Node>();
  // Grows while it is gone through: what a helper changes, its callers change.
  for (const change of found) {
    const { name, of } = change.root;
    if (typeof of === "string") {
      report(change, analysis);
      continue;
    }
    if (!isWhole) continue;
    const callers = calls.filter(({ target }) => target === of);
    if (callers.length === 0) report(change, analysis);
    for (const { call, owner } of callers) {
      const argument = call.arguments[parameterOf(of, name)];
      if (argument === undefined || seen.has(argument)) continue;
      seen.add(argument);
      const by = call.expression.getText();
      for (const root of rootsOf(argument, 0, { owner, analysis, via: new Set() })) {
        found.push({ node: call, root, by });
      }
    }
  }
}

function report({ node, root: { name, of }, by }: Change, { problem }: Analysis): void {
  const how = by === "" ? "changed" : `changed by ${by}()`;
  if (of === "module") {
    problem(node, `"${name}" of the module is ${how}`, "Make it a cell of the program.");
  } else if (of === "around") {
    const fix = "Make it a cell of the program, or a local of the thread.";
    problem(node, `"${name}" of the function around the thread is ${how}`, fix);
  } else if (of === "JavaScript") {
    problem(node, `"${name}" of JavaScript is ${how}`, "Make it a cell of the program.");
  } else {
    const fix = "Change locals of the function only.";
    problem(node, `"${name}" was handed to the function, and is ${how}`, fix);
  }
}

/** Changes that a function makes itself, those of closures inside of it included. */
function collectChanges(node: ts.Node, view: View, found: Change[]): void {
  for (const { to, depth } of targetsOf(node)) {
    const base = baseOf(to);
    const roots = rootsOf(base, Math.max(depth - 1, 0), view);
    // A name may get another value, unless it is the module's; what it stood for stays as it is.
    const isOutside = ({ name, of }: Root) => typeof of === "string" && name === base.getText();
    const changed = depth > 0 ? roots : roots.filter(isOutside);
    found.push(...changed.map((root) => ({ node, root, by: "" })));
  }
  ts.forEachChild(node, (child) => {
    const isOther = isFunctionNode(child) && view.analysis.explored.has(child);
    if (!isOther) collectChanges(child, view, found);
  });
}

/** Whether a function stands outside of a thread's, and runs once before all threads. */
function isAround(home: FunctionNode, { owner, analysis }: View): boolean {
  const { explored, reached } = analysis;
  for (let one: ts.Node = home; one !== undefined; one = one.parent) {
    if (one === owner) return false;
  }
  return explored.has(owner) && !explored.has(home) && !reached.has(home);
}

/**
 * Where the objects come from that an expression may give. `inside`: how many properties further
 * down what is meant lies, so that a fresh object that holds another one is not taken for it.
 */
function rootsOf(node: ts.Expression, inside: number, view: View): Root[] {
  const all = (parts: readonly ts.Expression[], depth: number): Root[] =>
    parts.flatMap((one) => rootsOf(one, depth, view));
  if (ts.isIdentifier(node)) return rootsOfName(node, inside, view);
  if (ts.isPropertyAccessExpression(node) || ts.isElementAccessExpression(node)) {
    return rootsOf(node.expression, inside + 1, view);
  }
  if (ts.isConditionalExpression(node)) return all([node.whenTrue, node.whenFalse], inside);
  if (ts.isBinaryExpression(node)) return all([node.left, node.right], inside);
  if (ts.isCallExpression(node)) {
    // A function may hand back what it was given; one of JavaScript's gives a new object, which
    // may hold it.
    const isOwn = ts.isIdentifier(node.expression) && view.analysis.named.has(node.expression.text);
    if (isOwn) return all(node.arguments, inside);
    return inside > 0 ? all([node.expression, ...node.arguments], inside - 1) : [];
  }
  if (ts.isSpreadElement(node)) return rootsOf(node.expression, inside + 1, view);
  if (ts.isArrayLiteralExpression(node)) return inside > 0 ? all(node.elements, inside - 1) : [];
  if (ts.isObjectLiteralExpression(node)) {
    return inside > 0 ? all(node.properties.flatMap(valueOf), inside - 1) : [];
  }
  const inner = innerOf(node);
  return inner === null ? [] : rootsOf(inner, inside, view);
}

function valueOf(property: ts.ObjectLiteralElementLike): ts.Expression[] {
  if (ts.isPropertyAssignment(property)) return [property.initializer];
  if (ts.isShorthandPropertyAssignment(property)) return [property.name];
  return ts.isSpreadAssignment(property) ? [property.expression] : [];
}

/** What stands in brackets, or under a type. */
function innerOf(node: ts.Expression): ts.Expression | null {
  const isWrapped =
    ts.isParenthesizedExpression(node) ||
    ts.isAsExpression(node) ||
    ts.isNonNullExpression(node) ||
    ts.isSatisfiesExpression(node);
  return isWrapped ? node.expression : null;
}

function rootsOfName(node: ts.Identifier, inside: number, view: View): Root[] {
  const { text: name } = node;
  const home = declaringFunction(node, name);
  if (home === null) {
    if (isOfModule(name, view.analysis.tree)) return [{ name, of: "module" }];
    return isGlobal(name) ? [{ name, of: "JavaScript" }] : [];
  }
  if (isAround(home, view)) return [{ name, of: "around" }];
  if (parameterOf(home, name) >= 0) return [{ name, of: home }];
  if (view.via.has(name)) return [];
  const further = { ...view, via: new Set([...view.via, name]) };
  return localSources(home, name).flatMap(({ from, deeper }) =>
    rootsOf(from, inside + deeper, further),
  );
}

interface Source {
  readonly from: ts.Expression;
  /** 1 if the local is a property or an item of it. */
  readonly deeper: number;
}

/** What a local of a function is made of: initializers, assignments, what for...of goes through. */
function localSources(home: FunctionNode, name: string): Source[] {
  const found: Source[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isVariableDeclaration(node)) {
      const names = new Set<string>();
      fromBinding(node.name, names);
      const { parent } = node.parent;
      if (names.has(name)) {
        const deeper = ts.isIdentifier(node.name) ? 0 : 1;
        if (node.initializer !== undefined) found.push({ from: node.initializer, deeper });
        else if (ts.isForOfStatement(parent)) {
          found.push({ from: parent.expression, deeper: deeper + 1 });
        }
      }
    }
    if (ts.isBinaryExpression(node) && targetsOf(node).some(({ to }) => to.getText() === name)) {
      found.push({ from: node.right, deeper: node.left.getText() === name ? 0 : 1 });
    }
    ts.forEachChild(node, visit);
  };
  if (home.body !== undefined) visit(home.body);
  return found;
}

/** The place of a name among a function's parameters; -1 if it is none. */
function parameterOf(owner: FunctionNode, name: string): number {
  return owner.parameters.findIndex((one) => {
    const names = new Set<string>();
    fromBinding(one.name, names);
    return names.has(name);
  });
}

function isOfModule(name: string, tree: ts.SourceFile): boolean {
  return tree.statements.some((statement) => {
    if (ts.isFunctionDeclaration(statement) || ts.isClassDeclaration(statement)) {
      return statement.name?.text === name;
    }
    if (!ts.isVariableStatement(statement)) return false;
    const names = new Set<string>();
    for (const one of statement.declarationList.declarations) fromBinding(one.name, names);
    return names.has(name);
  });
}

interface NamedCall {
  readonly call: ts.CallExpression;
  readonly owner: FunctionNode;
  readonly target: FunctionNode;
}

/** Calls by name that stand in a function. */
function callsOf({ tree, named }: Analysis): NamedCall[] {
  const found: NamedCall[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && ts.isIdentifier(node.expression)) {
      const target = named.get(node.expression.text);
      const owner = functionOf(node);
      if (target !== undefined && owner !== null) found.push({ call: node, owner, target });
    }
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return found;
}

function baseOf(target: ts.Expression): ts.Expression {
  let base = target;
  for (;;) {
    const inner = innerOf(base);
    if (inner !== null) base = inner;
    else if (ts.isPropertyAccessExpression(base) || ts.isElementAccessExpression(base)) {
      base = base.expression;
    } else return base;
  }
}

function depthOf(target: ts.Expression): number {
  const inner = innerOf(target);
  if (inner !== null) return depthOf(inner);
  const isMember = ts.isPropertyAccessExpression(target) || ts.isElementAccessExpression(target);
  return isMember ? 1 + depthOf(target.expression) : 0;
}

/** What gets another value, and how many properties down from a name it lies. */
interface Target {
  readonly to: ts.Expression;
  readonly depth: number;
}

/** What a node gives another value: names, and properties of objects. */
export function targetsOf(node: ts.Node): Target[] {
  if (ts.isBinaryExpression(node)) {
    const { kind } = node.operatorToken;
    const isAssignment =
      kind >= ts.SyntaxKind.FirstAssignment && kind <= ts.SyntaxKind.LastAssignment;
    return isAssignment ? inPattern(node.left) : [];
  }
  if (ts.isPrefixUnaryExpression(node) || ts.isPostfixUnaryExpression(node)) {
    const { operator } = node;
    const isStep =
      operator === ts.SyntaxKind.PlusPlusToken || operator === ts.SyntaxKind.MinusMinusToken;
    return isStep ? inPattern(node.operand) : [];
  }
  if (ts.isDeleteExpression(node)) return inPattern(node.expression);
  if (ts.isForOfStatement(node) || ts.isForInStatement(node)) {
    const { initializer } = node;
    return ts.isVariableDeclarationList(initializer) ? [] : inPattern(initializer);
  }
  return ts.isCallExpression(node) ? byCall(node) : [];
}

/** What a method, or a function of JavaScript's, changes: something in its object. */
function byCall({ expression, arguments: [first] }: ts.CallExpression): Target[] {
  if (first !== undefined && CHANGES_FIRST.test(expression.getText())) {
    return [{ to: first, depth: depthOf(first) + 1 }];
  }
  if (!ts.isPropertyAccessExpression(expression)) return [];
  if (!MUTATING.test(expression.name.text)) return [];
  const to = expression.expression;
  return [{ to, depth: depthOf(to) + 1 }];
}

/** The targets of an assignment, those inside of a pattern included. */
function inPattern(node: ts.Expression): Target[] {
  if (ts.isArrayLiteralExpression(node)) return node.elements.flatMap(inPattern);
  if (ts.isObjectLiteralExpression(node))
    return node.properties.flatMap(valueOf).flatMap(inPattern);
  if (ts.isSpreadElement(node)) return inPattern(node.expression);
  return ts.isOmittedExpression(node) ? [] : [{ to: node, depth: depthOf(node) }];
}
