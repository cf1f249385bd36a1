// IP addresses between text and `sockaddr_in` / `sockaddr_in6` (ip(7), ipv6(7)). Pure functions
// over a DataView, on any thread; raw-io.js alone calls them.
import { isIPv4, isIPv6 } from "node:net";

const AF_INET = 2;
const AF_INET6 = 10;
export const SOCKADDR_IN_BYTES = 16;
export const SOCKADDR_IN6_BYTES = 28;

const ipv4Bytes = (text) => text.split(".").map(Number);

/** Eight words of an IPv6 text without a zone. */
function ipv6Words(text) {
  const v4 = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  if (v4 !== null) {
    const [a, b, c, d] = ipv4Bytes(v4[2]);
    return ipv6Words(`${v4[1]}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`);
  }
  const [head, tail] = text.split("::");
  const words = (part) => (part === undefined || part === "" ? [] : part.split(":"));
  const left = words(head);
  const right = words(tail);
  const zeros = new Array(8 - left.length - right.length).fill("0");
  return [...left, ...zeros, ...right].map((word) => Number.parseInt(word, 16));
}

/**
 * Writes an address of the family that `ipv6` says, port 0.
 * @param zoneIndex gives the interface index of a zone name ("eth0" of `fe80::1%eth0`).
 * @returns the structure's bytes, or 0 when the text is not an address of that family.
 */
export function writeAddress(view, offset, text, { ipv6, zoneIndex }) {
  if (!ipv6) {
    if (!isIPv4(text)) return 0;
    view.setUint16(offset, AF_INET, true);
    view.setUint16(offset + 2, 0, false);
    ipv4Bytes(text).forEach((byte, i) => view.setUint8(offset + 4 + i, byte));
    return SOCKADDR_IN_BYTES;
  }
  if (!isIPv6(text)) return 0;
  const [address, zone] = text.split("%");
  view.setUint16(offset, AF_INET6, true);
  view.setUint16(offset + 2, 0, false);
  view.setUint32(offset + 4, 0, false);
  ipv6Words(address).forEach((word, i) => view.setUint16(offset + 8 + i * 2, word, false));
  view.setUint32(offset + 24, zone === undefined ? 0 : zoneIndex(zone), true);
  return SOCKADDR_IN6_BYTES;
}

/** The sender's address as inet_ntop(3) spells it; an IPv6 one without its zone. */
export function readAddress(view, offset, ipv6) {
  if (!ipv6) {
    return [4, 5, 6, 7].map((at) => view.getUint8(offset + at)).join(".");
  }
  const words = Array.from({ length: 8 }, (_, i) => view.getUint16(offset + 8 + i * 2, false));
  if (words.slice(0, 5).every((word) => word === 0) && words[5] === 0xffff) {
    const [high, low] = words.slice(6);
    return `::ffff:${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
  }
  return compress(words);
}

/** The longest run of at least two zero words becomes `::` (RFC 5952 4.2). */
function compress(words) {
  let best = { at: -1, length: 1 };
  for (let at = 0; at < 8; at++) {
    let end = at;
    while (end < 8 && words[end] === 0) end++;
    if (end - at > best.length) best = { at, length: end - at };
  }
  const texts = words.map((word) => word.toString(16));
  if (best.at < 0) return texts.join(":");
  return `${texts.slice(0, best.at).join(":")}::${texts.slice(best.at + best.length).join(":")}`;
}
