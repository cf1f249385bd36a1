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
import { type ControllerOperand, ODP, type Operand } from "../flow/odp.js";
import { OFPP, type Action, type Nat } from "../flow/types.js";
import type { Observer, TranslationError } from "./observer.js";
import type { PatchPeer, Wiring } from "./walk/patch.js";
import type { FrozenList } from "./walk/recirculation.js";

/** The bits of word `typeVlan` that hold the TCI. */
const TCI_BITS = 0xffff;

/** Words of metadata that the datapath keeps with a packet. */
const DATAPATH_METADATA: readonly number[] = [
  ...[WORD.pktMark, WORD.recircId, WORD.dpHash, WORD.ctState, WORD.ctZone, WORD.ctMark],
  ...[0, 1, 2, 3].map((i) => WORD.ctLabel + i),
  ...[WORD.skbPriority, WORD.ctNwProto, WORD.ctNwSrc, WORD.ctNwDst, WORD.ctPorts],
  ...[0, 1, 2, 3, 4, 5, 6, 7].map((i) => WORD.ctIpv6Src + i),
];

/** A value on the stack. */
export interface StackItem {
  /** The lowest bits in the last word. */
  readonly value: Uint32Array;
  readonly bits: number;
}

/** What a packet-in says whose packet may go on. */
export type PausedFor = Omit<ControllerOperand, "kind" | "recircId">;

export interface Context {
  /** The key as the actions so far have made it; what table lookups see. */
  readonly flow: Uint32Array;
  /** The packet as the datapath actions so far have made it; lags behind `flow` (lazy commit). */
  readonly base: Uint32Array;
  /** Bits of the original key that decided anything. */
  readonly wildcards: Uint32Array;
  /** Datapath actions; `operands` are what some of them refer to. */
  readonly actions: number[];
  readonly operands: Operand[];
  /** Offsets of the statistics records of the flows, groups and buckets met. */
  readonly flowRecords: number[];
  /** Operations in which a copy of the packet ends, on the level of nesting where we are. */
  ends: number;
  dropReason: number;
  macStamp: number;
  nowMs: number;
  /** False in a trace: nothing is learned. */
  sideEffects: boolean;
  /** Who watches this translation; null in production. */
  observer: Observer | null;
  /** Why the translation is given up; null: it is not. */
  error: TranslationError | null;
  /** The rest of the pipeline is skipped, up to the end of the bucket or clone we are in. */
  exit: boolean;
  /** The rest of the pipeline is kept for the recirculated packet (OVS ctx->freezing). */
  freezing: boolean;
  /**
   * What the packet goes on with when it is sent round again, innermost list first. The rest of a
   * list that `exit` ended stays here until then, as in Open vSwitch: behind a bucket, a patch
   * cable or the longer packets of a check, the next that sends the packet round takes it along.
   */
  frozen: FrozenList[];
  /** The packet goes to controllers, which may let it go on; null: it does not. */
  pause: PausedFor | null;
  /** The hash to take before the recirculation, as operands of ODP.hash; null: none. */
  freezeHash: { readonly algorithm: number; readonly basis: number } | null;
  /** ct_* fields hold what the connection tracker said. */
  conntracked: boolean;
  /** The translation translates what ct(table=N) or a hash sent round again. */
  thawed: boolean;
  /** What push has put there. */
  stack: StackItem[];
  actionSet: Action[];
  actionSetHasGroup: boolean;
  inActionSet: boolean;
  /** `nat(...)` of the ct action at hand. */
  nat: Nat | null;
  /** skb_priority as the packet came. */
  originalPriority: number;
  /** Cookie of the flow whose actions are being executed; null: none. */
  cookie: bigint | null;
  refreshes: boolean;
  uncacheable: boolean;
  /** Bits of the mirrors that have this packet already. */
  mirrors: number;
  /** Of the bridge whose tables are walked; null: it is alone. */
  wiring: Wiring | null;
  /** Takes the packet through a patch cable. */
  follow: ((peer: PatchPeer, isLast: boolean) => void) | null;
}

export function newContext(): Context {
  return {
    flow: new Uint32Array(KEY_WORDS),
    base: new Uint32Array(KEY_WORDS),
    wildcards: new Uint32Array(KEY_WORDS),
    actions: [],
    operands: [],
    flowRecords: [],
    ends: 0,
    dropReason: DROP["action-drop"],
    macStamp: -1,
    nowMs: 0,
    sideEffects: true,
    observer: null,
    error: null,
    exit: false,
    freezing: false,
    frozen: [],
    pause: null,
    freezeHash: null,
    conntracked: false,
    thawed: false,
    stack: [],
    actionSet: [],
    actionSetHasGroup: false,
    inActionSet: false,
    nat: null,
    originalPriority: 0,
    cookie: null,
    refreshes: false,
    uncacheable: false,
    mirrors: 0,
    wiring: null,
    follow: null,
  };
}

/** Prepares a translation of `key`. in_port, dl_type and nw_frag always count as looked at. */
export function resetContext(ctx: Context, key: Uint32Array, nowMs: number): void {
  ctx.flow.set(key);
  ctx.flow[WORD.actsetOutput] = OFPP.unset;
  ctx.base.set(ctx.flow);
  ctx.wildcards.fill(0);
  ctx.wildcards[WORD.inPort] = 0xffff;
  ctx.wildcards[WORD.typeVlan] = 0xffff0000;
  if (key[WORD.recircId] !== 0) ctx.wildcards[WORD.recircId] = 0xffffffff;
  if (isIp(key)) ctx.wildcards[WORD.ip] = NW_FRAG_ANY | NW_FRAG_LATER;
  ctx.actions.length = 0;
  ctx.operands.length = 0;
  ctx.flowRecords.length = 0;
  ctx.ends = 0;
  ctx.dropReason = DROP["action-drop"];
  ctx.macStamp = -1;
  ctx.nowMs = nowMs;
  ctx.error = null;
  ctx.exit = false;
  ctx.freezing = false;
  ctx.frozen = [];
  ctx.pause = null;
  ctx.freezeHash = null;
  // A thaw says it better; a packet that comes in tracked is one of a trace.
  ctx.conntracked = key[WORD.ctState] !== 0;
  ctx.thawed = key[WORD.recircId] !== 0;
  ctx.stack = [];
  ctx.actionSet = [];
  ctx.actionSetHasGroup = false;
  ctx.inActionSet = false;
  ctx.nat = null;
  ctx.originalPriority = key[WORD.skbPriority]!;
  ctx.cookie = null;
  ctx.refreshes = false;
  ctx.uncacheable = false;
  ctx.mirrors = 0;
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

/** A field that is committed as a whole: the bits that it has in each of its words. */
type CommitField = readonly (readonly [word: number, bits: number])[];

const ALL = 0xffffffff;
const wide = (first: number, count: number): CommitField =>
  Array.from({ length: count }, (_, i): readonly [number, number] => [first + i, ALL]);
/** Two addresses of 48 bits, one behind the other. */
const pair = (first: number): readonly CommitField[] => [
  [
    [first, ALL],
    [first + 1, 0xffff0000],
  ],
  [
    [first + 1, 0xffff],
    [first + 2, ALL],
  ],
];

const COMMIT_ETHERNET: readonly CommitField[] = pair(WORD.ethDst);
const COMMIT_NETWORK: readonly CommitField[] = [
  ...[WORD.nwSrc, WORD.nwDst].map((word) => wide(word, 1)),
  ...[WORD.ipv6Src, WORD.ipv6Dst].map((word) => wide(word, 4)),
  [[WORD.ipv6Label, 0xfffff]],
  // Protocol (or ARP operation), traffic class, time to live.
  ...[0xff000000, 0xff0000, 0xff00].map((bits): CommitField => [[WORD.ip, bits]]),
  ...pair(WORD.arpHardware),
  wide(WORD.ndTarget, 4),
];
const COMMIT_PORTS: readonly CommitField[] = [
  [[WORD.ports, 0xffff0000]],
  [[WORD.ports, 0x0000ffff]],
];
/** Type and code, which are set together. */
const COMMIT_ICMP: readonly CommitField[] = [[[WORD.ports, 0x00ff00ff]]];
/** Metadata of the packet that the datapath keeps; committed after all headers. */
const COMMIT_METADATA = [WORD.skbPriority, WORD.pktMark].map((word) => wide(word, 1));

/**
 * Emits the datapath actions that make the packet look like `flow`, in Open vSwitch's order
 * (lib/odp-util.c commit_odp_actions, 3.1): header fields, VLAN tags, priority and mark. A field
 * set to what it was emits nothing. Called just before an output, so that changes nobody sees cost
 * nothing.
 */
export function commit(ctx: Context): void {
  commitFields(ctx, COMMIT_ETHERNET);
  const ports = isIcmp(ctx.flow) ? COMMIT_ICMP : COMMIT_PORTS;
  const network = [...COMMIT_NETWORK, ...ports];
  if (network.some((field) => hasChanged(ctx, field))) {
    // A protocol (or ARP operation) of 0 is taken for a network header that is not there, and
    // RARP cannot be changed (commit_set_nw_action).
    unwildcardProtocol(ctx);
    if (ports === COMMIT_ICMP && hasChanged(ctx, ports[0]!)) {
      ctx.wildcards[WORD.ports]! |= ports[0]![0]![1];
    }
    const isRarp = dlType(ctx.flow) === 0x8035;
    if (!isRarp && ctx.flow[WORD.ip]! >>> 24 !== 0) commitFields(ctx, network);
  }
  commitVlans(ctx);
  commitFields(ctx, COMMIT_METADATA);
}

function hasChanged({ flow, base }: Context, field: CommitField): boolean {
  return field.some(([word, bits]) => ((flow[word]! ^ base[word]!) & bits) !== 0);
}

/**
 * Sets the fields that have changed, in all their bits that were looked at: those have the same
 * value in every packet of the megaflow.
 */
function commitFields(ctx: Context, fields: readonly CommitField[]): void {
  const { flow, base, actions, wildcards } = ctx;
  const masks = new Map<number, number>();
  for (const field of fields) {
    if (!hasChanged(ctx, field)) continue;
    for (const [word, bits] of field) {
      const changed = flow[word]! ^ base[word]!;
      masks.set(word, (masks.get(word) ?? 0) | ((wildcards[word]! | changed) & bits));
    }
  }
  for (const [word, mask] of masks) {
    if (mask === 0) continue;
    actions.push(ODP.set, word, mask, flow[word]! & mask);
    base[word] = (base[word]! & ~mask) | (flow[word]! & mask);
  }
}

function isIcmp(key: Uint32Array): boolean {
  const protocol = key[WORD.ip]! >>> 24;
  const type = dlType(key);
  return (type === 0x0800 && protocol === 1) || (type === 0x86dd && protocol === 58);
}

export function unwildcardProtocol(ctx: Context): void {
  const type = dlType(ctx.base);
  const isArp = type === 0x0806 || type === 0x8035;
  if (isArp || isIp(ctx.base)) ctx.wildcards[WORD.ip]! |= 0xff000000;
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
  if (have > 0) unwildcardVlans(ctx);
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
  ctx.ends++;
}

/** Emits an operation that refers to an operand. */
export function emitOperand(ctx: Context, operation: number, operand: Operand): void {
  ctx.actions.push(operation, ctx.operands.length);
  ctx.operands.push(operand);
}

/** Notes why the packet did not go out here; the last reason counts, if nothing goes out at all. */
export function noteDrop(ctx: Context, reason: number): void {
  // A packet-in is a destination, even if nobody is there.
  if (ctx.dropReason === DROP["to-controller"] || ctx.dropReason === DROP["ttl-expired"]) return;
  ctx.dropReason = reason;
}

/**
 * What a megaflow keeps of a key and its wildcards: the packet's words as they are, and the bits
 * looked at of them and of the metadata that the datapath has. Registers and the like are the same
 * for all packets that come here, or follow from recirc_id.
 */
export function megaflowKey(
  key: Uint32Array,
  wildcards: Uint32Array,
): { key: Uint32Array; mask: Uint32Array } {
  const some = DATAPATH_METADATA.some((word) => wildcards[word] !== 0);
  const mask = wildcards.slice(0, some ? KEY_WORDS : KEY_PACKET_WORDS);
  for (let i = KEY_PACKET_WORDS; i < mask.length; i++) {
    if (!DATAPATH_METADATA.includes(i)) mask[i] = 0;
  }
  return { key: key.slice(0, mask.length), mask };
}
