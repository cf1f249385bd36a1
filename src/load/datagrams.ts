// What the datagram threads (flood, ping) share: sockets through libc, because Node's dgram costs
// an allocation and a trip through the event loop per datagram and has no raw sockets; socket
// addresses as bytes; and the pace. Called by load threads only, after they entered their
// namespace. Nothing here blocks but `waitReadable`.
import { isIPv4, isIPv6 } from "node:net";
import * as libc from "@packetpath/libc";
import { errnoName } from "../base/errno.js";
import { PacketpathError } from "../base/errors.js";

const { C, STRUCTS } = libc;

/** IANA protocol numbers, and two socket options of linux/in.h and linux/in6.h. */
const IPPROTO_IP = 0;
const IPPROTO_ICMP = 1;
const IPPROTO_UDP = 17;
const IPPROTO_IPV6 = 41;
const IPPROTO_ICMPV6 = 58;
const IP_RECVERR = 11;
const IPV6_RECVERR = 25;

/** linux/in6.h: family, port, flow label, address, scope. */
const SOCKADDR_IN6_BYTES = 28;

/** A struct sockaddr_in or sockaddr_in6, as bytes. */
export function socketAddress(address: string, port: number): Uint8Array {
  const isV6 = isIPv6(address);
  if (!isV6 && !isIPv4(address)) {
    throw new PacketpathError("USAGE", `"${address}" is not an IPv4 or IPv6 address`);
  }
  const bytes = new Uint8Array(isV6 ? SOCKADDR_IN6_BYTES : STRUCTS.sockaddr_in.size);
  bytes[0] = isV6 ? C.AF_INET6 : C.AF_INET;
  bytes[2] = port >>> 8;
  bytes[3] = port & 0xff;
  if (isV6) bytes.set(ipv6Bytes(address), 8);
  else bytes.set(address.split(".").map(Number), 4);
  return bytes;
}

/** @param address one that `isIPv6` has accepted; a zone ("%eth0") is not used and cut off. */
function ipv6Bytes(address: string): Uint8Array {
  const [text = ""] = address.split("%");
  const [head = "", tail] = text.split("::");
  const front = groups(head);
  const back = tail === undefined ? [] : groups(tail);
  const bytes = new Uint8Array(16);
  bytes.set(front, 0);
  bytes.set(back, 16 - back.length);
  return bytes;
}

function groups(text: string): number[] {
  if (text === "") return [];
  return text.split(":").flatMap((group) => {
    if (group.includes(".")) return group.split(".").map(Number);
    const value = parseInt(group, 16);
    return [value >>> 8, value & 0xff];
  });
}

export type SocketKind = "udp" | "icmp";

/** Opens a non-blocking socket of the family of `address`. @throws PacketpathError SYSTEM_CALL. */
export function openSocket(kind: SocketKind, address: string): number {
  const isV6 = isIPv6(address);
  const type = (kind === "udp" ? C.SOCK_DGRAM : C.SOCK_RAW) | C.SOCK_CLOEXEC | C.SOCK_NONBLOCK;
  const icmp = isV6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
  const protocol = kind === "udp" ? IPPROTO_UDP : icmp;
  const socket = libc.socket(isV6 ? C.AF_INET6 : C.AF_INET, type, protocol);
  sockets.push(checked(`cannot open a ${kind} socket`, socket));
  return socket;
}

/** Of this thread. The kernel closes no descriptor when a thread ends, only when a process does. */
const sockets: number[] = [];

/** Closes what the calling thread has opened; its last deed, whatever happened before. */
export function closeSockets(): void {
  for (const socket of sockets.splice(0)) libc.close(socket);
}

/**
 * Without this option the kernel says nothing of datagrams that a full queue of its own dropped
 * (udp_send_skb hides ENOBUFS, 6.18); with it they are errors of the call that sent them.
 */
export function reportErrors(socket: number, address: string): void {
  const one = libc.block(4);
  one.view.setInt32(0, 1, true);
  if (isIPv6(address)) libc.setsockopt(socket, IPPROTO_IPV6, IPV6_RECVERR, one.address, 4);
  else libc.setsockopt(socket, IPPROTO_IP, IP_RECVERR, one.address, 4);
}

/** Room for bursts at the receiver; beyond net.core.rmem_max, for which root is needed. */
export function setReceiveBuffer(socket: number, sizeBytes: number): void {
  const size = libc.block(4);
  size.view.setInt32(0, sizeBytes, true);
  libc.setsockopt(socket, C.SOL_SOCKET, C.SO_RCVBUFFORCE, size.address, 4);
}

/** Binds a socket. @throws PacketpathError SYSTEM_CALL: the port is taken. */
export function bindSocket(socket: number, address: string, port: number): void {
  const bytes = socketAddress(address, port);
  const name = libc.block(bytes.length);
  name.bytes.set(bytes);
  const what = `cannot bind a UDP socket to ${address} port ${port}`;
  checked(what, libc.bind(socket, name.address, bytes.length));
}

/** The result of a system call, if it is not an error. @throws PacketpathError SYSTEM_CALL. */
function checked(what: string, result: number): number {
  if (result >= 0) return result;
  throw new PacketpathError("SYSTEM_CALL", `${what}: ${errnoName(result)}`);
}

/** Waits until a socket is readable. Keeps one pollfd, so that waiting allocates nothing. */
export class ReadableWait {
  private readonly pollfd = libc.block(STRUCTS.pollfd.size);

  /** @returns whether there is something to read; false after `timeoutMs`, or a signal. */
  wait(socket: number, timeoutMs: number): boolean {
    this.pollfd.view.setInt32(STRUCTS.pollfd.fd, socket, true);
    this.pollfd.view.setInt32(STRUCTS.pollfd.events, C.POLLIN, true);
    return libc.poll(this.pollfd.address, 1, timeoutMs) > 0;
  }
}

/** Errors by errno name. Adding a known one allocates nothing. */
export class ErrnoCounts {
  private readonly counts = new Map<number, number>();

  add(negativeErrno: number): void {
    this.counts.set(negativeErrno, (this.counts.get(negativeErrno) ?? 0) + 1);
  }

  toRecord(): Record<string, number> {
    const named = [...this.counts].map(([errno, count]) => [errnoName(errno), count] as const);
    return Object.fromEntries(named);
  }
}

/** How far a sender that was held up may catch up; what is older lapses. */
const CATCH_UP_MS = 10;

/** Says how many datagrams are due, for a rate kept over the whole run. */
export class Pacer {
  private readonly perNs: number;
  private readonly behindMax: number;
  private startNs: number;
  private taken = 0;

  /** @param ratePerSecond more than 0. */
  constructor(ratePerSecond: number, nowNs: number) {
    this.perNs = ratePerSecond / 1e9;
    this.behindMax = Math.max(1, Math.ceil((ratePerSecond * CATCH_UP_MS) / 1000));
    this.startNs = nowNs;
  }

  /** Takes what is due now: 0 or more. At most CATCH_UP_MS worth, the rest is never made up. */
  take(nowNs: number): number {
    let due = Math.floor((nowNs - this.startNs) * this.perNs) - this.taken;
    if (due > this.behindMax) {
      this.startNs = nowNs;
      this.taken = 0;
      due = this.behindMax;
      return due;
    }
    this.taken += due;
    return due;
  }
}

/** linux/rtnetlink.h and linux/neighbour.h */
const RTM_GETNEIGH = 30;
const NDMSG_BYTES = 12;
const NDMSG_STATE = 8;
const NDA_DST = 1;
const NUD_INCOMPLETE = 0x01;
const NUD_FAILED = 0x20;
const DUMP_BYTES = 65_536;
const DUMP_PARTS_MAX = 64;

/**
 * Whether the kernel of the calling thread's namespace has asked for `address` and got no answer
 * yet. While it is so, it queues about a hundred datagrams for it and drops older ones for newer
 * (unres_qlen_bytes), which must not be taken for losses of the path. Asked through rtnetlink,
 * because /proc/net/arp has no IPv6. A target behind a gateway has no entry and is not waited for.
 */
export function isUnresolved(address: string): boolean {
  const wanted = socketAddress(address, 0);
  const isV6 = wanted.length === SOCKADDR_IN6_BYTES;
  const bytes = isV6 ? wanted.subarray(8, 24) : wanted.subarray(4, 8);
  const socket = libc.socket(C.AF_NETLINK, C.SOCK_RAW | C.SOCK_CLOEXEC, C.NETLINK_ROUTE);
  if (socket < 0) return false;
  const block = libc.block(DUMP_BYTES);
  const length = STRUCTS.nlmsghdr.size + NDMSG_BYTES;
  block.view.setUint32(STRUCTS.nlmsghdr.len, length, true);
  block.view.setUint16(STRUCTS.nlmsghdr.type, RTM_GETNEIGH, true);
  block.view.setUint16(STRUCTS.nlmsghdr.flags, C.NLM_F_REQUEST | C.NLM_F_DUMP, true);
  block.view.setUint8(STRUCTS.nlmsghdr.size, isV6 ? C.AF_INET6 : C.AF_INET);
  let state = -1;
  let received = libc.send(socket, block.address, length, 0);
  // The dump ends with NLMSG_DONE in its last part (or an error), for which the state is 0.
  for (let i = 0; i < DUMP_PARTS_MAX && received > 0 && state < 0; i++) {
    received = libc.recv(socket, block.address, DUMP_BYTES, 0);
    if (received > 0) state = neighborState(block.bytes, received, bytes);
  }
  libc.close(socket);
  return state > 0 && (state & (NUD_INCOMPLETE | NUD_FAILED)) !== 0;
}

/**
 * The NUD_ state of `address` in one part of a neighbor dump.
 * @returns 0 if the dump ends in this part without it, -1 if more parts follow.
 */
export function neighborState(part: Uint8Array, length: number, address: Uint8Array): number {
  const view = new DataView(part.buffer, part.byteOffset, length);
  const { nlmsghdr } = STRUCTS;
  let message = 0;
  while (message + nlmsghdr.size <= length) {
    const size = view.getUint32(message + nlmsghdr.len, true);
    const type = view.getUint16(message + nlmsghdr.type, true);
    const end = message + size;
    if (type === C.NLMSG_DONE || type === C.NLMSG_ERROR) return 0;
    if (size < nlmsghdr.size || end > length) return 0;
    const body = message + nlmsghdr.size;
    if (hasAttribute(part, view, { from: body + NDMSG_BYTES, end }, address)) {
      return view.getUint16(body + NDMSG_STATE, true);
    }
    message += (size + 3) & ~3;
  }
  return -1;
}

function hasAttribute(
  part: Uint8Array,
  view: DataView,
  { from, end }: { from: number; end: number },
  address: Uint8Array,
): boolean {
  let at = from;
  while (at + 4 <= end) {
    const size = view.getUint16(at, true);
    if (size < 4) return false;
    if (view.getUint16(at + 2, true) === NDA_DST && size === 4 + address.length) {
      return address.every((byte, i) => part[at + 4 + i] === byte);
    }
    at += (size + 3) & ~3;
  }
  return false;
}
