// A set of 64-bit hashes, each as two words, with open addressing. Hashes come in batches: the
// places of a batch are read first, so that the processor waits for memory once and not for each.
// One owner, the search by hashes.

/** Up to so many hashes, the table grows fourfold. */
const WIDE_COUNT = 1 << 22;

/** Words of a step to be taken: what leads to the state, and its hash. */
export const PENDING = 3;

export class HashTable {
  count = 0;
  /** Hashes of the batch. */
  length = 0;
  /** Written so that touching is no dead code. */
  touched = 0;
  /** Pairs of words; a pair of zeros is empty. */
  private table = new Int32Array(1 << 16);
  /** Most hashes before it grows. */
  private room = 1 << 14;
  // The batch.
  private low = new Int32Array(256);
  private high = new Int32Array(256);
  private by = new Int32Array(256);

  /** Adds one; whether it was new. */
  add(low: number, high: number): boolean {
    const { table } = this;
    const mask = table.length - 1;
    const second = (low | high) === 0 ? 1 : high;
    for (let at = (low << 1) & mask; ; at = (at + 2) & mask) {
      if (table[at] === low && table[at + 1] === second) return false;
      if ((table[at]! | table[at + 1]!) !== 0) continue;
      table[at] = low;
      table[at + 1] = second;
      if (++this.count > this.room) this.grow();
      return true;
    }
  }

  /** Puts a hash into the batch, with what led to it. */
  touch(low: number, high: number, by: number): void {
    if (this.length === this.low.length) this.widen();
    const { length, table } = this;
    this.touched ^= table[(low << 1) & (table.length - 1)]!;
    this.low[length] = low;
    this.high[length] = high;
    this.by[length] = by;
    this.length = length + 1;
  }

  /**
   * Adds the batch. Of the new ones, what led to them and both words go into `into` from `at`;
   * returns where that ends.
   */
  addAll(into: Int32Array, at: number): number {
    const { low, high, by, length } = this;
    let end = at;
    for (let i = 0; i < length; i++) {
      if (!this.add(low[i]!, high[i]!)) continue;
      into[end] = by[i]!;
      into[end + 1] = low[i]!;
      into[end + 2] = high[i]!;
      end += PENDING;
    }
    return end;
  }

  private grow(): void {
    const before = this.table;
    const factor = this.count < WIDE_COUNT ? 4 : 2;
    this.table = new Int32Array(factor * before.length);
    this.room *= factor;
    const mask = this.table.length - 1;
    for (let from = 0; from < before.length; from += 2) {
      if ((before[from]! | before[from + 1]!) === 0) continue;
      let at = (before[from]! << 1) & mask;
      while ((this.table[at]! | this.table[at + 1]!) !== 0) at = (at + 2) & mask;
      this.table[at] = before[from]!;
      this.table[at + 1] = before[from + 1]!;
    }
  }

  private widen(): void {
    const twice = (array: Int32Array) => {
      const wider = new Int32Array(2 * array.length);
      wider.set(array);
      return wider;
    };
    this.low = twice(this.low);
    this.high = twice(this.high);
    this.by = twice(this.by);
  }
}
