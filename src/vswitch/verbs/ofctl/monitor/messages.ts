// What a switch tells controllers, as ovs-ofctl prints it: packet-ins, flows that go, flow updates
// and ports (lib/ofp-packet.c, lib/ofp-monitor.c, lib/ofp-print.c of Open vSwitch 3.1).
// Main thread.
import type { PacketInReason } from "../../../../flow/odp.js";
import { newKey, WORD } from "../../../../flow/key.js";
import type { Match } from "../../../../flow/types.js";
import { formatDuration } from "../../../../ofctl/dump-flows.js";
import { formatPriorityAndMatch } from "../../../../ofctl/format.js";
import { type ActionFormatOptions, formatActions } from "../../../../ofctl/print/format-actions.js";
import { formatMatch } from "../../../../ofctl/print/format-match.js";
import { hex } from "../../../../ofctl/print/format-value.js";
import { receivedMatch } from "../../../../ofctl/print/received-match.js";
import type { OpenFlowVersion } from "../../../../ofctl/protocols.js";
import type { FlowEvent, PacketIn, RemovedFlow } from "../../../controllers.js";
import { formatHexDump, formatPacket } from "./packet-text.js";
import { messageHead } from "../refusals.js";

/** How packet-ins are sent (enum ofputil_packet_in_format). */
export type PacketInFormat = "standard" | "nxt_packet_in" | "nxt_packet_in2";

/** How everything is said. */
export interface Words extends ActionFormatOptions {
  readonly version: OpenFlowVersion;
  /** `-m`: the packet's bytes are printed, too. */
  readonly isVerbose: boolean;
}

/** The reason as a version can say it (encode_packet_in_reason). */
function saidReason(reason: PacketInReason, version: OpenFlowVersion): PacketInReason {
  switch (reason) {
    case "action_set":
    case "group":
    case "packet_out":
      return version < 14 ? "action" : reason;
    case "explicit_miss":
      return version < 13 ? "action" : "no_match";
    case "implicit_miss":
      return "no_match";
    default:
      return reason;
  }
}

const ALL = 0xffffffff;

/** The metadata of a packet-in, as a match (flow_get_metadata of lib/flow.c). */
function metadataMatch(key: Uint32Array): Match {
  const [value, mask] = [newKey(), newKey()];
  const show = (word: number, words: number): void => {
    if (key.subarray(word, word + words).every((bits) => bits === 0)) return;
    mask.fill(ALL, word, word + words);
  };
  show(WORD.tunId, 2);
  show(WORD.metadata, 2);
  for (let i = 0; i < 16; i++) show(WORD.reg0 + i, 1);
  for (const word of [WORD.pktMark, WORD.ctState, WORD.ctMark]) show(word, 1);
  show(WORD.ctLabel, 4);
  if (key[WORD.ctZone] !== 0) mask[WORD.ctZone] = 0xffff;
  if (key[WORD.ctState] !== 0) showConnection(key, mask);
  mask[WORD.inPort] = 0xffff;
  for (const [i, bits] of mask.entries()) value[i] = key[i]! & bits;
  return { value, mask };
}

/** A connection's original direction, and the type that says how to read it. */
function showConnection(key: Uint32Array, mask: Uint32Array): void {
  mask[WORD.typeVlan] = 0xffff0000;
  if (key[WORD.ctNwProto] === 0) return;
  const type = key[WORD.typeVlan]! >>> 16;
  if (type === 0x0800) mask.fill(ALL, WORD.ctNwSrc, WORD.ctNwDst + 1);
  else if (type === 0x86dd) {
    mask.fill(ALL, WORD.ctIpv6Src, WORD.ctIpv6Src + 4);
    mask.fill(ALL, WORD.ctIpv6Dst, WORD.ctIpv6Dst + 4);
  } else return;
  mask[WORD.ctNwProto] = 0xff;
  mask[WORD.ctPorts] = ALL;
}

/** What a format has room for. */
function contentsOf(format: PacketInFormat, version: OpenFlowVersion) {
  const isOwn = format !== "standard";
  return {
    table: isOwn || version > 10,
    cookie: isOwn || version > 12,
    metadata: isOwn || version > 11,
    userdata: format === "nxt_packet_in2",
  };
}

/**
 * A packet-in; whole lines. With what the switch needs to go on with the packet come bytes that
 * only it can read; they are not printed.
 */
export function formatPacketIn(packetIn: PacketIn, format: PacketInFormat, words: Words): string {
  const name = format === "standard" ? "OFPT_PACKET_IN" : format.toUpperCase();
  return formatPacketMessage(name, packetIn, format, words);
}

/** What lets a packet go on that has paused; whole lines. */
export function formatResume(packetIn: PacketIn, words: Words): string {
  const plain = { ...packetIn, userdata: null };
  return formatPacketMessage("NXT_RESUME", plain, "nxt_packet_in2", words);
}

function formatPacketMessage(
  name: string,
  packetIn: PacketIn,
  format: PacketInFormat,
  words: Words,
): string {
  const { version } = words;
  const { packet, cookie, table, userdata, metadata } = packetIn;
  const has = contentsOf(format, version);
  const plain = newKey();
  plain[WORD.inPort] = metadata[WORD.inPort]!;
  const length = packet.length;
  const parts = [
    messageHead(name, version, 0),
    has.table && table !== 0 ? ` table_id=${table}` : "",
    has.cookie && cookie !== null ? ` cookie=0x${cookie.toString(16)}` : "",
    ` total_len=${length} `,
    formatMatch(metadataMatch(has.metadata ? metadata : plain), words),
    ` (via ${saidReason(packetIn.reason, version)}) data_len=${length} (unbuffered)\n`,
  ];
  if (has.userdata && userdata !== null && userdata.length > 0) {
    const bytes = Array.from(userdata, (byte) => byte.toString(16).padStart(2, "0"));
    parts.push(` userdata=${bytes.join(".")}\n`);
  }
  parts.push(`${formatPacket(packet)}\n`);
  if (words.isVerbose) parts.push(formatHexDump(packet));
  return parts.join("");
}

/** OFPT_FLOW_REMOVED; a whole line. */
export function formatFlowRemoved(removed: RemovedFlow, words: Words): string {
  const { flow, reason, durationSeconds, stats } = removed;
  const { version } = words;
  // OpenFlow 1.0 names no table, and only later versions know why a group's flows go.
  const table = version === 10 ? "" : ` table_id=${flow.table}`;
  const cookie = flow.cookie === 0n ? "" : ` cookie:0x${flow.cookie.toString(16)}`;
  const hard = flow.hardTimeout === 0 || version === 10 ? "" : ` hard${flow.hardTimeout}`;
  return (
    `${messageHead("OFPT_FLOW_REMOVED", version, 0)} ` +
    `${formatPriorityAndMatch(flow.priority, flow.match, words)} reason=${reason}` +
    `${table}${cookie} duration${formatDuration(durationSeconds)} idle${flow.idleTimeout}${hard} ` +
    `pkts${stats.packets} bytes${stats.bytes}\n`
  );
}

/** The name of flow monitoring's messages. */
function monitorName(version: OpenFlowVersion): string {
  if (version >= 14) return "OFPST_FLOW_MONITOR reply";
  return version === 13 ? "ONFST_FLOW_MONITOR reply" : "NXST_FLOW_MONITOR reply";
}

/** What is told of one flow; `INITIAL` is what was there when somebody began to watch. */
export interface FlowUpdate extends Omit<FlowEvent, "event" | "oldActions"> {
  readonly event: FlowEvent["event"] | "INITIAL";
  readonly showsActions: boolean;
}

/** Flow updates as one message; whole lines. @param xid of the question that it answers, or 0. */
export function formatUpdates(updates: readonly FlowUpdate[], xid: number, words: Words): string {
  const lines = updates.map((update) => `\n${formatUpdate(update, words)}`);
  const head = messageHead(monitorName(words.version), words.version, xid);
  // Only a message's last line loses the space behind an empty match (ofp_to_string).
  return `${head}${lines.join("").trimEnd()}\n`;
}

function formatUpdate({ event, flow, reason, showsActions }: FlowUpdate, words: Words): string {
  const match = formatMatch(receivedMatch(flow.match, words.version), words);
  const drops = flow.actions.length === 0 || flow.actions[0]!.type === "drop";
  const parts = [
    ` event=${event === "INITIAL" && words.version < 14 ? "ADDED" : event}`,
    reason === null ? "" : `reason=${reason}`,
    `table=${flow.table}`,
    flow.idleTimeout === 0 ? "" : `idle_timeout=${flow.idleTimeout}`,
    flow.hardTimeout === 0 ? "" : `hard_timeout=${flow.hardTimeout}`,
    `cookie=${hex(flow.cookie)}`,
    match,
    drops || !showsActions ? "" : `actions=${formatActions(flow.actions, words, flow.match)}`,
  ];
  const text = parts.filter((part) => part !== "").join(" ");
  return match === "" && (drops || !showsActions) ? `${text} ` : text;
}
