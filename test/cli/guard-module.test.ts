// A guard's module is tried on a thread of its own: whatever its top level does, the command line
// comes back with what is wrong, and nothing of it is left running.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { checkGuard } from "../../src/cli/guard-module.js";

const folder = mkdtempSync(join(tmpdir(), "packetpath-test-guard-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function fileOf(name: string, text: string): string {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}

const OK = "export default (dev) => dev.running;";

const WRONG: [what: string, name: string, text: string, message: string][] = [
  ["has no end", "loop.mjs", `for (;;) {}\n${OK}`, "its module runs for more than 10 s"],
  ["throws", "throw.mjs", `throw new Error("boom");\n${OK}`, "cannot be loaded: boom"],
  ["throws nothing", "null.mjs", `throw null;\n${OK}`, "cannot be loaded: null"],
  ["waits for ever", "await.mjs", `await new Promise(() => {});\n${OK}`, "it ends its thread"],
  ["ends the process", "exit.mjs", `process.exit(0);\n${OK}`, "it ends its thread"],
  ["exports a number", "five.mjs", "export default 5;", "exports a number"],
  ["exports nothing", "none.mjs", "export const a = 1;", "has no default export"],
];

describe("a guard's module that", () => {
  it.each(WRONG)("%s is refused", async (_what, name, text, message) => {
    await expect(checkGuard(fileOf(name, text))).rejects.toMatchObject({
      code: "GUARD_INVALID",
      message: expect.stringContaining(message) as string,
    });
  });

  it("exports a function is taken, though it keeps its thread busy", async () => {
    const checked = await checkGuard(fileOf("busy.mjs", `setInterval(() => {}, 1);\n${OK}`));
    expect(checked.file).toBe(join(folder, "busy.mjs"));
    checked.dispose();
  });
});
