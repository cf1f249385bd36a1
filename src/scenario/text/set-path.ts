// `--set path=value`: changes a scenario before it is checked. A path is written as in error
// messages, `ports[0].queues`; an entry of a list that has a name may be called by it:
// `ports.server.queues`, `ports[server].queues`. The value is YAML: 3, true, [a, b], {x: 1}.
import { isMap, isScalar, isSeq, parseDocument, type Document } from "yaml";
import type { z } from "zod";
import { PacketpathError } from "../../base/errors.js";
import { didYouMean } from "./did-you-mean.js";
import { pathText, type Path, type Problems } from "./problems.js";
import { isListPath, isSchemaPath, schemaKeysAt } from "./schema-walk.js";

/** Parts of a path as written, before names of list entries are looked up. */
const PATH = /^[A-Za-z_$][\w-]*(?:\.[^.[\]=]+|\[[^[\]=]+\])*$/;

/**
 * Applies one `path=value` to the document.
 * @param schema which paths there are.
 * @throws PacketpathError USAGE when the path does not exist or the value is not YAML.
 */
export function applySet(
  document: Document,
  argument: string,
  { problems, schema }: { readonly problems: Problems; readonly schema: z.ZodType },
): void {
  const equals = argument.indexOf("=");
  if (equals <= 0) throw usage(argument, "expected path=value, as in --set load.http.requests=100");
  const written = argument.slice(0, equals).trim();
  if (!PATH.test(written)) throw usage(argument, `"${written}" is not a path`);
  const value = parseDocument(argument.slice(equals + 1), { version: "1.2" });
  const wrong = value.errors[0];
  if (wrong !== undefined) {
    throw usage(argument, `the value is not YAML: ${wrong.message.split("\n")[0]}`);
  }
  const path = resolvePath(document, { written, argument, schema });
  checkReachable(document, path, argument);
  problems.addOverride(path, argument);
  document.setIn(path, value.contents);
}

interface WrittenPath {
  readonly written: string;
  readonly argument: string;
  readonly schema: z.ZodType;
}

function resolvePath(document: Document, { written, argument, schema }: WrittenPath): Path {
  const parts = written.split(/\.|\[|\]\.?/).filter((part) => part !== "");
  const path: (string | number)[] = [];
  for (const part of parts) {
    const known = schemaKeysAt(schema, path);
    const next = isListPath(schema, path) ? entryIndex(document, path, part, argument) : part;
    if (!isSchemaPath(schema, [...path, next])) {
      const where = pathText([...path, part]);
      const hint =
        didYouMean(part, known) || (known.length > 0 ? `; known: ${known.join(", ")}` : "");
      throw usage(argument, `unknown path "${where}"${hint}`);
    }
    path.push(next);
  }
  return path;
}

/** The index of a list's entry, called by number or by the name it has in the document. */
function entryIndex(document: Document, path: Path, part: string, argument: string): number {
  const list = document.getIn(path, true);
  const items = isSeq(list) ? list.items : [];
  if (/^\d{1,6}$/.test(part)) {
    const index = Number(part);
    if (index <= items.length) return index;
    const size = `${pathText(path)} has ${items.length} entries`;
    throw usage(argument, `unknown path "${pathText([...path, index])}": ${size}`);
  }
  const names = items.map((item) => String((isMap(item) ? item.get("name") : null) ?? ""));
  const index = names.indexOf(part);
  if (index >= 0) return index;
  const hint = didYouMean(part, names);
  throw usage(argument, `unknown path "${pathText([...path, part])}": no such entry${hint}`);
}

/** A path through a plain value would make `setIn` fail: the file is wrong there, say so. */
function checkReachable(document: Document, path: Path, argument: string): void {
  for (let length = 0; length < path.length; length++) {
    const node = length === 0 ? document.contents : document.getIn(path.slice(0, length), true);
    const isNothing =
      node === undefined || node === null || (isScalar(node) && node.value === null);
    if (length > 0 && isNothing) {
      // An empty value stands for what the path needs.
      document.deleteIn(path.slice(0, length));
      return;
    }
    if (!isMap(node) && !isSeq(node)) {
      throw usage(
        argument,
        `"${pathText(path.slice(0, length))}" is not a map or a list in the file`,
      );
    }
  }
}

function usage(argument: string, message: string): PacketpathError {
  return new PacketpathError("USAGE", message, { place: { file: `--set ${argument}` } });
}
