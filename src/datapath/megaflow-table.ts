// The second level of the fast path: megaflows in one hash table per distinct mask. Megaflows that
// are current do not overlap, so the first hit is the answer; the tables are visited in the
// order of their recent hits (Open vSwitch: dpcls, lib/dpif-netdev.c). One per worker; a lookup
// allocates nothing.
import { PackedTable } from "../classifier/packed-table.js";
import type { Megaflow } from "../flow/odp.js";

interface MaskTable {
  readonly mask: Uint32Array;
  /** The place in `megaflows` of each key. */
  readonly places: PackedTable;
  /** From 1; null: free. */
  readonly megaflows: (Megaflow | null)[];
  readonly freePlaces: number[];
  /** Hits since the last ranking. */
  hits: number;
}

export class MegaflowTable {
  private tables: MaskTable[] = [];
  size = 0;

  /** Number of distinct masks. */
  get masks(): number {
    return this.tables.length;
  }

  /** The megaflow of a key, or null. */
  lookup(key: Uint32Array): Megaflow | null {
    const { tables } = this;
    for (let i = 0; i < tables.length; i++) {
      const table = tables[i] as MaskTable;
      const { places } = table;
      const place = places.find(key, places.hash(key));
      if (place === 0) continue;
      table.hits++;
      return table.megaflows[place] as Megaflow;
    }
    return null;
  }

  /** Puts a megaflow in. One of the same frames, from before a change, dies. */
  insert(megaflow: Megaflow): void {
    const { places, megaflows, freePlaces } = this.tableOf(megaflow.mask);
    const { key } = megaflow;
    const hash = places.hash(key);
    const old = places.find(key, hash);
    if (old > 0) {
      megaflows[old]!.dead = true;
      megaflows[old] = megaflow;
      return;
    }
    const place = freePlaces.pop() ?? megaflows.length;
    megaflows[place] = megaflow;
    places.put(key, hash, place);
    this.size++;
  }

  /** Takes a megaflow out and marks it dead. */
  remove(megaflow: Megaflow): void {
    if (megaflow.dead) return;
    megaflow.dead = true;
    const { key, mask } = megaflow;
    const table = this.tableOf(mask);
    const { places, megaflows } = table;
    const hash = places.hash(key);
    const place = places.find(key, hash);
    places.put(key, hash, 0);
    megaflows[place] = null;
    table.freePlaces.push(place);
    this.size--;
    if (places.size === 0) this.tables = this.tables.filter((other) => other !== table);
  }

  /** Puts the tables that were hit most since the last call in front. */
  rank(): void {
    this.tables.sort((a, b) => b.hits - a.hits);
    for (const table of this.tables) table.hits = 0;
  }

  /** All megaflows, for sweeps and dumps. */
  all(): Megaflow[] {
    return this.tables.flatMap(({ megaflows }) => megaflows.filter((each) => each !== null));
  }

  private tableOf(mask: Uint32Array): MaskTable {
    const known = this.tables.find((table) => sameMask(table.mask, mask));
    if (known !== undefined) return known;
    const words: number[] = [];
    mask.forEach((bits, word) => {
      if (bits !== 0) words.push(word);
    });
    const table: MaskTable = {
      mask: mask.slice(),
      places: new PackedTable(mask, words),
      megaflows: [null],
      freePlaces: [],
      hits: 0,
    };
    this.tables.push(table);
    return table;
  }
}

/** Whether two masks look at the same bits; a longer one also looks at metadata. */
export function sameMask(a: Uint32Array, b: Uint32Array): boolean {
  return a.length === b.length && a.every((bits, i) => bits === b[i]);
}
