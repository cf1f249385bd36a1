// From bytes to the key. Called once per frame in queue workers: no allocation, no exception,
// whatever the bytes say. Every read is checked against the end of the frame first.
//
// What a truncated or contradictory header leaves in the key is what Open vSwitch's
// miniflow_extract (lib/flow.c, 3.1) leaves: the fields of that layer and above stay 0, the
// frame is still switched by the layers below.
import { DROP } from "../base/drop-reasons.js";
import { identityWords, NW_FRAG_ANY, NW_FRAG_LATER, VLAN_PRESENT, WORD } from "./key.js";

const ETH_HEADER = 14;
const ETHERTYPE_MIN = 0x600;
/** dl_type of a frame without an ethertype, as Open vSwitch shows it (FLOW_DL_TYPE_NONE). */
export const DL_TYPE_NONE = 0x05ff;
/** More extension headers than this are not a packet that anybody sends. */
const EXTENSION_HEADERS_MAX = 16;
/** Bytes after the IP packet that are taken for padding (miniflow_extract: UINT16_MAX). */
const PADDING_MAX = 0xffff;

/**
 * The memory that was asked about last, and a view of it: one load for four bytes, where an array
 * of bytes takes four. A worker's frames all lie in one memory.
 */
let seen: Uint8Array = new Uint8Array(0);
let view: DataView = new DataView(seen.buffer);

function viewOf(bytes: Uint8Array): DataView {
  if (bytes !== seen) {
    seen = bytes;
    view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }
  return view;
}

/**
 * Fills the packet part of `key` from a frame; the metadata part is left as it is.
 * @param bytes the memory the frame lies in.
 * @param offset where its Ethernet header begins.
 * @param length bytes of the frame; the caller guarantees offset + length <= bytes.length.
 * @param inPort OpenFlow port number it came from.
 * @param key a new one, or one that this function has filled before and that still has the
 *   ethertype of that frame.
 * @returns 0, or DROP.runt for a frame shorter than an Ethernet header (the key is then invalid).
 */
export function extractKey(
  bytes: Uint8Array,
  offset: number,
  length: number,
  inPort: number,
  key: Uint32Array,
): number {
  if (length < ETH_HEADER) return DROP.runt;
  const frame = viewOf(bytes);
  const end = offset + length;
  key[WORD.inPort] = inPort;
  key[WORD.ethDst] = frame.getInt32(offset);
  key[WORD.ethMid] = frame.getInt32(offset + 4);
  key[WORD.ethSrc] = frame.getInt32(offset + 8);
  // Words that this key had no use for the last time are 0 still.
  const used = identityWords(key);
  for (let i = WORD.ip; i < used; i++) key[i] = 0;
  let at = offset + 12;
  let type = frame.getUint16(at);
  let tci = 0;
  // Up to two tags (FLOW_MAX_VLAN_HEADERS); each must be followed by an ethertype.
  if ((type === 0x8100 || type === 0x88a8) && at + 6 <= end) {
    tci = frame.getUint16(at + 2) | VLAN_PRESENT;
    key[WORD.outerTpid] = type << 16;
    at += 4;
    type = frame.getUint16(at);
    if ((type === 0x8100 || type === 0x88a8) && at + 6 <= end) {
      key[WORD.innerVlan] = (type << 16) | frame.getUint16(at + 2) | VLAN_PRESENT;
      at += 4;
      type = frame.getUint16(at);
    }
  }
  at += 2;
  if (type < ETHERTYPE_MIN) {
    // 802.3 with an LLC SNAP header, else no ethertype at all (lib/flow.c parse_ethertype).
    const snap =
      at + 8 <= end && frame.getInt32(at) === (0xaaaa0300 | 0) && frame.getUint16(at + 4) === 0;
    const snapType = snap ? frame.getUint16(at + 6) : 0;
    type = snapType >= ETHERTYPE_MIN ? snapType : DL_TYPE_NONE;
    if (type !== DL_TYPE_NONE) at += 8;
  }
  key[WORD.typeVlan] = (type << 16) | tci;
  if (type === 0x0800) extractIpv4(frame, at, end, key);
  else if (type === 0x86dd) extractIpv6(frame, at, end, key);
  else if (type === 0x0806 || type === 0x8035) extractArp(frame, at, end, key);
  return 0;
}

function extractIpv4(frame: DataView, at: number, end: number, key: Uint32Array): void {
  // As in Open vSwitch, the ethertype decides; the version is for the receiving host to check.
  if (at + 20 > end) return;
  const headerLength = (frame.getUint8(at) & 15) * 4;
  const totalLength = frame.getUint16(at + 2);
  const room = end - at;
  if (headerLength < 20 || headerLength > room) return;
  if (totalLength < headerLength || totalLength > room || room - totalLength > PADDING_MAX) return;
  key[WORD.nwSrc] = frame.getInt32(at + 12);
  key[WORD.nwDst] = frame.getInt32(at + 16);
  const fragment = frame.getUint16(at + 6);
  let frag = 0;
  if ((fragment & 0x3fff) !== 0) {
    frag = NW_FRAG_ANY | ((fragment & 0x1fff) === 0 ? 0 : NW_FRAG_LATER);
  }
  const proto = frame.getUint8(at + 9);
  key[WORD.ip] =
    (proto << 24) | (frame.getUint8(at + 1) << 16) | (frame.getUint8(at + 8) << 8) | frag;
  if ((frag & NW_FRAG_LATER) !== 0) return;
  extractTransport(frame, at + headerLength, at + totalLength, proto, key);
}

function extractIpv6(frame: DataView, at: number, end: number, key: Uint32Array): void {
  if (at + 40 > end) return;
  const payloadLength = frame.getUint16(at + 4);
  const room = end - at - 40;
  if (payloadLength > room || room - payloadLength > PADDING_MAX) return;
  for (let i = 0; i < 4; i++) {
    key[WORD.ipv6Src + i] = frame.getInt32(at + 8 + 4 * i);
    key[WORD.ipv6Dst + i] = frame.getInt32(at + 24 + 4 * i);
  }
  const first = frame.getInt32(at);
  const label = first & 0xfffff;
  const tos = (first >>> 20) & 0xff;
  const ttl = frame.getUint8(at + 7);
  const payloadEnd = at + 40 + payloadLength;
  let next = frame.getUint8(at + 6);
  let frag = 0;
  at += 40;
  for (let i = 0; i < EXTENSION_HEADERS_MAX; i++) {
    let size: number;
    if (next === 0 || next === 43 || next === 60) {
      if (at + 8 > payloadEnd) return;
      size = (frame.getUint8(at + 1) + 1) * 8;
    } else if (next === 51) {
      if (at + 8 > payloadEnd) return;
      size = (frame.getUint8(at + 1) + 2) * 4;
    } else if (next === 44) {
      if (at + 8 > payloadEnd) return;
      size = 8;
      const fragment = frame.getUint16(at + 2);
      // An "atomic" fragment (offset 0, no more to come) is a whole packet.
      if ((fragment & 0xfff9) !== 0) {
        frag = NW_FRAG_ANY;
        if ((fragment & 0xfff8) !== 0) {
          key[WORD.ipv6Label] = label;
          key[WORD.ip] = (44 << 24) | (tos << 16) | (ttl << 8) | NW_FRAG_ANY | NW_FRAG_LATER;
          return;
        }
      }
    } else {
      key[WORD.ipv6Label] = label;
      key[WORD.ip] = (next << 24) | (tos << 16) | (ttl << 8) | frag;
      extractTransport(frame, at, payloadEnd, next, key);
      return;
    }
    if (at + size > payloadEnd) return;
    next = frame.getUint8(at);
    at += size;
  }
}

function extractTransport(
  frame: DataView,
  at: number,
  end: number,
  proto: number,
  key: Uint32Array,
): void {
  if (proto === 6) {
    if (at + 20 > end) return;
    const headerLength = (frame.getUint8(at + 12) >>> 4) * 4;
    if (headerLength < 20 || at + headerLength > end) return;
    key[WORD.ports] = frame.getInt32(at);
    key[WORD.tcpFlags] = (frame.getUint16(at + 12) & 0x0fff) << 16;
  } else if (proto === 17) {
    if (at + 8 <= end) key[WORD.ports] = frame.getInt32(at);
  } else if (proto === 132) {
    if (at + 12 <= end) key[WORD.ports] = frame.getInt32(at);
  } else if (proto === 1 || proto === 2) {
    // ICMP and IGMP, over either IP, as in Open vSwitch.
    if (at + 8 <= end) key[WORD.ports] = (frame.getUint8(at) << 16) | frame.getUint8(at + 1);
  } else if (proto === 58) {
    // Over IPv4, too; there nobody can ask for more than its type.
    if (key[WORD.typeVlan]! >>> 16 === 0x86dd) extractIcmpv6(frame, at, end, key);
    else if (at + 4 <= end) {
      key[WORD.ports] = (frame.getUint8(at) << 16) | frame.getUint8(at + 1);
    }
  }
}

function extractIcmpv6(frame: DataView, at: number, end: number, key: Uint32Array): void {
  if (at + 4 > end) return;
  const type = frame.getUint8(at);
  const code = frame.getUint8(at + 1);
  key[WORD.ports] = (type << 16) | code;
  if (code !== 0 || (type !== 135 && type !== 136) || at + 24 > end) return;
  for (let i = 0; i < 4; i++) key[WORD.ndTarget + i] = frame.getInt32(at + 8 + 4 * i);
  // Options: source (1) and target (2) link-layer address. One of them twice is taken for a
  // forgery, and nothing of the message is believed.
  const place = WORD.arpHardware;
  for (let option = at + 24; option + 8 <= end;) {
    const size = frame.getUint8(option + 1) * 8;
    if (size === 0 || option + size > end) return;
    const kind = frame.getUint8(option);
    if (size === 8 && kind === 1) {
      if ((key[place]! | (key[place + 1]! >>> 16)) !== 0) return forgetNd(key);
      key[place] = frame.getInt32(option + 2);
      key[place + 1] = (frame.getUint16(option + 6) << 16) | (key[place + 1]! & 0xffff);
    } else if (size === 8 && kind === 2) {
      if (((key[place + 1]! & 0xffff) | key[place + 2]!) !== 0) return forgetNd(key);
      key[place + 1] = (key[place + 1]! & 0xffff0000) | frame.getUint16(option + 2);
      key[place + 2] = frame.getInt32(option + 4);
    }
    option += size;
  }
}

function forgetNd(key: Uint32Array): void {
  for (let i = WORD.ndTarget; i < WORD.arpHardware + 3; i++) key[i] = 0;
}

function extractArp(frame: DataView, at: number, end: number, key: Uint32Array): void {
  if (at + 28 > end) return;
  // Ethernet and IPv4 addresses only: hardware type 1, protocol 0x0800, lengths 6 and 4.
  if (frame.getInt32(at) !== 0x00010800 || frame.getUint16(at + 4) !== 0x0604) return;
  const op = frame.getUint16(at + 6);
  if (op <= 0xff) key[WORD.ip] = op << 24;
  const place = WORD.arpHardware;
  key[place] = frame.getInt32(at + 8);
  key[place + 1] = (frame.getUint16(at + 12) << 16) | frame.getUint16(at + 18);
  key[place + 2] = frame.getInt32(at + 20);
  key[WORD.nwSrc] = frame.getInt32(at + 14);
  key[WORD.nwDst] = frame.getInt32(at + 24);
}
