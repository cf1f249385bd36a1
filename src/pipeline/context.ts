// The state of one translation: the key as the actions have changed it, the bits looked at, and
// the datapath actions so far. Open vSwitch calls it xlate_ctx (ofproto/ofproto-dpif-xlate.c).
// One per worker, used again and again by its slow path; nothing here is shared.
import { DROP } from "../base/drop-reasons.js";
import {
  KEY_PACKET_WORDS,
  KEY_WORDS,
  NW_FRAG_ANY,
  NW_FRAG_LATER,
  VLAN_PRESENT,
  WORD,
} from "../flow/key.js";
import { ODP } from "../flow/odp.js";
import type { Observer } from "./observer.js";

/** The bits of word `typeVlan` that hold the TCI. */
const TCI_BITS = 0xffff;

export interface Context {
  /** The key as the actions so far have made it; what table lookups see. */
  readonly flow: Uint32Array;
  /** The packet as the datapath actions so far have made it; lags behind `flow` (lazy commit). */
  readonly base: Uint32Array;
  /** Bits of the original key that decided anything. Metadata bits are dropped at the end. */
  readonly wildcards: Uint32Array;
  readonly actions: number[];
  /** Offsets of the statistics records of the flows met. */
  readonly flowRecords: number[];
  outputs: number;
  dropReason: number;
  macStamp: number;
  nowMs: number;
  /** False in a trace: nothing is learned. */
  sideEffects: boolean;
  /** Who watches this translation; null in production. */
  observer: Observer | null;
}

export function newContext(): Context {
  return {
    flow: new Uint32Array(KEY_WORDS),
    base: new Uint32Array(KEY_WORDS),
    wildcards: new Uint32Array(KEY_WORDS),
    actions: [],
    flowRecords: [],
    outputs: 0,
    dropReason: DROP["action-drop"],
    macStamp: -1,
    nowMs: 0,
    sideEffects: true,
    observer: null,
  };
}

/** Prepares a translation of `key`. in_port, dl_type and nw_frag always count as looked at. */
export function resetContext(ctx: Context, key: Uint32Array, nowMs: number): void {
  ctx.flow.set(key);
  ctx.base.set(key);
  ctx.wildcards.fill(0);
  ctx.wildcards[WORD.inPort] = 0xffff;
  ctx.wildcards[WORD.typeVlan] = 0xffff0000;
  if (isIp(key)) ctx.wildcards[WORD.ip] = NW_FRAG_ANY | NW_FRAG_LATER;
  ctx.actions.length = 0;
  ctx.flowRecords.length = 0;
  ctx.outputs = 0;
  ctx.dropReason = DROP["action-drop"];
  ctx.macStamp = -1;
  ctx.nowMs = nowMs;
}

export function dlType(key: Uint32Array): number {
  return key[WORD.typeVlan]! >>> 16;
}

export function isIp(key: Uint32Array): boolean {
  const type = dlType(key);
  return type === 0x0800 || type === 0x86dd;
}

/** A tag as one word, TPID << 16 | TCI; 0 = no such tag. @param depth 0 outermost, 1 the next. */
export function tagAt(key: Uint32Array, depth: 0 | 1): number {
  if (depth === 1) return key[WORD.innerVlan]!;
  const tci = key[WORD.typeVlan]! & TCI_BITS;
  return (tci & VLAN_PRESENT) === 0 ? 0 : ((key[WORD.outerTpid]! & 0xffff0000) | tci) >>> 0;
}

export function setTag(key: Uint32Array, depth: 0 | 1, tag: number): void {
  if (depth === 1) {
    key[WORD.innerVlan] = tag;
    return;
  }
  key[WORD.typeVlan] = (key[WORD.typeVlan]! & 0xffff0000) | (tag & TCI_BITS);
  key[WORD.outerTpid] = tag & 0xffff0000;
}

/** Notes that the tags were looked at, all of them if there are any. */
export function unwildcardVlans(ctx: Context): void {
  ctx.wildcards[WORD.typeVlan]! |= TCI_BITS;
  if (tagAt(ctx.base, 0) === 0) return;
  ctx.wildcards[WORD.outerTpid] = 0xffff0000;
  ctx.wildcards[WORD.innerVlan] = 0xffffffff;
}

/** Order in which changed words are committed: Ethernet, network, neighbor discovery, ports. */
const COMMIT_WORDS: readonly number[] = [
  ...[WORD.ethDst, WORD.ethMid, WORD.ethSrc],
  ...[WORD.nwSrc, WORD.nwDst],
  ...[0, 1, 2, 3].map((i) => WORD.ipv6Src + i),
  ...[0, 1, 2, 3].map((i) => WORD.ipv6Dst + i),
  ...[WORD.ipv6Label, WORD.ip],
  ...[0, 1, 2].map((i) => WORD.arpHardware + i),
  ...[0, 1, 2, 3].map((i) => WORD.ndTarget + i),
  WORD.ports,
];

/**
 * Emits the datapath actions that make the packet look like `flow`, in Open vSwitch's order
 * (lib/odp-util.c commit_odp_actions, 3.1): header fields, then VLAN tags. A field set to what it
 * was emits nothing. Called just before an output, so that changes nobody sees cost nothing.
 */
export function commit(ctx: Context): void {
  const { flow, base, actions } = ctx;
  for (const word of COMMIT_WORDS) {
    const changed = (flow[word]! ^ base[word]!) >>> 0;
    if (changed === 0) continue;
    actions.push(ODP.set, word, changed | 0, (flow[word]! & changed) | 0);
    base[word] = flow[word]!;
  }
  commitVlans(ctx);
}

export function unwildcardProtocol(ctx: Context): void {
  if (isIp(ctx.base)) ctx.wildcards[WORD.ip]! |= 0xff000000;
}

/**
 * Tags that are the same, counted from the innermost, stay; all others of the packet are popped
 * and those of the flow pushed (commit_vlan_action).
 */
function commitVlans(ctx: Context): void {
  const { flow, base, actions } = ctx;
  let have = tagCount(base);
  let want = tagCount(flow);
  const wanted = want;
  while (have > 0 && want > 0 && sameTag(base, have - 1, flow, want - 1)) {
    have--;
    want--;
  }
  if (have === 0 && want === 0) return;
  unwildcardVlans(ctx);
  for (; have > 0; have--) actions.push(ODP.popVlan);
  for (; want > 0; want--) actions.push(ODP.pushVlan, tagAt(flow, (want - 1) as 0 | 1) | 0);
  setTag(base, 0, wanted > 0 ? tagAt(flow, 0) : 0);
  setTag(base, 1, wanted > 1 ? tagAt(flow, 1) : 0);
}

export function tagCount(key: Uint32Array): number {
  return tagAt(key, 0) === 0 ? 0 : tagAt(key, 1) === 0 ? 1 : 2;
}

function sameTag(a: Uint32Array, aDepth: number, b: Uint32Array, bDepth: number): boolean {
  return tagAt(a, aDepth as 0 | 1) === tagAt(b, bDepth as 0 | 1);
}

/** Emits an output of the packet as it is now. */
export function emitOutput(ctx: Context, port: number): void {
  commit(ctx);
  ctx.actions.push(ODP.output, port);
  ctx.outputs++;
}

/** Emits a packet-in: counted, not delivered anywhere. */
export function emitController(ctx: Context): void {
  ctx.actions.push(ODP.controller);
  ctx.dropReason = DROP["to-controller"];
}

/** Notes why the packet did not go out here; the last reason counts, if nothing goes out at all. */
export function noteDrop(ctx: Context, reason: number): void {
  // A packet-in is a destination, even if nobody is there.
  if (ctx.dropReason === DROP["to-controller"] || ctx.dropReason === DROP["ttl-expired"]) return;
  ctx.dropReason = reason;
}

/** The masked packet part of a key, in an array of its own. */
export function maskedKey(key: Uint32Array, mask: Uint32Array): Uint32Array {
  const masked = new Uint32Array(KEY_PACKET_WORDS);
  for (let i = 0; i < KEY_PACKET_WORDS; i++) masked[i] = key[i]! & mask[i]!;
  return masked;
}
