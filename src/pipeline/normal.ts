// The NORMAL action: a learning Ethernet switch (Open vSwitch 3.1, ofproto-dpif-xlate.c
// xlate_normal; ovs-actions(7) "The normal action"), and flooding. Called by the translation of
// each worker. Bonds and multicast snooping are not modelled: multicast is flooded.
import { DROP } from "../base/drop-reasons.js";
import { VLAN_PRESENT, WORD } from "../flow/key.js";
import { dlType, noteDrop, tagAt, type Context } from "./context.js";
import { LEARNED, MAC_COUNTER, type MacTable } from "./mac-table.js";
import { isMirrorOutput } from "./switching/mirrors.js";
import { composeOutput, outputInVlan } from "./switching/compose-output.js";
import { PORT_FLAG, SWITCH_FLAG, type PortTable } from "./ports.js";
import { isReserved } from "./switching/reserved-macs.js";
import {
  acceptsInput,
  carries,
  inputTags,
  isNoPort,
  tagsOf,
  vlanOf,
  type Tags,
} from "./switching/vlan-modes.js";

const VID_AND_PRESENT = VLAN_PRESENT | 0x0fff;
const BROADCAST_HIGH = 0xffffffff;
const ARP_REQUEST = 1;

/** What NORMAL needs beside the packet. */
export interface Learning {
  readonly ports: PortTable;
  readonly macs: MacTable;
  /** What a translation that asks the MAC table depends on. */
  macStamp(): number;
}

export function normal(ctx: Context, env: Learning): void {
  const { flow, wildcards, observer } = ctx;
  const { ports, macs } = env;
  wildcards[WORD.ethDst] = 0xffffffff;
  wildcards[WORD.ethMid] = 0xffffffff;
  wildcards[WORD.ethSrc] = 0xffffffff;
  wildcards[WORD.typeVlan]! |= VID_AND_PRESENT;
  const inPort = flow[WORD.inPort]!;
  const tags = admit(ctx, env, inPort);
  if (tags === null) return;
  const vlan = vlanOf(tags);
  lookAtArp(ctx);
  if (ctx.sideEffects && !isNoPort(inPort)) learnSource(ctx, env, vlan);
  // After our own learning, before the lookup: whatever changes from here on makes this
  // translation stale.
  if (ctx.macStamp < 0) ctx.macStamp = env.macStamp();

  const dstHigh = flow[WORD.ethDst]!;
  const isGroup = (dstHigh & 0x01000000) !== 0;
  const now = Math.floor(ctx.nowMs / 1000);
  const place = isGroup ? 0 : macs.lookup(dstHigh, flow[WORD.ethMid]! >>> 16, vlan, now);
  const port = place >>> 16;
  if (place !== 0 && ports.generationOf(port) === (place & 0xffff)) {
    if (port === inPort) {
      observer?.detail("learned port is input port, dropping");
      return noteDrop(ctx, DROP["learned-in-port"]);
    }
    observer?.detail("forwarding to learned port");
    return outputInVlan(ctx, ports, port, tags);
  }
  if (place !== 0) macs.count(MAC_COUNTER.stale);
  observer?.detail("no learned MAC for destination, flooding");
  floodVlan(ctx, ports, inPort, tags);
}

/** OUTPUT:FLOOD and OUTPUT:ALL: to every port but the one that the packet came from. */
export function flood(ctx: Context, ports: PortTable, withoutFlags: number): void {
  const inPort = ctx.flow[WORD.inPort]!;
  for (const port of ports.list(withoutFlags)) {
    if (port !== inPort) composeOutput(ctx, ports, port);
  }
}

/** The tags of the packet inside the switch, or null if the input port does not take it. */
function admit(ctx: Context, { ports }: Learning, inPort: number): Tags | null {
  const { flow, observer } = ctx;
  const refuse = (warning: string, reason: number): null => {
    observer?.warning(warning);
    noteDrop(ctx, reason);
    return null;
  };
  if (!isNoPort(inPort) && ports.generationOf(inPort) === 0) {
    observer?.error(`received packet on unknown port ${inPort}`);
    return refuse("no input bundle, dropping", DROP["port-refused"]);
  }
  const type = dlType(flow);
  if (tagAt(flow, 0) === 0 && (type === 0x8100 || type === 0x88a8)) {
    sayOfPacket(ctx, "dropping packet with partial VLAN tag received on port");
    return refuse("partial VLAN tag, dropping", DROP["vlan-refused"]);
  }
  if (isMirrorOutput(ports, inPort)) {
    const tail = ", which is reserved exclusively for mirroring";
    sayOfPacket(ctx, "dropping packet received on port", tail);
    return refuse("input port is mirror output port, dropping", DROP["port-refused"]);
  }
  const tags = tagsOf(flow);
  if (!acceptsInput(ctx, ports, inPort, tags)) {
    const text = "disallowed VLAN VID for this input port, dropping";
    return refuse(text, DROP["vlan-refused"]);
  }
  const forwardsBpdu = (ports.switchFlags() & SWITCH_FLAG.forwardBpdu) !== 0;
  const reserved = isReserved(flow[WORD.ethDst]!, flow[WORD.ethMid]! >>> 16);
  if (reserved && !forwardsBpdu && !isNoPort(inPort)) {
    observer?.detail("packet has reserved destination MAC, dropping");
    noteDrop(ctx, DROP["reserved-mac"]);
    return null;
  }
  return inputTags(ports, inPort, tags);
}

/** An error that concerns a packet: one that is only described does not cause it. */
function sayOfPacket(ctx: Context, head: string, tail = ""): void {
  const { observer, sideEffects } = ctx;
  if (sideEffects) observer?.error(`${head} ${observer.portName(ctx.flow[WORD.inPort]!)}${tail}`);
}

/**
 * Notes what is looked at to know a gratuitous ARP. Such an ARP locks its MAC's entry against
 * bonds, of which there are none here; the megaflow is as narrow as Open vSwitch's all the same.
 */
function lookAtArp(ctx: Context): void {
  const { flow, wildcards } = ctx;
  if (dlType(flow) !== 0x0806) return;
  if (flow[WORD.ethDst] !== BROADCAST_HIGH || flow[WORD.ethMid]! >>> 16 !== 0xffff) return;
  wildcards[WORD.ip]! |= 0xff000000;
  if (flow[WORD.ip]! >>> 24 !== ARP_REQUEST) return;
  wildcards[WORD.nwSrc] = 0xffffffff;
  wildcards[WORD.nwDst] = 0xffffffff;
}

function learnSource(ctx: Context, { ports, macs }: Learning, vlan: number): void {
  const { flow, observer } = ctx;
  const inPort = flow[WORD.inPort]!;
  const high = (((flow[WORD.ethMid]! & 0xffff) << 16) | (flow[WORD.ethSrc]! >>> 16)) >>> 0;
  const low = flow[WORD.ethSrc]! & 0xffff;
  const isGroup = (high & 0x01000000) !== 0;
  const generation = ports.generationOf(inPort);
  if (isGroup || generation === 0 || ports.isFloodVlan(vlan)) return;
  const nowSeconds = Math.floor(ctx.nowMs / 1000);
  const done = macs.learn(high, low, vlan, inPort, { generation, nowSeconds });
  if (observer === null || (done !== LEARNED.fresh && done !== LEARNED.moved)) return;
  const mac = [24, 16, 8, 0].map((shift) => (high >>> shift) & 0xff).concat(low >>> 8, low & 0xff);
  const text = mac.map((byte) => byte.toString(16).padStart(2, "0")).join(":");
  observer.detail(`learned that ${text} is on port ${observer.portName(inPort)} in VLAN ${vlan}`);
}

/** To every other port that carries the VLAN and takes floods. */
function floodVlan(ctx: Context, ports: PortTable, inPort: number, tags: Tags): void {
  for (const port of ports.list(PORT_FLAG.noFlood)) {
    if (port === inPort || !carries(ports, port, tags) || isMirrorOutput(ports, port)) continue;
    outputInVlan(ctx, ports, port, tags);
  }
}
