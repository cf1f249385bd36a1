// Turns what zod says about a value into sentences that name the value and what was expected.
import type { z } from "zod";
import { didYouMean } from "./did-you-mean.js";
import type { Path, Problems } from "./problems.js";
import { schemaKeysAt } from "./schema-walk.js";

type Issue = z.core.$ZodIssue;

/** Adds a problem for each issue that `schema` has with the value `root`. */
export function addIssues(
  problems: Problems,
  issues: readonly Issue[],
  { root, schema }: { readonly root: unknown; readonly schema: z.ZodType },
): void {
  for (const issue of issues) addIssue(problems, issue, root, schema);
}

function addIssue(problems: Problems, issue: Issue, root: unknown, schema: z.ZodType): void {
  const path = issue.path.map((part) => (typeof part === "number" ? part : String(part)));
  const value = valueAt(root, path);
  switch (issue.code) {
    case "unrecognized_keys": {
      const known = schemaKeysAt(schema, path);
      for (const key of issue.keys) {
        const hint = didYouMean(key, known) || expectedKeys(known);
        problems.add(path, `unknown key "${key}"${hint}`, { key });
      }
      return;
    }
    case "invalid_key":
      problems.add(path, "not a valid key");
      return;
    case "invalid_union":
      problems.add(path, `expected a whole number or a list of them, not ${show(value)}`);
      return;
    case "invalid_type":
      problems.add(path, typeSentence(issue.expected, value));
      return;
    case "invalid_value": {
      const options = issue.values.map(String);
      const hint = typeof value === "string" ? didYouMean(value, options) : "";
      problems.add(path, `expected one of ${options.join(", ")}, not ${show(value)}${hint}`);
      return;
    }
    case "too_big":
      problems.add(path, bound("most", issue.maximum, issue.origin, value));
      return;
    case "too_small":
      problems.add(path, bound("least", issue.minimum, issue.origin, value));
      return;
    default:
      problems.add(path, `${issue.message}, not ${show(value)}`);
  }
}

function expectedKeys(known: readonly string[]): string {
  return known.length === 0 ? "" : `; expected ${known.join(", ")}`;
}

function typeSentence(expected: string, value: unknown): string {
  const name = TYPE_NAMES[expected] ?? `a value of type ${expected}`;
  return value === undefined ? `missing; expected ${name}` : `expected ${name}, not ${show(value)}`;
}

const TYPE_NAMES: Readonly<Record<string, string>> = {
  string: "a text",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  array: "a list",
  object: "a map",
  record: "a map",
};

function bound(which: "least" | "most", limit: number | bigint, origin: string, value: unknown) {
  if (origin === "array") return `expected at ${which} ${limit} entries, not ${lengthOf(value)}`;
  if (origin === "string")
    return `expected at ${which} ${limit} characters, not ${lengthOf(value)}`;
  return `expected at ${which} ${limit}, not ${show(value)}`;
}

function lengthOf(value: unknown): number {
  return typeof value === "string" || Array.isArray(value) ? value.length : 0;
}

/** The value in a few characters, for a message. */
export function show(value: unknown): string {
  if (value === undefined) return "nothing";
  if (typeof value === "number" || typeof value === "bigint") return String(value);
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === "object" && value !== null) return "a map";
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}..."` : text;
}

export function valueAt(root: unknown, path: Path): unknown {
  let value = root;
  for (const part of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, part))
      return undefined;
    value = (value as Record<string | number, unknown>)[part];
  }
  return value;
}
