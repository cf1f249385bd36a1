// A balancer has addresses and no kernel behind them, so it answers for them itself: ARP (RFC 826)
// and neighbor solicitations (RFC 4861, 7.2). The answer is written over the question, where it
// lies; a question without room for the answer's option grows by 8 bytes at its end, which every
// frame slot has. Queue workers; no allocation, no exception.
import {
  ARP,
  ARP_REPLY,
  ARP_REQUEST,
  arpOperation,
  arpSenderIp,
  arpTargetIp,
} from "../wire/arp.js";
import { get32, put16, put32 } from "../wire/bytes.js";
import { checksum, pseudoSumIpv6 } from "../wire/checksum.js";
import { ETHERNET } from "../wire/ethernet.js";
import { IP_PROTO } from "../wire/ipv4.js";
import { IPV6 } from "../wire/ipv6.js";
import type { HeaderPlaces } from "../wire/rewrite.js";
import { ICMP, ND } from "../wire/transport.js";
import type { AddressWords, BalancerConfig, FrameInHand } from "./types.js";

const HOP_LIMIT = 255;
/** Solicited and override; an address that a router does not have. */
const SOLICITED_OVERRIDE = 0x60000000;
const OVERRIDE = 0x20000000;
const TARGET_LINK_ADDRESS = 2;
const OPTION_BYTES = 8;
const VNET_BYTES = 12;

export class Neighbors {
  private readonly mac: readonly number[];
  private readonly ipv4 = new Set<number>();
  private readonly ipv6: AddressWords[] = [];

  constructor(config: BalancerConfig) {
    this.mac = config.mac;
    const own = [
      ...config.services
        .filter(({ isGone = false }) => !isGone)
        .map(({ family, address }) => ({ family, words: address })),
      ...config.local.addresses,
    ];
    for (const { family, words } of own) {
      if (family === 4) this.ipv4.add(words[3]! >>> 0);
      else this.ipv6.push(words);
    }
  }

  /** Turns a request for one of the balancer's addresses into the answer; false: it is none. */
  answerArp(frame: FrameInHand, places: HeaderPlaces): boolean {
    const { bytes } = frame;
    const at = places.network;
    if (arpOperation(bytes, at) !== ARP_REQUEST) return false;
    const asked = arpTargetIp(bytes, at);
    if (!this.ipv4.has(asked)) return false;
    const asker = arpSenderIp(bytes, at);
    bytes.copyWithin(at + ARP.targetMac, at + ARP.senderMac, at + ARP.senderMac + 6);
    put32(bytes, at + ARP.targetIp, asker);
    this.putMac(bytes, at + ARP.senderMac);
    put32(bytes, at + ARP.senderIp, asked);
    put16(bytes, at + ARP.operation, ARP_REPLY);
    this.turnRound(frame);
    return true;
  }

  /** The same for a neighbor solicitation. */
  answerSolicitation(frame: FrameInHand, places: HeaderPlaces): boolean {
    const { bytes } = frame;
    const { network, transport, end } = places;
    if (transport !== network + IPV6.header || end < transport + ND.options) return false;
    if (bytes[transport] !== ND.solicit || bytes[transport + ICMP.code] !== 0) return false;
    if (bytes[network + IPV6.hopLimit] !== HOP_LIMIT) return false;
    if (!this.owns(bytes, transport + ND.target)) return false;
    const isProbe = isUnspecified(bytes, network + IPV6.source);
    // A probe (duplicate address detection) has no sender: everybody hears that it is taken.
    if (isProbe) putAllNodes(bytes, network + IPV6.destination);
    else copyAddress(bytes, network + IPV6.source, network + IPV6.destination);
    copyAddress(bytes, transport + ND.target, network + IPV6.source);
    bytes[transport] = ND.advert;
    put32(bytes, transport + ICMP.rest, isProbe ? OVERRIDE : SOLICITED_OVERRIDE);
    const option = transport + ND.options;
    bytes[option] = TARGET_LINK_ADDRESS;
    bytes[option + 1] = 1;
    this.putMac(bytes, option + 2);
    this.finish(frame, places, option + OPTION_BYTES);
    this.turnRound(frame);
    if (isProbe) putAllNodesMac(bytes, frame.offset + ETHERNET.destination);
    return true;
  }

  /** Lengths and checksum of an answer that ends at `end`. */
  private finish(frame: FrameInHand, places: HeaderPlaces, end: number): void {
    const { bytes } = frame;
    const { network, transport } = places;
    const length = end - transport;
    put16(bytes, network + IPV6.payloadLength, length);
    put16(bytes, transport + ICMP.checksum, 0);
    const pseudo = pseudoSumIpv6(bytes, network, IP_PROTO.icmpv6, length);
    put16(bytes, transport + ICMP.checksum, checksum(bytes, transport, length, pseudo));
    frame.length = end - frame.offset;
    const { vnetOffset } = frame;
    if (vnetOffset >= 0) bytes.fill(0, vnetOffset, vnetOffset + VNET_BYTES);
  }

  private turnRound({ bytes, offset }: FrameInHand): void {
    bytes.copyWithin(offset + ETHERNET.destination, offset + ETHERNET.source, offset + 12);
    this.putMac(bytes, offset + ETHERNET.source);
  }

  private putMac(bytes: Uint8Array, at: number): void {
    for (let i = 0; i < 6; i++) bytes[at + i] = this.mac[i]!;
  }

  private owns(bytes: Uint8Array, at: number): boolean {
    return this.ipv6.some((words) =>
      words.every((word, i) => get32(bytes, at + 4 * i) === word >>> 0),
    );
  }
}

function isUnspecified(bytes: Uint8Array, at: number): boolean {
  for (let i = 0; i < 16; i++) if (bytes[at + i] !== 0) return false;
  return true;
}

function copyAddress(bytes: Uint8Array, from: number, to: number): void {
  bytes.copyWithin(to, from, from + 16);
}

/** ff02::1 */
function putAllNodes(bytes: Uint8Array, at: number): void {
  bytes.fill(0, at, at + 16);
  bytes[at] = 0xff;
  bytes[at + 1] = 0x02;
  bytes[at + 15] = 0x01;
}

function putAllNodesMac(bytes: Uint8Array, at: number): void {
  put32(bytes, at, 0x33330000);
  put16(bytes, at + 4, 1);
}
