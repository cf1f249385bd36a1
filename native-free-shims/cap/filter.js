// Compiles a filter to classic BPF, the program form that SO_ATTACH_FILTER takes, so that a filter
// sees what libpcap's would: the kernel runs it on the same bytes, before the copy to user space
// and with the VLAN tag already moved out of the frame. Pure; called by packet-socket.js and tests.
import { parseFilter } from "./filter-parse.js";

// Instruction codes: linux/bpf_common.h (class | size | mode, class | operation | source).
const LD_W_LEN = 0x80;
const LD_W_ABS = 0x20;
const LD_H_ABS = 0x28;
const LD_B_ABS = 0x30;
const LD_H_IND = 0x48;
const LDX_B_MSH = 0xb1;
const AND_K = 0x54;
const JMP_JEQ = 0x15;
const JMP_JGT = 0x25;
const JMP_JGE = 0x35;
const JMP_JSET = 0x45;
const RET_K = 0x06;

const ETHERTYPE = { ip: 0x0800, arp: 0x0806, rarp: 0x8035, ip6: 0x86dd };
const IP_PROTOCOL = { icmp: 1, tcp: 6, udp: 17, icmp6: 58, sctp: 132 };
const IP6_FRAGMENT = 44;
/** BPF_MAXINSNS: the kernel takes no longer program. */
const INSTRUCTIONS_MAX = 4_096;
/** Bytes handed up of a frame that passes: libpcap's snapshot length for cap. */
export const SNAP_LENGTH = 65_535;

/** A tree node that tests bytes: load, then compare. */
const test = (load, jump, k) => ({ kind: "test", load, jump, k: k >>> 0 });
const both = (left, right) => ({ kind: "and", left, right });
const either = (left, right) => ({ kind: "or", left, right });
const not = (of) => ({ kind: "not", of });
const equal = (code, k, value) => test([[code, k]], JMP_JEQ, value);
const allOf = (nodes) => nodes.reduce(both);
const anyOf = (nodes) => nodes.reduce(either);
/** Never true: no instruction needed, the emitter jumps. */
const NEVER = { kind: "never" };

/** Which EtherType a frame has; on a TUN device the version nibble stands for it. */
function etherType(link, value) {
  if (link.ethernet) return equal(LD_H_ABS, 12, value);
  if (value !== ETHERTYPE.ip && value !== ETHERTYPE.ip6) return NEVER;
  const load = [
    [LD_B_ABS, 0],
    [AND_K, 0xf0],
  ];
  return test(load, JMP_JEQ, value === ETHERTYPE.ip ? 0x40 : 0x60);
}

function word(bytes, at) {
  return (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
}

/** The bytes at a fixed offset equal these: as 4-byte words, then a 2-byte rest. */
function bytesAt(offset, bytes) {
  const tests = [];
  let at = 0;
  for (; at + 4 <= bytes.length; at += 4) {
    tests.push(equal(LD_W_ABS, offset + at, word(bytes, at)));
  }
  if (at < bytes.length) {
    tests.push(equal(LD_H_ABS, offset + at, (bytes[at] << 8) | bytes[at + 1]));
  }
  return allOf(tests);
}

function bySide(direction, source, destination) {
  if (direction === "src") return source;
  return direction === "dst" ? destination : either(source, destination);
}

const ip4Carries = (link, protocol) =>
  both(etherType(link, ETHERTYPE.ip), equal(LD_B_ABS, link.l3 + 9, protocol));

/** Next header, or the one behind a fragment header, as libpcap looks for it. */
function ip6Carries(link, protocol) {
  const next = link.l3 + 6;
  const behindFragment = both(
    equal(LD_B_ABS, next, IP6_FRAGMENT),
    equal(LD_B_ABS, link.l3 + 40, protocol),
  );
  const direct = equal(LD_B_ABS, next, protocol);
  return both(etherType(link, ETHERTYPE.ip6), either(direct, behindFragment));
}

function protocol(link, name) {
  if (ETHERTYPE[name] !== undefined) return etherType(link, ETHERTYPE[name]);
  const value = IP_PROTOCOL[name];
  if (name === "icmp") return ip4Carries(link, value);
  if (name === "icmp6") return ip6Carries(link, value);
  return either(ip6Carries(link, value), ip4Carries(link, value));
}

/** IPv4 hosts are also found in ARP and RARP, as libpcap does. */
function host(link, node) {
  const { l3 } = link;
  const sides = (source, destination) =>
    bySide(node.direction, bytesAt(source, node.bytes), bytesAt(destination, node.bytes));
  if (node.family === 6) {
    return both(etherType(link, ETHERTYPE.ip6), sides(l3 + 8, l3 + 24));
  }
  const inIp = both(etherType(link, ETHERTYPE.ip), sides(l3 + 12, l3 + 16));
  const arp = either(etherType(link, ETHERTYPE.arp), etherType(link, ETHERTYPE.rarp));
  return link.ethernet ? either(inIp, both(arp, sides(l3 + 14, l3 + 24))) : inIp;
}

/** Ports behind an IPv4 header of any length (first fragments only) or a plain IPv6 header. */
function port(link, node) {
  const { l3 } = link;
  const names = node.transport === null ? ["sctp", "tcp", "udp"] : [node.transport];
  const anyProtocol = (offset) =>
    anyOf(names.map((name) => equal(LD_B_ABS, offset, IP_PROTOCOL[name])));
  const behindIp4 = (offset) =>
    test(
      [
        [LDX_B_MSH, l3],
        [LD_H_IND, l3 + offset],
      ],
      JMP_JEQ,
      node.value,
    );
  const ip4 = allOf([
    etherType(link, ETHERTYPE.ip),
    anyProtocol(l3 + 9),
    not(test([[LD_H_ABS, l3 + 6]], JMP_JSET, 0x1fff)),
    bySide(node.direction, behindIp4(0), behindIp4(2)),
  ]);
  const ip6 = allOf([
    etherType(link, ETHERTYPE.ip6),
    anyProtocol(l3 + 6),
    bySide(
      node.direction,
      equal(LD_H_ABS, l3 + 40, node.value),
      equal(LD_H_ABS, l3 + 42, node.value),
    ),
  ]);
  return either(ip6, ip4);
}

/** From the words of the language to tests on bytes. */
function lower(link, node) {
  switch (node.kind) {
    case "and":
    case "or":
      return {
        kind: node.kind,
        left: lower(link, node.left),
        right: lower(link, node.right),
      };
    case "not":
      return not(lower(link, node.of));
    case "protocol":
      return protocol(link, node.name);
    case "etherProto":
      return etherType(link, node.value);
    case "ipProto":
      return ip4Carries(link, node.value);
    case "host":
      return host(link, node);
    case "port":
      return port(link, node);
    case "mac":
      if (!link.ethernet) return NEVER;
      return bySide(node.direction, bytesAt(6, node.bytes), bytesAt(0, node.bytes));
    case "greater":
      return test([[LD_W_LEN, 0]], JMP_JGE, node.value);
    default:
      return not(test([[LD_W_LEN, 0]], JMP_JGT, node.value));
  }
}

/** Emits from the end to the start, so that every jump goes forward to a place already known. */
function emit(program, node, yes, no) {
  switch (node.kind) {
    case "never":
      return no;
    case "not":
      return emit(program, node.of, no, yes);
    case "and":
      return emit(program, node.left, emit(program, node.right, yes, no), no);
    case "or":
      return emit(program, node.left, yes, emit(program, node.right, yes, no));
    default: {
      program.push({ code: node.jump, k: node.k, yes, no });
      for (const [code, k] of [...node.load].reverse()) program.push({ code, k });
      return program.length - 1;
    }
  }
}

/** Jump distances are bytes in classic BPF. */
function distance(from, to, text) {
  const skip = from - to - 1;
  if (skip > 255) throw new Error(`filter "${text}" is too long: a jump over ${skip} instructions`);
  return skip;
}

/**
 * Compiles a filter.
 * @param text the filter; the empty text means that everything passes.
 * @param linkType "ETHERNET", or "RAW" for a TUN device (frames begin with the IP header).
 * @returns instructions `{code, jt, jf, k}`, or null when no filter is needed.
 * @throws Error for text outside the documented part of the language.
 */
export function compileFilter(text, linkType = "ETHERNET") {
  const tree = parseFilter(text);
  if (tree === null) return null;
  const ethernet = linkType !== "RAW";
  const program = [
    { code: RET_K, k: 0 },
    { code: RET_K, k: SNAP_LENGTH },
  ];
  const entry = emit(program, lower({ ethernet, l3: ethernet ? 14 : 0 }, tree), 1, 0);
  // What lies above the entry belongs to a test that can never be reached.
  const reached = program.slice(0, entry + 1);
  if (reached.length > INSTRUCTIONS_MAX) {
    throw new Error(`filter "${text}" needs ${reached.length} of ${INSTRUCTIONS_MAX} instructions`);
  }
  const encode = ({ code, k, yes, no }, index) => ({
    code,
    jt: yes === undefined ? 0 : distance(index, yes, text),
    jf: no === undefined ? 0 : distance(index, no, text),
    k,
  });
  return reached.map(encode).reverse();
}

/** The instructions as `struct sock_filter[]` (8 bytes each, little-endian). */
export function filterBytes(program) {
  const bytes = Buffer.alloc(program.length * 8);
  program.forEach(({ code, jt, jf, k }, index) => {
    const at = index * 8;
    bytes.writeUInt16LE(code, at);
    bytes.writeUInt8(jt, at + 2);
    bytes.writeUInt8(jf, at + 3);
    bytes.writeUInt32LE(k, at + 4);
  });
  return bytes;
}
