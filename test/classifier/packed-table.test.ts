// The packed table against a Map, through every order of puts and removals, with hashes that
// collide: what is moved back over a gap must still be found.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PackedTable } from "../../src/classifier/packed-table.js";

const MASK = Uint32Array.of(0xff, 0, 0xffff0000);
const WORDS = [2, 0];

/** A few keys, of which some differ outside the mask only, and very few hashes. */
const key = fc
  .tuple(fc.nat(3), fc.nat(1), fc.constantFrom(0, 0x10000, 0xffff0000, 1))
  .map((words) => Uint32Array.from(words));
const step = fc.record({ key, number: fc.constantFrom(0, 0, 1, 2, 0x7fffffff) });

const nameOf = (one: Uint32Array) => [...one].map((word, i) => (word & MASK[i]!) >>> 0).join(",");

describe("the packed table", () => {
  it.each([
    ["hashes of its own", (table: PackedTable, one: Uint32Array) => table.hash(one)],
    ["one hash for all", () => 7],
    ["two hashes, at the end of the rows", (_: PackedTable, one: Uint32Array) => (one[0]! & 1) - 2],
  ])("holds what a Map holds, with %s", (_name, hashOf) => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80, size: "max" }), (steps) => {
        const table = new PackedTable(MASK, WORDS);
        const map = new Map<string, number>();
        for (const { key: one, number } of steps) {
          table.put(one, hashOf(table, one), number);
          if (number === 0) map.delete(nameOf(one));
          else map.set(nameOf(one), number);
          const found = steps.map(({ key: other }) => table.find(other, hashOf(table, other)));
          expect(table.size).toBe(map.size);
          expect(found).toEqual(steps.map(({ key: other }) => map.get(nameOf(other)) ?? 0));
        }
      }),
      { numRuns: 150 },
    );
  });

  it("keeps thousands apart, and forgets half of them", () => {
    const table = new PackedTable(Uint32Array.of(0xffffffff), [0]);
    const one = (i: number) => Uint32Array.of(Math.imul(i, 0x10001));
    const hash = (i: number) => table.hash(one(i));
    for (let i = 1; i <= 5000; i++) table.put(one(i), hash(i), i);
    for (let i = 1; i <= 5000; i += 2) table.put(one(i), hash(i), 0);
    expect(table.size).toBe(2500);
    for (let i = 1; i <= 5000; i++) expect(table.find(one(i), hash(i))).toBe(i % 2 === 0 ? i : 0);
  });

  it("without words, tells hashes apart only: a table of counts", () => {
    const counts = new PackedTable(MASK, []);
    const any = new Uint32Array(3);
    for (const hash of [5, -1, 5, 0]) counts.put(any, hash, counts.find(any, hash) + 1);
    expect([5, -1, 0, 6].map((hash) => counts.find(any, hash))).toEqual([2, 1, 1, 0]);
  });
});
