// Conjunctive matches as ovs-actions(7) and lib/classifier.c of Open vSwitch 3.1 describe them.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Classifier } from "../../src/classifier/classifier.js";
import { NaiveClassifier } from "../../src/classifier/naive.js";
import type { Conjunction, KeyLayout } from "../../src/classifier/types.js";
import type { Match } from "../../src/flow/types.js";

interface TestRule {
  readonly name: string;
  readonly match: Match;
  readonly priority: number;
  readonly conjunctions: readonly Conjunction[];
}

/** Words: 0 source, 1 destination, 2 another, 3 conj_id. */
const LAYOUT: KeyLayout = {
  stages: [[3], [0], [1, 2]],
  prefixes: [{ word: 0, appliesTo: () => true }],
  portsWord: 2,
  conjIdWord: 3,
};

const full = 0xffffffff;

function rule(
  name: string,
  priority: number,
  fields: Readonly<Record<number, number>>,
  ...conjunctions: readonly Conjunction[]
): TestRule {
  const match = { value: new Uint32Array(4), mask: new Uint32Array(4) };
  for (const [word, value] of Object.entries(fields)) {
    match.value[Number(word)] = value;
    match.mask[Number(word)] = full;
  }
  return { name, priority, match, conjunctions };
}

const clause = (id: number, number: number, clauses = 2): Conjunction => ({
  id,
  clause: number,
  clauses,
});

function classifierOf(rules: readonly TestRule[]): Classifier<TestRule> {
  const classifier = new Classifier<TestRule>(LAYOUT);
  for (const each of rules) classifier.insert(each);
  return classifier;
}

function nameOf(rules: readonly TestRule[], ...key: number[]): string | undefined {
  const keyWords = Uint32Array.of(...key, 0);
  const found = classifierOf(rules).lookup(keyWords, new Uint32Array(4))?.name;
  expect(keyWords[3], "conj_id is put back").toBe(0);
  return found;
}

describe("a conjunctive match", () => {
  const set = [
    rule("from 1", 10, { 0: 1 }, clause(7, 1)),
    rule("from 2", 10, { 0: 2 }, clause(7, 1)),
    rule("to 5", 10, { 1: 5 }, clause(7, 2)),
    rule("seven", 10, { 3: 7 }),
    rule("else", 1, {}),
  ];

  it("is met when every clause matches, and answers with the flow of its conj_id", () => {
    expect(nameOf(set, 1, 5, 0)).toBe("seven");
    expect(nameOf(set, 2, 5, 0)).toBe("seven");
    expect(nameOf(set, 1, 6, 0)).toBe("else");
    expect(nameOf(set, 3, 5, 0)).toBe("else");
  });

  it("un-wildcards both clauses when it decided", () => {
    const wildcards = new Uint32Array(4);
    classifierOf(set).lookup(Uint32Array.of(1, 5, 0, 0), wildcards);
    expect([...wildcards.slice(0, 3)]).toEqual([full, full, 0]);
  });

  it("gives way to a flow of the same priority that is no clause", () => {
    expect(nameOf([...set, rule("hard", 10, { 2: 9 })], 1, 5, 9)).toBe("hard");
    expect(nameOf([...set, rule("hard", 9, { 2: 9 })], 1, 5, 9)).toBe("seven");
  });

  it("needs all of its clauses at one priority", () => {
    const split = [
      rule("from", 10, { 0: 1 }, clause(7, 1)),
      rule("to", 9, { 1: 5 }, clause(7, 2)),
      rule("seven", 10, { 3: 7 }),
    ];
    expect(nameOf(split, 1, 5, 0)).toBeUndefined();
  });

  it("a clause that fails is tried again at the priority below (priority fallback)", () => {
    const fallback = [
      rule("from, high", 10, { 0: 1 }, clause(7, 1)),
      rule("to 6, high", 10, { 1: 6 }, clause(7, 2)),
      rule("from, low", 5, { 0: 1 }, clause(8, 1)),
      rule("to 5, low", 5, { 1: 5 }, clause(8, 2)),
      rule("seven", 10, { 3: 7 }),
      rule("eight", 5, { 3: 8 }),
      rule("from, hard", 3, { 0: 1 }),
    ];
    expect(nameOf(fallback, 1, 6, 0)).toBe("seven");
    expect(nameOf(fallback, 1, 5, 0)).toBe("eight");
    expect(nameOf(fallback, 1, 4, 0)).toBe("from, hard");
  });

  it("counts up to 64 clauses, and the 64th too", () => {
    const many = Array.from({ length: 64 }, (_, i) => {
      const each = rule(`clause ${i + 1}`, 10, {}, clause(1, i + 1, 64));
      each.match.mask[0] = 1 << (i % 32);
      each.match.mask[1] = i < 32 ? 0 : 1;
      return each;
    });
    const rules = [...many, rule("all", 10, { 3: 1 })];
    expect(nameOf(rules, 0, 0, 0)).toBe("all");
    expect(
      nameOf(
        rules.filter((each) => each.name !== "clause 64"),
        0,
        0,
        0,
      ),
    ).toBeUndefined();
    expect(
      nameOf(
        rules.filter((each) => each.name !== "clause 32"),
        0,
        0,
        0,
      ),
    ).toBeUndefined();
  });

  it("without a flow for its id, falls back to what the packet meets without clauses", () => {
    expect(
      nameOf(
        set.filter(({ name }) => name !== "seven"),
        1,
        5,
        0,
      ),
    ).toBe("else");
  });
});

const randomRule = fc
  .record({
    priority: fc.integer({ min: 0, max: 4 }),
    fields: fc.array(fc.tuple(fc.nat(2), fc.nat(2)), { maxLength: 2 }),
    conjunctions: fc.array(fc.tuple(fc.integer({ min: 1, max: 3 }), fc.nat(9)), { maxLength: 2 }),
    conjId: fc.constantFrom(0, 0, 0, 1, 2, 3),
  })
  .map(({ priority, fields, conjunctions, conjId }) => {
    // An id has the same number of clauses everywhere.
    const clauses =
      conjId > 0 ? [] : conjunctions.map(([id, n]) => clause(id, 1 + (n % (id + 1)), id + 1));
    const all = Object.fromEntries(conjId > 0 ? [...fields, [3, conjId]] : fields);
    return rule("random", priority, all, ...clauses);
  });

const randomKey = fc
  .tuple(fc.nat(2), fc.nat(2), fc.nat(2))
  .map((words) => Uint32Array.of(...words, 0));

it("answers as the naive list does, whatever rules come and go", () => {
  fc.assert(
    fc.property(
      fc.array(randomRule, { maxLength: 25 }),
      fc.array(fc.nat(24), { maxLength: 10 }),
      fc.array(randomKey, { minLength: 1, maxLength: 8 }),
      (rules, removals, keys) => {
        const real = classifierOf(rules);
        const naive = new NaiveClassifier<TestRule>(3);
        for (const each of rules) naive.insert(each);
        for (const index of removals) {
          const victim = rules[index];
          if (victim !== undefined) expect(real.remove(victim)).toBe(naive.remove(victim));
        }
        for (const key of keys) {
          const found = real.lookup(key, new Uint32Array(4));
          const answers = naive.answers(key);
          if (found === null) expect(answers).toEqual([]);
          else expect(answers).toContain(found);
        }
      },
    ),
    { numRuns: 3000 },
  );
});

it("a wildcarded bit never changes the answer, conjunctions included", () => {
  fc.assert(
    fc.property(
      fc.array(randomRule, { maxLength: 25 }),
      randomKey,
      fc.array(fc.tuple(fc.nat(2), fc.nat(31)), { minLength: 1, maxLength: 30 }),
      (rules, key, flips) => {
        const real = classifierOf(rules);
        const wildcards = new Uint32Array(4);
        const answer = real.lookup(key, wildcards);
        const flipped = key.slice();
        for (const [at, bit] of flips) {
          if ((wildcards[at]! & (1 << bit)) === 0) flipped[at]! ^= 1 << bit;
          expect(real.lookup(flipped, new Uint32Array(4))).toBe(answer);
        }
      },
    ),
    { numRuns: 2000 },
  );
});
