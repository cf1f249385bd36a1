// TOA: the TCP options in which load balancers tell a server its client's address. All fields in
// network byte order. Any thread; hot path: no allocation, no exception.
//
//   v4 (254, 8)     | kind | len | port | address 4 |
//   v6 (see below)  | kind | len | port | address 16                        |
//   VIP (250, 8)    | kind | len | port | address 4 |     the service's; may follow a v4
//   VTOA (252, 20)  | kind | len | port | address 4 | network 4 | VIP 4 | VIP's port | 2 spare |
//   V6VTOA (249, 40)| kind | len | port | address 16 | network 3 | spare | VIP 16 |
//
// Two dialects call the v6 option differently, and each takes the other's for something unknown:
// DPVS (kmod/toa/toa.h) sends kind 254 and tells v4 from v6 by the length; the trees of Alibaba and
// Huawei send kind 253. 253 and 254 are shared for experiments (RFC 4727), and where RFC 6994 has
// an identifier TOA has the port: a client port of 63881 reads as TCP Fast Open's to others.
import { get16, get32, put16, put32 } from "../bytes.js";
import { optionSize } from "./tcp-options.js";

/** The v6 option by its length under one kind (DPVS), or by a kind of its own (vendors). */
export type ToaProfile = "dpvs" | "kind";

export const TOA = {
  kind: 254,
  kindV6: 253,
  kindVip: 250,
  kindVtoa: 252,
  kindV6Vtoa: 249,
  sizeV4: 8,
  sizeV6: 20,
  sizeV6Vtoa: 40,
  port: 2,
  address: 4,
} as const;

/**
 * An address with a port. IPv4 addresses are held v4-mapped (::ffff:a.b.c.d, RFC 4291 2.5.5.2), as
 * an IPv6 socket shows them: words 0, 0, 0xffff and the address.
 */
export interface ClientAddress {
  family: 4 | 6;
  /** Four words of 32 bits, the first one the most significant. */
  readonly words: Uint32Array;
  port: number;
}

/** What one option, or a v4 with the VIP behind it, says. One object per worker, reused. */
export interface ToaReading {
  readonly client: ClientAddress;
  /** The service's address; port 0 when the option does not tell it. */
  readonly service: ClientAddress;
  /** The virtual network's number, 0 without one. */
  network: number;
}

const MAPPED = 0xffff;

export function newClientAddress(): ClientAddress {
  return { family: 4, words: new Uint32Array(4), port: 0 };
}

export function newToaReading(): ToaReading {
  return { client: newClientAddress(), service: newClientAddress(), network: 0 };
}

export function setIpv4Client(client: ClientAddress, address: number, port: number): void {
  client.family = 4;
  client.words[0] = 0;
  client.words[1] = 0;
  client.words[2] = MAPPED;
  client.words[3] = address;
  client.port = port;
}

/** Takes 16 bytes at `at`. */
export function setIpv6Client(
  client: ClientAddress,
  bytes: Uint8Array,
  at: number,
  port: number,
): void {
  client.family = 6;
  for (let i = 0; i < 4; i++) client.words[i] = get32(bytes, at + 4 * i);
  client.port = port;
}

/** Bytes that the option of a client takes: 8 or 20. */
export function toaSize(family: 4 | 6): number {
  return family === 4 ? TOA.sizeV4 : TOA.sizeV6;
}

/** The kind under which a profile sends an address of this family. */
function toaKind(family: 4 | 6, profile: ToaProfile): number {
  return family === 6 && profile === "kind" ? TOA.kindV6 : TOA.kind;
}

/** Writes the option; the caller has made room for `toaSize` bytes. @returns its size. */
export function putToa(
  bytes: Uint8Array,
  at: number,
  client: ClientAddress,
  profile: ToaProfile,
): number {
  const size = toaSize(client.family);
  bytes[at] = toaKind(client.family, profile);
  bytes[at + 1] = size;
  put16(bytes, at + TOA.port, client.port);
  if (client.family === 4) put32(bytes, at + TOA.address, client.words[3]!);
  else for (let i = 0; i < 4; i++) put32(bytes, at + TOA.address + 4 * i, client.words[i]!);
  return size;
}

/** Whether an option of this kind and size is an address for readers of some profile. */
export function isToa(kind: number, size: number): boolean {
  switch (kind) {
    case TOA.kind:
      return size === TOA.sizeV4 || size === TOA.sizeV6;
    case TOA.kindV6:
    case TOA.kindVtoa:
      return size === TOA.sizeV6;
    case TOA.kindVip:
      return size === TOA.sizeV4;
    case TOA.kindV6Vtoa:
      return size === TOA.sizeV6Vtoa;
    default:
      return false;
  }
}

function clear(out: ToaReading): void {
  setIpv4Client(out.service, 0, 0);
  out.network = 0;
}

function readVtoa(bytes: Uint8Array, at: number, out: ToaReading): void {
  setIpv4Client(out.client, get32(bytes, at + 4), get16(bytes, at + TOA.port));
  out.network = get32(bytes, at + 8);
  setIpv4Client(out.service, get32(bytes, at + 12), get16(bytes, at + 16));
}

function readV6Vtoa(bytes: Uint8Array, at: number, out: ToaReading): void {
  setIpv6Client(out.client, bytes, at + 4, get16(bytes, at + TOA.port));
  out.network = get32(bytes, at + 20) >>> 8;
  setIpv6Client(out.service, bytes, at + 24, 0);
}

/** The service's address, if its option comes next. */
function readVip(bytes: Uint8Array, at: number, end: number, out: ToaReading): void {
  if (optionSize(bytes, at, end) !== TOA.sizeV4 || bytes[at] !== TOA.kindVip) return;
  setIpv4Client(out.service, get32(bytes, at + TOA.address), get16(bytes, at + TOA.port));
}

/** Reads the option at `at` if this profile takes it for a client's address. */
function readAt(
  bytes: Uint8Array,
  at: number,
  size: number,
  profile: ToaProfile,
  out: ToaReading,
): boolean {
  const kind = bytes[at]!;
  if (kind === TOA.kind && size === TOA.sizeV4) {
    setIpv4Client(out.client, get32(bytes, at + TOA.address), get16(bytes, at + TOA.port));
  } else if (kind === toaKind(6, profile) && size === TOA.sizeV6) {
    setIpv6Client(out.client, bytes, at + TOA.address, get16(bytes, at + TOA.port));
  } else if (profile === "kind" && kind === TOA.kindVtoa && size === TOA.sizeV6) {
    readVtoa(bytes, at, out);
  } else if (profile === "kind" && kind === TOA.kindV6Vtoa && size === TOA.sizeV6Vtoa) {
    readV6Vtoa(bytes, at, out);
  } else {
    return false;
  }
  return true;
}

/**
 * Reads the first option of the list that tells the client's address, by the rules of `toa.ko`
 * (get_toa_data): exact kind and length, nothing behind kind 0 or a broken length.
 * @param out written when there is one; otherwise its content means nothing.
 */
export function readToa(
  bytes: Uint8Array,
  begin: number,
  end: number,
  profile: ToaProfile,
  out: ToaReading,
): boolean {
  clear(out);
  for (let at = begin, size = 0; (size = optionSize(bytes, at, end)) > 0; at += size) {
    if (!readAt(bytes, at, size, profile, out)) continue;
    if (bytes[at] === TOA.kind && profile === "kind") readVip(bytes, at + size, end, out);
    return true;
  }
  return false;
}
