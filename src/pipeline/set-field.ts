// Actions that change fields: set_field, load, mod_*, move, push and pop VLAN, dec_ttl. They change
// the key only; `commit` (context.ts) turns the difference into datapath actions. Called by the
// translation of the same worker.
//
// A field that is set counts as looked at, in the bits that are set: whether the set is a no-op
// depends on what was there (Open vSwitch: mf_mask_field_masked). An action on a field whose
// prerequisite the packet does not have does nothing, as in OpenFlow 1.0.
import { DROP } from "../base/drop-reasons.js";
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
import {
  dlType,
  emitController,
  isIp,
  setTag,
  tagAt,
  tagCount,
  unwildcardProtocol,
  unwildcardVlans,
  type Context,
} from "./context.js";

type SetField = Extract<Action, { type: "set-field" }>;
type Move = Extract<Action, { type: "move" }>;

const TPID_8021Q = 0x81000000;
const VLAN_FIELDS: ReadonlySet<FieldId> = new Set([
  "vlan_tci",
  "dl_vlan",
  "vlan_vid",
  "dl_vlan_pcp",
  "vlan_pcp",
] as const);

export function setField(ctx: Context, action: SetField): void {
  const field = fieldOf(action.field);
  if (!prerequisiteMet(ctx, field.prerequisite)) return;
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

export function move(ctx: Context, action: Move): void {
  const source = fieldOf(action.source.field);
  const target = fieldOf(action.target.field);
  if (!prerequisiteMet(ctx, source.prerequisite)) return;
  if (!prerequisiteMet(ctx, target.prerequisite)) return;
  const isVlan = VLAN_FIELDS.has(target.id);
  if (VLAN_FIELDS.has(source.id)) unwildcardVlans(ctx);
  if (isVlan) beginVlan(ctx, target);
  const { width } = action.target;
  const from = startOf(source, action.source);
  const to = startOf(target, action.target);
  // Read everything before anything is written: the two may overlap.
  const chunks: number[] = [];
  for (let done = 0; done < width; done += 32) {
    const size = Math.min(32, width - done);
    setBits(ctx.wildcards, from + done, size, 0xffffffff);
    setBits(ctx.wildcards, to + done, size, 0xffffffff);
    chunks.push(getBits(ctx.flow, from + done, size));
  }
  chunks.forEach((bits, i) => {
    setBits(ctx.flow, to + i * 32, Math.min(32, width - i * 32), bits);
  });
  if (isVlan) endVlan(ctx, target);
}

/** The value of a sub-field of at most 32 bits (of wider ones, the lowest 32), looked at. */
export function readSubField(ctx: Context, sub: SubField): number {
  const field = fieldOf(sub.field);
  if (VLAN_FIELDS.has(field.id)) unwildcardVlans(ctx);
  const width = Math.min(32, sub.width);
  const start = startOf(field, sub) + sub.width - width;
  setBits(ctx.wildcards, start, width, 0xffffffff);
  return getBits(ctx.flow, start, width);
}

export function pushVlan(ctx: Context, ethertype: number): boolean {
  unwildcardVlans(ctx);
  // The key has room for two tags (FLOW_MAX_VLAN_HEADERS); a third would lose the innermost.
  if (tagCount(ctx.flow) === 2) return false;
  setTag(ctx.flow, 1, tagAt(ctx.flow, 0));
  setTag(ctx.flow, 0, ((ethertype << 16) | VLAN_PRESENT) >>> 0);
  return true;
}

export function popVlan(ctx: Context): void {
  unwildcardVlans(ctx);
  setTag(ctx.flow, 0, tagAt(ctx.flow, 1));
  setTag(ctx.flow, 1, 0);
}

/** @returns false when the TTL was 0 or 1: the packet goes to the controller, this list ends. */
export function decTtl(ctx: Context): boolean {
  if (!isIp(ctx.flow)) return true;
  ctx.wildcards[WORD.ip]! |= 0xff00;
  const ttl = (ctx.flow[WORD.ip]! >>> 8) & 0xff;
  if (ttl > 1) {
    ctx.flow[WORD.ip] = (ctx.flow[WORD.ip]! & 0xffff00ff) | ((ttl - 1) << 8);
    return true;
  }
  emitController(ctx);
  // More telling than "to-controller", and the one case where both are true.
  ctx.dropReason = DROP["ttl-expired"];
  return false;
}

function startOf(field: Field, sub: SubField): number {
  return field.start + field.stored - sub.offset - sub.width;
}

/** A frame without a tag gets one before its VLAN fields are set; priority 0, VLAN 0. */
function beginVlan(ctx: Context, field: Field): void {
  unwildcardVlans(ctx);
  if (tagAt(ctx.flow, 0) === 0 && field.id !== "vlan_tci") {
    setTag(ctx.flow, 0, (TPID_8021Q | VLAN_PRESENT) >>> 0);
  }
}

/** vlan_tci may add or remove the tag by its own bit; the others never do. */
function endVlan(ctx: Context, field: Field): void {
  const { flow } = ctx;
  if (field.id !== "vlan_tci") flow[WORD.typeVlan]! |= VLAN_PRESENT;
  if ((flow[WORD.typeVlan]! & VLAN_PRESENT) === 0) popVlan(ctx);
  else if (flow[WORD.outerTpid]! >>> 16 === 0) flow[WORD.outerTpid] = TPID_8021Q;
}

/** Whether the packet, as changed so far, has what a field needs; what was asked is noted. */
function prerequisiteMet(ctx: Context, prerequisite: Prerequisite): boolean {
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
      return false;
    default:
      break;
  }
  if (!isIp(flow)) return false;
  unwildcardProtocol(ctx);
  if ((flow[WORD.ip]! & NW_FRAG_LATER) !== 0) return false;
  if (prerequisite === "tcp") return proto === 6;
  if (prerequisite === "udp") return proto === 17;
  if (prerequisite === "sctp") return proto === 132;
  if (prerequisite === "icmpv4") return type === 0x0800 && proto === 1;
  if (type !== 0x86dd || proto !== 58) return false;
  if (prerequisite === "icmpv6") return true;
  ctx.wildcards[WORD.ports]! |= 0x00ff00ff;
  const icmpType = (flow[WORD.ports]! >>> 16) & 0xff;
  if (prerequisite === "nd-solicit") return icmpType === 135;
  if (prerequisite === "nd-advert") return icmpType === 136;
  return icmpType === 135 || icmpType === 136;
}
