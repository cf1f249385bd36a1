// Tries of prefixes: few bits looked at, never too few; and that they forget what is removed.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Classifier } from "../../src/classifier/classifier.js";
import { NaiveClassifier } from "../../src/classifier/naive.js";
import { PrefixTrie, prefixMask } from "../../src/classifier/prefix-trie.js";
import { FLOW_KEY_LAYOUT, type KeyLayout } from "../../src/classifier/types.js";
import { WORD, newKey } from "../../src/flow/key.js";
import { newMatch } from "../../src/flow/match.js";
import type { Match } from "../../src/flow/types.js";

interface Prefix {
  readonly value: number;
  readonly length: number;
}

/** Few distinct leading and trailing bits, so that random prefixes are nested and branch. */
const address = fc
  .tuple(fc.constantFrom(0, 0x0a000000, 0x0a010000, 0x80000000, 0xffffff00), fc.nat(7))
  .map(([high, low]) => (high | low) >>> 0);
const prefix: fc.Arbitrary<Prefix> = fc
  .tuple(address, fc.constantFrom(1, 2, 7, 8, 15, 16, 24, 29, 30, 31, 32))
  .map(([value, length]) => ({ value, length }));

/** What a list of prefixes says about a value: the lengths that match, and the bits needed. */
function naiveLookup(
  prefixes: readonly Prefix[],
  value: number,
): { lengths: number; bits: number } {
  let lengths = 0;
  let bits = 0;
  for (const each of prefixes) {
    const differing = ((each.value ^ value) & prefixMask(each.length)) >>> 0;
    if (differing === 0) lengths |= 1 << (each.length - 1);
    // Enough bits to see that this one does match, or the first bit at which it does not.
    bits = Math.max(bits, differing === 0 ? each.length : Math.clz32(differing) + 1);
  }
  return { lengths, bits };
}

describe("the trie of prefixes", () => {
  it("is empty at first: nothing matches and nothing was looked at", () => {
    const trie = new PrefixTrie();
    expect([trie.lookup(5), trie.lengths]).toEqual([0, 0]);
  });

  it("says what the list of prefixes says, through insertions and removals", () => {
    fc.assert(
      fc.property(
        fc.array(prefix, { maxLength: 30 }),
        fc.array(fc.nat(29), { maxLength: 20 }),
        fc.array(address, { minLength: 1, maxLength: 10 }),
        (inserted, removals, values) => {
          const trie = new PrefixTrie();
          const left = inserted.slice();
          for (const { value, length } of inserted) trie.insert(value, length);
          for (const at of removals) {
            const [gone] = at < left.length ? left.splice(at, 1) : [];
            if (gone !== undefined) trie.remove(gone.value, gone.length);
          }
          for (const value of values) {
            const bits = trie.lookup(value);
            expect({ lengths: trie.lengths, bits }).toEqual(naiveLookup(left, value));
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});

interface TestRule {
  readonly match: Match;
  readonly priority: number;
}

function ipRule(
  priority: number,
  words: Readonly<Record<number, readonly [number, number]>>,
): TestRule {
  const match = newMatch();
  match.value[WORD.typeVlan] = 0x08000000;
  match.mask[WORD.typeVlan] = 0xffff0000;
  for (const [word, [value, mask]] of Object.entries(words)) {
    match.value[Number(word)] = value & mask;
    match.mask[Number(word)] = mask;
  }
  return { match, priority };
}

function ipKey(source: number, destination: number, ports: number): Uint32Array {
  const key = newKey();
  key[WORD.typeVlan] = 0x08000000;
  key[WORD.nwSrc] = source;
  key[WORD.nwDst] = destination;
  key[WORD.ports] = ports;
  return key;
}

function looked(rules: readonly TestRule[], key: Uint32Array, layout?: KeyLayout): Uint32Array {
  const classifier = new Classifier<TestRule>(layout);
  for (const rule of rules) classifier.insert(rule);
  const wildcards = newKey();
  classifier.lookup(key, wildcards);
  return wildcards;
}

describe("the classifier with tries (classifier.at of Open vSwitch: prefix lookup)", () => {
  const rules = [
    ipRule(30, { [WORD.nwDst]: [0x0a000000, 0xff000000], [WORD.ports]: [80, 0xffff] }),
    ipRule(20, { [WORD.nwDst]: [0x0b010203, 0xffffffff] }),
  ];

  it("un-wildcards only the bits that rule all prefixes out", () => {
    expect(looked(rules, ipKey(0, 0xc0000001, 0))[WORD.nwDst]).toBe(0x80000000);
    // 8 is 00001000, 10 is 00001010: seven bits.
    expect(looked(rules, ipKey(0, 0x08000001, 0))[WORD.nwDst]).toBe(0xfe000000);
  });

  it("does not look at stages behind a prefix that cannot match", () => {
    expect(looked(rules, ipKey(0, 0xc0000001, 80))[WORD.ports]).toBe(0);
  });

  it("says nothing about the address words of frames that are not IPv4", () => {
    const key = ipKey(0, 0x0a000001, 0);
    key[WORD.typeVlan] = 0x08060000;
    const arp = newMatch();
    arp.value[WORD.nwDst] = 0x0a000000;
    arp.mask[WORD.nwDst] = 0xff000000;
    expect(looked([{ match: arp, priority: 1 }], key)[WORD.nwDst]).toBe(0xff000000);
  });

  it("of ports that no rule has, un-wildcards a prefix", () => {
    const ports = [ipRule(1, { [WORD.ports]: [80, 0xffff] })];
    expect(looked(ports, ipKey(0, 0, 0x8000))[WORD.ports]).toBe(0x8000);
    expect(looked(ports, ipKey(0, 0, 80))[WORD.ports]).toBe(0xffff);
  });
});

const masks = [0, 0, 0xff000000, 0xffff0000, 0xfffffff8, 0xffffffff, 0x0000ff00, 0xff0000ff];
const word = fc.tuple(address, fc.constantFrom(...masks)).map((pair) => pair);
const portMasks = [0, 0, 0xffff0000, 0x0000ffff, 0xffffffff, 0x0000fff0, 0x00ff0000];
const ports = fc.tuple(
  fc.constantFrom(0, 80, 81, 0x500050, 0x8000_0051),
  fc.constantFrom(...portMasks),
);
const rule = fc
  .tuple(fc.nat(5), word, word, ports)
  .map(([priority, source, destination, port]) =>
    ipRule(priority, { [WORD.nwSrc]: source, [WORD.nwDst]: destination, [WORD.ports]: port }),
  );
const key = fc
  .tuple(
    address,
    address,
    fc.constantFrom(0, 80, 81, 0x500050, 0x8000_0051),
    fc.constantFrom(0x0800, 0x0806),
  )
  .map(([source, destination, port, type]) => {
    const made = ipKey(source, destination, port);
    made[WORD.typeVlan] = type * 0x10000;
    return made;
  });

it("with tries the answer is the naive one, and no wildcarded bit changes it", () => {
  fc.assert(
    fc.property(
      fc.array(rule, { maxLength: 25 }),
      fc.array(fc.nat(24), { maxLength: 10 }),
      fc.array(key, { minLength: 1, maxLength: 5 }),
      fc.array(fc.tuple(fc.constantFrom(WORD.nwSrc, WORD.nwDst, WORD.ports), fc.nat(31)), {
        maxLength: 30,
      }),
      (rules, removals, keys, flips) => {
        const real = new Classifier<TestRule>();
        const naive = new NaiveClassifier<TestRule>();
        const plain = new Classifier<TestRule>({ ...FLOW_KEY_LAYOUT, prefixes: [], portsWord: -1 });
        for (const each of rules) for (const one of [real, naive, plain]) one.insert(each);
        for (const index of removals) {
          const victim = rules[index];
          if (victim !== undefined) for (const one of [real, naive, plain]) one.remove(victim);
        }
        for (const each of keys) {
          const wildcards = newKey();
          const answer = real.lookup(each, wildcards);
          expect(answer?.priority).toBe(naive.lookup(each)?.priority);
          // Tries save bits; they never cost any.
          const without = newKey();
          plain.lookup(each, without);
          expect(wildcards.some((bits, i) => (bits & ~without[i]!) !== 0)).toBe(false);
          const flipped = each.slice();
          for (const [at, bit] of flips) {
            if ((wildcards[at]! & (1 << bit)) === 0) flipped[at]! ^= 1 << bit;
            expect(real.lookup(flipped, newKey())).toBe(answer);
          }
        }
      },
    ),
    { numRuns: 2000 },
  );
});

it("100,000 flows come and go one by one, in any order, and nothing is left of them", () => {
  const classifier = new Classifier<TestRule>();
  const rules = Array.from({ length: 100_000 }, (_, i) =>
    ipRule(i % 65_536, { [WORD.nwDst]: [Math.imul(i, 0x9e3779b1), prefixMask(9 + (i % 24))] }),
  );
  for (const each of rules) classifier.insert(each);
  expect(classifier.subtableCount).toBe(24);
  for (const each of rules.reverse()) classifier.remove(each);
  expect([classifier.size, classifier.subtableCount, [...classifier].length]).toEqual([0, 0, 0]);
  const wildcards = newKey();
  expect(classifier.lookup(ipKey(1, 2, 3), wildcards)).toBeNull();
  expect(wildcards.every((bits) => bits === 0)).toBe(true);
});
