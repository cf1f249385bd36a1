// Sub-fields of a key: only the bits that are their field's own are read and written.
import { describe, expect, it } from "vitest";
import { newKey, WORD } from "../../src/flow/key.js";
import type { SubField } from "../../src/flow/types.js";
import { markSub, readSub, writeSub } from "../../src/pipeline/actions/bits.js";

const sub = (field: SubField["field"], offset: number, width: number): SubField => ({
  ...{ field, offset, width },
});

/** A key with these words, the others 0. */
function keyOf(words: Readonly<Record<number, number>>): Uint32Array {
  const key = newKey();
  for (const [word, bits] of Object.entries(words)) key[Number(word)] = bits;
  return key;
}

describe("an ARP operation, of whose 16 bits a key has 8", () => {
  const key = (): Uint32Array => keyOf({ [WORD.typeVlan]: 0x0806_1055, [WORD.ip]: 0x0200_0000 });

  it("reads the others as 0, not as those of the VLAN beside it", () => {
    expect(readSub(key(), sub("arp_op", 0, 16))).toEqual(Uint32Array.of(2));
    expect(readSub(key(), sub("arp_op", 8, 8))).toEqual(Uint32Array.of(0));
    expect(readSub(key(), sub("arp_op", 1, 11))).toEqual(Uint32Array.of(1));
  });

  it("writes and marks no bit of the VLAN", () => {
    const words = key();
    writeSub(words, sub("arp_op", 0, 16), Uint32Array.of(0x1234));
    writeSub(words, sub("arp_op", 8, 8), Uint32Array.of(0xff));
    expect(words).toEqual(keyOf({ [WORD.typeVlan]: 0x0806_1055, [WORD.ip]: 0x3400_0000 }));
    const mask = newKey();
    markSub(mask, sub("arp_op", 0, 16));
    expect(mask).toEqual(keyOf({ [WORD.ip]: 0xff00_0000 }));
  });
});

describe("nw_tos, whose two lowest bits are nw_ecn's", () => {
  const key = (): Uint32Array => keyOf({ [WORD.ip]: 0x11a7_0000 });

  it("reads them as 0", () => {
    expect(readSub(key(), sub("nw_tos", 0, 8))).toEqual(Uint32Array.of(0xa4));
    expect(readSub(key(), sub("nw_tos", 1, 3))).toEqual(Uint32Array.of(2));
    expect(readSub(key(), sub("nw_tos", 0, 2))).toEqual(Uint32Array.of(0));
    expect(readSub(key(), sub("nw_tos", 2, 3))).toEqual(Uint32Array.of(1));
  });

  it("does not write them", () => {
    const words = key();
    writeSub(words, sub("nw_tos", 1, 7), Uint32Array.of(0x7f));
    expect(words[WORD.ip]).toBe(0x11ff_0000);
    writeSub(words, sub("nw_tos", 0, 2), Uint32Array.of(0));
    expect(words[WORD.ip]).toBe(0x11ff_0000);
    writeSub(words, sub("nw_tos", 0, 8), Uint32Array.of(0x11));
    expect(words[WORD.ip]).toBe(0x1113_0000);
  });
});
