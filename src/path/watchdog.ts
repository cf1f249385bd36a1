// The arithmetic of the soft-lockup detector (kernel/watchdog.c), free of any clock: the caller
// says what time it is and when the CPU last showed life. The unit is 2^30 ns, as in the kernel,
// which takes the shift for speed; so "22s" are 23.6 s of wall time.

/** 2^30 nanoseconds: what get_timestamp() counts in. */
export const WATCHDOG_UNIT_NS = 1 << 30;

/** get_timestamp(). */
export function watchdogTimestamp(nowNs: number): number {
  return Math.floor(nowNs / WATCHDOG_UNIT_NS);
}

/** Sample period in milliseconds: thresh * 2 / 5 (set_sample_period). 0 = detector off. */
export function samplePeriodMs(watchdogThresh: number): number {
  return (watchdogThresh * 2 * 1000) / 5;
}

/** get_softlockup_thresh(): twice watchdog_thresh, in seconds. */
export function softlockupThresh(watchdogThresh: number): number {
  return watchdogThresh * 2;
}

export interface SoftLockup {
  /** Duration as the message gives it, in 2^30 ns units called seconds. */
  readonly seconds: number;
}

/** State of the detector for one CPU. */
export interface CpuWatch {
  /** watchdog_touch_ts: when the CPU last showed life, in units. */
  touchTs: number;
  /** watchdog_report_ts: start of the current reporting period, in units. */
  reportTs: number;
}

export function newCpuWatch(nowNs: number): CpuWatch {
  const ts = watchdogTimestamp(nowNs);
  return { touchTs: ts, reportTs: ts };
}

/** softlockup_fn(): the CPU showed life. */
export function touch(watch: CpuWatch, nowNs: number): void {
  watch.touchTs = watchdogTimestamp(nowNs);
  watch.reportTs = watch.touchTs;
}

/**
 * watchdog_timer_fn() for one CPU: fires when now > reportTs + 2 * thresh; the reporting period
 * then starts again, so the message repeats about every 2 * thresh with a growing duration.
 */
export function watchdogTick(
  watch: CpuWatch,
  nowNs: number,
  watchdogThresh: number,
): SoftLockup | null {
  const now = watchdogTimestamp(nowNs);
  if (watchdogThresh === 0 || now <= watch.reportTs + softlockupThresh(watchdogThresh)) return null;
  watch.reportTs = now;
  return { seconds: now - watch.touchTs };
}

/** The kernel's line. `comm` and `pid` are those of the interrupted task. */
export function softLockupMessage(cpu: number, seconds: number, comm: string, pid: number): string {
  return `watchdog: BUG: soft lockup - CPU#${cpu} stuck for ${seconds}s! [${comm}:${pid}]`;
}

/** hung_task: only tasks that sleep uninterruptibly (state D) are looked at; a spinner is not. */
export function isHungTask(state: "R" | "S" | "D", blockedSeconds: number, timeout = 120): boolean {
  return state === "D" && timeout !== 0 && blockedSeconds >= timeout;
}
