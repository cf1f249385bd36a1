// The handler that an endpoint has if it is given no other: answers for its address as a host does,
// ARP requests and echo requests, in the thread that has read the frame. Everything else is taken
// and forgotten. On the thread of a loop.
import { put16 } from "../../wire/bytes.js";
import {
  ARP,
  ARP_REPLY,
  ARP_REQUEST,
  arpOperation,
  arpTargetIp,
  checkArp,
} from "../../wire/arp.js";
import { checksum } from "../../wire/checksum.js";
import { ETHERNET, ETHERTYPE, etherType, macBytes } from "../../wire/ethernet.js";
import {
  checkIpv4,
  IP_PROTO,
  IPV4,
  ipv4Destination,
  ipv4FragmentOffset,
  ipv4HeaderLength,
  ipv4Number,
  ipv4Protocol,
  ipv4TotalLength,
} from "../../wire/ipv4.js";
import type { FrameHandler, HandlerContext, ReceivedFrame } from "./stack.js";

/** ICMP (RFC 792): type, code, checksum; an echo has 8 bytes of header. */
const ICMP = { type: 0, checksum: 2, header: 8, echoRequest: 8, echoReply: 0 } as const;

export function makeAnswers(context: HandlerContext): FrameHandler {
  const mac = macBytes(context.mac);
  const own = ipv4Number(context.address);
  return {
    receive(frame) {
      const { bytes, offset, length } = frame;
      const at = offset + ETHERNET.header;
      const room = length - ETHERNET.header;
      const type = etherType(bytes, offset);
      if (type === ETHERTYPE.arp && checkArp(bytes, at, room) === 0) {
        if (arpOperation(bytes, at) !== ARP_REQUEST || arpTargetIp(bytes, at) !== own) return;
        answerArp(bytes, at, mac);
        sendBack(context, frame, mac, ETHERNET.header + ARP.size);
      } else if (type === ETHERTYPE.ipv4 && checkIpv4(bytes, at, room) === 0) {
        if (ipv4Destination(bytes, at) !== own || !answerEcho(bytes, at)) return;
        sendBack(context, frame, mac, ETHERNET.header + ipv4TotalLength(bytes, at));
      }
    },
  };
}

function answerArp(bytes: Uint8Array, at: number, mac: Uint8Array): void {
  const asker = bytes.slice(at + ARP.senderMac, at + ARP.senderMac + 10);
  const wanted = bytes.slice(at + ARP.targetIp, at + ARP.targetIp + 4);
  put16(bytes, at + ARP.operation, ARP_REPLY);
  bytes.set(mac, at + ARP.senderMac);
  bytes.set(wanted, at + ARP.senderIp);
  bytes.set(asker, at + ARP.targetMac);
}

/** Makes the reply of an echo request where it lies; false if it is none. */
function answerEcho(bytes: Uint8Array, at: number): boolean {
  const header = ipv4HeaderLength(bytes, at);
  const size = ipv4TotalLength(bytes, at) - header;
  const icmp = at + header;
  const isEcho =
    ipv4Protocol(bytes, at) === IP_PROTO.icmp &&
    ipv4FragmentOffset(bytes, at) === 0 &&
    size >= ICMP.header &&
    bytes[icmp + ICMP.type] === ICMP.echoRequest;
  if (!isEcho) return false;
  const source = bytes.slice(at + IPV4.source, at + IPV4.source + 4);
  // The sums of header and addresses stay as they are when source and destination change places.
  bytes.copyWithin(at + IPV4.source, at + IPV4.destination, at + IPV4.destination + 4);
  bytes.set(source, at + IPV4.destination);
  bytes[icmp + ICMP.type] = ICMP.echoReply;
  put16(bytes, icmp + ICMP.checksum, 0);
  put16(bytes, icmp + ICMP.checksum, checksum(bytes, icmp, size));
  return true;
}

function sendBack(
  context: HandlerContext,
  { bytes, offset }: ReceivedFrame,
  mac: Uint8Array,
  length: number,
): void {
  bytes.copyWithin(offset, offset + ETHERNET.source, offset + ETHERNET.type);
  bytes.set(mac, offset + ETHERNET.source);
  context.transmit(offset, length);
}
