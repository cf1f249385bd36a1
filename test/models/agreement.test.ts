// Two other engines look at the variants: real worker threads repeat the counterexamples, and the
// functions as they were written are run again step by step. One variant of each verdict of each
// system's program.
import { describe, expect, it } from "vitest";
import { audit } from "../../src/explore/audit/audit.js";
import { replayOnThreads } from "../../src/explore/threads/replay.js";
import { loadVariant, variantOf, variantText } from "../../src/explore/variants/variants.js";
import { SYSTEMS } from "../../src/models/systems.js";
import { decide } from "./decide.js";

/** Minutes of a search, where a smaller variant shows the same verdict. */
const LARGE = ["G-F2", "G-F3"];

const BOUNDS = { maxSteps: 3000, maxStates: 20_000, maxSeconds: 1000 };

const chosen = SYSTEMS.flatMap((system) => {
  const seen = new Set<string>();
  return system.variants.flatMap(({ id, verdict, file = "" }) => {
    const kind = `${file} ${verdict}`;
    if (seen.has(kind) || LARGE.includes(id)) return [];
    seen.add(kind);
    return [{ name: `${system.name} ${id}`, id, verdict, system }];
  });
});

describe("one variant of each verdict and program", () => {
  it.each(chosen.filter(({ verdict }) => verdict !== "SAFE"))(
    "$name: real threads end in $verdict, too",
    async ({ system, id, verdict }) => {
      const { result } = await decide(system, id);
      const variant = variantOf(system, id);
      const { source } = variantText(system, variant);
      const request = { source, token: result.counterexample!.token, times: 2 };
      const runs = await replayOnThreads(await loadVariant(system, variant), request);
      expect(runs.map((one) => one.verdict)).toEqual([verdict, verdict]);
    },
  );

  it.each(chosen)(
    "$name: the functions as they were written do the same",
    async ({ system, id }) => {
      const variant = variantOf(system, id);
      const { source } = variantText(system, variant);
      const result = await audit(await loadVariant(system, variant), source, BOUNDS);
      expect(result.differences).toEqual([]);
      expect(result.edges).toBeGreaterThan(1);
    },
  );
});
