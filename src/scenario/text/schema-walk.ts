// Which keys a schema allows at a path: for suggestions, and for checking `--set` paths. Works
// on the JSON schema, which is the same tree in a plain form.
import { z } from "zod";
import type { Path } from "./problems.js";

interface SchemaNode {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly additionalProperties?: boolean | SchemaNode;
  readonly items?: SchemaNode;
  readonly anyOf?: readonly SchemaNode[];
}

const roots = new WeakMap<z.ZodType, SchemaNode>();

function rootNode(schema: z.ZodType): SchemaNode {
  const root = roots.get(schema) ?? (z.toJSONSchema(schema, { io: "input" }) as SchemaNode);
  roots.set(schema, root);
  return root;
}

/** The schema below `node` for one key or index; null when the schema allows none. */
function childNode(node: SchemaNode, part: string | number): SchemaNode | null {
  if (typeof part === "number") {
    const list = [node, ...(node.anyOf ?? [])].find((one) => one.items !== undefined);
    return list?.items ?? null;
  }
  const { properties, additionalProperties } = node;
  if (properties !== undefined && Object.hasOwn(properties, part)) return properties[part]!;
  return typeof additionalProperties === "object" ? additionalProperties : null;
}

function nodeAt(schema: z.ZodType, path: Path): SchemaNode | null {
  let node: SchemaNode | null = rootNode(schema);
  for (const part of path) node = node === null ? null : childNode(node, part);
  return node;
}

/** The keys that a map at `path` may have; empty when it may have any, or is no map. */
export function schemaKeysAt(schema: z.ZodType, path: Path): string[] {
  const keys = Object.keys(nodeAt(schema, path)?.properties ?? {});
  return keys.filter((key) => key !== "$schema");
}

/** Whether the schema has a place at `path`. */
export function isSchemaPath(schema: z.ZodType, path: Path): boolean {
  return nodeAt(schema, path) !== null;
}

/** Whether the value at `path` is a list. */
export function isListPath(schema: z.ZodType, path: Path): boolean {
  const node = nodeAt(schema, path);
  return node !== null && childNode(node, 0) !== null;
}
