// The bytes of rtnetlink messages: how a datagram is walked, what a link message says, and how
// addresses are written. Pure functions on views; any thread. The kernel sends these bytes, yet
// every length is checked: a message of a later kernel must not lead a reader astray.
import { C, STRUCTS } from "@packetpath/libc";
import type { LinkStats } from "./types.js";

const { nlmsghdr, ifinfomsg, rtnl_link_stats64 } = STRUCTS;

/** A link as RTM_NEWLINK or RTM_DELLINK describes it. */
export interface Link {
  readonly deleted: boolean;
  readonly ifindex: number;
  readonly name: string;
  readonly flags: number;
  readonly up: boolean;
  readonly carrier: boolean;
  readonly mtu: number;
  readonly txQueueLen: number;
  readonly mac: string;
  readonly stats: LinkStats | null;
}

/** Walks the messages of one datagram; a length that cannot be true ends the walk. */
export function forEachMessage(
  view: DataView,
  length: number,
  each: (type: number, at: number, end: number) => boolean,
): void {
  for (let at = 0; at + nlmsghdr.size <= length;) {
    const size = view.getUint32(at + nlmsghdr.len, true);
    if (size < nlmsghdr.size || at + size > length) return;
    if (!each(view.getUint16(at + nlmsghdr.type, true), at, at + size)) return;
    at += (size + 3) & ~3;
  }
}

/** The link in an RTM_NEWLINK or RTM_DELLINK message; null for any other message. */
export function parseLink(view: DataView, type: number, at: number, end: number): Link | null {
  if (type !== C.RTM_NEWLINK && type !== C.RTM_DELLINK) return null;
  const body = at + nlmsghdr.size;
  if (body + ifinfomsg.size > end) return null;
  // Bridges report their ports under AF_BRIDGE; those are not the link itself.
  if (view.getUint8(body + ifinfomsg.family) !== C.AF_UNSPEC) return null;
  const flags = view.getUint32(body + ifinfomsg.flags, true);
  let name = "";
  let mac = "";
  let mtu = 0;
  let txQueueLen = 0;
  let carrier = (flags & C.IFF_LOWER_UP) !== 0;
  let stats: LinkStats | null = null;
  for (let attr = body + ifinfomsg.size; attr + 4 <= end;) {
    const size = view.getUint16(attr, true);
    if (size < 4 || attr + size > end) break;
    const value = attr + 4;
    const bytes = size - 4;
    const kind = view.getUint16(attr + 2, true) & 0x3fff;
    if (kind === C.IFLA_IFNAME) name = textAt(view, value, bytes);
    else if (kind === C.IFLA_ADDRESS && bytes === 6) mac = macText(view, value);
    else if (kind === C.IFLA_MTU && bytes >= 4) mtu = view.getUint32(value, true);
    else if (kind === C.IFLA_TXQLEN && bytes >= 4) txQueueLen = view.getUint32(value, true);
    else if (kind === C.IFLA_CARRIER && bytes >= 1) carrier = view.getUint8(value) !== 0;
    else if (kind === C.IFLA_STATS64 && bytes >= 64) stats = statsAt(view, value);
    attr += (size + 3) & ~3;
  }
  const ifindex = view.getInt32(body + ifinfomsg.index, true);
  const up = (flags & C.IFF_UP) !== 0;
  const deleted = type === C.RTM_DELLINK;
  return { deleted, ifindex, name, flags, up, carrier, mtu, txQueueLen, mac, stats };
}

function statsAt(view: DataView, at: number): LinkStats {
  const word = (offset: number): number => Number(view.getBigUint64(at + offset, true));
  return {
    rxPackets: word(rtnl_link_stats64.rx_packets),
    txPackets: word(rtnl_link_stats64.tx_packets),
    rxBytes: word(rtnl_link_stats64.rx_bytes),
    txBytes: word(rtnl_link_stats64.tx_bytes),
    rxDropped: word(rtnl_link_stats64.rx_dropped),
    txDropped: word(rtnl_link_stats64.tx_dropped),
  };
}

function textAt(view: DataView, at: number, bytes: number): string {
  let text = "";
  for (let i = 0; i < bytes; i++) {
    const code = view.getUint8(at + i);
    if (code === 0) break;
    text += String.fromCharCode(code);
  }
  return text;
}

function macText(view: DataView, at: number): string {
  const octets = Array.from({ length: 6 }, (_, i) => view.getUint8(at + i));
  return octets.map((octet) => octet.toString(16).padStart(2, "0")).join(":");
}

/** Six octets of a MAC address whose text has been checked. */
export function macBytes(mac: string): Uint8Array {
  return Uint8Array.from(mac.split(":"), (octet) => Number.parseInt(octet, 16));
}

export function cString(text: string): Uint8Array {
  return new TextEncoder().encode(`${text}\0`);
}

/** The 4 or 16 bytes of an address whose text has been checked (node:net isIP). */
export function addressBytes(text: string): Uint8Array<ArrayBuffer> {
  if (!text.includes(":")) return Uint8Array.from(text.split("."), Number);
  const [head = "", tail] = withoutDots(text).split("::");
  const left = words(head);
  const right = words(tail ?? "");
  const gap = new Array<number>(Math.max(0, 8 - left.length - right.length)).fill(0);
  const all = [...left, ...(tail === undefined ? [] : gap), ...right];
  return Uint8Array.from(all.flatMap((word) => [word >> 8, word & 0xff]));
}

const words = (part: string): number[] =>
  part === "" ? [] : part.split(":").map((word) => Number.parseInt(word, 16));

/** `::ffff:10.0.0.1` with its last four bytes as two words. */
function withoutDots(text: string): string {
  const match = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(text);
  if (match === null) return text;
  const [a = 0, b = 0, c = 0, d = 0] = match.slice(2).map(Number);
  return `${match[1]}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
}
