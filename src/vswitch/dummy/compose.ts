// A frame that has a given key: what `netdev-dummy/receive` makes of a flow's text (lib/flow.c
// flow_compose of Open vSwitch 3.1). Checksums are right, but for SCTP's, which is 0. Any thread;
// for probes, not for speed.
import { type FieldId, fieldOf, getField, getFieldWords } from "../../flow/fields.js";
import { VLAN_PRESENT, WORD } from "../../flow/key.js";
import { formatIpv4, formatIpv6, formatMac } from "../../ofctl/text/addresses.js";
import { numberOf } from "../../ofctl/text/scan.js";
import { buildArp } from "../../wire/arp.js";
import { put16, put32 } from "../../wire/bytes.js";
import { buildEthernet, ETHERTYPE, macBytes } from "../../wire/ethernet.js";
import { buildIpv4, IP_PROTO } from "../../wire/ipv4.js";
import { buildIpv6 } from "../../wire/ipv6.js";
import { locateHeaders, newHeaderPlaces } from "../../wire/rewrite.js";
import {
  buildIcmp,
  buildSctp,
  buildTcp,
  buildUdp,
  ND,
  SCTP,
  TCP_FLAG,
} from "../../wire/transport.js";

/** What is behind the transport header, counting up from 0: as much as Open vSwitch adds. */
const PAYLOAD = Uint8Array.from({ length: 64 }, (_, i) => i);
const NOTHING = new Uint8Array(0);

/** Types of ICMP and ICMPv6. */
const ECHO = { request: 8, reply: 0 } as const;
const ECHO6 = { request: 128, reply: 129 } as const;

/** nw_frag: a fragment, and a later one. */
const FRAG_ANY = 1;
const FRAG_LATER = 2;
/** On the wire: more fragments follow; offset 800 bytes. */
const MORE_FRAGMENTS = 0x2000;
const LATER_OFFSET = 100;

function number(key: Uint32Array, id: FieldId): number {
  return getField(key, fieldOf(id));
}

function wide(key: Uint32Array, id: FieldId): bigint {
  const field = fieldOf(id);
  const words = new Uint32Array(field.words);
  getFieldWords(key, field, words);
  return numberOf(words);
}

/**
 * Builds a frame.
 * @param length the frame is made at least so long, with zeros (`--len`); 0: as it comes.
 * @param payload of protocols that can carry any.
 */
export function composeFrame(
  key: Uint32Array,
  length = 0,
  payload: Uint8Array = PAYLOAD,
): Uint8Array {
  const type = key[WORD.typeVlan]! >>> 16;
  const frame = buildEthernet({
    destination: formatMac(wide(key, "eth_dst")),
    source: formatMac(wide(key, "eth_src")),
    type,
    tags: tagsOf(key),
    payload: network(key, type, payload),
  });
  if (number(key, "nw_proto") === IP_PROTO.sctp) clearSctpChecksum(frame);
  if (frame.length >= length) return frame;
  const padded = new Uint8Array(length);
  padded.set(frame);
  return padded;
}

function clearSctpChecksum(frame: Uint8Array): void {
  const places = newHeaderPlaces();
  locateHeaders(frame, 0, frame.length, places);
  const { transport, protocol } = places;
  if (transport >= 0 && protocol === IP_PROTO.sctp) put32(frame, transport + SCTP.checksum, 0);
}

function tagsOf(key: Uint32Array): { tpid: number; tci: number }[] {
  const tci = key[WORD.typeVlan]! & 0xffff;
  if ((tci & VLAN_PRESENT) === 0) return [];
  const onWire = (value: number): number => value & ~VLAN_PRESENT & 0xffff;
  const tags = [{ tpid: key[WORD.outerTpid]! >>> 16 || ETHERTYPE.vlan, tci: onWire(tci) }];
  const inner = key[WORD.innerVlan]!;
  if (inner !== 0) tags.push({ tpid: inner >>> 16, tci: onWire(inner) });
  return tags;
}

function network(key: Uint32Array, type: number, payload: Uint8Array): Uint8Array {
  const isLater = (number(key, "ip_frag") & FRAG_LATER) !== 0;
  if (type === ETHERTYPE.ipv4) {
    const isFragment = (number(key, "ip_frag") & FRAG_ANY) !== 0;
    return buildIpv4({
      source: formatIpv4(wide(key, "ip_src")),
      destination: formatIpv4(wide(key, "ip_dst")),
      protocol: number(key, "nw_proto"),
      ttl: number(key, "nw_ttl"),
      tos: (number(key, "nw_tos") & 0xfc) | number(key, "nw_ecn"),
      fragment: isFragment ? MORE_FRAGMENTS | (isLater ? LATER_OFFSET : 0) : 0,
      payload: isLater ? NOTHING : transport(key, false, payload),
    });
  }
  if (type === ETHERTYPE.ipv6) {
    return buildIpv6({
      source: formatIpv6(wide(key, "ipv6_src")),
      destination: formatIpv6(wide(key, "ipv6_dst")),
      protocol: number(key, "nw_proto"),
      hopLimit: number(key, "nw_ttl"),
      trafficClass: (number(key, "nw_tos") & 0xfc) | number(key, "nw_ecn"),
      label: number(key, "ipv6_label"),
      payload: isLater ? NOTHING : transport(key, true, payload),
    });
  }
  if (type === ETHERTYPE.arp || type === ETHERTYPE.rarp) {
    return buildArp({
      operation: number(key, "arp_op"),
      senderMac: formatMac(wide(key, "arp_sha")),
      senderIp: key[WORD.nwSrc]!,
      targetMac: formatMac(wide(key, "arp_tha")),
      targetIp: key[WORD.nwDst]!,
    });
  }
  return NOTHING;
}

function transport(key: Uint32Array, isIpv6: boolean, payload: Uint8Array): Uint8Array {
  const source = key[WORD.ports]! >>> 16;
  const destination = key[WORD.ports]! & 0xffff;
  switch (number(key, "nw_proto")) {
    case IP_PROTO.tcp: {
      const flags = number(key, "tcp_flags");
      const isBare = (flags & (TCP_FLAG.syn | TCP_FLAG.fin | TCP_FLAG.rst)) !== 0;
      const data = isBare ? NOTHING : payload;
      return buildTcp({ source, destination, flags, window: 0, payload: data });
    }
    case IP_PROTO.udp:
      return buildUdp({ source, destination, payload });
    case IP_PROTO.sctp:
      return buildSctp({ source, destination });
    case IP_PROTO.icmp:
      return isIpv6 ? NOTHING : icmp(key, payload);
    case IP_PROTO.icmpv6:
      return isIpv6 ? icmpv6(key, payload) : NOTHING;
    default:
      return NOTHING;
  }
}

function icmp(key: Uint32Array, payload: Uint8Array): Uint8Array {
  const [type, code] = [number(key, "icmp_type"), number(key, "icmp_code")];
  const isEcho = code === 0 && (type === ECHO.request || type === ECHO.reply);
  return icmpWith(type, code, isEcho ? payload : NOTHING);
}

/** Neighbor discovery has its target and, where the key has one, a link-layer address. */
function icmpv6(key: Uint32Array, payload: Uint8Array): Uint8Array {
  const type = number(key, "icmpv6_type");
  const code = number(key, "icmpv6_code");
  const isSolicit = type === ND.solicit;
  if (code !== 0 || (!isSolicit && type !== ND.advert)) {
    const isEcho = code === 0 && (type === ECHO6.request || type === ECHO6.reply);
    return icmpWith(type, code, isEcho ? payload : NOTHING);
  }
  const linkLayer = formatMac(wide(key, isSolicit ? "nd_sll" : "nd_tll"));
  const hasOption = linkLayer !== "00:00:00:00:00:00";
  const rest = new Uint8Array(4 + 16 + (hasOption ? 8 : 0));
  for (let i = 0; i < 4; i++) put32(rest, 4 + 4 * i, key[WORD.ndTarget + i]!);
  if (hasOption) {
    // Option type 1 (source) or 2 (target), one unit of 8 bytes.
    put16(rest, 20, isSolicit ? 0x0101 : 0x0201);
    rest.set(macBytes(linkLayer), 22);
  }
  return buildIcmp({ type, code, rest });
}

/** Only echoes carry something. */
function icmpWith(type: number, code: number, payload: Uint8Array): Uint8Array {
  const rest = new Uint8Array(4 + payload.length);
  rest.set(payload, 4);
  return buildIcmp({ type, code, rest });
}
