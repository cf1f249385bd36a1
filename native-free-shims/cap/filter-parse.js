// The part of the pcap-filter language that this package understands, from text to a tree.
// Pure; called by filter.js only. As in libpcap `and` and `or` bind equally strongly and group to
// the left, and `not` binds strongest. Whatever is not in the list below is refused by name:
//
//   arp  rarp  ip  ip6  tcp  udp  sctp  icmp  icmp6        ether proto N     ip proto N
//   [src|dst] host ADDRESS     [tcp|udp|sctp] [src|dst] port N
//   ether [src|dst] MAC        ether host MAC              greater N         less N
//   joined by  and && or || not ! ( )
import { isIPv4, isIPv6 } from "node:net";

/** The longest filter text taken, in characters. */
const TEXT_MAX = 2_000;
const PROTOCOL_WORDS = ["arp", "rarp", "ip", "ip6", "tcp", "udp", "sctp", "icmp", "icmp6"];
const TRANSPORTS = ["tcp", "udp", "sctp"];
const MAC_PATTERN = /^[0-9a-f]{1,2}(:[0-9a-f]{1,2}){5}$/i;

/** @throws Error that names the text and the word at which it stopped. */
function refuse(state, why) {
  const word = state.words[state.at];
  const where = word === undefined ? "at its end" : `at "${word}"`;
  throw new Error(
    `filter "${state.text}" ${where}: ${why}. Understood are: ${PROTOCOL_WORDS.join(", ")}, ` +
      "ether proto N, ip proto N, [src|dst] host A, [tcp|udp|sctp] [src|dst] port N, " +
      "ether src|dst|host MAC, greater N, less N, and, or, not, parentheses",
  );
}

function take(state, ...words) {
  if (!words.includes(state.words[state.at])) return undefined;
  return state.words[state.at++];
}

function number(state, max) {
  const word = state.words[state.at];
  if (word === undefined || !/^(0x[0-9a-f]{1,8}|\d{1,10})$/i.test(word)) {
    refuse(state, "a number is wanted");
  }
  const value = Number(word);
  if (value > max) refuse(state, `${value} is above ${max}`);
  state.at++;
  return value;
}

function ipv4Bytes(text) {
  return text.split(".").map(Number);
}

/** Sixteen bytes of an IPv6 text that `isIPv6` has accepted (no zone). */
function ipv6Bytes(text) {
  const v4 = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  if (v4 !== null) {
    const [a, b, c, d] = ipv4Bytes(v4[2]);
    return ipv6Bytes(`${v4[1]}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`);
  }
  const [head, tail] = text.split("::");
  const words = (part) => (part === undefined || part === "" ? [] : part.split(":"));
  const left = words(head);
  const right = words(tail);
  const zeros = new Array(8 - left.length - right.length).fill("0");
  return [...left, ...zeros, ...right].flatMap((word) => {
    const value = Number.parseInt(word, 16);
    return [value >> 8, value & 0xff];
  });
}

function host(state, direction) {
  const word = state.words[state.at] ?? "";
  const family = isIPv4(word) ? 4 : isIPv6(word) && !word.includes("%") ? 6 : 0;
  if (family === 0) refuse(state, "an IPv4 or IPv6 address is wanted");
  state.at++;
  const bytes = family === 4 ? ipv4Bytes(word) : ipv6Bytes(word);
  return { kind: "host", direction, family, bytes };
}

/** After `ether`: `proto N`, or an address with its direction. */
function ether(state) {
  if (take(state, "proto")) {
    const value = number(state, 0xffff);
    // Below 0x600 the field is a length, and libpcap would look at the LLC header instead.
    if (value < 0x600) refuse(state, `EtherType ${value} is below 0x600`);
    return { kind: "etherProto", value };
  }
  const word = take(state, "src", "dst", "host");
  if (word === undefined) refuse(state, "proto, src, dst or host is wanted");
  if (word !== "host") take(state, "host");
  const mac = state.words[state.at] ?? "";
  if (!MAC_PATTERN.test(mac)) refuse(state, "a MAC address is wanted");
  state.at++;
  const bytes = mac.split(":").map((part) => Number.parseInt(part, 16));
  return { kind: "mac", direction: word === "host" ? "any" : word, bytes };
}

/** `[src|dst] port N` or `[src|dst] host A`; the transport was read before, or is null. */
function directed(state, transport) {
  const direction = take(state, "src", "dst") ?? "any";
  if (take(state, "port")) {
    return { kind: "port", direction, transport, value: number(state, 0xffff) };
  }
  if (transport === null && take(state, "host")) return host(state, direction);
  return refuse(state, transport === null ? "host or port is wanted" : "port is wanted");
}

function primitive(state) {
  if (take(state, "ether")) return ether(state);
  const length = take(state, "greater", "less");
  if (length) return { kind: length, value: number(state, 0xffff) };
  const word = take(state, ...PROTOCOL_WORDS);
  if (word === undefined) return directed(state, null);
  const next = state.words[state.at];
  if (word === "ip" && next === "proto") {
    state.at++;
    return { kind: "ipProto", value: number(state, 0xff) };
  }
  if (TRANSPORTS.includes(word) && ["src", "dst", "port"].includes(next)) {
    return directed(state, word);
  }
  return { kind: "protocol", name: word };
}

function unary(state) {
  if (take(state, "not", "!")) return { kind: "not", of: unary(state) };
  if (!take(state, "(")) return primitive(state);
  const inner = expression(state);
  if (!take(state, ")")) refuse(state, '")" is wanted');
  return inner;
}

function expression(state) {
  let left = unary(state);
  for (;;) {
    const word = take(state, "and", "&&", "or", "||");
    if (word === undefined) return left;
    const kind = word === "and" || word === "&&" ? "and" : "or";
    left = { kind, left, right: unary(state) };
  }
}

/**
 * The tree of a filter text, or null for the empty text (everything passes).
 * @throws Error naming the text and the word where it stopped.
 */
export function parseFilter(text) {
  if (text.length > TEXT_MAX) {
    throw new Error(`a filter of ${text.length} characters; at most ${TEXT_MAX} are taken`);
  }
  const words = text.match(/&&|\|\||[()!]|[^\s()!]+/g) ?? [];
  if (words.length === 0) return null;
  const state = { text, words, at: 0 };
  const tree = expression(state);
  if (state.at < words.length) refuse(state, "and, or or the end is wanted");
  return tree;
}
