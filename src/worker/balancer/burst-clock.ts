// A clock that is read once per burst: time costs as much as a lookup in the exact-match cache, and
// a burst is over in microseconds. One per queue worker.
import type { Clock } from "../../base/clock.js";

export class BurstClock implements Clock {
  private readonly clock: Clock;
  private ms = -1;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  nowMs(): number {
    if (this.ms < 0) this.ms = this.clock.nowMs();
    return this.ms;
  }

  endBurst(): void {
    this.ms = -1;
  }
}
