// The ways in which one synchronisation of the explored system is taken away or weakened, as
// changes of its TypeScript text. Needs the TypeScript compiler. Pure; any thread.
import ts from "typescript";
import { type FunctionNode, functionOf } from "../source/nodes.js";

export const OPERATORS = {
  "drop-lock": "both sides of a lock, in one function",
  "drop-unlock": "a lock is kept",
  "drop-read-section": "both sides of a read section, in one function",
  "drop-grace-period": "synchronize_net, synchronize_rcu or rcu_barrier is left out",
  "drop-reference": "a reference is not taken, or not given back",
  "drop-store": "a store that others go by is left out",
  "drop-work": "a work item is not queued",
  "callback-at-once": "an RCU callback runs without a grace period",
  "pass-test": "a conjunct of a guard, or a test of what others store, says yes",
  "negate-test": "a test of what others store says the opposite",
  "swap-order": "two steps one after the other change places, one of them ordering the other",
} as const;
export type Operator = keyof typeof OPERATORS;

/** One change of one file; offsets are those of the text as it is shipped. */
export interface Mutant {
  /** `file:line:operator`, and `:n` for another one of the same line. */
  readonly id: string;
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly operator: Operator;
  readonly within: string;
  /** The first line that changes, and what stands there afterwards. */
  readonly before: string;
  readonly after: string;
  readonly edits: readonly Edit[];
}

interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** Pairs of calls that belong together. */
const PAIRS: readonly (readonly [string, string, Operator])[] = [
  ["rtnlLock", "rtnlUnlock", "drop-lock"],
  ["ovsLock", "ovsUnlock", "drop-lock"],
  ["spinLock", "spinUnlock", "drop-lock"],
  ["rcuReadLock", "rcuReadUnlock", "drop-read-section"],
];
const UNLOCKS = new Set(["rtnlUnlock", "ovsUnlock", "spinUnlock", "mutexUnlock", "rcuReadUnlock"]);
const GRACE = new Set(["synchronizeNet", "synchronizeRcu", "rcuBarrier"]);
const REFERENCES = new Set(["devHold", "devPut"]);
const STORES = new Set(["st", "add", "setBits", "clearBits", "setLinkState", "clearLinkState"]);
/** Words whose stores tell others what to do from now on. */
const ORDERING = new RegExp(
  "LINK_STATE\\.start|" +
    "DEV\\.(flags|regState|privFlags|rxHandler|listed|refcnt|numQueues)\\b|" +
    "TXQ\\.(qdisc|tfile|state)\\b|portSlot|\\bslot\\b|KERNEL\\.|\\btail\\b|realNumTxQueues|" +
    "VPORT\\.(dev|state)\\b|BACKLOG\\.length",
);
/** Tests of what another thread may store, which keep something away. */
const SHARED_TEST = new RegExp(
  "PRIV\\.ovsDatapath|attached|NETREG\\.(registered|unregistering)|isUp\\(|netifRunning\\(|" +
    "(vport|peer|slave) === NULL",
);
/** Calls that only tell observers, and so stand between two steps without ordering them. */
const SILENT = new Set(["trace", "deed", "tally", "tick", "assert"]);

/** Every mutant of a file, in its order. */
export function mutantsOf(file: string, text: string): Mutant[] {
  const tree = ts.createSourceFile(file, text, ts.ScriptTarget.ES2022, true);
  const found: Mutant[] = [];
  const ids = new Map<string, number>();
  const add = (operator: Operator, at: ts.Node, edits: readonly Edit[]): void => {
    const start = at.getStart(tree);
    const line = tree.getLineAndCharacterOfPosition(start).line + 1;
    const plain = `${file}:${line}:${operator}`;
    const count = (ids.get(plain) ?? 0) + 1;
    ids.set(plain, count);
    const id = count === 1 ? plain : `${plain}:${count}`;
    const within = nameOf(functionOf(at));
    const [before, after] = excerpt(text, edits);
    found.push({ id, file, line, operator, within, before, after, edits });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isFunctionDeclaration(node)) pairs(node, tree, add);
    if (ts.isExpressionStatement(node)) dropped(node, tree, add);
    if (ts.isIfStatement(node)) tests(node, tree, add);
    if (ts.isReturnStatement(node)) conjuncts(node, tree, add);
    if (ts.isBlock(node) || ts.isCaseClause(node)) swaps(node.statements, tree, add);
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return found;
}

type Add = (operator: Operator, at: ts.Node, edits: readonly Edit[]) => void;

/** The text of a file with a mutant in it. */
export function mutated(text: string, { edits }: Mutant): string {
  const backwards = [...edits].sort((x, y) => y.start - x.start);
  return backwards.reduce(
    (done, { start, end, text: by }) => done.slice(0, start) + by + done.slice(end),
    text,
  );
}

/** The first line that an edit touches, and the same line afterwards. */
function excerpt(text: string, edits: readonly Edit[]): readonly [string, string] {
  const first = Math.min(...edits.map(({ start }) => start));
  const from = text.lastIndexOf("\n", first) + 1;
  const changed = mutated(text, { edits } as Mutant);
  const lineAt = (whole: string) => whole.slice(from, whole.indexOf("\n", from)).trim();
  return [lineAt(text), lineAt(changed)];
}

function nameOf(one: FunctionNode | null): string {
  return one?.name !== undefined && ts.isIdentifier(one.name) ? one.name.text : "";
}

/** The name of the function that a statement is a call of, or "". */
function called(node: ts.Node): string {
  if (!ts.isExpressionStatement(node) || !ts.isCallExpression(node.expression)) return "";
  const { expression } = node.expression;
  return ts.isIdentifier(expression) ? expression.text : "";
}

/** Leaves a statement out; a loop of nothing else goes with it. */
function removal(node: ts.Statement, tree: ts.SourceFile): Edit {
  let whole: ts.Node = node;
  while (isLoopOf(whole.parent, whole)) whole = whole.parent;
  return { start: whole.getStart(tree), end: whole.getEnd(), text: ";" };
}

function isLoopOf(parent: ts.Node, node: ts.Node): boolean {
  if (ts.isForStatement(parent)) return parent.statement === node;
  const isOnlyOne = ts.isBlock(parent) && parent.statements.length === 1;
  return isOnlyOne && ts.isForStatement(parent.parent);
}

function pairs(node: ts.FunctionDeclaration, tree: ts.SourceFile, add: Add): void {
  for (const [take, give, operator] of PAIRS) {
    const taken = callsIn(node, take);
    const given = callsIn(node, give);
    if (taken.length === 0 || given.length === 0) continue;
    const edits = [...taken, ...given].map((one) => removal(one, tree));
    add(operator, taken[0]!, edits);
  }
}

/** Statements of a function, or returned calls, that call a function by name. */
function callsIn(node: ts.Node, name: string): ts.Statement[] {
  const found: ts.Statement[] = [];
  const visit = (one: ts.Node): void => {
    if (called(one) === name) found.push(one as ts.Statement);
    else if (ts.isReturnStatement(one) && one.expression?.getText().startsWith(`${name}(`)) {
      found.push(one);
    }
    ts.forEachChild(one, visit);
  };
  ts.forEachChild(node, visit);
  return found;
}

function dropped(node: ts.ExpressionStatement, tree: ts.SourceFile, add: Add): void {
  const name = called(node);
  const text = node.getText(tree);
  const drop = (operator: Operator) => add(operator, node, [removal(node, tree)]);
  if (UNLOCKS.has(name)) drop("drop-unlock");
  if (GRACE.has(name)) drop("drop-grace-period");
  if (REFERENCES.has(name)) drop("drop-reference");
  if (name === "queueWork") drop("drop-work");
  if (STORES.has(name) && ORDERING.test(text)) drop("drop-store");
  if (name !== "callRcu") return;
  const start = node.getStart(tree);
  const now = text.replace(/^callRcu\(\w+/, "runRcuCallback(k");
  add("callback-at-once", node, [{ start, end: node.getEnd(), text: now }]);
}

function tests(node: ts.IfStatement, tree: ts.SourceFile, add: Add): void {
  const { expression, thenStatement } = node;
  const text = expression.getText(tree);
  if (!SHARED_TEST.test(text) || /profile/.test(text)) return;
  const at = { start: expression.getStart(tree), end: expression.getEnd() };
  const isFlag = /PRIV\.ovsDatapath|attached/.test(text);
  if (isFlag) add("negate-test", node, [{ ...at, text: `!(${text})` }]);
  // What the test keeps away is let through.
  const refuses = /\b(return|continue|verdict =)/.test(thenStatement.getText(tree));
  if (refuses || isFlag) add("pass-test", node, [{ ...at, text: refuses ? "false" : "true" }]);
}

function conjuncts(node: ts.ReturnStatement, tree: ts.SourceFile, add: Add): void {
  if (nameOf(functionOf(node)) !== "guardAllows" || node.expression === undefined) return;
  const visit = (one: ts.Expression): void => {
    if (ts.isBinaryExpression(one) && isAnd(one)) {
      visit(one.left);
      visit(one.right);
      return;
    }
    if (one.kind === ts.SyntaxKind.TrueKeyword) return;
    add("pass-test", one, [{ start: one.getStart(tree), end: one.getEnd(), text: "true" }]);
  };
  visit(node.expression);
}

function isAnd({ operatorToken }: ts.BinaryExpression): boolean {
  return operatorToken.kind === ts.SyntaxKind.AmpersandAmpersandToken;
}

/** Neighbours of which one orders what the other does. */
function swaps(statements: readonly ts.Statement[], tree: ts.SourceFile, add: Add): void {
  const steps = statements.filter((one) => !SILENT.has(called(one)));
  for (let i = 0; i + 1 < steps.length; i++) {
    const [first, second] = [steps[i]!, steps[i + 1]!];
    if (!isStep(first) || !isStep(second)) continue;
    if (!isOrdering(first, tree) && !isOrdering(second, tree)) continue;
    const [a, b] = [rangeOf(first, tree), rangeOf(second, tree)];
    if (a.text === b.text) continue;
    add("swap-order", first, [
      { ...a, text: b.text },
      { ...b, text: a.text },
    ]);
  }
}

function isStep(node: ts.Statement): boolean {
  if (!ts.isForStatement(node)) return called(node) !== "";
  return !SILENT.has(called(node.statement));
}

function isOrdering(node: ts.Statement, tree: ts.SourceFile): boolean {
  const name = called(node);
  const text = node.getText(tree);
  if (GRACE.has(name) || name === "flushAllBacklogs") return true;
  if (name === "callNetdeviceNotifiers") return text.includes("NETDEV.unregister,");
  return STORES.has(name) && /portSlot|\bslot\b|NETREG\.|PRIV\.|rxHandler/.test(text);
}

function rangeOf(node: ts.Node, tree: ts.SourceFile): Edit {
  return { start: node.getStart(tree), end: node.getEnd(), text: node.getText(tree) };
}
