// The frames that observations write to a TAP, and how they know the answers: ARP, ICMP echo, TCP
// SYN to a port where nobody listens; and a packet that is too big for where it goes. Pure; any
// thread. RFC 826, 792, 9293.
import { ARP, ARP_REPLY, ARP_REQUEST, arpOperation, buildArp, checkArp } from "../../wire/arp.js";
import { get16 } from "../../wire/bytes.js";
import { buildEthernet, ETHERNET, ETHERTYPE, etherType } from "../../wire/ethernet.js";
import {
  buildIpv4,
  checkIpv4,
  IP_PROTO,
  ipv4HeaderLength,
  ipv4Number,
  ipv4Protocol,
} from "../../wire/ipv4.js";
import {
  buildIcmp,
  buildTcp,
  buildUdp,
  ICMP,
  TCP,
  TCP_FLAG,
  tcpFlags,
  UDP,
} from "../../wire/transport.js";

/** The kernel's side of the TAP, and ours. */
export const KERNEL = { ip: "10.0.0.1", mac: "02:00:00:00:00:01" } as const;
const OURS = { ip: "10.0.0.2", mac: "02:00:00:00:00:02" } as const;
const IDENTIFIER = 0x7070;
/** Nothing listens in a namespace that was just made. */
const CLOSED_PORT = 9;
const FIRST_PORT = 10_000;

/** A frame, and what tells its answer from other frames. */
export interface Question {
  readonly what: "echo" | "syn";
  readonly frame: Uint8Array;
  readonly isAnswer: (frame: Uint8Array) => boolean;
}

function toKernel(type: number, payload: Uint8Array, broadcast = false): Uint8Array {
  const destination = broadcast ? "ff:ff:ff:ff:ff:ff" : KERNEL.mac;
  return buildEthernet({ destination, source: OURS.mac, type, payload });
}

function packet(protocol: number, payload: Uint8Array): Uint8Array {
  const bytes = buildIpv4({ source: OURS.ip, destination: KERNEL.ip, protocol, payload });
  return toKernel(ETHERTYPE.ipv4, bytes);
}

/** Who asks is learned by who is asked: after this, the kernel need not ask where we are. */
export function arpRequest(): Uint8Array {
  const fields = { operation: ARP_REQUEST, senderMac: OURS.mac, senderIp: ipv4Number(OURS.ip) };
  const payload = buildArp({ ...fields, targetIp: ipv4Number(KERNEL.ip) });
  return toKernel(ETHERTYPE.arp, payload, true);
}

export function isArpReply(frame: Uint8Array): boolean {
  const at = ETHERNET.header;
  if (frame.length < at + ARP.size || etherType(frame, 0) !== ETHERTYPE.arp) return false;
  return checkArp(frame, at, frame.length - at) === 0 && arpOperation(frame, at) === ARP_REPLY;
}

/**
 * A UDP packet to somewhere behind the kernel, with so many bytes after its IP header. It may be
 * forwarded once: its pieces come back on the loopback device and end there.
 */
export function bigPacket(destination: string, bytes: number): Uint8Array {
  const payload = buildUdp({
    source: 1,
    destination: 9,
    payload: new Uint8Array(bytes - UDP.header),
  });
  const fields = { source: OURS.ip, destination, protocol: IP_PROTO.udp, payload, ttl: 2 };
  return toKernel(ETHERTYPE.ipv4, buildIpv4(fields));
}

/** Echo requests and SYNs in turn. @param index 0 to 9999. */
export function question(index: number): Question {
  return index % 2 === 0 ? echo(index) : syn(FIRST_PORT + index);
}

function echo(sequence: number): Question {
  const rest = new Uint8Array(12);
  rest.set([IDENTIFIER >> 8, IDENTIFIER & 0xff, sequence >> 8, sequence & 0xff]);
  return {
    what: "echo",
    frame: packet(IP_PROTO.icmp, buildIcmp({ type: 8, rest })),
    isAnswer(frame) {
      const at = transportOf(frame, IP_PROTO.icmp, ICMP.header);
      const isOurs = at > 0 && get16(frame, at + ICMP.rest) === IDENTIFIER;
      return isOurs && frame[at] === 0 && get16(frame, at + ICMP.rest + 2) === sequence;
    },
  };
}

function syn(source: number): Question {
  const segment = buildTcp({ source, destination: CLOSED_PORT, flags: TCP_FLAG.syn });
  return {
    what: "syn",
    frame: packet(IP_PROTO.tcp, segment),
    isAnswer(frame) {
      const at = transportOf(frame, IP_PROTO.tcp, TCP.headerMin);
      if (at < 0 || get16(frame, at + TCP.destination) !== source) return false;
      return (tcpFlags(frame, at) & TCP_FLAG.rst) !== 0;
    },
  };
}

/** Where the header of a protocol begins, of so many bytes; -1 if the frame has no such thing. */
function transportOf(frame: Uint8Array, protocol: number, bytes: number): number {
  const at = ETHERNET.header;
  if (frame.length < at || etherType(frame, 0) !== ETHERTYPE.ipv4) return -1;
  if (checkIpv4(frame, at, frame.length - at) !== 0) return -1;
  const transport = at + ipv4HeaderLength(frame, at);
  const fits = ipv4Protocol(frame, at) === protocol && frame.length >= transport + bytes;
  return fits ? transport : -1;
}
