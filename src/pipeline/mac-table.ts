// The MAC learning table, shared by all workers: (MAC, VLAN) -> (port, generation of the port).
// A chained hash table in shared memory; every worker looks up and learns, the main thread dumps
// it. Steps and constants: Open vSwitch 3.1, lib/mac-learning.c and ovs-actions(7) "normal".
//
// Order. Entries of one port form a list, least recently used first, and ports that have entries
// form a list too. When the table is full, the port with most entries loses its least recently used
// one, so that a port that floods the table with MACs displaces its own.
//
// Concurrency. Writers take one lock; a learner tries a bounded number of times and else leaves the
// learning to the next frame (counted): learning is a hint, never a duty. Readers take no lock:
// every chain has a sequence word (a seqlock), odd while it is changed. A reader that saw it move
// reads again, a bounded number of times, and then answers "not learned", which floods: never a
// torn entry, never a wrong port. Only the time of last use is read without more ado.
//
// A port that is deleted or plugged in again leaves entries whose generation no longer fits:
// counted as stale by the caller and taken for "not learned" (FDio/vpp#1866, #1941: there they
// crashed). Every change that may alter an answer bumps the revision, so that the megaflows made
// from the old answer are translated again.
import { PacketpathError } from "../base/errors.js";
import {
  AT,
  entryAt,
  HEADER,
  HEADER_WORDS,
  linkFirst,
  linkLast,
  PORT,
  tableWords,
  unlink,
  unlinkPort,
} from "./switching/mac-lists.js";

/** Counters (all threads; they are summed by the hardware). */
export const MAC_COUNTER = {
  learned: 2,
  moved: 3,
  evicted: 4,
  expired: 5,
  /** Lookups that found an entry of a port that is gone or was plugged in again. */
  stale: 6,
  /** Learnings left to a later frame because another worker held the table. */
  contended: 7,
} as const;

/** Limits of Open vSwitch: what is beyond counts as the nearest. */
export const MAC_LIMITS = { entries: [10, 1_000_000], agingSeconds: [15, 3600] } as const;
const DEFAULT_ENTRIES = 8192;
const DEFAULT_AGING_SECONDS = 300;
const TRIES = 64;
/** Entries on one chain that a lookup is ready to pass. */
const CHAIN_MAX = 256;
/** Times TRIES that the control thread tries: seconds. */
const CONTROL_WAITS_MAX = 10_000_000;
const STATIC = 1;

/** What `learn` did; texts for traces. */
export const LEARNED = { known: 0, fresh: 1, moved: 2, skipped: 3 } as const;

export interface MacEntry {
  readonly port: number;
  readonly generation: number;
  readonly vlan: number;
  /** `aa:bb:cc:dd:ee:ff` */
  readonly mac: string;
  readonly ageSeconds: number;
  /** Added by hand: neither moves nor ages. */
  readonly isStatic: boolean;
}

function clamp(value: number, [least, most]: readonly [number, number]): number {
  return Math.min(most, Math.max(least, Math.floor(value)));
}

/** What is written into the table: MAC and VLAN as two words, place, time, whether it stays. */
interface NewEntry {
  readonly high: number;
  readonly tail: number;
  readonly place: number;
  readonly now: number;
  readonly isStatic: boolean;
}

export class MacTable {
  readonly buffer: SharedArrayBuffer;
  private readonly words: Int32Array;
  private readonly chains: number;
  /** Entries that there is memory for. */
  private readonly room: number;

  /** @param buffer of `MacTable.create().buffer`, in the threads that did not create it. */
  constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer;
    this.words = new Int32Array(buffer);
    this.chains = this.words[HEADER.chains]!;
    const bare = tableWords(this.chains, 0);
    this.room = (this.words.length - bare) / (tableWords(this.chains, 1) - bare);
  }

  /**
   * @param entries the most entries at a time; clamped to 10 to 1,000,000 (default 8192).
   * @param agingSeconds an entry not used for so long is forgotten; clamped to 15 to 3600
   *   (default 300).
   */
  static create(entries = DEFAULT_ENTRIES, agingSeconds = DEFAULT_AGING_SECONDS): MacTable {
    const most = clamp(entries, MAC_LIMITS.entries);
    const chains = 2 ** Math.ceil(Math.log2(most));
    const bytes = tableWords(chains, most) * Int32Array.BYTES_PER_ELEMENT;
    const words = new Int32Array(new SharedArrayBuffer(bytes));
    words[HEADER.chains] = chains;
    words[HEADER.maxEntries] = most;
    const table = new MacTable(words.buffer);
    table.setAging(agingSeconds);
    return table;
  }

  get maxEntries(): number {
    return this.words[HEADER.maxEntries]!;
  }

  /**
   * Sets how many entries there may be: 10 to as many as there is memory for. What is too much
   * then, least recently used first, counts as expired (mac_learning_run).
   */
  setMaxEntries(entries: number): void {
    const most = clamp(entries, [MAC_LIMITS.entries[0], this.room]);
    if (most === this.maxEntries) return;
    Atomics.store(this.words, HEADER.maxEntries, most);
    for (const { high, low, vlan } of this.addressesByUse().slice(0, -most)) {
      if (this.remove(high, low, vlan)) this.count(MAC_COUNTER.expired);
    }
    this.changed();
  }

  /** Entries in the table, also those that are too old and not yet swept. */
  get size(): number {
    return Atomics.load(this.words, HEADER.size);
  }

  /** Entries that were added by hand. */
  get staticEntries(): number {
    return Atomics.load(this.words, HEADER.staticSize);
  }

  get agingSeconds(): number {
    return Atomics.load(this.words, HEADER.aging);
  }

  setAging(seconds: number): void {
    Atomics.store(this.words, HEADER.aging, clamp(seconds, MAC_LIMITS.agingSeconds));
    this.changed();
  }

  /** Rises with every change that may alter the answer of a lookup. */
  revision(): number {
    return Atomics.load(this.words, HEADER.revision);
  }

  /** One of MAC_COUNTER. */
  counter(word: number): number {
    return Atomics.load(this.words, word);
  }

  /** Counts one event; the caller's part is `stale`, which needs the ports. */
  count(word: number): void {
    Atomics.add(this.words, word, 1);
  }

  /** Sets all counters to 0 (fdb/stats-clear). */
  clearCounters(): void {
    for (const word of Object.values(MAC_COUNTER)) Atomics.store(this.words, word, 0);
  }

  /**
   * Notes that a MAC is behind a port.
   * @param high,low the MAC: its first four bytes, its last two.
   * @param more.nowSeconds monotonic time, whole seconds.
   * @param more.isStatic adds the entry by hand (fdb/add): what is learned never moves it.
   * @returns one of LEARNED.
   */
  learn(
    high: number,
    low: number,
    vlan: number,
    port: number,
    more: { generation: number; nowSeconds: number; isStatic?: boolean },
  ): number {
    const { words } = this;
    const tail = (low << 16) | vlan;
    const place = (port << 16) | more.generation;
    const now = more.nowSeconds | 0;
    const chain = this.chainOf(high, tail);
    // The common case, without the lock: known, and used in this second already.
    const known = this.peek(chain, high, tail);
    if (known > 0 && more.isStatic !== true) {
      if ((Atomics.load(words, known + AT.flags) & STATIC) !== 0) return LEARNED.known;
      const same = Atomics.load(words, known + AT.place) === (place | 0);
      if (same && Atomics.load(words, known + AT.used) === now) return LEARNED.known;
    }
    if (!this.lock()) {
      this.count(MAC_COUNTER.contended);
      return LEARNED.skipped;
    }
    const isStatic = more.isStatic === true;
    const entry = { high: high | 0, tail: tail | 0, place: place | 0, now, isStatic };
    const result = this.write(chain, entry);
    this.unlock();
    // After the entry, so that who sees the new revision also sees the new entry.
    if (result !== LEARNED.known) this.changed();
    return result;
  }

  /**
   * Where a MAC was learned: port << 16 | generation (as an unsigned number), or 0 for nowhere.
   * Entries older than the ageing time count as absent.
   */
  lookup(high: number, low: number, vlan: number, nowSeconds: number): number {
    const { words } = this;
    const tail = (low << 16) | vlan;
    const chain = this.chainOf(high, tail);
    for (let tries = 0; tries < TRIES; tries++) {
      const sequence = Atomics.load(words, chain);
      if ((sequence & 1) !== 0) continue;
      const at = this.scan(chain, high, tail);
      const place = at === 0 || this.isOld(at, nowSeconds) ? 0 : Atomics.load(words, at + AT.place);
      if (Atomics.load(words, chain) === sequence) return place >>> 0;
    }
    return 0;
  }

  /**
   * Forgets one entry (fdb/del).
   * @returns false if there is none.
   */
  remove(high: number, low: number, vlan: number): boolean {
    return this.locked(() => {
      const at = this.scan(this.chainOf(high, (low << 16) | vlan), high, (low << 16) | vlan);
      if (at !== 0) this.release(at);
      return at !== 0;
    });
  }

  /** Forgets everything but entries added by hand (fdb/flush). */
  flush(): void {
    this.removeWhere((at) => (this.words[at + AT.flags]! & STATIC) === 0);
  }

  /**
   * Forgets all entries of a port that is deleted, static ones too.
   * @returns them: the other switches that know these addresses must forget them as well
   *   (Open vSwitch, bundle_flush_macs).
   */
  flushPort(port: number): { high: number; low: number; vlan: number }[] {
    const gone: { high: number; low: number; vlan: number }[] = [];
    this.removeWhere((at) => {
      if (this.words[at + AT.place]! >>> 16 !== port) return false;
      const tail = this.words[at + AT.tail]!;
      gone.push({ high: this.words[at + AT.high]! >>> 0, low: tail >>> 16, vlan: tail & 0xfff });
      return true;
    });
    return gone;
  }

  /** Addresses in the table, least recently used first. */
  private addressesByUse(): { high: number; low: number; vlan: number }[] {
    return this.entries(0).map(({ mac, vlan }) => {
      const digits = mac.replaceAll(":", "");
      return { high: parseInt(digits.slice(0, 8), 16), low: parseInt(digits.slice(8), 16), vlan };
    });
  }

  /** Forgets entries that are too old, counted as expired (mac_learning_run). */
  expire(nowSeconds: number): void {
    this.removeWhere((at) => {
      if (!this.isOld(at, nowSeconds)) return false;
      this.count(MAC_COUNTER.expired);
      return true;
    });
  }

  /** All entries that are not too old, least recently used first: the order of fdb/show. */
  entries(nowSeconds: number): MacEntry[] {
    const { words } = this;
    const found: { order: number; entry: MacEntry }[] = [];
    for (let index = 0; index < words[HEADER.taken]!; index++) {
      const at = entryAt(this.chains, index);
      const chain = this.chainOf(words[at + AT.high]!, words[at + AT.tail]!);
      const sequence = Atomics.load(words, chain);
      const [high, tail] = [words[at + AT.high]!, words[at + AT.tail]!];
      const place = Atomics.load(words, at + AT.place);
      if (place === 0 || (sequence & 1) !== 0 || this.isOld(at, nowSeconds)) continue;
      const entry = {
        port: place >>> 16,
        generation: place & 0xffff,
        vlan: tail & 0xfff,
        mac: macText(high, tail >>> 16),
        ageSeconds: nowSeconds - Atomics.load(words, at + AT.used),
        isStatic: (words[at + AT.flags]! & STATIC) !== 0,
      };
      const order = words[at + AT.order]!;
      if (Atomics.load(words, chain) === sequence) found.push({ order, entry });
    }
    return found.sort((a, b) => a.order - b.order).map((each) => each.entry);
  }

  private chainOf(high: number, tail: number): number {
    let hash = Math.imul(high ^ Math.imul(tail, 0x85ebca6b), 0x9e3779b1);
    hash ^= hash >>> 15;
    hash = Math.imul(hash, 0xc2b2ae35);
    hash ^= hash >>> 13;
    return HEADER_WORDS + (hash & (this.chains - 1)) * 2;
  }

  private isOld(at: number, nowSeconds: number): boolean {
    if ((Atomics.load(this.words, at + AT.flags) & STATIC) !== 0) return false;
    return nowSeconds - Atomics.load(this.words, at + AT.used) >= this.agingSeconds;
  }

  /** The entry of a key on a chain, read as it is now, or 0. */
  private scan(chain: number, high: number, tail: number): number {
    const { words } = this;
    let at = Atomics.load(words, chain + 1);
    for (let steps = 0; at !== 0 && steps < CHAIN_MAX; steps++) {
      const isKey =
        Atomics.load(words, at + AT.high) === (high | 0) &&
        Atomics.load(words, at + AT.tail) === (tail | 0);
      if (isKey && Atomics.load(words, at + AT.place) !== 0) return at;
      at = Atomics.load(words, at + AT.chainNext);
    }
    return 0;
  }

  private peek(chain: number, high: number, tail: number): number {
    const sequence = Atomics.load(this.words, chain);
    const at = this.scan(chain, high, tail);
    return (sequence & 1) === 0 && Atomics.load(this.words, chain) === sequence ? at : 0;
  }

  private changed(): void {
    Atomics.add(this.words, HEADER.revision, 1);
  }

  private lock(): boolean {
    for (let tries = 0; tries < TRIES; tries++) {
      if (Atomics.compareExchange(this.words, HEADER.lock, 0, 1) === 0) return true;
    }
    return false;
  }

  private unlock(): void {
    Atomics.store(this.words, HEADER.lock, 0);
  }

  /** For the control thread, which may wait; workers hold the lock for microseconds. */
  private locked<T>(change: () => T): T {
    let waits = 0;
    while (!this.lock()) {
      if (++waits < CONTROL_WAITS_MAX) continue;
      throw new PacketpathError("INTERNAL", "the MAC table stays locked: a worker died in it");
    }
    try {
      return change();
    } finally {
      this.unlock();
      this.changed();
    }
  }

  private removeWhere(unwanted: (at: number) => boolean): void {
    this.locked(() => {
      for (let index = 0; index < this.words[HEADER.taken]!; index++) {
        const at = entryAt(this.chains, index);
        if (this.words[at + AT.place] !== 0 && unwanted(at)) this.release(at);
      }
    });
  }

  /** Under the lock: finds or makes room for an entry, and writes it. */
  private write(chain: number, entry: NewEntry): number {
    const { words } = this;
    const { high, tail, place, now, isStatic } = entry;
    let at = this.scan(chain, high, tail);
    if (at !== 0 && this.isOld(at, now)) {
      this.count(MAC_COUNTER.expired);
      this.release(at);
      at = 0;
    }
    if (at === 0) return this.add(chain, entry);
    if ((words[at + AT.flags]! & STATIC) !== 0 && !isStatic) return LEARNED.known;
    const moves = words[at + AT.place] !== place;
    unlinkPort(words, this.chains, at);
    this.change(chain, () => {
      Atomics.store(words, at + AT.place, place);
      Atomics.store(words, at + AT.used, now);
      this.setStatic(at, isStatic);
    });
    linkLast(words, this.chains, at);
    if (!moves) return LEARNED.known;
    this.count(MAC_COUNTER.moved);
    return LEARNED.moved;
  }

  private add(chain: number, entry: NewEntry): number {
    const { words } = this;
    const at = this.freeEntry();
    this.change(chain, () => {
      Atomics.store(words, at + AT.high, entry.high);
      Atomics.store(words, at + AT.tail, entry.tail);
      Atomics.store(words, at + AT.used, entry.now);
      Atomics.store(words, at + AT.place, entry.place);
      this.setStatic(at, entry.isStatic);
      linkFirst(words, chain, at);
    });
    linkLast(words, this.chains, at);
    Atomics.add(words, HEADER.size, 1);
    this.count(MAC_COUNTER.learned);
    return LEARNED.fresh;
  }

  private setStatic(at: number, isStatic: boolean): void {
    const was = this.words[at + AT.flags]! & STATIC;
    Atomics.store(this.words, at + AT.flags, isStatic ? STATIC : 0);
    Atomics.add(this.words, HEADER.staticSize, (isStatic ? 1 : 0) - was);
  }

  /** Changes a chain so that readers notice: its sequence is odd meanwhile. */
  private change(chain: number, edit: () => void): void {
    const sequence = Atomics.load(this.words, chain);
    Atomics.store(this.words, chain, (sequence + 1) | 0);
    edit();
    Atomics.store(this.words, chain, (sequence + 2) | 0);
  }

  /** An entry that nobody uses; when the table is full, one that somebody did. */
  private freeEntry(): number {
    const { words } = this;
    if (words[HEADER.size]! >= this.maxEntries) {
      this.release(this.victim());
      this.count(MAC_COUNTER.evicted);
    }
    const free = words[HEADER.free]!;
    if (free === 0) return entryAt(this.chains, words[HEADER.taken]!++);
    words[HEADER.free] = words[free + AT.portNext]!;
    return free;
  }

  /** The least recently used entry of the port that has most; of several, the lowest number. */
  private victim(): number {
    const { words } = this;
    let chosen = words[HEADER.firstPort]!;
    for (let port = chosen; port !== 0; port = words[port + PORT.next]!) {
      const more = words[port + PORT.count]! - words[chosen + PORT.count]!;
      if (more > 0 || (more === 0 && port < chosen)) chosen = port;
    }
    return words[chosen + PORT.first]!;
  }

  private release(at: number): void {
    const { words } = this;
    const chain = this.chainOf(words[at + AT.high]!, words[at + AT.tail]!);
    unlinkPort(words, this.chains, at);
    this.change(chain, () => {
      unlink(words, chain, at);
      Atomics.store(words, at + AT.place, 0);
      this.setStatic(at, false);
    });
    words[at + AT.portNext] = words[HEADER.free]!;
    words[HEADER.free] = at;
    Atomics.sub(words, HEADER.size, 1);
  }
}

function macText(high: number, low: number): string {
  const bytes = [high >>> 24, high >>> 16, high >>> 8, high, low >>> 8, low];
  return bytes.map((byte) => (byte & 0xff).toString(16).padStart(2, "0")).join(":");
}
