// Yield insertion: makes generators of the functions of a program that touch shared state, by
// inserting tokens into its text and never changing any. Taking the insertions out again gives the
// source back byte for byte (`erase`). Pure; any thread.
import ts from "typescript";
import type { Site } from "../types.js";
import { type Analysis, analyze } from "./analyze.js";
import { fromBinding, liveAt, localsAt } from "./locals.js";
import { functionOf, isFunctionNode } from "./nodes.js";
import { closeCaptured, openCaptured } from "./realm/captured.js";
import { holdsLoop, holdsStep } from "./rules/rules.js";

export interface Insertion {
  /** Where in the source, in UTF-16 units. */
  readonly at: number;
  readonly text: string;
}

export interface Rewritten {
  readonly text: string;
  /** In the order of their places. */
  readonly insertions: readonly Insertion[];
  readonly sites: readonly Site[];
}

/**
 * Inserts the tokens. `$` is the name that the runtime is bound to.
 * @throws PacketpathError PROGRAM_INVALID with the place of everything that cannot be controlled.
 */
export function rewrite(source: string, file: string): Rewritten {
  const tree = ts.createSourceFile(file, source, ts.ScriptTarget.ES2022, true);
  return keeping(
    tree,
    rewriteTree(tree, analyze(tree, file), [], { places: "loops", isKept: true }),
  );
}

/** The same with a last token, by which the module hands out what its names stand for. */
export function keeping(tree: ts.SourceFile, { text, insertions, sites }: Rewritten): Rewritten {
  const token = keepToken(tree);
  const last = { at: tree.text.length, text: token };
  return { text: text + token, insertions: [...insertions, last], sites };
}

/** The token behind a module that hands out what its names stand for. */
function keepToken(tree: ts.SourceFile): string {
  const texts: string[] = [];
  const add = (name: string, at: ts.Node): void => {
    const { line, character } = tree.getLineAndCharacterOfPosition(at.getStart(tree));
    // A namespace of types only is no value.
    const value = `typeof ${name} === "undefined" ? undefined : ${name}`;
    texts.push(`["${name}", () => ${value}, ${line + 1}, ${character + 1}]`);
  };
  for (const statement of tree.statements) {
    if (ts.isVariableStatement(statement)) {
      const names = new Set<string>();
      for (const { name } of statement.declarationList.declarations) fromBinding(name, names);
      for (const name of names) add(name, statement);
      continue;
    }
    const isNamed =
      ts.isFunctionDeclaration(statement) ||
      ts.isClassDeclaration(statement) ||
      ts.isEnumDeclaration(statement) ||
      ts.isModuleDeclaration(statement);
    if (isNamed && statement.name !== undefined && ts.isIdentifier(statement.name)) {
      add(statement.name.text, statement);
    }
  }
  const line = tree.text.endsWith("\n") ? "" : "\n";
  return `${line};$.keep(${JSON.stringify(tree.fileName)}, [${texts.join(", ")}]);`;
}

/** Where the key of a local state is made anew: at loop heads only, or at statements as well. */
type KeyPlaces = "loops" | "statements";

interface Manner {
  readonly places: KeyPlaces;
  /** Whether closures hand out what they have in sight: those of modules that anybody wrote. */
  readonly isKept: boolean;
}

/** The same for an analyzed file; `sites` may hold those of other files and grows. */
export function rewriteTree(
  tree: ts.SourceFile,
  analysis: Analysis,
  sites: Site[],
  { places, isKept }: Manner,
): Rewritten {
  const source = tree.text;
  const insertions: Insertion[] = [];
  const visit = (node: ts.Node): void => {
    if (places === "statements") insertions.push(...openStatement(node, analysis, sites));
    if (isKept) insertions.push(...openCaptured(node, analysis.explored));
    const before = opening(node, analysis, sites, places);
    if (before !== null) insertions.push(...before);
    ts.forEachChild(node, visit);
    insertions.push(...closing(node, analysis, places));
    if (isKept) insertions.push(...closeCaptured(node, analysis.explored));
  };
  visit(tree);
  // Stable: of two at one place, the one of the outer node came first when opening, and the one
  // of the inner node when closing.
  const sorted = insertions
    .map((one, order) => ({ one, order }))
    .sort((x, y) => x.one.at - y.one.at || x.order - y.order)
    .map(({ one }) => one);
  return { text: splice(source, sorted), insertions: sorted, sites };
}

function splice(source: string, insertions: readonly Insertion[]): string {
  let text = "";
  let from = 0;
  for (const { at, text: token } of insertions) {
    text += source.slice(from, at) + token;
    from = at;
  }
  return text + source.slice(from);
}

/** Takes the insertions out of the rewritten text. */
export function erase(rewritten: Rewritten): string {
  let text = "";
  let from = 0;
  let shift = 0;
  for (const { at, text: token } of rewritten.insertions) {
    if (!rewritten.text.startsWith(token, at + shift)) throw new Error(`no ${token} at ${at}`);
    text += rewritten.text.slice(from, at + shift);
    shift += token.length;
    from = at + shift;
  }
  return text + rewritten.text.slice(from);
}

function opening(
  node: ts.Node,
  analysis: Analysis,
  sites: Site[],
  places: KeyPlaces,
): Insertion[] | null {
  const kind = analysis.calls.get(node);
  if (kind !== undefined) {
    const call = kind === "primitive" ? "(yield* $.step(" : "(yield* $.call(";
    const site = addSite(node, sites);
    return [{ at: node.getStart(), text: `${call}${site}, ` }];
  }
  if (isFunctionNode(node) && analysis.explored.has(node)) return openFunction(node);
  if (analysis.loops.has(node)) return openLoop(node, addSite(node, sites));
  if (isIteration(node, analysis, places)) {
    return [{ at: node.expression.getStart(), text: `$.each(${addSite(node, sites)}, ` }];
  }
  return null;
}

/** A for...of in which a key is made anew: the runtime has to know how far it is. */
function isIteration(
  node: ts.Node,
  analysis: Analysis,
  places: KeyPlaces,
): node is ts.ForOfStatement {
  if (!ts.isForOfStatement(node)) return false;
  return places === "loops" ? holdsLoop(node, analysis) : holdsStep(node.statement, analysis);
}

/** Before a statement that holds a step, the live locals take the place of what was loaded. */
function openStatement(node: ts.Node, analysis: Analysis, sites: Site[]): Insertion[] {
  const { parent } = node;
  if (parent === undefined || !ts.isStatement(node) || ts.isFunctionDeclaration(node)) return [];
  if (!ts.isBlock(parent) && !ts.isCaseClause(parent) && !ts.isDefaultClause(parent)) return [];
  const owner = functionOf(node);
  if (owner === null || !analysis.explored.has(owner) || !holdsStep(node, analysis)) return [];
  const site = addSite(node, sites);
  const live = liveAt(node, owner).join(", ");
  return [{ at: node.getStart(), text: `$.at(${site}, [${live}]); ` }];
}

function openFunction(node: ts.Node): Insertion[] {
  if (ts.isArrowFunction(node)) {
    const isBlock = ts.isBlock(node.body);
    const text = isBlock ? "(function* () " : "(function* () { return (";
    return [{ at: node.body.getStart(), text }];
  }
  if (ts.isMethodDeclaration(node)) return [{ at: node.name.getStart(), text: "*" }];
  const keyword = node.getChildren().find((one) => one.kind === ts.SyntaxKind.FunctionKeyword);
  return [{ at: keyword!.end, text: "*" }];
}

function openLoop(node: ts.Node, site: number): Insertion[] {
  const head = `$.head(${site}, [${localsAt(node).join(", ")}])`;
  if (ts.isForStatement(node) && node.condition === undefined) {
    return [{ at: firstSemicolon(node) + 1, text: ` ${head}` }];
  }
  const condition = conditionOf(node)!;
  return [{ at: condition.getStart(), text: `${head} && (` }];
}

function conditionOf(node: ts.Node): ts.Expression | undefined {
  if (ts.isForStatement(node)) return node.condition;
  return ts.isWhileStatement(node) || ts.isDoStatement(node) ? node.expression : undefined;
}

function firstSemicolon(node: ts.ForStatement): number {
  const token = node.getChildren().find((one) => one.kind === ts.SyntaxKind.SemicolonToken);
  return token!.getStart();
}

function closing(node: ts.Node, analysis: Analysis, places: KeyPlaces): Insertion[] {
  const all: Insertion[] = [];
  // The condition of a loop closes after what is inside of it.
  if (analysis.calls.has(node)) all.push({ at: node.end, text: "))" });
  if (ts.isArrowFunction(node) && analysis.explored.has(node)) {
    all.push({ at: node.body.end, text: ts.isBlock(node.body) ? ")()" : "); })()" });
  }
  const { parent } = node;
  if (parent !== undefined && isIteration(parent, analysis, places) && parent.expression === node) {
    all.push({ at: node.end, text: ")" });
  }
  if (parent !== undefined && analysis.loops.has(parent) && conditionOf(parent) === node) {
    all.push({ at: node.end, text: ")" });
  }
  return all;
}

function addSite(node: ts.Node, sites: Site[]): number {
  const tree = node.getSourceFile();
  const { line, character } = tree.getLineAndCharacterOfPosition(node.getStart());
  const text = node.getText().split("\n")[0]!.slice(0, 60);
  const within = functionOf(node)?.name?.getText() ?? "";
  const file = tree.fileName;
  sites.push({ line: line + 1, column: character + 1, text, file, within });
  return sites.length - 1;
}
