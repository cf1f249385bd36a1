// The fast path of one queue worker: exact-match cache, then megaflows, then the slow path that was
// handed in; then the actions, on the bytes in place. Run to completion, in the worker's thread;
// no allocation and no exception per frame (the slow path, once per new flow, may allocate).
//
// The books. Each frame that `receive` gets, and each further copy of it (`cloned`), ends in
// exactly one `output` or one `drop` of the `Transmit`, so: in + cloned = outputs + drops.
import { DROP } from "../base/drop-reasons.js";
import type { Clock } from "../base/clock.js";
import { extractKey } from "../flow/extract.js";
import {
  flowHash,
  foldTags,
  identityWords,
  KEY_PACKET_WORDS,
  KEY_WORDS,
  keyHash,
  newKey,
  WORD,
} from "../flow/key.js";
import { RECORD, type Megaflow } from "../flow/odp.js";
import type { Tracker } from "./conntrack/tracked.js";
import { ExactMatchCache } from "./exact-match-cache.js";
import { Executor } from "./execute.js";
import { ListExecutor, type PacketIn, recirculationsOf } from "./list-executor.js";
import { MegaflowTable, sameMask } from "./megaflow-table.js";
import type { MeterTable } from "./meters.js";

/** A frame in hand. One object per worker, reused for every frame. */
export interface Frame {
  /** The pool; the frame lies in it. */
  bytes: Uint8Array;
  /**
   * Where the Ethernet header begins. Before it (before the vnet header, if there is one) at least
   * 64 bytes are free, so that tags can be pushed.
   */
  offset: number;
  /** Bytes of the frame, without the vnet header. */
  length: number;
  /** Where the 12-byte vnet header begins, directly in front of the frame; -1 without one. */
  vnetOffset: number;
  /** OpenFlow port number that it came from. */
  inPort: number;
  /** skb->queue_mapping as the input device left it: receive queue + 1, or 0 for no hint. */
  queueMapping: number;
  /** Symmetric flow hash (skb->hash), as `flowHash` gives it; the datapath fills it in. */
  hash: number;
}

/** Where frames end. Implemented by the worker, which counts. */
export interface Transmit {
  /**
   * Sends the frame to a port, or drops and counts it. Synchronous: when it returns, nobody reads
   * the bytes any more, so a frame for several ports is never copied.
   * @param last false: the frame (an skb_clone, in the kernel's terms) is needed again afterwards.
   */
  output(frame: Frame, port: number, last: boolean): void;
  /** Counts a frame that ends here. @param reason index in base/drop-reasons.ts. */
  drop(frame: Frame, reason: number): void;
  /** Counts a further copy of a frame, just before its `output`. */
  cloned(frame: Frame): void;
}

/** The slow path: translates the packet with this key (`Pipeline.translate`). */
export type Miss = (frame: Frame, key: Uint32Array) => Megaflow | null;

/** What a megaflow's stamps are compared with (`Pipeline`). */
export interface Revisions {
  stamp(): number;
  macStamp(): number;
  /** Whether frames are read up to their first tag only. */
  readsOneTag?(): boolean;
  /** Told now and then which recirculation ids are in use; others may be forgotten. */
  retainRecirculations?(used: ReadonlySet<number>): void;
}

/** Counters, as indexes of an array that may lie in shared memory. */
export const DATAPATH_COUNTER = {
  exactMatchHits: 0,
  megaflowHits: 1,
  /** Frames that went through the slow path. */
  misses: 2,
  /** Megaflows translated again: flows, ports or MACs had changed, or a second had passed. */
  revalidated: 3,
  masks: 4,
  megaflows: 5,
  /** Packet-ins, whether or not somebody takes them. */
  packetIns: 6,
} as const;
export const DATAPATH_COUNTERS = 16;

/** Action lists inside one another on a worker (OVS_RECURSION_LIMIT). */
const RECURSION_LIMIT = 5;
/** Times that a packet may be sent round (MAX_RECIRC_DEPTH). */
const RECIRCULATION_LIMIT = 8;
/** A megaflow without a frame for so long is forgotten (OVS max-idle). */
const MAX_IDLE_MS = 10_000;
/** The same while there are too many (ofproto-dpif-upcall.c, over flow_limit). */
const MAX_IDLE_CROWDED_MS = 100;
const FLOW_LIMIT = 65_536;
/** How often ranks are made and idle megaflows are swept, and MACs refreshed by running traffic. */
const SWEEP_MS = 1000;
/** A worker that forgets `beginBurst` gets one every so many frames. */
const FRAMES_WITHOUT_BURST = 64;

export class Datapath {
  readonly counters: Float64Array;
  private readonly transmit: Transmit;
  private readonly miss: Miss;
  private readonly revisions: Revisions;
  private readonly records: Float64Array;
  private readonly clock: Clock;
  private readonly cache = new ExactMatchCache();
  private readonly megaflows = new MegaflowTable();
  /** Of packets that came round: their keys have recirc_id, ct_* and the like too. */
  private readonly roundMegaflows = new MegaflowTable();
  private readonly installed: ((megaflow: Megaflow) => void) | null;
  private readonly plain: Executor;
  private readonly lists: ListExecutor;
  /** One key per level of recursion, so that a nested frame does not spoil the outer one's. */
  private readonly keys = Array.from({ length: RECURSION_LIMIT + RECIRCULATION_LIMIT }, newKey);
  private level = 0;
  private rounds = 0;
  /** Whether the last `find` had to ask the slow path for a new megaflow. */
  private missed = false;
  private nowMs: number;
  private sweptMs: number;
  private framesOfBurst = 0;
  private oneTag = false;

  /**
   * @param options.records statistics records of this worker's flow tables.
   * @param options.counters DATAPATH_COUNTERS doubles, for example in shared memory.
   * @param options.meters without them every packet passes every meter.
   * @param options.conntrack the connections; without it every tracked packet is invalid.
   * @param options.packetIn takes packet-ins; without it they are only counted.
   * @param options.installed is told of each new megaflow.
   */
  constructor(options: {
    transmit: Transmit;
    miss: Miss;
    revisions: Revisions;
    records: Float64Array;
    clock: Clock;
    counters?: Float64Array;
    meters?: MeterTable;
    conntrack?: Tracker;
    packetIn?: PacketIn;
    installed?: (megaflow: Megaflow) => void;
  }) {
    this.transmit = options.transmit;
    this.miss = options.miss;
    this.revisions = options.revisions;
    this.records = options.records;
    this.clock = options.clock;
    this.installed = options.installed ?? null;
    this.counters = options.counters ?? new Float64Array(DATAPATH_COUNTERS);
    this.nowMs = Math.floor(this.clock.nowMs());
    this.sweptMs = this.nowMs;
    this.plain = new Executor(this.transmit, this.counters);
    this.lists = new ListExecutor({
      transmit: this.transmit,
      plain: this.plain,
      meters: options.meters ?? null,
      conntrack: options.conntrack ?? null,
      packetIn: options.packetIn ?? null,
      recirculate: (frame, key, id) => this.recirculate(frame, key, id),
    });
    this.lists.nowMs = this.nowMs;
  }

  /** Once per burst: reads the clock and, once a second, tidies up. */
  beginBurst(): void {
    this.framesOfBurst = 0;
    this.nowMs = Math.floor(this.clock.nowMs());
    this.lists.nowMs = this.nowMs;
    this.oneTag = this.revisions.readsOneTag?.() ?? false;
    if (this.nowMs - this.sweptMs < SWEEP_MS) return;
    this.sweep(MAX_IDLE_MS);
    // Nothing is under way, unless a port led back into this datapath.
    if (this.level === 0) this.retainRecirculations();
  }

  /** Decides what happens to a frame, and does it. */
  receive(frame: Frame): void {
    // Levels are frames in hand, one inside the other: come in, or come round.
    if (this.level - this.rounds >= RECURSION_LIMIT) {
      return this.transmit.drop(frame, DROP["loop-limit"]);
    }
    if (this.framesOfBurst++ >= FRAMES_WITHOUT_BURST) this.beginBurst();
    const key = this.keys[this.level]!;
    const runt = extractKey(frame.bytes, frame.offset, frame.length, frame.inPort, key);
    if (runt !== 0) return this.transmit.drop(frame, runt);
    if (this.oneTag) foldTags(key);
    const words = identityWords(key);
    const hash = keyHash(key, words);
    const place = this.cache.find(key, words, hash);
    if (place >= 0) {
      const megaflow = this.cache.megaflowAt(place);
      if (!megaflow.dead && this.isCurrent(megaflow)) {
        this.counters[DATAPATH_COUNTER.exactMatchHits]!++;
        frame.hash = this.cache.flowHashAt(place);
        this.hit(frame, megaflow, key);
        return;
      }
    }
    this.receiveUncached(frame, key, words, hash);
  }

  /**
   * Does with a frame what was translated for it alone (a packet-out). Not while another is
   * received.
   * @param metadata words of the key that are not in its bytes.
   */
  inject(frame: Frame, metadata: Uint32Array, translate: (key: Uint32Array) => Megaflow): void {
    const key = this.keys[this.level]!;
    key.set(metadata);
    const runt = extractKey(frame.bytes, frame.offset, frame.length, frame.inPort, key);
    if (runt !== 0) return this.transmit.drop(frame, runt);
    if (this.oneTag) foldTags(key);
    this.perform(frame, translate(key), key);
    key.fill(0, KEY_PACKET_WORDS);
  }

  /** All megaflows, the oldest first, for dumps; do not change them. */
  dump(): readonly Megaflow[] {
    const all = [...this.megaflows.all(), ...this.roundMegaflows.all()];
    return all.sort((a, b) => a.serial - b.serial);
  }

  /** Forgets all megaflows (dpctl/del-flows). */
  flush(): void {
    for (const table of [this.megaflows, this.roundMegaflows]) {
      for (const megaflow of table.all()) table.remove(megaflow);
    }
    this.countMegaflows();
  }

  /** A packet that was sent round: as one that comes in, with what it carries. */
  private recirculate(frame: Frame, from: Uint32Array, id: number): void {
    if (this.rounds >= RECIRCULATION_LIMIT) {
      return this.transmit.drop(frame, DROP["recirculation-limit"]);
    }
    const key = this.keys[this.level]!;
    for (let i = WORD.pktMark; i < KEY_WORDS; i++) key[i] = from[i]!;
    key[WORD.recircId] = id;
    extractKey(frame.bytes, frame.offset, frame.length, frame.inPort, key);
    if (this.oneTag) foldTags(key);
    this.rounds++;
    const megaflow = this.find(frame, key, this.roundMegaflows);
    if (megaflow === null) this.transmit.drop(frame, DROP["translation-limit"]);
    else if (this.missed) this.perform(frame, megaflow, key);
    else this.hit(frame, megaflow, key);
    this.rounds--;
    key.fill(0, KEY_PACKET_WORDS);
  }

  /** The megaflow of a key, translated now if there is none that is current. */
  private find(frame: Frame, key: Uint32Array, table: MegaflowTable): Megaflow | null {
    let known = table.lookup(key);
    if (known !== null && !this.isCurrent(known)) {
      known = this.revalidate(frame, key, known, table);
    }
    this.missed = known === null;
    this.counters[this.missed ? DATAPATH_COUNTER.misses : DATAPATH_COUNTER.megaflowHits]!++;
    return known ?? this.install(frame, key, table);
  }

  private receiveUncached(frame: Frame, key: Uint32Array, words: number, hash: number): void {
    const flow = flowHash(key);
    frame.hash = flow;
    const megaflow = this.find(frame, key, this.megaflows);
    if (megaflow === null) return this.transmit.drop(frame, DROP["translation-limit"]);
    if (!megaflow.uncacheable) {
      const known = this.cache.find(key, words, hash);
      const place = known >= 0 ? known : this.cache.insert(key, words, hash, megaflow);
      this.cache.update(place, megaflow);
      this.cache.setFlowHash(place, flow);
    }
    if (!this.missed) return this.hit(frame, megaflow, key);
    // The packet that comes back from an upcall is a new skb without a recorded receive queue
    // (ovs_packet_cmd_execute), so it can never hang in skb_tx_hash.
    frame.queueMapping = 0;
    this.perform(frame, megaflow, key);
  }

  private hit(frame: Frame, megaflow: Megaflow, key: Uint32Array): void {
    megaflow.packets++;
    megaflow.bytes += frame.length;
    this.perform(frame, megaflow, key);
  }

  /** Credits the flows and executes the actions; each copy of the frame ends in here. */
  private perform(frame: Frame, megaflow: Megaflow, key: Uint32Array): void {
    const { records, nowMs } = this;
    const { flowRecords } = megaflow;
    megaflow.usedMs = nowMs;
    for (let i = 0; i < flowRecords.length; i++) {
      const at = flowRecords[i]!;
      records[at + RECORD.packets]!++;
      records[at + RECORD.bytes]! += frame.length;
      records[at + RECORD.usedMs] = nowMs;
    }
    this.level++;
    if (megaflow.isPlain) this.plain.execute(frame, megaflow);
    else {
      this.lists.execute(frame, megaflow, key);
      // Metadata belongs to one packet; the next one that gets this key has none.
      key.fill(0, KEY_PACKET_WORDS);
    }
    this.level--;
  }

  /**
   * Whether a megaflow still says what a translation would say. One that learned something is
   * also translated again every second, which keeps what running traffic taught from ageing (Open
   * vSwitch's revalidators do that every 500 ms).
   */
  private isCurrent(megaflow: Megaflow): boolean {
    if (megaflow.stamp !== this.revisions.stamp()) return false;
    if (!megaflow.refreshes) return true;
    if (megaflow.macStamp >= 0 && megaflow.macStamp !== this.revisions.macStamp()) return false;
    return this.nowMs - megaflow.translatedMs < SWEEP_MS;
  }

  /** Translates again for this packet; keeps the megaflow only if it means the same frames. */
  private revalidate(
    frame: Frame,
    key: Uint32Array,
    old: Megaflow,
    table: MegaflowTable,
  ): Megaflow | null {
    this.counters[DATAPATH_COUNTER.revalidated]!++;
    const fresh = this.miss(frame, key);
    if (fresh === null || fresh.uncacheable || !sameMask(old.mask, fresh.mask)) {
      table.remove(old);
      this.countMegaflows();
      return fresh === null || fresh.uncacheable ? fresh : this.add(fresh, table);
    }
    old.actions = fresh.actions;
    old.operands = fresh.operands;
    old.isPlain = fresh.isPlain;
    old.ends = fresh.ends;
    old.dropReason = fresh.dropReason;
    old.flowRecords = fresh.flowRecords;
    old.stamp = fresh.stamp;
    old.macStamp = fresh.macStamp;
    old.refreshes = fresh.refreshes;
    old.translatedMs = this.nowMs;
    return old;
  }

  private install(frame: Frame, key: Uint32Array, table: MegaflowTable): Megaflow | null {
    const fresh = this.miss(frame, key);
    if (fresh === null || fresh.uncacheable) return fresh;
    if (this.size >= FLOW_LIMIT) this.sweep(MAX_IDLE_CROWDED_MS);
    if (this.size >= FLOW_LIMIT) this.flush();
    return this.add(fresh, table);
  }

  private get size(): number {
    return this.megaflows.size + this.roundMegaflows.size;
  }

  private add(fresh: Megaflow, table: MegaflowTable): Megaflow {
    fresh.translatedMs = this.nowMs;
    fresh.usedMs = this.nowMs;
    table.insert(fresh);
    this.countMegaflows();
    this.installed?.(fresh);
    return fresh;
  }

  private sweep(maxIdleMs: number): void {
    this.sweptMs = this.nowMs;
    for (const table of [this.megaflows, this.roundMegaflows]) {
      for (const megaflow of table.all()) {
        if (this.nowMs - megaflow.usedMs > maxIdleMs) table.remove(megaflow);
      }
      table.rank();
    }
    this.countMegaflows();
  }

  private retainRecirculations(): void {
    const { revisions } = this;
    if (revisions.retainRecirculations === undefined) return;
    const used = new Set<number>();
    for (const megaflow of this.dump()) {
      for (const id of recirculationsOf(megaflow)) used.add(id);
    }
    revisions.retainRecirculations(used);
  }

  private countMegaflows(): void {
    this.counters[DATAPATH_COUNTER.masks] = this.megaflows.masks + this.roundMegaflows.masks;
    this.counters[DATAPATH_COUNTER.megaflows] = this.size;
  }
}
