// UDP datagrams of one flow put together as one super-frame (UDP segmentation offload, "USO",
// virtio 1.2 VIRTIO_NET_HDR_GSO_UDP_L4): one header, the payloads one behind the other, all of one
// length but the last. The kernel that gets it takes it apart again (__udp_gso_segment,
// net/ipv4/udp_offload.c), so nobody but the bus sees a difference. Linux 6.2 and later accept such
// frames from a TAP. Any thread; no allocation.
import { get16, put16 } from "./bytes.js";
import { checksum, foldSum, pseudoSumIpv4, pseudoSumIpv6 } from "./checksum.js";
import { ETHERNET, ETHERTYPE, etherType } from "./ethernet.js";
import { IP_PROTO, IPV4 } from "./ipv4.js";
import { IPV6 } from "./ipv6.js";
import { UDP } from "./transport.js";
import {
  needsChecksum,
  putVnetHeader,
  VNET,
  VNET_FLAG,
  VNET_GSO,
  isGso,
  vnetChecksumOffset,
  vnetChecksumStart,
} from "./vnet-header.js";

const IP = ETHERNET.header;
const IPV4_HEADER = IPV4.headerMin;
const IPV6_HEADER = IPV6.header;
/** Version 4, five words of header: no options. */
const PLAIN_IPV4 = 0x45;
const DONT_FRAGMENT = 0x4000;
/** Datagrams in one super-frame (UDP_MAX_SEGMENTS before Linux 6.9). */
export const RUN_MAX = 64;
/** Longest IP packet. */
export const RUN_BYTES_MAX = 65_535;

/**
 * Length of the headers of a datagram that others may be put behind, or 0. It is one whose checksum
 * was left to the device, so that nothing can be hidden by computing it anew; that cannot be
 * fragmented, so that its identification means nothing (RFC 6864); without tags, options or
 * padding.
 */
export function datagramHeader(
  bytes: Uint8Array,
  vnet: number,
  frame: number,
  length: number,
): number {
  if (!needsChecksum(bytes, vnet) || isGso(bytes, vnet)) return 0;
  if (vnetChecksumOffset(bytes, vnet) !== UDP.checksum) return 0;
  const ip = frame + IP;
  const type = etherType(bytes, frame);
  let transport = 0;
  if (type === ETHERTYPE.ipv4) {
    if (bytes[ip] !== PLAIN_IPV4 || bytes[ip + IPV4.protocol] !== IP_PROTO.udp) return 0;
    if (get16(bytes, ip + IPV4.fragment) !== DONT_FRAGMENT) return 0;
    if (get16(bytes, ip + IPV4.totalLength) !== length - IP) return 0;
    transport = IP + IPV4_HEADER;
  } else if (type === ETHERTYPE.ipv6) {
    if (bytes[ip + IPV6.nextHeader] !== IP_PROTO.udp) return 0;
    if (get16(bytes, ip + IPV6.payloadLength) !== length - IP - IPV6_HEADER) return 0;
    transport = IP + IPV6_HEADER;
  } else {
    return 0;
  }
  if (vnetChecksumStart(bytes, vnet) !== transport) return 0;
  const header = transport + UDP.header;
  const isWhole = get16(bytes, frame + transport + UDP.length) === length - transport;
  return isWhole && length > header ? header : 0;
}

function sameBytes(bytes: Uint8Array, a: number, b: number, length: number): boolean {
  for (let i = 0; i < length; i++) if (bytes[a + i] !== bytes[b + i]) return false;
  return true;
}

/** Whether two datagrams, both with headers of this length, differ in no field that matters. */
export function isSameFlow(bytes: Uint8Array, a: number, b: number, header: number): boolean {
  // Ports first: they tell most strangers apart.
  if (!sameBytes(bytes, a + header - UDP.header, b + header - UDP.header, UDP.length)) return false;
  if (!sameBytes(bytes, a, b, ETHERNET.header)) return false;
  const [x, y] = [a + IP, b + IP];
  if (header === IP + IPV4_HEADER + UDP.header) {
    if (!sameBytes(bytes, x, y, IPV4.totalLength)) return false;
    if (!sameBytes(bytes, x + IPV4.fragment, y + IPV4.fragment, IPV4.checksum - IPV4.fragment)) {
      return false;
    }
    return sameBytes(bytes, x + IPV4.source, y + IPV4.source, 8);
  }
  if (!sameBytes(bytes, x, y, IPV6.payloadLength)) return false;
  return sameBytes(bytes, x + IPV6.nextHeader, y + IPV6.nextHeader, IPV6_HEADER - IPV6.nextHeader);
}

/** Writes the lengths of an IP packet with a UDP datagram of `payload` bytes, and its checksums. */
function putLengths(bytes: Uint8Array, frame: number, header: number, payload: number): void {
  const ip = frame + IP;
  const udp = frame + header - UDP.header;
  const length = UDP.header + payload;
  put16(bytes, udp + UDP.length, length);
  if (header === IP + IPV4_HEADER + UDP.header) {
    put16(bytes, ip + IPV4.totalLength, IPV4_HEADER + length);
    put16(bytes, ip + IPV4.checksum, 0);
    put16(bytes, ip + IPV4.checksum, checksum(bytes, ip, IPV4_HEADER));
    const sum = pseudoSumIpv4(bytes, ip, IP_PROTO.udp, length);
    put16(bytes, udp + UDP.checksum, foldSum(sum));
    return;
  }
  put16(bytes, ip + IPV6.payloadLength, length);
  const sum = pseudoSumIpv6(bytes, ip, IP_PROTO.udp, length);
  put16(bytes, udp + UDP.checksum, foldSum(sum));
}

/**
 * Makes one super-frame of the first datagram's headers and the payloads behind them.
 * @param vnet where the vnet header lies; the frame begins behind it.
 * @param header length of the headers.
 * @param payload bytes of payload of each datagram but the last, which may have fewer.
 * @param total bytes of payload of all.
 */
export function sealRun(
  bytes: Uint8Array,
  vnet: number,
  header: number,
  payload: number,
  total: number,
): void {
  putLengths(bytes, vnet + VNET.size, header, total);
  putVnetHeader(bytes, vnet, {
    flags: VNET_FLAG.needsChecksum,
    gsoType: VNET_GSO.udpL4,
    headerLength: header,
    gsoSize: payload,
    checksumStart: header - UDP.header,
    checksumOffset: UDP.checksum,
  });
}

/**
 * The opposite, for a kernel that refuses the super-frame: makes a frame of its own of the datagram
 * whose payload begins at `at`, by putting the headers directly in front of it. That spoils the end
 * of the datagram before it, so go from the first to the last and be done with each.
 * @param headers the vnet header and the headers of the first datagram, as they were.
 * @returns where the vnet header now begins.
 */
export function datagramOfRun(
  bytes: Uint8Array,
  headers: Uint8Array,
  at: number,
  payload: number,
): number {
  const vnet = at - headers.length;
  bytes.set(headers, vnet);
  putLengths(bytes, vnet + VNET.size, headers.length - VNET.size, payload);
  return vnet;
}
