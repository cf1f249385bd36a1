// What each queue worker was doing, sampled from its state word and kept as bars. Main thread.
import type { LaneSpan } from "../../report/types.js";
import { CPU, CPU_STATE, cpuBlock, type Mem } from "../../sync/memory.js";

const STATE_NAMES: Record<number, string> = {
  [CPU_STATE.off]: "off",
  [CPU_STATE.idle]: "idle",
  [CPU_STATE.forwarding]: "forwarding",
  [CPU_STATE.stalled]: "stalled",
  [CPU_STATE.stopped]: "stopped",
};

/** Changes that come faster than this are drawn as forwarding: a picture, not a log. */
const LEAST_MS = 10;

export class WorkerLanes {
  private readonly m: Mem;
  private readonly workers: number;
  private readonly current: { state: string; fromMs: number }[];
  private readonly spans: LaneSpan[] = [];
  private lastLookMs = 0;

  constructor(m: Mem, workers: number) {
    this.m = m;
    this.workers = workers;
    this.current = Array.from({ length: workers }, () => ({ state: "off", fromMs: 0 }));
  }

  look(atMs: number): void {
    if (atMs - this.lastLookMs < LEAST_MS) return;
    this.lastLookMs = atMs;
    for (let worker = 0; worker < this.workers; worker++) {
      const code = Atomics.load(this.m, cpuBlock(worker) + CPU.state);
      this.change(worker, STATE_NAMES[code] ?? "off", atMs);
    }
  }

  private change(worker: number, state: string, atMs: number): void {
    const current = this.current[worker]!;
    if (current.state === state) return;
    this.close(worker, atMs);
    this.current[worker] = { state, fromMs: atMs };
  }

  private close(worker: number, toMs: number): void {
    const { state, fromMs } = this.current[worker]!;
    if (state !== "off" && toMs > fromMs) {
      this.spans.push({ lane: `rxq${worker}`, fromMs, toMs, state });
    }
  }

  /** All bars. @param hangs when the endless selection of a worker began, by worker name. */
  finish(endMs: number, hangs: ReadonlyMap<string, number>): LaneSpan[] {
    for (let worker = 0; worker < this.workers; worker++) {
      const begin = hangs.get(`rxq${worker}`);
      if (begin !== undefined) this.change(worker, "spinning", Math.max(begin, 0));
      this.close(worker, endMs);
    }
    // A hang begins between two looks: whatever was drawn past its beginning is cut off there.
    return this.spans.flatMap((span) => {
      const begin = hangs.get(span.lane);
      if (begin === undefined || span.state === "spinning" || span.toMs <= begin) return [span];
      return span.fromMs < begin ? [{ ...span, toMs: begin }] : [];
    });
  }
}
