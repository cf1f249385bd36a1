// The arguments of `ofproto/trace`, as Open vSwitch 3.1 reads and refuses them
// (ofproto-dpif-trace.c parse_flow_and_packet): `[dp] odp_flow [packet]`, `bridge br_flow [packet]`
// and options. Slow path; on the thread of the bridges.
import { PacketpathError } from "../base/errors.js";
import { extractKey } from "../flow/extract.js";
import { foldTags, KEY_PACKET_WORDS, newKey, WORD } from "../flow/key.js";
import type { Action } from "../flow/types.js";
import { parseExactFlow } from "../ofctl/exact-flow.js";
import { parseOdpFlow, type OdpFlow } from "../ofctl/odp/parse-odp-flow.js";
import { packetFromHex, parseActionList } from "../ofctl/packet-out.js";
import { FlowTextError } from "../ofctl/text/scan.js";
import { parseCtState } from "./ct-state.js";
import { trace, type Trace, type TraceBridge, type TraceOptions } from "./trace.js";

/** Names by which the one datapath may be called. */
const DATAPATHS: readonly string[] = ["dummy", "ovs-dummy", "netdev", "ovs-netdev", "system"];
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
  const { bridge, key, options } = read(bridges, args, mayHaveEffects);
  return trace(bridge, key, options);
}

/** The packet that arguments describe, and where it enters. */
function read(
  bridges: readonly TraceBridge[],
  args: readonly string[],
  mayHaveEffects: boolean,
): { bridge: TraceBridge; key: Uint32Array; options: TraceOptions } {
  const { positional, generates, options } = readOptions(args);
  const packet = generates ? null : takePacket(positional);
  const rest = packet === null ? positional : positional.slice(0, -1);
  if (rest.length < 1 || rest.length > 2) refuse("Syntax error");
  const flow = findFlow(bridges, rest);
  const { bridge, key } = flow;
  if (packet !== null) readPacket(packet, key);
  const saysBytes = packet !== null || flow.isDatapath;
  if (saysBytes && bridge.pipeline.readsOneTag()) foldTags(key);
  const sideEffects = mayHaveEffects && (generates || packet !== null);
  return { bridge, key, options: { ...options, sideEffects, neighbours: bridges } };
}

/**
 * Runs `ofproto/trace-packet-out` with these arguments, the last of which are actions.
 * @param check refuses what the bridge lacks; answers the name of OpenFlow's error, or null.
 * @throws PacketpathError FLOW_INVALID with Open vSwitch's sentence.
 */
export function tracePacketOut(
  bridges: readonly TraceBridge[],
  args: readonly string[],
  check: (bridge: TraceBridge, actions: readonly Action[]) => string | null,
): Trace {
  const { actions } = parseActionList(args[args.length - 1]!);
  const rest = args.slice(0, -1).filter((arg) => arg !== "-consistent" && arg !== "--consistent");
  const { bridge, key, options } = read(bridges, rest, true);
  const error = check(bridge, actions);
  if (error !== null) refuse(`Bad actions: ${error}`);
  return trace(bridge, key, { ...options, actions });
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

/** Fills the packet's part of a key from its bytes; metadata stays. */
function readPacket(packet: Uint8Array, key: Uint32Array): void {
  const fresh = newKey();
  const runt = extractKey(packet, 0, packet.length, key[WORD.inPort]!, fresh);
  if (runt === 0) key.set(fresh.subarray(0, KEY_PACKET_WORDS));
}

/** The flow that the text says, and the bridge that it enters. */
function findFlow(
  bridges: readonly TraceBridge[],
  args: readonly string[],
): { bridge: TraceBridge; key: Uint32Array; isDatapath: boolean } {
  const text = args[args.length - 1]!;
  const hasDatapath = args.length === 1 || DATAPATHS.includes(args[0]!);
  const flow = readOdpFlow(text, hasDatapath ? bridges : []);
  if (typeof flow !== "string") {
    if (!hasDatapath) refuse("Cannot find the datapath");
    checkRecirculation(bridges, flow.key[WORD.recircId]!);
    return { ...enter(bridges, flow), isDatapath: true };
  }
  if (args.length === 1) refuse(`${flow} (or the bridge name was omitted)`);
  const bridge = bridges.find(({ name }) => name === args[0]);
  if (bridge === undefined) return refuse(`${args[0]!}: unknown bridge`);
  return { bridge, key: readBridgeFlow(bridge, text), isDatapath: false };
}

/** A packet that comes round must have been sent round. */
function checkRecirculation(bridges: readonly TraceBridge[], id: number): void {
  const isKnown = bridges.some(({ pipeline }) => pipeline.recirculations.thaw(id) !== null);
  if (id !== 0 && !isKnown) refuse(`no recirculation data for recirc_id 0x${id.toString(16)}`);
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
