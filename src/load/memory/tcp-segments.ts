// Sending and receiving the segments of one connection: the state machine of tcp.ts, which owns
// the tables and timers. Stack threads only.
import { ERRNO } from "../../base/errno.js";
import { PAYLOAD_AT } from "./ip-stack.js";
import { RTO_MIN_MS, STATE, TIME_WAIT_MS } from "./tcp-connection.js";
import type { Connection, TcpLayer } from "./tcp-connection.js";
import { ACK, FIN, PSH, RST, SYN, TCP_HLEN, get16, get32, put16, put32 } from "./wire.js";

const { ECONNREFUSED, ECONNRESET } = ERRNO;

const OPTION_MSS_BYTES = 4;
const INITIAL_WINDOW_SEGMENTS = 10;
const DUPLICATE_ACKS = 3;
const SEGMENTS_PER_CALL_MAX = 128;

/** SYN from SYN_SENT, SYN-ACK from SYN_RECEIVED; again for a retransmission. */
export function sendSyn(tcp: TcpLayer, c: Connection): void {
  const flags = c.state === STATE.synReceived ? SYN | ACK : SYN;
  tcp.writeHeader(c, c.sndUna, c.state === STATE.synReceived ? c.rcvNxt : 0, flags);
  const { bytes } = tcp.ip;
  put16(bytes, PAYLOAD_AT + 12, 0x6000 | flags);
  put32(bytes, PAYLOAD_AT + TCP_HLEN, 0x02040000 | c.mss);
  if (c.sndNxt === c.sndUna) {
    c.sndNxt = (c.sndUna + 1) | 0;
    c.sndMax = c.sndNxt;
    c.timedSeq = c.sndUna;
    c.timedAtMs = tcp.nowMs;
  }
  tcp.armTimer(c);
  c.needsAck = false;
  tcp.sendBuilt(c, TCP_HLEN + OPTION_MSS_BYTES);
}

/** A segment that only acknowledges. */
export function sendAck(tcp: TcpLayer, c: Connection): void {
  c.needsAck = false;
  tcp.sendControl(c, c.sndNxt, c.rcvNxt, ACK);
}

/** Sends what the windows allow, the FIN with the last byte. */
export function sendSegments(tcp: TcpLayer, c: Connection): void {
  for (let i = 0; i < SEGMENTS_PER_CALL_MAX; i++) {
    const flight = (c.sndNxt - c.sndUna) | 0;
    const sent = (c.sndNxt - c.dataSeq) | 0;
    const left = c.data.length - sent;
    // `left` is -1 once the FIN is out.
    if (left < 0 || (left === 0 && !c.isEnding)) break;
    const room = Math.min(c.cwnd, c.sndWnd) - flight;
    // A closed window is probed by the timer, which sets sndNxt back; hence "flight > 0".
    if (room <= 0 && flight > 0) break;
    if (c.finAcked) break;
    const size = Math.min(left, c.mss, Math.max(room, 1));
    sendSegment(tcp, c, sent, size);
  }
}

function sendSegment(tcp: TcpLayer, c: Connection, from: number, size: number): void {
  const isLast = from + size === c.data.length;
  const withFin = isLast && c.isEnding;
  const flags = ACK | (isLast && size > 0 ? PSH : 0) | (withFin ? FIN : 0);
  tcp.writeHeader(c, c.sndNxt, c.rcvNxt, flags);
  const { bytes } = tcp.ip;
  const at = PAYLOAD_AT + TCP_HLEN;
  for (let i = 0; i < size; i++) bytes[at + i] = c.data[from + i]!;
  c.needsAck = false;
  const isRetransmission = ((c.sndMax - c.sndNxt) | 0) > 0;
  if (isRetransmission) {
    tcp.countRetransmit();
  } else if (c.timedAtMs === 0) {
    c.timedSeq = c.sndNxt;
    c.timedAtMs = tcp.nowMs;
  }
  c.sndNxt = (c.sndNxt + size + (withFin ? 1 : 0)) | 0;
  if (((c.sndNxt - c.sndMax) | 0) > 0) c.sndMax = c.sndNxt;
  if (c.deadlineMs === 0) tcp.armTimer(c);
  tcp.sendBuilt(c, TCP_HLEN + size);
}

/** Handles one segment of a connection (RFC 9293, 3.10.7). */
export function input(tcp: TcpLayer, c: Connection, at: number, size: number): void {
  if (c.state === STATE.closed) return;
  const { bytes } = tcp.ip;
  const headerBytes = (bytes[at + 12]! >> 4) * 4;
  if (headerBytes < TCP_HLEN || headerBytes > size) return;
  const flags = bytes[at + 13]!;
  const sequence = get32(bytes, at + 4);
  const acknowledged = get32(bytes, at + 8);
  if ((flags & RST) !== 0) {
    inputReset(tcp, c, flags, sequence, acknowledged);
    return;
  }
  if (c.state === STATE.synSent) {
    inputSynSent(tcp, c, at, headerBytes);
    return;
  }
  if ((flags & SYN) !== 0) {
    // The first SYN of a new connection, or one that comes again because our answer was lost.
    if (c.state !== STATE.synReceived) tcp.ackLater(c);
    else {
      learnMss(tcp, c, at, headerBytes);
      sendSyn(tcp, c);
    }
    return;
  }
  if ((flags & ACK) === 0) return;
  c.sndWnd = get16(bytes, at + 14);
  if (c.state === STATE.synReceived) {
    if (acknowledged !== c.sndNxt) return;
    open(tcp, c, acknowledged);
    c.owner.connected(c);
    if (isClosed(c)) return;
  }
  const dataBytes = size - headerBytes;
  inputAck(tcp, c, acknowledged, dataBytes === 0 && (flags & FIN) === 0);
  inputData(tcp, c, { sequence, at: at + headerBytes, size: dataBytes, fin: flags & FIN });
  if (isClosed(c)) return;
  if (c.state === STATE.open) sendSegments(tcp, c);
  leave(tcp, c);
}

// Through a call, since owners may abort a connection while they are told of it.
function isClosed(c: Connection): boolean {
  return c.state === STATE.closed;
}

function inputReset(
  tcp: TcpLayer,
  c: Connection,
  flags: number,
  sequence: number,
  acknowledged: number,
): void {
  if (c.state === STATE.synSent) {
    if ((flags & ACK) !== 0 && acknowledged === c.sndNxt) tcp.finish(c, ECONNREFUSED);
    return;
  }
  // A reset must fall on the next expected byte (RFC 5961); others are old or forged.
  if (sequence !== c.rcvNxt) return;
  const isOver = c.state === STATE.timeWait || (c.finReceived && c.isEnding);
  tcp.finish(c, isOver ? 0 : ECONNRESET);
}

function inputSynSent(tcp: TcpLayer, c: Connection, at: number, headerBytes: number): void {
  const { bytes } = tcp.ip;
  const flags = bytes[at + 13]!;
  const acknowledged = get32(bytes, at + 8);
  if ((flags & (SYN | ACK)) !== (SYN | ACK)) return;
  if (acknowledged !== c.sndNxt) {
    tcp.sendControl(c, acknowledged, 0, RST);
    return;
  }
  c.rcvNxt = (get32(bytes, at + 4) + 1) | 0;
  c.sndWnd = get16(bytes, at + 14);
  learnMss(tcp, c, at, headerBytes);
  open(tcp, c, acknowledged);
  tcp.ackLater(c);
  c.owner.connected(c);
}

function open(tcp: TcpLayer, c: Connection, acknowledged: number): void {
  sampleRtt(tcp, c, acknowledged);
  c.state = STATE.open;
  c.sndUna = acknowledged;
  c.cwnd = INITIAL_WINDOW_SEGMENTS * c.mss;
  c.retries = 0;
  c.deadlineMs = 0;
}

function learnMss(tcp: TcpLayer, c: Connection, at: number, headerBytes: number): void {
  const { bytes } = tcp.ip;
  for (let i = at + TCP_HLEN; i + 4 <= at + headerBytes;) {
    const kind = bytes[i]!;
    if (kind === 0) return;
    if (kind === 2 && bytes[i + 1] === OPTION_MSS_BYTES) {
      c.mss = Math.max(64, Math.min(c.mss, get16(bytes, i + 2)));
      return;
    }
    i += kind === 1 ? 1 : Math.max(2, bytes[i + 1]!);
  }
}

function inputAck(tcp: TcpLayer, c: Connection, acknowledged: number, isPure: boolean): void {
  const advance = (acknowledged - c.sndUna) | 0;
  if (advance < 0 || ((acknowledged - c.sndMax) | 0) > 0) return;
  if (advance === 0) {
    if (isPure && ((c.sndNxt - c.sndUna) | 0) > 0) duplicateAck(tcp, c);
    return;
  }
  sampleRtt(tcp, c, acknowledged);
  c.sndUna = acknowledged;
  if (((c.sndNxt - acknowledged) | 0) < 0) c.sndNxt = acknowledged;
  let dataBytes = (acknowledged - c.dataSeq) | 0;
  if (dataBytes > c.data.length) {
    c.finAcked = true;
    dataBytes = c.data.length;
  }
  if (dataBytes > 0) {
    c.data = c.data.subarray(dataBytes);
    c.dataSeq = (c.dataSeq + dataBytes) | 0;
  }
  c.cwnd += c.cwnd < c.ssthresh ? Math.min(advance, c.mss) : Math.ceil((c.mss * c.mss) / c.cwnd);
  c.dupAcks = 0;
  c.retries = 0;
  if (c.srttMs > 0) c.rtoMs = Math.max(RTO_MIN_MS, c.srttMs + 4 * c.rttvarMs);
  if (c.sndUna === c.sndMax) c.deadlineMs = 0;
  else tcp.armTimer(c);
}

// Fast retransmit: the receiver keeps nothing out of order, so all from sndUna on goes again.
function duplicateAck(tcp: TcpLayer, c: Connection): void {
  c.dupAcks++;
  if (c.dupAcks !== DUPLICATE_ACKS) return;
  c.ssthresh = Math.max(((c.sndNxt - c.sndUna) | 0) >> 1, 2 * c.mss);
  c.cwnd = c.ssthresh;
  c.sndNxt = c.sndUna;
  c.timedAtMs = 0;
  sendSegments(tcp, c);
}

function sampleRtt(tcp: TcpLayer, c: Connection, acknowledged: number): void {
  if (c.timedAtMs === 0 || ((acknowledged - c.timedSeq) | 0) <= 0) return;
  // Karn: a handshake that was retransmitted is not a sample.
  if (c.retries === 0) {
    const rtt = Math.max(1, tcp.nowMs - c.timedAtMs);
    if (c.srttMs === 0) {
      c.srttMs = rtt;
      c.rttvarMs = rtt / 2;
    } else {
      c.rttvarMs += (Math.abs(c.srttMs - rtt) - c.rttvarMs) / 4;
      c.srttMs += (rtt - c.srttMs) / 8;
    }
  }
  c.timedAtMs = 0;
}

function inputData(
  tcp: TcpLayer,
  c: Connection,
  segment: { sequence: number; at: number; size: number; fin: number },
): void {
  if (segment.size === 0 && segment.fin === 0) return;
  const skip = (c.rcvNxt - segment.sequence) | 0;
  if (skip < 0 || skip > segment.size || c.finReceived) {
    // Not what comes next: say what does. At once, since three of these mean a loss.
    sendAck(tcp, c);
    return;
  }
  const size = segment.size - skip;
  tcp.ackLater(c);
  if (size > 0) {
    c.rcvNxt = (c.rcvNxt + size) | 0;
    c.owner.received(c, tcp.ip.bytes, segment.at + skip, size);
    if (isClosed(c)) return;
  }
  if (segment.fin !== 0) {
    c.rcvNxt = (c.rcvNxt + 1) | 0;
    c.finReceived = true;
    // Again: an answer to the data may have gone out since, and it did not cover the FIN.
    tcp.ackLater(c);
    c.owner.ended(c);
  }
}

/** Ends a connection whose both directions have ended. */
function leave(tcp: TcpLayer, c: Connection): void {
  if (!c.finReceived || !c.finAcked || c.state !== STATE.open) return;
  if (c.needsAck) sendAck(tcp, c);
  c.state = STATE.timeWait;
  c.deadlineMs = tcp.nowMs + TIME_WAIT_MS;
  // The owner need not wait for what only protects later connections.
  const owner = c.owner;
  c.owner = NOBODY;
  owner.closed(c, 0);
}

const NOBODY = {
  connected(): void {},
  received(): void {},
  ended(): void {},
  closed(): void {},
};
