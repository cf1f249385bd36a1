// A hash table of keys under one mask, in one array of words: a lookup that finds something has
// touched one place in memory, whatever the number of keys. Open addressing with linear probing;
// a row is its hash, a number that the caller chose (0: the row is free), and the words of the key
// in which the mask has bits. Subtables of the classifier and megaflows are kept in it. Owned by
// one thread; a lookup allocates nothing.

const HASH = 0;
const NUMBER = 1;
const WORDS = 2;
const FIRST_BITS = 3;
/** Spreads hashes over the places by their upper bits: 2^32 over the golden ratio (Knuth). */
const SPREAD = 0x9e3779b1 | 0;

/** Mixes one more word into a hash. */
export function hashWord(hash: number, word: number): number {
  const mixed = Math.imul(hash ^ word, SPREAD);
  return mixed ^ (mixed >>> 15);
}

export class PackedTable {
  /** What is compared: the index of a word and its mask, in turn. */
  private readonly looks: Int32Array;
  private readonly stride: number;
  private bits = FIRST_BITS;
  private rows: Int32Array;
  private count = 0;

  /** @param words the words that are compared, in any order; none: only hashes are. */
  constructor(mask: Uint32Array, words: readonly number[]) {
    this.looks = Int32Array.from(words.flatMap((word) => [word, mask[word]! | 0]));
    this.stride = WORDS + words.length;
    this.rows = new Int32Array(this.stride << FIRST_BITS);
  }

  /** Number of rows in use. */
  get size(): number {
    return this.count;
  }

  /** A hash of the words under the mask. */
  hash(key: Uint32Array): number {
    const { looks } = this;
    let hash = 0;
    for (let i = 0; i < looks.length; i += 2)
      hash = hashWord(hash, key[looks[i]!]! & looks[i + 1]!);
    return hash;
  }

  /** Sets the bits of the mask. */
  addMask(to: Uint32Array): void {
    const { looks } = this;
    for (let i = 0; i < looks.length; i += 2) to[looks[i]!]! |= looks[i + 1]!;
  }

  /**
   * The number of the row of this key, or 0.
   * @param hash as `hash` says, or, without words, any 32 bits.
   */
  find(key: Uint32Array, hash: number): number {
    const { rows, stride } = this;
    const last = (1 << this.bits) - 1;
    // A fourth of the rows is always free, so this ends.
    for (let place = this.home(hash); ; place = (place + 1) & last) {
      const at = place * stride;
      const number = rows[at + NUMBER]!;
      if (number === 0 || (rows[at + HASH] === hash && this.agrees(key, at))) return number;
    }
  }

  /**
   * Gives the row of this key a number, and makes the row if there is none.
   * @param number 1 to 2^31 - 1; 0 takes the row out.
   */
  put(key: Uint32Array, hash: number, number: number): void {
    const last = (1 << this.bits) - 1;
    let place = this.home(hash);
    while (!this.isFree(place)) {
      const at = place * this.stride;
      if (this.rows[at + HASH] === hash && this.agrees(key, at)) {
        if (number === 0) this.remove(place);
        else this.rows[at + NUMBER] = number;
        return;
      }
      place = (place + 1) & last;
    }
    if (number === 0) return;
    const at = place * this.stride;
    this.rows[at + HASH] = hash;
    this.rows[at + NUMBER] = number;
    const { looks } = this;
    for (let i = 0; i < looks.length; i += 2) {
      this.rows[at + WORDS + (i >> 1)] = key[looks[i]!]! & looks[i + 1]!;
    }
    this.count++;
    if (this.count * 4 > (last + 1) * 3) this.grow();
  }

  private agrees(key: Uint32Array, at: number): boolean {
    const { rows, looks } = this;
    for (let i = 0; i < looks.length; i += 2) {
      if ((key[looks[i]!]! & looks[i + 1]!) !== rows[at + WORDS + (i >> 1)]) return false;
    }
    return true;
  }

  /** Where the search for a hash begins. */
  private home(hash: number): number {
    return Math.imul(hash, SPREAD) >>> (32 - this.bits);
  }

  private isFree(place: number): boolean {
    return this.rows[place * this.stride + NUMBER] === 0;
  }

  /** Rows that a search reaches only over the gap are moved back into it, one after the other. */
  private remove(place: number): void {
    const { rows, stride } = this;
    const last = (1 << this.bits) - 1;
    let gap = place;
    for (let next = (gap + 1) & last; !this.isFree(next); next = (next + 1) & last) {
      const fromHome = (next - this.home(rows[next * stride + HASH]!)) & last;
      if (fromHome < ((next - gap) & last)) continue;
      rows.copyWithin(gap * stride, next * stride, (next + 1) * stride);
      gap = next;
    }
    rows.fill(0, gap * stride, (gap + 1) * stride);
    this.count--;
  }

  private grow(): void {
    const { rows: old, stride } = this;
    this.bits++;
    this.rows = new Int32Array(stride << this.bits);
    const last = (1 << this.bits) - 1;
    for (let at = 0; at < old.length; at += stride) {
      if (old[at + NUMBER] === 0) continue;
      let place = this.home(old[at + HASH]!);
      while (!this.isFree(place)) place = (place + 1) & last;
      this.rows.set(old.subarray(at, at + stride), place * stride);
    }
  }
}
