// What the slow path hands to the fast path: a megaflow, and its datapath actions in a compact
// form (Open vSwitch calls the datapath's side of the border "odp"). Written by the pipeline,
// executed by the datapath; both on the same worker thread. Plain data, no Node API.
import { KEY_PACKET_WORDS } from "./key.js";
import type { ControllerReason, Nat } from "./types.js";

/**
 * Datapath actions are a run of Int32 words: an operation and its operands.
 *
 *   output port            to an OpenFlow port number
 *   set word mask value    bits of one word of the key (key.ts), so of the header it stands for;
 *                          pktMark and skbPriority: of the packet's metadata
 *   pushVlan tag           tag = TPID << 16 | TCI
 *   popVlan                the outermost tag
 *   truncate bytes         cuts the copy of the next output only
 *   controller index       a packet-in: `operands[index]`, a ControllerOperand
 *   meter id               drops what exceeds a band's rate
 *   hash algorithm basis   sets dp_hash; 0: of the addresses and ports, 1: the same both ways
 *   recirc id              the packet enters the datapath again, with this recirc_id
 *   ct index               through the connection tracker: `operands[index]`, a ConntrackOperand
 *   ctClear                forgets the connection
 *   clone words ends       the next `words` words, on a copy; `ends`: as Megaflow.ends, for them
 *   checkLength bytes words ends words ends
 *                          the first list after it if the frame is longer than `bytes`, else the
 *                          second; on a copy
 */
export const ODP = {
  output: 1,
  set: 2,
  pushVlan: 3,
  popVlan: 4,
  truncate: 5,
  controller: 6,
  meter: 7,
  hash: 8,
  recirc: 9,
  ct: 10,
  ctClear: 11,
  clone: 12,
  checkLength: 13,
} as const;

/** Words of each operation with its operands, by operation number; without lists. */
export const ODP_WORDS: readonly number[] = [0, 2, 4, 2, 1, 2, 2, 2, 3, 2, 2, 1, 3, 6];

/** Words of the operation at `at`, with the lists that belong to it. */
export function operationWords(actions: Int32Array, at: number): number {
  const words = ODP_WORDS[actions[at]!]!;
  if (actions[at] === ODP.clone) return words + actions[at + 1]!;
  return actions[at] === ODP.checkLength ? words + actions[at + 2]! + actions[at + 4]! : words;
}

/** ovs_hash_alg: of `hash`, and of `selection_method_param >> 32`. */
export const HASH_ALGORITHM = { l4: 0, symmetricL4: 1 } as const;

/** Why there is a packet-in (enum ofp_packet_in_reason of Open vSwitch). */
export type PacketInReason = ControllerReason | "explicit_miss" | "implicit_miss";

/** What goes with a packet-in. */
export interface ControllerOperand {
  readonly kind: "controller";
  /**
   * explicit_miss: the action of a flow that matches everything at priority 0; implicit_miss: there
   * is no flow.
   */
  readonly reason: PacketInReason;
  readonly controllerId: number;
  /** Of the state with which the packet could go on. */
  readonly recircId: number;
  /** The pipeline ends here and would go on when the controller says so. */
  readonly continuation: boolean;
  readonly maxBytes: number;
  /** Of the flow whose action it is; null: there is none. */
  readonly cookie: bigint | null;
  readonly userdata: Uint8Array | null;
}

/** `ct(...)` as the datapath executes it. */
export interface ConntrackOperand {
  readonly kind: "ct";
  readonly commit: boolean;
  readonly force: boolean;
  readonly zone: number;
  /** Bits outside the mask keep the connection's value. */
  readonly mark: { readonly value: number; readonly mask: number } | null;
  /** Four words each, the lowest bits in the last. */
  readonly label: { readonly value: Uint32Array; readonly mask: Uint32Array } | null;
  readonly nat: Nat | null;
}

export type Operand = ControllerOperand | ConntrackOperand;

/**
 * A statistics record of a flow, group or bucket, in doubles: its id, packets, bytes, time of last
 * use. Half a cache line of its worker's shared memory; written by that worker, read by who dumps.
 */
export const RECORD = { flowId: 0, packets: 1, bytes: 2, usedMs: 3, size: 4 } as const;

/**
 * A flow of the fast path: all frames whose key agrees with `key` in the bits of `mask` get these
 * actions. Made by one translation; replaced, never edited while it is current, except by the
 * datapath that owns it.
 */
export interface Megaflow {
  /**
   * The bits that the translation looked at: KEY_PACKET_WORDS words; KEY_WORDS if it looked at
   * metadata of the datapath (recirc_id, dp_hash, ct_*, pkt_mark, skb_priority).
   */
  readonly mask: Uint32Array;
  /** As many words, of the packet that made it; bits outside the mask are only shown in dumps. */
  readonly key: Uint32Array;
  actions: Int32Array;
  operands: readonly Operand[];
  /** `isPlain(actions)`. */
  isPlain: boolean;
  /** Operations in `actions` in which a copy of the frame ends: output, recirc, some clones. */
  ends: number;
  /** Why a frame ends here if `ends` is 0: index in base/drop-reasons.ts. */
  dropReason: number;
  /** Offsets of the statistics records of the flows, groups and buckets on the way. */
  flowRecords: Int32Array;
  /** The revision of tables and ports under which it was translated. */
  stamp: number;
  /** The revision of the MAC table, or -1 if the translation did not ask it. */
  macStamp: number;
  /** Translated again every second while it is used: what it learned is refreshed by traffic. */
  refreshes: boolean;
  /** Not to be kept: too long, or an answer that depends on more than the key. */
  uncacheable: boolean;
  /** Counts translations of its pipeline; dumps are in this order. */
  serial: number;
  /** Frames that hit it, without the one that made it. */
  packets: number;
  bytes: number;
  /** Time of the last translation and of the last hit, in the worker's burst time. */
  translatedMs: number;
  usedMs: number;
  /** No longer in the datapath; caches that still refer to it must let go of it. */
  dead: boolean;
}

/** Whether actions only rewrite and output: no copies that are undone, no metadata. */
export function isPlain(actions: Int32Array): boolean {
  for (let i = 0; i < actions.length; i += ODP_WORDS[actions[i]!]!) {
    if (actions[i]! >= ODP.controller) return false;
    if (actions[i] === ODP.set && actions[i + 1]! >= KEY_PACKET_WORDS) return false;
  }
  return true;
}

/** Of a packet-in with a meter, Open vSwitch makes a sample of all packets, and no clone. */
export function isMeteredPacketIn(actions: ArrayLike<number>): boolean {
  const [first, , second] = Array.from(actions);
  const words = ODP_WORDS[ODP.meter]! + ODP_WORDS[ODP.controller]!;
  return actions.length === words && first === ODP.meter && second === ODP.controller;
}
