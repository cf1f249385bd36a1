// `packetpath explore` and `matrix` for other programs to read: drawings, test cases, annotations,
// and repetition on real threads. Runs dist/, which the set-up of the tests has built.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";

const folder = mkdtempSync(join(tmpdir(), "packetpath-output-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const run = (...args: string[]) =>
  spawnSync("./scripts/packetpath", args, { encoding: "utf8", timeout: 300_000 });
const PICK = "scenarios/programs/queue-pick.ts";

describe("explore", () => {
  it("--export draws on stdout, or in the file of --out beside the result", () => {
    const { status, stdout } = run("explore", PICK, "--export", "mermaid");
    expect([status, stdout.slice(0, 16)]).toEqual([0, "sequenceDiagram\n"]);
    const out = join(folder, "trace.json");
    const both = run("explore", PICK, "--export", "perfetto", "--out", out);
    expect(both.stdout).toMatch(/^LOCKUP: queue-pick\n/);
    expect(JSON.parse(readFileSync(out, "utf8"))).toHaveProperty("traceEvents");
  });

  it("--threads repeats on real threads, and says when there is nothing to repeat", () => {
    const { status, stdout } = run("explore", PICK, "--threads", "5");
    expect([status, stdout.split("\n")[0]]).toEqual([
      0,
      "LOCKUP: queue-pick, on real threads 5 of 5",
    ]);
    const safe = run("explore", "scenarios/programs/peterson.ts", "--threads");
    expect([safe.status, safe.stderr]).toEqual([2, expect.stringContaining("no counterexample")]);
  });

  it("--junit names a file that cannot be written, with exit code 2", () => {
    const { status, stderr } = run("explore", PICK, "--junit", join(folder, "none", "a.xml"));
    expect([status, stderr]).toEqual([2, expect.stringContaining("cannot write")]);
  });
});

describe("matrix", () => {
  const cell = "matrix --guard carrier --kind dummy --profile 6.1 --event link-delete --hint yes";

  it("--junit has a case per cell, --threads repeats those that fail", () => {
    const xml = join(folder, "matrix.xml");
    expect(run(...cell.split(" "), "--junit", xml).status).toBe(0);
    expect(readFileSync(xml, "utf8")).toContain("carrier/dummy/hint/6.1/link-delete");
    const { status, stdout } = run(...cell.split(" "), "--threads", "3");
    expect([status, stdout]).toEqual([0, expect.stringContaining("on real threads 3 of 3")]);
  });
});
