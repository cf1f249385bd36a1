// Outputs: what is checked before a packet goes to a port, and the copies that mirrors take
// (Open vSwitch 3.1, ofproto-dpif-xlate.c: compose_output_action, mirror_packet, may_receive).
// Called by the translation of each worker, for every kind of output.
import { DROP } from "../../base/drop-reasons.js";
import { VLAN_PRESENT, WORD } from "../../flow/key.js";
import { ODP, ODP_WORDS } from "../../flow/odp.js";
import { emitOutput, noteDrop, type Context } from "../context.js";
import { PORT_FLAG, type PortTable } from "../ports.js";
import {
  destinationMirrors,
  hasMirrors,
  isMirrorOutput,
  mirrorAt,
  mirrorHasVlan,
  sourceMirrors,
} from "./mirrors.js";
import { isReserved } from "./reserved-macs.js";
import {
  acceptsInput,
  carries,
  inputTags,
  putOutputTags,
  tagsOf,
  vlanOf,
  withVlan,
  type Tags,
} from "./vlan-modes.js";

/**
 * Whether packets of the input port are to be handled at all; tells the observer if not. Copies
 * for mirrors of what comes in are made here, before any action. Asked again for a packet that
 * came round: its in_port may be another one now, with other mirrors.
 */
export function admitInput(ctx: Context, ports: PortTable): boolean {
  const inPort = ctx.flow[WORD.inPort]!;
  if (isMirrorOutput(ports, inPort)) {
    const { observer } = ctx;
    observer?.error(
      `dropping packet received on port ${observer.portName(inPort)}, ` +
        "which is reserved exclusively for mirroring",
    );
    noteDrop(ctx, DROP["port-refused"]);
    return false;
  }
  if ((ports.flagsOf(inPort) & PORT_FLAG.noReceive) !== 0) {
    noteDrop(ctx, DROP["port-refused"]);
    return false;
  }
  // What the controller sends in came from no port that a mirror could select.
  if (ports.generationOf(inPort) !== 0 && hasMirrors(ports)) {
    mirror(ctx, ports, inPort, sourceMirrors(ports, inPort));
  }
  return true;
}

/**
 * Sends the packet as it is now to a port, if there is one and it takes the packet.
 * @param snapLength the copy is cut to so many bytes; 0: it is not.
 * @param isLast nothing is done with the packet afterwards.
 */
export function composeOutput(
  ctx: Context,
  ports: PortTable,
  port: number,
  snapLength = 0,
  isLast = false,
): void {
  const { observer } = ctx;
  if (ports.generationOf(port) === 0) {
    observer?.warning("Nonexistent output port");
    return noteDrop(ctx, DROP["no-vport"]);
  }
  const flags = ports.flagsOf(port);
  if ((flags & PORT_FLAG.noForward) !== 0) {
    observer?.detail("OFPPC_NO_FWD set, skipping output");
    return noteDrop(ctx, DROP["port-refused"]);
  }
  const inPort = ctx.flow[WORD.inPort]!;
  if ((flags & ports.flagsOf(inPort) & PORT_FLAG.protected) !== 0) {
    observer?.warning("Flow is between protected ports, skipping output.");
    return noteDrop(ctx, DROP["port-refused"]);
  }
  const { wiring } = ctx;
  const datapathPort = wiring === null ? port : wiring.datapathPort(port);
  if (datapathPort < 0) {
    if (snapLength !== 0) observer?.warning("Mirror truncate to ODPP_NONE, skipping output");
    const peer = snapLength === 0 ? wiring!.peerOf(port) : null;
    if (peer !== null) return ctx.follow!(peer, isLast);
    return noteDrop(ctx, DROP["no-vport"]);
  }
  emitOutput(ctx, datapathPort);
  if (snapLength > 0 && snapLength < 0xffff) {
    // The cut concerns the output alone: it goes between the sets of its commit and the output.
    const output = ctx.actions.splice(-ODP_WORDS[ODP.output]!);
    ctx.actions.push(ODP.truncate, snapLength, ...output);
  }
  if (hasMirrors(ports)) mirror(ctx, ports, port, destinationMirrors(ports, port));
}

/** Where the tags of a packet lie. */
const TAG_WORDS = [WORD.typeVlan, WORD.outerTpid, WORD.innerVlan];

/** Sends the packet to a port in a VLAN: with the tags that the port's VLAN mode asks for. */
export function outputInVlan(
  ctx: Context,
  ports: PortTable,
  port: number,
  tags: Tags,
  snapLength = 0,
): void {
  const { flow } = ctx;
  const before = TAG_WORDS.map((word) => flow[word]!);
  putOutputTags(ctx, ports, port, tags);
  composeOutput(ctx, ports, port, snapLength);
  TAG_WORDS.forEach((word, i) => (flow[word] = before[i]!));
}

/** Sends copies to those of `candidates` (bit i: mirror i) that did not get one yet. */
function mirror(ctx: Context, ports: PortTable, port: number, candidates: number): void {
  const tags = tagsOf(ctx.flow);
  let left = candidates & ~ctx.mirrors;
  if (!acceptsInput(ctx, ports, port, tags) || left === 0) return;
  const inside = inputTags(ports, port, tags);
  for (let index = 0; left !== 0; index++) {
    if ((left & (1 << index)) === 0) continue;
    left &= ~(1 << index);
    const { outPort, outVlan, snapLength, hasVlans, same } = mirrorAt(ports, index);
    if (hasVlans) {
      ctx.wildcards[WORD.typeVlan]! |= VLAN_PRESENT | 0x0fff;
      if (!mirrorHasVlan(ports, index, vlanOf(inside))) continue;
    }
    // Noted before the copy goes out: the output may be watched by mirrors itself.
    ctx.mirrors |= same;
    if (outPort !== 0) outputInVlan(ctx, ports, outPort, inside, snapLength);
    else mirrorIntoVlan(ctx, ports, { inside, outVlan, snapLength });
    left &= ~ctx.mirrors;
  }
}

function mirrorIntoVlan(
  ctx: Context,
  ports: PortTable,
  to: { inside: Tags; outVlan: number; snapLength: number },
): void {
  const { flow } = ctx;
  if (vlanOf(to.inside) === to.outVlan) return;
  if (isReserved(flow[WORD.ethDst]!, flow[WORD.ethMid]! >>> 16)) return;
  const tags = withVlan(to.inside, to.outVlan);
  for (const port of ports.list()) {
    if (!carries(ports, port, tags) || isMirrorOutput(ports, port)) continue;
    outputInVlan(ctx, ports, port, tags, to.snapLength);
  }
}
