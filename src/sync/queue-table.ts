// The queue table: which real queues stand behind which port now, in shared memory: one entry per
// port number with the handles of the real queues behind it. The control thread changes it while
// frames flow (a device dies, a device is plugged in again); workers look at the generation once
// per round and take a copy when it has moved. A handle may be closed only when every worker that
// is still alive has acknowledged a generation in which it does not occur: that wait is
// `isSettled`.
import type { Addr, Mem } from "./memory.js";

/** Header words, then one word group per worker, then one entry per port. */
const TABLE = {
  /** Grows by one with each change. Writer: control thread. */
  generation: 0,
  /** 1: all workers come to an end. Writer: main thread. */
  stop: 1,
} as const;
const HEADER_WORDS = 16;

/** Words per worker; a cache line of its own. */
const WORKER = {
  /** Last generation taken over. Writer: the worker. */
  acknowledged: 0,
  /** Not 0: the worker must stand still for so many milliseconds. Writer: main; worker clears. */
  stallMs: 1,
  /** 1: this worker will never acknowledge again (locked up, ended). Writer: main. */
  lost: 2,
} as const;
const WORKER_WORDS = 16;

export const PORT_ENTRY = {
  /** 1: the queues may be read and written. */
  present: 0,
  /** Number of the kind (path's KIND). */
  kind: 1,
  /** Address of the emulated OVS-side device. */
  ovsDev: 2,
  /** Address of the device whose transmit ends at these queues: a veth's peer, else the same. */
  wireDev: 3,
  queues: 4,
  vnetHeaderBytes: 5,
  handles: 8,
} as const;
/** The most queues of a TAP device (MAX_TAP_QUEUES, drivers/net/tun.c). */
export const QUEUES_MAX = 256;
const ENTRY_WORDS = PORT_ENTRY.handles + QUEUES_MAX;

/** A port's entry, copied. */
export interface PortEntry {
  readonly number: number;
  readonly kind: number;
  readonly ovsDev: Addr;
  readonly wireDev: Addr;
  readonly vnetHeaderBytes: number;
  /** One handle per queue; empty for kinds without a real device. */
  readonly handles: readonly number[];
}

export class QueueTable {
  readonly shared: SharedArrayBuffer;
  readonly workers: number;
  readonly ports: number;
  private readonly m: Mem;

  constructor(workers: number, ports: number, shared?: SharedArrayBuffer) {
    this.workers = workers;
    this.ports = ports;
    const words = HEADER_WORDS + workers * WORKER_WORDS + ports * ENTRY_WORDS;
    this.shared = shared ?? new SharedArrayBuffer(words * 4);
    this.m = new Int32Array(this.shared);
  }

  generation(): number {
    return Atomics.load(this.m, TABLE.generation);
  }

  /** Control thread: makes a port's queues known, or replaces them. */
  publish(entry: PortEntry): void {
    const at = this.entry(entry.number);
    Atomics.store(this.m, at + PORT_ENTRY.present, 0);
    Atomics.store(this.m, at + PORT_ENTRY.kind, entry.kind);
    Atomics.store(this.m, at + PORT_ENTRY.ovsDev, entry.ovsDev);
    Atomics.store(this.m, at + PORT_ENTRY.wireDev, entry.wireDev);
    Atomics.store(this.m, at + PORT_ENTRY.vnetHeaderBytes, entry.vnetHeaderBytes);
    Atomics.store(this.m, at + PORT_ENTRY.queues, entry.handles.length);
    for (const [i, handle] of entry.handles.entries()) {
      Atomics.store(this.m, at + PORT_ENTRY.handles + i, handle);
    }
    Atomics.store(this.m, at + PORT_ENTRY.present, 1);
    Atomics.add(this.m, TABLE.generation, 1);
  }

  /** Control thread: takes a port's queues away; answers the generation to wait for. */
  withdraw(port: number): number {
    Atomics.store(this.m, this.entry(port) + PORT_ENTRY.present, 0);
    return Atomics.add(this.m, TABLE.generation, 1) + 1;
  }

  /** The ports that are present now. */
  read(): PortEntry[] {
    const present: PortEntry[] = [];
    for (let port = 0; port < this.ports; port++) {
      const at = this.entry(port);
      if (Atomics.load(this.m, at + PORT_ENTRY.present) === 0) continue;
      const queues = Atomics.load(this.m, at + PORT_ENTRY.queues);
      const first = at + PORT_ENTRY.handles;
      present.push({
        number: port,
        kind: Atomics.load(this.m, at + PORT_ENTRY.kind),
        ovsDev: Atomics.load(this.m, at + PORT_ENTRY.ovsDev),
        wireDev: Atomics.load(this.m, at + PORT_ENTRY.wireDev),
        vnetHeaderBytes: Atomics.load(this.m, at + PORT_ENTRY.vnetHeaderBytes),
        handles: Array.from(this.m.subarray(first, first + queues)),
      });
    }
    return present;
  }

  /** Worker: says that it uses nothing older than `generation` any more. */
  acknowledge(worker: number, generation: number): void {
    Atomics.store(this.m, this.worker(worker) + WORKER.acknowledged, generation);
  }

  /** Whether no living worker can still use what was withdrawn at `generation`. */
  isSettled(generation: number): boolean {
    for (let w = 0; w < this.workers; w++) {
      const at = this.worker(w);
      if (Atomics.load(this.m, at + WORKER.lost) !== 0) continue;
      if (Atomics.load(this.m, at + WORKER.acknowledged) - generation < 0) return false;
    }
    return true;
  }

  /** Whether a worker is lost: then a handle it may have in hand must stay open. */
  anyLost(): boolean {
    for (let w = 0; w < this.workers; w++) {
      if (Atomics.load(this.m, this.worker(w) + WORKER.lost) !== 0) return true;
    }
    return false;
  }

  isLost(worker: number): boolean {
    return Atomics.load(this.m, this.worker(worker) + WORKER.lost) !== 0;
  }

  markLost(worker: number): void {
    Atomics.store(this.m, this.worker(worker) + WORKER.lost, 1);
  }

  requestStop(): void {
    Atomics.store(this.m, TABLE.stop, 1);
  }

  isStopping(): boolean {
    return Atomics.load(this.m, TABLE.stop) !== 0;
  }

  /** Main: makes a worker stand still; worker: takes the request (0 = none). */
  requestStall(worker: number, ms: number): void {
    Atomics.store(this.m, this.worker(worker) + WORKER.stallMs, ms);
  }

  takeStall(worker: number): number {
    const at = this.worker(worker) + WORKER.stallMs;
    return Atomics.load(this.m, at) === 0 ? 0 : Atomics.exchange(this.m, at, 0);
  }

  private worker(worker: number): number {
    return HEADER_WORDS + worker * WORKER_WORDS;
  }

  private entry(port: number): number {
    return HEADER_WORDS + this.workers * WORKER_WORDS + port * ENTRY_WORDS;
  }
}
