// The ports of the switch as the slow path sees them: number, generation, flags, VLAN settings, and
// which mirrors watch them. One table in shared memory for all threads. The control thread adds a
// port when its vport is published and removes it when it is unpublished; settings are kept by
// number, also while there is no such port. Workers read it in every translation, without a lock.
//
// A reader may see a port half changed. That is harmless: the revision is bumped after the change,
// a translation notes the revision before it reads, so whatever it made of the half is made again.
import { PacketpathError } from "../base/errors.js";

/** Words of a set of VLANs: one bit for each. */
export const VLAN_SET_WORDS = 128;
/** Mirrors of a switch (OVS MAX_MIRRORS). */
export const MIRRORS_MAX = 32;

/**
 * Shared words: revision, capacity, spares, flood VLANs; then mirrors; then one record per port.
 */
const WORD_REVISION = 0;
const WORD_CAPACITY = 1;
/** The generation last given; every add takes the next, so no two ports ever share one. */
const WORD_LAST_GENERATION = 2;
/** Bits of SWITCH_FLAG. */
const WORD_SWITCH_FLAGS = 3;
const FLOOD_VLANS_AT = 16;
const MIRRORS_AT = FLOOD_VLANS_AT + VLAN_SET_WORDS;
export const MIRROR_WORDS = 8 + VLAN_SET_WORDS;
const PORTS_AT = MIRRORS_AT + MIRRORS_MAX * MIRROR_WORDS;

/** Record of a port; number 0: the record is free; generation 0: settings without a port. */
const AT = {
  number: 0,
  generation: 1,
  flags: 2,
  vlanMode: 3,
  tag: 4,
  /**
   * Bit 0: there are settings to keep. Bit 1: `trunks` holds. Bits 2 and 3: priority tags. Bit 4:
   * the service tag is 802.1Q's.
   */
  bits: 5,
  mirrorSources: 6,
  mirrorDestinations: 7,
  /** Mirrors whose output this port is. */
  mirrorOutputs: 8,
  trunks: 16,
} as const;
const RECORD_WORDS = AT.trunks + VLAN_SET_WORDS;

const BIT_SET = 1;
const BIT_TRUNKS = 2;
const BIT_PLAIN_SERVICE_TAG = 16;

/** Port flags (OFPUTIL_PC_* of Open vSwitch). */
export const PORT_FLAG = {
  /** Flooding leaves it out (no-flood). */
  noFlood: 1,
  /** Nothing is sent to it (no-forward), not even by `all`. */
  noForward: 2,
  /** Whatever comes from it is dropped (no-receive). */
  noReceive: 4,
  /** Administratively down; it is the device that then takes and gives nothing. */
  down: 8,
  /** NORMAL and outputs never lead from one protected port to another. */
  protected: 16,
  /** A table that sends what it has no flow for to controllers does not, for its packets. */
  noPacketIn: 32,
} as const;

/** Flags of the switch, not of a port. */
export const SWITCH_FLAG = {
  /** NORMAL forwards link-local destinations too (other-config:forward-bpdu). */
  forwardBpdu: 1,
  /** Fragments are dropped (set-frags drop). */
  dropFragments: 2,
  /** First fragments have ports in tables (set-frags nx-match). */
  matchFragments: 4,
  /** Frames are read up to their first tag only (other_config:vlan-limit=1). */
  oneTag: 8,
} as const;

/** How a port carries VLANs (ovs-vswitchd.conf.db(5), Port, vlan_mode). */
export const VLAN_MODES = [
  "trunk",
  "access",
  "native-tagged",
  "native-untagged",
  "dot1q-tunnel",
] as const;
export type VlanMode = (typeof VLAN_MODES)[number];

/** When an untagged frame leaves with a tag of VLAN 0 (other-config:priority-tags). */
export const PRIORITY_TAGS = ["never", "if-nonzero", "always"] as const;
export type PriorityTags = (typeof PRIORITY_TAGS)[number];

/** VLAN settings of a port; the default is a trunk of all VLANs. */
export interface PortVlan {
  readonly mode: VlanMode;
  /** The VLAN of an access port, the native VLAN, the service VLAN; 0 to 4095. */
  readonly tag: number;
  /** VLANs carried (dot1q-tunnel: customer VLANs); null: all. */
  readonly trunks: readonly number[] | null;
  readonly priorityTags: PriorityTags;
  /** The service tag that a dot1q-tunnel port pushes is 802.1Q's, not 802.1ad's. */
  readonly plainServiceTag?: boolean;
}

export const TRUNK_OF_ALL: PortVlan = {
  mode: "trunk",
  tag: 0,
  trunks: null,
  priorityTags: "never",
};

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
    const words = PORTS_AT + capacity * RECORD_WORDS;
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
   * @param flags bits of PORT_FLAG; without it, those it has (a new port has none).
   * @throws PacketpathError INTERNAL when the table is full.
   */
  add(number: number, flags?: number): void {
    const at = this.recordFor(number);
    // 15 bits, never 0: a MAC entry keeps it beside the port number in one word.
    const last = Atomics.add(this.words, WORD_LAST_GENERATION, 1);
    if (flags !== undefined) Atomics.store(this.words, at + AT.flags, flags);
    Atomics.store(this.words, at + AT.generation, (last % 0x7fff) + 1);
    this.changed();
  }

  /** Removes a port; false if there is none of that number. Control thread only. */
  remove(number: number): boolean {
    const at = this.portAt(number);
    if (at < 0) return false;
    const { words } = this;
    Atomics.store(words, at + AT.generation, 0);
    const kept = (Atomics.load(words, at + AT.bits) & BIT_SET) !== 0;
    if (!kept) words.fill(0, at, at + RECORD_WORDS);
    this.changed();
    return true;
  }

  /** Changes flags of a port (mod-port); false if there is none of that number. */
  setFlags(number: number, set: number, clear = 0): boolean {
    const at = this.portAt(number);
    if (at < 0) return false;
    const old = Atomics.load(this.words, at + AT.flags);
    Atomics.store(this.words, at + AT.flags, (old & ~clear) | set);
    this.changed();
    return true;
  }

  /** Flags that a port of this number will have; kept while there is none. Control thread only. */
  presetFlags(number: number, flags: number): void {
    const at = this.recordFor(number);
    Atomics.store(this.words, at + AT.flags, flags);
    Atomics.or(this.words, at + AT.bits, BIT_SET);
    this.changed();
  }

  /** Flags of a port; 0 if there is none of that number. */
  flagsOf(number: number): number {
    const at = this.portAt(number);
    return at < 0 ? 0 : Atomics.load(this.words, at + AT.flags);
  }

  /** Whether a port is there, and not set to `no-packet-in`. */
  tellsMisses(number: number): boolean {
    const at = this.portAt(number);
    return at >= 0 && (Atomics.load(this.words, at + AT.flags) & PORT_FLAG.noPacketIn) === 0;
  }

  /** Sets how a port carries VLANs; kept while no port has this number. Control thread only. */
  setVlan(number: number, vlan: PortVlan): void {
    const at = this.recordFor(number);
    const { words } = this;
    const { mode, tag, trunks } = vlan;
    words.fill(trunks === null ? -1 : 0, at + AT.trunks, at + RECORD_WORDS);
    for (const id of trunks ?? []) words[at + AT.trunks + (id >> 5)]! |= 1 << (id & 31);
    // A native VLAN is always carried, and VLAN 0 beside it never is (ofproto-dpif.c, bundle_set).
    const hasNative = mode.startsWith("native") && tag !== 0;
    if (hasNative) {
      words[at + AT.trunks + (tag >> 5)]! |= 1 << (tag & 31);
      words[at + AT.trunks]! &= ~1;
    }
    Atomics.store(words, at + AT.vlanMode, VLAN_MODES.indexOf(mode));
    Atomics.store(words, at + AT.tag, tag);
    const priority = PRIORITY_TAGS.indexOf(vlan.priorityTags) << 2;
    const service = vlan.plainServiceTag === true ? BIT_PLAIN_SERVICE_TAG : 0;
    const carried = trunks === null && !hasNative ? 0 : BIT_TRUNKS;
    Atomics.store(words, at + AT.bits, BIT_SET | carried | priority | service);
    this.changed();
  }

  /** How a port carries VLANs; the default for a port that is not there. */
  vlanOf(number: number): { mode: VlanMode; tag: number; priorityTags: PriorityTags } {
    const at = this.recordOf(number);
    if (at < 0) return TRUNK_OF_ALL;
    const { words } = this;
    return {
      mode: VLAN_MODES[Atomics.load(words, at + AT.vlanMode)]!,
      tag: Atomics.load(words, at + AT.tag),
      priorityTags: PRIORITY_TAGS[(Atomics.load(words, at + AT.bits) >> 2) & 3]!,
    };
  }

  /** Whether the service tag that a dot1q-tunnel port pushes is 802.1Q's. */
  hasPlainServiceTag(number: number): boolean {
    const at = this.recordOf(number);
    return at >= 0 && (Atomics.load(this.words, at + AT.bits) & BIT_PLAIN_SERVICE_TAG) !== 0;
  }

  /** Whether `trunks` of a port has a VLAN; a port without `trunks` has all. */
  trunks(number: number, vlan: number): boolean {
    const at = this.recordOf(number);
    if (at < 0 || (Atomics.load(this.words, at + AT.bits) & BIT_TRUNKS) === 0) return true;
    return (Atomics.load(this.words, at + AT.trunks + (vlan >> 5)) & (1 << (vlan & 31))) !== 0;
  }

  /** VLANs in which nothing is learned (Bridge, flood_vlans). Control thread only. */
  setFloodVlans(vlans: readonly number[]): void {
    this.words.fill(0, FLOOD_VLANS_AT, MIRRORS_AT);
    for (const id of vlans) this.words[FLOOD_VLANS_AT + (id >> 5)]! |= 1 << (id & 31);
    this.changed();
  }

  isFloodVlan(vlan: number): boolean {
    const word = Atomics.load(this.words, FLOOD_VLANS_AT + (vlan >> 5));
    return (word & (1 << (vlan & 31))) !== 0;
  }

  /** Bits of SWITCH_FLAG, in those of `mask`. Control thread only. */
  setSwitchFlags(flags: number, mask: number = ~0): void {
    const kept = this.switchFlags() & ~mask;
    Atomics.store(this.words, WORD_SWITCH_FLAGS, kept | (flags & mask));
    this.changed();
  }

  switchFlags(): number {
    return Atomics.load(this.words, WORD_SWITCH_FLAGS);
  }

  /** The generation of a port, or 0 if there is none of that number. */
  generationOf(number: number): number {
    const at = this.recordOf(number);
    return at < 0 ? 0 : Atomics.load(this.words, at + AT.generation);
  }

  /** The numbers of all ports that have none of these flags, in the order of their records. */
  list(withoutFlags = 0): number[] {
    const found: number[] = [];
    for (let i = 0; i < this.capacity; i++) {
      const at = PORTS_AT + i * RECORD_WORDS;
      if (Atomics.load(this.words, at + AT.generation) === 0) continue;
      if ((Atomics.load(this.words, at + AT.flags) & withoutFlags) !== 0) continue;
      found.push(Atomics.load(this.words, at + AT.number));
    }
    return found;
  }

  /**
   * The sets of mirrors (bit i: mirror i) that a port is in; for `Mirrors`, which writes them.
   * @param set 0 those it is a source of, 1 a destination of, 2 the output of.
   */
  mirrorBits(number: number, set: 0 | 1 | 2): number {
    const at = this.recordOf(number);
    return at < 0 ? 0 : Atomics.load(this.words, at + AT.mirrorSources + set);
  }

  setMirrorBits(number: number, set: 0 | 1 | 2, bits: number): void {
    const at = this.recordFor(number);
    Atomics.store(this.words, at + AT.mirrorSources + set, bits);
    Atomics.or(this.words, at + AT.bits, BIT_SET);
  }

  /** Numbers of all records, of ports and of settings without a port. */
  numbers(): number[] {
    const all = Array.from({ length: this.capacity }, (_, i) => PORTS_AT + i * RECORD_WORDS);
    return all.map((at) => Atomics.load(this.words, at)).filter((number) => number !== 0);
  }

  /** The words of mirror `index`; for `Mirrors`. */
  mirrorWords(index: number): Int32Array {
    const at = MIRRORS_AT + index * MIRROR_WORDS;
    return this.words.subarray(at, at + MIRROR_WORDS);
  }

  /** To be called after a change: translations made before are then stale. */
  changed(): void {
    Atomics.add(this.words, WORD_REVISION, 1);
  }

  private portAt(number: number): number {
    const at = this.recordOf(number);
    return at < 0 || Atomics.load(this.words, at + AT.generation) === 0 ? -1 : at;
  }

  /** The record of a number, taken if there is none yet. */
  private recordFor(number: number): number {
    const known = this.recordOf(number);
    if (known >= 0) return known;
    for (let i = 0; i < this.capacity; i++) {
      const at = PORTS_AT + i * RECORD_WORDS;
      if (Atomics.load(this.words, at + AT.number) !== 0) continue;
      Atomics.store(this.words, at + AT.number, number);
      return at;
    }
    const all = `all ${this.capacity} port records are taken`;
    throw new PacketpathError("INTERNAL", `port ${number}: ${all}`);
  }

  private recordOf(number: number): number {
    if (number === 0) return -1;
    for (let i = 0; i < this.capacity; i++) {
      const at = PORTS_AT + i * RECORD_WORDS;
      if (Atomics.load(this.words, at + AT.number) === number) return at;
    }
    return -1;
  }
}
