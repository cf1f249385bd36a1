// The states of a balanced TCP connection, as fine as time-outs need them. Queue workers; pure.
//
//   opening --server's SYN-ACK--> answered --client's ACK--> established
//      established --FIN of one side--> closing --FIN of the other--> closed; RST: closed at once
//
// A connection that only the client's packets pass (direct routing) is established by the client's
// first ACK, and closed by its FIN.
import { TCP_FLAG } from "../wire/transport.js";
import { TICKS_PER_SECOND } from "./connections.js";

/** Not 0, and the FINs seen as bits on top. */
export const TCP_STATE = { opening: 1, answered: 2, established: 3, closed: 4 } as const;
const STATE_MASK = 7;
export const CLIENT_FIN = 8;
export const SERVER_FIN = 16;

export const STATE_NAMES = ["udp", "opening", "answered", "established", "closed"] as const;

/**
 * Seconds that a connection lives without a packet, by state. As IPVS (ip_vs_proto_tcp.c), whose
 * are: SYN_SENT 120, SYN_RECV 60, ESTABLISHED 900, FIN_WAIT 120, CLOSE 10; less for those that a
 * flood of SYNs could fill the table with.
 */
const SECONDS = { opening: 30, answered: 60, established: 900, closing: 120, closed: 10 } as const;
/** As IPVS's UDP. */
const UDP_SECONDS = 300;

/** The next state after a packet with these flags. @param isServer it came from the server. */
export function nextState(state: number, flags: number, isServer: boolean): number {
  if ((flags & TCP_FLAG.rst) !== 0) return (state & ~STATE_MASK) | TCP_STATE.closed;
  let next = state & STATE_MASK;
  let fins = state & (CLIENT_FIN | SERVER_FIN);
  const isSyn = (flags & TCP_FLAG.syn) !== 0;
  if (isSyn && isServer && next === TCP_STATE.opening) next = TCP_STATE.answered;
  if (!isSyn && !isServer && next < TCP_STATE.established) next = TCP_STATE.established;
  if ((flags & TCP_FLAG.fin) !== 0) fins |= isServer ? SERVER_FIN : CLIENT_FIN;
  if (fins === (CLIENT_FIN | SERVER_FIN)) next = TCP_STATE.closed;
  return next | fins;
}

/** Whether a SYN with this tuple begins a new connection in place of the old one. */
export function mayReopen(state: number): boolean {
  return (state & STATE_MASK) === TCP_STATE.closed;
}

/** How long the connection lives from now on, in ticks. @param state 0: UDP. */
export function lifeTicks(state: number): number {
  if (state === 0) return UDP_SECONDS * TICKS_PER_SECOND;
  const name = STATE_NAMES[state & STATE_MASK]!;
  if (name === "opening" || name === "answered" || name === "closed") {
    return SECONDS[name] * TICKS_PER_SECOND;
  }
  const isClosing = (state & (CLIENT_FIN | SERVER_FIN)) !== 0;
  return (isClosing ? SECONDS.closing : SECONDS.established) * TICKS_PER_SECOND;
}

/** For people: "established", "closing". */
export function stateText(state: number): string {
  const name = STATE_NAMES[state & STATE_MASK] ?? "closed";
  const isClosing = name === "established" && (state & ~STATE_MASK) !== 0;
  return isClosing ? "closing" : name;
}
