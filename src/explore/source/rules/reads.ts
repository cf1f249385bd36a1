// Rules for a user's guard, to which reading a property of a device is a step: a step has a token
// in the text, so each read is written out, `dev.running`, where it is made. Pure; any thread.
import ts from "typescript";
import { type Analysis, collect } from "../analyze.js";
import { declaringFunction } from "../names.js";
import { type FunctionNode, isFunctionNode } from "../nodes.js";

/** Refuses reads of `properties` by other ways than their names. */
export function checkReads(analysis: Analysis, properties: ReadonlySet<string>): void {
  const { tree, problem } = analysis;
  const devices = devicesOf(analysis);
  const refuse = (node: ts.Node, name: string, fix: string) => {
    const message = `"${name}" is read in a way that cannot be followed`;
    problem(node, message, `Write ${fix}, where it is needed.`);
  };
  const visit = (node: ts.Node): void => {
    if (ts.isBindingElement(node) && ts.isObjectBindingPattern(node.parent)) {
      const name = (node.propertyName ?? node.name).getText();
      if (properties.has(name)) refuse(node, name, `dev.${name}`);
    } else if (ts.isElementAccessExpression(node)) {
      const { argumentExpression: key, expression } = node;
      if (ts.isStringLiteralLike(key)) {
        if (properties.has(key.text)) refuse(node, key.text, `dev.${key.text}`);
      } else if (isDevice(expression, devices)) {
        refuse(node, node.getText(), "the names of the properties, dev.running or another");
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(tree);
}

/** By function, the names of its parameters that get the device. */
type Devices = Map<FunctionNode, Set<string>>;

/** The guard's first parameter, and whatever parameters it is handed on to. */
function devicesOf({ tree, named }: Analysis): Devices {
  const { calls } = collect(tree);
  const devices: Devices = new Map();
  const add = (one: FunctionNode | undefined, index: number): void => {
    const name = one?.parameters[index]?.name;
    if (one === undefined || name === undefined || !ts.isIdentifier(name)) return;
    devices.set(one, (devices.get(one) ?? new Set()).add(name.text));
  };
  for (const statement of tree.statements) add(defaultExport(statement, named), 0);
  const countOf = () => [...devices.values()].reduce((sum, { size }) => sum + size, 0);
  for (let count = -1; count !== countOf();) {
    count = countOf();
    for (const call of calls) {
      if (!ts.isIdentifier(call.expression)) continue;
      const target = named.get(call.expression.text);
      call.arguments.forEach((one, i) => {
        if (isDevice(one, devices)) add(target, i);
      });
    }
  }
  return devices;
}

function defaultExport(statement: ts.Statement, named: Analysis["named"]) {
  if (ts.isExportAssignment(statement)) {
    const { expression } = statement;
    if (isFunctionNode(expression)) return expression;
    return ts.isIdentifier(expression) ? named.get(expression.text) : undefined;
  }
  if (!ts.isFunctionDeclaration(statement)) return undefined;
  const words = statement.modifiers ?? [];
  return words.some(({ kind }) => kind === ts.SyntaxKind.DefaultKeyword) ? statement : undefined;
}

/** Whether an expression is a name of the device, with or without a type asserted. */
function isDevice(node: ts.Expression, devices: Devices): boolean {
  let bare = node;
  while (ts.isParenthesizedExpression(bare) || ts.isAsExpression(bare)) bare = bare.expression;
  if (!ts.isIdentifier(bare)) return false;
  const owner = declaringFunction(bare, bare.text);
  return owner !== null && devices.get(owner)?.has(bare.text) === true;
}
