// Verbs of ovs-appctl about ports in memory: frames that arrive, and their state (netdev-dummy.c of
// Open vSwitch 3.1). Refused on a running lab, whose ports are real. Main thread.
import { parseOdpFlow } from "../../../ofctl/odp/parse-odp-flow.js";
import { packetFromHex } from "../../../ofctl/packet-out.js";
import { FlowTextError } from "../../../ofctl/text/scan.js";
import { PORT_CONFIG } from "../../control.js";
import { composeFrame } from "../../dummy/compose.js";
import type { BridgeControl, PortView } from "../../control.js";
import type { Call, Verb } from "../call.js";
import { Refusal } from "./refusal.js";

function findPort(call: Call, name: string): { bridge: BridgeControl; port: PortView } | null {
  if (call.control.kind !== "dummy") return null;
  for (const bridge of call.control.bridges()) {
    const port = bridge.ports().find((one) => one.name === name);
    if (port !== undefined) return { bridge, port };
  }
  return null;
}

/** A frame, as hexadecimal digits or as the text of a datapath flow. */
function readFrame(call: Call, text: string, length: number): Uint8Array {
  const bytes = packetFromHex(text);
  if (typeof bytes !== "string") return bytes;
  const ports = call.control.bridges().flatMap((bridge) => bridge.ports());
  const numbers = new Map(ports.map((port) => [port.name, port.datapathNumber]));
  try {
    // Numbers may stand on the next line.
    const joined = text.replace(/([=(,/])\s+/g, "$1");
    return composeFrame(parseOdpFlow(joined, numbers).key, length);
  } catch (error) {
    if (error instanceof FlowTextError) throw new Refusal(error.message);
    throw error;
  }
}

function receive(call: Call): void {
  const found = findPort(call, call.args[0]!);
  if (found === null) throw new Refusal("no such dummy netdev");
  const frames: Uint8Array[] = [];
  const args = [...call.args.slice(1)];
  while (args.length > 0) {
    const text = args.shift()!;
    if (text === "--qid") {
      args.shift();
      continue;
    }
    const length = args[0] === "--len" ? Number(args.splice(0, 2)[1]) : 0;
    frames.push(readFrame(call, text, length));
  }
  for (const frame of frames) call.control.receive(found.bridge, found.port.number, frame);
}

async function setAdminState(call: Call): Promise<void> {
  const state = call.args.at(-1)!;
  if (state !== "up" && state !== "down") throw new Refusal("Invalid Admin State");
  const bits = state === "down" ? PORT_CONFIG.down : 0;
  if (call.args.length === 2) {
    const found = findPort(call, call.args[0]!);
    if (found === null) throw new Refusal("Unknown Dummy Interface");
    await found.bridge.setPortConfig(found.port.number, bits, PORT_CONFIG.down);
  } else {
    for (const bridge of call.control.kind === "dummy" ? call.control.bridges() : []) {
      for (const port of bridge.ports()) {
        await bridge.setPortConfig(port.number, bits, PORT_CONFIG.down);
      }
    }
  }
  call.out("OK\n");
}

export const DUMMY_VERBS: readonly Verb[] = [
  {
    name: "netdev-dummy/receive",
    min: 2,
    max: Infinity,
    usage: "name [--qid queue_id] packet|flow [--len packet_len]",
    run: receive,
  },
  {
    name: "netdev-dummy/set-admin-state",
    min: 1,
    max: 2,
    usage: "[netdev] up|down",
    run: setAdminState,
  },
];
