// What the first packet of a connection decides: service, server, local address and port, sequence
// number. Queue workers; allocates a little, once per connection.
import { DROP } from "../base/drop-reasons.js";
import { IP_PROTO } from "../wire/ipv4.js";
import { UOA_PACKETS } from "../wire/options/uoa.js";
import { TCP_FLAG } from "../wire/transport.js";
import { CONN, Connections, FULL, hashTuple, TAKEN, TUPLE } from "./connections.js";
import { Schedule } from "./schedule.js";
import { lifeTicks, TCP_STATE } from "./tcp-states.js";
import {
  type BalancerConfig,
  profileOf,
  type RealServer,
  SERVICES_MAX,
  type VirtualService,
} from "./types.js";

/** Answers of `add` beside those of `Connections.add`. */
const NO_SERVICE = -11;
const NOT_A_BEGINNING = -12;
const NO_SERVER = -13;

/** Local ports tried for one connection; like Linux's NAT (nf_nat_core.c) it gives up some time. */
const TRIES_MAX = 1024;
/** A clock of 4 us, as RFC 6528 has it. */
const SEQUENCE_PER_MS = 250;

/** Words that all workers share: the turn of each service that there can be, then the pool's. */
const POOL_TURN = SERVICES_MAX;
export const TURN_WORDS = SERVICES_MAX + 1;

/** What is taken from the first packet. */
export interface FirstPacket {
  /** TCP flags; 0 for UDP. */
  readonly flags: number;
  readonly sequence: number;
  /** Source MAC address. */
  readonly macHigh: number;
  readonly macLow: number;
}

export class NewConnections {
  private config: BalancerConfig;
  private readonly connections: Connections;
  private readonly turns: Int32Array;
  private schedule: Schedule;
  private readonly serverSide = new Int32Array(TUPLE.words);

  constructor(config: BalancerConfig, connections: Connections, turns: Int32Array) {
    this.config = config;
    this.connections = connections;
    this.turns = turns;
    this.schedule = new Schedule(config.services, turns);
  }

  /** From the next packet on. */
  configure(config: BalancerConfig): void {
    this.config = config;
    this.schedule = new Schedule(config.services, this.turns);
  }

  /** @returns the connection's place with its chain locked, or an answer for `dropReason`. */
  add(tuple: Int32Array, first: FirstPacket, nowTicks: number, nowMs: number): number {
    const number = this.serviceOf(tuple);
    if (number < 0) return NO_SERVICE;
    const service = this.config.services[number]!;
    const { syn, ack, rst } = TCP_FLAG;
    const isSyn = (first.flags & (syn | ack | rst)) === syn;
    if (service.protocol === "tcp" && !isSyn) return NOT_A_BEGINNING;
    const chosen = this.schedule.choose(number, hashAddress(tuple));
    if (chosen < 0) return NO_SERVER;
    const isUdp = service.protocol === "udp";
    const state = isUdp ? 0 : TCP_STATE.opening;
    const fill = (words: Int32Array, at: number): void => {
      words[at + CONN.state] = state;
      words[at + CONN.expires] = (nowTicks + lifeTicks(state)) | 0;
      words[at + CONN.service] = number;
      words[at + CONN.server] = chosen;
      words[at + CONN.macHigh] = first.macHigh;
      words[at + CONN.macLow] = first.macLow;
      words[at + CONN.toTell] = isUdp && profileOf(service) !== null ? UOA_PACKETS : 0;
      if (isUdp || service.mode !== "fullnat") return;
      words[at + CONN.delta] = (this.initialSequence(nowMs) - first.sequence) | 0;
    };
    return this.place(tuple, service, service.servers[chosen]!, nowTicks, fill);
  }

  /** Why a first packet ends here. @param answer a negative answer of `add`. */
  dropReason(answer: number): number {
    switch (answer) {
      case NO_SERVICE:
        return DROP["balancer-no-service"];
      case NOT_A_BEGINNING:
        return DROP["balancer-no-connection"];
      case NO_SERVER:
        return DROP["balancer-no-server"];
      case TAKEN:
        return DROP["balancer-no-port"];
      case FULL:
        return DROP["balancer-full"];
      default:
        return DROP["balancer-busy"];
    }
  }

  private serviceOf(tuple: Int32Array): number {
    const port = tuple[TUPLE.ports]! & 0xffff;
    const protocol = tuple[TUPLE.protocol] === IP_PROTO.tcp ? "tcp" : "udp";
    return this.config.services.findIndex(
      (service) =>
        service.isGone !== true &&
        service.port === port &&
        service.protocol === protocol &&
        service.address.every((word, i) => (word | 0) === tuple[TUPLE.destination + i]),
    );
  }

  /** Adds the connection with a tuple for the server's packets that nobody else has. */
  private place(
    tuple: Int32Array,
    service: VirtualService,
    server: RealServer,
    nowTicks: number,
    fill: (words: Int32Array, at: number) => void,
  ): number {
    const { serverSide, connections } = this;
    const clientPort = tuple[TUPLE.ports]! >>> 16;
    const isDirect = service.mode === "dr";
    serverSide.set(isDirect ? service.address : server.address, TUPLE.source);
    const sourcePort = isDirect ? service.port : server.port;
    serverSide[TUPLE.protocol] = tuple[TUPLE.protocol]!;
    if (service.mode !== "fullnat") {
      serverSide.set(tuple.subarray(TUPLE.source, TUPLE.source + 4), TUPLE.destination);
      serverSide[TUPLE.ports] = (sourcePort << 16) | clientPort;
      return connections.add(tuple, serverSide, nowTicks, fill);
    }
    const { addresses, firstPort, lastPort } = this.config.local;
    const own = addresses.filter(({ family }) => family === service.family);
    const size = own.length * (lastPort - firstPort + 1);
    let answer = TAKEN;
    for (let tries = Math.min(size, TRIES_MAX); tries > 0 && answer === TAKEN; tries--) {
      const turn = (Atomics.add(this.turns, POOL_TURN, 1) >>> 0) % size;
      serverSide.set(own[turn % own.length]!.words, TUPLE.destination);
      const port = firstPort + Math.floor(turn / own.length);
      serverSide[TUPLE.ports] = (sourcePort << 16) | port;
      answer = connections.add(tuple, serverSide, nowTicks, fill);
    }
    return answer;
  }

  /**
   * RFC 6528: a clock, plus a number that differs between connections and that outsiders do not
   * know. As the clock is common, a server takes a connection over one that it still remembers.
   */
  private initialSequence(nowMs: number): number {
    const { serverSide } = this;
    return Math.floor(nowMs * SEQUENCE_PER_MS) + (hashTuple(serverSide, 0) ^ this.config.seed);
  }
}

function hashAddress(tuple: Int32Array): number {
  let hash = 0;
  for (let i = 0; i < 4; i++) {
    hash = Math.imul(hash ^ tuple[TUPLE.source + i]!, 0x9e3779b1);
    hash ^= hash >>> 15;
  }
  return hash >>> 0;
}
