// The devices of the calling thread's namespace with their addresses, in cap's form and order.
// Called by index.js on any thread; all reads are synchronous, because only they see the thread's
// own namespace (/proc/thread-self), not the main thread's.
//
// libpcap also lists things that are no network devices (any, nflog, nfqueue, usbmon...); they
// are left out here, because this package cannot open them.
import { readFileSync } from "node:fs";
import * as libc from "@packetpath/libc";

const { C, STRUCTS } = libc;
const SIOCGIFCONF = 0x8912;
const SIOCGIFBRDADDR = 0x8919;
const SIOCGIFNETMASK = 0x891b;
const IFF_BROADCAST = 0x2;
const IFF_LOOPBACK = 0x8;
/** Room for so many IPv4 addresses in one answer of SIOCGIFCONF. */
const ADDRESSES_MAX = 4_096;

const scratch = libc.block(64);

function request(fd, code, name) {
  scratch.bytes.fill(0, 0, STRUCTS.ifreq.size);
  scratch.bytes.set(new TextEncoder().encode(name).subarray(0, 15));
  return libc.ioctl(fd, code, scratch.address);
}

function flagsOf(fd, name) {
  const result = request(fd, C.SIOCGIFFLAGS, name);
  return result < 0 ? 0 : scratch.view.getUint16(STRUCTS.ifreq.flags, true);
}

/** The IPv4 address inside the `sockaddr_in` of an `ifreq` at `offset`. */
function ipv4At(bytes, offset) {
  const at = offset + STRUCTS.ifreq.addr + STRUCTS.sockaddr_in.addr;
  return bytes.subarray(at, at + 4).join(".");
}

function textAt(bytes, offset) {
  const raw = bytes.subarray(offset, offset + 16);
  const end = raw.indexOf(0);
  return String.fromCharCode(...raw.subarray(0, end < 0 ? 16 : end));
}

/** IPv4 addresses as `[name, {addr, netmask, broadaddr}]`. Labels ("eth0:1") name their device. */
function ipv4Addresses(fd) {
  const { size } = STRUCTS.ifreq;
  const list = libc.block(16 + size * ADDRESSES_MAX);
  list.view.setInt32(0, size * ADDRESSES_MAX, true);
  list.view.setBigUint64(8, BigInt(list.address + 16), true);
  if (libc.ioctl(fd, SIOCGIFCONF, list.address) < 0) return [];
  const found = [];
  const end = 16 + list.view.getInt32(0, true);
  for (let at = 16; at < end; at += size) {
    const label = textAt(list.bytes, at);
    const entry = { addr: ipv4At(list.bytes, at) };
    if (request(fd, SIOCGIFNETMASK, label) === 0) entry.netmask = ipv4At(scratch.bytes, 0);
    const broadcast = (flagsOf(fd, label) & IFF_BROADCAST) !== 0;
    if (broadcast && request(fd, SIOCGIFBRDADDR, label) === 0) {
      entry.broadaddr = ipv4At(scratch.bytes, 0);
    }
    found.push([label.split(":")[0], entry]);
  }
  return found;
}

/** RFC 5952 text of 32 hexadecimal digits: the longest run of zero words becomes `::`. */
export function ipv6Text(digits) {
  const words = digits.match(/.{4}/g).map((word) => Number.parseInt(word, 16));
  if (words.slice(0, 5).every((word) => word === 0) && words[5] === 0xffff) {
    const [high, low] = words.slice(6);
    return `::ffff:${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
  }
  const texts = words.map((word) => word.toString(16));
  let best = { at: -1, length: 1 };
  for (let at = 0; at < 8; at++) {
    let end = at;
    while (end < 8 && words[end] === 0) end++;
    if (end - at > best.length) best = { at, length: end - at };
  }
  if (best.at < 0) return texts.join(":");
  return `${texts.slice(0, best.at).join(":")}::${texts.slice(best.at + best.length).join(":")}`;
}

function ipv6Mask(prefixLength) {
  const bits = "1".repeat(prefixLength).padEnd(128, "0");
  const digits = bits.match(/.{4}/g).map((nibble) => Number.parseInt(nibble, 2).toString(16));
  return ipv6Text(digits.join(""));
}

function threadFile(name) {
  try {
    return readFileSync(`/proc/thread-self/net/${name}`, "latin1").split("\n");
  } catch {
    // No IPv6 in this kernel: the file is missing.
    return [];
  }
}

/** /proc/net/if_inet6: address, ifindex, prefix length, scope, flags, name. */
function ipv6Addresses() {
  return threadFile("if_inet6")
    .filter((line) => line !== "")
    .map((line) => {
      const [digits, , prefix, , , name] = line.trim().split(/\s+/);
      return [name, { addr: ipv6Text(digits), netmask: ipv6Mask(Number.parseInt(prefix, 16)) }];
    });
}

/** libpcap's order: running before down, loopback after real devices, then as they were listed. */
function merit(flags) {
  const up = (flags & C.IFF_UP) !== 0 && (flags & C.IFF_RUNNING) !== 0;
  return (up ? 0 : 2) + ((flags & IFF_LOOPBACK) !== 0 ? 1 : 0);
}

/**
 * All devices: `{name, addresses: [{addr, netmask, broadaddr}], flags: "PCAP_IF_LOOPBACK"}`.
 * @throws Error when no socket can be opened (EMFILE).
 */
export function deviceList() {
  const fd = libc.socket(C.AF_INET, C.SOCK_DGRAM | C.SOCK_CLOEXEC, 0);
  if (fd < 0) throw libc.systemError("socket", fd, "AF_INET");
  try {
    const addresses = [...ipv4Addresses(fd), ...ipv6Addresses()];
    const names = threadFile("dev")
      .slice(2)
      .map((line) => line.slice(0, line.lastIndexOf(":")).trim())
      .filter((name) => name !== "");
    return names
      .map((name) => ({ name, flags: flagsOf(fd, name) }))
      .sort((a, b) => merit(a.flags) - merit(b.flags))
      .map(({ name, flags }) => ({
        name,
        addresses: addresses.filter(([owner]) => owner === name).map(([, entry]) => entry),
        ...((flags & IFF_LOOPBACK) !== 0 ? { flags: "PCAP_IF_LOOPBACK" } : {}),
      }));
  } finally {
    libc.close(fd);
  }
}

/** The first device that has the address, or without one the first that has any. */
export function findDevice(...args) {
  const [ip] = args;
  if (args.length > 0 && typeof ip !== "string") throw new TypeError("Expected string for IP");
  const matches = ({ addresses }) =>
    ip === undefined ? addresses.length > 0 : addresses.some(({ addr }) => addr === ip);
  return deviceList().find(matches)?.name;
}
