// Megaflows by mask: what is found, what is ranked first, and that a megaflow which takes the place
// of another is not lost with it.
import { describe, expect, it } from "vitest";
import { MegaflowTable } from "../../src/datapath/megaflow-table.js";
import { KEY_PACKET_WORDS, newKey, WORD } from "../../src/flow/key.js";
import type { Megaflow } from "../../src/flow/odp.js";

function megaflow(word: number, value: number): Megaflow {
  const [mask, key] = [new Uint32Array(KEY_PACKET_WORDS), new Uint32Array(KEY_PACKET_WORDS)];
  mask[word] = 0xffffffff;
  key[word] = value;
  return {
    ...{ mask, key, actions: new Int32Array(0), operands: [], isPlain: true, ends: 0 },
    ...{ dropReason: 0, flowRecords: new Int32Array(0), stamp: 0, macStamp: -1, refreshes: false },
    ...{
      uncacheable: false,
      serial: 0,
      packets: 0,
      bytes: 0,
      translatedMs: 0,
      usedMs: 0,
      dead: false,
    },
  };
}

function keyWith(word: number, value: number): Uint32Array {
  const key = newKey();
  key[word] = value;
  return key;
}

describe("the table of megaflows", () => {
  it("finds a megaflow by the bits of its mask, and forgets it with its mask", () => {
    const table = new MegaflowTable();
    const one = megaflow(WORD.nwDst, 7);
    table.insert(one);
    table.insert(megaflow(WORD.nwSrc, 9));
    const key = keyWith(WORD.nwDst, 7);
    key[WORD.ports] = 80;
    expect(table.lookup(key)).toBe(one);
    expect(table.lookup(keyWith(WORD.nwDst, 8))).toBeNull();
    expect([table.size, table.masks, table.all().length]).toEqual([2, 2, 2]);
    table.remove(one);
    table.remove(one);
    expect(one.dead).toBe(true);
    expect(table.lookup(key)).toBeNull();
    expect([table.size, table.masks]).toEqual([1, 1]);
  });

  it("one of the same frames takes the place of the other, which dies and is gone", () => {
    const table = new MegaflowTable();
    const [old, fresh] = [megaflow(WORD.nwDst, 7), megaflow(WORD.nwDst, 7)];
    table.insert(old);
    table.insert(fresh);
    expect([old.dead, fresh.dead, table.size]).toEqual([true, false, 1]);
    table.remove(old);
    expect(table.lookup(keyWith(WORD.nwDst, 7))).toBe(fresh);
    expect(table.all()).toEqual([fresh]);
  });

  it("uses a place again that became free", () => {
    const table = new MegaflowTable();
    const stays = megaflow(WORD.nwDst, 1);
    table.insert(stays);
    for (let i = 0; i < 100; i++) {
      const guest = megaflow(WORD.nwDst, 2 + i);
      table.insert(guest);
      table.remove(guest);
    }
    expect(table.all()).toEqual([stays]);
  });
});
