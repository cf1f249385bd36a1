// The verb of ovs-ofctl that prints the flows of packets in pcap files (ofctl_parse_pcap of
// utilities/ovs-ofctl.c of Open vSwitch 3.1). Main thread.
import { extractKey } from "../../../../flow/extract.js";
import { newKey, WORD } from "../../../../flow/key.js";
import { OFPP } from "../../../../flow/types.js";
import { flowText } from "../../../../trace/flow-text.js";
import { pcapPackets } from "../../../../wire/pcap.js";
import { type Call, type Verb, warn } from "../../call.js";

async function readPackets(call: Call, name: string): Promise<Uint8Array[] | string> {
  try {
    return pcapPackets(Buffer.from(await call.request.readFile(name, "base64"), "base64"));
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
