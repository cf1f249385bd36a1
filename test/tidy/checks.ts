// The checks of the tidy test that look at one file at a time. Each returns sentences that say
// what is wrong, where, and what to do instead; an empty list means all is well.
import ts from "typescript";
import { type Source, visit } from "./sources.js";

export const LIMITS = { file: 500, function: 70, line: 100, parameters: 5, folder: 12 };

/** Where an options object would be an allocation per frame: up to eight parameters. */
const HOT = { files: /^src\/(sync|path|wire|classifier|datapath|worker)\//, parameters: 8 };

/** Lengths that are exceeded on purpose: file or `file:function`, with the reason. */
export const LENGTH_EXCEPTIONS: Readonly<Record<string, string>> = {
  "native-free-shims/libc/index.js:recvfrom": "recvfrom(2) has these six",
  "native-free-shims/raw-socket/index.js:send": "the signature of the npm package raw-socket",
};

export function lengthProblems(source: Source): string[] {
  const problems: string[] = [];
  const count = source.text.endsWith("\n") ? source.lines.length - 1 : source.lines.length;
  if (count > LIMITS.file && !(source.file in LENGTH_EXCEPTIONS)) {
    problems.push(`${source.file}: ${count} lines; split it (at most ${LIMITS.file})`);
  }
  source.lines.forEach((line, index) => {
    const where = `${source.file}:${index + 1}`;
    if (line.length > LIMITS.line && !/https?:\/\//.test(line)) {
      problems.push(`${where}: ${line.length} columns; wrap it (at most ${LIMITS.line})`);
    }
    if (/[ \t]$/.test(line)) problems.push(`${where}: white space at the end`);
  });
  if (!source.text.endsWith("\n")) problems.push(`${source.file}: no newline at the end`);
  return [...problems, ...functionProblems(source)];
}

function functionProblems(source: Source): string[] {
  const problems: string[] = [];
  visit(source.tree, (node) => {
    if (!ts.isFunctionLike(node) || !("body" in node) || node.body === undefined) return;
    const name = functionName(node);
    const first = source.tree.getLineAndCharacterOfPosition(node.getStart()).line;
    const last = source.tree.getLineAndCharacterOfPosition(node.end).line;
    const where = `${source.file}:${first + 1}: ${name}`;
    const isListed = `${source.file}:${name}` in LENGTH_EXCEPTIONS;
    // `describe` blocks and the like: a list of tests is no function that somebody must hold in
    // mind at once.
    if (source.file.startsWith("test/") && name === "callback") return;
    if (last - first + 1 > LIMITS.function && !isListed) {
      problems.push(`${where}: ${last - first + 1} lines; split it (at most ${LIMITS.function})`);
    }
    const most = HOT.files.test(source.file) ? HOT.parameters : LIMITS.parameters;
    if (node.parameters.length > most && !isListed) {
      problems.push(`${where}: ${node.parameters.length} parameters; use an options object`);
    }
  });
  return problems;
}

function functionName(node: ts.SignatureDeclaration): string {
  if (node.name !== undefined) return node.name.getText();
  const { parent } = node;
  const named = ts.isVariableDeclaration(parent) || ts.isPropertyAssignment(parent);
  return named ? parent.name.getText() : "callback";
}

export function headProblems(source: Source): string[] {
  const first = source.lines.find((line) => !line.startsWith("#!")) ?? "";
  if (/^(\/\/|\/\*)/.test(first)) return [];
  return [`${source.file}: must open with a comment: what it is, who may call it, which thread`];
}

interface Ban {
  readonly pattern: RegExp;
  readonly instead: string;
  /** Files in which it is right. */
  readonly allowed?: RegExp;
  /** Only files that match are looked at. */
  readonly only?: RegExp;
}

// The patterns are written so that they do not match themselves.
export const BANS: readonly Ban[] = [
  {
    pattern: /\bas unknown as\b/,
    instead: "a check that narrows the type",
    allowed: /^test\/tidy/,
  },
  { pattern: /\bDate\.now\b/, instead: "base/clock", allowed: /^src\/base\/clock\.ts$/ },
  { pattern: /\bperformance\.now\b/, instead: "base/clock", allowed: /^src\/base\/clock\.ts$/ },
  { pattern: /\bMath\.random\b/, instead: "base/random", allowed: /^src\/base\/random\.ts$/ },
  { pattern: /\bsetTimeout\(/, instead: "eventually (base/eventually)", only: /^test\// },
  { pattern: /\bconsole\.\w/, instead: "the report room", only: /^src\/(?!cli\/)/ },
  { pattern: /\b(TO[D]O|FIX[M]E|X[X]X)\b/, instead: "doing it, or an issue" },
  { pattern: /@ts-(ignore|expect-error|nocheck)\b/, instead: "a type that is right" },
  { pattern: /\beslint-disable\b/, instead: "code that the rule accepts" },
  { pattern: /\.(only|skip|todo|fails)\(/, instead: "skipIf with a reason", only: /^test\// },
  {
    pattern: /\.code ===? ["']E[A-Z]/,
    instead: "errno numbers (base/errno)",
    only: /^src\/host\//,
  },
];

export function banProblems(source: Source): string[] {
  const bans = BANS.filter(
    (ban) => ban.allowed?.test(source.file) !== true && (ban.only?.test(source.file) ?? true),
  );
  return source.lines.flatMap((line, index) =>
    bans
      .filter((ban) => ban.pattern.test(line))
      .map((ban) => {
        const found = ban.pattern.exec(line)![0];
        return `${source.file}:${index + 1}: "${found}" is banned; use ${ban.instead}`;
      }),
  );
}

/** `any` as a type, and exceptions on paths that must not throw or catch. */
export function syntaxProblems(source: Source): string[] {
  const problems: string[] = [];
  const noTry = /^src\/(wire|datapath)\//.test(source.file);
  visit(source.tree, (node) => {
    const line = () => source.tree.getLineAndCharacterOfPosition(node.getStart()).line + 1;
    if (node.kind === ts.SyntaxKind.AnyKeyword) {
      problems.push(`${source.file}:${line()}: "any" is banned; use unknown and a check`);
    }
    if (noTry && ts.isTryStatement(node)) {
      problems.push(`${source.file}:${line()}: no try on the frame path; return a reason`);
    }
  });
  return problems;
}

/** A test that may be skipped says in its name what it needs. */
export function skipProblems(source: Source): string[] {
  const problems: string[] = [];
  visit(source.tree, (node) => {
    if (!ts.isCallExpression(node) || !ts.isCallExpression(node.expression)) return;
    const callee = node.expression.expression;
    if (!ts.isPropertyAccessExpression(callee)) return;
    if (callee.name.text !== "skipIf" && callee.name.text !== "runIf") return;
    const title = node.arguments[0]?.getText() ?? "";
    if (/\(.*\)|\$\{/.test(title)) return;
    const line = source.tree.getLineAndCharacterOfPosition(node.getStart()).line + 1;
    problems.push(`${source.file}:${line}: a skipped test names its reason: "... (needs root)"`);
  });
  return problems;
}
