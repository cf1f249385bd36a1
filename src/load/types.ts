// What a load is asked for and what it answers. The load knows nothing of the switch: it lives in
// namespaces, opens sockets there and counts.
import type { ReceiverMemory } from "../balancer/receiver/toa-receiver.js";
import type { DeviceRef, NamespaceRef } from "../host/types.js";

/** Words of a load's shared counters (an Int32Array over a SharedArrayBuffer), read by triggers. */
export const LOAD_COUNTER = {
  /** Requests whose connection attempt has begun. Written by the client. */
  sent: 0,
  /** Requests the server is holding or answering now. Written by the server. */
  inFlight: 1,
  /** The greatest `inFlight` so far. Written by the server. */
  maxHeld: 2,
  /** Complete, correct responses. Written by the client. */
  ok: 3,
  /** Requests that failed for any reason. Written by the client. */
  failed: 4,
  /** 1 once the server answers what it held. Written by the server. */
  released: 5,
  /** Frames (UDP datagrams, echo requests) sent. Written by the sender. */
  datagramsSent: 6,
  /** 1 asks all threads of the load to finish early. Written by the main thread. */
  stop: 7,
  /** UDP datagrams or echo replies received. Written by the receiver, or by the pinger. */
  datagramsReceived: 8,
  /** Requests whose server knew the client's own address; another one. Written by the servers. */
  clientsSame: 9,
  clientsDifferent: 10,
  /** Most requests at once that were sent and not answered yet. Written by the client. */
  maxInFlight: 11,
  /** 1 once `datagramsSent` is the last word of a flood's sender. Written by the main thread. */
  senderEnded: 12,
} as const;
export const LOAD_COUNTER_WORDS = 32;

/** Keeps the most there ever was in a word of LOAD_COUNTER, which one thread writes. */
export function keepMost(words: Int32Array, word: number, now: number): void {
  if (now > Atomics.load(words, word)) Atomics.store(words, word, now);
}

/** HTTP requests from one namespace to a server in another. */
export interface HttpLoadSpec {
  readonly client: NamespaceRef;
  readonly server: NamespaceRef;
  readonly serverAddress: string;
  readonly serverPort: number;
  /** Total number of requests, each on a connection of its own; 0: until stopped. */
  readonly requests: number;
  /** The server holds every answer until this many are in flight (0: it answers at once). */
  readonly holdUntilInFlight: number;
  /** At most this many at once, from the client's side (0: all). */
  readonly concurrency: number;
  /** A request without an answer for so long has failed with ETIMEDOUT. */
  readonly timeoutMs: number;
  readonly bodyBytes: number;
  /**
   * Milliseconds between the starts of two requests, whatever the answers do (an open loop);
   * absent or 0: as fast as `concurrency` lets them start. Needed when `requests` is 0.
   */
  readonly intervalMs?: number;
  /**
   * Where requests to a load balancer's service end: each of these has a server; `server` is then
   * not looked at. Servers and client check that each server learns the client's own address.
   */
  readonly behind?: readonly { readonly server: NamespaceRef; readonly port: number }[];
  /** Whom the servers ask for their peers' addresses; absent: what their sockets say counts. */
  readonly peers?: ReceiverMemory;
  /** Addresses that connections come from in turn; absent or empty: the kernel chooses. */
  readonly sourceAddresses?: readonly string[];
  /**
   * linux: the server is a process of its own, with descriptors of its own. Of its counters only
   * `maxHeld` is known then, and only in the end.
   */
  readonly serverApart?: boolean;
}

export interface LatencyMs {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export interface HttpLoadResult {
  readonly sent: number;
  readonly ok: number;
  /** By phase and errno: {"connect ETIMEDOUT": 12, "response ECONNRESET": 3}. */
  readonly failed: Readonly<Record<string, number>>;
  /** Most at once on a connection that was there, without the whole answer: the client's count. */
  readonly maxInFlight: number;
  /** Most at once that the servers had and had not answered. */
  readonly maxHeld: number;
  /** Of a balanced load: requests whose server learned the client's address, and another one. */
  readonly clients: { readonly same: number; readonly different: number };
  readonly seconds: number;
  readonly latencyMs: LatencyMs;
  /** Upper bounds (ms) and counts of the latency histogram, for the curve in the report. */
  readonly histogram: readonly { readonly upToMs: number; readonly count: number }[];
}

/** UDP datagrams from one namespace to an address, many flows so that all queues are used. */
export interface UdpFloodSpec {
  readonly client: NamespaceRef;
  readonly targetAddress: string;
  readonly targetPort: number;
  /** Number of source ports, hence flows. */
  readonly flows: number;
  readonly payloadBytes: number;
  /** Datagrams per second over all flows; 0 = as fast as one thread can. */
  readonly ratePerSecond: number;
  /** Where a socket bound to `targetPort` counts what arrives; absent: nobody listens. */
  readonly receiver?: NamespaceRef;
}

export interface PingSpec {
  readonly client: NamespaceRef;
  readonly targetAddress: string;
  /** Number of echo requests; 0: until stopped. */
  readonly count: number;
  readonly intervalMs: number;
  readonly timeoutMs: number;
}

/** Result of a flood or a ping. */
export interface DatagramResult {
  /** Taken by the kernel of the sending namespace. */
  readonly sent: number;
  /** Datagrams at the receiver, or echo replies in time. */
  readonly received: number;
  /** Refused ones by errno, each not in `sent`; of a ping also "ETIMEDOUT", which is in `sent`. */
  readonly errors: Readonly<Record<string, number>>;
  readonly seconds: number;
  readonly latencyMs: LatencyMs | null;
}

/** A load that runs in threads of its own. */
export interface LoadHandle<Result> {
  readonly counters: Int32Array;
  /**
   * Resolves when the load is complete or stopped, whatever became of its requests. Rejects when
   * the load could not begin: PacketpathError ENVIRONMENT (a limit), SYSTEM_CALL (the port is
   * taken, the namespace cannot be entered), or a programmer's error.
   */
  readonly done: Promise<Result>;
  /**
   * Asks for an early end; `done` resolves within two seconds with what was reached, and within
   * ten on a host that keeps the load's threads from running.
   */
  stop(): void;
}

/** A device of a namespace that carries load. Only the memory backend's stack looks at it. */
export interface LoadDevice {
  readonly device: DeviceRef;
  /** CIDR texts. */
  readonly addresses: readonly string[];
}

export interface LoadNamespace {
  readonly namespace: NamespaceRef;
  readonly devices: readonly LoadDevice[];
}

/** All loads of a run; the same shape on both backends. Main thread. */
export interface Loads {
  startHttp(spec: HttpLoadSpec): LoadHandle<HttpLoadResult>;
  /** Runs until `stop`. */
  startFlood(spec: UdpFloodSpec): LoadHandle<DatagramResult>;
  startPing(spec: PingSpec): LoadHandle<DatagramResult>;
  /** Tells a stack of the memory backend its devices after a re-plug; linux needs no telling. */
  devicesChanged(namespace: NamespaceRef, devices: readonly LoadDevice[]): void;
  /** Stops what still runs and resolves when every thread has ended. */
  close(): Promise<void>;
}
