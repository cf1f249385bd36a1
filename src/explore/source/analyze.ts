// Reads a program's tree: which functions touch shared state, directly or through others, which
// calls are steps, which loops need a head; and refuses what the explorer cannot control, with its
// place. Pure; any thread.
import ts from "typescript";
import { PacketpathError } from "../../base/errors.js";
import { DOOR } from "./evaluate.js";
import { isReference } from "./names.js";
import { type FunctionNode, functionOf, isFunctionNode } from "./nodes.js";
import { PRIMITIVE_TABLE } from "../requests.js";
import { checkMutations } from "./rules/mutation.js";
import { checkFunction, checkModule } from "./rules/rules.js";

/** Names that are steps of a program; `program` is the only other one that the door has. */
export const PRIMITIVES: ReadonlySet<string> = new Set([
  ...PRIMITIVE_TABLE.keys(),
  "assert",
  "tick",
]);

/** What else a program may import. */
const OTHERS: ReadonlySet<string> = new Set(["program", "UNINIT", "FREE"]);

export interface Analysis {
  readonly tree: ts.SourceFile;
  /** Local names of the primitives, and what each stands for. */
  readonly primitives: ReadonlyMap<string, string>;
  /** Functions that hold a step. */
  readonly explored: ReadonlySet<FunctionNode>;
  /** Functions without a step that explored ones call by name. */
  readonly reached: ReadonlySet<FunctionNode>;
  /** Functions that may run while the module does, whoever else calls them. */
  readonly outside: ReadonlySet<FunctionNode>;
  readonly named: ReadonlyMap<string, FunctionNode>;
  readonly calls: ReadonlyMap<ts.Node, "primitive" | "function">;
  /** Loops of explored functions that get a head (not for...of, not for...in). */
  readonly loops: ReadonlySet<ts.Node>;
  /** Says what is wrong with a node. */
  problem(node: ts.Node, message: string, fix?: string): void;
}

/** @throws PacketpathError PROGRAM_INVALID; its `others` are the further ones. */
export function analyze(tree: ts.SourceFile, file: string): Analysis {
  const problems: PacketpathError[] = [];
  const problem = (node: ts.Node, message: string, fix?: string) => {
    problems.push(placed({ tree, file, position: node.getStart(tree) }, message, fix));
  };
  syntaxProblems(tree, file, problems);
  if (problems.length > 0) raise(problems);
  const primitives = importedPrimitives(tree, problem);
  const nodes = collect(tree);
  const named = namedFunctions(nodes.functions);
  const explored = exploredFunctions(nodes.calls, primitives, named);
  const calls = new Map<ts.CallExpression, "primitive" | "function">();
  for (const call of nodes.calls) {
    const name = calleeName(call);
    const target = named.get(name);
    if (primitives.has(name)) calls.set(call, "primitive");
    else if (target !== undefined && explored.has(target)) calls.set(call, "function");
  }
  const loops = new Set(
    nodes.loops.filter((loop) => {
      const owner = functionOf(loop);
      return owner !== null && explored.has(owner);
    }),
  );
  const reached = reachedFunctions(nodes.calls, explored, named);
  const outside = outsideFunctions(nodes, explored, reached);
  const analysis = { tree, primitives, explored, reached, outside, named, calls, loops, problem };
  checkModule(analysis);
  for (const one of [...explored, ...reached]) checkFunction(one, analysis);
  checkMutations([...explored, ...reached], analysis, true);
  if (problems.length > 0) raise(problems);
  return analysis;
}

export function raise(problems: PacketpathError[]): never {
  const key = (one: PacketpathError) => one.place!.line! * 10_000 + one.place!.column!;
  const [first, ...others] = problems.sort((x, y) => key(x) - key(y));
  const { message, place, fix, excerpt } = first!;
  throw new PacketpathError("PROGRAM_INVALID", message, {
    place: place!,
    others,
    ...(fix === undefined ? {} : { fix }),
    ...(excerpt === undefined ? {} : { excerpt }),
  });
}

interface Spot {
  readonly tree: ts.SourceFile;
  readonly file: string;
  readonly position: number;
}

export function placed(spot: Spot, message: string, fix?: string): PacketpathError {
  const { line, character } = spot.tree.getLineAndCharacterOfPosition(spot.position);
  const text = spot.tree.text.split("\n")[line]!.trimEnd();
  return new PacketpathError("PROGRAM_INVALID", message, {
    place: { file: spot.file, line: line + 1, column: character + 1 },
    excerpt: `${text}\n${" ".repeat(character)}^`,
    ...(fix === undefined ? {} : { fix }),
  });
}

export function syntaxProblems(
  tree: ts.SourceFile,
  file: string,
  problems: PacketpathError[],
): void {
  for (const one of syntaxDiagnostics(tree)) {
    const message = ts.flattenDiagnosticMessageText(one.messageText, " ");
    problems.push(placed({ tree, file, position: one.start }, message));
  }
}

// The compiler tells them of a file of a program only; `transpileModule`, which builds such a
// program too, parses the text once more and prints it, at twenty times the cost.
function syntaxDiagnostics(tree: ts.SourceFile): readonly ts.DiagnosticWithLocation[] {
  const host: ts.CompilerHost = {
    getSourceFile: () => tree,
    getDefaultLibFileName: () => "",
    getCanonicalFileName: (name) => name,
    getCurrentDirectory: () => "",
    getNewLine: () => "\n",
    fileExists: (name) => name === tree.fileName,
    readFile: () => tree.text,
    useCaseSensitiveFileNames: () => true,
    writeFile: () => undefined,
  };
  const alone = { isolatedModules: true, noLib: true, noResolve: true, types: [] };
  const options = { ...alone, allowJs: true, allowNonTsExtensions: true };
  return ts.createProgram([tree.fileName], options, host).getSyntacticDiagnostics(tree);
}

type Problem = Analysis["problem"];

function importedPrimitives(tree: ts.SourceFile, problem: Problem): Map<string, string> {
  const names = new Map<string, string>();
  for (const statement of tree.statements) {
    if (!ts.isImportDeclaration(statement)) continue;
    const from = (statement.moduleSpecifier as ts.StringLiteral).text;
    const clause = statement.importClause;
    if (clause?.phaseModifier === ts.SyntaxKind.TypeKeyword) continue;
    if (from !== DOOR) {
      problem(statement, `a program imports from "${DOOR}" only, not from "${from}"`);
      continue;
    }
    const bindings = clause?.namedBindings;
    if (clause?.name !== undefined || bindings === undefined || !ts.isNamedImports(bindings)) {
      problem(statement, `import the primitives by name: import { ld, st } from "${DOOR}"`);
      continue;
    }
    for (const element of bindings.elements) {
      if (element.isTypeOnly) continue;
      const original = (element.propertyName ?? element.name).text;
      if (PRIMITIVES.has(original)) names.set(element.name.text, original);
      else if (!OTHERS.has(original)) problem(element, `"${original}" is not a primitive`);
    }
  }
  return names;
}

interface Nodes {
  readonly functions: readonly FunctionNode[];
  readonly calls: readonly ts.CallExpression[];
  readonly loops: readonly ts.Node[];
  readonly identifiers: readonly ts.Identifier[];
}

export function collect(tree: ts.SourceFile): Nodes {
  const functions: FunctionNode[] = [];
  const calls: ts.CallExpression[] = [];
  const loops: ts.Node[] = [];
  const identifiers: ts.Identifier[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isIdentifier(node)) identifiers.push(node);
    if (isFunctionNode(node)) functions.push(node);
    if (ts.isCallExpression(node)) calls.push(node);
    if (ts.isForStatement(node) || ts.isWhileStatement(node) || ts.isDoStatement(node)) {
      loops.push(node);
    }
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return { functions, calls, loops, identifiers };
}

function calleeName(call: ts.CallExpression): string {
  return ts.isIdentifier(call.expression) ? call.expression.text : "";
}

export function namedFunctions(functions: readonly FunctionNode[]): Map<string, FunctionNode> {
  const named = new Map<string, FunctionNode>();
  for (const one of functions) {
    const { parent } = one;
    if (ts.isFunctionDeclaration(one) && one.name !== undefined) named.set(one.name.text, one);
    else if (ts.isVariableDeclaration(parent) && ts.isIdentifier(parent.name)) {
      named.set(parent.name.text, one);
    }
  }
  return named;
}

function exploredFunctions(
  calls: readonly ts.CallExpression[],
  primitives: ReadonlyMap<string, string>,
  named: ReadonlyMap<string, FunctionNode>,
): Set<FunctionNode> {
  const explored = new Set<FunctionNode>();
  for (let size = -1; size !== explored.size;) {
    size = explored.size;
    for (const call of calls) {
      const owner = functionOf(call);
      const target = named.get(calleeName(call));
      const isStep = primitives.has(calleeName(call));
      if (owner === null || (!isStep && (target === undefined || !explored.has(target)))) continue;
      explored.add(owner);
    }
  }
  return explored;
}

/**
 * Functions that threads do not call, and those that are named where no thread is: the module may
 * call them, or hand them on.
 */
export function outsideFunctions(
  { functions, identifiers }: Pick<Nodes, "functions" | "identifiers">,
  explored: ReadonlySet<FunctionNode>,
  reached: ReadonlySet<FunctionNode> = new Set(),
): Set<FunctionNode> {
  const named = namedFunctions(functions);
  const outside = new Set(functions.filter((one) => !explored.has(one) && !reached.has(one)));
  for (let size = -1; size !== outside.size;) {
    size = outside.size;
    for (const node of identifiers) {
      const target = named.get(node.text);
      const owner = functionOf(node);
      if (target === undefined || explored.has(target) || !isReference(node)) continue;
      if (owner === null || outside.has(owner)) outside.add(target);
    }
  }
  return outside;
}

function reachedFunctions(
  calls: readonly ts.CallExpression[],
  explored: ReadonlySet<FunctionNode>,
  named: ReadonlyMap<string, FunctionNode>,
): Set<FunctionNode> {
  const reached = new Set<FunctionNode>();
  for (let size = -1; size !== reached.size;) {
    size = reached.size;
    for (const call of calls) {
      const owner = functionOf(call);
      const target = named.get(calleeName(call));
      if (owner === null || target === undefined || explored.has(target)) continue;
      if (explored.has(owner) || reached.has(owner)) reached.add(target);
    }
  }
  return reached;
}
