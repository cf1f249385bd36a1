// What a TCP connection is, and what the segment code (tcp-segments.ts) asks of the layer that
// owns tables and timers (tcp.ts). Stack threads only.
import type { IpStack } from "./ip-stack.js";

export const STATE = { closed: 0, synSent: 1, synReceived: 2, open: 3, timeWait: 4 } as const;

export const RTO_MIN_MS = 200;
/** Linux waits 60 s. Nothing of an old connection lives longer than a queue here. */
export const TIME_WAIT_MS = 500;

/** The two ends of a connection. */
export interface Ends {
  readonly localIp: number;
  readonly localPort: number;
  readonly remoteIp: number;
  readonly remotePort: number;
}

/** What the user of a connection is told. `connection.owner` may be changed at any time. */
export interface Owner {
  connected(connection: Connection): void;
  /** Bytes in order; valid until the call returns. */
  received(connection: Connection, bytes: Uint8Array, at: number, size: number): void;
  /** The peer will send no more. */
  ended(connection: Connection): void;
  /** The connection is over. errno 0: both directions ended in order. Called once. */
  closed(connection: Connection, errno: number): void;
}

/** One connection. Sequence numbers are signed 32 bits and compared by difference. */
export interface Connection extends Ends {
  owner: Owner;
  state: number;
  mss: number;
  /** Bytes from `dataSeq` on that the peer has not acknowledged. */
  data: Uint8Array;
  dataSeq: number;
  /** The application has said that it will send no more. */
  isEnding: boolean;
  finAcked: boolean;
  finReceived: boolean;
  sndUna: number;
  sndNxt: number;
  /** Highest sndNxt so far: what is sent below it is a retransmission. */
  sndMax: number;
  sndWnd: number;
  rcvNxt: number;
  cwnd: number;
  ssthresh: number;
  dupAcks: number;
  /** 0 = the timer is off. */
  deadlineMs: number;
  rtoMs: number;
  retries: number;
  srttMs: number;
  rttvarMs: number;
  /** Start of the segment being timed, and when it was sent; 0 = none is. */
  timedSeq: number;
  timedAtMs: number;
  needsAck: boolean;
}

/** The layer below a connection. */
export interface TcpLayer {
  readonly ip: IpStack;
  readonly nowMs: number;
  /** Writes the fixed header at PAYLOAD_AT. */
  writeHeader(ends: Ends, sequence: number, acknowledged: number, flags: number): void;
  /** Completes the checksum of the segment at PAYLOAD_AT and sends it. */
  sendBuilt(ends: Ends, size: number): void;
  /** Sends a segment without data. */
  sendControl(ends: Ends, sequence: number, acknowledged: number, flags: number): void;
  /** Has an ACK sent after this burst, unless data carries it before. */
  ackLater(connection: Connection): void;
  armTimer(connection: Connection): void;
  countRetransmit(): void;
  /** Takes a connection out of the tables and tells its owner. */
  finish(connection: Connection, errno: number): void;
}
