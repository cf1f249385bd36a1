// The list of systems, and the commands that go by it. Runs dist/, which the set-up has built.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { readParameter, withParameters } from "../../src/explore/variants/parameters.js";
import { decideVariant, variantOf, variantText } from "../../src/explore/variants/variants.js";
import { endpoint } from "../../src/models/endpoint/variants.js";
import { SYSTEMS } from "../../src/models/systems.js";

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

function packetpath(...args: readonly string[]) {
  const options = { encoding: "utf8", timeout: 300_000 } as const;
  return spawnSync(process.execPath, [MAIN, ...args], options);
}

describe("the list of systems", () => {
  it("each id stands once, with a sentence, a source and parameters that the program has", () => {
    for (const system of SYSTEMS) {
      const ids = system.variants.map((one) => one.id);
      expect(new Set(ids).size).toBe(ids.length);
      for (const variant of system.variants) {
        const { id, what, source, switches, verdict } = variant;
        expect([id, what.length > 20, source.length > 5]).toEqual([id, true, true]);
        expect([id, switches === undefined]).toEqual([id, verdict === "SAFE"]);
        expect(variantText(system, variant).source).toContain("export default program");
      }
    }
  });

  it("a buggy variant and its repair differ in some parameter", () => {
    for (const { variants } of SYSTEMS) {
      const texts = variants.map(({ parameters, file }) => JSON.stringify([parameters, file]));
      expect(new Set(texts).size).toBe(texts.length);
    }
  });
});

describe("parameters of a program", () => {
  const source = 'const parameters = {\n  n: 1,\n  how: "a" as "a" | "b",\n  is: true,\n};\n';

  it("other values are put into the text, and nothing else changes", () => {
    expect(withParameters(source, "p.ts", {})).toBe(source);
    const text = withParameters(source, "p.ts", { how: "b", n: 22 });
    expect(text).toBe(source.replace("n: 1", "n: 22").replace('"a" as', '"b" as'));
  });

  it("name=value is read as what the program's own value is", () => {
    expect(readParameter("n=3", source, "p.ts")).toEqual({ n: 3 });
    expect(readParameter("is=false", source, "p.ts")).toEqual({ is: false });
    expect(readParameter("how=b", source, "p.ts")).toEqual({ how: "b" });
  });

  it.each([
    ["m=3", 'no parameter "m": it has n, how, is'],
    ["n=x", 'parameter n: expected a number, not "x"'],
    ["is=1", 'parameter is: expected a boolean, not "1"'],
    ["n", '"n": expected name=value'],
  ])("%s is refused", (text, message) => {
    expect(() => readParameter(text, source, "p.ts")).toThrow(message);
  });
});

describe("what is not as expected", () => {
  it("another verdict, another message, another number of switches", async () => {
    const variant = variantOf(endpoint, "G-B");
    const surprise = async (more: object) =>
      (await decideVariant(endpoint, { ...variant, ...more })).surprise;
    expect(await surprise({})).toBe("");
    expect(await surprise({ verdict: "SAFE" })).toBe("expected SAFE");
    expect(await surprise({ says: "loop1" })).toContain('expected a message with "loop1"');
    expect(await surprise({ switches: 7 })).toBe("expected 7 context switches, not 1");
  });
});

describe("packetpath matrix --system", () => {
  it("--json prints one object with a cell for each variant", () => {
    const { status, stdout } = packetpath(
      ..."matrix --system endpoint --variant G-B G-F --json".split(" "),
    );
    const { schemaVersion, cells } = JSON.parse(stdout) as { schemaVersion: 1; cells: object[] };
    expect([status, schemaVersion, cells.length]).toEqual([0, 1, 2]);
    expect(cells[0]).toMatchObject({
      system: "endpoint",
      variant: "G-B",
      verdict: "DEADLOCK",
      expected: "DEADLOCK",
      asExpected: true,
      switches: 1,
    });
  });

  it("explore --variant expects the variant's verdict, and its token repeats it", () => {
    const args = "explore --system endpoint --variant G-W".split(" ");
    const found = packetpath(...args, "--json");
    const { counterexample } = JSON.parse(found.stdout) as { counterexample: { token: string } };
    const again = packetpath(...args, "--replay", counterexample.token);
    expect([found.status, again.status]).toEqual([0, 0]);
    expect(again.stdout).toContain("rlock mu: has to wait");
  });

  it("explore --set: the repaired program with one thing changed is not what it expects", () => {
    const found = packetpath("explore", "--system", "endpoint", "--set", "lock=through-wait");
    expect([found.status, found.stdout.split("\n")[0]]).toEqual([
      1,
      "DEADLOCK: endpoint (expected SAFE)",
    ]);
  });

  it.each([
    ["matrix --system endpont", 'no such system (did you mean "endpoint"?)'],
    ["matrix --system endpoint --variant Q", 'no variant "Q" of endpoint'],
    ["matrix --system endpoint --all-steps", "--all-steps is not for --system"],
    ["explore --system endpoint x.yaml", '--system endpoint is explored instead of "x.yaml"'],
    ["matrix --variant G-B", "--variant is for --system"],
    ["explore --system endpoint x.ts", '--system endpoint is explored instead of "x.ts"'],
    ["explore --variant G-B x.ts", "--variant is for --system"],
    ["explore --system endpoint --set queues", '"queues": expected name=value'],
  ])("%s is bad input", (line, message) => {
    const { status, stdout, stderr } = packetpath(...line.split(" "));
    expect([status, stdout]).toEqual([2, ""]);
    expect(stderr).toContain(message);
  });
});
