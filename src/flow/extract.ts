// From bytes to the key. Called once per frame in queue workers: no allocation, no exception,
// whatever the bytes say. Every read is checked against the end of the frame first.
//
// What a truncated or contradictory header leaves in the key is what Open vSwitch's
// miniflow_extract (lib/flow.c, 3.1) leaves: the fields of that layer and above stay 0, the
// frame is still switched by the layers below.
import { DROP } from "../base/drop-reasons.js";
import { KEY_PACKET_WORDS, NW_FRAG_ANY, NW_FRAG_LATER, VLAN_PRESENT, WORD } from "./key.js";

const ETH_HEADER = 14;
const ETHERTYPE_MIN = 0x600;
/** dl_type of a frame without an ethertype, as Open vSwitch shows it (FLOW_DL_TYPE_NONE). */
export const DL_TYPE_NONE = 0x05ff;
/** More extension headers than this are not a packet that anybody sends. */
const EXTENSION_HEADERS_MAX = 16;
/** Bytes after the IP packet that are taken for padding (miniflow_extract: UINT8_MAX). */
const PADDING_MAX = 255;

function u16(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}

function u32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
}

/**
 * Fills the packet part of `key` from a frame; the metadata part is left as it is.
 * @param bytes the memory the frame lies in.
 * @param offset where its Ethernet header begins.
 * @param length bytes of the frame; the caller guarantees offset + length <= bytes.length.
 * @param inPort OpenFlow port number it came from.
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
  const end = offset + length;
  key[WORD.inPort] = inPort;
  key[WORD.ethDst] = u32(bytes, offset);
  key[WORD.ethMid] = u32(bytes, offset + 4);
  key[WORD.ethSrc] = u32(bytes, offset + 8);
  for (let i = WORD.ip; i < KEY_PACKET_WORDS; i++) key[i] = 0;
  let at = offset + 12;
  let type = u16(bytes, at);
  let tci = 0;
  // Up to two tags (FLOW_MAX_VLAN_HEADERS); each must be followed by an ethertype.
  if ((type === 0x8100 || type === 0x88a8) && at + 6 <= end) {
    tci = u16(bytes, at + 2) | VLAN_PRESENT;
    key[WORD.outerTpid] = type << 16;
    at += 4;
    type = u16(bytes, at);
    if ((type === 0x8100 || type === 0x88a8) && at + 6 <= end) {
      key[WORD.innerVlan] = (type << 16) | u16(bytes, at + 2) | VLAN_PRESENT;
      at += 4;
      type = u16(bytes, at);
    }
  }
  at += 2;
  if (type < ETHERTYPE_MIN) {
    // 802.3 with an LLC SNAP header, else no ethertype at all (lib/flow.c parse_ethertype).
    const snap = at + 8 <= end && u32(bytes, at) === (0xaaaa0300 | 0) && u16(bytes, at + 4) === 0;
    const snapType = snap ? u16(bytes, at + 6) : 0;
    type = snapType >= ETHERTYPE_MIN ? snapType : DL_TYPE_NONE;
    if (type !== DL_TYPE_NONE) at += 8;
  }
  key[WORD.typeVlan] = (type << 16) | tci;
  if (type === 0x0800) extractIpv4(bytes, at, end, key);
  else if (type === 0x86dd) extractIpv6(bytes, at, end, key);
  else if (type === 0x0806 || type === 0x8035) extractArp(bytes, at, end, key);
  return 0;
}

function extractIpv4(bytes: Uint8Array, at: number, end: number, key: Uint32Array): void {
  // As in Open vSwitch, the ethertype decides; the version is for the receiving host to check.
  if (at + 20 > end) return;
  const headerLength = (bytes[at]! & 15) * 4;
  const totalLength = u16(bytes, at + 2);
  const room = end - at;
  if (headerLength < 20 || headerLength > room) return;
  if (totalLength < headerLength || totalLength > room || room - totalLength > PADDING_MAX) return;
  key[WORD.nwSrc] = u32(bytes, at + 12);
  key[WORD.nwDst] = u32(bytes, at + 16);
  const fragment = u16(bytes, at + 6);
  let frag = 0;
  if ((fragment & 0x3fff) !== 0) {
    frag = NW_FRAG_ANY | ((fragment & 0x1fff) === 0 ? 0 : NW_FRAG_LATER);
  }
  const proto = bytes[at + 9]!;
  key[WORD.ip] = (proto << 24) | (bytes[at + 1]! << 16) | (bytes[at + 8]! << 8) | frag;
  if ((frag & NW_FRAG_LATER) !== 0) return;
  extractTransport(bytes, at + headerLength, at + totalLength, proto, key);
}

function extractIpv6(bytes: Uint8Array, at: number, end: number, key: Uint32Array): void {
  if (at + 40 > end) return;
  const payloadLength = u16(bytes, at + 4);
  const room = end - at - 40;
  if (payloadLength > room || room - payloadLength > PADDING_MAX) return;
  for (let i = 0; i < 4; i++) {
    key[WORD.ipv6Src + i] = u32(bytes, at + 8 + 4 * i);
    key[WORD.ipv6Dst + i] = u32(bytes, at + 24 + 4 * i);
  }
  const first = u32(bytes, at);
  const label = first & 0xfffff;
  const tos = (first >>> 20) & 0xff;
  const ttl = bytes[at + 7]!;
  const payloadEnd = at + 40 + payloadLength;
  let next = bytes[at + 6]!;
  let frag = 0;
  at += 40;
  for (let i = 0; i < EXTENSION_HEADERS_MAX; i++) {
    let size: number;
    if (next === 0 || next === 43 || next === 60) {
      if (at + 8 > payloadEnd) return;
      size = (bytes[at + 1]! + 1) * 8;
    } else if (next === 51) {
      if (at + 8 > payloadEnd) return;
      size = (bytes[at + 1]! + 2) * 4;
    } else if (next === 44) {
      if (at + 8 > payloadEnd) return;
      size = 8;
      const fragment = u16(bytes, at + 2);
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
      extractTransport(bytes, at, payloadEnd, next, key);
      return;
    }
    if (at + size > payloadEnd) return;
    next = bytes[at]!;
    at += size;
  }
}

function extractTransport(
  bytes: Uint8Array,
  at: number,
  end: number,
  proto: number,
  key: Uint32Array,
): void {
  if (proto === 6) {
    if (at + 20 > end) return;
    const headerLength = (bytes[at + 12]! >>> 4) * 4;
    if (headerLength < 20 || at + headerLength > end) return;
    key[WORD.ports] = u32(bytes, at);
    key[WORD.tcpFlags] = (u16(bytes, at + 12) & 0x0fff) << 16;
  } else if (proto === 17) {
    if (at + 8 <= end) key[WORD.ports] = u32(bytes, at);
  } else if (proto === 132) {
    if (at + 12 <= end) key[WORD.ports] = u32(bytes, at);
  } else if (proto === 1 || proto === 2) {
    // ICMP and IGMP, over either IP, as in Open vSwitch.
    if (at + 8 <= end) key[WORD.ports] = (bytes[at]! << 16) | bytes[at + 1]!;
  } else if (proto === 58 && key[WORD.typeVlan]! >>> 16 === 0x86dd) {
    extractIcmpv6(bytes, at, end, key);
  }
}

function extractIcmpv6(bytes: Uint8Array, at: number, end: number, key: Uint32Array): void {
  if (at + 4 > end) return;
  const type = bytes[at]!;
  const code = bytes[at + 1]!;
  key[WORD.ports] = (type << 16) | code;
  if (code !== 0 || (type !== 135 && type !== 136) || at + 24 > end) return;
  for (let i = 0; i < 4; i++) key[WORD.ndTarget + i] = u32(bytes, at + 8 + 4 * i);
  // Options: source (1) and target (2) link-layer address. One of them twice is taken for a
  // forgery, and nothing of the message is believed.
  const place = WORD.arpHardware;
  for (let option = at + 24; option + 8 <= end;) {
    const size = bytes[option + 1]! * 8;
    if (size === 0 || option + size > end) return;
    const kind = bytes[option]!;
    if (size === 8 && kind === 1) {
      if ((key[place]! | (key[place + 1]! >>> 16)) !== 0) return forgetNd(key);
      key[place] = u32(bytes, option + 2);
      key[place + 1] = (u16(bytes, option + 6) << 16) | (key[place + 1]! & 0xffff);
    } else if (size === 8 && kind === 2) {
      if (((key[place + 1]! & 0xffff) | key[place + 2]!) !== 0) return forgetNd(key);
      key[place + 1] = (key[place + 1]! & 0xffff0000) | u16(bytes, option + 2);
      key[place + 2] = u32(bytes, option + 4);
    }
    option += size;
  }
}

function forgetNd(key: Uint32Array): void {
  for (let i = WORD.ndTarget; i < WORD.arpHardware + 3; i++) key[i] = 0;
}

function extractArp(bytes: Uint8Array, at: number, end: number, key: Uint32Array): void {
  if (at + 28 > end) return;
  // Ethernet and IPv4 addresses only: hardware type 1, protocol 0x0800, lengths 6 and 4.
  if (u32(bytes, at) !== 0x00010800 || u16(bytes, at + 4) !== 0x0604) return;
  const op = u16(bytes, at + 6);
  if (op <= 0xff) key[WORD.ip] = op << 24;
  const place = WORD.arpHardware;
  key[place] = u32(bytes, at + 8);
  key[place + 1] = (u16(bytes, at + 12) << 16) | u16(bytes, at + 18);
  key[place + 2] = u32(bytes, at + 20);
  key[WORD.nwSrc] = u32(bytes, at + 14);
  key[WORD.nwDst] = u32(bytes, at + 24);
}
