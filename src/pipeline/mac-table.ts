// The MAC learning table, shared by all workers: (MAC, VLAN) -> (port, generation of the port).
// A hash table of fixed size in shared memory; every worker looks up and learns, the main thread
// dumps it. Steps and constants: Open vSwitch 3.1, lib/mac-learning.c and ovs-actions(7) "normal".
//
// Concurrency. Buckets of 8 entries, each bucket with a sequence word (a seqlock). A learner
// makes it odd by compare-and-exchange, writes, and makes it even again; it tries a bounded number
// of times and else leaves the learning to the next frame (counted): learning is a hint, never
// a duty. A reader that saw the sequence move reads again, a bounded number of times, and then
// answers "not learned", which floods: never a torn entry, never a wrong port. Only the time
// of last use is written without the lock; the worst that can bring is a younger stranger.
//
// A port that is deleted or plugged in again leaves entries whose generation no longer fits:
// counted as stale by the caller and taken for "not learned" (FDio/vpp#1866, #1941: there they
// crashed). Every change that may alter an answer bumps the revision, so that the megaflows made
// from the old answer are translated again.

const HEADER_WORDS = 32;
/** Word 0: revision; 1: number of buckets; 2 on: counters. */
const WORD_REVISION = 0;
const WORD_BUCKETS = 1;

/** Counters (all threads; they are summed by the hardware). */
export const MAC_COUNTER = {
  learned: 2,
  moved: 3,
  evicted: 4,
  expired: 5,
  /** Lookups that found an entry of a port that is gone or was plugged in again. */
  stale: 6,
  /** Learnings left to a later frame because another worker held the bucket. */
  contended: 7,
} as const;

const BUCKET_ENTRIES = 8;
const ENTRY_WORDS = 4;
/** Sequence word, three spares, then the entries. */
const ENTRIES_AT = 4;
const BUCKET_WORDS = ENTRIES_AT + BUCKET_ENTRIES * ENTRY_WORDS;
/** Entry: MAC[0..3]; MAC[4..5] << 16 | VLAN; port << 16 | generation (0 = free); last use, s. */
const AT_HIGH = 0;
const AT_LOW = 1;
const AT_PORT = 2;
const AT_USED = 3;

const TRIES = 64;

/** What `learn` did; texts for traces. */
export const LEARNED = { known: 0, fresh: 1, moved: 2, skipped: 3 } as const;

export interface MacEntry {
  readonly port: number;
  readonly generation: number;
  readonly vlan: number;
  /** `aa:bb:cc:dd:ee:ff` */
  readonly mac: string;
  readonly ageSeconds: number;
}

export class MacTable {
  readonly buffer: SharedArrayBuffer;
  readonly agingSeconds: number;
  private readonly words: Int32Array;
  private readonly buckets: number;

  constructor(buffer: SharedArrayBuffer, agingSeconds = 300) {
    this.buffer = buffer;
    this.agingSeconds = agingSeconds;
    this.words = new Int32Array(buffer);
    this.buckets = this.words[WORD_BUCKETS]!;
  }

  /**
   * @param entries capacity, rounded up to a power of two, at least 8 (OVS default: 8192).
   * @param agingSeconds an entry not used for so long is forgotten (OVS default: 300).
   */
  static create(entries = 8192, agingSeconds = 300): MacTable {
    const buckets = 2 ** Math.ceil(Math.log2(Math.max(entries, BUCKET_ENTRIES) / BUCKET_ENTRIES));
    const words = HEADER_WORDS + buckets * BUCKET_WORDS;
    const buffer = new SharedArrayBuffer(words * Int32Array.BYTES_PER_ELEMENT);
    new Int32Array(buffer)[WORD_BUCKETS] = buckets;
    return new MacTable(buffer, agingSeconds);
  }

  /** Rises with every change that may alter the answer of a lookup. */
  revision(): number {
    return Atomics.load(this.words, WORD_REVISION);
  }

  /** One of MAC_COUNTER. */
  counter(word: number): number {
    return Atomics.load(this.words, word);
  }

  /** Counts one event; the caller's part is `stale`, which needs the ports. */
  count(word: number): void {
    Atomics.add(this.words, word, 1);
  }

  /**
   * Notes that a MAC is behind a port.
   * @param high,low the MAC: its first four bytes, its last two.
   * @param nowSeconds monotonic time, whole seconds.
   * @returns one of LEARNED.
   */
  learn(
    high: number,
    low: number,
    vlan: number,
    port: number,
    more: { generation: number; nowSeconds: number },
  ): number {
    const { words } = this;
    const tail = (low << 16) | vlan;
    const place = (port << 16) | more.generation;
    const bucket = this.bucketOf(high, tail);
    // The common case, without the lock: known, and nothing changes but the time.
    const known = this.peek(bucket, high, tail);
    if (known >= 0 && Atomics.load(words, known + AT_PORT) === (place | 0)) {
      const now = more.nowSeconds | 0;
      if (Atomics.load(words, known + AT_USED) === now) return LEARNED.known;
      if (!this.isOld(known, now)) {
        Atomics.store(words, known + AT_USED, now);
        return LEARNED.known;
      }
    }
    const sequence = this.lock(bucket);
    if (sequence < 0) {
      this.count(MAC_COUNTER.contended);
      return LEARNED.skipped;
    }
    const result = this.write(bucket, high | 0, tail | 0, place | 0, more.nowSeconds | 0);
    Atomics.store(words, bucket, (sequence + 2) & 0x7ffffffe);
    // After the entry, so that who sees the new revision also sees the new entry.
    Atomics.add(words, WORD_REVISION, 1);
    return result;
  }

  /**
   * Where a MAC was learned: port << 16 | generation (as an unsigned number), or 0 for nowhere.
   * Entries older than the ageing time count as absent.
   */
  lookup(high: number, low: number, vlan: number, nowSeconds: number): number {
    const { words } = this;
    const tail = (low << 16) | vlan;
    const bucket = this.bucketOf(high, tail);
    for (let tries = 0; tries < TRIES; tries++) {
      const sequence = Atomics.load(words, bucket);
      if ((sequence & 1) !== 0) continue;
      const at = this.scan(bucket, high, tail);
      const place = at < 0 || this.isOld(at, nowSeconds) ? 0 : Atomics.load(words, at + AT_PORT);
      if (Atomics.load(words, bucket) === sequence) return place >>> 0;
    }
    return 0;
  }

  /** Forgets everything (fdb/flush). */
  flush(): void {
    for (let i = 0; i < this.buckets; i++) {
      const bucket = HEADER_WORDS + i * BUCKET_WORDS;
      const sequence = this.lock(bucket);
      if (sequence < 0) continue;
      for (let entry = 0; entry < BUCKET_ENTRIES; entry++) {
        Atomics.store(this.words, bucket + ENTRIES_AT + entry * ENTRY_WORDS + AT_PORT, 0);
      }
      Atomics.store(this.words, bucket, (sequence + 2) & 0x7ffffffe);
    }
    Atomics.add(this.words, WORD_REVISION, 1);
  }

  /** All entries that are not too old, for fdb/show; a snapshot entry by entry. */
  entries(nowSeconds: number): MacEntry[] {
    const found: MacEntry[] = [];
    for (let i = 0; i < this.buckets * BUCKET_ENTRIES; i++) {
      const bucket = HEADER_WORDS + Math.floor(i / BUCKET_ENTRIES) * BUCKET_WORDS;
      const at = bucket + ENTRIES_AT + (i % BUCKET_ENTRIES) * ENTRY_WORDS;
      const sequence = Atomics.load(this.words, bucket);
      const place = Atomics.load(this.words, at + AT_PORT);
      const [high, tail] = [this.words[at + AT_HIGH]!, this.words[at + AT_LOW]!];
      if (place === 0 || (sequence & 1) !== 0 || this.isOld(at, nowSeconds)) continue;
      if (Atomics.load(this.words, bucket) !== sequence) continue;
      found.push({
        port: place >>> 16,
        generation: place & 0xffff,
        vlan: tail & 0xfff,
        mac: macText(high, tail >>> 16),
        ageSeconds: nowSeconds - Atomics.load(this.words, at + AT_USED),
      });
    }
    return found;
  }

  private bucketOf(high: number, tail: number): number {
    let hash = Math.imul(high ^ Math.imul(tail, 0x85ebca6b), 0x9e3779b1);
    hash ^= hash >>> 15;
    hash = Math.imul(hash, 0xc2b2ae35);
    hash ^= hash >>> 13;
    return HEADER_WORDS + (hash & (this.buckets - 1)) * BUCKET_WORDS;
  }

  private isOld(at: number, nowSeconds: number): boolean {
    return nowSeconds - Atomics.load(this.words, at + AT_USED) >= this.agingSeconds;
  }

  /** The entry of a key in a bucket, read as it is now, or -1. */
  private scan(bucket: number, high: number, tail: number): number {
    const { words } = this;
    for (let entry = 0; entry < BUCKET_ENTRIES; entry++) {
      const at = bucket + ENTRIES_AT + entry * ENTRY_WORDS;
      if (Atomics.load(words, at + AT_PORT) === 0) continue;
      if (Atomics.load(words, at + AT_HIGH) !== (high | 0)) continue;
      if (Atomics.load(words, at + AT_LOW) === (tail | 0)) return at;
    }
    return -1;
  }

  private peek(bucket: number, high: number, tail: number): number {
    const sequence = Atomics.load(this.words, bucket);
    const at = this.scan(bucket, high, tail);
    return (sequence & 1) === 0 && Atomics.load(this.words, bucket) === sequence ? at : -1;
  }

  /** Makes the sequence odd; answers what it was, or -1 if others kept it too long. */
  private lock(bucket: number): number {
    for (let tries = 0; tries < TRIES; tries++) {
      const sequence = Atomics.load(this.words, bucket) & 0x7ffffffe;
      if (Atomics.compareExchange(this.words, bucket, sequence, sequence | 1) === sequence) {
        return sequence;
      }
    }
    return -1;
  }

  /** Under the lock: finds or makes room for an entry, and writes it. */
  private write(bucket: number, high: number, tail: number, place: number, now: number): number {
    const { words } = this;
    let at = this.scan(bucket, high, tail);
    let result: number = LEARNED.fresh;
    if (at >= 0) {
      const expired = this.isOld(at, now);
      if (words[at + AT_PORT] !== place && !expired) result = LEARNED.moved;
      if (expired) this.count(MAC_COUNTER.expired);
    } else {
      at = this.victim(bucket, now);
    }
    this.count(result === LEARNED.moved ? MAC_COUNTER.moved : MAC_COUNTER.learned);
    Atomics.store(words, at + AT_HIGH, high);
    Atomics.store(words, at + AT_LOW, tail);
    Atomics.store(words, at + AT_USED, now);
    Atomics.store(words, at + AT_PORT, place);
    return result;
  }

  /**
   * A free or expired entry; else the least recently used one of the port that has most entries
   * in the bucket, so that a port that floods the table with MACs displaces its own.
   */
  private victim(bucket: number, now: number): number {
    const { words } = this;
    let chosen = -1;
    let chosenCount = 0;
    for (let entry = 0; entry < BUCKET_ENTRIES; entry++) {
      const at = bucket + ENTRIES_AT + entry * ENTRY_WORDS;
      if (words[at + AT_PORT] === 0) return at;
      if (this.isOld(at, now)) {
        this.count(MAC_COUNTER.expired);
        return at;
      }
      let count = 0;
      for (let other = 0; other < BUCKET_ENTRIES; other++) {
        const otherAt = bucket + ENTRIES_AT + other * ENTRY_WORDS;
        if (words[otherAt + AT_PORT]! >>> 16 === words[at + AT_PORT]! >>> 16) count++;
      }
      const older = chosen < 0 || words[at + AT_USED]! < words[chosen + AT_USED]!;
      if (count > chosenCount || (count === chosenCount && older)) {
        chosen = at;
        chosenCount = count;
      }
    }
    this.count(MAC_COUNTER.evicted);
    return chosen;
  }
}

function macText(high: number, low: number): string {
  const bytes = [high >>> 24, high >>> 16, high >>> 8, high, low >>> 8, low];
  return bytes.map((byte) => (byte & 0xff).toString(16).padStart(2, "0")).join(":");
}
