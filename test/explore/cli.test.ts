// `packetpath explore` as users and scripts meet it: text, JSON, exit codes, errors with a place.
// Runs dist/, which the set-up of the tests has built.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "packetpath-explore-"));
afterAll(() => rmSync(folder, { recursive: true }));

function run(...args: readonly string[]) {
  const main = join(root, "dist/cli/main.js");
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, "explore", ...args], {
    encoding: "utf8",
    cwd: root,
  });
  return { status, stdout, stderr };
}

function file(name: string, text: string): string {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
}

const RACE =
  'import { assert, ld, program, st } from "packetpath/explore";\n' +
  "const inc = ({ x }) => { st(x, ld(x) + 1); };\n" +
  'export default program({ name: "race", cells: { x: 0 }, threads: { a: inc, b: inc },\n' +
  "  final({ x }) { assert(ld(x) === 2); } });\n";

describe("packetpath explore", () => {
  it("--json prints one object; a verdict that was not expected exits with 1", () => {
    const { status, stdout } = run(file("race.mjs", RACE), "--json");
    expect(status).toBe(1);
    const result = JSON.parse(stdout) as Record<string, unknown>;
    expect(result).toMatchObject({
      schemaVersion: 1,
      program: "race",
      verdict: "ASSERT",
      complete: true,
      strategy: "states",
      traces: "4",
      blocked: "0",
      interleavings: "6",
      bound: null,
    });
    expect(Object.keys(result)).toEqual(
      expect.arrayContaining(["guard", "profile", "states", "transitions", "certificate"]),
    );
    expect(result.counterexample).toMatchObject({ switches: 2, steps: 4 });
  });

  it("--replay repeats the schedule of a token in another process", () => {
    const race = file("race.mjs", RACE);
    const { token } = (
      JSON.parse(run(race, "--json").stdout) as { counterexample: { token: string } }
    ).counterexample;
    const first = run(race, "--replay", token);
    expect(first.status).toBe(1);
    expect(first.stdout).toContain("ASSERT: race");
    expect(run(race, "--replay", token).stdout).toBe(first.stdout);
    const foreign = run("scenarios/programs/two-locks.ts", "--replay", token);
    expect([foreign.status, foreign.stderr]).toEqual([2, expect.stringContaining("source")]);
  });

  it("exits with 0 when the verdict is the one that the program expects", () => {
    const { status, stdout } = run("scenarios/programs/two-locks.ts");
    expect(status).toBe(0);
    expect(stdout).toMatch(/^DEADLOCK: two-locks\n/);
    expect(stdout).toMatch(/line +notifier +\| command\n/);
  });

  it("says where the source is wrong, as compilers do, and exits with 2", () => {
    const random = ["Math", "random"].join(".");
    const bad = file("bad.ts", RACE.replace("ld(x) + 1", `${random}()`));
    const { status, stderr } = run(bad);
    expect(status).toBe(2);
    expect(stderr).toContain(`${bad}:2:32: error: ${random} is not controlled`);
    const missing = run(join(folder, "none.ts"));
    expect([missing.status, missing.stderr]).toEqual([2, expect.stringContaining("no such file")]);
    expect(run("README.md").status).toBe(2);
  });
});
