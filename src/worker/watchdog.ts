// The soft-lockup detector over the queue workers; main thread, one timer. A CPU shows life when
// its heartbeat moves, or when it says that it sleeps: an idle worker is not stuck. The arithmetic
// is the kernel's (path/watchdog.ts). A real CPU is never kept from running, a worker thread is, on
// a host with more to do than it has CPUs: that time does not count, or a starved worker would be
// reported as one that spins.
import { nowNs } from "../base/clock.js";
import {
  type CpuWatch,
  newCpuWatch,
  samplePeriodMs,
  softLockupMessage,
  touch,
  watchdogTick,
} from "../path/watchdog.js";
import { CPU, CPU_STATE, cpuBlock, type Mem } from "../sync/memory.js";
import { waitedForCpuNs } from "./thread-id.js";

/** The watchdog looks at least this often, so that a worker's stalls can be drawn. */
const LOOK_MS = 100;
const SUSPICIOUS_NS = 5e8;

export interface LockupNotice {
  readonly worker: number;
  readonly seconds: number;
  readonly message: string;
  /** False for the repeated report of the same lockup. */
  readonly first: boolean;
}

export class Watchdog {
  private readonly m: Mem;
  private readonly watches: CpuWatch[];
  private readonly heartbeats: number[];
  /** When each CPU last showed life, in nanoseconds. */
  private readonly aliveNs: number[];
  /** What each thread had waited for a CPU when it first showed no life; null while it does. */
  private readonly waitedNs: (number | null)[];
  private readonly reported = new Set<number>();
  private readonly thresh: number;
  private readonly onLockup: (notice: LockupNotice) => void;
  private readonly waitedForCpu: (tid: number) => number;
  private timer: NodeJS.Timeout | null = null;
  private nextTickNs = 0;

  /** @param thresh watchdog_thresh in seconds, 0 = off; the lockup shows after twice that. */
  constructor(
    m: Mem,
    workers: number,
    thresh: number,
    onLockup: (notice: LockupNotice) => void,
    waitedForCpu: (tid: number) => number = waitedForCpuNs,
  ) {
    this.m = m;
    this.thresh = thresh;
    this.onLockup = onLockup;
    this.waitedForCpu = waitedForCpu;
    const now = nowNs();
    this.watches = Array.from({ length: workers }, () => newCpuWatch(now));
    this.heartbeats = new Array<number>(workers).fill(-1);
    this.aliveNs = new Array<number>(workers).fill(now);
    this.waitedNs = new Array<number | null>(workers).fill(null);
  }

  start(): void {
    if (this.thresh !== 0) this.timer = setInterval(() => this.look(nowNs()), LOOK_MS);
  }

  stop(): void {
    if (this.timer !== null) clearInterval(this.timer);
  }

  /** Workers found locked up so far. */
  lockedUp(): ReadonlySet<number> {
    return this.reported;
  }

  /**
   * Whether a CPU has shown no life for half a second and is not yet reported: the verdict on it
   * is still to come. False while the detector is off.
   */
  suspects(now: number): boolean {
    if (this.thresh === 0) return false;
    return this.aliveNs.some(
      (aliveNs, worker) => now - aliveNs > SUSPICIOUS_NS && !this.reported.has(worker),
    );
  }

  /** One look at every CPU; tests call it with a time of their own. */
  look(now: number): void {
    const due = now >= this.nextTickNs;
    if (due) this.nextTickNs = now + samplePeriodMs(this.thresh) * 1e6;
    for (const [worker, watch] of this.watches.entries()) {
      const block = cpuBlock(worker);
      const heartbeat = Atomics.load(this.m, block + CPU.heartbeat);
      const state = Atomics.load(this.m, block + CPU.state);
      const sleeps = state === CPU_STATE.idle || state === CPU_STATE.off;
      const stopped = state === CPU_STATE.stopped || state === CPU_STATE.stalled;
      if (heartbeat !== this.heartbeats[worker] || sleeps || stopped) {
        this.heartbeats[worker] = heartbeat;
        this.aliveNs[worker] = now;
        this.waitedNs[worker] = null;
        touch(watch, now);
      } else {
        const waited = this.waitedForCpu(Atomics.load(this.m, block + CPU.tid));
        const before = (this.waitedNs[worker] ??= waited);
        if (due) this.tick(worker, watch, now - Math.max(0, waited - before));
      }
    }
  }

  private tick(worker: number, watch: CpuWatch, now: number): void {
    const lockup = watchdogTick(watch, now, this.thresh);
    if (lockup === null) return;
    const first = !this.reported.has(worker);
    this.reported.add(worker);
    const tid = Atomics.load(this.m, cpuBlock(worker) + CPU.tid);
    const message = softLockupMessage(worker, lockup.seconds, `rxq${worker}`, tid);
    this.onLockup({ worker, seconds: lockup.seconds, message, first });
  }
}
