// A load balancer of layer 4, as one queue worker runs it: takes a frame that the switch has output
// to its port and translates it in place; the caller puts it into the switch again, as received on
// that port. FullNAT, NAT and direct routing, after DPVS (src/ipvs) and IPVS. All workers share the
// connections and the turns of the schedulers. Hot path: no exception; no allocation but for the
// first packet of a connection.
//
//   client --> VIP           local address --> server       FullNAT: + the client's address as
//   VIP    --> client  <==>  server --> local address                an option (TOA), sequence
//                                                                    numbers shifted
import { DROP } from "../base/drop-reasons.js";
import { get32 } from "../wire/bytes.js";
import { ETHERNET, macHigh, macLow, setMac } from "../wire/ethernet.js";
import { IP_PROTO } from "../wire/ipv4.js";
import { newClientAddress, toaSize } from "../wire/options/toa.js";
import { TCP, TCP_FLAG, tcpFlags } from "../wire/transport.js";
import { BUSY, CONN, Connections, KNOWN, ticksOf, TUPLE } from "./connections.js";
import { COUNT, UNTOLD } from "./counters.js";
import { NewConnections } from "./new-connections.js";
import { Neighbors } from "./neighbors.js";
import { readAddress, writeAddress } from "./segment/addresses.js";
import { insertToa, wantsToa } from "./segment/insert-toa.js";
import { blankUoas, insertUoa, putStandaloneUoa } from "./segment/uoa.js";
import { newSegment, openSegment, sealSegment } from "./segment/segment.js";
import {
  blankTimestamps,
  blankToas,
  lowerMss,
  shiftSequence,
  unshiftAcknowledgment,
} from "./segment/tcp-edit.js";
import { lifeTicks, mayReopen, nextState } from "./tcp-states.js";
import {
  type BalancerConfig,
  type FrameInHand,
  profileOf,
  type RealServer,
  type VirtualService,
} from "./types.js";

/** `translate` has translated: the frame goes on from the balancer's port. */
export const PASSED = -1;

const ARP_KIND = 0x806;
const SYN_ACK = TCP_FLAG.syn | TCP_FLAG.ack;

/** What the workers share. */
export interface BalancerParts {
  readonly config: BalancerConfig;
  readonly connections: Connections;
  /** TURN_WORDS words. */
  readonly turns: Int32Array;
  /** This worker's, BALANCER_DOUBLES long. */
  readonly counters: Float64Array;
  /** Lowest index of the buffer that frames may grow down to. */
  readonly floor: number;
  /** Where a datagram of the balancer's own is written: at most 120 bytes from its `offset`. */
  readonly own: FrameInHand;
}

export class Balancer {
  private config: BalancerConfig;
  private readonly connections: Connections;
  private readonly counters: Float64Array;
  private readonly floor: number;
  private neighbors: Neighbors;
  private readonly fresh: NewConnections;
  private readonly segment = newSegment();
  private readonly tuple = new Int32Array(TUPLE.words);
  private readonly client = newClientAddress();
  private readonly own: FrameInHand;
  private readonly ownVnetOffset: number;
  /** `translate` has written a datagram of its own, to be forwarded ahead of the frame. */
  hasOwn = false;
  private readonly macHigh: number;
  private readonly macLow: number;

  constructor(parts: BalancerParts) {
    const { config } = parts;
    this.config = config;
    this.connections = parts.connections;
    this.counters = parts.counters;
    this.floor = parts.floor;
    this.own = parts.own;
    this.ownVnetOffset = parts.own.vnetOffset;
    this.neighbors = new Neighbors(config);
    this.fresh = new NewConnections(config, parts.connections, parts.turns);
    const mac = Uint8Array.from(config.mac);
    this.macHigh = macHigh(mac, 0);
    this.macLow = macLow(mac, 0);
  }

  /**
   * Other services, from the next frame on. What has connections keeps its place in the lists: it
   * is marked as gone, until there are none.
   */
  setServices(services: readonly VirtualService[]): void {
    this.config = { ...this.config, services };
    this.neighbors = new Neighbors(this.config);
    this.fresh.configure(this.config);
  }

  /** @returns PASSED, or why the frame ends here (index in base/drop-reasons.ts). */
  translate(frame: FrameInHand, nowMs: number): number {
    const { segment, counters } = this;
    this.hasOwn = false;
    const refusal = openSegment(segment, frame, this.floor);
    const { places } = segment;
    const { kind, protocol } = places;
    if (
      (kind === ARP_KIND && this.neighbors.answerArp(frame, places)) ||
      (protocol === IP_PROTO.icmpv6 && this.neighbors.answerSolicitation(frame, places))
    ) {
      counters[COUNT.neighborAnswers]!++;
      return PASSED;
    }
    if (!this.isAddressed(frame)) return DROP["balancer-not-mine"];
    if (refusal !== 0) return DROP["balancer-unreadable"];
    this.readTuple();
    return this.forward(ticksOf(nowMs), nowMs);
  }

  private isAddressed({ bytes, offset }: FrameInHand): boolean {
    const at = offset + ETHERNET.destination;
    return macHigh(bytes, at) === this.macHigh && macLow(bytes, at) === this.macLow;
  }

  private readTuple(): void {
    const { segment, tuple, client } = this;
    readAddress(segment, "destination", client);
    for (let i = 0; i < 4; i++) tuple[TUPLE.destination + i] = client.words[i]!;
    const destinationPort = client.port;
    readAddress(segment, "source", client);
    for (let i = 0; i < 4; i++) tuple[TUPLE.source + i] = client.words[i]!;
    tuple[TUPLE.ports] = (client.port << 16) | destinationPort;
    tuple[TUPLE.protocol] = segment.places.protocol;
  }

  private forward(nowTicks: number, nowMs: number): number {
    const { connections, tuple } = this;
    const at = connections.find(tuple, nowTicks);
    if (at === BUSY) return DROP["balancer-busy"];
    if (at >= 0 && !this.beginsAgain(at)) return this.pass(at, nowTicks);
    if (at >= 0) connections.end(at, nowTicks);
    const added = this.begin(nowTicks, nowMs);
    if (added >= 0) return this.pass(added, nowTicks);
    if (added !== KNOWN) return this.fresh.dropReason(added);
    // Another worker has just added it for a packet of the same client.
    const known = connections.find(tuple, nowTicks);
    return known >= 0 ? this.pass(known, nowTicks) : DROP["balancer-busy"];
  }

  private get flags(): number {
    const { places, frame } = this.segment;
    return places.protocol === IP_PROTO.tcp ? tcpFlags(frame.bytes, places.transport) : 0;
  }

  /** Whether the client's SYN begins a new connection in place of this one. */
  private beginsAgain(at: number): boolean {
    const isSyn = (this.flags & SYN_ACK) === TCP_FLAG.syn;
    if (!isSyn || this.connections.foundServerSide) return false;
    return mayReopen(this.connections.words[at + CONN.state]!);
  }

  /** A connection for the first packet in hand: its place, or a negative answer. */
  private begin(nowTicks: number, nowMs: number): number {
    const { segment, tuple, fresh } = this;
    const { frame, places } = segment;
    const isTcp = places.protocol === IP_PROTO.tcp;
    const first = {
      flags: this.flags,
      sequence: isTcp ? get32(frame.bytes, places.transport + TCP.sequence) : 0,
      macHigh: macHigh(frame.bytes, frame.offset + ETHERNET.source),
      macLow: macLow(frame.bytes, frame.offset + ETHERNET.source),
    };
    const at = fresh.add(tuple, first, nowTicks, nowMs);
    if (at >= 0) {
      this.counters[COUNT.connections]!++;
      this.connections.foundServerSide = false;
    }
    return at;
  }

  /** A packet of a connection whose chain is locked; unlocks it. */
  private pass(at: number, nowTicks: number): number {
    const { connections, config } = this;
    const { words, foundServerSide } = connections;
    const service = config.services[words[at + CONN.service]!]!;
    const server = service.servers[words[at + CONN.server]!]!;
    const state = this.follow(at, foundServerSide);
    Atomics.store(words, at + CONN.expires, (nowTicks + lifeTicks(state)) | 0);
    if (foundServerSide) this.toClient(at, service);
    else this.toServer(at, service, server);
    connections.release();
    this.counters[foundServerSide ? COUNT.toClient : COUNT.toServer]!++;
    return PASSED;
  }

  /** The state after this packet; two workers may have packets of both directions at once. */
  private follow(at: number, isServer: boolean): number {
    const { words } = this.connections;
    const { flags } = this;
    for (let state = Atomics.load(words, at + CONN.state); ;) {
      if (state === 0) return 0;
      const next = nextState(state, flags, isServer);
      const seen = Atomics.compareExchange(words, at + CONN.state, state, next);
      if (seen === state) return next;
      state = seen;
    }
  }

  private toServer(at: number, service: VirtualService, server: RealServer): void {
    const { segment } = this;
    const { words } = this.connections;
    const { bytes, offset } = segment.frame;
    for (let i = 0; i < 6; i++) bytes[offset + i] = server.mac[i]!;
    setMac(bytes, offset + ETHERNET.source, this.macHigh, this.macLow);
    if (service.mode !== "dr") {
      const own = at + CONN.serverSide;
      if (service.mode === "fullnat") {
        if (segment.places.protocol === IP_PROTO.tcp) this.editTowardsServer(at, service, server);
        else if (profileOf(service) !== null) blankUoas(segment);
        const localPort = words[own + TUPLE.ports]! & 0xffff;
        writeAddress(segment, "source", words, own + TUPLE.destination, localPort);
      }
      const port = words[own + TUPLE.ports]! >>> 16;
      writeAddress(segment, "destination", words, own + TUPLE.source, port);
      if (words[at + CONN.toTell]! > 0) this.tellByDatagram(at, server);
      sealSegment(segment);
    }
  }

  /** UOA: the client's address in the datagram's packet, or in one of its own ahead of it. */
  private tellByDatagram(at: number, server: RealServer): void {
    const { segment, client, own, counters } = this;
    const { words } = this.connections;
    const form = client.family === 4 ? "option" : "protocol";
    const refusal = insertUoa(segment, client, form, server.mtu);
    if (refusal !== 0) {
      own.vnetOffset = segment.frame.vnetOffset >= 0 ? this.ownVnetOffset : -1;
      putStandaloneUoa(segment, client, form, own);
      this.hasOwn = true;
    }
    words[at + CONN.toTell]!--;
    counters[COUNT.uoaInserted]!++;
  }

  /** FullNAT: what TCP needs beside other addresses, and the client's own. */
  private editTowardsServer(at: number, service: VirtualService, server: RealServer): void {
    const { segment, counters } = this;
    const { words } = this.connections;
    const profile = profileOf(service);
    if (profile !== null) {
      blankToas(segment);
      const isAnswered = Atomics.load(words, at + CONN.isAnswered) !== 0;
      if (isAnswered && wantsToa(segment, Atomics.load(words, at + CONN.firstAck))) {
        const refusal = insertToa(segment, this.client, profile, server.mtu);
        counters[refusal === 0 ? COUNT.toaInserted : UNTOLD + refusal]!++;
      }
    }
    if ((this.flags & TCP_FLAG.syn) !== 0) blankTimestamps(segment);
    shiftSequence(segment, words[at + CONN.delta]!);
  }

  private toClient(at: number, service: VirtualService): void {
    const { segment } = this;
    const { words } = this.connections;
    const { frame, places } = segment;
    if (service.mode === "fullnat" && places.protocol === IP_PROTO.tcp) {
      const isAnswer = (this.flags & SYN_ACK) === SYN_ACK;
      if (isAnswer) {
        const sequence = get32(frame.bytes, places.transport + TCP.sequence);
        Atomics.store(words, at + CONN.firstAck, (sequence + 1) | 0);
        Atomics.store(words, at + CONN.isAnswered, 1);
        if (profileOf(service) !== null) lowerMss(segment, toaSize(service.family));
      }
      unshiftAcknowledgment(segment, words[at + CONN.delta]!);
    }
    const own = at + CONN.client;
    const ports = words[own + TUPLE.ports]!;
    writeAddress(segment, "source", words, own + TUPLE.destination, ports & 0xffff);
    writeAddress(segment, "destination", words, own + TUPLE.source, ports >>> 16);
    sealSegment(segment);
    const { bytes, offset } = frame;
    setMac(
      bytes,
      offset + ETHERNET.destination,
      words[at + CONN.macHigh]!,
      words[at + CONN.macLow]!,
    );
    setMac(bytes, offset + ETHERNET.source, this.macHigh, this.macLow);
  }
}
