// The matchers for users: what passes, what fails, and that a failure prints the timeline and the
// command that repeats it.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { guardFile, programFile } from "../../src/vitest/index.js";

const program = (name: string) => programFile(`scenarios/programs/${name}.ts`);

describe("programs", () => {
  it("toBeSafe and toHaveVerdict pass where the verdict is that one", async () => {
    await expect(program("peterson")).toBeSafe();
    await expect(program("two-locks")).toHaveVerdict("DEADLOCK");
    await expect(program("two-locks")).not.toBeSafe();
    const url = new URL("../../scenarios/programs/queue-pick.ts", import.meta.url);
    await expect(programFile(url)).toHaveVerdict("LOCKUP", { strategy: "dpor" });
  });

  it("a failure prints the timeline and the command that repeats it", async () => {
    const failure = expect(program("queue-pick")).toBeSafe();
    await expect(failure).rejects.toThrow(/queue-pick\.ts: LOCKUP, expected SAFE/);
    const again = expect(program("queue-pick")).toBeSafe();
    await expect(again).rejects.toThrow(
      /st count := 0[^]*npx packetpath explore scenarios\/programs\/queue-pick\.ts --replay \w+-ba/,
    );
  });

  it("a search that ends at a bound is not SAFE, and says which", async () => {
    const failure = expect(program("peterson")).toBeSafe({ maxStates: 5 });
    await expect(failure).rejects.toThrow(/UNDECIDED, expected SAFE\n {2}bound: 5 states/);
  });

  it("what is wrong with a file is told with its place", async () => {
    const file = "test/tidy.test.ts";
    const failure = expect(programFile(file)).toBeSafe();
    await expect(failure).rejects.toThrow(/^test\/tidy\.test\.ts:\d+:\d+: error: a program im/);
  });

  it("what is no program or no verdict is refused", async () => {
    await expect(expect(3).toBeSafe()).rejects.toThrow("expected a program or a guard");
    const wrong = "SAVE" as "SAFE";
    await expect(expect(program("peterson")).toHaveVerdict(wrong)).rejects.toThrow("no verdict");
  });
});

describe("guards", () => {
  const folder = mkdtempSync(join(tmpdir(), "packetpath-matchers-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const guard = (name: string, body: string) => {
    const file = join(folder, `${name}.ts`);
    writeFileSync(file, `export default function guard(dev) {\n  return ${body};\n}\n`);
    return guardFile(file);
  };
  const cells = { kinds: ["veth", "dummy"], profiles: ["6.1"], events: ["link-delete"] };

  it("every cell must be SAFE; each kind must have one that locks up", async () => {
    await expect("running").toBeSafe(cells);
    await expect("carrier").toBeSafe({ ...cells, kinds: ["veth"] });
    await expect("carrier").toLockUp({ ...cells, kinds: ["dummy"] });
    await expect("carrier").not.toLockUp(cells);
    await expect(guard("runs", "dev.running")).toBeSafe(cells);
    const misspelt = expect(guard("misspelt", "dev.runing")).toBeSafe(cells);
    await expect(misspelt).rejects.toThrow('the guard asks for "runing"');
    await expect(guard("up", "dev.carrierOk")).toLockUp({ ...cells, kinds: ["dummy"] });
  });

  it("a failure prints the timeline and the command that repeats it", async () => {
    const failure = expect("carrier").toBeSafe(cells);
    await expect(failure).rejects.toThrow(
      /^carrier, dummy, hint, 6\.1, link-delete: LOCKUP, expected SAFE\n[^]*realNumTxQueues := 0/,
    );
    const again = expect("carrier").toBeSafe(cells);
    await expect(again).rejects.toThrow(
      /npx packetpath matrix --guard carrier --kind dummy --hint yes .* --replay \w+-\w+/,
    );
  });

  it("a name that there is not, or no cell at all, is no proof", async () => {
    await expect(expect("careful").toBeSafe()).rejects.toThrow('"careful" is none of the guards');
    await expect(expect("running").toBeSafe({ hints: [] })).rejects.toThrow("holds no cell");
    await expect(expect(() => true).toBeSafe()).rejects.toThrow("named by its file");
    await expect(expect(program("peterson")).toLockUp()).rejects.toThrow("expected a program or");
  });
});
