// Variants of systems as tests meet them: each explored once, other parameters on demand.
import { expect, it } from "vitest";
import { replay } from "../../src/explore/explore.js";
import type { Parameters } from "../../src/explore/variants/parameters.js";
import {
  decideVariant,
  loadVariant,
  type Variant,
  type VariantResult,
  type VariedSystem,
  variantOf,
} from "../../src/explore/variants/variants.js";
import type { Verdict } from "../../src/explore/types.js";

/** Wall-clock limit of one variant on a machine that does much else, in milliseconds. */
const SLOW_MS = 300_000;
/** The search's own limit, below that. */
const SEARCH = { maxSeconds: 1000 };

const decided = new Map<string, Promise<VariantResult>>();

/** A variant by its id; explored when first asked for. */
export function decide(system: VariedSystem, id: string): Promise<VariantResult> {
  const key = `${system.name} ${id}`;
  const found = decided.get(key) ?? decideVariant(system, variantOf(system, id), SEARCH);
  decided.set(key, found);
  return found;
}

/** The verdict of a variant with some parameters changed. */
export async function verdictWith(
  system: VariedSystem,
  id: string,
  parameters: Parameters,
): Promise<Verdict> {
  const variant = variantOf(system, id);
  const changed = { ...variant, parameters: { ...variant.parameters, ...parameters } };
  return (await decideVariant(system, changed, SEARCH)).result.verdict;
}

/** One step of a counterexample per line, as `thread: text`. */
export async function storyOf(system: VariedSystem, id: string): Promise<string[]> {
  const { result } = await decide(system, id);
  return (result.counterexample?.timeline ?? []).map(({ thread, text }) => `${thread}: ${text}`);
}

/** A test for each variant: the verdict of the list, all else as its data say, and its token. */
export function testVariants(system: VariedSystem, verdicts: Readonly<Record<string, Verdict>>) {
  it("the variants are these, and expect these verdicts", () => {
    const listed = system.variants.map(({ id, verdict }): [string, Verdict] => [id, verdict]);
    expect(Object.fromEntries(listed)).toEqual(verdicts);
    expect(listed.length).toBe(Object.keys(verdicts).length);
  });

  it.each(system.variants.map((one): [string, string, Variant] => [one.id, one.what, one]))(
    "%s %s",
    async (id, _what, variant) => {
      const { result, surprise } = await decide(system, id);
      expect([result.verdict, result.complete, surprise]).toEqual([variant.verdict, true, ""]);
      if (result.counterexample === null) return;
      const again = replay(await loadVariant(system, variant), result.counterexample.token);
      expect(again.verdict).toBe(result.verdict);
    },
    SLOW_MS,
  );
}
