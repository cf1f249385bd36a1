// The connections of a balancer, in one shared memory for all queue workers: a hash table of fixed
// size in which each connection is found under two tuples, that of the client's packets and that of
// the server's.
//
// Locks. Each chain belongs to one of STRIPES locks. `find` answers with the lock of its chain
// held, and the caller keeps it while it handles its one frame: as a connection is taken away only
// with the locks of both its chains, what it found stays what it was. Adding and removing take
// both, the lower one first, and then the lock of the free places. Words of a connection that
// packets of both directions write are changed atomically (see CONN). Whoever does not get a lock
// in time (its holder died) refuses its frame.
//
// Nothing grows: who adds a connection looks at a few old ones and takes away those whose time is
// over. A thread that has the whole table to itself may `expire` or `clear` it.
import { releaseLock, takeLock } from "../sync/spin-lock.js";

/**
 * Words of a tuple: source and destination address of four words each (IPv4 is v4-mapped), ports as
 * source << 16 | destination, protocol.
 */
export const TUPLE = { source: 0, destination: 4, ports: 8, protocol: 9, words: 10 } as const;

/** Words of a connection. "Once": by `add`'s caller before the connection can be found. */
export const CONN = {
  /** 0: free, 1: used. Under both locks. */
  used: 0,
  /** One of TCP_STATE; 0 for UDP. Both directions, compare-and-exchange. */
  state: 1,
  /** When its time is over, in ticks. Both directions; the last one counts. */
  expires: 2,
  /** Index of the service and of the server in it. Once. */
  service: 3,
  server: 4,
  /** What is added to the client's sequence numbers. Once. */
  delta: 5,
  /** Acknowledgment number with which the client's segments tell its address. Server's side. */
  firstAck: 6,
  /** 1: `firstAck` is known. Server's side. */
  isAnswered: 7,
  /** UDP: datagrams that will tell the client's address. Client's side. */
  toTell: 8,
  /** MAC address of whoever sent the client's packets. Once. */
  macHigh: 9,
  macLow: 10,
  nextClient: 11,
  nextServer: 12,
  /** Tuple of the client's packets, and of the server's. Once. */
  client: 13,
  serverSide: 13 + TUPLE.words,
  words: 36,
} as const;

/** Life times are kept in sixteenths of a second. */
export const TICKS_PER_SECOND = 16;

/** What `find` and `add` answer instead of a place: no such connection, */
const NOT_FOUND = -1;
/** the server's tuple is another connection's, */
export const TAKEN = -2;
/** no place is free, */
export const FULL = -3;
/** a lock was not to be had, */
export const BUSY = -4;
/** somebody was quicker to add the client's tuple. */
export const KNOWN = -5;
/** The tuple is that of a connection whose time is over; only between functions of this file. */
const STALE = -6;

/** Words of the header. `added` and `removed` count since the start, modulo 2^32. */
const HEAD = { capacity: 0, lock: 1, free: 2, fresh: 3, cursor: 4, added: 5, removed: 6 } as const;
const HEADER_WORDS = 16;
/** Locks, one to a cache line. A power of two. */
const STRIPES = 64;
const LOCK_WORDS = 16;
const CHAIN_MAX = 4096;
/** Old connections looked at for each new one, and more when there is no room. */
const SWEPT_PER_ADD = 4;
const SWEPT_WHEN_FULL = 256;

export function ticksOf(nowMs: number): number {
  return Math.floor((nowMs * TICKS_PER_SECOND) / 1000);
}

export class Connections {
  readonly buffer: SharedArrayBuffer;
  readonly words: Int32Array;
  readonly capacity: number;
  private readonly buckets: number;
  private readonly places: number;
  /** Whether the last `find` found the tuple of the server's packets. */
  foundServerSide = false;
  private held = -1;
  /** What made `tryAdd` answer STALE. */
  private stale = -1;

  constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer;
    this.words = new Int32Array(buffer);
    this.capacity = this.words[HEAD.capacity]!;
    this.buckets = HEADER_WORDS + STRIPES * LOCK_WORDS;
    this.places = this.buckets + bucketCount(this.capacity);
  }

  /** @param capacity the most connections at a time, 1 or more. */
  static create(capacity: number): Connections {
    const head = HEADER_WORDS + STRIPES * LOCK_WORDS + bucketCount(capacity);
    const bytes = (head + capacity * CONN.words) * Int32Array.BYTES_PER_ELEMENT;
    const buffer = new SharedArrayBuffer(bytes);
    new Int32Array(buffer)[HEAD.capacity] = capacity;
    return new Connections(buffer);
  }

  /** Connections now, with those whose time is over but that nobody has swept. */
  get size(): number {
    return (this.added - this.removed) | 0;
  }

  get added(): number {
    return Atomics.load(this.words, HEAD.added);
  }

  get removed(): number {
    return Atomics.load(this.words, HEAD.removed);
  }

  /**
   * The place of the living connection with this tuple, its chain locked until `release`; otherwise
   * NOT_FOUND or BUSY, with nothing locked.
   */
  find(tuple: Int32Array, nowTicks: number): number {
    const { words } = this;
    const bucket = this.bucketOf(tuple, 0);
    const lock = lockOf(bucket);
    if (!takeLock(words, lock)) return BUSY;
    const at = this.walk(bucket, tuple);
    if (at >= 0 && words[at + CONN.expires]! - nowTicks >= 0) {
      this.held = lock;
      return at;
    }
    releaseLock(words, lock);
    return NOT_FOUND;
  }

  /** Ends the time of what `find` has found, and lets go of it. */
  end(at: number, nowTicks: number): void {
    Atomics.store(this.words, at + CONN.expires, (nowTicks - 1) | 0);
    this.release();
  }

  /** Lets go of what `find` or `add` has found. */
  release(): void {
    releaseLock(this.words, this.held);
    this.held = -1;
  }

  /**
   * Adds a connection under two tuples, with the chain of the client's locked until `release`.
   * @param fill writes its words; called before anybody can find it.
   * @returns its place, KNOWN, TAKEN, FULL or BUSY.
   */
  add(
    client: Int32Array,
    server: Int32Array,
    nowTicks: number,
    fill: (words: Int32Array, at: number) => void,
  ): number {
    this.sweep(nowTicks, SWEPT_PER_ADD);
    let added = this.tryAdd(client, server, nowTicks, fill);
    // One whose time is over may be in the way, under each of the two tuples.
    for (let tries = 0; added === STALE && tries < 2; tries++) {
      this.removeIf(this.stale, nowTicks);
      added = this.tryAdd(client, server, nowTicks, fill);
    }
    if (added === FULL) {
      this.sweep(nowTicks, SWEPT_WHEN_FULL);
      added = this.tryAdd(client, server, nowTicks, fill);
    }
    return added === STALE ? TAKEN : added;
  }

  private tryAdd(
    client: Int32Array,
    server: Int32Array,
    nowTicks: number,
    fill: (words: Int32Array, at: number) => void,
  ): number {
    const { words } = this;
    const near = this.bucketOf(client, 0);
    const far = this.bucketOf(server, 0);
    if (!this.lockBoth(near, far)) return BUSY;
    const same = this.walk(near, client);
    const inTheWay = same >= 0 ? same : this.walk(far, server);
    const isStale = inTheWay >= 0 && words[inTheWay + CONN.expires]! - nowTicks < 0;
    let place = same >= 0 ? KNOWN : TAKEN;
    if (inTheWay < 0) place = this.take();
    else if (isStale) place = STALE;
    if (place < 0) {
      this.stale = inTheWay;
      this.unlockBoth(near, far);
      return place;
    }
    words.fill(0, place, place + CONN.words);
    words.set(client, place + CONN.client);
    words.set(server, place + CONN.serverSide);
    fill(words, place);
    this.link(near, place, CONN.nextClient, 0);
    this.link(far, place, CONN.nextServer, 1);
    words[place + CONN.used] = 1;
    Atomics.add(words, HEAD.added, 1);
    if (lockOf(far) !== lockOf(near)) releaseLock(words, lockOf(far));
    this.held = lockOf(near);
    return place;
  }

  /** Takes away connections whose time is over; looks at `looks` of them, round and round. */
  sweep(nowTicks: number, looks: number): void {
    const { words } = this;
    const fresh = Math.min(Atomics.load(words, HEAD.fresh), this.capacity);
    for (let i = Math.min(looks, fresh); i > 0; i--) {
      const place = (Atomics.add(words, HEAD.cursor, 1) >>> 0) % fresh;
      this.removeIf(this.places + place * CONN.words, nowTicks);
    }
  }

  /** Looks at all of them. Any thread. */
  expire(nowTicks: number): void {
    this.sweep(nowTicks, this.capacity);
  }

  /** Takes all of them away. Any thread. */
  clear(): void {
    for (const at of this.all()) this.removeIf(at, null);
  }

  /** Places of all connections; for dumps. */
  all(): number[] {
    const found: number[] = [];
    const end = Math.min(Atomics.load(this.words, HEAD.fresh), this.capacity);
    for (let i = 0; i < end; i++) {
      const at = this.places + i * CONN.words;
      if (Atomics.load(this.words, at + CONN.used) !== 0) found.push(at);
    }
    return found;
  }

  /** @param nowTicks null: whatever its time. */
  private removeIf(at: number, nowTicks: number | null): void {
    const { words } = this;
    const isOver = (): boolean =>
      words[at + CONN.used] !== 0 &&
      (nowTicks === null || words[at + CONN.expires]! - nowTicks < 0);
    if (!isOver()) return;
    // Which chains it is in is read without their locks, hence looked at again under them.
    const near = this.bucketOf(words, at + CONN.client);
    const far = this.bucketOf(words, at + CONN.serverSide);
    if (!this.lockBoth(near, far)) return;
    const isSame =
      near === this.bucketOf(words, at + CONN.client) &&
      far === this.bucketOf(words, at + CONN.serverSide);
    if (isSame && isOver()) {
      this.unlink(near, at, CONN.nextClient, 0);
      this.unlink(far, at, CONN.nextServer, 1);
      words[at + CONN.used] = 0;
      this.giveBack(at);
    }
    this.unlockBoth(near, far);
  }

  private walk(bucket: number, tuple: Int32Array): number {
    const { words } = this;
    let node = words[bucket]!;
    for (let step = 0; node !== 0 && step < CHAIN_MAX; step++) {
      const at = this.places + ((node - 1) >>> 1) * CONN.words;
      const isServerSide = ((node - 1) & 1) !== 0;
      if (this.has(at + (isServerSide ? CONN.serverSide : CONN.client), tuple)) {
        this.foundServerSide = isServerSide;
        return at;
      }
      node = words[at + (isServerSide ? CONN.nextServer : CONN.nextClient)]!;
    }
    return -1;
  }

  private has(at: number, tuple: Int32Array): boolean {
    for (let i = 0; i < TUPLE.words; i++) if (this.words[at + i] !== tuple[i]) return false;
    return true;
  }

  /** The word that holds the first node of a tuple's chain. @param at where the tuple begins. */
  private bucketOf(tuple: Int32Array, at: number): number {
    return this.buckets + (hashTuple(tuple, at) & (bucketCount(this.capacity) - 1));
  }

  private lockBoth(near: number, far: number): boolean {
    const { words } = this;
    const low = Math.min(lockOf(near), lockOf(far));
    const high = Math.max(lockOf(near), lockOf(far));
    if (!takeLock(words, low)) return false;
    if (high === low || takeLock(words, high)) return true;
    releaseLock(words, low);
    return false;
  }

  private unlockBoth(near: number, far: number): void {
    releaseLock(this.words, lockOf(near));
    if (lockOf(far) !== lockOf(near)) releaseLock(this.words, lockOf(far));
  }

  private link(bucket: number, at: number, next: number, way: number): void {
    const { words } = this;
    words[at + next] = words[bucket]!;
    words[bucket] = ((at - this.places) / CONN.words) * 2 + way + 1;
  }

  private unlink(bucket: number, at: number, next: number, way: number): void {
    const { words } = this;
    const node = ((at - this.places) / CONN.words) * 2 + way + 1;
    let link = bucket;
    for (let step = 0; words[link] !== 0 && step < CHAIN_MAX; step++) {
      const each = words[link]!;
      if (each === node) {
        words[link] = words[at + next]!;
        return;
      }
      const other = this.places + ((each - 1) >>> 1) * CONN.words;
      link = other + (((each - 1) & 1) !== 0 ? CONN.nextServer : CONN.nextClient);
    }
  }

  /** A free place, FULL or BUSY. */
  private take(): number {
    const { words } = this;
    if (!takeLock(words, HEAD.lock)) return BUSY;
    const free = words[HEAD.free]!;
    const fresh = words[HEAD.fresh]!;
    let place = FULL;
    if (free !== 0) {
      place = this.places + (free - 1) * CONN.words;
      words[HEAD.free] = words[place + CONN.nextClient]!;
    } else if (fresh < this.capacity) {
      Atomics.store(words, HEAD.fresh, fresh + 1);
      place = this.places + fresh * CONN.words;
    }
    releaseLock(words, HEAD.lock);
    return place;
  }

  private giveBack(at: number): void {
    const { words } = this;
    Atomics.add(words, HEAD.removed, 1);
    if (!takeLock(words, HEAD.lock)) return;
    words[at + CONN.nextClient] = words[HEAD.free]!;
    words[HEAD.free] = (at - this.places) / CONN.words + 1;
    releaseLock(words, HEAD.lock);
  }
}

/** Mixes the words of a tuple (the finalizer of MurmurHash3 over a multiplicative chain). */
export function hashTuple(tuple: Int32Array, at: number): number {
  let hash = 0;
  for (let i = 0; i < TUPLE.words; i++) {
    hash = Math.imul(hash ^ tuple[at + i]!, 0x9e3779b1);
    hash ^= hash >>> 15;
  }
  hash = Math.imul(hash, 0x85ebca6b);
  return (hash ^ (hash >>> 13)) >>> 0;
}

/** Turns a tuple round. */
export function reverseTuple(tuple: Int32Array): void {
  for (let i = 0; i < 4; i++) {
    const word = tuple[TUPLE.source + i]!;
    tuple[TUPLE.source + i] = tuple[TUPLE.destination + i]!;
    tuple[TUPLE.destination + i] = word;
  }
  const ports = tuple[TUPLE.ports]!;
  tuple[TUPLE.ports] = (ports << 16) | (ports >>> 16);
}

function lockOf(bucket: number): number {
  return HEADER_WORDS + (bucket & (STRIPES - 1)) * LOCK_WORDS;
}

/** Chains: a power of two, about two connections' tuples for each. */
function bucketCount(capacity: number): number {
  return 2 ** Math.max(6, Math.ceil(Math.log2(capacity)));
}
