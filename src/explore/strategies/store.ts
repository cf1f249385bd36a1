// A set of vectors of one width that numbers its members in the order of their arrival. Members are
// kept whole: none is taken for another because hashes agree. Any thread.

export class VectorStore {
  count = 0;
  private readonly width: number;
  private arena: Int32Array;
  private table = new Int32Array(1 << 12);

  constructor(width: number) {
    this.width = width;
    this.arena = new Int32Array(1024 * width);
  }

  /** A view of a member; not to be written, and gone stale at the next insert. */
  at(index: number): Int32Array {
    return this.arena.subarray(index * this.width, (index + 1) * this.width);
  }

  /** The number of a vector, which is new (then it is the last number) or known. */
  insert(vector: Int32Array): number {
    if (2 * this.count >= this.table.length) this.rehash();
    const mask = this.table.length - 1;
    for (let at = hash(vector, this.width) & mask; ; at = (at + 1) & mask) {
      const entry = this.table[at]!;
      if (entry === 0) {
        this.table[at] = this.count + 1;
        return this.append(vector);
      }
      if (this.isSame(entry - 1, vector)) return entry - 1;
    }
  }

  private isSame(index: number, vector: Int32Array): boolean {
    const from = index * this.width;
    for (let i = 0; i < this.width; i++) if (this.arena[from + i] !== vector[i]) return false;
    return true;
  }

  private append(vector: Int32Array): number {
    const from = this.count * this.width;
    if (from + this.width > this.arena.length) {
      const wider = new Int32Array(2 * this.arena.length);
      wider.set(this.arena);
      this.arena = wider;
    }
    this.arena.set(vector, from);
    return this.count++;
  }

  private rehash(): void {
    this.table = new Int32Array(4 * this.table.length);
    const mask = this.table.length - 1;
    for (let index = 0; index < this.count; index++) {
      let at = hash(this.at(index), this.width) & mask;
      while (this.table[at] !== 0) at = (at + 1) & mask;
      this.table[at] = index + 1;
    }
  }
}

function hash(vector: Int32Array, width: number): number {
  let h = 0x9747b28c;
  for (let i = 0; i < width; i++) {
    h = Math.imul(h ^ vector[i]!, 0xcc9e2d51);
    h ^= h >>> 15;
  }
  h = Math.imul(h ^ (h >>> 13), 0x85ebca6b);
  return (h ^ (h >>> 16)) >>> 0;
}
