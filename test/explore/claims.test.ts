// Claims that stand for a check of the machine carry its verdict; the count of disabled softirqs.
import { describe, expect, it } from "vitest";
import { exploreKernel } from "./kernel-program.js";

describe("assert with a verdict", () => {
  it.each(["CORRUPTION", "LEAK", "ASSERT", "COUNTER-OVERFLOW"])("%s", async (verdict) => {
    const claim = `assert(ld(x) === 1, "the canary is another", "${verdict}");`;
    const result = await exploreKernel(`cells: { x: 0 }, threads: [({ x }) => { ${claim} }]`);
    expect([result.verdict, result.counterexample?.message]).toEqual([
      verdict,
      "the canary is another",
    ]);
  });

  it("holds in the final check, too, and nothing is said when it holds", async () => {
    const spec = (value: number) =>
      "cells: { x: 1 }, threads: [({ x }) => { st(x, 1); }], " +
      `final({ x }) { assert(ld(x) === ${value}, "gone", "LEAK"); }`;
    expect((await exploreKernel(spec(2))).verdict).toBe("LEAK");
    expect((await exploreKernel(spec(1))).verdict).toBe("SAFE");
  });

  it.each(["SAFE", "UNDECIDED", "CANARY"])("%s is no verdict of a failure", async (verdict) => {
    const claim = `assert(ld(x) === 1, "no", "${verdict}");`;
    const result = await exploreKernel(`cells: { x: 0 }, threads: [({ x }) => { ${claim} }]`);
    expect([result.verdict, result.counterexample?.message]).toEqual([
      "MISUSE",
      `assert: ${verdict} is not a verdict of failures`,
    ]);
  });
});

describe("softirqs disabled many times over", () => {
  const nested = (count: number) =>
    `cells: { x: 0 }, threads: { p: { cpu: 0, run({ x }) { for (let i = 0; i < ${count}; i++) ` +
    "{ localBhDisable(); st(x, i); } } } }";

  it("127 times there is room for, the 128th overflows into the count of interrupts", async () => {
    expect((await exploreKernel(nested(127))).verdict).toBe("SAFE");
    expect((await exploreKernel(nested(128))).verdict).toBe("COUNTER-OVERFLOW");
  });
});
