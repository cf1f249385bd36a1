// The datapath action `set`: bits of one word of the key, written into the header that the word
// stands for, checksums following. Per frame, but only on frames that are rewritten; no allocation.
import { extractKey } from "../flow/extract.js";
import { WORD, newKey } from "../flow/key.js";
import { ARP } from "../wire/arp.js";
import { get16, get32, put16, put32 } from "../wire/bytes.js";
import { IPV4 } from "../wire/ipv4.js";
import { IPV6, ipv6Label, ipv6TrafficClass } from "../wire/ipv6.js";
import {
  setFlowLabel,
  setIcmp,
  setIpv4Address,
  setIpv6AddressWord,
  setNdLinkAddress,
  setNdTargetWord,
  setPort,
  setTos,
  setTtl,
  type HeaderPlaces,
} from "../wire/rewrite.js";
import { ND } from "../wire/transport.js";

const KIND_ARP = 0x806;
const OPTION = { sourceLinkAddress: 1, targetLinkAddress: 2 } as const;

/**
 * Sets bits of one word.
 * @param places where the headers of the frame lie now.
 * @param word index in the key; `mask` the bits to set, `value` what to; no bit outside the mask.
 * @param partial the transport's checksum is left to the device (vnet NEEDS_CSUM).
 */
export function setWord(
  bytes: Uint8Array,
  places: HeaderPlaces,
  set: { word: number; mask: number; value: number },
  partial: boolean,
): void {
  const { word, mask, value } = set;
  if (word >= WORD.ethDst && word <= WORD.ethSrc) {
    merge32(bytes, places.frame + (word - WORD.ethDst) * 4, mask, value);
    return;
  }
  if (places.kind === KIND_ARP) {
    setArpWord(bytes, places.network, word, mask, value);
    return;
  }
  if (places.kind === 4) setIpv4Word(bytes, places, set, partial);
  else if (places.kind === 6) setIpv6Word(bytes, places, set, partial);
  else return;
  if (word === WORD.ports) setPorts(bytes, places, set, partial);
}

function merge32(bytes: Uint8Array, at: number, mask: number, value: number): void {
  put32(bytes, at, (get32(bytes, at) & ~mask) | value);
}

function setIpv4Word(
  bytes: Uint8Array,
  places: HeaderPlaces,
  { word, mask, value }: { word: number; mask: number; value: number },
  partial: boolean,
): void {
  const ip = places.network;
  if (word === WORD.nwSrc || word === WORD.nwDst) {
    const place = word === WORD.nwSrc ? IPV4.source : IPV4.destination;
    setIpv4Address(bytes, places, place, (get32(bytes, ip + place) & ~mask) | value, partial);
  } else if (word === WORD.ip) {
    setIpByte(bytes, places, mask, value, bytes[ip + IPV4.versionLength + 1]!);
  }
}

function setIpv6Word(
  bytes: Uint8Array,
  places: HeaderPlaces,
  { word, mask, value }: { word: number; mask: number; value: number },
  partial: boolean,
): void {
  const ip = places.network;
  if (word >= WORD.ipv6Src && word < WORD.ipv6Dst + 4) {
    // The two addresses follow each other, in the key as in the header.
    const place = IPV6.source + (word - WORD.ipv6Src) * 4;
    setIpv6AddressWord(bytes, places, place, (get32(bytes, ip + place) & ~mask) | value, partial);
  } else if (word === WORD.ipv6Label) {
    setFlowLabel(bytes, places, (ipv6Label(bytes, ip) & ~mask) | value);
  } else if (word === WORD.ip) {
    setIpByte(bytes, places, mask, value, ipv6TrafficClass(bytes, ip));
  } else if (word >= WORD.ndTarget && word < WORD.ndTarget + 4) {
    if (places.transport < 0) return;
    const part = word - WORD.ndTarget;
    const at = places.transport + ND.target + 4 * part;
    if (at + 4 > places.end) return;
    setNdTargetWord(bytes, places, part, (get32(bytes, at) & ~mask) | value, partial);
  } else if (word >= WORD.arpHardware && word < WORD.arpHardware + 3) {
    setNdLinkWord(bytes, places, { word, mask, value }, partial);
  }
}

/** TOS or traffic class, and TTL or hop limit, which share a word of the key. */
function setIpByte(
  bytes: Uint8Array,
  places: HeaderPlaces,
  mask: number,
  value: number,
  oldTos: number,
): void {
  const tosMask = (mask >>> 16) & 0xff;
  if (tosMask !== 0) setTos(bytes, places, (oldTos & ~tosMask) | ((value >>> 16) & 0xff));
  const ttlMask = (mask >>> 8) & 0xff;
  if (ttlMask === 0) return;
  const at = places.network + (places.kind === 4 ? IPV4.ttl : IPV6.hopLimit);
  setTtl(bytes, places, (bytes[at]! & ~ttlMask) | ((value >>> 8) & 0xff));
}

function setPorts(
  bytes: Uint8Array,
  places: HeaderPlaces,
  { mask, value }: { mask: number; value: number },
  partial: boolean,
): void {
  const at = places.transport;
  if (at < 0 || at + 4 > places.end) return;
  if (places.protocol === 1 || places.protocol === 58) {
    const type = (bytes[at]! & ~(mask >>> 16)) | (value >>> 16);
    setIcmp(bytes, places, type & 0xff, ((bytes[at + 1]! & ~mask) | value) & 0xff, partial);
    return;
  }
  if (mask >>> 16 !== 0) {
    const port = (get16(bytes, at) & ~(mask >>> 16)) | (value >>> 16);
    setPort(bytes, places, 0, port & 0xffff, partial);
  }
  if ((mask & 0xffff) !== 0) {
    const port = (get16(bytes, at + 2) & ~mask) | value;
    setPort(bytes, places, 2, port & 0xffff, partial);
  }
}

function setArpWord(
  bytes: Uint8Array,
  arp: number,
  word: number,
  mask: number,
  value: number,
): void {
  if (word === WORD.ip) {
    // The key has the low byte of the operation, in its highest.
    const at = arp + ARP.operation + 1;
    bytes[at] = (bytes[at]! & ~(mask >>> 24)) | (value >>> 24);
  } else if (word === WORD.nwSrc) merge32(bytes, arp + ARP.senderIp, mask, value);
  else if (word === WORD.nwDst) merge32(bytes, arp + ARP.targetIp, mask, value);
  else if (word === WORD.arpHardware) merge32(bytes, arp + ARP.senderMac, mask, value);
  else if (word === WORD.arpHardware + 1) {
    merge16(bytes, arp + ARP.senderMac + 4, mask >>> 16, value >>> 16);
    merge16(bytes, arp + ARP.targetMac, mask & 0xffff, value & 0xffff);
  } else if (word === WORD.arpHardware + 2) merge32(bytes, arp + ARP.targetMac + 2, mask, value);
}

function merge16(bytes: Uint8Array, at: number, mask: number, value: number): void {
  put16(bytes, at, (get16(bytes, at) & ~mask) | value);
}

const scratchKey = newKey();
const scratchLink = { kind: 0, high: 0, low: 0 };

/** nd_sll and nd_tll lie in an option, so the old address is read through a fresh extraction. */
function setNdLinkWord(
  bytes: Uint8Array,
  places: HeaderPlaces,
  { word, mask, value }: { word: number; mask: number; value: number },
  partial: boolean,
): void {
  extractKey(bytes, places.frame, places.end - places.frame, 0, scratchKey);
  scratchKey[word] = (scratchKey[word]! & ~mask) | value;
  const first = scratchKey[WORD.arpHardware]!;
  const middle = scratchKey[WORD.arpHardware + 1]!;
  const isSolicit = scratchKey[WORD.ports]! >>> 16 === ND.solicit;
  scratchLink.kind = isSolicit ? OPTION.sourceLinkAddress : OPTION.targetLinkAddress;
  scratchLink.high = isSolicit ? first >>> 16 : middle & 0xffff;
  scratchLink.low = isSolicit
    ? ((first << 16) | (middle >>> 16)) >>> 0
    : scratchKey[WORD.arpHardware + 2]!;
  setNdLinkAddress(bytes, places, scratchLink, partial);
}
