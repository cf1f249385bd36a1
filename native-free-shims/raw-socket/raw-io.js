// One SOCK_RAW socket and its system calls, non-blocking. Called by index.js, on the thread that
// owns the Socket object. Failures are thrown with the texts of strerror(3), as raw-socket has
// them, and with `code` beside ("EPERM").
import * as libc from "@packetpath/libc";
import { readAddress, SOCKADDR_IN6_BYTES, writeAddress } from "./address.js";

const { C, STRUCTS } = libc;
const EAGAIN = 11;
const EINTR = 4;
// Where a peer's address and its length lie in the socket's small block.
const ADDRESS = 0;
const ADDRESS_LENGTH = 32;

/** strerror(3) for what raw sockets meet; anything else goes by its errno's name. */
const TEXTS = {
  EPERM: "Operation not permitted",
  EACCES: "Permission denied",
  EBADF: "Bad file descriptor",
  EINVAL: "Invalid argument",
  ENODEV: "No such device",
  EMSGSIZE: "Message too long",
  ENOPROTOOPT: "Protocol not available",
  EPROTONOSUPPORT: "Protocol not supported",
  EOPNOTSUPP: "Operation not supported",
  EAFNOSUPPORT: "Address family not supported by protocol",
  EADDRNOTAVAIL: "Cannot assign requested address",
  ENETDOWN: "Network is down",
  ENETUNREACH: "Network is unreachable",
  ENOBUFS: "No buffer space available",
  ECONNREFUSED: "Connection refused",
  EHOSTUNREACH: "No route to host",
};

function failure(result) {
  const code = libc.errnoName(result);
  return Object.assign(new Error(TEXTS[code] ?? code), { code, errno: result });
}

function must(result) {
  if (result < 0) throw failure(result);
  return result;
}

/**
 * Opens the socket in the calling thread's network namespace.
 * @param options `{ ipv6, protocol, bufferSizeBytes }`; the buffer bounds a received message.
 */
export function openRawIo({ ipv6, protocol, bufferSizeBytes }) {
  const type = C.SOCK_RAW | C.SOCK_NONBLOCK | C.SOCK_CLOEXEC;
  const fd = must(libc.socket(ipv6 ? C.AF_INET6 : C.AF_INET, type, protocol));
  const names = libc.block(64);
  return { fd, ipv6, names, receive: libc.block(Math.max(bufferSizeBytes, 1)), bufferSizeBytes };
}

export function closeRawIo(io) {
  libc.close(io.fd);
}

/** Interface index of a zone: a number as it is, a name by SIOCGIFINDEX; 0 when unknown. */
function zoneIndex(io, zone) {
  if (/^\d+$/.test(zone)) return Number(zone);
  const request = libc.block(STRUCTS.ifreq.size);
  request.bytes.set(new TextEncoder().encode(zone).subarray(0, 15));
  if (libc.ioctl(io.fd, C.SIOCGIFINDEX, request.address) < 0) return 0;
  return request.view.getInt32(STRUCTS.ifreq.ifindex, true);
}

/** Sends one message. @returns bytes sent, or null when the socket's buffer is full for now. */
export function sendRaw(io, bytes, address) {
  const to = { ipv6: io.ipv6, zoneIndex: (zone) => zoneIndex(io, zone) };
  const length = writeAddress(io.names.view, ADDRESS, address, to);
  if (length === 0) {
    throw new Error(`Invalid ${io.ipv6 ? "IPv6" : "IPv4"} address '${address}'`);
  }
  const memory = libc.block(Math.max(bytes.length, 1));
  memory.bytes.set(bytes);
  const destination = { address: io.names.address + ADDRESS, length };
  const sent = libc.sendto(io.fd, memory.address, bytes.length, C.MSG_DONTWAIT, destination);
  if (sent === -EAGAIN) return null;
  return must(sent);
}

/** Receives one message. @returns `{ buffer, source }` (a copy), or null when there is none. */
export function receiveRaw(io) {
  const { names, receive } = io;
  names.view.setUint32(ADDRESS_LENGTH, SOCKADDR_IN6_BYTES, true);
  const length = libc.recvfrom(
    io.fd,
    receive.address,
    io.bufferSizeBytes,
    C.MSG_DONTWAIT,
    names.address + ADDRESS,
    names.address + ADDRESS_LENGTH,
  );
  if (length === -EAGAIN || length === -EINTR) return null;
  must(length);
  const buffer = Buffer.from(receive.bytes.subarray(0, length));
  return { buffer, source: readAddress(names.view, ADDRESS, io.ipv6) };
}

/** getsockopt(2) into a Buffer. @returns bytes written. */
export function getRawOption(io, level, option, buffer) {
  const memory = libc.block(8 + buffer.length);
  memory.view.setUint32(0, buffer.length, true);
  must(libc.getsockopt(io.fd, level, option, memory.address + 8, memory.address));
  const length = memory.view.getUint32(0, true);
  buffer.set(memory.bytes.subarray(8, 8 + length));
  return length;
}

/** setsockopt(2) from bytes. */
export function setRawOption(io, level, option, bytes) {
  const memory = libc.block(Math.max(bytes.length, 1));
  memory.bytes.set(bytes);
  must(libc.setsockopt(io.fd, level, option, memory.address, bytes.length));
}
