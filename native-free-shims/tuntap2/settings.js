// Addresses, MTU, flags: what the properties of Tap and Tun read and set, by ioctl on a socket
// in the device's own namespace. Synchronous; any thread.
import { isIPv4, isIPv6 } from "node:net";
import { networkInterfaces } from "node:os";
import { C, STRUCTS, block, close, ioctl, socket, systemError, withNetns } from "@packetpath/libc";

const { ifreq, in6_ifreq, sockaddr, sockaddr_in, ethtool_value } = STRUCTS;

const request = block(ifreq.size);
const value = block(ethtool_value.size);

/** Runs `body` in the namespace `netns`, or where the thread is when it is null. */
function inside(netns, body) {
  return netns === null ? body() : withNetns(netns, body);
}

function withSocket(netns, family, body) {
  return inside(netns, () => {
    const fd = socket(family, C.SOCK_DGRAM | C.SOCK_CLOEXEC, 0);
    if (fd < 0) throw systemError("socket", fd);
    try {
      return body(fd);
    } finally {
      close(fd);
    }
  });
}

/** One ioctl on `struct ifreq`; `fill` sets its union. Throws unless the kernel agrees. */
function interfaceIoctl(device, code, fill) {
  const [what, number] = code;
  withSocket(device.netns, C.AF_INET, (fd) => {
    request.bytes.fill(0);
    for (let i = 0; i < device.name.length; i++) request.bytes[i] = device.name.charCodeAt(i);
    fill?.(request.view);
    const result = ioctl(fd, number, request.address);
    if (result < 0) throw systemError(`ioctl ${what}`, result, device.name);
  });
  return request.view;
}

const getFlags = (device) =>
  interfaceIoctl(device, ["SIOCGIFFLAGS", C.SIOCGIFFLAGS]).getUint16(ifreq.flags, true);

export const getUp = (device) => (getFlags(device) & C.IFF_UP) !== 0;

export function setUp(device, up) {
  const flags = getFlags(device);
  const wanted = up ? flags | C.IFF_UP : flags & ~C.IFF_UP;
  interfaceIoctl(device, ["SIOCSIFFLAGS", C.SIOCSIFFLAGS], (view) =>
    view.setUint16(ifreq.flags, wanted, true),
  );
}

export const getMtu = (device) =>
  interfaceIoctl(device, ["SIOCGIFMTU", C.SIOCGIFMTU]).getInt32(ifreq.mtu, true);

export function setMtu(device, mtu) {
  interfaceIoctl(device, ["SIOCSIFMTU", C.SIOCSIFMTU], (view) =>
    view.setInt32(ifreq.mtu, mtu, true),
  );
}

export const getIndex = (device) =>
  interfaceIoctl(device, ["SIOCGIFINDEX", C.SIOCGIFINDEX]).getInt32(ifreq.ifindex, true);

/** @throws when `mac` is not six hexadecimal octets: upstream hands such text to the kernel. */
export function setMac(device, mac) {
  const octets = /^([0-9a-f]{1,2}:){5}[0-9a-f]{1,2}$/i.test(mac) ? mac.split(":") : null;
  if (octets === null) throw new Error(`incorrect mac address: ${mac}`);
  interfaceIoctl(device, ["SIOCSIFHWADDR", C.SIOCSIFHWADDR], (view) => {
    view.setUint16(ifreq.hwaddr, C.ARPHRD_ETHER, true);
    octets.forEach((octet, i) =>
      view.setUint8(ifreq.hwaddr + sockaddr.data + i, parseInt(octet, 16)),
    );
  });
}

/** By ioctl: `os.networkInterfaces()` knows only devices that have an address. */
export function getMac(device) {
  const view = interfaceIoctl(device, ["SIOCGIFHWADDR", C.SIOCGIFHWADDR]);
  const octets = Array.from({ length: 6 }, (_, i) =>
    view.getUint8(ifreq.hwaddr + sockaddr.data + i),
  );
  return octets.map((octet) => octet.toString(16).padStart(2, "0")).join(":");
}

/** What `os.networkInterfaces()` says of the device inside its namespace; [] while it is down. */
export function addresses(device) {
  return inside(device.netns, () => networkInterfaces()[device.name] ?? []);
}

/** The text's two halves. Throws upstream's sentence, a string as upstream does. */
function splitCidr(text, complaint, isAddress, prefixMax) {
  const [address, prefix, ...rest] = String(text).split("/");
  const length = Number(prefix);
  const sound = rest.length === 0 && /^\d{1,3}$/.test(prefix ?? "") && length <= prefixMax;
  if (!sound || !isAddress(address)) throw `${complaint}: ${text}`;
  return { address, length };
}

export function setIpv4(device, text) {
  const { address, length } = splitCidr(text, "incorrect ip address", isIPv4, 32);
  const mask = length === 0 ? 0 : (~0 << (32 - length)) >>> 0;
  const octets = address.split(".").map(Number);
  interfaceIoctl(device, ["SIOCSIFADDR", C.SIOCSIFADDR], (view) => {
    view.setUint16(ifreq.addr + sockaddr_in.family, C.AF_INET, true);
    octets.forEach((octet, i) => view.setUint8(ifreq.addr + sockaddr_in.addr + i, octet));
  });
  interfaceIoctl(device, ["SIOCSIFNETMASK", C.SIOCSIFNETMASK], (view) => {
    view.setUint16(ifreq.addr + sockaddr_in.family, C.AF_INET, true);
    view.setUint32(ifreq.addr + sockaddr_in.addr, mask, false);
  });
}

/**
 * Adds an IPv6 address and takes away the other addresses that were set here before. Upstream
 * deletes first and ignores errors; here the new address stands before the old one goes.
 * @returns the address as text and bytes, for the next call's `previous`.
 */
export function setIpv6(device, text, previous) {
  const { address, length } = splitCidr(text, "incorrect ipv6 address", isIPv6, 128);
  const ifindex = getIndex(device);
  const bytes = ipv6Bytes(address);
  const next = { key: `${bytes.join(".")}/${length}`, bytes, length };
  if (previous?.key === next.key) return previous;
  addressIoctl(device, ["SIOCSIFADDR", C.SIOCSIFADDR], next, ifindex);
  if (previous) addressIoctl(device, ["SIOCDIFADDR", C.SIOCDIFADDR], previous, ifindex);
  return next;
}

function addressIoctl(device, [what, number], { bytes, length }, ifindex) {
  withSocket(device.netns, C.AF_INET6, (fd) => {
    request.bytes.fill(0);
    request.bytes.set(bytes, in6_ifreq.addr);
    request.view.setUint32(in6_ifreq.prefixlen, length, true);
    request.view.setInt32(in6_ifreq.ifindex, ifindex, true);
    const result = ioctl(fd, number, request.address);
    if (result < 0) throw systemError(`ioctl ${what}`, result, device.name);
  });
}

/** The 16 bytes of an address that `isIPv6` has accepted. */
export function ipv6Bytes(text) {
  let plain = text.split("%")[0];
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(plain);
  if (dotted !== null) {
    const [a, b, c, d] = dotted.slice(2).map(Number);
    plain = `${dotted[1]}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
  }
  const [head, tail] = plain.split("::");
  const words = (part) => (part ? part.split(":").map((word) => parseInt(word, 16)) : []);
  const left = words(head);
  const right = tail === undefined ? [] : words(tail);
  const all = [...left, ...new Array(8 - left.length - right.length).fill(0), ...right];
  return Uint8Array.from(all.flatMap((word) => [word >> 8, word & 0xff]));
}

/** ETHTOOL_GLINK: the carrier, as long as the device is up; false while it is down. */
export function getCarrier(device) {
  value.view.setUint32(ethtool_value.cmd, C.ETHTOOL_GLINK, true);
  value.view.setUint32(ethtool_value.data, 0, true);
  interfaceIoctl(device, ["SIOCETHTOOL", C.SIOCETHTOOL], (view) =>
    view.setBigUint64(ifreq.data, BigInt(value.address), true),
  );
  return value.view.getUint32(ethtool_value.data, true) !== 0;
}
