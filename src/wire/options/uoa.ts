// UOA: the client's address beside a UDP datagram, which has no options of its own (DPVS,
// include/uoa.h). Either as an IPv4 option, or, because many routers drop or slow down packets with
// options, in a header of a private protocol between IP and UDP. Any thread; hot path: no
// allocation, no exception.
//
//   option 31     | 31 | len 8 or 20 | port | address 4 or 16 |
//   protocol 248  | version, 0 | next protocol | length of header and options | options |
//
// The version says how long the address is: 1 for IPv4, 2 for IPv6.
import { get16, get32, put16, put32 } from "../bytes.js";
import { IP_PROTO, IPV4, ipv4HeaderLength } from "../ipv4.js";
import { findOption } from "./tcp-options.js";
import { type ClientAddress, setIpv4Client, setIpv6Client, TOA } from "./toa.js";

export const UOA = {
  kind: 31,
  sizeV4: 8,
  sizeV6: 20,
  /** The private protocol's number, and its header without options. */
  protocol: 248,
  header: 4,
  versionV4: 1,
  versionV6: 2,
} as const;

/** Packets of a flow that carry the address (DPVS, UOA_DEF_MAX_TRAIL). */
export const UOA_PACKETS = 3;

/** Bytes of the option: 8 or 20. */
export function uoaSize(family: 4 | 6): number {
  return family === 4 ? UOA.sizeV4 : UOA.sizeV6;
}

/** Writes the option; the caller has made room for `uoaSize` bytes. @returns its size. */
export function putUoa(bytes: Uint8Array, at: number, client: ClientAddress): number {
  const size = uoaSize(client.family);
  bytes[at] = UOA.kind;
  bytes[at + 1] = size;
  put16(bytes, at + TOA.port, client.port);
  if (client.family === 4) put32(bytes, at + TOA.address, client.words[3]!);
  else for (let i = 0; i < 4; i++) put32(bytes, at + TOA.address + 4 * i, client.words[i]!);
  return size;
}

/** Writes the private protocol's header with its option in front of UDP. @returns its length. */
export function putUoaHeader(bytes: Uint8Array, at: number, client: ClientAddress): number {
  const size = UOA.header + uoaSize(client.family);
  bytes[at] = (client.family === 4 ? UOA.versionV4 : UOA.versionV6) << 4;
  bytes[at + 1] = IP_PROTO.udp;
  put16(bytes, at + 2, size);
  putUoa(bytes, at + UOA.header, client);
  return size;
}

function readAddress(bytes: Uint8Array, at: number, out: ClientAddress): void {
  const port = get16(bytes, at + TOA.port);
  if (bytes[at + 1] === UOA.sizeV4) setIpv4Client(out, get32(bytes, at + TOA.address), port);
  else setIpv6Client(out, bytes, at + TOA.address, port);
}

/** Reads the address from the options of an IPv4 header; only where `checkIpv4` agreed. */
export function readUoaOption(bytes: Uint8Array, ip: number, out: ClientAddress): boolean {
  const end = ip + ipv4HeaderLength(bytes, ip);
  const at = findOption(bytes, ip + IPV4.headerMin, end, UOA.kind, UOA.sizeV4);
  if (at >= 0) readAddress(bytes, at, out);
  return at >= 0;
}

/**
 * Length of the private protocol's header at `at` when it is one, with UDP behind it; 0 otherwise.
 * @param length bytes from `at` to the end of the packet.
 */
export function uoaHeaderLength(bytes: Uint8Array, at: number, length: number): number {
  if (length < UOA.header) return 0;
  const version = bytes[at]! >>> 4;
  if (version !== UOA.versionV4 && version !== UOA.versionV6) return 0;
  if (bytes[at + 1] !== IP_PROTO.udp) return 0;
  const size = get16(bytes, at + 2);
  return size < UOA.header || size > length ? 0 : size;
}

/** Reads the address from a header of `uoaHeaderLength` bytes, of the size its version says. */
export function readUoaHeader(
  bytes: Uint8Array,
  at: number,
  length: number,
  out: ClientAddress,
): boolean {
  const size = bytes[at]! >>> 4 === UOA.versionV4 ? UOA.sizeV4 : UOA.sizeV6;
  const option = findOption(bytes, at + UOA.header, at + length, UOA.kind, size);
  if (option >= 0) readAddress(bytes, option, out);
  return option >= 0;
}
