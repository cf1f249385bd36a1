// Bad scenarios are refused whole: exit code 2, the place, what was expected, and nothing created.
// Method: a table of a hundred slips, each run through the command line's own code in-process, in
// an empty folder that must stay empty.
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PacketpathError } from "../../src/base/errors.js";
import { failureCode, failureText } from "../../src/cli/failure.js";
import { createProgram } from "../../src/cli/program.js";
import { BASE, changed, errorsOf } from "./base.js";
import {
  FAULT_ROWS,
  FLOW_ROWS,
  LOAD_ROWS,
  PORT_ROWS,
  type Row,
  TOP_ROWS,
} from "./malformed-table.js";

const folder = mkdtempSync(join(tmpdir(), "packetpath-malformed-"));
const before = process.cwd();
beforeAll(() => process.chdir(folder));
afterAll(() => {
  process.chdir(before);
  rmSync(folder, { recursive: true });
});

/** The error of `packetpath run` on this text. */
async function runError(text: string): Promise<unknown> {
  const file = join(folder, "x.yaml");
  writeFileSync(file, text);
  try {
    await createProgram(() => {}).parseAsync(["node", "packetpath", "run", file]);
  } catch (error) {
    return error;
  } finally {
    rmSync(file);
  }
  return null;
}

async function expectRefused([find, replacement, message]: Row): Promise<void> {
  const marked = changed(find, replacement);
  const text = marked.replace("¶", "");
  const error = await runError(text);
  expect(error).toBeInstanceOf(PacketpathError);
  expect(failureCode(error)).toBe(2);
  const all = [error as PacketpathError, ...(error as PacketpathError).others];
  const said = all.filter((one) => one.message.includes(message));
  expect(said, failureText(error)).not.toEqual([]);
  expect(readdirSync(folder)).toEqual([]);
  if (!marked.includes("¶")) return;
  const above = marked.slice(0, marked.indexOf("¶")).split("\n");
  const place = { line: above.length, column: above.at(-1)!.length + 1 };
  expect(said.map((one) => [one.place?.line, one.place?.column])).toContainEqual([
    place.line,
    place.column,
  ]);
}

const name = ([, replacement, message]: Row) => `${replacement.slice(0, 70)} => ${message}`;

describe.each([
  ["the top level", TOP_ROWS],
  ["ports", PORT_ROWS],
  ["flows", FLOW_ROWS],
  ["load", LOAD_ROWS],
  ["faults", FAULT_ROWS],
] as const)("%s: each slip is refused at its place", (_part, rows) => {
  it.each(rows.map((row) => [name(row).replaceAll("\n", " ").replaceAll("%", "%%"), row] as const))(
    "%s",
    async (_name, row) => {
      await expectRefused(row);
    },
  );
});

describe("texts that are no scenario at all", () => {
  it.each([
    ["an empty file", ""],
    ["a list", "- a\n- b\n"],
    ["a text", "hello\n"],
    ["two documents", `${BASE}---\n${BASE}`],
    ["an open bracket", "name: [a\n"],
    ["a tab as indentation", "name: base\nload:\n\thttp: 1\n"],
    ["a bomb of aliases", `a: &a [x,x,x,x,x,x,x,x,x]\n${bomb(9)}`],
    ["a megabyte", `name: base # ${"x".repeat(1_000_001)}\n`],
    ["bytes", "\u0000\u0001\u0002"],
    ["a key that objects have of their own", `${BASE}__proto__: { x: 1 }\n`],
  ])("%s is refused with exit code 2", async (_what, text) => {
    const error = await runError(text);
    expect(error).toBeInstanceOf(PacketpathError);
    expect(failureCode(error)).toBe(2);
    expect((error as PacketpathError).place?.line).toBeGreaterThan(0);
  });

  it("a hundred slips are in the tables", () => {
    const rows = [TOP_ROWS, PORT_ROWS, FLOW_ROWS, LOAD_ROWS, FAULT_ROWS].flat();
    expect(rows.length).toBeGreaterThanOrEqual(100);
    expect(errorsOf(BASE)).toEqual([]);
  });
});

/** Each line holds the one above nine times: 9^lines values from a few hundred characters. */
function bomb(lines: number): string {
  const names = "abcdefghijklmnop";
  let text = "";
  for (let at = 1; at < lines; at++) {
    const above = Array.from({ length: 9 }, () => `*${names[at - 1]}`).join(",");
    text += `${names[at]}: &${names[at]} [${above}]\n`;
  }
  return text;
}
