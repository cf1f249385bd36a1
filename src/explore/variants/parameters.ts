// Parameters of a program: the literals of its `const parameters = { ... }`. Another value is put
// into the program's text, so that everything which goes by the text (hash, tokens, certificates,
// threads) takes it for a program like any other. Pure; any thread.
import ts from "typescript";
import { PacketpathError } from "../../base/errors.js";

export type ParameterValue = number | boolean | string | readonly string[];
export type Parameters = Readonly<Record<string, ParameterValue>>;

/** The name that a program gives its parameters. */
const NAME = "parameters";

interface Declared {
  readonly value: ParameterValue;
  /** Where its literal stands in the text. */
  readonly from: number;
  readonly to: number;
}

/** The parameters that a program declares, with the values of its text. */
export function parametersOf(source: string, file: string): Parameters {
  const declared = [...declaredIn(source, file)];
  return Object.fromEntries(declared.map(([name, { value }]) => [name, value]));
}

/**
 * The program's text with other values.
 * @throws PacketpathError USAGE for a parameter that it has not, or a value of another type.
 */
export function withParameters(source: string, file: string, values: Parameters): string {
  const declared = declaredIn(source, file);
  const changes = Object.entries(values).map(([name, value]) => {
    const one = declared.get(name);
    if (one === undefined) throw unknownParameter(name, file, [...declared.keys()]);
    if (typeOf(one.value) !== typeOf(value)) {
      const found = `${JSON.stringify(value)} is a ${typeOf(value)}`;
      throw usage(`parameter ${name}: expected a ${typeOf(one.value)}; ${found}`, file);
    }
    return { ...one, value };
  });
  let text = source;
  for (const { from, to, value } of changes.sort((x, y) => y.from - x.from)) {
    text = text.slice(0, from) + JSON.stringify(value) + text.slice(to);
  }
  return text;
}

/**
 * Reads `name=value` as the type that the program's own value has.
 * @throws PacketpathError USAGE
 */
export function readParameter(text: string, source: string, file: string): Parameters {
  const at = text.indexOf("=");
  const name = text.slice(0, Math.max(at, 0)).trim();
  const word = text.slice(at + 1).trim();
  const known = parametersOf(source, file);
  if (at < 0) throw usage(`"${text}": expected name=value`, file);
  const before = known[name];
  if (before === undefined) throw unknownParameter(name, file, Object.keys(known));
  const value = valueOf(word, before);
  if (value !== null) return { [name]: value };
  throw usage(`parameter ${name}: expected a ${typeOf(before)}, not "${word}"`, file);
}

function valueOf(word: string, before: ParameterValue): ParameterValue | null {
  if (typeof before === "string") return word;
  if (typeof before === "boolean") return /^(true|false)$/.test(word) ? word === "true" : null;
  if (typeof before === "number") return /^-?\d{1,9}$/.test(word) ? Number(word) : null;
  return word === "" ? [] : word.split(",").map((one) => one.trim());
}

function typeOf(value: ParameterValue): string {
  return typeof value === "object" ? "list of texts" : typeof value;
}

function declaredIn(source: string, file: string): ReadonlyMap<string, Declared> {
  const tree = ts.createSourceFile(file, source, ts.ScriptTarget.ES2022, true);
  const found = new Map<string, Declared>();
  for (const statement of tree.statements) {
    if (!ts.isVariableStatement(statement)) continue;
    for (const { name, initializer } of statement.declarationList.declarations) {
      if (name.getText() !== NAME || initializer === undefined) continue;
      const object = bare(initializer);
      if (!ts.isObjectLiteralExpression(object)) continue;
      for (const property of object.properties) {
        if (!ts.isPropertyAssignment(property)) continue;
        const literal = bare(property.initializer);
        const value = literalValue(literal);
        if (value === null) continue;
        const [from, to] = [literal.getStart(), literal.end];
        found.set(property.name.getText(), { value, from, to });
      }
    }
  }
  return found;
}

/** Without `as` and `satisfies`. */
function bare(node: ts.Expression): ts.Expression {
  return ts.isAsExpression(node) || ts.isSatisfiesExpression(node) ? bare(node.expression) : node;
}

function literalValue(node: ts.Expression): ParameterValue | null {
  if (ts.isStringLiteral(node)) return node.text;
  if (node.kind === ts.SyntaxKind.TrueKeyword) return true;
  if (node.kind === ts.SyntaxKind.FalseKeyword) return false;
  if (ts.isNumericLiteral(node)) return Number(node.text);
  if (ts.isPrefixUnaryExpression(node) && ts.isNumericLiteral(node.operand)) {
    return node.operator === ts.SyntaxKind.MinusToken ? -Number(node.operand.text) : null;
  }
  if (!ts.isArrayLiteralExpression(node)) return null;
  const texts = node.elements.flatMap((one) => (ts.isStringLiteral(one) ? [one.text] : []));
  return texts.length === node.elements.length ? texts : null;
}

function unknownParameter(name: string, file: string, known: readonly string[]): PacketpathError {
  const all = known.length === 0 ? "it has none" : `it has ${known.join(", ")}`;
  return usage(`no parameter "${name}": ${all}`, file);
}

function usage(message: string, file: string): PacketpathError {
  return new PacketpathError("USAGE", message, { place: { file } });
}
