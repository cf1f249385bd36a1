// Yield insertion for a set of modules that call each other across files, as `src/path` does: which
// functions hold a step is decided over all files together, then each file is rewritten on its own.
// Pure; any thread.
import ts from "typescript";
import type { Site } from "../types.js";
import {
  type Analysis,
  collect,
  namedFunctions,
  outsideFunctions,
  placed,
  raise,
  syntaxProblems,
} from "./analyze.js";
import type { PacketpathError } from "../../base/errors.js";
import { type FunctionNode, functionOf } from "./nodes.js";
import { keeping, rewriteTree, type Rewritten } from "./rewrite.js";
import { checkMutations } from "./rules/mutation.js";
import { checkReads } from "./rules/reads.js";
import { checkFunction, checkModule, holdsStep } from "./rules/rules.js";

/** What an import from outside of the set means. */
export interface Door {
  /** Names that are steps when called, by what the importing file calls the module. */
  readonly primitives: ReadonlySet<string>;
  /** Names whose functions hold steps though they are not rewritten here. */
  readonly explored: ReadonlySet<string>;
}

export interface ModuleSet {
  /** Text by path; the path is what sites and errors show. */
  readonly texts: ReadonlyMap<string, string>;
  /** The path that a specifier of a file stands for; null: the module is not in the set. */
  resolve(from: string, specifier: string): string | null;
  /** What a module outside of the set offers. */
  door(specifier: string): Door;
  /** Names of properties whose reading is a step, as those of a device are to a guard. */
  readonly properties?: ReadonlySet<string>;
  /** Sites of modules that have been rewritten before; the new ones follow. */
  readonly sites?: readonly Site[];
  /** Texts that are known to be TypeScript. */
  readonly known?: ReadonlySet<string>;
}

export interface RewrittenModule extends Rewritten {
  readonly path: string;
}

interface File {
  readonly path: string;
  readonly tree: ts.SourceFile;
  readonly functions: readonly FunctionNode[];
  readonly calls: readonly ts.Expression[];
  readonly loops: readonly ts.Node[];
  readonly identifiers: readonly ts.Identifier[];
  /** Functions by local name, imported ones included. */
  readonly named: Map<string, FunctionNode>;
  readonly primitives: Map<string, string>;
  /** Local names of functions from outside that hold steps. */
  readonly given: Set<string>;
}

/** All files rewritten, with one numbering of sites over all of them. */
export function rewriteModules(set: ModuleSet): { modules: RewrittenModule[]; sites: Site[] } {
  const problems: PacketpathError[] = [];
  const files = new Map<string, File>();
  for (const [path, text] of set.texts) files.set(path, parse(path, text, set));
  for (const { tree, path } of files.values()) {
    if (set.known?.has(tree.text) !== true) syntaxProblems(tree, path, problems);
  }
  if (problems.length > 0) raise(problems);
  for (const file of files.values()) bindImports(file, files, set);
  const explored = exploredOf(files);
  const sites: Site[] = [...(set.sites ?? [])];
  const modules = [...files.values()].map((file) => {
    const analysis = analysisOf(file, explored, problems);
    checkModule(analysis);
    if (set.properties !== undefined) {
      checkImports(analysis);
      checkReads(analysis, set.properties);
    }
    // Of a user's file, everything may run in the middle of a thread.
    const isForeign = set.properties !== undefined;
    const owners = file.functions.filter((one) => isForeign || explored.has(one));
    for (const one of owners) checkFunction(one, analysis);
    checkIterations(analysis);
    checkMutations(owners, analysis, isForeign);
    const manner = { places: "statements", isKept: isForeign } as const;
    const rewritten = rewriteTree(file.tree, analysis, sites, manner);
    return { path: file.path, ...(isForeign ? keeping(file.tree, rewritten) : rewritten) };
  });
  if (problems.length > 0) raise(problems);
  return { modules, sites };
}

function parse(path: string, text: string, set: ModuleSet): File {
  const tree = ts.createSourceFile(path, text, ts.ScriptTarget.ES2022, true);
  const { functions, calls: callExpressions, loops, identifiers } = collect(tree);
  const calls = [...callExpressions, ...propertyReads(tree, set.properties ?? new Set())];
  const named = namedFunctions(functions);
  return {
    path,
    tree,
    functions,
    calls,
    loops,
    identifiers,
    named,
    primitives: new Map(),
    given: new Set(),
  };
}

function propertyReads(tree: ts.SourceFile, names: ReadonlySet<string>): ts.Expression[] {
  const found: ts.Expression[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isPropertyAccessExpression(node) && names.has(node.name.text)) found.push(node);
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return found;
}

/** Statements make keys anew here, and nothing would say which round of a for...in it is. */
function checkIterations(analysis: Analysis): void {
  const visit = (node: ts.Node): void => {
    if (ts.isForInStatement(node) && holdsStep(node.statement, analysis)) {
      analysis.problem(node, "a step inside of for...in", "Use for...of over Object.keys().");
    }
    ts.forEachChild(node, visit);
  };
  visit(analysis.tree);
}

/** What a user's file may import: types. */
function checkImports({ tree, problem }: Analysis): void {
  for (const statement of tree.statements) {
    if (!ts.isImportDeclaration(statement)) continue;
    const isType = statement.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword;
    if (!isType) problem(statement, "a guard may import types only", "Write: import type { ... }.");
  }
}

function bindImports(file: File, files: ReadonlyMap<string, File>, set: ModuleSet): void {
  for (const statement of file.tree.statements) {
    if (!ts.isImportDeclaration(statement)) continue;
    const bindings = statement.importClause?.namedBindings;
    if (bindings === undefined || !ts.isNamedImports(bindings)) continue;
    const specifier = (statement.moduleSpecifier as ts.StringLiteral).text;
    const target = set.resolve(file.path, specifier);
    for (const element of bindings.elements) {
      const local = element.name.text;
      const name = (element.propertyName ?? element.name).text;
      if (target === null) bindOutside(file, local, name, set.door(specifier));
      else bindInside(file, local, files.get(target)?.named.get(name));
    }
  }
}

function bindOutside(file: File, local: string, name: string, door: Door): void {
  if (door.primitives.has(name)) file.primitives.set(local, name);
  else if (door.explored.has(name)) file.given.add(local);
}

function bindInside(file: File, local: string, target: FunctionNode | undefined): void {
  if (target !== undefined) file.named.set(local, target);
}

function calleeName(call: ts.Expression): string {
  if (!ts.isCallExpression(call)) return "";
  return ts.isIdentifier(call.expression) ? call.expression.text : "";
}

function exploredOf(files: ReadonlyMap<string, File>): Set<FunctionNode> {
  const explored = new Set<FunctionNode>();
  for (let size = -1; size !== explored.size;) {
    size = explored.size;
    for (const file of files.values()) {
      for (const call of file.calls) {
        const owner = functionOf(call);
        if (owner !== null && callKind(file, call, explored) !== null) explored.add(owner);
      }
    }
  }
  return explored;
}

function callKind(
  file: File,
  call: ts.Expression,
  explored: ReadonlySet<FunctionNode>,
): "primitive" | "function" | null {
  if (ts.isPropertyAccessExpression(call)) return "function";
  const name = calleeName(call);
  if (file.primitives.has(name)) return "primitive";
  const target = file.named.get(name);
  const isFunction = file.given.has(name) || (target !== undefined && explored.has(target));
  return isFunction ? "function" : null;
}

function analysisOf(
  file: File,
  explored: ReadonlySet<FunctionNode>,
  problems: PacketpathError[],
): Analysis {
  const { tree } = file;
  const calls = new Map<ts.Node, "primitive" | "function">();
  for (const call of file.calls) {
    const kind = callKind(file, call, explored);
    if (kind !== null) calls.set(call, kind);
  }
  const loops = new Set(
    file.loops.filter((loop) => {
      const owner = functionOf(loop);
      return owner !== null && explored.has(owner);
    }),
  );
  const problem = (node: ts.Node, message: string, fix?: string) => {
    problems.push(placed({ tree, file: file.path, position: node.getStart(tree) }, message, fix));
  };
  const { primitives, named, functions, identifiers } = file;
  const outside = outsideFunctions({ functions, identifiers }, explored);
  const reached = new Set<FunctionNode>();
  return { tree, primitives, explored, reached, outside, named, calls, loops, problem };
}
