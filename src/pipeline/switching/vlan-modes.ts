// How frames carry their VLANs between ports (Open vSwitch 3.1, ofproto-dpif-xlate.c: xvlan_*,
// input_vid_is_valid, xbundle_includes_vlan; ovs-vswitchd.conf.db(5), Port, vlan_mode). Called by
// NORMAL and by mirrors, in the translation of each worker.
//
// Inside the switch a frame has two tags, outer and inner, each as TPID << 16 | PCP | VID without
// the "present" bit, 0 for none: the outer one names the VLAN that the frame is switched in.
import { OFPP } from "../../flow/types.js";
import { VLAN_PRESENT, WORD } from "../../flow/key.js";
import { setTag, tagAt, type Context } from "../context.js";
import type { PortTable } from "../ports.js";

/** Outer and inner tag. */
export type Tags = readonly [outer: number, inner: number];

const VID_BITS = 0x0fff;
const TCI_BITS = 0xefff;
const PCP_BITS = 0xe000;
const DOT1Q = 0x8100;
const DOT1AD = 0x88a8;

export function vlanOf(tags: Tags): number {
  return tags[0] & VID_BITS;
}

/** The tags that the packet has now. Behind an outer tag that was taken off there is none. */
export function tagsOf(flow: Uint32Array): Tags {
  const outer = tagAt(flow, 0);
  if ((outer & VLAN_PRESENT) === 0) return [0, 0];
  return [withoutPresent(outer), withoutPresent(tagAt(flow, 1))];
}

/** Puts a frame into another VLAN. */
export function withVlan(tags: Tags, vlan: number): Tags {
  return [((tags[0] & ~VID_BITS) | vlan) >>> 0, tags[1]];
}

/**
 * Whether a port takes a frame with these tags; if not, the observer hears why. A packet that the
 * controller sends in belongs to no port and is always taken.
 */
export function acceptsInput(ctx: Context, ports: PortTable, port: number, tags: Tags): boolean {
  if (isNoPort(port)) return true;
  const { mode, tag } = ports.vlanOf(port);
  const vid = vlanOf(tags);
  const { observer } = ctx;
  if (mode === "access") {
    if (vid === 0) return true;
    observer?.error(
      `dropping VLAN ${vid} tagged packet received on port ${observer.portName(port)} ` +
        `configured as VLAN ${tag} access port`,
    );
    return false;
  }
  // A native VLAN is always carried.
  if (mode.startsWith("native") && vid === 0) return true;
  if (ports.trunks(port, vid)) return true;
  const head = `dropping VLAN ${vid} packet received on`;
  observer?.error(
    mode === "dot1q-tunnel"
      ? `${head} dot1q-tunnel port ${observer.portName(port)} that excludes this VLAN`
      : `${head} port ${observer.portName(port)} not configured for trunking VLAN ${vid}`,
  );
  return false;
}

/** The tags inside the switch of a frame that came from `port` with `tags`. */
export function inputTags(ports: PortTable, port: number, tags: Tags): Tags {
  const { mode, tag } = ports.vlanOf(port);
  if (mode === "dot1q-tunnel") {
    const type = ports.hasPlainServiceTag(port) ? DOT1Q : DOT1AD;
    return [((type << 16) | tag) >>> 0, tags[0]];
  }
  const vid = vlanOf(tags);
  if (mode === "trunk" || (mode !== "access" && vid !== 0)) return tags;
  const tpid = tags[0] >>> 16 === 0 ? DOT1Q : tags[0] >>> 16;
  const outer = ((tpid << 16) | (tags[0] & PCP_BITS) | tag) >>> 0;
  return [outer, mode === "access" ? 0 : tags[1]];
}

/** Whether a port carries frames with these tags. */
export function carries(ports: PortTable, port: number, tags: Tags): boolean {
  const { mode, tag } = ports.vlanOf(port);
  const vid = vlanOf(tags);
  const inner = tags[1] & VID_BITS;
  if (mode === "access") return vid === tag && inner === 0;
  if (mode === "dot1q-tunnel") return vid === tag && ports.trunks(port, inner);
  return ports.trunks(port, vid);
}

/**
 * Gives the packet the tags with which it leaves through `port`.
 * @param tags inside the switch.
 */
export function putOutputTags(ctx: Context, ports: PortTable, port: number, tags: Tags): void {
  const { mode, tag: own, priorityTags } = ports.vlanOf(port);
  let [outer, inner] = tags;
  if (mode === "access") [outer, inner] = [0, 0];
  const pops = mode === "native-untagged" && vlanOf(tags) === own;
  if (pops || mode === "dot1q-tunnel") [outer, inner] = [inner, 0];
  if (priorityTags !== "never") {
    outer = ((outer & ~PCP_BITS) | (ctx.flow[WORD.typeVlan]! & PCP_BITS)) >>> 0;
  }
  // "always" keeps tags of VLAN 0 and priority 0 that are there; it makes none (xvlan_put).
  const keeps = priorityTags === "always";
  const tpid = ctx.flow[WORD.outerTpid]!;
  const tag = withPresent(outer, keeps && outer !== 0);
  setTag(ctx.flow, 0, tag);
  // Behind a cable, a tag that is put on again is of the type that the one taken off had.
  if (tag === 0) ctx.flow[WORD.outerTpid] = tpid;
  setTag(ctx.flow, 1, withPresent(inner, keeps && inner !== 0));
}

/** Ports that stand for "the controller" as the source of a packet. */
export function isNoPort(port: number): boolean {
  return port === OFPP.none || port === OFPP.controller;
}

function withoutPresent(tag: number): number {
  return tag === 0 ? 0 : (tag & (0xffff0000 | TCI_BITS)) >>> 0;
}

/** A tag of VLAN 0 and priority 0 is none, unless it is asked for. */
function withPresent(tag: number, always: boolean): number {
  if ((tag & TCI_BITS) === 0 && !always) return 0;
  const tpid = tag >>> 16 === 0 ? DOT1Q : tag >>> 16;
  return ((tpid << 16) | (tag & TCI_BITS) | VLAN_PRESENT) >>> 0;
}
