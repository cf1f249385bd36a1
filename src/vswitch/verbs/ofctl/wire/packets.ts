// ovs-ofctl compose-packet, parse-packet and parse-key-value: a packet from a flow's text and the
// other way round, and how texts are cut into keys and values (utilities/ovs-ofctl.c, 3.1). Any
// thread.
import { extractKey } from "../../../../flow/extract.js";
import { newKey, WORD } from "../../../../flow/key.js";
import { OFPP } from "../../../../flow/types.js";
import { parseExactFlow } from "../../../../ofctl/exact-flow.js";
import { hexDump, leadingHex } from "../../../../ofctl/openflow/bytes.js";
import { FlowTextError, scanPairs } from "../../../../ofctl/text/scan.js";
import { flowText } from "../../../../trace/flow-text.js";
import { composeFrame } from "../../../dummy/compose.js";
import { type Call, type Verb, VerbError } from "../../call.js";
import { has } from "../../options.js";

function keyOf(frame: Uint8Array, port: number): Uint32Array {
  const key = newKey();
  extractKey(frame, 0, frame.length, port, key);
  key[WORD.inPort] = port;
  return key;
}

function exactFlow(text: string): Uint32Array {
  try {
    return parseExactFlow(text, new Map());
  } catch (error) {
    if (error instanceof FlowTextError) throw new VerbError(error.message);
    throw error;
  }
}

function payloadOf(text: string): Uint8Array {
  const { bytes, end } = leadingHex(text);
  if (end === text.length) return bytes;
  throw new VerbError(`${text}: trailing garbage in packet data`);
}

/** What is not read back as it was said is told, and is a failure. */
function composePacket(call: Call): void {
  if (has(call.options, "pcap")) {
    throw new VerbError("--pcap: packets are printed as hexadecimal digits only");
  }
  const [flow, payload] = call.args as [string, string?];
  const said = exactFlow(flow);
  const bytes = payload === undefined ? undefined : payloadOf(payload);
  const frame = composeFrame(said, 0, bytes);
  call.out(hexDump(frame));
  const read = keyOf(frame, OFPP.none);
  if (said.every((word, i) => word === read[i])) return;
  call.err("specified and extracted flows differ:\n");
  call.err(`specified: ${flowText(said, {})}\nextracted: ${flowText(read, {})}`);
  call.exitCode = 1;
}

async function parsePacket(call: Call): Promise<void> {
  const text = await call.file("-", "base64");
  call.out(`${flowText(keyOf(Buffer.from(text, "base64"), 0), {})}\n`);
}

function parseKeyValue(call: Call): void {
  for (const arg of call.args) {
    const pairs = scanPairs(arg, 0, arg.length).map(({ key, value }) => {
      return value === "" ? key : `${key}=${value}`;
    });
    call.out(`${pairs.join(", ")}\n`);
  }
}

export const PACKET_WIRE_VERBS: readonly Verb[] = [
  {
    ...{ name: "compose-packet", min: 1, max: 2, usage: "FLOW [L7]", local: true },
    run: composePacket,
  },
  { name: "parse-packet", min: 0, max: 0, usage: "", local: true, run: parsePacket },
  {
    ...{ name: "parse-key-value", min: 1, max: Infinity, usage: "TEXT...", local: true },
    run: parseKeyValue,
  },
];
