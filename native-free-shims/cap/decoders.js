// Header decoders with the results of cap 0.2.1, field for field. Pure functions over a Buffer, on
// any thread. They allocate and are meant for tools and tests, not for a data path.
//
// Results that look odd are cap's own and are kept so that one can stand in for the other: a VLAN
// tag's priority is always 0, router advertisements begin with holes, SCTP's checksum is read where
// the verification tag lies. Two things differ: an ESP header ends the walk over IPv6 extension
// headers (cap 0.2.1 never returns from it), and reading past the end says which decoder did.
import { PROTOCOL } from "./protocols.js";

/** A 16-bit big-endian number; a RangeError beyond the end, as Buffer's own reader has it. */
function u16(b, offset) {
  return b.readUInt16BE(offset);
}

function mac(b, offset) {
  let text = "";
  for (let i = 0; i < 6; i++) {
    const byte = b[offset + i];
    if (byte === undefined) throw new RangeError(`a MAC address ends beyond byte ${b.length}`);
    text += (i === 0 ? "" : ":") + byte.toString(16).padStart(2, "0");
  }
  return text;
}

/** Dotted quad. Beyond the end the parts read "undefined", as cap's do. */
function ipv4Text(b, offset) {
  return `${b[offset]}.${b[offset + 1]}.${b[offset + 2]}.${b[offset + 3]}`;
}

/** Sixteen bytes as `20:01:0d:b8:...`: cap's own spelling, not RFC 5952's. */
function ipv6Text(b, offset) {
  let text = "";
  for (let i = 0; i < 16; i++) {
    const byte = b[offset + i];
    if (byte === undefined) throw new RangeError(`an IPv6 address ends beyond byte ${b.length}`);
    text += (i === 0 ? "" : ":") + byte.toString(16).padStart(2, "0");
  }
  return text;
}

/** Ethernet II or 802.3, with at most one 802.1Q tag (TPID 0x8100). */
function Ethernet(b, offset = 0) {
  const info = {
    dstmac: mac(b, offset),
    srcmac: mac(b, offset + 6),
    type: undefined,
    vlan: undefined,
    length: undefined,
  };
  let at = offset + 12;
  if (b[at] === 0x81 && b[at + 1] === 0x00) {
    const tci = b[at + 2];
    info.vlan = {
      priority: 0,
      CFI: (tci & 0x10) > 0,
      VID: ((tci & 0x0f) << 8) + b[at + 3],
    };
    at += 4;
  }
  const typeOrLength = u16(b, at);
  if (typeOrLength <= 1500) info.length = typeOrLength;
  else if (typeOrLength >= 1536) info.type = typeOrLength;
  return { info, offset: at + 2 };
}

/** IPv4 (RFC 791). `totallen` 0, as segmentation offload leaves it, becomes the bytes there are. */
function IPV4(b, offset = 0) {
  const headerWords = b[offset] & 0x0f;
  const info = {
    hdrlen: headerWords,
    dscp: (b[offset + 1] & 0xfc) >> 2,
    ecn: b[offset + 1] & 0x03,
    totallen: u16(b, offset + 2),
    id: u16(b, offset + 4),
    flags: (b[offset + 6] & 0xe0) >> 5,
    fragoffset: ((b[offset + 6] & 0x1f) << 8) + b[offset + 7],
    ttl: b[offset + 8],
    protocol: b[offset + 9],
    hdrchecksum: u16(b, offset + 10),
    srcaddr: ipv4Text(b, offset + 12),
    dstaddr: ipv4Text(b, offset + 16),
    options: undefined,
  };
  const hdrlen = headerWords * 4;
  if (info.totallen === 0) info.totallen = b.length - (offset + hdrlen) + hdrlen;
  return { info, hdrlen, offset: offset + hdrlen };
}

const HOP_BY_HOP = 0;
const ROUTING = 43;
const FRAGMENT = 44;
const AUTHENTICATION = 51;
const NO_NEXT_HEADER = 59;
const DESTINATION_OPTIONS = 60;
const MOBILITY = 135;

/** Follows the extension headers; the header type found at the end and where it begins. */
function skipExtensions(b, start, first) {
  let at = start;
  let header = first;
  // Each round moves on by at least one byte and leaves through `undefined` beyond the end.
  for (;;) {
    switch (header) {
      case HOP_BY_HOP:
      case ROUTING:
      case DESTINATION_OPTIONS:
      case MOBILITY:
        header = b[at];
        at += 8 + 8 * b[at + 1];
        break;
      case FRAGMENT:
        header = b[at];
        at += 8;
        break;
      case AUTHENTICATION:
        header = b[at];
        at += 1 + 4 * b[at + 1];
        break;
      default:
        return { header, at };
    }
  }
}

/** IPv6 (RFC 8200). `payloadlen` is in `info`; the place beside it stays empty, as in cap. */
function IPV6(b, offset = 0) {
  const info = {
    class: ((b[offset] & 0x0f) << 4) + ((b[offset + 1] & 0xf0) >> 4),
    flowLabel: ((b[offset + 1] & 0x0f) << 16) + u16(b, offset + 2),
    extensions: undefined,
    protocol: undefined,
    hopLimit: undefined,
    srcaddr: "",
    dstaddr: "",
    payloadlen: u16(b, offset + 4),
  };
  const result = { info, payloadlen: undefined, offset: undefined };
  info.hopLimit = b[offset + 7];
  info.srcaddr = ipv6Text(b, offset + 8);
  info.dstaddr = ipv6Text(b, offset + 24);
  const { header, at } = skipExtensions(b, offset + 40, b[offset + 6]);
  if (header !== NO_NEXT_HEADER) {
    info.protocol = header;
    result.offset = at;
  }
  return result;
}

/** ICMP messages that quote a datagram: the quoted header, and where its payload begins. */
function quoted(b, info, headerAt, payloadBytes) {
  const header = IPV4(b, headerAt);
  info.IPHeader = { info: header.info, hdrlen: header.hdrlen };
  info.dataOffset = header.offset;
  return { info, offset: header.offset + payloadBytes };
}

/** Router advertisement (RFC 1256); the list begins with as many holes as it has entries. */
function routerAdvertisement(b, info, offset) {
  const count = b[offset];
  const entryWords = b[offset + 1];
  info.lifetime = u16(b, offset + 2);
  info.addrs = undefined;
  let at = offset + 4;
  if (count > 0 && entryWords === 2) {
    info.addrs = new Array(count);
    for (let i = 0; i < count; i++) {
      info.addrs.push({ addr: ipv4Text(b, at), pref: b.readInt32BE(at + 4) });
      at += 8;
    }
  }
  return { info, offset: at };
}

/** Where a message's pointer lies and how wide it is: 12 has a byte, 31 four, 40 the last two. */
function pointerOf(b, type, offset) {
  if (type === 12) return b[offset];
  return type === 31 ? b.readUInt32BE(offset) : u16(b, offset + 2);
}

/** Query messages: identifier, sequence number, then 32-bit fields by name. */
function query(b, info, offset, names) {
  info.identifier = u16(b, offset);
  info.seqno = u16(b, offset + 2);
  let at = offset + 4;
  for (const name of names) {
    info[name] = b.readUInt32BE(at);
    at += 4;
  }
  return { info, offset: at };
}

const QUERY_FIELDS = {
  0: [],
  15: [],
  16: [],
  37: [],
  13: ["originate"],
  14: ["originate", "receive", "transmit"],
};

/** ICMP (RFC 792). `nbytes` is part of cap's signature and not used by it either. */
function ICMPV4(b, nbytes, offset = 0) {
  const type = b[offset];
  const code = b[offset + 1];
  const info = { type, code, checksum: u16(b, offset + 2) };
  const at = offset + 4;
  if (QUERY_FIELDS[type] !== undefined) return query(b, info, at, QUERY_FIELDS[type]);
  switch (type) {
    case 3:
      if (code === 4) info.nextHopMTU = u16(b, at + 2);
      return quoted(b, info, at + 4, 8);
    case 4:
    case 11:
      return quoted(b, info, at + 4, 8);
    case 5:
      info.gatewayAddr = ipv4Text(b, at);
      return quoted(b, info, at + 4, 8);
    case 12:
    case 40:
      info.pointer = pointerOf(b, type, at);
      return quoted(b, info, at + 4, 8);
    case 31:
      info.pointer = pointerOf(b, type, at);
      return quoted(b, info, at + 4, 256);
    case 9:
      return routerAdvertisement(b, info, at);
    case 17:
    case 18: {
      const { offset: maskAt } = query(b, info, at, []);
      info.mask = ipv4Text(b, maskAt);
      return { info, offset: maskAt + 4 };
    }
    case 30:
      return traceroute(b, info, at);
    default:
      return { info, offset: at + 4 };
  }
}

/** Traceroute (RFC 1393), read with cap's field widths. */
function traceroute(b, info, offset) {
  info.identifier = u16(b, offset);
  info.outHopCount = u16(b, offset + 4);
  info.retHopCount = b.readUInt32BE(offset + 6);
  info.outLnkSpeed = b.readUInt32BE(offset + 10);
  info.outLnkMTU = b.readUInt32BE(offset + 14);
  return { info, offset: offset + 18 };
}

const TCP_FLAG_ACK = 0x10;
const TCP_FLAG_URG = 0x20;

/** TCP (RFC 9293). `ackno` and `urgentptr` only where their flag is set. */
function TCP(b, offset = 0) {
  const flags = ((b[offset + 12] & 1) << 8) + b[offset + 13];
  const info = {
    srcport: u16(b, offset),
    dstport: u16(b, offset + 2),
    seqno: b.readUInt32BE(offset + 4),
    ackno: b.readUInt32BE(offset + 8),
    flags,
    window: u16(b, offset + 14),
    checksum: u16(b, offset + 16),
    urgentptr: (flags & TCP_FLAG_URG) > 0 ? u16(b, offset + 18) : undefined,
    options: undefined,
  };
  if ((flags & TCP_FLAG_ACK) === 0) info.ackno = undefined;
  const hdrlen = ((b[offset + 12] & 0xf0) >> 4) * 4;
  return { info, hdrlen, offset: offset + hdrlen };
}

/** UDP (RFC 768). `length` is that of the payload. */
function UDP(b, offset = 0) {
  const info = {
    srcport: u16(b, offset),
    dstport: u16(b, offset + 2),
    length: u16(b, offset + 4) - 8,
    checksum: u16(b, offset + 6),
  };
  return { info, offset: offset + 8 };
}

/** SCTP (RFC 9260), with its chunks up to byte `nbytes`. */
function SCTP(b, nbytes, offset = 0) {
  const info = {
    srcport: u16(b, offset),
    dstport: u16(b, offset + 2),
    verifyTag: undefined,
    checksum: u16(b, offset + 4),
    chunks: undefined,
  };
  let at = offset + 6;
  if (at < nbytes) {
    info.chunks = [];
    while (at < nbytes) {
      const length = u16(b, at + 2);
      info.chunks.push({ type: b[at], flags: b[at + 1], offset: at + 4, length });
      at += 4 + length;
    }
  }
  return { info, offset: at };
}

/** ARP (RFC 826); the addresses only for Ethernet and IPv4. */
function ARP(b, offset = 0) {
  const info = {
    hardwareaddr: u16(b, offset),
    protocol: u16(b, offset + 2),
    hdrlen: b.readInt8(offset + 4),
    protlen: b.readInt8(offset + 5),
    opcode: u16(b, offset + 6),
    sendermac: "",
    senderip: "",
    targetmac: "",
    targetip: "",
  };
  if (info.hdrlen !== 6 || info.protlen !== 4) return { info, offset: offset + 8 };
  info.sendermac = mac(b, offset + 8);
  info.senderip = ipv4Text(b, offset + 14);
  info.targetmac = mac(b, offset + 18);
  info.targetip = ipv4Text(b, offset + 24);
  return { info, offset: offset + 28 };
}

/** The decoders and the protocol tables, under cap's names. */
export const decoders = { Ethernet, IPV4, IPV6, ICMPV4, TCP, UDP, SCTP, ARP, PROTOCOL };
