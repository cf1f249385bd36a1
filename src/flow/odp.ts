// What the slow path hands to the fast path: a megaflow, and its datapath actions in a compact
// form (Open vSwitch calls the datapath's side of the border "odp"). Written by the pipeline,
// executed by the datapath; both on the same worker thread. Plain data, no Node API.

/**
 * Datapath actions are a run of Int32 words: an operation and its operands.
 *
 *   output port            to an OpenFlow port number
 *   set word mask value    bits of one word of the key (key.ts), so of the header it stands for
 *   pushVlan tag           tag = TPID << 16 | TCI
 *   popVlan                the outermost tag
 *   truncate bytes         cuts the copy of the next output only
 *   controller             counts a packet-in
 */
export const ODP = {
  output: 1,
  set: 2,
  pushVlan: 3,
  popVlan: 4,
  truncate: 5,
  controller: 6,
} as const;

/** Words of each operation with its operands, by operation number. */
export const ODP_WORDS: readonly number[] = [0, 2, 4, 2, 1, 2, 1];

/**
 * A statistics record of a flow, in doubles: id of the flow, packets, bytes, time of last use. Half
 * a cache line of its worker's shared memory; written by that worker, read by who dumps flows.
 */
export const RECORD = { flowId: 0, packets: 1, bytes: 2, usedMs: 3, size: 4 } as const;

/**
 * A flow of the fast path: all frames whose key agrees with `key` in the bits of `mask` get these
 * actions. Made by one translation; replaced, never edited while it is current, except by the
 * datapath that owns it.
 */
export interface Megaflow {
  /** KEY_PACKET_WORDS words; the bits that the translation looked at. */
  readonly mask: Uint32Array;
  /** KEY_PACKET_WORDS words; no bit outside the mask. */
  readonly key: Uint32Array;
  actions: Int32Array;
  /** Number of output operations in `actions`. */
  outputs: number;
  /** Why a frame ends here if `outputs` is 0: index in base/drop-reasons.ts. */
  dropReason: number;
  /** Offsets of the statistics records of the flows that matched on the way. */
  flowRecords: Int32Array;
  /** The revision of tables and ports under which it was translated. */
  stamp: number;
  /** The revision of the MAC table, or -1 if the translation did not ask it. */
  macStamp: number;
  /** Frames that hit it, without the one that made it. */
  packets: number;
  bytes: number;
  /** Time of the last translation and of the last hit, in the worker's burst time. */
  translatedMs: number;
  usedMs: number;
  /** No longer in the datapath; caches that still refer to it must let go of it. */
  dead: boolean;
  /** Chain in the datapath's hash table; nobody else touches it. */
  next: Megaflow | null;
  hash: number;
}
