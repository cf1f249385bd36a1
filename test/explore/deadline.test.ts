// A program whose own computation does not come back: no clock of a search is looked at meanwhile,
// and still every strategy ends, says which thread it was in, and proves nothing.
import { describe, expect, it } from "vitest";
import { checkWithin, withinSeconds } from "../../src/explore/deadline.js";
import { explore, replay } from "../../src/explore/explore.js";
import { loadProgram } from "../../src/explore/source/load.js";
import { encodeToken } from "../../src/explore/text/token.js";
import type { Strategy } from "../../src/explore/types.js";

/** It backtracks for longer than the universe is old. */
const MATCH = `/^(a+)+$/.test("a".repeat(60) + "b")`;

const STRATEGIES: Strategy[] = ["states", "hash", "dpor", "random", "pct", "preemption"];

function hanging(first: string, final: string): string {
  return `import { assert, ld, program, st } from "packetpath/explore";
    export default program({ name: "p", cells: { x: 0 }, threads: {
      good({ x }) { st(x, 1); },
      matcher({ x }) { st(x, ${first} ? 1 : 2); },
    }, final({ x }) { assert(${final} || ld(x) > 0, "never"); } });`;
}

describe("a computation that does not come back", () => {
  it.each(STRATEGIES)("is ended, and its thread named, by %s", async (strategy) => {
    const program = await loadProgram(hanging(MATCH, "false"), "p.ts");
    const result = explore(program, { strategy, maxSeconds: 0.5 });
    expect([result.verdict, result.complete]).toEqual(["UNDECIDED", false]);
    expect(result.bound).toBe("0.5 s, ended in the code of thread matcher");
  });

  const steps = [1, 2, 3, 4, 5, 6, 7, 8];
  const seen = steps.map((one) => `ld(y) === ${one}`).join(" && ");
  const bugFirst = `import { assert, ld, program, st } from "packetpath/explore";
    export default program({ name: "p", cells: { x: 0, y: 0 }, threads: {
      bad({ x, y }) {
        ${steps.map((one) => `st(y, ${one});`).join("")}
        assert(ld(x) === 0, "seen");
      },
      matcher({ x, y }) { st(x, 1); st(x, ${seen} && ${MATCH} ? 2 : 3); },
    } });`;

  it.each(STRATEGIES)("costs no failure that %s has met before", async (strategy) => {
    const program = await loadProgram(bugFirst, "p.ts");
    const result = explore(program, { strategy, maxSeconds: 1 });
    const { verdict, complete, counterexample } = result;
    expect([verdict, complete, counterexample?.message]).toEqual(["ASSERT", false, "seen"]);
    expect(replay(program, counterexample!.token).verdict).toBe("ASSERT");
  });

  it("is ended in a final check, too", async () => {
    const program = await loadProgram(hanging("true", MATCH), "p.ts");
    const result = explore(program, { maxSeconds: 0.5 });
    expect(result.verdict).toBe("UNDECIDED");
    expect(result.bound).toBe("0.5 s, ended in the code of the final check");
  });

  it("is ended once it is slow, after searches that were not", async () => {
    const program = await loadProgram(hanging("true", "false"), "p.ts");
    expect(explore(program, { maxSeconds: 60 }).verdict).toBe("SAFE");
  });
});

describe("what repeats a program's code", () => {
  it("ends in a replay, and names the thread and the limit", async () => {
    const program = await loadProgram(hanging(MATCH, "false"), "p.ts");
    const moves = [0, 1].map((thread) => ({ thread, choice: 0, isChoice: false }));
    const token = encodeToken(program.sourceHash, moves);
    expect(() => replay(program, token, 0.1)).toThrow(
      expect.objectContaining({
        code: "PROGRAM_INVALID",
        message: `--replay "${token}" takes more than 0.1 s, ended in the code of thread matcher`,
        place: { file: "p.ts" },
      }) as Error,
    );
  });

  it("ends in the check of a certificate", async () => {
    const program = await loadProgram(hanging(MATCH, "false"), "p.ts");
    const check = () => (explore(program, { maxSeconds: 1e9 }).complete ? null : "no");
    expect(() => checkWithin(0.1, "p.ts", check)).toThrow(
      expect.objectContaining({ code: "PROGRAM_INVALID", place: { file: "p.ts" } }) as Error,
    );
    expect([checkWithin(1, "p.ts", () => null), checkWithin(1, "p.ts", () => "no")]).toEqual([
      null,
      "no",
    ]);
  });

  it("ends in the top level of its module", async () => {
    const text = `${MATCH};\n${hanging("true", "true")}`;
    await expect(loadProgram(text, "p.ts")).rejects.toMatchObject({
      code: "PROGRAM_INVALID",
      message: "the module runs for more than 5 s",
      place: { file: "p.ts" },
    });
  });
});

describe("work within seconds", () => {
  it("returns what it makes, and throws what it throws", () => {
    expect(withinSeconds(1, () => ({ x: 1 }))).toEqual({ x: 1 });
    const fail = () => {
      throw new RangeError("own");
    };
    expect(() => withinSeconds(1, fail)).toThrow(new RangeError("own"));
    expect(withinSeconds(1e9, () => ({ x: 2 }))).toEqual({ x: 2 });
  });

  it("is done inside of other such work", () => {
    const inner = () => withinSeconds(1, () => ({ x: 3 }))!;
    expect(withinSeconds(1, () => ({ outer: inner() }))).toEqual({ outer: { x: 3 } });
  });
});
