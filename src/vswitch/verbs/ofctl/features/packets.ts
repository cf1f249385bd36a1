// The verb of ovs-ofctl that prints the flows of packets in pcap files (ofctl_parse_pcap of
// utilities/ovs-ofctl.c, lib/pcap-file.c of Open vSwitch 3.1). Main thread.
import { extractKey } from "../../../../flow/extract.js";
import { newKey, WORD } from "../../../../flow/key.js";
import { OFPP } from "../../../../flow/types.js";
import { flowText } from "../../../../trace/flow-text.js";
import { type Call, type Verb, warn } from "../../call.js";

const FILE_HEADER = 24;
const PACKET_HEADER = 16;
/** First bytes of a file: times in microseconds or nanoseconds, either end first. */
const MAGICS = [0xa1b2c3d4, 0xa1b23c4d];
/** Longer packets are no packets. */
const PACKET_BYTES_MAX = 65_535;

/** The packets of a file, without those behind a damaged one; a string: why it cannot be read. */
function packetsOf(bytes: Uint8Array): Uint8Array[] | string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < FILE_HEADER) return "End of file";
  const little = MAGICS.includes(view.getUint32(0, true));
  if (!little && !MAGICS.includes(view.getUint32(0))) return "Protocol error";
  const packets: Uint8Array[] = [];
  for (let at = FILE_HEADER; at + PACKET_HEADER <= bytes.length;) {
    const length = view.getUint32(at + 8, little);
    at += PACKET_HEADER;
    if (length > PACKET_BYTES_MAX || at + length > bytes.length) break;
    packets.push(bytes.subarray(at, at + length));
    at += length;
  }
  return packets;
}

async function readPackets(call: Call, name: string): Promise<Uint8Array[] | string> {
  try {
    return packetsOf(Buffer.from(await call.request.readFile(name, "base64"), "base64"));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    warn(call, "pcap", `${name}: failed to open pcap file for reading (${why})`);
    return why;
  }
}

/** A file that cannot be read does not keep those behind it from being printed. */
async function parsePcap(call: Call): Promise<void> {
  for (const name of call.args) {
    const packets = await readPackets(call, name);
    if (typeof packets === "string") {
      call.err(`ovs-ofctl: ${name}: open failed (${packets})\n`);
      call.exitCode = 2;
      continue;
    }
    for (const packet of packets) {
      const key = newKey();
      extractKey(packet, 0, packet.length, 0, key);
      key[WORD.inPort] = OFPP.none;
      call.out(`${flowText(key, {})}\n`);
    }
  }
}

export const PCAP_VERBS: readonly Verb[] = [
  { name: "parse-pcap", min: 1, max: Infinity, usage: "PCAP...", local: true, run: parsePcap },
];
