// Verbs of ovs-appctl about ports in memory: frames that arrive, and their state (netdev-dummy.c of
// Open vSwitch 3.1). Refused on a running lab, whose ports are real. Main thread.
import { PORT_CONFIG } from "../../control.js";
import type { BridgeControl, PortView } from "../../control.js";
import type { Call, Verb } from "../call.js";
import { Refusal } from "./refusal.js";

const ETHERNET_HEADER = 14;

function findPort(call: Call, name: string): { bridge: BridgeControl; port: PortView } | null {
  if (call.control.kind !== "dummy") return null;
  for (const bridge of call.control.bridges()) {
    const port = bridge.ports().find((one) => one.name === name);
    if (port !== undefined) return { bridge, port };
  }
  return null;
}

/** Bytes of hexadecimal digits; null when the text is no frame. */
function readHex(text: string): Uint8Array | null {
  const digits = text.replace(/\s/g, "");
  if (!/^([0-9a-fA-F]{2})+$/.test(digits) || digits.length < 2 * ETHERNET_HEADER) return null;
  return Uint8Array.from(digits.match(/../g)!, (pair) => Number.parseInt(pair, 16));
}

function receive(call: Call): void {
  const found = findPort(call, call.args[0]!);
  if (found === null) throw new Refusal("no such dummy netdev");
  const frames: Uint8Array[] = [];
  const args = [...call.args.slice(1)];
  while (args.length > 0) {
    const arg = args.shift()!;
    if (arg === "--qid") {
      args.shift();
      continue;
    }
    const frame = readHex(arg);
    if (frame === null) throw new Refusal(`syntax error at ${arg}`);
    frames.push(frame);
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
