// What a load is asked for and what it answers. The load knows nothing of the switch: it lives in
// namespaces, opens sockets there and counts.
import type { NamespaceRef } from "../host/types.js";

/** Words of a load's shared counters (an Int32Array over a SharedArrayBuffer), read by triggers. */
export const LOAD_COUNTER = {
  /** Requests whose connection attempt has begun. Written by the client. */
  sent: 0,
  /** Requests the server is holding or answering now. Written by the server. */
  inFlight: 1,
  /** The greatest `inFlight` so far. Written by the server. */
  maxInFlight: 2,
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
} as const;
export const LOAD_COUNTER_WORDS = 32;

/** HTTP requests from one namespace to a server in another. */
export interface HttpLoadSpec {
  readonly client: NamespaceRef;
  readonly server: NamespaceRef;
  readonly serverAddress: string;
  readonly serverPort: number;
  /** Total number of requests, each on a connection of its own. */
  readonly requests: number;
  /** The server holds every answer until this many are in flight (0: it answers at once). */
  readonly holdUntilInFlight: number;
  /** At most this many at once, from the client's side (0: all). */
  readonly concurrency: number;
  /** A request without an answer for so long has failed with ETIMEDOUT. */
  readonly timeoutMs: number;
  readonly bodyBytes: number;
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
  readonly maxInFlight: number;
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
}

export interface PingSpec {
  readonly client: NamespaceRef;
  readonly targetAddress: string;
  readonly count: number;
  readonly intervalMs: number;
  readonly timeoutMs: number;
}

/** Result of a flood or a ping. */
export interface DatagramResult {
  readonly sent: number;
  readonly received: number;
  readonly errors: Readonly<Record<string, number>>;
  readonly seconds: number;
  readonly latencyMs: LatencyMs | null;
}

/** A load that runs in threads of its own. */
export interface LoadHandle<Result> {
  readonly counters: Int32Array;
  /** Resolves when the load is complete or stopped; rejects only for programmer errors. */
  readonly done: Promise<Result>;
  /** Asks for an early end; `done` resolves within two seconds with what was reached. */
  stop(): void;
}
