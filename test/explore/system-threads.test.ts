// The kernel path on real threads, each step when a schedule says so: the shipped files of path and
// models, with the primitives replaced, end in the verdicts that the matrix found.
import { describe, expect, it } from "vitest";
import { openMatrix } from "../../src/explore/matrix/lab.js";
import * as controlled from "../../src/explore/threads/system/controlled-sync.js";
import { replayCell } from "../../src/explore/threads/system/replay.js";
import * as production from "../../src/sync/primitives.js";

const TIMES = 100;

describe("the controlled primitives", () => {
  it("have the names of production's", () => {
    expect(Object.keys(controlled).sort()).toEqual(Object.keys(production).sort());
  });
});

describe("counterexamples of the matrix", () => {
  // One of each sort: by recorded queue, by a guard that the device slips through, by a loop that
  // looks at shared memory, by each event; what is found in one profile is repeated in it.
  const cells: [string, string, boolean, string, string][] = [
    ["none", "veth", true, "6.1", "link-delete"],
    ["carrier", "dummy", true, "6.9", "link-delete"],
    ["none", "bond", false, "6.1", "link-delete"],
    ["none", "dummy", true, "6.1", "netns-delete"],
    ["qcount", "veth", true, "6.1", "netns-delete"],
  ];
  it.each(cells)(`%s, %s, hint %s, %s, %s: ${TIMES} of ${TIMES}`, async (...one) => {
    const [guard, kind, hint, profile, event] = one;
    const at = { guard, kind, hint, profile, event };
    const matrix = await openMatrix();
    const { verdict } = matrix.decide(at);
    expect(verdict).toBe("LOCKUP");
    const runs = await replayCell(matrix.schedule(at)!, TIMES);
    expect(runs.filter((run) => run.verdict === verdict)).toHaveLength(TIMES);
  });

  it("a safe cell has none", async () => {
    const matrix = await openMatrix();
    const at = { guard: "running", kind: "veth", hint: true, profile: "6.1", event: "link-delete" };
    expect(matrix.schedule(at)).toBe(null);
  });
});
