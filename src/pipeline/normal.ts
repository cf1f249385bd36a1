// The NORMAL action: a learning Ethernet switch (Open vSwitch 3.1, ofproto-dpif-xlate.c
// xlate_normal; ovs-actions(7) "The normal action"). Called by the translation of each worker.
//
// All ports are trunks that carry every VLAN; access, native and dot1q-tunnel modes would change
// `vlanOfInput` and what is committed before each output, and nothing else. Bonds, mirrors and
// multicast snooping are not modelled.
import { DROP } from "../base/drop-reasons.js";
import { VLAN_PRESENT, WORD } from "../flow/key.js";
import { dlType, emitOutput, noteDrop, tagAt, unwildcardVlans, type Context } from "./context.js";
import { MAC_COUNTER, type MacTable } from "./mac-table.js";
import { PORT_FLAG, type PortTable } from "./ports.js";

/** What NORMAL needs beside the packet. */
export interface Learning {
  readonly ports: PortTable;
  readonly macs: MacTable;
}

export function normal(ctx: Context, { ports, macs }: Learning): void {
  const { flow } = ctx;
  ctx.wildcards[WORD.ethDst] = 0xffffffff;
  ctx.wildcards[WORD.ethMid] = 0xffffffff;
  ctx.wildcards[WORD.ethSrc] = 0xffffffff;
  unwildcardVlans(ctx);
  const inPort = flow[WORD.inPort]!;
  const vlan = vlanOfInput(flow);
  if (vlan < 0) return noteDrop(ctx, DROP["vlan-refused"]);

  const dstHigh = flow[WORD.ethDst]!;
  const dstLow = flow[WORD.ethMid]! >>> 16;
  if (isReserved(dstHigh, dstLow)) return noteDrop(ctx, DROP["reserved-mac"]);

  const nowSeconds = Math.floor(ctx.nowMs / 1000);
  if (ctx.sideEffects) learnSource(ctx, inPort, vlan, { ports, macs });
  // After our own learning, before the lookup: whatever changes from here on makes this
  // translation stale.
  if (ctx.macStamp < 0) ctx.macStamp = macs.revision();

  const isGroup = (dstHigh & 0x01000000) !== 0;
  const place = isGroup ? 0 : macs.lookup(dstHigh, dstLow, vlan, nowSeconds);
  const port = place >>> 16;
  if (place !== 0 && ports.generationOf(port) === (place & 0xffff)) {
    if (port === inPort) return noteDrop(ctx, DROP["learned-in-port"]);
    return emitOutput(ctx, port);
  }
  if (place !== 0) macs.count(MAC_COUNTER.stale);
  flood(ctx, ports, PORT_FLAG.noFlood | PORT_FLAG.noForward);
}

/** To every port but the one that the packet came from, and but those with one of these flags. */
export function flood(ctx: Context, ports: PortTable, withoutFlags: number): void {
  const inPort = ctx.flow[WORD.inPort]!;
  for (const port of ports.list(withoutFlags)) {
    if (port !== inPort) emitOutput(ctx, port);
  }
}

/** The VLAN that the frame belongs to, or -1 if the input port does not take it. */
function vlanOfInput(flow: Uint32Array): number {
  const tag = tagAt(flow, 0);
  const type = dlType(flow);
  // A TPID with nothing behind it: "partial VLAN tag".
  if (tag === 0 && (type === 0x8100 || type === 0x88a8)) return -1;
  // A priority tag (VLAN 0) is no VLAN. Only 802.1Q tags name a VLAN to a trunk.
  return tag >>> 16 === 0x8100 ? tag & (VLAN_PRESENT - 1) : 0;
}

function learnSource(ctx: Context, inPort: number, vlan: number, { ports, macs }: Learning): void {
  const { flow } = ctx;
  const high = (((flow[WORD.ethMid]! & 0xffff) << 16) | (flow[WORD.ethSrc]! >>> 16)) >>> 0;
  const low = flow[WORD.ethSrc]! & 0xffff;
  const isGroup = (high & 0x01000000) !== 0;
  const generation = ports.generationOf(inPort);
  if (isGroup || generation === 0) return;
  macs.learn(high, low, vlan, inPort, {
    generation,
    nowSeconds: Math.floor(ctx.nowMs / 1000),
  });
}

/** Destinations that a switch does not forward (eth_addr_is_reserved, lib/packets.c). */
export function isReserved(high: number, low: number): boolean {
  if (high >>> 0 === 0x0180c200) return low <= 0x000f;
  if (high >>> 0 === 0x00e02b00) return low === 0x0000 || low === 0x0004 || low === 0x0006;
  if (high >>> 0 !== 0x01000ccc && high >>> 0 !== 0x01000ccd && high >>> 0 !== 0x01000c00) {
    return false;
  }
  if (high >>> 0 === 0x01000c00) return low === 0x0000;
  if (high >>> 0 === 0x01000ccd) return low === 0xcdcd;
  return low === 0xcccc || low === 0xcccd || (low >= 0xccc0 && low <= 0xccc7);
}
