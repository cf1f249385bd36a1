// The text of a packet-out, `in_port=1 packet=0123.. actions=output:2`, and lists of actions that
// stand alone (lib/ofp-packet.c parse_ofp_packet_out_str of Open vSwitch 3.1). Slow path; any
// thread.
import { fieldByName } from "../flow/fields.js";
import { WORD } from "../flow/key.js";
import { newMatch } from "../flow/match.js";
import { OFPP, type Action, type Match } from "../flow/types.js";
import { newContext } from "./actions/context.js";
import { parseActions } from "./actions/parse-actions.js";
import { findActions } from "./flow-mods.js";
import { applyField } from "./parse-match.js";
import { FORMATS } from "./protocols.js";
import { placed, type ParseOptions } from "./text/place.js";
import { parsePort, type PortMap } from "./text/ports.js";
import { FlowTextError, scanPairs, type Pair } from "./text/scan.js";

const ETHERNET_BYTES = 14;
const PACKET_BYTES_MAX = 65_535;

/** A packet that a controller hands to the switch, and what is to be done with it. */
export interface PacketOut {
  readonly packet: Uint8Array;
  /** in_port, and the metadata that the packet begins with; other words are 0. */
  readonly metadata: Uint32Array;
  readonly actions: readonly Action[];
  /** Formats (FORMAT bits) that can say it. */
  readonly formats: number;
}

/** Actions, and the formats (FORMAT bits) that can say them. */
export interface ActionList {
  readonly actions: readonly Action[];
  readonly formats: number;
}

/** The bytes that hexadecimal digits stand for, or why they are no packet. */
export function packetFromHex(text: string): Uint8Array | string {
  const digits = text.replace(/\s+/g, "");
  const bytes = digits.match(/^(?:[0-9a-fA-F]{2})*/)![0];
  if (bytes.length !== digits.length) return "Trailing garbage in packet data";
  if (bytes.length / 2 < ETHERNET_BYTES) return "Packet data too short for Ethernet";
  if (bytes.length / 2 > PACKET_BYTES_MAX) return "Packet data too long for Ethernet";
  return Uint8Array.from(bytes.match(/../g)!, (byte) => Number.parseInt(byte, 16));
}

/** Fields that a packet has without having them in its bytes (mf_is_pipeline_field). */
function isPipelineField(name: string): boolean {
  const id = fieldByName(name)?.id ?? "";
  return /^(in_port|metadata|tun_id|x?x?reg\d+|packet_type)$/.test(id);
}

function readPort(pair: Pair, ports: PortMap): number {
  const refuse = (what: string): never => {
    throw new FlowTextError(`${pair.value} is not a valid OpenFlow port${what}`, pair.valueAt);
  };
  const port = parsePort(pair.value, ports) ?? refuse("");
  const isUsual = port <= OFPP.max || port === OFPP.local;
  return isUsual || port === OFPP.none || port === OFPP.controller
    ? port
    : refuse(" for PACKET_OUT");
}

function readPacket(pair: Pair): Uint8Array {
  const packet = packetFromHex(pair.value);
  if (typeof packet !== "string") return packet;
  throw new FlowTextError(`packet: ${packet}`, pair.valueAt);
}

/** A field that the packet begins with. @returns the formats that can say it. */
function readField(match: Match, pair: Pair, ports: PortMap): number {
  const formats = applyField(match, pair, ports);
  if (formats === null) throw new FlowTextError(`unknown keyword ${pair.key}`, pair.keyAt);
  if (isPipelineField(pair.key)) return formats;
  const message = `${pair.key} is not a valid pipeline field for PACKET_OUT`;
  throw new FlowTextError(message, pair.keyAt);
}

function readText(text: string, ports: PortMap): PacketOut {
  const match = newMatch();
  match.value[WORD.inPort] = OFPP.controller;
  let packet: Uint8Array | null = null;
  let formats: number = FORMATS.any;
  const found = findActions(text, 0) ?? { at: text.length, listAt: text.length };
  for (const pair of scanPairs(text, 0, found.at)) {
    if (pair.value === "") throw new FlowTextError(`field ${pair.key} missing value`, pair.keyAt);
    if (pair.key === "in_port") match.value[WORD.inPort] = readPort(pair, ports);
    else if (pair.key === "packet") packet = readPacket(pair);
    else formats &= readField(match, pair, ports);
  }
  if (packet === null) throw new FlowTextError("must specify packet", text.length);
  const context = newContext(text, ports);
  const owner = { match: null, table: 0, formats, instructions: true };
  const actions = parseActions(context, found.listAt, text.length, owner);
  return { packet, metadata: match.value, actions, formats: context.formats };
}

/** @throws PacketpathError FLOW_INVALID with Open vSwitch's sentence. */
export function parsePacketOut(text: string, options: ParseOptions = {}): PacketOut {
  return placed(options, (ports) => readText(text, ports));
}

/** Actions that belong to no flow. @throws PacketpathError FLOW_INVALID. */
export function parseActionList(text: string, options: ParseOptions = {}): ActionList {
  return placed(options, (ports) => {
    const context = newContext(text, ports);
    const owner = { match: null, table: 0, formats: FORMATS.any, instructions: true };
    const actions = parseActions(context, 0, text.length, owner);
    return { actions, formats: context.formats };
  });
}
