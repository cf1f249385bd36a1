// Everything that is wrong with a user's text, each problem with its place, collected so that the
// user sees all of it at once. Used by the parser of scenarios; any thread, no system calls.
import { LineCounter, isMap, isNode, isPair, isScalar, isSeq, type Document } from "yaml";
import { PacketpathError, type Place } from "../../base/errors.js";

/** Keys and indexes from the top of the document: ["ports", 0, "name"]. */
export type Path = readonly (string | number)[];

/** More problems than this are cut off: the first ones are what the user will fix first. */
const PROBLEMS_MAX = 50;

/** `ports[0].name`, the same spelling that `--set` takes. */
export function pathText(path: Path): string {
  let text = "";
  for (const part of path) {
    if (typeof part === "number") text += `[${part}]`;
    else text += text === "" ? part : `.${part}`;
  }
  return text;
}

interface Problem {
  readonly place: Place;
  readonly message: string;
  readonly excerpt: string | undefined;
  readonly fix: string | undefined;
}

/** A user's text, its parsed document, and what was found wrong so far. */
export class Problems {
  readonly file: string;
  private readonly lines: readonly string[];
  private readonly counter: LineCounter;
  private readonly list: Problem[] = [];
  private document: Document | null = null;
  /** Paths that came from `--set`, with the argument's own text. */
  private readonly overrides: { readonly path: Path; readonly argument: string }[] = [];

  constructor(file: string, text: string, counter: LineCounter) {
    this.file = file;
    this.lines = text.split(/\r\n|\n/);
    this.counter = counter;
  }

  useDocument(document: Document): void {
    this.document = document;
  }

  /** Errors at or below `path` are then reported at the `--set` argument, not in the file. */
  addOverride(path: Path, argument: string): void {
    this.overrides.push({ path, argument });
  }

  get count(): number {
    return this.list.length;
  }

  /** Records a problem of the value at `path` (`key`: of that key inside it). */
  add(path: Path, message: string, more: { key?: string; fix?: string } = {}): void {
    const whole = more.key === undefined ? path : [...path, more.key];
    const shown = pathText(whole);
    const sentence = shown === "" ? message : `${shown}: ${message}`;
    const override = this.overrides.find(({ path: set }) => startsWith(whole, set));
    if (override !== undefined) {
      this.push({ file: `--set ${override.argument}` }, sentence, more.fix);
      return;
    }
    this.addAt(this.offsetOf(path, more.key), sentence, more.fix);
  }

  /** Records a problem at a character offset of the text. */
  addAt(offset: number, message: string, fix?: string): void {
    const { line, col } = this.counter.linePos(offset);
    this.addLine(Math.max(1, line), Math.max(1, col), message, fix);
  }

  /** Records a problem at a line and column of the text, both from 1. */
  addLine(line: number, column: number, message: string, fix?: string): void {
    this.push({ file: this.file, line, column }, message, fix);
  }

  /** The text of a line, from 1; empty if there is none. */
  lineText(line: number): string {
    return this.lines[line - 1] ?? "";
  }

  /** Line and column (from 1) of the value at `path`. */
  placeOf(path: Path): { line: number; column: number } {
    const { line, col } = this.counter.linePos(this.offsetOf(path));
    return { line: Math.max(1, line), column: Math.max(1, col) };
  }

  /** @throws PacketpathError SCENARIO_INVALID with all problems, if there are any. */
  throwIfAny(): void {
    if (this.list.length === 0) return;
    const sorted = [...this.list].sort(
      (a, b) =>
        (a.place.line ?? 0) - (b.place.line ?? 0) || (a.place.column ?? 0) - (b.place.column ?? 0),
    );
    const errors = sorted.slice(0, PROBLEMS_MAX).map((problem) => toError(problem, []));
    const more = sorted.length - errors.length;
    if (more > 0) {
      const place = { file: this.file };
      errors.push(new PacketpathError("SCENARIO_INVALID", `and ${more} more`, { place }));
    }
    throw toError(sorted[0]!, errors.slice(1));
  }

  private push(place: Place, message: string, fix: string | undefined): void {
    this.list.push({ place, message, excerpt: this.excerptAt(place), fix });
  }

  private excerptAt(place: Place): string | undefined {
    if (place.line === undefined || place.column === undefined) return undefined;
    // Tabs stay tabs in the caret's line, so that it stands below the same character.
    const line = this.lineText(place.line);
    const before = line.slice(0, place.column - 1).replace(/[^\t]/g, " ");
    const from = Math.max(0, place.column - 60);
    return `${line.slice(from, from + 100)}\n${before.slice(from)}^`;
  }

  /** Where the value at `path` stands; of what is missing, where its parent stands. */
  private offsetOf(path: Path, key?: string): number {
    let node: unknown = this.document?.contents ?? null;
    let offset = startOf(node) ?? 0;
    for (const part of path) {
      const next = childOf(node, part);
      if (next === null) return offset;
      offset = startOf(next.value) ?? startOf(next.key) ?? offset;
      node = next.value;
    }
    if (key === undefined) return offset;
    const child = childOf(node, key);
    return child === null ? offset : (startOf(child.key) ?? offset);
  }
}

function toError(problem: Problem, others: readonly PacketpathError[]): PacketpathError {
  return new PacketpathError("SCENARIO_INVALID", problem.message, {
    place: problem.place,
    others,
    ...(problem.excerpt === undefined ? {} : { excerpt: problem.excerpt }),
    ...(problem.fix === undefined ? {} : { fix: problem.fix }),
  });
}

function startsWith(path: Path, start: Path): boolean {
  return start.length <= path.length && start.every((part, index) => path[index] === part);
}

function startOf(node: unknown): number | undefined {
  return isNode(node) ? node.range?.[0] : undefined;
}

function childOf(node: unknown, part: string | number): { key: unknown; value: unknown } | null {
  if (isSeq(node) && typeof part === "number") {
    return part < node.items.length ? { key: null, value: node.items[part] } : null;
  }
  if (!isMap(node)) return null;
  const pair = node.items.find(
    (item) => isPair(item) && isScalar(item.key) && String(item.key.value) === String(part),
  );
  return pair === undefined ? null : { key: pair.key, value: pair.value };
}
