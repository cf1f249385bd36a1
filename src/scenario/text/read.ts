// From a user's YAML text to plain values, with the document that says where each of them stands.
// Knows no kind of scenario: the schema is handed in. Creates nothing, reads no file; any thread.
import { type Document, isMap, LineCounter, parseDocument, visit } from "yaml";
import type { z } from "zod";
import { Problems } from "./problems.js";
import { applySet } from "./set-path.js";

/** Longer files are refused: nobody writes them, and YAML can be made to grow. */
export const TEXT_CHARACTERS_MAX = 1_000_000;

export interface ReadOptions {
  /** Which paths `set` may name. */
  readonly schema: z.ZodType;
  /** What to say of a text that is no map. */
  readonly expected: string;
  /** `path=value` texts, applied in order. */
  readonly set: readonly string[];
  /** Changes the document before its values are taken. */
  readonly prepare?: (document: Document) => void;
}

export interface ReadText {
  readonly document: Document;
  readonly problems: Problems;
  readonly raw: Record<string, unknown>;
}

/**
 * Reads the text and applies `set`; the values are not checked yet.
 * @param file how the user named it; every message begins with it.
 * @throws PacketpathError SCENARIO_INVALID for what is no YAML, or no map; USAGE for a bad `set`.
 */
export function readText(text: string, file: string, options: ReadOptions): ReadText {
  const { schema, expected, set, prepare } = options;
  const counter = new LineCounter();
  const problems = new Problems(file, text, counter);
  if (text.length > TEXT_CHARACTERS_MAX) {
    problems.addLine(1, 1, `longer than ${TEXT_CHARACTERS_MAX} characters`);
    problems.throwIfAny();
  }
  const document = parseDocument(text, {
    lineCounter: counter,
    version: "1.2",
    prettyErrors: false,
  });
  problems.useDocument(document);
  for (const error of [...document.errors, ...document.warnings]) {
    problems.addAt(error.pos[0], `YAML: ${error.message}`);
  }
  problems.throwIfAny();
  if (!isMap(document.contents)) {
    problems.add([], expected);
    problems.throwIfAny();
  }
  for (const argument of set) applySet(document, argument, { problems, schema });
  prepare?.(document);
  return { document, problems, raw: plainValue(document, problems) };
}

function plainValue(document: Document, problems: Problems): Record<string, unknown> {
  visit(document, {
    Alias: (_key, node) => {
      if (node.resolve(document) !== undefined) return;
      problems.addAt(node.range?.[0] ?? 0, `YAML: no anchor &${node.source} stands above this`);
    },
  });
  problems.throwIfAny();
  try {
    return document.toJS({ maxAliasCount: 100 }) as Record<string, unknown>;
  } catch (error) {
    problems.add([], `YAML: ${error instanceof Error ? error.message : String(error)}`);
    problems.throwIfAny();
    throw error;
  }
}
