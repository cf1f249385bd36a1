// What the matrix prints below its tables: how much was searched, and which cell took longest.
import { describe, expect, it } from "vitest";
import { matrixWords } from "../../src/cli/matrix-text.js";
import type { MatrixCell } from "../../src/explore/matrix/matrix.js";

const CELL: MatrixCell = {
  system: "ovs-output",
  guard: "carrier",
  kind: "dummy",
  hint: true,
  profile: "6.1",
  event: "link-delete",
  verdict: "SAFE",
  message: "",
  states: 5,
  transitions: 9,
  seconds: 0.001,
  sameAs: null,
  oneByOne: true,
  bound: null,
  token: null,
  switches: null,
  steps: null,
};

describe("the last lines of the matrix", () => {
  it("name the slowest cell, wherever it stands, with its time", async () => {
    const slow: MatrixCell = { ...CELL, guard: "none", hint: false, seconds: 0.01234 };
    const same: MatrixCell = { ...CELL, profile: "6.2", sameAs: "6.1", seconds: 0 };
    for (const cells of [
      [slow, CELL, same],
      [CELL, same, slow],
    ]) {
      const text = await matrixWords({ cells, seconds: 0.5 });
      const last = text.trimEnd().split("\n").slice(-2);
      expect(last).toEqual([
        "3 cells, 2 searched, 10 states, 0.50 s",
        "slowest cell: 12.3 ms (none/dummy/no-hint/6.1/link-delete)",
      ]);
    }
  });
});
