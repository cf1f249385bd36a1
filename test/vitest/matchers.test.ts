// The matchers for users: what passes, what fails, and that a failure prints the timeline and the
// command that repeats it.
import { describe, expect, it } from "vitest";
import {
  type GuardCell,
  type GuardCells,
  guardOf,
  isSafe,
  locksUp,
} from "../../src/vitest/guards.js";
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

  it("what is no program or no verdict is refused", async () => {
    await expect(expect("x").toBeSafe()).rejects.toThrow("expected a program");
    const wrong = "SAVE" as "SAFE";
    await expect(expect(program("peterson")).toHaveVerdict(wrong)).rejects.toThrow("no verdict");
  });
});

describe("guards", () => {
  const cell = (kind: string, hint: boolean, verdict: string): GuardCell => ({
    guard: "carrier",
    kind,
    hint,
    profile: "6.1",
    event: "link-delete",
    verdict,
    token: verdict === "SAFE" ? null : "ab12-b9a3",
    ...(verdict === "SAFE" ? {} : { timeline: "line  rx0 | admin\n" }),
  });
  const CELLS = [
    cell("veth", true, "SAFE"),
    cell("dummy", true, "LOCKUP"),
    cell("dummy", false, "SAFE"),
  ];
  const run = async ({ kinds }: GuardCells) => ({
    cells: CELLS.filter((one) => kinds === undefined || kinds.includes(one.kind)),
  });

  it("every cell must be SAFE", async () => {
    const veth = await isSafe("carrier", { kinds: ["veth"] }, run);
    expect(veth.pass).toBe(true);
    const all = await isSafe("carrier", {}, run);
    expect(all.pass).toBe(false);
    expect(all.message().split("\n")).toEqual([
      "carrier, dummy, hint, 6.1, link-delete: LOCKUP, expected SAFE",
      "",
      "line  rx0 | admin",
      "",
      "  npx packetpath matrix --guard carrier --kind dummy --profile 6.1 " +
        "--event link-delete --hint --replay ab12-b9a3",
      "  1 of 3 cells",
    ]);
  });

  it("each kind must have a cell that locks up", async () => {
    expect((await locksUp("carrier", { kinds: ["dummy"] }, run)).pass).toBe(true);
    const all = await locksUp("carrier", {}, run);
    expect(all.pass).toBe(false);
    expect(all.message()).toContain("carrier, veth, hint, 6.1, link-delete: SAFE, expected LOCKUP");
  });

  it("a selection without cells is no proof", async () => {
    await expect(isSafe("carrier", { kinds: ["none"] }, run)).rejects.toThrow("holds no cell");
  });

  it("a guard is a name or a file, not a function", () => {
    expect(guardOf("carrier")).toBe("carrier");
    expect(guardOf(guardFile("./my-guard.ts"))).toBe("./my-guard.ts");
    expect(guardOf(program("peterson"))).toBe(null);
    expect(() => guardOf(() => true)).toThrow("named by its file");
  });
});
