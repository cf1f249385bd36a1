// A packet as ovs-ofctl prints it: its flow, and its checksum (ofp_packet_to_string of
// lib/ofp-print.c of Open vSwitch 3.1). Any thread; not for speed.
import { extractKey } from "../../../../flow/extract.js";
import { newKey, WORD } from "../../../../flow/key.js";
import type { PacketOut } from "../../../../ofctl/packet-out.js";
import { formatActions } from "../../../../ofctl/print/format-actions.js";
import { formatMatch } from "../../../../ofctl/print/format-match.js";
import type { OpenFlowVersion } from "../../../../ofctl/protocols.js";
import { flowText } from "../../../../trace/flow-text.js";
import { get16, get32 } from "../../../../wire/bytes.js";
import { locateHeaders, newHeaderPlaces } from "../../../../wire/rewrite.js";

/** By protocol number: what its checksum is called, where it lies, and how long the header is. */
const CHECKSUMS: Readonly<Record<number, { name: string; at: number; header: number }>> = {
  1: { name: "icmp_csum", at: 2, header: 8 },
  6: { name: "tcp_csum", at: 16, header: 20 },
  17: { name: "udp_csum", at: 6, header: 8 },
  58: { name: "icmp6_csum", at: 2, header: 4 },
  132: { name: "sctp_csum", at: 8, header: 12 },
};

function checksumText(packet: Uint8Array): string {
  const places = newHeaderPlaces();
  locateHeaders(packet, 0, packet.length, places);
  const { transport, protocol, end } = places;
  const checksum = CHECKSUMS[protocol];
  if (checksum === undefined || transport < 0 || end - transport < checksum.header) return "";
  const { name, at } = checksum;
  const value = protocol === 132 ? get32(packet, transport + at) : get16(packet, transport + at);
  return ` ${name}:${(value >>> 0).toString(16)}`;
}

/** One line, without its end. */
export function formatPacket(packet: Uint8Array): string {
  const key = newKey();
  extractKey(packet, 0, packet.length, 0, key);
  return `${flowText(key, {})}${checksumText(packet)}`;
}

/** Where fields lie that a packet has without having them in its bytes. */
const METADATA: readonly { readonly first: number; readonly words: number }[] = [
  { first: WORD.tunId, words: 2 },
  { first: WORD.metadata, words: 2 },
  ...Array.from({ length: 16 }, (_, i) => ({ first: WORD.reg0 + i, words: 1 })),
];

/** What a refusal quotes of a packet-out, from behind its header on. */
export function quotedPacketOut(packetOut: PacketOut, version: OpenFlowVersion): string {
  const { packet, metadata, actions } = packetOut;
  const mask = newKey();
  mask[WORD.inPort] = 0xffff;
  // Before OpenFlow 1.5, a packet-out says nothing but the port.
  for (const { first, words } of version < 15 ? [] : METADATA) {
    const isSaid = metadata.subarray(first, first + words).some((bits) => bits !== 0);
    if (isSaid) mask.fill(0xffffffff, first, first + words);
  }
  const value = metadata.map((bits, word) => bits & mask[word]!);
  const list = formatActions(actions, { version }, null);
  const head = ` ${formatMatch({ value, mask })} actions=${list} data_len=${packet.length}`;
  return `${head}\n${formatPacket(packet)}`;
}

const ROW_BYTES = 16;

/** Lines of sixteen bytes each (ds_put_hex_dump of lib/dynamic-string.c). */
export function formatHexDump(bytes: Uint8Array): string {
  let text = "";
  for (let row = 0; row < bytes.length; row += ROW_BYTES) {
    text += `${row.toString(16).padStart(8, "0")} `;
    for (let i = 0; i < ROW_BYTES && row + i < bytes.length; i++) {
      const byte = bytes[row + i]!.toString(16).padStart(2, "0");
      text += `${i === ROW_BYTES / 2 ? "-" : " "}${byte}`;
    }
    text += "\n";
  }
  return text;
}
