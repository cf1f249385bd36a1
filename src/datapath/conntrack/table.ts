// The connections of all workers in one shared memory: a hash table of fixed size in which each
// connection is found under two tuples, that of its packets and that of the answers.
//
// Concurrency. Looking up takes no lock: a version word is odd while somebody changes a chain, and
// who saw it move looks again. Adding and removing hold one lock. State, life time, mark and label
// of a connection are words of their own, written by whoever has a packet of it. A worker that
// finds the lock held for too long (its holder died) goes on without: its packet is not committed.
//
// Every connection that is added looks at a few old ones and removes those whose time is over, so
// that no thread has to sweep.
import { rehash } from "../../flow/key.js";
import { releaseLock, takeLock } from "../../sync/spin-lock.js";
import { TUPLE } from "./tuple.js";

/** Words of the header: version, lock, capacity, free list, next never used, cursor, counters. */
const HEAD = { version: 0, lock: 1, capacity: 2, free: 3, fresh: 4, cursor: 5, count: 6 } as const;
const HEADER_WORDS = 32;

/** Words of a connection; flags 0: free. */
export const CONN = {
  flags: 0,
  state: 1,
  expires: 2,
  mark: 3,
  label: 4,
  nextOriginal: 8,
  nextReply: 9,
  original: 10,
  reply: 10 + TUPLE.words,
  words: 32,
} as const;

export const CONN_FLAG = { used: 1, sourceNat: 2, destinationNat: 4 } as const;

/** Life times are kept in sixteenths of a second. */
export const TICKS_PER_SECOND = 16;
const LOOKS = 64;
const CHAIN_MAX = 4096;
const SWEPT_PER_ADD = 4;

export function ticksOf(nowMs: number): number {
  return Math.floor((nowMs * TICKS_PER_SECOND) / 1000);
}

export class ConnectionTable {
  readonly buffer: SharedArrayBuffer;
  readonly words: Int32Array;
  private readonly capacity: number;
  private readonly places: number;
  /** Whether the last `find` found the tuple of the answers. */
  foundReply = false;

  constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer;
    this.words = new Int32Array(buffer);
    this.capacity = this.words[HEAD.capacity]!;
    this.places = HEADER_WORDS + 2 * this.capacity;
  }

  /** @param capacity the most connections at a time; a power of two. */
  static create(capacity: number): ConnectionTable {
    const words = HEADER_WORDS + 2 * capacity + capacity * CONN.words;
    const buffer = new SharedArrayBuffer(words * Int32Array.BYTES_PER_ELEMENT);
    new Int32Array(buffer)[HEAD.capacity] = capacity;
    return new ConnectionTable(buffer);
  }

  /** Connections, with those whose time is over but that nobody has swept yet. */
  get size(): number {
    return Atomics.load(this.words, HEAD.count);
  }

  /** Offset of the connection that has this tuple, either way; -1: none that is alive. */
  find(tuple: Int32Array, nowTicks: number): number {
    const { words } = this;
    for (let look = 0; look < LOOKS; look++) {
      const version = Atomics.load(words, HEAD.version);
      if ((version & 1) !== 0) continue;
      const found = this.walk(tuple, nowTicks);
      if (Atomics.load(words, HEAD.version) === version) return found;
    }
    if (!takeLock(words, HEAD.lock)) return -1;
    const found = this.walk(tuple, nowTicks);
    releaseLock(words, HEAD.lock);
    return found;
  }

  /**
   * Adds a connection; its state is 0 and its end is now.
   * @param reply the tuple of the answers.
   * @returns its offset; -1: no room, the tuple is taken, or the lock was not to be had.
   */
  add(original: Int32Array, reply: Int32Array, flags: number, nowTicks: number): number {
    const { words } = this;
    if (!takeLock(words, HEAD.lock)) return -1;
    this.sweep(nowTicks);
    const taken = this.walk(original, nowTicks) >= 0 || this.walk(reply, nowTicks) >= 0;
    const at = taken ? -1 : this.take();
    if (at >= 0) {
      words.fill(0, at, at + CONN.words);
      words.set(original, at + CONN.original);
      words.set(reply, at + CONN.reply);
      words[at + CONN.expires] = nowTicks;
      Atomics.add(words, HEAD.version, 1);
      this.link(at, CONN.original, CONN.nextOriginal, 0);
      this.link(at, CONN.reply, CONN.nextReply, 1);
      Atomics.store(words, at + CONN.flags, flags | CONN_FLAG.used);
      Atomics.add(words, HEAD.version, 1);
      words[HEAD.count]!++;
    }
    releaseLock(words, HEAD.lock);
    return at;
  }

  /** Removes a connection, if it still has this tuple. */
  remove(at: number): void {
    const { words } = this;
    if (!takeLock(words, HEAD.lock)) return;
    this.unlinkBoth(at);
    releaseLock(words, HEAD.lock);
  }

  /**
   * Removes connections. Any thread.
   * @param zone null: of all zones.
   * @param isMeant whether the one at this offset is meant; without it, all are.
   */
  flush(zone: number | null, isMeant?: (at: number) => boolean): void {
    const { words } = this;
    if (!takeLock(words, HEAD.lock)) return;
    for (const at of this.all()) {
      const own = words[at + CONN.original + TUPLE.kind]! >>> 16;
      if ((zone === null || own === zone) && isMeant?.(at) !== false) this.unlinkBoth(at);
    }
    releaseLock(words, HEAD.lock);
  }

  /** Offsets of all connections; for dumps. */
  all(): number[] {
    const found: number[] = [];
    const end = Math.min(Atomics.load(this.words, HEAD.fresh), this.capacity);
    for (let i = 0; i < end; i++) {
      const at = this.places + i * CONN.words;
      if (Atomics.load(this.words, at + CONN.flags) !== 0) found.push(at);
    }
    return found;
  }

  private walk(tuple: Int32Array, nowTicks: number): number {
    const { words } = this;
    let node = Atomics.load(words, this.bucketOf(tuple, 0));
    for (let step = 0; node !== 0 && step < CHAIN_MAX; step++) {
      const at = this.places + ((node - 1) >>> 1) * CONN.words;
      const isReply = ((node - 1) & 1) !== 0;
      if (this.has(at + (isReply ? CONN.reply : CONN.original), tuple)) {
        this.foundReply = isReply;
        return words[at + CONN.expires]! < nowTicks ? -1 : at;
      }
      node = Atomics.load(words, at + (isReply ? CONN.nextReply : CONN.nextOriginal));
    }
    return -1;
  }

  private has(at: number, tuple: Int32Array): boolean {
    for (let i = 0; i < TUPLE.words; i++) if (this.words[at + i] !== tuple[i]) return false;
    return true;
  }

  /** The word that holds the first node of a tuple's chain. @param at where the tuple begins. */
  private bucketOf(tuple: Int32Array, at: number): number {
    let hash = 0;
    for (let i = 0; i < TUPLE.words; i++) hash = rehash(hash, tuple[at + i]!);
    return HEADER_WORDS + (hash & (2 * this.capacity - 1));
  }

  private link(at: number, tuple: number, next: number, way: number): void {
    const { words } = this;
    const bucket = this.bucketOf(words, at + tuple);
    Atomics.store(words, at + next, words[bucket]!);
    Atomics.store(words, bucket, (((at - this.places) / CONN.words) * 2 + way + 1) | 0);
  }

  private unlinkBoth(at: number): void {
    const { words } = this;
    if (words[at + CONN.flags] === 0) return;
    Atomics.add(words, HEAD.version, 1);
    this.unlink(at, CONN.original, CONN.nextOriginal, 0);
    this.unlink(at, CONN.reply, CONN.nextReply, 1);
    Atomics.store(words, at + CONN.flags, 0);
    Atomics.add(words, HEAD.version, 1);
    words[at + CONN.nextOriginal] = words[HEAD.free]!;
    words[HEAD.free] = (at - this.places) / CONN.words + 1;
    words[HEAD.count]!--;
  }

  private unlink(at: number, tuple: number, next: number, way: number): void {
    const { words } = this;
    const node = ((at - this.places) / CONN.words) * 2 + way + 1;
    let link = this.bucketOf(words, at + tuple);
    for (let step = 0; words[link] !== 0 && step < CHAIN_MAX; step++) {
      const each = words[link]!;
      if (each === node) {
        Atomics.store(words, link, words[at + next]!);
        return;
      }
      const other = this.places + ((each - 1) >>> 1) * CONN.words;
      link = other + (((each - 1) & 1) !== 0 ? CONN.nextReply : CONN.nextOriginal);
    }
  }

  /** A free place, under the lock; -1 when all are taken. */
  private take(): number {
    const { words } = this;
    const free = words[HEAD.free]!;
    if (free !== 0) {
      const at = this.places + (free - 1) * CONN.words;
      words[HEAD.free] = words[at + CONN.nextOriginal]!;
      return at;
    }
    const fresh = words[HEAD.fresh]!;
    if (fresh >= this.capacity) return -1;
    words[HEAD.fresh] = fresh + 1;
    return this.places + fresh * CONN.words;
  }

  /** Looks at a few connections, under the lock; of a full table, at all. */
  private sweep(nowTicks: number): void {
    const { words } = this;
    const fresh = words[HEAD.fresh]!;
    const isFull = words[HEAD.free] === 0 && fresh >= this.capacity;
    for (let i = isFull ? this.capacity : Math.min(SWEPT_PER_ADD, fresh); i > 0; i--) {
      const place = words[HEAD.cursor]! % fresh;
      words[HEAD.cursor] = place + 1;
      const at = this.places + place * CONN.words;
      if (words[at + CONN.flags] !== 0 && words[at + CONN.expires]! < nowTicks) {
        this.unlinkBoth(at);
      }
    }
  }
}
