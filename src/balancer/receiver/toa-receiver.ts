// The server's side: reads clients' addresses from the frames that pass the port of a real server,
// and remembers them per connection, as `toa.ko` and `uoa.ko` do inside a server's kernel (DPVS,
// kmod/toa/toa.c). Queue workers write; any thread asks. All of it lies in shared memory, and there
// is a bound to it. Hot path: no exception; allocates a little, once per connection.
//
//   server's SYN-ACK          remembers the connection, and the number F that completes it
//   client's segment, ack F   the handshake is complete: takes the option, or that there is none
//   RST, or FIN of both       forgets it
//
// A handshake's ACK that is lost is made good by the next segment, which acknowledges F too. A
// SYN-ACK that is sent again begins anew if no address came yet: the kernel has thrown the ACK away
// (full accept queue) and will read the one after, with the same option.
import { get32 } from "../../wire/bytes.js";
import { IP_PROTO } from "../../wire/ipv4.js";
import { optionsBegin, optionsEnd } from "../../wire/options/tcp-options.js";
import {
  type ClientAddress,
  newClientAddress,
  newToaReading,
  readToa,
  type ToaProfile,
} from "../../wire/options/toa.js";
import { checkTcp, checkUdp, TCP, TCP_FLAG, tcpFlags } from "../../wire/transport.js";
import {
  CONN,
  Connections,
  reverseTuple,
  TICKS_PER_SECOND,
  ticksOf,
  TUPLE,
} from "../connections.js";
import { readAddress } from "../segment/addresses.js";
import { type EditableFrame, lookAt, newSegment } from "../segment/segment.js";
import { takeUoa } from "../segment/uoa.js";

/** Counters that are kept; those of `ip6_address` come from the table. */
const COUNTERS = [
  /** Connections whose handshake told an address, and those whose did not. */
  "syn_recv_sock_toa",
  "syn_recv_sock_no_toa",
  /** Questions answered. */
  "getname_toa_ok",
  /** An IPv6 address, and the asker has an IPv4 socket, which cannot show it. */
  "getname_toa_mismatch",
  /** The handshake of this connection was never seen. */
  "getname_toa_bypass",
  /** It was, and told no address. */
  "getname_toa_empty",
  /** Datagrams with an address, and without; as in the statistics of uoa.ko. */
  "uoa_got",
  "uoa_none",
  /** Connections and flows that found no place in the table: nothing is known of them. */
  "table_full",
] as const;
type Kept = (typeof COUNTERS)[number];

/**
 * Counters by the names of /proc/net/toa_stats, and those of UDP. Entries of the table are counted
 * as `ip6_address`, those of IPv4 clients too: toa.ko keeps their eight bytes in a pointer.
 */
export type ReceiverCounts = Readonly<
  Record<Kept | "ip6_address_alloc" | "ip6_address_free", number>
>;

/** Words of what is known of a connection, beside those of `Connections`. */
const RECORD = { state: 0, closing: 1, family: 2, port: 3, words: 4, size: 8 } as const;
const STATE = { handshake: 1, told: 2, untold: 3 } as const;
/** Bits of `closing`: who has sent a FIN. */
const CLOSING = { client: 1, server: 2, both: 3 } as const;

/** Linux gives up a handshake after five answers, 63 s. */
const HANDSHAKE_SECONDS = 64;
/** For connections whose end is never seen; one that is idle for longer loses its address. */
const CONNECTION_SECONDS = 24 * 3600;
/** DPVS keeps a flow of UDP for as long. */
const FLOW_SECONDS = 300;

const SYN_ACK = TCP_FLAG.syn | TCP_FLAG.ack;

/** What threads share. */
export interface ReceiverMemory {
  readonly connections: SharedArrayBuffer;
  readonly records: SharedArrayBuffer;
  readonly counters: SharedArrayBuffer;
  readonly profile: ToaProfile;
}

/** @param capacity the most connections and flows at a time. */
export function newReceiverMemory(capacity: number, profile: ToaProfile): ReceiverMemory {
  const connections = Connections.create(capacity).buffer;
  const places = Math.ceil(connections.byteLength / Int32Array.BYTES_PER_ELEMENT / CONN.words);
  return {
    connections,
    records: new SharedArrayBuffer(places * RECORD.size * Int32Array.BYTES_PER_ELEMENT),
    counters: new SharedArrayBuffer(COUNTERS.length * Int32Array.BYTES_PER_ELEMENT),
    profile,
  };
}

/** A connection as a server sees it; IPv4 addresses v4-mapped. */
export interface ServerSideTuple {
  readonly protocol: "tcp" | "udp";
  readonly peer: ClientAddress;
  readonly own: ClientAddress;
}

/** A connection and what its server knows of it. */
export interface LearnedClient extends ServerSideTuple {
  /** null: no address came with the handshake. */
  readonly client: ClientAddress | null;
}

export class ToaReceiver {
  private readonly connections: Connections;
  private readonly records: Int32Array;
  private readonly counters: Int32Array;
  private readonly profile: ToaProfile;
  private readonly segment = newSegment();
  private readonly reading = newToaReading();
  private readonly address = newClientAddress();
  private readonly tuple = new Int32Array(TUPLE.words);
  private readonly reversed = new Int32Array(TUPLE.words);

  constructor(memory: ReceiverMemory) {
    this.connections = new Connections(memory.connections);
    this.records = new Int32Array(memory.records);
    this.counters = new Int32Array(memory.counters);
    this.profile = memory.profile;
  }

  /**
   * Looks at a frame just before the server gets it. A header of protocol 248 is taken out, so the
   * frame may become shorter.
   * @param floor lowest index of the buffer that may be written.
   */
  toServer(frame: EditableFrame, floor: number, nowMs: number): void {
    const { segment } = this;
    if (lookAt(segment, frame, floor) !== 0) return;
    const nowTicks = ticksOf(nowMs);
    if (segment.places.protocol === IP_PROTO.tcp) {
      if (this.fits(checkTcp)) this.segmentToServer(nowTicks);
      return;
    }
    const isTold = takeUoa(segment, frame, floor, this.reading.client);
    if (segment.places.protocol === IP_PROTO.udp && this.fits(checkUdp)) {
      this.datagramToServer(isTold, nowTicks);
    }
  }

  private fits(check: (bytes: Uint8Array, at: number, length: number) => number): boolean {
    const { frame, places } = this.segment;
    return check(frame.bytes, places.transport, places.end - places.transport) === 0;
  }

  /** Looks at a frame that the server has sent, before it goes on. */
  fromServer(frame: EditableFrame, nowMs: number): void {
    const { segment, connections } = this;
    if (lookAt(segment, frame, 0) !== 0 || segment.places.protocol !== IP_PROTO.tcp) return;
    if (!this.fits(checkTcp)) return;
    const flags = tcpFlags(frame.bytes, segment.places.transport);
    if ((flags & (TCP_FLAG.syn | TCP_FLAG.fin | TCP_FLAG.rst)) === 0) return;
    this.readTuple();
    const nowTicks = ticksOf(nowMs);
    const at = connections.find(this.tuple, nowTicks);
    if ((flags & (SYN_ACK | TCP_FLAG.rst)) === SYN_ACK) this.begin(at, nowTicks);
    else if (at >= 0) this.close(at, flags, CLOSING.server, nowTicks);
  }

  /**
   * The address behind a connection, as getpeername would say it on a server with toa.ko.
   * @param tuple as the server's socket has it.
   * @param socketFamily an IPv4 socket cannot show an IPv6 address, an IPv6 socket shows all.
   * @returns whether there is one.
   */
  nameOf(tuple: ServerSideTuple, socketFamily: 4 | 6, nowMs: number, out: ClientAddress): boolean {
    const { connections, records } = this;
    writeSide(this.tuple, TUPLE.source, tuple.peer);
    writeSide(this.tuple, TUPLE.destination, tuple.own);
    this.tuple[TUPLE.ports] = (tuple.peer.port << 16) | tuple.own.port;
    this.tuple[TUPLE.protocol] = IP_PROTO[tuple.protocol];
    const at = connections.find(this.tuple, ticksOf(nowMs));
    if (at < 0) return this.count("getname_toa_bypass", false);
    const record = recordOf(at);
    const isTold = records[record + RECORD.state] === STATE.told;
    if (isTold) this.readRecord(record, out);
    connections.release();
    if (!isTold) return this.count("getname_toa_empty", false);
    if (out.family > socketFamily) return this.count("getname_toa_mismatch", false);
    return this.count("getname_toa_ok", true);
  }

  /** All connections whose handshake is over, as they are just now; for listings. */
  entries(nowMs: number): LearnedClient[] {
    const { connections, records } = this;
    const nowTicks = ticksOf(nowMs);
    return connections.all().flatMap((at) => {
      if (connections.words[at + CONN.expires]! - nowTicks < 0) return [];
      const state = records[recordOf(at) + RECORD.state];
      if (state !== STATE.told && state !== STATE.untold) return [];
      const tuple = at + CONN.client;
      const protocol = connections.words[tuple + TUPLE.protocol] === IP_PROTO.udp ? "udp" : "tcp";
      const client = newClientAddress();
      if (state === STATE.told) this.readRecord(recordOf(at), client);
      const ports = connections.words[tuple + TUPLE.ports]!;
      const peer = readSide(connections.words, tuple + TUPLE.source, ports >>> 16);
      const own = readSide(connections.words, tuple + TUPLE.destination, ports & 0xffff);
      return [{ protocol, peer, own, client: state === STATE.told ? client : null }];
    });
  }

  counts(): ReceiverCounts {
    const kept = COUNTERS.map((name, i) => [name, Atomics.load(this.counters, i) >>> 0] as const);
    return {
      ...(Object.fromEntries(kept) as Record<Kept, number>),
      ip6_address_alloc: this.connections.added,
      ip6_address_free: this.connections.removed,
    };
  }

  /** Forgets all connections; when nobody else looks at frames any more. */
  clear(): void {
    this.connections.clear();
  }

  private count(name: Kept, result: boolean): boolean {
    Atomics.add(this.counters, COUNTERS.indexOf(name), 1);
    return result;
  }

  /** The tuple of the packet in hand. */
  private readTuple(): void {
    const { segment, tuple, address } = this;
    readAddress(segment, "destination", address);
    writeSide(tuple, TUPLE.destination, address);
    const { port } = address;
    readAddress(segment, "source", address);
    writeSide(tuple, TUPLE.source, address);
    tuple[TUPLE.ports] = (address.port << 16) | port;
    tuple[TUPLE.protocol] = segment.places.protocol;
  }

  private get flags(): number {
    return tcpFlags(this.segment.frame.bytes, this.segment.places.transport);
  }

  /** The server answers a SYN: the connection is in its handshake, known before or not. */
  private begin(found: number, nowTicks: number): void {
    const { connections, tuple, reversed, segment } = this;
    const sequence = get32(segment.frame.bytes, segment.places.transport + TCP.sequence);
    const fill = (words: Int32Array, at: number): void => {
      words[at + CONN.expires] = (nowTicks + HANDSHAKE_SECONDS * TICKS_PER_SECOND) | 0;
      words[at + CONN.firstAck] = (sequence + 1) | 0;
      const record = recordOf(at);
      this.records.fill(0, record, record + RECORD.size);
      this.records[record + RECORD.state] = STATE.handshake;
    };
    if (found >= 0) {
      if (!this.isLate(found, sequence)) fill(connections.words, found);
      connections.release();
      return;
    }
    reversed.set(tuple);
    reverseTuple(reversed);
    if (connections.add(reversed, tuple, nowTicks, fill) >= 0) connections.release();
    else this.count("table_full", false);
  }

  /**
   * Whether this SYN-ACK was sent, or read, after the ACK that it wants had passed to the server:
   * on a busy machine its queue is read later than the client's. What is known then stays known, or
   * a server that has the request in hand would be told that there is no address.
   */
  private isLate(at: number, sequence: number): boolean {
    if (this.records[recordOf(at) + RECORD.state] !== STATE.told) return false;
    return this.connections.words[at + CONN.firstAck] === ((sequence + 1) | 0);
  }

  private segmentToServer(nowTicks: number): void {
    this.readTuple();
    const at = this.connections.find(this.tuple, nowTicks);
    if (at < 0) return;
    const { flags } = this;
    if (this.completes(at, flags)) this.complete(at, nowTicks);
    this.close(at, flags, CLOSING.client, nowTicks);
  }

  private completes(at: number, flags: number): boolean {
    const { records, connections, segment } = this;
    if (records[recordOf(at) + RECORD.state] !== STATE.handshake) return false;
    if ((flags & (SYN_ACK | TCP_FLAG.rst)) !== TCP_FLAG.ack) return false;
    const tcp = segment.places.transport;
    const acknowledgment = get32(segment.frame.bytes, tcp + TCP.acknowledgment);
    return (acknowledgment | 0) === connections.words[at + CONN.firstAck];
  }

  private complete(at: number, nowTicks: number): void {
    const { connections, records, reading, segment, profile } = this;
    const { bytes } = segment.frame;
    const tcp = segment.places.transport;
    const life = CONNECTION_SECONDS * TICKS_PER_SECOND;
    connections.words[at + CONN.expires] = (nowTicks + life) | 0;
    if (readToa(bytes, optionsBegin(tcp), optionsEnd(bytes, tcp), profile, reading)) {
      this.writeRecord(recordOf(at), reading.client);
      this.count("syn_recv_sock_toa", true);
    } else {
      records[recordOf(at) + RECORD.state] = STATE.untold;
      this.count("syn_recv_sock_no_toa", false);
    }
  }

  /** Lets go of the connection, or ends it if this segment does. */
  private close(at: number, flags: number, side: number, nowTicks: number): void {
    const { connections, records } = this;
    const record = recordOf(at);
    if ((flags & TCP_FLAG.fin) !== 0) records[record + RECORD.closing]! |= side;
    const isOver =
      (flags & TCP_FLAG.rst) !== 0 || records[record + RECORD.closing] === CLOSING.both;
    if (isOver) connections.end(at, nowTicks);
    else connections.release();
  }

  /** @param isTold `reading` has the client. */
  private datagramToServer(isTold: boolean, nowTicks: number): void {
    const { connections, tuple, reversed, reading } = this;
    this.count(isTold ? "uoa_got" : "uoa_none", isTold);
    this.readTuple();
    const expires = (nowTicks + FLOW_SECONDS * TICKS_PER_SECOND) | 0;
    const at = connections.find(tuple, nowTicks);
    if (at >= 0) {
      connections.words[at + CONN.expires] = expires;
      if (isTold) this.writeRecord(recordOf(at), reading.client);
      connections.release();
      return;
    }
    if (!isTold) return;
    reversed.set(tuple);
    reverseTuple(reversed);
    const added = connections.add(tuple, reversed, nowTicks, (words, place) => {
      words[place + CONN.expires] = expires;
      this.writeRecord(recordOf(place), reading.client);
    });
    if (added >= 0) connections.release();
    else this.count("table_full", false);
  }

  private writeRecord(record: number, client: ClientAddress): void {
    const { records } = this;
    records[record + RECORD.state] = STATE.told;
    records[record + RECORD.closing] = 0;
    records[record + RECORD.family] = client.family;
    records[record + RECORD.port] = client.port;
    records.set(client.words, record + RECORD.words);
  }

  private readRecord(record: number, out: ClientAddress): void {
    const { records } = this;
    out.family = records[record + RECORD.family] === 4 ? 4 : 6;
    out.port = records[record + RECORD.port]!;
    for (let i = 0; i < 4; i++) out.words[i] = records[record + RECORD.words + i]!;
  }
}

/** Where the record of the connection at this place lies: places are CONN.words apart. */
function recordOf(at: number): number {
  return Math.floor(at / CONN.words) * RECORD.size;
}

function readSide(words: Int32Array, at: number, port: number): ClientAddress {
  const side = newClientAddress();
  side.words.set(words.subarray(at, at + 4));
  side.port = port;
  if (side.words[0] !== 0 || side.words[1] !== 0 || side.words[2] !== 0xffff) side.family = 6;
  return side;
}

function writeSide(tuple: Int32Array, at: number, { words }: ClientAddress): void {
  for (let i = 0; i < 4; i++) tuple[at + i] = words[i]!;
}
