// The namespace's IPv4 over Ethernet on memory devices: routes, neighbors (ARP), ICMP echo, UDP.
// TCP hangs on it (tcp.ts). One per stack thread, driven by `poll` and `tick`; it never waits.
import { ERRNO } from "../../base/errno.js";
import { PacketpathError } from "../../base/errors.js";
import type { LinkState, MemoryHostSide } from "../../host/memory/host-side.js";
import type { DeviceRef } from "../../host/types.js";
import type { LoadDevice } from "../types.js";
import * as wire from "./wire.js";

const { EHOSTUNREACH, ENETUNREACH } = ERRNO;

const RX_AT = 0;
const RX_BYTES = 128 * 1024;
const TX_AT = RX_BYTES;
const TX_BYTES = 68 * 1024;
/** Where a caller writes what IPv4 carries before `sendIp`; 2 bytes short of alignment by design:
 * the frame in front of it begins on a word, so that it is copied by words. */
export const PAYLOAD_AT = TX_AT + wire.ETH_HLEN + wire.IP_HLEN;

/** mcast_solicit and retrans_time_ms of Linux: three requests, a second apart. */
const ARP_REQUESTS = 3;
const ARP_RETRY_MS = 1000;
/** Packets that wait for a neighbor; Linux bounds bytes (unres_qlen_bytes), about as many. */
const ARP_PENDING_MAX = 256;
const BROADCAST = [255, 255, 255, 255, 255, 255];

interface Address {
  readonly ip: number;
  readonly mask: number;
}

interface Interface {
  readonly device: DeviceRef;
  readonly mac: readonly number[];
  readonly addresses: readonly Address[];
  link: LinkState | null;
}

interface Neighbor {
  readonly ip: number;
  /** null while it is being asked for. */
  mac: Uint8Array | null;
  requests: number;
  askedMs: number;
  pending: Uint8Array[];
}

/** A way to a destination; null address and device where there is none. */
export interface Route {
  readonly via: Interface;
  readonly source: number;
}

/** What the stack hands up; the bytes are in `bytes` and valid until the call returns. */
export interface Upper {
  tcp(source: number, target: number, at: number, size: number, isTrusted: boolean): void;
  /** A neighbor did not answer three requests. */
  unreachable(target: number): void;
}

export class IpStack {
  readonly bytes: Uint8Array;
  upper: Upper | null = null;
  /** Called with (source, identifier, sequence) of each echo reply. */
  onEchoReply: ((source: number, identifier: number, sequence: number) => void) | null = null;
  /** Receivers by UDP port: called with the size of each datagram's payload. */
  readonly udpReceivers = new Map<number, (size: number) => void>();
  private readonly side: MemoryHostSide;
  private readonly namespace: number;
  private interfaces: Interface[] = [];
  private readonly neighbors = new Map<number, Neighbor>();
  private unresolved = 0;
  private ipId = 1;
  private nowMs = 0;

  constructor(side: MemoryHostSide, namespace: number) {
    this.side = side;
    this.namespace = namespace;
    const buffer = new ArrayBuffer(RX_BYTES + TX_BYTES);
    this.bytes = new Uint8Array(buffer);
    side.useBuffer(buffer);
  }

  /** The namespace's devices from now on; neighbors are learned anew. IPv6 is passed over. */
  setDevices(devices: readonly LoadDevice[]): void {
    this.interfaces = devices.map(({ device, addresses }) => {
      if (device.mode !== "tap") {
        throw new PacketpathError("ENVIRONMENT", `${device.name}: memory hosts need tap devices`);
      }
      const mac = device.mac.split(":").map((part) => Number.parseInt(part, 16));
      const parsed = addresses.map(parseCidr).filter((address) => address !== null);
      return { device, mac, addresses: parsed, link: this.side.link(device) };
    });
    this.neighbors.clear();
    this.unresolved = 0;
    this.side.claim(devices.map(({ device }) => device));
  }

  /** Receives up to `budget` frames. Returns how many there were. */
  poll(budget: number): number {
    let received = 0;
    for (const port of this.interfaces) {
      for (let i = 0; i < budget; i++) {
        const size = this.side.receive(port.device, RX_AT, RX_BYTES);
        if (size < 0) break;
        received++;
        this.input(port, size);
      }
    }
    return received;
  }

  /** Timers, every 20 ms or so: neighbor requests, and the devices' state. */
  tick(nowMs: number): void {
    this.nowMs = nowMs;
    for (const port of this.interfaces) port.link = this.side.link(port.device);
    if (this.unresolved === 0) return;
    for (const neighbor of this.neighbors.values()) {
      if (neighbor.mac !== null || nowMs - neighbor.askedMs < ARP_RETRY_MS) continue;
      if (neighbor.requests < ARP_REQUESTS) {
        this.ask(neighbor);
      } else {
        this.neighbors.delete(neighbor.ip);
        this.unresolved--;
        this.upper?.unreachable(neighbor.ip);
      }
    }
  }

  /** Whether no neighbor is being asked for. */
  get isSettled(): boolean {
    return this.unresolved === 0;
  }

  isOwn(ip: number): boolean {
    return this.interfaces.some((port) => port.addresses.some((address) => address.ip === ip));
  }

  /** The way to `target`: the first device that is up and has it on-link. */
  route(target: number, source = 0): Route | null {
    let found: Route | null = null;
    for (const via of this.interfaces) {
      const link = via.link;
      if (link === null || !link.up || link.namespace !== this.namespace) continue;
      for (const address of via.addresses) {
        if (((address.ip ^ target) & address.mask) !== 0) continue;
        if (source === 0 || address.ip === source) return { via, source: address.ip };
        found ??= { via, source };
      }
    }
    return found;
  }

  /** The largest TCP segment towards a destination. */
  mss(route: Route): number {
    return (route.via.link?.mtu ?? 1500) - wire.IP_HLEN - wire.TCP_HLEN;
  }

  /** Whether packets to `target` leave at once; asks for the neighbor if not. */
  isResolved(target: number): boolean {
    const neighbor = this.neighbors.get(target);
    if (neighbor !== undefined) return neighbor.mac !== null;
    const route = this.route(target);
    if (route !== null) this.newNeighbor(target);
    return false;
  }

  /** Asks again for a neighbor that may have moved; its address stays in use meanwhile. */
  confirm(target: number): void {
    const route = this.route(target);
    if (route !== null) this.sendArp(route.via, target, 1, BROADCAST);
  }

  /**
   * Sends what lies at PAYLOAD_AT as an IPv4 packet.
   * @returns 0; -ENETUNREACH without a route. A packet that waits for its neighbor is accepted.
   */
  sendIp(route: Route | null, target: number, protocol: number, size: number): number {
    if (route === null) return -ENETUNREACH;
    const { bytes } = this;
    const ip = TX_AT + wire.ETH_HLEN;
    const length = wire.IP_HLEN + size;
    wire.put32(bytes, ip, 0x45000000 | length);
    wire.put16(bytes, ip + 4, this.ipId);
    this.ipId = (this.ipId + 1) & 0xffff;
    wire.put16(bytes, ip + 6, 0x4000);
    wire.put16(bytes, ip + 8, (64 << 8) | protocol);
    wire.put16(bytes, ip + 10, 0);
    wire.put32(bytes, ip + 12, route.source);
    wire.put32(bytes, ip + 16, target);
    wire.put16(bytes, ip + 10, wire.fold(wire.sum16(bytes, ip, wire.IP_HLEN)));

    const neighbor = this.neighbors.get(target) ?? this.newNeighbor(target);
    if (neighbor.mac === null) {
      if (neighbor.pending.length < ARP_PENDING_MAX) {
        neighbor.pending.push(bytes.slice(TX_AT, TX_AT + wire.ETH_HLEN + length));
      }
      return 0;
    }
    this.ethernet(route.via, neighbor.mac, wire.ETH_P_IP);
    return this.transmit(route.via, wire.ETH_HLEN + length);
  }

  /** Sends `size` bytes of payload, put by the caller at PAYLOAD_AT + UDP_HLEN. */
  sendUdp(target: number, sourcePort: number, targetPort: number, size: number): number {
    const route = this.route(target);
    if (route === null) return -ENETUNREACH;
    const { bytes } = this;
    const length = wire.UDP_HLEN + size;
    wire.put16(bytes, PAYLOAD_AT, sourcePort);
    wire.put16(bytes, PAYLOAD_AT + 2, targetPort);
    wire.put16(bytes, PAYLOAD_AT + 4, length);
    wire.put16(bytes, PAYLOAD_AT + 6, 0);
    const sum =
      wire.sum16(bytes, PAYLOAD_AT, length) +
      wire.pseudoSum(route.source, target, wire.IPPROTO_UDP, length);
    wire.put16(bytes, PAYLOAD_AT + 6, wire.fold(sum) || 0xffff);
    return this.sendIp(route, target, wire.IPPROTO_UDP, length);
  }

  /** Sends an ICMP echo request with 56 bytes of payload, as ping does. */
  sendEcho(target: number, identifier: number, sequence: number): number {
    const { bytes } = this;
    const size = 8 + 56;
    bytes.fill(0x70, PAYLOAD_AT, PAYLOAD_AT + size);
    wire.put32(bytes, PAYLOAD_AT, 0x08000000);
    wire.put16(bytes, PAYLOAD_AT + 4, identifier);
    wire.put16(bytes, PAYLOAD_AT + 6, sequence);
    wire.put16(bytes, PAYLOAD_AT + 2, wire.fold(wire.sum16(bytes, PAYLOAD_AT, size)));
    return this.sendIp(this.route(target), target, wire.IPPROTO_ICMP, size);
  }

  /** Whether a destination that has been asked for has not answered (yet). */
  errnoOf(target: number): number {
    return this.route(target) === null ? ENETUNREACH : EHOSTUNREACH;
  }

  private transmit(via: Interface, length: number): number {
    const result = this.side.transmit(via.device, TX_AT, length, 0);
    // The route was good a moment ago; the next one looks again.
    if (result < 0) via.link = this.side.link(via.device);
    return result < 0 ? -ENETUNREACH : 0;
  }

  private ethernet(via: Interface, target: ArrayLike<number>, type: number): void {
    const { bytes } = this;
    for (let i = 0; i < 6; i++) {
      bytes[TX_AT + i] = target[i]!;
      bytes[TX_AT + 6 + i] = via.mac[i]!;
    }
    wire.put16(bytes, TX_AT + 12, type);
  }

  private input(port: Interface, size: number): void {
    const { bytes } = this;
    if (size < wire.ETH_HLEN) return;
    const isGroup = (bytes[RX_AT]! & 1) === 1;
    for (let i = 0; !isGroup && i < 6; i++) if (bytes[RX_AT + i] !== port.mac[i]) return;
    const type = wire.get16(bytes, RX_AT + 12);
    if (type === wire.ETH_P_IP) this.inputIp(RX_AT + wire.ETH_HLEN, size - wire.ETH_HLEN);
    else if (type === wire.ETH_P_ARP) this.inputArp(port, size - wire.ETH_HLEN);
  }

  private inputIp(at: number, size: number): void {
    const { bytes } = this;
    if (size < wire.IP_HLEN || bytes[at]! >> 4 !== 4) return;
    const headerBytes = (bytes[at]! & 15) * 4;
    const length = wire.get16(bytes, at + 2);
    if (headerBytes < wire.IP_HLEN || length < headerBytes || length > size) return;
    if (wire.fold(wire.sum16(bytes, at, headerBytes)) !== 0) return;
    // Fragments: nothing here sends them.
    if ((wire.get16(bytes, at + 6) & 0x3fff) !== 0) return;
    const target = wire.get32(bytes, at + 16);
    if (!this.isOwn(target)) return;
    const source = wire.get32(bytes, at + 12);
    const protocol = bytes[at + 9]!;
    const body = at + headerBytes;
    const bodyBytes = length - headerBytes;
    const isTrusted = this.side.partial;
    if (protocol === wire.IPPROTO_TCP) {
      this.upper?.tcp(source, target, body, bodyBytes, isTrusted);
    } else if (protocol === wire.IPPROTO_UDP) {
      this.inputUdp({ source, target, isTrusted }, body, bodyBytes);
    } else if (protocol === wire.IPPROTO_ICMP) {
      this.inputIcmp(source, target, body, bodyBytes);
    }
  }

  private inputUdp(
    from: { source: number; target: number; isTrusted: boolean },
    at: number,
    size: number,
  ): void {
    const { bytes } = this;
    if (size < wire.UDP_HLEN || wire.get16(bytes, at + 4) > size) return;
    if (!from.isTrusted && wire.get16(bytes, at + 6) !== 0) {
      const pseudo = wire.pseudoSum(from.source, from.target, wire.IPPROTO_UDP, size);
      if (wire.fold(wire.sum16(bytes, at, size) + pseudo) !== 0) return;
    }
    this.udpReceivers.get(wire.get16(bytes, at + 2))?.(size - wire.UDP_HLEN);
  }

  private inputIcmp(source: number, target: number, at: number, size: number): void {
    const { bytes } = this;
    if (size < 8 || wire.fold(wire.sum16(bytes, at, size)) !== 0) return;
    const type = bytes[at]!;
    if (type === 0) {
      this.onEchoReply?.(source, wire.get16(bytes, at + 4), wire.get16(bytes, at + 6));
    } else if (type === 8 && size <= TX_BYTES - 64) {
      bytes.copyWithin(PAYLOAD_AT, at, at + size);
      wire.put32(bytes, PAYLOAD_AT, 0);
      wire.put16(bytes, PAYLOAD_AT + 2, wire.fold(wire.sum16(bytes, PAYLOAD_AT, size)));
      this.sendIp(this.route(source, target), source, wire.IPPROTO_ICMP, size);
    }
  }

  private newNeighbor(ip: number): Neighbor {
    const neighbor = { ip, mac: null, requests: 0, askedMs: 0, pending: [] };
    this.neighbors.set(ip, neighbor);
    this.unresolved++;
    // Asking builds a frame where the caller's packet may lie.
    const caller = this.bytes.slice(TX_AT, TX_AT + wire.ETH_HLEN + wire.ARP_BYTES);
    this.ask(neighbor);
    this.bytes.set(caller, TX_AT);
    return neighbor;
  }

  private ask(neighbor: Neighbor): void {
    neighbor.requests++;
    neighbor.askedMs = this.nowMs;
    const route = this.route(neighbor.ip);
    if (route !== null) this.sendArp(route.via, neighbor.ip, 1, BROADCAST);
  }

  private sendArp(
    via: Interface,
    targetIp: number,
    operation: number,
    mac: ArrayLike<number>,
  ): void {
    const { bytes } = this;
    const at = TX_AT + wire.ETH_HLEN;
    const source = via.addresses.find((a) => ((a.ip ^ targetIp) & a.mask) === 0);
    if (source === undefined) return;
    this.ethernet(via, mac, wire.ETH_P_ARP);
    wire.put32(bytes, at, 0x00010800);
    wire.put32(bytes, at + 4, 0x06040000 | operation);
    for (let i = 0; i < 6; i++) {
      bytes[at + 8 + i] = via.mac[i]!;
      bytes[at + 18 + i] = operation === 1 ? 0 : mac[i]!;
    }
    wire.put32(bytes, at + 14, source.ip);
    wire.put32(bytes, at + 24, targetIp);
    this.transmit(via, wire.ETH_HLEN + wire.ARP_BYTES);
  }

  // As arp_process of Linux: an entry that exists is updated by any ARP packet of that sender; one
  // that does not is only made when the packet asks for an address of ours.
  private inputArp(port: Interface, size: number): void {
    const { bytes } = this;
    const at = RX_AT + wire.ETH_HLEN;
    if (size < wire.ARP_BYTES || wire.get32(bytes, at) !== 0x00010800) return;
    const operation = wire.get16(bytes, at + 6);
    const senderIp = wire.get32(bytes, at + 14);
    const asksUs = operation === 1 && this.isOwn(wire.get32(bytes, at + 24));
    let neighbor = this.neighbors.get(senderIp);
    if (neighbor === undefined && asksUs && senderIp !== 0) {
      neighbor = { ip: senderIp, mac: null, requests: 0, askedMs: this.nowMs, pending: [] };
      this.neighbors.set(senderIp, neighbor);
      this.unresolved++;
    }
    const mac = bytes.slice(at + 8, at + 14);
    if (neighbor !== undefined) this.learn(neighbor, mac);
    if (asksUs) this.replyArp(port, wire.get32(bytes, at + 24), senderIp, mac);
  }

  // Linux answers for any of its addresses on any of its devices (arp_ignore 0).
  private replyArp(port: Interface, own: number, targetIp: number, mac: Uint8Array): void {
    const answering: Interface = { ...port, addresses: [{ ip: own, mask: 0 }] };
    this.sendArp(answering, targetIp, 2, mac);
  }

  private learn(neighbor: Neighbor, mac: Uint8Array): void {
    if (neighbor.mac === null) this.unresolved--;
    neighbor.mac = mac;
    const pending = neighbor.pending;
    neighbor.pending = [];
    const route = this.route(neighbor.ip);
    if (route === null) return;
    for (const frame of pending) {
      this.bytes.set(frame, TX_AT);
      this.ethernet(route.via, mac, wire.ETH_P_IP);
      this.transmit(route.via, frame.length);
    }
  }
}

function parseCidr(text: string): Address | null {
  const [address = "", prefix = "32"] = text.split("/");
  const ip = wire.parseIp(address);
  if (ip === null) return null;
  const bits = Number(prefix);
  return { ip, mask: bits === 0 ? 0 : -1 << (32 - bits) };
}
