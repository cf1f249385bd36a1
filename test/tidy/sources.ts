// The project's own files and their syntax trees, read once for all checks of the tidy test.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");

export interface Import {
  /** As written: `../base/errors.js`, `node:fs`. */
  readonly specifier: string;
  /** The file it names, relative to the root, or null for packages. */
  readonly file: string | null;
  readonly typeOnly: boolean;
  readonly line: number;
}

export interface Source {
  /** Relative to the root: `src/base/errors.ts`. */
  readonly file: string;
  readonly text: string;
  readonly lines: readonly string[];
  readonly tree: ts.SourceFile;
  readonly imports: readonly Import[];
}

const SKIPPED = new Set(["node_modules", "dist", "runs", "coverage", ".git"]);

/** All files below a folder of the project, relative to its root; empty if there is no such one. */
export function filesBelow(folder: string): string[] {
  const path = join(ROOT, folder);
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) return [];
  return readdirSync(path, { withFileTypes: true }).flatMap((entry) => {
    const below = join(folder, entry.name);
    if (entry.isDirectory()) return SKIPPED.has(entry.name) ? [] : filesBelow(below);
    return entry.isFile() ? [below] : [];
  });
}

export function textOf(file: string): string {
  return readFileSync(join(ROOT, file), "utf8");
}

/** Source files below a folder: TypeScript, and the JavaScript of the shims and scripts. */
export function sourcesBelow(folder: string): Source[] {
  return filesBelow(folder)
    .filter((file) => /\.(ts|mts|js|mjs)$/.test(file) && !file.endsWith(".d.ts"))
    .map(readSource);
}

function readSource(file: string): Source {
  const text = textOf(file);
  const tree = ts.createSourceFile(file, text, ts.ScriptTarget.ES2022, true);
  return { file, text, lines: text.split("\n"), tree, imports: importsOf(tree, file) };
}

/** Static imports, re-exports and dynamic imports of a literal. */
function importsOf(tree: ts.SourceFile, file: string): Import[] {
  const found: Import[] = [];
  visit(tree, (node) => {
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) {
      const { moduleSpecifier } = node;
      if (moduleSpecifier === undefined || !ts.isStringLiteral(moduleSpecifier)) return;
      found.push(importAt(tree, file, moduleSpecifier, isTypeOnly(node)));
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      const argument = node.arguments[0];
      if (argument === undefined || !ts.isStringLiteral(argument)) return;
      found.push(importAt(tree, file, argument, false));
    }
  });
  return found;
}

function isTypeOnly(node: ts.ImportDeclaration | ts.ExportDeclaration): boolean {
  if (ts.isExportDeclaration(node)) return node.isTypeOnly;
  const clause = node.importClause;
  if (clause === undefined) return false;
  if (clause.phaseModifier === ts.SyntaxKind.TypeKeyword) return true;
  const bindings = clause.namedBindings;
  const hasOther = clause.name !== undefined || bindings === undefined;
  if (hasOther || !ts.isNamedImports(bindings)) return false;
  return bindings.elements.length > 0 && bindings.elements.every((one) => one.isTypeOnly);
}

function importAt(
  tree: ts.SourceFile,
  file: string,
  literal: ts.StringLiteral,
  typeOnly: boolean,
): Import {
  const specifier = literal.text;
  const line = tree.getLineAndCharacterOfPosition(literal.pos).line + 1;
  return { specifier, file: resolveImport(file, specifier), typeOnly, line };
}

function resolveImport(from: string, specifier: string): string | null {
  if (!specifier.startsWith(".")) return null;
  const path = relative(ROOT, resolve(ROOT, dirname(from), specifier));
  const asTypeScript = path.replace(/\.js$/, ".ts");
  const exists = statSync(join(ROOT, asTypeScript), { throwIfNoEntry: false }) !== undefined;
  return exists ? asTypeScript : path;
}

/** Calls `each` for every node of a tree. */
export function visit(node: ts.Node, each: (node: ts.Node) => void): void {
  each(node);
  ts.forEachChild(node, (child) => visit(child, each));
}

/** The room of a file: `src/base/errors.ts` is in `base`, `src/index.ts` in `index`. */
export function roomOf(file: string): string | null {
  const parts = file.split("/");
  if (parts[0] !== "src") return null;
  return parts.length === 2 ? parts[1]!.replace(/\.ts$/, "") : parts[1]!;
}
