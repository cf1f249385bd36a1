// The list of behaviors in src/path/README.md is kept: each of its 55 ids begins a test's name.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const HERE = dirname(fileURLToPath(import.meta.url));
const IDS = Array.from({ length: 55 }, (_, i) => `F${String(i + 1).padStart(2, "0")}`);

it("each id from F01 to F55 begins the name of a test", () => {
  const files = readdirSync(HERE).filter((file) => file.endsWith(".test.ts"));
  const text = files.map((file) => readFileSync(join(HERE, file), "utf8")).join("\n");
  const begun = new Set([...text.matchAll(/["`](F\d\d) /g)].map((match) => match[1]));
  expect(IDS.filter((id) => !begun.has(id))).toEqual([]);
});
