// Actions that change fields: set_field, load, mod_*, move, push and pop VLAN, dec_ttl. They change
// the key only; `commit` (context.ts) turns the difference into datapath actions. Called by the
// translation of the same worker.
//
// A field that is set counts as looked at, in the bits that are set: whether the set is a no-op
// depends on what was there (Open vSwitch: mf_mask_field_masked). An action on a field whose
// prerequisite the packet does not have does nothing, as in OpenFlow 1.0.
import {
  fieldOf,
  getBits,
  setBits,
  type Field,
  type FieldId,
  type Prerequisite,
} from "../flow/fields.js";
import { NW_FRAG_LATER, VLAN_PRESENT, WORD } from "../flow/key.js";
import type { Action, SubField } from "../flow/types.js";
import { markSub, readSub, writeSub } from "./actions/bits.js";
import {
  dlType,
  isIp,
  setTag,
  tagAt,
  unwildcardProtocol,
  unwildcardVlans,
  type Context,
} from "./context.js";

type SetField = Extract<Action, { type: "set-field" }>;
type Move = Extract<Action, { type: "move" }>;

const TPID_8021Q = 0x81000000;
/** ct_state bits new, est, rpl. */
const CT_VALID = 0x0b;
const VLAN_FIELDS: ReadonlySet<FieldId> = new Set([
  "vlan_tci",
  "dl_vlan",
  "vlan_vid",
  "dl_vlan_pcp",
  "vlan_pcp",
] as const);

/** Of fields that have nothing to do with the network header. */
const LINK_PREREQUISITES: ReadonlySet<Prerequisite> = new Set([
  "none",
  "ethernet",
  "vlan",
  "ct",
] as const);

export function setField(ctx: Context, action: SetField): void {
  const field = fieldOf(action.field);
  if (action.spelling === "mod" && !modApplies(ctx, field.id)) return;
  const isPort = action.spelling === "mod" && (field.id === "tcp_src" || field.id === "tcp_dst");
  if (!isPort && !prerequisiteMet(ctx, field.prerequisite)) {
    const { id } = field;
    // The older actions say nothing where they do nothing.
    if (action.spelling !== "mod") {
      ctx.observer?.warning(`unmet prerequisites for ${id}, set_field ignored`);
    }
    return;
  }
  // Whether there is a network header to change: see `commit`.
  if (!LINK_PREREQUISITES.has(field.prerequisite)) unwildcardProtocol(ctx);
  const isVlan = VLAN_FIELDS.has(field.id);
  if (isVlan) beginVlan(ctx, field);
  for (let done = 0; done < field.stored; done += 32) {
    const word = field.words - 1 - done / 32;
    const width = Math.min(32, field.stored - done);
    const start = field.start + field.stored - done - width;
    const mask = action.mask[word]!;
    setBits(ctx.wildcards, start, width, getBits(ctx.wildcards, start, width) | mask);
    const old = getBits(ctx.flow, start, width);
    setBits(ctx.flow, start, width, (old & ~mask) | (action.value[word]! & mask));
  }
  if (isVlan) endVlan(ctx, field);
}

/** mod_tp_src and mod_tp_dst are for whatever has ports; set_vlan_* leave untagged frames alone. */
function modApplies(ctx: Context, id: FieldId): boolean {
  const { flow } = ctx;
  if (id === "vlan_vid" || id === "vlan_pcp") {
    unwildcardVlans(ctx);
    return tagAt(flow, 0) !== 0;
  }
  if (id !== "tcp_src" && id !== "tcp_dst") return true;
  if (!isIp(flow) || (flow[WORD.ip]! & NW_FRAG_LATER) !== 0) return false;
  unwildcardProtocol(ctx);
  return true;
}

export function move(ctx: Context, action: Move): void {
  const source = fieldOf(action.source.field);
  const target = fieldOf(action.target.field);
  const isFit =
    prerequisiteMet(ctx, target.prerequisite) && prerequisiteMet(ctx, source.prerequisite);
  if (isFit) copyBits(ctx, action);
  // What the target is now is told even if nothing was moved (xlate_ofpact_reg_move).
  ctx.observer?.subField(action.target, ctx);
}

function copyBits(ctx: Context, action: Move): void {
  const source = fieldOf(action.source.field);
  const target = fieldOf(action.target.field);
  const isVlan = VLAN_FIELDS.has(target.id);
  if (VLAN_FIELDS.has(source.id)) unwildcardVlans(ctx);
  if (isVlan) beginVlan(ctx, target);
  markSub(ctx.wildcards, action.source);
  markSub(ctx.wildcards, action.target);
  // Everything is read before anything is written: the two may overlap.
  writeSub(ctx.flow, action.target, readSub(ctx.flow, action.source));
  if (isVlan) endVlan(ctx, target);
}

/** The value of a sub-field of at most 32 bits (of wider ones, the lowest 32), looked at. */
export function readSubField(ctx: Context, sub: SubField): number {
  const field = fieldOf(sub.field);
  if (VLAN_FIELDS.has(field.id)) unwildcardVlans(ctx);
  const lowest = { ...sub, width: Math.min(32, sub.width) };
  markSub(ctx.wildcards, lowest);
  return readSub(ctx.flow, lowest)[0]!;
}

export function pushVlan(ctx: Context, ethertype: number): void {
  unwildcardVlans(ctx);
  // The key has room for two tags (FLOW_MAX_VLAN_HEADERS); a third takes the innermost's place, and
  // the packet loses it too, as in Open vSwitch (flow_push_vlan_uninit).
  setTag(ctx.flow, 1, tagAt(ctx.flow, 0));
  setTag(ctx.flow, 0, ((ethertype << 16) | VLAN_PRESENT) >>> 0);
}

export function popVlan(ctx: Context): void {
  unwildcardVlans(ctx);
  // What is left of a tag that is no longer said to be present stays.
  if ((tagAt(ctx.flow, 0) & VLAN_PRESENT) === 0) return;
  setTag(ctx.flow, 0, tagAt(ctx.flow, 1));
  setTag(ctx.flow, 1, 0);
}

/** @returns false when the TTL was 0 or 1: the packet goes to the controller, this list ends. */
export function decTtl(ctx: Context): boolean {
  ctx.wildcards[WORD.ip]! |= 0xff00;
  unwildcardProtocol(ctx);
  if (!isIp(ctx.flow)) return true;
  const ttl = (ctx.flow[WORD.ip]! >>> 8) & 0xff;
  if (ttl <= 1) return false;
  ctx.flow[WORD.ip] = (ctx.flow[WORD.ip]! & 0xffff00ff) | ((ttl - 1) << 8);
  return true;
}

/** A frame without a tag gets one before its VLAN fields are set: 802.1Q, if nothing else. */
function beginVlan(ctx: Context, field: Field): void {
  unwildcardVlans(ctx);
  if (field.id === "vlan_tci") return;
  ctx.flow[WORD.typeVlan]! |= VLAN_PRESENT;
  fixTpid(ctx);
}

/**
 * vlan_tci may add or remove the tag by its own bit; the others never do. Without that bit the
 * other bits stay, seen by matches and not by the datapath, as in Open vSwitch.
 */
function endVlan(ctx: Context, field: Field): void {
  if (field.id !== "vlan_tci") ctx.flow[WORD.typeVlan]! |= VLAN_PRESENT;
  if ((ctx.flow[WORD.typeVlan]! & 0xffff) !== 0) fixTpid(ctx);
}

function fixTpid({ flow }: Context): void {
  if (flow[WORD.outerTpid]! >>> 16 === 0) flow[WORD.outerTpid] = TPID_8021Q;
}

/** Whether the packet, as changed so far, has what a field needs; what was asked is noted. */
export function prerequisiteMet(ctx: Context, prerequisite: Prerequisite): boolean {
  const { flow } = ctx;
  const type = dlType(flow);
  const proto = flow[WORD.ip]! >>> 24;
  switch (prerequisite) {
    case "none":
    case "ethernet":
      return true;
    case "vlan":
      unwildcardVlans(ctx);
      return tagAt(flow, 0) !== 0;
    case "ipv4":
      return type === 0x0800;
    case "ipv6":
      return type === 0x86dd;
    case "ip":
      return isIp(flow);
    case "arp":
      return type === 0x0806 || type === 0x8035;
    case "ct":
      // new, est or rpl: a packet that belongs to a connection.
      ctx.wildcards[WORD.ctState]! |= CT_VALID;
      return (flow[WORD.ctState]! & CT_VALID) !== 0;
    default:
      break;
  }
  if (!isIp(flow)) return false;
  unwildcardProtocol(ctx);
  const isLater = (flow[WORD.ip]! & NW_FRAG_LATER) !== 0;
  if (prerequisite === "tcp") return proto === 6 && !isLater;
  if (prerequisite === "udp") return proto === 17 && !isLater;
  if (prerequisite === "sctp") return proto === 132 && !isLater;
  // Of ICMP, Open vSwitch does not ask whether it is a later fragment.
  if (prerequisite === "icmpv4") return type === 0x0800 && proto === 1;
  if (type !== 0x86dd || proto !== 58) return false;
  if (prerequisite === "icmpv6") return true;
  ctx.wildcards[WORD.ports]! |= 0x00ff00ff;
  if ((flow[WORD.ports]! & 0xff) !== 0) return false;
  const icmpType = (flow[WORD.ports]! >>> 16) & 0xff;
  if (prerequisite === "nd-solicit") return icmpType === 135;
  if (prerequisite === "nd-advert") return icmpType === 136;
  return icmpType === 135 || icmpType === 136;
}
