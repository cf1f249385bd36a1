// Meters: token buckets shared by all workers (Open vSwitch 3.1, lib/dpif-netdev.c,
// dp_netdev_run_meter). The control thread sets and deletes them; workers run them per packet,
// under a lock per meter, without allocation.
//
// Arithmetic. A bucket holds thousandths of packets, or bits; it begins full, gains `rate` for
// every millisecond and never holds more than `burst` thousand. A packet takes 1000, or its bits. A
// band without enough drops the packet; of several such bands the one with the greatest rate counts
// it.
import { PacketpathError } from "../base/errors.js";
import type { Meter } from "../flow/types.js";
import { releaseLock, takeLock } from "../sync/spin-lock.js";

/** Bands of one meter (MAX_BANDS). */
export const BANDS_MAX = 8;
/** Words: capacity; then one lock for each meter. */
const WORD_CAPACITY = 0;
const LOCKS_AT = 8;
/** Doubles of a meter, then of its bands. */
const AT = { id: 0, perPacket: 1, bands: 2, usedMs: 3, packets: 4, bytes: 5, addedMs: 6 } as const;
const BANDS_AT = 8;
const BAND = { rate: 0, burst: 1, bucket: 2, packets: 3, bytes: 4, size: 5 } as const;
const METER_DOUBLES = BANDS_AT + BANDS_MAX * BAND.size;
/** A place that was taken once: a search goes on behind it. */
const DELETED = -1;

export interface MeterStats {
  readonly packets: number;
  readonly bytes: number;
  readonly addedMs: number;
  /** Of each band: what it dropped. */
  readonly bands: readonly { readonly packets: number; readonly bytes: number }[];
}

export class MeterTable {
  readonly buffer: SharedArrayBuffer;
  private readonly words: Int32Array;
  private readonly doubles: Float64Array;
  /** The most meters at a time. */
  readonly capacity: number;

  /** @param buffer of `MeterTable.create().buffer`, in the threads that did not create it. */
  constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer;
    this.words = new Int32Array(buffer);
    this.capacity = this.words[WORD_CAPACITY]!;
    this.doubles = new Float64Array(buffer, doublesAt(this.capacity));
  }

  /** @param capacity the most meters at a time; a power of two. */
  static create(capacity = 256): MeterTable {
    const bytes = doublesAt(capacity) + capacity * METER_DOUBLES * Float64Array.BYTES_PER_ELEMENT;
    const buffer = new SharedArrayBuffer(bytes);
    new Int32Array(buffer)[WORD_CAPACITY] = capacity;
    return new MeterTable(buffer);
  }

  has(id: number): boolean {
    return this.find(id) >= 0;
  }

  /**
   * Adds a meter or changes it; buckets are full afterwards, counters 0. Control thread only.
   * @throws PacketpathError FLOW_INVALID when there is no room, or more than 8 bands.
   */
  set(meter: Meter, nowMs: number): void {
    if (meter.bands.length > BANDS_MAX) {
      const text = `meter ${meter.id}: ${meter.bands.length} bands, at most ${BANDS_MAX}`;
      throw new PacketpathError("FLOW_INVALID", text);
    }
    const place = this.placeFor(meter.id);
    const { doubles } = this;
    const at = place * METER_DOUBLES;
    const locked = takeLock(this.words, LOCKS_AT + place);
    doubles.fill(0, at, at + METER_DOUBLES);
    doubles[at + AT.perPacket] = meter.unit === "pktps" ? 1 : 0;
    doubles[at + AT.bands] = meter.bands.length;
    doubles[at + AT.usedMs] = nowMs;
    doubles[at + AT.addedMs] = nowMs;
    meter.bands.forEach((band, i) => {
      const own = at + BANDS_AT + i * BAND.size;
      const burst = (band.burst === 0 ? band.rate : band.burst) * 1000;
      doubles[own + BAND.rate] = band.rate;
      doubles[own + BAND.burst] = burst;
      doubles[own + BAND.bucket] = burst;
    });
    doubles[at + AT.id] = meter.id;
    if (locked) releaseLock(this.words, LOCKS_AT + place);
  }

  /** False if there is no such meter. Control thread only. */
  delete(id: number): boolean {
    const place = this.find(id);
    if (place >= 0) this.doubles[place * METER_DOUBLES + AT.id] = DELETED;
    return place >= 0;
  }

  stats(id: number): MeterStats | null {
    const place = this.find(id);
    if (place < 0) return null;
    const { doubles } = this;
    const at = place * METER_DOUBLES;
    return {
      packets: doubles[at + AT.packets]!,
      bytes: doubles[at + AT.bytes]!,
      addedMs: doubles[at + AT.addedMs]!,
      bands: Array.from({ length: doubles[at + AT.bands]! }, (_, i) => {
        const own = at + BANDS_AT + i * BAND.size;
        return { packets: doubles[own + BAND.packets]!, bytes: doubles[own + BAND.bytes]! };
      }),
    };
  }

  /**
   * Runs a packet through a meter. A meter that does not exist lets everything pass.
   * @returns false when a band drops it.
   */
  pass(id: number, bytes: number, nowMs: number): boolean {
    const place = this.find(id);
    if (place < 0) return true;
    if (!takeLock(this.words, LOCKS_AT + place)) return true;
    const passed = this.run(place * METER_DOUBLES, bytes, nowMs);
    releaseLock(this.words, LOCKS_AT + place);
    return passed;
  }

  /** Under the lock. */
  private run(at: number, bytes: number, nowMs: number): boolean {
    const { doubles } = this;
    // Another worker may have read its clock a little later and come first.
    const elapsed = Math.max(0, Math.floor(nowMs) - Math.floor(doubles[at + AT.usedMs]!));
    doubles[at + AT.usedMs] = Math.max(nowMs, doubles[at + AT.usedMs]!);
    doubles[at + AT.packets]! += 1;
    doubles[at + AT.bytes]! += bytes;
    const volume = doubles[at + AT.perPacket] === 1 ? 1000 : bytes * 8;
    let exceeded = -1;
    const end = at + BANDS_AT + doubles[at + AT.bands]! * BAND.size;
    for (let own = at + BANDS_AT; own < end; own += BAND.size) {
      const rate = doubles[own + BAND.rate]!;
      const filled = doubles[own + BAND.bucket]! + elapsed * rate;
      const bucket = Math.min(filled, doubles[own + BAND.burst]!);
      const fits = bucket >= volume;
      doubles[own + BAND.bucket] = fits ? bucket - volume : bucket;
      if (!fits && (exceeded < 0 || rate > doubles[exceeded + BAND.rate]!)) exceeded = own;
    }
    if (exceeded < 0) return true;
    doubles[exceeded + BAND.packets]! += 1;
    doubles[exceeded + BAND.bytes]! += bytes;
    return false;
  }

  private find(id: number): number {
    const { doubles, capacity } = this;
    for (let i = 0; i < capacity; i++) {
      const place = (id + i) & (capacity - 1);
      const found = doubles[place * METER_DOUBLES + AT.id];
      if (found === id) return place;
      if (found === 0) return -1;
    }
    return -1;
  }

  private placeFor(id: number): number {
    const known = this.find(id);
    if (known >= 0) return known;
    for (let i = 0; i < this.capacity; i++) {
      const place = (id + i) & (this.capacity - 1);
      const found = this.doubles[place * METER_DOUBLES + AT.id]!;
      if (found === 0 || found === DELETED) return place;
    }
    throw new PacketpathError("FLOW_INVALID", `meter ${id}: all ${this.capacity} places are taken`);
  }
}

/** Where the doubles begin, in bytes. */
function doublesAt(capacity: number): number {
  return (LOCKS_AT + capacity) * Int32Array.BYTES_PER_ELEMENT;
}
