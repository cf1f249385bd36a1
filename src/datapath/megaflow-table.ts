// The second level of the fast path: megaflows in one hash table per distinct mask. Megaflows that
// are current do not overlap, so the first hit is the answer; the tables are visited in the
// order of their recent hits (Open vSwitch: dpcls, lib/dpif-netdev.c). One per worker; a lookup
// allocates nothing.
import type { Megaflow } from "../flow/odp.js";

interface MaskTable {
  readonly mask: Uint32Array;
  /** The words in which the mask has bits. */
  readonly words: Int32Array;
  /** Chains through `Megaflow.next`; the length is a power of two. */
  buckets: (Megaflow | null)[];
  count: number;
  /** Hits since the last ranking. */
  hits: number;
}

const FIRST_BUCKETS = 16;

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
      const hash = maskedHash(key, table.mask, table.words);
      let megaflow = table.buckets[hash & (table.buckets.length - 1)] as Megaflow | null;
      for (; megaflow !== null; megaflow = megaflow.next) {
        if (megaflow.hash !== hash || !agrees(key, megaflow, table.words)) continue;
        table.hits++;
        return megaflow;
      }
    }
    return null;
  }

  insert(megaflow: Megaflow): void {
    const table = this.tableOf(megaflow.mask);
    if (table.count >= table.buckets.length) grow(table);
    megaflow.hash = maskedHash(megaflow.key, table.mask, table.words);
    link(table, megaflow);
    table.count++;
    this.size++;
  }

  /** Takes a megaflow out and marks it dead. */
  remove(megaflow: Megaflow): void {
    if (megaflow.dead) return;
    megaflow.dead = true;
    const table = this.tableOf(megaflow.mask);
    const at = megaflow.hash & (table.buckets.length - 1);
    let before: Megaflow | null = null;
    let each = table.buckets[at] as Megaflow | null;
    while (each !== null && each !== megaflow) {
      before = each;
      each = each.next;
    }
    if (each === null) return;
    if (before === null) table.buckets[at] = each.next;
    else before.next = each.next;
    each.next = null;
    table.count--;
    this.size--;
    if (table.count === 0) this.tables = this.tables.filter((other) => other !== table);
  }

  /** Puts the tables that were hit most since the last call in front. */
  rank(): void {
    this.tables.sort((a, b) => b.hits - a.hits);
    for (const table of this.tables) table.hits = 0;
  }

  /** All megaflows, for sweeps and dumps. */
  all(): Megaflow[] {
    const found: Megaflow[] = [];
    for (const table of this.tables) {
      for (const first of table.buckets) {
        for (let each = first; each !== null; each = each.next) found.push(each);
      }
    }
    return found;
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
      words: Int32Array.from(words),
      buckets: new Array<Megaflow | null>(FIRST_BUCKETS).fill(null),
      count: 0,
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

function maskedHash(key: Uint32Array, mask: Uint32Array, words: Int32Array): number {
  let hash = 0;
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    hash = Math.imul(hash ^ (key[word]! & mask[word]!), 0x9e3779b1);
    hash ^= hash >>> 15;
  }
  return hash;
}

function agrees(key: Uint32Array, megaflow: Megaflow, words: Int32Array): boolean {
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    if (((key[word]! ^ megaflow.key[word]!) & megaflow.mask[word]!) !== 0) return false;
  }
  return true;
}

function link(table: MaskTable, megaflow: Megaflow): void {
  const at = megaflow.hash & (table.buckets.length - 1);
  megaflow.next = table.buckets[at] as Megaflow | null;
  table.buckets[at] = megaflow;
}

function grow(table: MaskTable): void {
  const old = table.buckets;
  table.buckets = new Array<Megaflow | null>(old.length * 2).fill(null);
  for (const first of old) {
    let each = first;
    while (each !== null) {
      const next: Megaflow | null = each.next;
      link(table, each);
      each = next;
    }
  }
}
