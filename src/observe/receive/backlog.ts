// `observe backlog`: a backlog that overflows, on the running kernel, without touching a setting of
// the host. A CPU's backlog is worked off by a softirq, and inside of a write to a TAP there is
// none; so a packet that becomes more than a thousand pieces there fills it. Needs root. Main
// thread; while it writes, it is bound to one CPU.
import { release } from "node:os";
import { eventually } from "../../base/eventually.js";
import { PacketpathError } from "../../base/errors.js";
import { openBackend, openQueueIo } from "../../host/open.js";
import { allowedCpus, onCpu } from "../../host/stimulus/pinned.js";
import {
  forwardInPieces,
  PIECE_BYTES,
  readBacklogLimit,
  readForwardCounters,
} from "../../host/stimulus/pieces.js";
import { readReceiveCounters } from "../../host/tracing/counters.js";
import type { HostBackend, NamespaceRef, QueueIo } from "../../host/types.js";
import { type Claim, claimOf } from "./claims.js";
import { type KernelVersion, kernelVersion } from "./kernel-rules.js";
import { bigPacket, KERNEL } from "./tap-frames.js";

/** One write. */
export interface BacklogRound {
  /** What write(2) returned, and what it was given, in bytes. */
  readonly written: number;
  readonly given: number;
  /** Pieces that the kernel made, and how many of them were received in the end. */
  readonly pieces: number;
  readonly received: number;
  /** By how much the CPU's counter of drops has grown. */
  readonly counted: number;
  /** Packets in the backlog right before; null where the kernel does not say. */
  readonly waiting: number | null;
}

export interface BacklogResult {
  readonly kernel: KernelVersion;
  readonly cpu: number;
  /** net.core.netdev_max_backlog. */
  readonly limit: number;
  readonly claims: readonly Claim[];
  readonly rounds: readonly BacklogRound[];
}

/** Of an IPv4 packet: 65535 bytes, less a header (RFC 791). */
const PIECES_MAX = Math.floor((65_535 - 20) / PIECE_BYTES);
/** So many more than the backlog takes. */
const TOO_MANY = 250;
const TAP_MTU = 65_521;
const WORKED_OFF_MS = 10_000;

/**
 * @param count how often to write, 1 to 100.
 * @throws PacketpathError ENVIRONMENT without root, or where the host's limit cannot be reached.
 */
export async function observeBacklog(count: number, signal: AbortSignal): Promise<BacklogResult> {
  const limit = readBacklogLimit();
  const wanted = piecesFor(limit);
  let backend: HostBackend | undefined;
  let io: QueueIo | undefined;
  try {
    backend = await openBackend("linux");
    const namespace = backend.addNamespace("backlog", { named: false });
    const device = backend.addDevice({ ...DEVICE, namespace });
    forwardInPieces(backend.descriptor(), namespace, "10.9.0.0/16");
    io = await openQueueIo(backend.descriptor());
    const frame = bigPacket("10.9.0.1", wanted * PIECE_BYTES);
    const pool = new SharedArrayBuffer(frame.length);
    io.usePool(pool);
    new Uint8Array(pool).set(frame);
    const cpu = allowedCpus().at(-1)!;
    const queue = device.queues[0]!;
    const write = () => onCpu(cpu, () => io!.write(queue, 0, frame.length));
    const rounds: BacklogRound[] = [];
    while (rounds.length < count && !signal.aborted) {
      const round = await overflow(namespace, cpu, write);
      rounds.push({ ...round, given: frame.length });
    }
    const kernel = kernelVersion(release());
    return { kernel, cpu, limit, claims: backlogClaims(rounds, limit, wanted), rounds };
  } finally {
    io?.close();
    backend?.close();
  }
}

/** @throws PacketpathError ENVIRONMENT where one packet cannot fill the backlog. */
export function piecesFor(limit: number): number {
  const pieces = limit + 1 + TOO_MANY;
  if (pieces <= PIECES_MAX) return pieces;
  const most = PIECES_MAX - 1 - TOO_MANY;
  const message = `net.core.netdev_max_backlog is ${limit}; one packet fills at most ${most}`;
  throw new PacketpathError("ENVIRONMENT", message, {
    fix: "It is the host's own limit and not changed from here; 1000 is the kernel's default.",
  });
}

const DEVICE = {
  name: "tap0",
  mode: "tap",
  queues: 1,
  vnetHeader: false,
  offloads: false,
  mtu: TAP_MTU,
  txQueueLen: 1000,
  mac: KERNEL.mac,
  addresses: [`${KERNEL.ip}/24`],
  gateways: [],
  up: true,
} as const;

/** Writes once, and waits until every piece was received or counted as dropped. */
async function overflow(
  namespace: NamespaceRef,
  cpu: number,
  write: () => number,
): Promise<Omit<BacklogRound, "given">> {
  const before = readForwardCounters(namespace);
  const first = readReceiveCounters(cpu);
  const written = write();
  const look = () => {
    const now = readForwardCounters(namespace);
    const pieces = now.pieces - before.pieces;
    // The packet itself was received, too.
    const received = now.received - before.received - 1;
    const counted = readReceiveCounters(cpu).dropped - first.dropped;
    return { written, pieces, received, counted, waiting: first.waiting };
  };
  return eventually(
    "the backlog to be worked off",
    () => {
      const round = look();
      return written < 0 || round.received + round.counted >= round.pieces ? round : null;
    },
    { timeoutMs: WORKED_OFF_MS },
  );
}

/**
 * A round is undisturbed if nobody else's packets were in the backlog, and nobody else's were
 * dropped from it.
 */
export function backlogClaims(
  rounds: readonly BacklogRound[],
  limit: number,
  wanted: number,
): Claim[] {
  const quiet = rounds.filter(
    ({ waiting, pieces, received, counted }) =>
      (waiting ?? 0) === 0 && counted === pieces - received,
  );
  return [
    claimOf("write() returned all bytes, as if nothing were lost", rounds, (one) => {
      return one.written === one.given;
    }),
    claimOf(`the packet became ${wanted} pieces inside of it`, rounds, ({ pieces }) => {
      return pieces === wanted;
    }),
    claimOf(`the backlog took no more than its limit and one, ${limit + 1}`, rounds, (one) => {
      return one.received <= limit + 1;
    }),
    claimOf("undisturbed, it took exactly so many, and the others were dropped", quiet, (one) => {
      return one.received === limit + 1;
    }),
  ];
}
