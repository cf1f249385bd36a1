// The classifier answers as the naive list does, and unwildcards exactly what it looked at.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Classifier } from "../../src/classifier/classifier.js";
import { NaiveClassifier } from "../../src/classifier/naive.js";
import { matchesKey } from "../../src/classifier/subtable.js";
import type { KeyLayout } from "../../src/classifier/types.js";
import type { Match } from "../../src/flow/types.js";

interface TestRule {
  readonly match: Match;
  readonly priority: number;
  readonly name: string;
}

function rule(name: string, priority: number, mask: number[], value: number[]): TestRule {
  const match = {
    mask: Uint32Array.from(mask),
    value: Uint32Array.from(value, (word, i) => word & mask[i]!),
  };
  return { name, priority, match };
}

const key = (...words: number[]): Uint32Array => Uint32Array.from(words);

/** Keys of four words with few distinct values, so that random rules do match random keys. */
const word = fc.constantFrom(0, 1, 2, 3, 0x80000000, 0xffff0001);
const wordMask = fc.constantFrom(0, 0, 1, 2, 3, 0xffffffff, 0x80000000);
const randomKey = fc.tuple(word, word, word, word).map((words) => key(...words));
const randomRule = fc
  .tuple(
    fc.integer({ min: 0, max: 6 }),
    fc.tuple(wordMask, wordMask, wordMask, wordMask),
    fc.tuple(word, word, word, word),
  )
  .map(([priority, mask, value]) => rule("random", priority, mask, value));

/** A layout with stages and nothing else. */
function staged(stages: readonly (readonly number[])[]): KeyLayout {
  return { stages, prefixes: [], portsWord: -1, conjIdWord: -1 };
}

function fill(rules: readonly TestRule[], stages: readonly (readonly number[])[]) {
  const real = new Classifier<TestRule>(staged(stages));
  const naive = new NaiveClassifier<TestRule>();
  for (const each of rules) {
    real.insert(each);
    naive.insert(each);
  }
  return { real, naive };
}

describe("the classifier", () => {
  it("finds the highest priority and stops at subtables that cannot win", () => {
    const { real } = fill(
      [
        rule("exact", 10, [-1, 0], [1, 0]),
        rule("low", 5, [0, -1], [0, 2]),
        rule("any", 1, [0, 0], [0, 0]),
      ],
      [],
    );
    const wildcards = key(0, 0);
    expect(real.lookup(key(1, 2), wildcards)?.name).toBe("exact");
    expect([...wildcards]).toEqual([0xffffffff, 0]);
    expect(real.lookup(key(9, 2), wildcards)?.name).toBe("low");
    expect([...wildcards]).toEqual([0xffffffff, 0xffffffff]);
    expect(real.lookup(key(9, 9), wildcards)?.name).toBe("any");
  });

  it("leaves the fields of later stages wildcarded when an early stage misses", () => {
    const only = [rule("both", 10, [0xff, 0, 0xffff], [5, 0, 80])];
    const missed = key(0, 0, 0);
    expect(fill(only, [[0]]).real.lookup(key(4, 0, 80), missed)).toBeNull();
    expect([...missed]).toEqual([0xff, 0, 0]);
    const reached = key(0, 0, 0);
    expect(fill(only, [[0]]).real.lookup(key(5, 0, 81), reached)).toBeNull();
    expect([...reached]).toEqual([0xff, 0, 0xffff]);
  });

  it("keeps rules with the same match and different priorities, best first", () => {
    const low = rule("low", 1, [-1], [7]);
    const high = rule("high", 9, [-1], [7]);
    const { real } = fill([low, high], []);
    expect(real.subtableCount).toBe(1);
    expect(real.lookup(key(7), key(0))).toBe(high);
    expect(real.remove(high)).toBe(true);
    expect(real.remove(high)).toBe(false);
    expect(real.lookup(key(7), key(0))).toBe(low);
  });

  it("replaces a rule with the same match and priority and says which", () => {
    const { real } = fill([rule("old", 3, [-1], [7])], []);
    expect(real.insert(rule("new", 3, [-1], [7]))?.name).toBe("old");
    expect(real.size).toBe(1);
    expect(real.lookup(key(7), key(0))?.name).toBe("new");
  });

  it("forgets an empty subtable and re-orders by the best priority that is left", () => {
    const a9 = rule("a9", 9, [-1, 0], [1, 0]);
    const a1 = rule("a1", 1, [-1, 0], [2, 0]);
    const b5 = rule("b5", 5, [0, -1], [0, 1]);
    const { real } = fill([a9, a1, b5], []);
    real.remove(a9);
    const wildcards = key(0, 0);
    expect(real.lookup(key(2, 1), wildcards)).toBe(b5);
    expect([...wildcards]).toEqual([0, 0xffffffff]);
    real.remove(a1);
    expect(real.subtableCount).toBe(1);
    expect([...real]).toEqual([b5]);
  });
});

describe("the classifier against the naive list", () => {
  const stages = fc.constantFrom<number[][]>(
    [],
    [[0]],
    [[0], [1], [2], [3]],
    [
      [3, 1],
      [0, 2],
    ],
  );

  it("answers with a matching rule of the same priority, through insertions and removals", () => {
    fc.assert(
      fc.property(
        fc.array(randomRule, { maxLength: 30 }),
        fc.array(fc.nat(29), { maxLength: 20 }),
        fc.array(randomKey, { minLength: 1, maxLength: 20 }),
        stages,
        (rules, removals, keys, stageWords) => {
          const { real, naive } = fill(rules, stageWords);
          for (const index of removals) {
            const victim = rules[index];
            if (victim !== undefined) expect(real.remove(victim)).toBe(naive.remove(victim));
          }
          expect(real.size).toBe(naive.size);
          expect([...real].length).toBe(naive.size);
          for (const each of keys) {
            const found = real.lookup(each, key(0, 0, 0, 0));
            expect(found?.priority).toBe(naive.lookup(each)?.priority);
            if (found !== null) expect(matchesKey(found.match, each)).toBe(true);
          }
        },
      ),
      { numRuns: 400 },
    );
  });

  it("a wildcarded bit never changes the answer (megaflow property)", () => {
    fc.assert(
      fc.property(
        fc.array(randomRule, { maxLength: 30 }),
        randomKey,
        fc.array(fc.tuple(fc.nat(3), fc.nat(31)), { minLength: 1, maxLength: 40 }),
        stages,
        (rules, original, flips, stageWords) => {
          const { real, naive } = fill(rules, stageWords);
          const wildcards = key(0, 0, 0, 0);
          const answer = real.lookup(original, wildcards);
          const flipped = original.slice();
          for (const [at, bit] of flips) {
            if ((wildcards[at]! & (1 << bit)) !== 0) continue;
            flipped[at]! ^= 1 << bit;
            expect(real.lookup(flipped, key(0, 0, 0, 0))).toBe(answer);
            expect(naive.lookup(flipped)?.priority).toBe(answer?.priority);
          }
        },
      ),
      { numRuns: 400 },
    );
  });
});
