// TCP for the memory backend's namespaces: small, and right where it must be (RFC 9293, with the
// retransmission timer of RFC 6298 and the congestion control of RFC 5681). Stack threads only.
//
// Kept simple on purpose: a segment that does not come next is not kept but answered with a
// duplicate ACK, so a loss costs a window's retransmission, never correctness; no window scaling,
// no SACK, no urgent data; the application takes what arrives at once, so the window is constant.
import { ERRNO } from "../../base/errno.js";
import type { MemoryHostSide } from "../../host/memory/host-side.js";
import { PAYLOAD_AT, type IpStack, type Upper } from "./ip-stack.js";
import { STATE, type Connection, type Ends, type Owner, type TcpLayer } from "./tcp-connection.js";
import { input, sendAck, sendSegments, sendSyn } from "./tcp-segments.js";
import { RST, get16, put16, put32, sum16, pseudoSum, fold, get32, ACK } from "./wire.js";
import { IPPROTO_TCP, SYN, TCP_HLEN } from "./wire.js";

const { ECONNRESET, ENETUNREACH, ETIMEDOUT } = ERRNO;

/** TCP_TIMEOUT_INIT, TCP_RTO_MAX, tcp_syn_retries, tcp_retries2 of Linux. */
const RTO_INITIAL_MS = 1000;
const RTO_MAX_MS = 120_000;
const SYN_RETRIES = 6;
const DATA_RETRIES = 15;
const PORT_FIRST = 32768;
const PORT_LAST = 60999;
/** Connections that one listener may have in SYN_RECEIVED: the backlog of the linux load. */
const BACKLOG = 4096;

interface Listener {
  readonly accept: (connection: Connection) => Owner;
  inHandshake: number;
}

export class Tcp implements Upper, TcpLayer {
  readonly ip: IpStack;
  nowMs = 0;
  private readonly side: MemoryHostSide;
  private readonly namespace: number;
  private readonly listeners = new Map<number, Listener>();
  /** By remote address, then by both ports. */
  private readonly table = new Map<number, Map<number, Connection>>();
  private readonly all = new Set<Connection>();
  private acks: Connection[] = [];
  private nextPort = PORT_FIRST;
  private nextIss = 0x7fff0000;

  constructor(ip: IpStack, side: MemoryHostSide, namespace: number) {
    this.ip = ip;
    this.side = side;
    this.namespace = namespace;
    ip.upper = this;
  }

  get connectionCount(): number {
    return this.all.size;
  }

  /** @param accept called for each connection that completes its handshake. */
  listen(port: number, accept: (connection: Connection) => Owner): void {
    this.listeners.set(port, { accept, inHandshake: 0 });
  }

  unlisten(port: number): void {
    this.listeners.delete(port);
  }

  isListening(port: number): boolean {
    return this.listeners.has(port);
  }

  /** Begins a connection; without a route it fails at once (`closed` with ENETUNREACH). */
  connect(remoteIp: number, remotePort: number, owner: Owner): Connection {
    const route = this.ip.route(remoteIp);
    const localPort = this.ephemeralPort(remoteIp, remotePort);
    const connection = this.create({
      owner,
      localIp: route?.source ?? 0,
      localPort,
      remoteIp,
      remotePort,
      state: STATE.synSent,
    });
    if (route === null) {
      this.finish(connection, ENETUNREACH);
      return connection;
    }
    connection.mss = this.ip.mss(route);
    sendSyn(this, connection);
    return connection;
  }

  /** Queues bytes; `end` closes this direction after them. */
  send(connection: Connection, bytes: Uint8Array, end: boolean): void {
    if (connection.isEnding || connection.state === STATE.closed) return;
    if (connection.data.length === 0) {
      connection.data = bytes;
    } else {
      const joined = new Uint8Array(connection.data.length + bytes.length);
      joined.set(connection.data);
      joined.set(bytes, connection.data.length);
      connection.data = joined;
    }
    connection.isEnding = end;
    if (connection.state === STATE.open) sendSegments(this, connection);
  }

  /** Ends a connection with a reset; its owner is not told. */
  abort(connection: Connection): void {
    if (connection.state === STATE.closed) return;
    if (connection.state !== STATE.timeWait) {
      this.sendControl(connection, connection.sndNxt, connection.rcvNxt, RST | ACK);
    }
    this.remove(connection);
  }

  /** Sends the ACKs that no data carried. Call it after each burst of received frames. */
  flushAcks(): void {
    if (this.acks.length === 0) return;
    const acks = this.acks;
    this.acks = [];
    for (const connection of acks) {
      if (connection.needsAck && connection.state !== STATE.closed) sendAck(this, connection);
    }
  }

  ackLater(connection: Connection): void {
    if (connection.needsAck) return;
    connection.needsAck = true;
    this.acks.push(connection);
  }

  /** Timers of all connections; every 20 ms or so. */
  tick(nowMs: number): void {
    this.nowMs = nowMs;
    for (const connection of this.all) {
      if (connection.deadlineMs === 0 || nowMs < connection.deadlineMs) continue;
      if (connection.state === STATE.timeWait) this.finish(connection, 0);
      else this.timeout(connection);
    }
  }

  private timeout(connection: Connection): void {
    const isHandshake = connection.state !== STATE.open;
    connection.retries++;
    if (connection.retries > (isHandshake ? SYN_RETRIES : DATA_RETRIES)) {
      this.finish(connection, ETIMEDOUT);
      return;
    }
    connection.rtoMs = Math.min(connection.rtoMs * 2, RTO_MAX_MS);
    connection.timedAtMs = 0;
    connection.dupAcks = 0;
    if (connection.retries > 1) this.ip.confirm(connection.remoteIp);
    if (isHandshake) {
      this.countRetransmit();
      sendSyn(this, connection);
      return;
    }
    const flight = (connection.sndNxt - connection.sndUna) | 0;
    connection.ssthresh = Math.max(flight >> 1, 2 * connection.mss);
    connection.cwnd = connection.mss;
    connection.sndNxt = connection.sndUna;
    sendSegments(this, connection);
    this.armTimer(connection);
  }

  /** Upper: a neighbor does not answer. Connections that wait for it fail, as in Linux. */
  unreachable(target: number): void {
    const errno = this.ip.errnoOf(target);
    for (const connection of [...(this.table.get(target)?.values() ?? [])]) {
      if (connection.state === STATE.synSent) this.finish(connection, errno);
    }
  }

  /** Upper: a TCP segment has arrived. */
  tcp(source: number, target: number, at: number, size: number, isTrusted: boolean): void {
    const { bytes } = this.ip;
    if (size < TCP_HLEN) return;
    if (!isTrusted) {
      const sum = sum16(bytes, at, size) + pseudoSum(source, target, IPPROTO_TCP, size);
      if (fold(sum) !== 0) return;
    }
    const sourcePort = get16(bytes, at);
    const targetPort = get16(bytes, at + 2);
    const key = targetPort * 65536 + sourcePort;
    let connection = this.table.get(source)?.get(key);
    const flags = bytes[at + 13]!;
    if (connection !== undefined && connection.state === STATE.timeWait && flags === SYN) {
      this.finish(connection, 0);
      connection = undefined;
    }
    connection ??= this.accept({ source, target, sourcePort, targetPort, flags, at });
    if (connection !== undefined) input(this, connection, at, size);
    else if ((flags & RST) === 0) this.refuse(source, target, at, size);
  }

  private accept(segment: {
    source: number;
    target: number;
    sourcePort: number;
    targetPort: number;
    flags: number;
    at: number;
  }): Connection | undefined {
    const listener = this.listeners.get(segment.targetPort);
    if (listener === undefined || (segment.flags & (SYN | ACK | RST)) !== SYN) return undefined;
    const owner = new Handshake(this, listener);
    const connection = this.create({
      owner,
      localIp: segment.target,
      localPort: segment.targetPort,
      remoteIp: segment.source,
      remotePort: segment.sourcePort,
      state: STATE.synReceived,
    });
    listener.inHandshake++;
    if (listener.inHandshake > BACKLOG) {
      this.side.count(this.namespace, "listenOverflows", 1);
      this.side.count(this.namespace, "listenDrops", 1);
      this.finish(connection, ECONNRESET);
      return connection;
    }
    const route = this.ip.route(segment.source, segment.target);
    if (route !== null) connection.mss = this.ip.mss(route);
    connection.rcvNxt = (get32(this.ip.bytes, segment.at + 4) + 1) | 0;
    return connection;
  }

  // RFC 9293, 3.10.7.1: a reset for what belongs to no connection.
  private refuse(source: number, target: number, at: number, size: number): void {
    const { bytes } = this.ip;
    const flags = bytes[at + 13]!;
    const from = { localIp: target, localPort: get16(bytes, at + 2) };
    const to = { remoteIp: source, remotePort: get16(bytes, at) };
    if ((flags & ACK) !== 0) {
      this.sendControl({ ...from, ...to }, get32(bytes, at + 8), 0, RST);
      return;
    }
    const length = size - (bytes[at + 12]! >> 4) * 4 + ((flags & SYN) !== 0 ? 1 : 0);
    this.sendControl({ ...from, ...to }, 0, (get32(bytes, at + 4) + length) | 0, RST | ACK);
  }

  sendControl(ends: Ends, sequence: number, acknowledged: number, flags: number): void {
    this.writeHeader(ends, sequence, acknowledged, flags);
    this.sendBuilt(ends, TCP_HLEN);
  }

  writeHeader(ends: Ends, sequence: number, acknowledged: number, flags: number): void {
    const { bytes } = this.ip;
    put16(bytes, PAYLOAD_AT, ends.localPort);
    put16(bytes, PAYLOAD_AT + 2, ends.remotePort);
    put32(bytes, PAYLOAD_AT + 4, sequence);
    put32(bytes, PAYLOAD_AT + 8, acknowledged);
    put16(bytes, PAYLOAD_AT + 12, 0x5000 | flags);
    put16(bytes, PAYLOAD_AT + 14, 65535);
    put32(bytes, PAYLOAD_AT + 16, 0);
  }

  sendBuilt(ends: Ends, size: number): void {
    const { bytes } = this.ip;
    const pseudo = pseudoSum(ends.localIp, ends.remoteIp, IPPROTO_TCP, size);
    put16(bytes, PAYLOAD_AT + 16, fold(sum16(bytes, PAYLOAD_AT, size) + pseudo));
    const found = this.ip.route(ends.remoteIp, ends.localIp);
    if (found === null) return;
    // The route may lead over another device than the one that has the address.
    const route = { via: found.via, source: ends.localIp };
    this.ip.sendIp(route, ends.remoteIp, IPPROTO_TCP, size);
  }

  armTimer(connection: Connection): void {
    connection.deadlineMs = this.nowMs + connection.rtoMs;
  }

  countRetransmit(): void {
    this.side.count(this.namespace, "retransmittedSegments", 1);
  }

  finish(connection: Connection, errno: number): void {
    if (connection.state === STATE.closed) return;
    this.remove(connection);
    connection.owner.closed(connection, errno);
  }

  private remove(connection: Connection): void {
    connection.state = STATE.closed;
    const peers = this.table.get(connection.remoteIp);
    const key = connection.localPort * 65536 + connection.remotePort;
    if (peers?.get(key) === connection) peers.delete(key);
    this.all.delete(connection);
  }

  private create(from: Ends & { readonly owner: Owner; readonly state: number }): Connection {
    const iss = this.nextIss;
    this.nextIss = (this.nextIss + 64_019) | 0;
    const connection: Connection = {
      ...from,
      mss: 536,
      data: EMPTY,
      dataSeq: (iss + 1) | 0,
      isEnding: false,
      finAcked: false,
      finReceived: false,
      sndUna: iss,
      sndNxt: iss,
      sndMax: iss,
      sndWnd: 65535,
      rcvNxt: 0,
      cwnd: 0,
      ssthresh: 0x7fffffff,
      dupAcks: 0,
      deadlineMs: 0,
      rtoMs: RTO_INITIAL_MS,
      retries: 0,
      srttMs: 0,
      rttvarMs: 0,
      timedSeq: 0,
      timedAtMs: 0,
      needsAck: false,
    };
    let peers = this.table.get(from.remoteIp);
    if (peers === undefined) this.table.set(from.remoteIp, (peers = new Map()));
    peers.set(from.localPort * 65536 + from.remotePort, connection);
    this.all.add(connection);
    return connection;
  }

  private ephemeralPort(remoteIp: number, remotePort: number): number {
    const peers = this.table.get(remoteIp);
    for (let tries = PORT_FIRST; tries <= PORT_LAST; tries++) {
      const port = this.nextPort;
      this.nextPort = port === PORT_LAST ? PORT_FIRST : port + 1;
      if (peers?.has(port * 65536 + remotePort) !== true) return port;
    }
    return PORT_FIRST;
  }
}

const EMPTY = new Uint8Array(0);

/** Owner of a connection until its handshake is complete. */
class Handshake implements Owner {
  private readonly tcp: Tcp;
  private readonly listener: Listener;

  constructor(tcp: Tcp, listener: Listener) {
    this.tcp = tcp;
    this.listener = listener;
  }

  connected(connection: Connection): void {
    this.listener.inHandshake--;
    if (this.tcp.isListening(connection.localPort)) {
      connection.owner = this.listener.accept(connection);
    } else {
      this.tcp.abort(connection);
    }
  }

  received(): void {}

  ended(): void {}

  closed(): void {
    this.listener.inHandshake--;
  }
}
