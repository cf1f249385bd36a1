// Waiting for conditions: the value that is not empty comes back, and a deadline says what was
// waited for.
import { describe, expect, it } from "vitest";
import { eventually } from "../../src/base/eventually.js";

describe("eventually", () => {
  it("gives back the first value that is not false, null or undefined; 0 is one", async () => {
    const answers = [false, null, undefined, 0];
    expect(await eventually("a value", () => answers.shift(), { timeoutMs: 1000 })).toBe(0);
    expect(answers).toEqual([]);
  });

  it("a deadline is an error that names what was waited for", async () => {
    const wait = eventually("the moon", () => false, { timeoutMs: 20 });
    await expect(wait).rejects.toMatchObject({
      code: "DEADLINE",
      message: "waited 20 ms for the moon",
    });
  });

  it("an error of the probe is not waited out", async () => {
    const probe = () => {
      throw new Error("broken");
    };
    await expect(eventually("x", probe, { timeoutMs: 60_000 })).rejects.toThrow("broken");
  });
});
