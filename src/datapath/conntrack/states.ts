// What a packet does to the state of its connection, and for how long the connection then lives
// (Open vSwitch 3.1, lib/conntrack-tcp.c, conntrack-other.c, conntrack-icmp.c, conntrack-tp.c).
// Pure functions over numbers; each worker, per tracked packet. Sequence numbers are not watched: a
// TCP segment outside the window counts as any other.
import { IP_PROTO } from "../../wire/ipv4.js";
import { TCP_FLAG } from "../../wire/transport.js";

/** States of one end of a TCP connection; names as ovs-dpctl prints them, in their order. */
export const TCP_STATES = [
  ...["CLOSED", "LISTEN", "SYN_SENT", "SYN_RECV", "ESTABLISHED", "CLOSE_WAIT", "FIN_WAIT_1"],
  ...["CLOSING", "LAST_ACK", "FIN_WAIT_2", "TIME_WAIT"],
] as const;
const CLOSED = 0;
const SYN_SENT = 2;
const ESTABLISHED = 4;
const CLOSING = 7;
const FIN_WAIT_2 = 9;
const TIME_WAIT = 10;

/** Seconds that a connection lives without a packet (ct_dpif_netdev_tp_def). */
const SECONDS = {
  tcpFirst: 30,
  tcpOpening: 30,
  tcpEstablished: 24 * 60 * 60,
  tcpClosing: 15 * 60,
  tcpFinWait: 45,
  tcpClosed: 30,
  otherFirst: 60,
  otherMultiple: 60,
  otherBothWays: 30,
  icmpFirst: 60,
  icmpReply: 30,
} as const;

/** What a packet is to its connection (OVS ct_update_res). */
export const UPDATE = {
  invalid: 0,
  /** Part of the connection. */
  valid: 1,
  /** Part of it, but nobody answered yet. */
  stillNew: 2,
  /** It begins another connection in the place of this one. */
  reopens: 3,
} as const;

/** The outcome of `updateState`; one object for each worker, overwritten. */
export interface Outcome {
  update: number;
  state: number;
  seconds: number;
}

/** States of the two ends of TCP: of who began, and of the other << 4. */
function endState(state: number, reply: boolean): number {
  return (state >>> (reply ? 4 : 0)) & 15;
}

function pack(source: number, destination: number, reply: boolean): number {
  return reply ? destination | (source << 4) : source | (destination << 4);
}

/** Whether a packet may begin a connection. @param flags of TCP. */
export function mayBegin(protocol: number, flags: number): boolean {
  if (protocol !== IP_PROTO.tcp) return true;
  const synAck = TCP_FLAG.syn | TCP_FLAG.ack;
  return !hasBadFlags(flags) && (flags & synAck) !== synAck;
}

/** State and life time of a connection that begins. */
export function firstState(protocol: number, outcome: Outcome): void {
  const isTcp = protocol === IP_PROTO.tcp;
  const isIcmp = protocol === IP_PROTO.icmp || protocol === IP_PROTO.icmpv6;
  outcome.state = isTcp ? SYN_SENT : 0;
  outcome.seconds = isTcp ? SECONDS.tcpFirst : isIcmp ? SECONDS.icmpFirst : SECONDS.otherFirst;
}

/** A packet of a connection comes. @param reply it goes against the direction of the first. */
export function updateState(
  protocol: number,
  state: number,
  reply: boolean,
  flags: number,
  outcome: Outcome,
): void {
  if (protocol === IP_PROTO.tcp) updateTcp(state, reply, flags, outcome);
  else if (protocol === IP_PROTO.icmp || protocol === IP_PROTO.icmpv6) {
    const answered = reply || state === 1;
    outcome.state = answered ? 1 : 0;
    outcome.update = answered ? UPDATE.valid : UPDATE.stillNew;
    outcome.seconds = answered ? SECONDS.icmpReply : SECONDS.icmpFirst;
  } else {
    const bothWays = reply || state === 2;
    outcome.state = bothWays ? 2 : 1;
    outcome.update = bothWays ? UPDATE.valid : UPDATE.stillNew;
    outcome.seconds = bothWays ? SECONDS.otherBothWays : SECONDS.otherMultiple;
  }
}

function updateTcp(state: number, reply: boolean, flags: number, outcome: Outcome): void {
  let source = endState(state, reply);
  let destination = endState(state, !reply);
  outcome.state = state;
  outcome.seconds = 0;
  outcome.update = UPDATE.invalid;
  if (hasBadFlags(flags)) return;
  if ((flags & (TCP_FLAG.syn | TCP_FLAG.ack)) === TCP_FLAG.syn) {
    if (source >= FIN_WAIT_2 && destination >= FIN_WAIT_2) {
      outcome.state = CLOSED;
      outcome.update = UPDATE.reopens;
      return;
    }
    if (source <= SYN_SENT) {
      outcome.state = pack(SYN_SENT, destination, reply);
      outcome.seconds = SECONDS.tcpFirst;
      outcome.update = UPDATE.stillNew;
      return;
    }
  }
  if (source < SYN_SENT) source = SYN_SENT;
  if ((flags & TCP_FLAG.fin) !== 0 && source < CLOSING) source = CLOSING;
  if ((flags & TCP_FLAG.ack) !== 0) {
    if (destination === SYN_SENT) destination = ESTABLISHED;
    else if (destination === CLOSING) destination = FIN_WAIT_2;
  }
  if ((flags & TCP_FLAG.rst) !== 0) source = destination = TIME_WAIT;
  outcome.state = pack(source, destination, reply);
  outcome.seconds = tcpSeconds(Math.min(source, destination), Math.max(source, destination));
  outcome.update = UPDATE.valid;
}

function tcpSeconds(lower: number, higher: number): number {
  if (lower >= FIN_WAIT_2) return SECONDS.tcpClosed;
  if (lower >= CLOSING) return SECONDS.tcpFinWait;
  if (lower < ESTABLISHED) return SECONDS.tcpOpening;
  return higher >= CLOSING ? SECONDS.tcpClosing : SECONDS.tcpEstablished;
}

/** Combinations that no host sends (tcp_invalid_flags). */
function hasBadFlags(flags: number): boolean {
  const { fin, syn, rst, psh, ack, urg } = TCP_FLAG;
  if ((flags & syn) !== 0) {
    if ((flags & (rst | fin)) !== 0) return true;
  } else if ((flags & (ack | rst)) === 0) {
    return true;
  }
  return (flags & ack) === 0 && (flags & (fin | psh | urg)) !== 0;
}
