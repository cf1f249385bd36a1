// Counters of the data plane in shared memory: one block per worker, each on cache lines of its
// own, written with plain stores by that worker only. A reader in another thread sees them a little
// late while the worker runs, and exactly once it has stopped. Counts are doubles: exact to 2^53.
import { DROP_REASONS } from "../base/drop-reasons.js";

/** Doubles per port of a block: rx, tx and the rest, then one per drop reason. */
export const PORT_COUNTER = {
  /** Frames read from the port's device. */
  rx: 0,
  rxBytes: 1,
  /** Frames of this input port that left, through any port. */
  sent: 2,
  /** Further copies made of frames of this input port. */
  cloned: 3,
  /** Frames of this input port taken away by an injected in-path fault. */
  injected: 4,
  /** Frames written to this port's device. */
  tx: 5,
  txBytes: 6,
  /** Start of the drops, by index of DROP_REASONS: frames of this input port. */
  drops: 8,
} as const;

const PORT_DOUBLES = 8 * Math.ceil((PORT_COUNTER.drops + DROP_REASONS.length) / 8);

export class CounterBlocks {
  readonly shared: SharedArrayBuffer;
  readonly ports: number;
  private readonly all: Float64Array;

  constructor(workers: number, ports: number, shared?: SharedArrayBuffer) {
    this.ports = ports;
    this.shared = shared ?? new SharedArrayBuffer(workers * ports * PORT_DOUBLES * 8);
    this.all = new Float64Array(this.shared);
  }

  /** The block of one worker; `at(port)` gives a port's first index in it. */
  block(worker: number): Float64Array {
    const doubles = this.ports * PORT_DOUBLES;
    return this.all.subarray(worker * doubles, (worker + 1) * doubles);
  }

  /** Sum over all workers of counter `index` of `port`. */
  sum(port: number, index: number): number {
    let total = 0;
    for (let at = port * PORT_DOUBLES + index; at < this.all.length;) {
      total += this.all[at] as number;
      at += this.ports * PORT_DOUBLES;
    }
    return total;
  }
}

/** Index of a port's counters inside a worker's block. */
export function portCounters(port: number): number {
  return port * PORT_DOUBLES;
}
