// The only place that makes random numbers, always from a seed that is printed with each result.

/** A small seeded generator (xorshift32); the same seed gives the same sequence everywhere. */
export class Random {
  private state: number;

  /** @param seed any integer; 0 is replaced, as xorshift cannot leave it. */
  constructor(seed: number) {
    this.state = (seed ^ 0x9e3779b9) | 0 || 0x6d2b79f5;
    // The first outputs of xorshift from similar seeds are similar; these four are thrown away.
    for (let i = 0; i < 4; i++) this.next();
  }

  /** A whole number, 0 to 2^32 - 1. */
  next(): number {
    let x = this.state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.state = x;
    return x >>> 0;
  }

  /** A whole number, 0 to `bound` - 1. */
  below(bound: number): number {
    return Math.floor((this.next() / 0x1_0000_0000) * bound);
  }

  /** A fraction in [0, 1). */
  fraction(): number {
    return this.next() / 0x1_0000_0000;
  }

  pick<T>(items: readonly T[]): T {
    if (items.length === 0) throw new RangeError("nothing to pick from");
    return items[this.below(items.length)] as T;
  }

  /** A generator for a part of the work, independent of how much this one is used afterwards. */
  fork(): Random {
    return new Random(this.next());
  }
}
