// The ports of the switch as the slow path sees them: number, generation, flags. One table in
// shared memory for all threads. The control thread writes it (add when a vport is published,
// remove when it is unpublished); workers read it in every translation, without a lock.
//
// A reader may see a port half added. That is harmless: the revision is bumped after the change, a
// translation notes the revision before it reads, so whatever it made of the half is made again.
import { PacketpathError } from "../base/errors.js";

/** Shared words: revision, capacity, spares, then one record per port. */
const HEADER_WORDS = 16;
const WORD_REVISION = 0;
const WORD_CAPACITY = 1;
/** The generation last given; every add takes the next, so no two ports ever share one. */
const WORD_LAST_GENERATION = 2;

/** Record: number (0 = free), generation, flags; the rest is kept for VLAN mode, tag and trunks. */
const RECORD_WORDS = 8;
const AT_NUMBER = 0;
const AT_GENERATION = 1;
const AT_FLAGS = 2;

/** Port flags (OFPUTIL_PC_* of Open vSwitch). */
export const PORT_FLAG = {
  /** Flooding leaves it out (no-flood). */
  noFlood: 1,
  /** Nothing is sent to it (no-forward), not even by `all`. */
  noForward: 2,
} as const;

export class PortTable {
  readonly buffer: SharedArrayBuffer;
  private readonly words: Int32Array;
  private readonly capacity: number;

  /** @param buffer of `PortTable.create().buffer`, in the threads that did not create it. */
  constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer;
    this.words = new Int32Array(buffer);
    this.capacity = this.words[WORD_CAPACITY]!;
  }

  /** @param capacity the greatest number of ports at a time. */
  static create(capacity = 256): PortTable {
    const words = HEADER_WORDS + capacity * RECORD_WORDS;
    const buffer = new SharedArrayBuffer(words * Int32Array.BYTES_PER_ELEMENT);
    new Int32Array(buffer)[WORD_CAPACITY] = capacity;
    return new PortTable(buffer);
  }

  /** Rises with every change. */
  revision(): number {
    return Atomics.load(this.words, WORD_REVISION);
  }

  /**
   * Adds a port, or adds it again (a re-plug: its generation changes).
   * Control thread only.
   * @param number OpenFlow port number, 1 to 65279, or 65534 (local).
   * @throws PacketpathError INTERNAL when the table is full.
   */
  add(number: number, flags = 0): void {
    const { words } = this;
    let at = this.recordOf(number);
    if (at < 0) at = this.recordOf(0);
    if (at < 0) {
      throw new PacketpathError(
        "INTERNAL",
        `port ${number}: all ${this.capacity} port records are taken`,
      );
    }
    // 15 bits, never 0: a MAC entry keeps it beside the port number in one word.
    const last = Atomics.add(words, WORD_LAST_GENERATION, 1);
    Atomics.store(words, at + AT_GENERATION, (last % 0x7fff) + 1);
    Atomics.store(words, at + AT_FLAGS, flags);
    Atomics.store(words, at + AT_NUMBER, number);
    Atomics.add(words, WORD_REVISION, 1);
  }

  /** Removes a port; false if there is none of that number. Control thread only. */
  remove(number: number): boolean {
    const at = this.recordOf(number);
    if (at < 0) return false;
    Atomics.store(this.words, at + AT_NUMBER, 0);
    Atomics.add(this.words, WORD_REVISION, 1);
    return true;
  }

  /** The generation of a port, or 0 if there is none of that number. */
  generationOf(number: number): number {
    const at = number === 0 ? -1 : this.recordOf(number);
    return at < 0 ? 0 : Atomics.load(this.words, at + AT_GENERATION);
  }

  /** The numbers of all ports that have none of these flags, in the order of their records. */
  list(withoutFlags = 0): number[] {
    const found: number[] = [];
    for (let i = 0; i < this.capacity; i++) {
      const at = HEADER_WORDS + i * RECORD_WORDS;
      const number = Atomics.load(this.words, at + AT_NUMBER);
      if (number === 0 || (Atomics.load(this.words, at + AT_FLAGS) & withoutFlags) !== 0) continue;
      found.push(number);
    }
    return found;
  }

  private recordOf(number: number): number {
    for (let i = 0; i < this.capacity; i++) {
      const at = HEADER_WORDS + i * RECORD_WORDS;
      if (Atomics.load(this.words, at + AT_NUMBER) === number) return at;
    }
    return -1;
  }
}
