// ovs-ofctl packet-out (ofctl_packet_out of utilities/ovs-ofctl.c, and what the switch checks in
// handle_packet_out of ofproto/ofproto.c, Open vSwitch 3.1). Main thread.
import { newKey, WORD } from "../../../flow/key.js";
import type { Action } from "../../../flow/types.js";
import {
  packetFromHex,
  parseActionList,
  parsePacketOut,
  type PacketOut,
} from "../../../ofctl/packet-out.js";
import { receivedActions } from "../../../ofctl/print/received.js";
import { unreadable } from "../../../ofctl/print/unreadable.js";
import { parsePort } from "../../../ofctl/text/ports.js";
import type { BridgeControl } from "../../control.js";
import { type Call, type Verb, VerbError } from "../call.js";
import { bridgeOf, namesOf } from "./bridge.js";
import { parsing } from "./flow-texts.js";
import { versionFor } from "./formats.js";
import { quotedPacketOut } from "./monitor/packet-text.js";
import { FIRST_XID, refusal } from "./refusals.js";

/** `packet-out SWITCH IN_PORT ACTIONS PACKET...`: the older way to say it. */
function readArguments(call: Call, ports: ReadonlyMap<string, number>): PacketOut[] {
  const [bridge, port, actions, ...packets] = call.args as [string, string, string, ...string[]];
  const list = parsing(null, () => parseActionList(actions, { ports }));
  const inPort = parsePort(port, ports);
  if (inPort === null) throw new VerbError(`${bridge}: couldn't find port \`${port}'`);
  const metadata = newKey();
  metadata[WORD.inPort] = inPort;
  return packets.map((text) => {
    const packet = packetFromHex(text);
    if (typeof packet === "string") throw new VerbError(packet);
    return { packet, metadata, ...list };
  });
}

/** The group or meter that is not there, as OpenFlow's error, or null. */
export function missingFor(bridge: BridgeControl, actions: readonly Action[]): string | null {
  for (const action of actions) {
    if (action.type === "group" && bridge.tables.groups.get(action.group) === null) {
      return "OFPBAC_BAD_OUT_GROUP";
    }
    if (action.type === "meter" && bridge.meters.get(action.meter) === null) {
      return "OFPMMFC_INVALID_METER";
    }
  }
  return null;
}

async function packetOut(call: Call): Promise<void> {
  const bridge = bridgeOf(call);
  const ports = namesOf(call, bridge);
  const { args } = call;
  if (args.length === 3) throw new VerbError("Too many arguments (4)");
  const all =
    args.length === 2
      ? [parsing(null, () => parsePacketOut(args[1]!, { ports }))]
      : readArguments(call, ports);
  for (const one of all) {
    const version = versionFor(call, one.formats);
    const unread = unreadable({ match: null, actions: one.actions }, version);
    if (unread !== null) {
      const text = ` ***decode error: ${unread}***`;
      throw refusal(unread, { name: "OFPT_PACKET_OUT", version, xid: FIRST_XID, text });
    }
    const error = missingFor(bridge, one.actions);
    if (error !== null) {
      const text = quotedPacketOut(one, version);
      throw refusal(error, { name: "OFPT_PACKET_OUT", version, xid: FIRST_XID, text });
    }
    bridge.packetOut({ ...one, actions: receivedActions(one.actions, version, null) });
  }
  await call.control.run();
}

export const PACKET_VERBS: readonly Verb[] = [
  {
    name: "packet-out",
    min: 2,
    max: Infinity,
    usage: "SWITCH IN_PORT ACTIONS PACKET... | SWITCH FLOW",
    run: packetOut,
  },
];
