// The first level of the fast path: the whole identity of a frame, hashed, to its megaflow. Each
// key has two possible places (Open vSwitch, lib/dpif-netdev-private-dfc.h: EM_FLOW_HASH_SEGS);
// every miss inserts. One per worker; a lookup allocates nothing.
import { KEY_PACKET_WORDS } from "../flow/key.js";
import type { Megaflow } from "../flow/odp.js";

/** Entries of the cache (EM_FLOW_HASH_ENTRIES of OVS); a power of two. */
const ENTRIES = 8192;
const SECOND_SHIFT = 13;

export class ExactMatchCache {
  private readonly keys = new Uint32Array(ENTRIES * KEY_PACKET_WORDS);
  private readonly hashes = new Int32Array(ENTRIES);
  /** Leading words of the key that are compared; 0 = free. */
  private readonly lengths = new Uint8Array(ENTRIES);
  private readonly flowHashes = new Int32Array(ENTRIES);
  private readonly megaflows: (Megaflow | null)[] = new Array<Megaflow | null>(ENTRIES).fill(null);

  /**
   * The place of a key, or -1.
   * @param words how many leading words of the key identify the frame.
   * @param hash of these words.
   */
  find(key: Uint32Array, words: number, hash: number): number {
    const first = hash & (ENTRIES - 1);
    if (this.holds(first, key, words, hash)) return first;
    const second = (hash >>> SECOND_SHIFT) & (ENTRIES - 1);
    return this.holds(second, key, words, hash) ? second : -1;
  }

  /** The megaflow at a place that `find` gave; it may be dead. */
  megaflowAt(place: number): Megaflow {
    return this.megaflows[place] as Megaflow;
  }

  /** The symmetric flow hash of the key at a place, computed once when it was inserted. */
  flowHashAt(place: number): number {
    return this.flowHashes[place]!;
  }

  /** Points a place that `find` gave at another megaflow. */
  update(place: number, megaflow: Megaflow): void {
    this.megaflows[place] = megaflow;
  }

  /** Puts a key in; of two taken places the one whose megaflow is dead or less used is lost. */
  insert(key: Uint32Array, words: number, hash: number, megaflow: Megaflow): number {
    const first = hash & (ENTRIES - 1);
    const second = (hash >>> SECOND_SHIFT) & (ENTRIES - 1);
    const place = this.isBetterVictim(second, first) ? second : first;
    const at = place * KEY_PACKET_WORDS;
    for (let i = 0; i < words; i++) this.keys[at + i] = key[i]!;
    this.hashes[place] = hash;
    this.lengths[place] = words;
    this.megaflows[place] = megaflow;
    return place;
  }

  setFlowHash(place: number, flowHash: number): void {
    this.flowHashes[place] = flowHash;
  }

  private holds(place: number, key: Uint32Array, words: number, hash: number): boolean {
    if (this.hashes[place] !== hash || this.lengths[place] !== words) return false;
    const at = place * KEY_PACKET_WORDS;
    for (let i = 0; i < words; i++) if (this.keys[at + i] !== key[i]) return false;
    return true;
  }

  private isBetterVictim(place: number, than: number): boolean {
    const a = this.megaflows[place] as Megaflow | null;
    const b = this.megaflows[than] as Megaflow | null;
    if (b === null || b.dead) return false;
    return a === null || a.dead || a.usedMs < b.usedMs;
  }
}
