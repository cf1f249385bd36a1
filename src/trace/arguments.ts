// The arguments of `ofproto/trace`, as Open vSwitch 3.1 reads and refuses them
// (ofproto-dpif-trace.c parse_flow_and_packet): `[dp] odp_flow [packet]`, `bridge br_flow [packet]`
// and options. Slow path; on the thread of the bridges.
import { PacketpathError } from "../base/errors.js";
import { extractKey } from "../flow/extract.js";
import { WORD } from "../flow/key.js";
import { parseExactFlow } from "../ofctl/exact-flow.js";
import { parseOdpFlow, type OdpFlow } from "../ofctl/odp/parse-odp-flow.js";
import { FlowTextError } from "../ofctl/text/scan.js";
import { parseCtState } from "./ct-state.js";
import { trace, type Trace, type TraceBridge, type TraceOptions } from "./trace.js";

/** Names by which the one datapath may be called. */
const DATAPATHS: readonly string[] = ["dummy", "ovs-dummy", "netdev", "ovs-netdev", "system"];
const ETHERNET_BYTES = 14;
const PACKET_BYTES_MAX = 65_535;
const POSITIONAL_MAX = 3;
const L7_BYTES_MAX = 64_000;

interface Request {
  readonly positional: readonly string[];
  readonly generates: boolean;
  readonly options: TraceOptions;
}

function refuse(message: string): never {
  throw new PacketpathError("FLOW_INVALID", message);
}

/**
 * Runs `ofproto/trace` with these arguments.
 * @param mayHaveEffects false: nothing is learned, not even from a packet in hex.
 * @throws PacketpathError FLOW_INVALID with Open vSwitch's sentence.
 */
export function traceCommand(
  bridges: readonly TraceBridge[],
  args: readonly string[],
  mayHaveEffects = true,
): Trace {
  if (args.length === 0) refuse('"ofproto/trace" command requires at least 1 arguments');
  const { positional, generates, options } = readOptions(args);
  const packet = generates ? null : takePacket(positional);
  const rest = packet === null ? positional : positional.slice(0, -1);
  if (rest.length < 1 || rest.length > 2) refuse("Syntax error");
  const { bridge, key } = findFlow(bridges, rest);
  if (packet !== null) readPacket(packet, key);
  const sideEffects = mayHaveEffects && (generates || packet !== null);
  return trace(bridge, key, { ...options, sideEffects });
}

function readOptions(args: readonly string[]): Request {
  const positional: string[] = [];
  const ctNext: number[] = [];
  let generates = false;
  let names = false;
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!;
    const value = (): string => {
      if (i + 1 >= args.length) refuse(`Missing argument for option ${arg}`);
      return args[++i]!;
    };
    if (arg === "-generate" || arg === "--generate") generates = true;
    else if (arg === "--names") names = true;
    else if (arg === "--no-names") names = false;
    else if (arg === "--ct-next") ctNext.push(parseCtState(value()));
    else if (arg === "--l7") checkL7(value());
    else if (arg === "--l7-len") checkL7Length(value());
    else if (arg.startsWith("-")) refuse(`${arg}: unknown option`);
    else if (positional.length >= POSITIONAL_MAX) refuse("too many arguments");
    else positional.push(arg);
  }
  return { positional, generates, options: { names, ctNext } };
}

/** The payload of a packet that is made up; nothing in a trace depends on it. */
function checkL7(text: string): void {
  if (!/^([0-9a-fA-F]{2}\s*)*$/.test(text)) refuse("Trailing garbage in packet data");
}

function checkL7Length(text: string): void {
  if (Number.parseInt(text, 10) > L7_BYTES_MAX) refuse(`${text}: too much L7 data`);
}

/** The bytes of the last argument, if it is a packet. */
function takePacket(positional: readonly string[]): Uint8Array | null {
  if (positional.length < 2) return null;
  const result = packetFromHex(positional[positional.length - 1]!);
  if (typeof result !== "string") return result;
  // With three arguments, the last must be a packet.
  if (positional.length > 2) refuse(result);
  return null;
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

/** Fills the packet's part of a key from its bytes; metadata stays. */
function readPacket(packet: Uint8Array, key: Uint32Array): void {
  extractKey(packet, 0, packet.length, key[WORD.inPort]!, key);
}

/** The flow that the text says, and the bridge that it enters. */
function findFlow(
  bridges: readonly TraceBridge[],
  args: readonly string[],
): { bridge: TraceBridge; key: Uint32Array } {
  const text = args[args.length - 1]!;
  const hasDatapath = args.length === 1 || DATAPATHS.includes(args[0]!);
  const flow = readOdpFlow(text, hasDatapath ? bridges : []);
  if (typeof flow !== "string") {
    if (!hasDatapath) refuse("Cannot find the datapath");
    return enter(bridges, flow);
  }
  if (args.length === 1) refuse(`${flow} (or the bridge name was omitted)`);
  const bridge = bridges.find(({ name }) => name === args[0]);
  if (bridge === undefined) return refuse(`${args[0]!}: unknown bridge`);
  return { bridge, key: readBridgeFlow(bridge, text) };
}

function readOdpFlow(text: string, bridges: readonly TraceBridge[]): OdpFlow | string {
  const ports = new Map(
    bridges.flatMap((bridge) =>
      bridge.ports().map(({ name, datapathNumber }): [string, number] => [name, datapathNumber]),
    ),
  );
  try {
    return parseOdpFlow(text, ports);
  } catch (error) {
    if (error instanceof FlowTextError) return error.message;
    throw error;
  }
}

/** The bridge that a datapath port belongs to. */
function enter(
  bridges: readonly TraceBridge[],
  { key, port }: OdpFlow,
): { bridge: TraceBridge; key: Uint32Array } {
  for (const bridge of bridges) {
    const found = bridge.ports().find(({ datapathNumber }) => datapathNumber === port);
    if (found === undefined) continue;
    key[WORD.inPort] = found.number;
    return { bridge, key };
  }
  return refuse(`no OpenFlow port for datapath port ${port ?? 0xffffffff}`);
}

/** The key of a flow in OpenFlow's words, as a packet of this bridge. */
function readBridgeFlow(bridge: TraceBridge, text: string): Uint32Array {
  const ports = new Map(bridge.ports().map(({ name, number }): [string, number] => [name, number]));
  try {
    return parseExactFlow(text, ports);
  } catch (error) {
    if (!(error instanceof FlowTextError)) throw error;
    return refuse(`Bad openflow flow syntax: ${error.message}`);
  }
}
