// The clock of a switch: runs with real time until it is stopped, and then moves when told to, as
// the clock of an ovs-vswitchd with --enable-dummy does (lib/timeval.c time/stop, time/warp).
// One per switch; the thread that owns the switch.
import { type Clock, realClock } from "../base/clock.js";

export class SwitchClock implements Clock {
  private stoppedAtMs: number | null = null;
  private aheadMs = 0;

  nowMs(): number {
    return this.stoppedAtMs ?? realClock.nowMs() + this.aheadMs;
  }

  get isStopped(): boolean {
    return this.stoppedAtMs !== null;
  }

  /** From now on only `warp` moves time. */
  stop(): void {
    this.stoppedAtMs ??= this.nowMs();
  }

  /** Moves time forward, stopped or not. @param ms 0 or more. */
  warp(ms: number): void {
    if (!(ms >= 0)) throw new RangeError(`time cannot be warped by ${ms} ms`);
    if (this.stoppedAtMs === null) this.aheadMs += ms;
    else this.stoppedAtMs += ms;
  }
}
