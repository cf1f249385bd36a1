// What `bench peers` measures of a data plane, one measurement each: a figure, and how much was
// carried for the CPU time that it cost. The programs are those that users would take themselves.
// Main thread.
import { PacketpathError } from "../../../base/errors.js";
import type { NamespaceRef } from "../../../host/types.js";
import { type Peer, sentInVain } from "../../../host/peers/peer.js";
import { runProgram } from "../../../host/peers/programs.js";
import type { Loads } from "../../../load/types.js";

/** Where the measurements are taken. */
export interface Ground {
  readonly client: NamespaceRef;
  readonly server: NamespaceRef;
  readonly loads: Loads;
  /** Length of each measurement that has one. */
  readonly seconds: number;
}

/** What one measurement found. */
export interface Figure {
  readonly value: number;
  /** Bytes of payload and packets carried meanwhile; 0 where it is not the point. */
  readonly bytes: number;
  readonly packets: number;
  /**
   * TCP segments sent again, but not those that had arrived the first time; datagrams, echoes or
   * requests lost; null where nobody counts.
   */
  readonly lost: number | null;
  /** TCP segments sent again that had arrived: the sender was impatient. */
  readonly inVain: number;
}

export interface Measure {
  readonly name: string;
  readonly what: string;
  readonly unit: string;
  readonly betterIs: "more" | "less";
  /** Programs that it needs. */
  readonly needs: readonly string[];
  run(ground: Ground, peer: Peer): Promise<Figure>;
}

export const IPERF_PORT = 5201;
export const HTTP_PORT = 8080;
const HELD_REQUESTS = 3000;
const HELD_PORT = 8081;
const ECHOES = 20_000;
const SMALL_BYTES = 64;
/** Beyond its own length, before a program counts as hung. */
const PATIENCE_MS = 30_000;

interface IperfEnd {
  readonly error?: string;
  readonly end?: {
    readonly sum_sent?: { readonly retransmits?: number };
    readonly sum_received?: { readonly bytes: number; readonly bits_per_second: number };
    readonly sum?: {
      readonly packets: number;
      readonly lost_packets: number;
      readonly seconds: number;
      readonly bytes: number;
    };
  };
}

async function iperf(ground: Ground, peer: Peer, words: readonly string[]): Promise<IperfEnd> {
  const { client, seconds } = ground;
  const line = ["iperf3", "-J", "-c", peer.serverAddress, "-p", String(IPERF_PORT)];
  const options = { namespace: client, timeoutMs: seconds * 1000 + PATIENCE_MS };
  const text = await runProgram([...line, "-t", String(seconds), ...words], options);
  const answer = JSON.parse(text) as IperfEnd;
  if (answer.error !== undefined) throw new PacketpathError("ENVIRONMENT", answer.error);
  return answer;
}

function tcp(name: string, what: string, words: readonly string[]): Measure {
  return {
    name,
    what,
    unit: "Gb/s",
    betterIs: "more",
    needs: ["iperf3"],
    run: async (ground, peer) => {
      const { client, server } = ground;
      const before = sentInVain(client) + sentInVain(server);
      const { end } = await iperf(ground, peer, words);
      const received = end?.sum_received;
      if (received === undefined) throw unreadable("iperf3");
      const again = end?.sum_sent?.retransmits ?? null;
      const inVain = Math.min(again ?? 0, sentInVain(client) + sentInVain(server) - before);
      const lost = again === null ? null : again - inVain;
      const value = received.bits_per_second / 1e9;
      return { value, bytes: received.bytes, packets: 0, lost, inVain };
    },
  };
}

function unreadable(program: string): PacketpathError {
  return new PacketpathError("ENVIRONMENT", `${program}: its answer cannot be read`);
}

const smallUdp: Measure = {
  name: "udp-64",
  what: `UDP datagrams of ${SMALL_BYTES} bytes, as many as go, received`,
  unit: "k/s",
  betterIs: "more",
  needs: ["iperf3"],
  run: async (ground, peer) => {
    const { end } = await iperf(ground, peer, ["-u", "-b", "0", "-l", String(SMALL_BYTES)]);
    const sum = end?.sum;
    if (sum === undefined) throw unreadable("iperf3");
    const packets = sum.packets - sum.lost_packets;
    const value = packets / sum.seconds / 1e3;
    return { value, bytes: packets * SMALL_BYTES, packets, lost: sum.lost_packets, inVain: 0 };
  },
};

const floodPing: Measure = {
  name: "ping-flood",
  what: `round trip of ${ECHOES} echoes, one after the other`,
  unit: "ms",
  betterIs: "less",
  needs: ["ping"],
  run: async ({ client }, peer) => {
    const words = ["ping", "-f", "-q", "-c", String(ECHOES), peer.serverAddress];
    const text = await runProgram(words, { namespace: client, timeoutMs: PATIENCE_MS });
    const counts = /(\d+) packets transmitted, (\d+) received/.exec(text);
    const average = / = [\d.]+\/([\d.]+)\//.exec(text);
    if (counts === null || average === null) throw unreadable("ping");
    const received = Number(counts[2]);
    const lost = Number(counts[1]) - received;
    return { value: Number(average[1]), bytes: 0, packets: 2 * received, lost, inVain: 0 };
  },
};

const wrk: Measure = {
  name: "wrk",
  what: "HTTP requests on 64 connections that stay open",
  unit: "k/s",
  betterIs: "more",
  needs: ["wrk"],
  run: async ({ client, seconds }, peer) => {
    const url = `http://${peer.serverAddress}:${HTTP_PORT}/`;
    const words = ["wrk", "-t", "1", "-c", "64", "-d", `${seconds}s`, url];
    const timeoutMs = seconds * 1000 + PATIENCE_MS;
    const text = await runProgram(words, { namespace: client, timeoutMs });
    const rate = /Requests\/sec:\s+([\d.]+)/.exec(text);
    if (rate === null) throw unreadable("wrk");
    return { value: Number(rate[1]) / 1e3, bytes: 0, packets: 0, lost: null, inVain: 0 };
  },
};

const heldRequests: Measure = {
  name: "requests-3000",
  what: `${HELD_REQUESTS} HTTP requests, all in flight at once, to the last answer`,
  unit: "s",
  betterIs: "less",
  needs: [],
  run: async ({ client, server, loads }, peer) => {
    const handle = loads.startHttp({
      client,
      server,
      serverAddress: peer.serverAddress,
      serverPort: HELD_PORT,
      requests: HELD_REQUESTS,
      holdUntilInFlight: HELD_REQUESTS,
      concurrency: 0,
      timeoutMs: PATIENCE_MS,
      bodyBytes: 256,
    });
    const result = await handle.done;
    const lost = result.sent - result.ok;
    return { value: result.seconds, bytes: 0, packets: 0, lost, inVain: 0 };
  },
};

/** In the order of a round. */
export const MEASURES: readonly Measure[] = [
  tcp("tcp-1", "TCP, one stream, client to server", []),
  tcp("tcp-1-back", "TCP, one stream, server to client", ["-R"]),
  tcp("tcp-4", "TCP, four streams, client to server", ["-P", "4"]),
  tcp("tcp-4-back", "TCP, four streams, server to client", ["-P", "4", "-R"]),
  smallUdp,
  floodPing,
  wrk,
  heldRequests,
];
