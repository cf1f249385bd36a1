// Scenarios of models: what they may say, what is refused where, and that `run` and `explore`
// decide them. Runs dist/, which the set-up of the tests has built.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { PacketpathError } from "../../src/base/errors.js";
import { parseModelScenario } from "../../src/scenario/model/parse.js";
import { parseScenario } from "../../src/scenario/parse.js";
import { scenarioKind } from "../../src/scenario/text/kind.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "packetpath-models-"));
afterAll(() => rmSync(folder, { recursive: true }));

function packetpath(...args: readonly string[]) {
  const main = join(root, "dist/cli/main.js");
  const options = { encoding: "utf8", cwd: root } as const;
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], options);
  return { status, stdout, stderr };
}

const BASE = `name: base
system: softirq
variant: L6
expect: DEADLOCK
`;

function errorsOf(text: string, set: readonly string[] = []): string[] {
  try {
    parseModelScenario(text, "x.yaml", set);
    return [];
  } catch (error) {
    if (!(error instanceof PacketpathError)) throw error;
    return [error, ...error.others].map(String);
  }
}

describe("the text of a scenario of a model", () => {
  it("has a system, a variant or parameters, and a verdict", () => {
    expect(parseModelScenario(BASE, "x.yaml")).toMatchObject({
      name: "base",
      system: "softirq",
      variant: "L6",
      parameters: {},
      expect: "DEADLOCK",
    });
    const text = "name: a\nsystem: netns\nparameters: { cpus: 3 }\nexpect: SAFE\n";
    const { variant, program } = parseModelScenario(text, "x.yaml");
    expect([variant, program.source.includes("cpus: 3,")]).toEqual([null, true]);
  });

  it.each([
    ["system: softirq", "system: softirk", "2:9: error: system: expected one of", "softirq"],
    ["variant: L6", "variant: L66", '3:10: error: variant: no variant "L66" of softirq', "L6"],
    ["expect: DEADLOCK", "expect: DEAD", "4:9: error: expect: expected one of", "DEAD"],
    ["expect: DEADLOCK", "", "1:1: error: expect: expected one of", "nothing"],
    ["name: base", "name: Base", "1:7: error: name: expected lower-case words", "Base"],
    ["variant: L6", "varient: L6", '3:1: error: varient: unknown key "varient"', "variant"],
    ["variant: L6", "parameters: { cpu: 1 }", "3:15: error: parameters.cpu: no parameter", "cpus"],
    ["variant: L6", "parameters: { cpus: x }", "3:15: error: parameters.cpus: parameter", "number"],
    ["variant: L6", "parameters: { cpus: {} }", "3:15: error: parameters.cpus: expected a", "map"],
  ])("%s -> %s is refused with its place", (from, to, place, hint) => {
    const errors = errorsOf(BASE.replace(from, to));
    expect(errors.filter((one) => one.startsWith(`x.yaml:${place}`))).toHaveLength(1);
    expect(errors.join()).toContain(hint);
  });

  it("--set changes it, and may name only what there is", () => {
    expect(parseModelScenario(BASE, "x.yaml", ["variant=L7", "expect=SAFE"])).toMatchObject({
      variant: "L7",
      expect: "SAFE",
    });
    expect(errorsOf(BASE, ["varian=L7"])[0]).toContain('unknown path "varian"');
    expect(errorsOf(BASE, ["variant=Q"])[0]).toContain("--set variant=Q: error: variant: no");
  });

  it("is told from other scenarios by its system, and nothing is built for it", () => {
    expect(scenarioKind(BASE)).toBe("model");
    const others = ["name: a\nports: []\n", "- system", "", "{", `system: ${"x".repeat(1e6)}`];
    expect(others.map(scenarioKind)).toEqual(others.map(() => "switch"));
    expect(scenarioKind("system: [")).toBe("model");
    expect(() => parseScenario(BASE, "x.yaml")).toThrow("this scenario is of a model");
  });
});

describe("packetpath run and explore", () => {
  it.each([
    ["softirq-loopback", "DEADLOCK", "L7"],
    ["socket-rollback", "USE-AFTER-FREE", "S-DF"],
    ["netns-rollback", "NULL-DEREF", "N-AF"],
  ])("%s: %s; %s is the repaired one", (name, verdict, repaired) => {
    const file = `scenarios/${name}.yaml`;
    expect(readFileSync(join(root, file), "utf8")).toContain("$schema=./scenario.schema.json");
    const found = packetpath("run", file);
    expect(found.stdout.split("\n")[0]).toContain(` ${verdict}  ${name}, `);
    expect(found).toMatchObject({ status: 0, stderr: "" });
    const other = packetpath("run", file, "--set", `variant=${repaired}`);
    expect([other.status, other.stdout.split("\n")[0]]).toEqual([
      1,
      expect.stringMatching(`^ SAFE .*expected ${verdict}$`),
    ]);
  });

  it("--json prints one object, which --out keeps; the token of explore repeats it", () => {
    const file = "scenarios/softirq-loopback.yaml";
    const { status, stdout } = packetpath("run", file, "--json", "--out", folder);
    const report = JSON.parse(stdout) as { counterexample: { token: string } };
    expect(readFileSync(join(folder, "report.json"), "utf8")).toBe(stdout);
    expect([status, report]).toMatchObject([
      0,
      {
        schemaVersion: 1,
        scenario: "softirq-loopback",
        backend: "explorer",
        guard: null,
        system: "softirq",
        variant: "L6",
        verdict: "DEADLOCK",
        expected: "DEADLOCK",
        complete: true,
        interleavings: "1",
      },
    ]);
    const again = packetpath("explore", file, "--replay", report.counterexample.token);
    expect([again.status, again.stdout]).toEqual([0, expect.stringContaining("waits for itself")]);
  });

  it.each([
    [["run", "--guard", "none"], "--guard is not for the scenario of a model"],
    [["run", "--backend", "memory"], "--backend is not for the scenario of a model"],
    [["up"], "this scenario is of a model"],
  ])("%j is bad input", ([command = "", ...flags], message) => {
    const file = join(folder, "base.yaml");
    writeFileSync(file, BASE);
    const { status, stdout, stderr } = packetpath(command, file, ...flags);
    expect([status, stdout]).toEqual([2, ""]);
    expect(stderr).toContain(message);
  });
});
