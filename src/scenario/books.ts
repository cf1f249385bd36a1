// The books of a run: every frame that a worker read is accounted for once. Read after the workers
// have stopped, when their counters are exact. Main thread.
import { DROP, DROP_REASONS } from "../base/drop-reasons.js";
import type { FrameBooks, RunReport } from "../report/types.js";
import { type CounterBlocks, PORT_COUNTER } from "../sync/counters.js";
import { CPU, cpuBlock, type Mem } from "../sync/memory.js";

export interface Books {
  readonly total: RunReport["frames"];
  readonly ports: RunReport["ports"];
}

interface PortName {
  readonly name: string;
  readonly number: number;
  readonly kind: string;
}

/**
 * @param lost workers that were terminated: the frame that one had in hand has no counter yet.
 * @param lockedUp those of them that locked up.
 */
export function closeBooks(
  counters: CounterBlocks,
  m: Mem,
  ports: readonly PortName[],
  ended: { readonly lost: ReadonlySet<number>; readonly lockedUp: ReadonlySet<number> },
): Books {
  const inHand = framesInHand(m, ended);
  const perPort = ports.map((port) => ({ ...port, ...bookOf(counters, port.number, inHand) }));
  const total = perPort.reduce(addBooks, emptyBook());
  const balanced = perPort.every(isBalanced) && isBalanced(total);
  return { total: { ...total, balanced }, ports: perPort };
}

/** Frames that terminated workers had in hand or held: how many of each input port, by reason. */
function framesInHand(
  m: Mem,
  ended: { readonly lost: ReadonlySet<number>; readonly lockedUp: ReadonlySet<number> },
): Map<number, Record<string, number>> {
  const inHand = new Map<number, Record<string, number>>();
  for (const worker of ended.lost) {
    const block = cpuBlock(worker);
    const reason = ended.lockedUp.has(worker) ? "held-by-lockup" : "stopped";
    for (const [port, count] of [
      [m[block + CPU.inHandPort]!, m[block + CPU.inHand]!],
      [m[block + CPU.heldPort]!, m[block + CPU.heldFrames]!],
    ] as const) {
      if (count === 0) continue;
      const reasons = inHand.get(port) ?? {};
      reasons[reason] = (reasons[reason] ?? 0) + count;
      inHand.set(port, reasons);
    }
  }
  return inHand;
}

function bookOf(
  counters: CounterBlocks,
  port: number,
  inHand: ReadonlyMap<number, Record<string, number>>,
): FrameBooks {
  const sum = (index: number) => counters.sum(port, index);
  const drops: Record<string, number> = { ...inHand.get(port) };
  for (const [name] of DROP_REASONS) {
    const count = sum(PORT_COUNTER.drops + DROP[name]);
    if (count > 0) drops[name] = (drops[name] ?? 0) + count;
  }
  const cloned = sum(PORT_COUNTER.cloned);
  return {
    in: sum(PORT_COUNTER.rx) + cloned,
    out: sum(PORT_COUNTER.sent),
    cloned,
    drops,
    injected: sum(PORT_COUNTER.injected),
  };
}

function emptyBook(): FrameBooks {
  return { in: 0, out: 0, cloned: 0, drops: {}, injected: 0 };
}

function addBooks(a: FrameBooks, b: FrameBooks): FrameBooks {
  const drops: Record<string, number> = { ...a.drops };
  for (const [name, count] of Object.entries(b.drops)) drops[name] = (drops[name] ?? 0) + count;
  return {
    in: a.in + b.in,
    out: a.out + b.out,
    cloned: a.cloned + b.cloned,
    drops,
    injected: a.injected + b.injected,
  };
}

/** in = out + drops + injected. */
export function isBalanced(book: FrameBooks): boolean {
  const dropped = Object.values(book.drops).reduce((sum, count) => sum + count, 0);
  return book.in === book.out + dropped + book.injected;
}

/** Drops by which a fault decides the fate of a frame. */
const FAULT_DROPS = [
  "no-vport",
  "guard",
  "noop-qdisc",
  "qdisc-deactivated",
  "device-down",
  "queue-stopped",
  "no-peer",
  "peer-not-ready",
  "backlog-flushed",
  "tun-no-queue",
  "tun-full-ring",
  "tx-gone",
  "tx-down",
  "tx-refused",
  "rx-unpublished",
] as const;

/** Frames of all ports that ended in a way only a fault brings about. */
export function faultDrops(counters: CounterBlocks, ports: readonly PortName[]): number {
  let total = 0;
  for (const port of ports) {
    for (const name of FAULT_DROPS) {
      total += counters.sum(port.number, PORT_COUNTER.drops + DROP[name]);
    }
  }
  return total;
}

/** Frames that went through these ports in either direction. */
export function portTraffic(counters: CounterBlocks, ports: readonly number[]): number {
  let total = 0;
  for (const port of ports) {
    total += counters.sum(port, PORT_COUNTER.rx) + counters.sum(port, PORT_COUNTER.tx);
  }
  return total;
}
