// net/sched/sch_generic.c: which qdisc a device's queues point at. Under RTNL; the transmit path
// reads the pointers at any time.
import {
  type Addr,
  cas,
  ld,
  setBits,
  spinLock,
  spinUnlock,
  st,
  tick,
  trace,
  xchg,
} from "../../sync/index.js";
import { synchronizeNet } from "../drivers/ops.js";
import type { Kernel } from "../kernel.js";
import { EVENT, SITE } from "../trace-events.js";
import {
  DEV,
  devHold,
  devPut,
  netifCarrierOk,
  netifRunning,
  PRIV,
  QDISC,
  QDISC_DEACTIVATED,
  TXQ,
  txq,
  WATCHDOG,
} from "./netdevice.js";

/** dev_activate(): real qdiscs, or noqueue; while the carrier is off, noop stays in place. */
export function devActivate(k: Kernel, dev: Addr): void {
  if (!netifCarrierOk(k, dev)) return;
  const noQueue = (ld(k.m, dev + DEV.privFlags) & PRIV.noQueue) !== 0;
  const qdisc = noQueue ? QDISC.noqueue : QDISC.real;
  const count = ld(k.m, dev + DEV.numTxQueues);
  for (let i = 0; i < count; i++) {
    st(k.m, txq(dev, i) + TXQ.qdiscState, 0);
    st(k.m, txq(dev, i) + TXQ.qdisc, qdisc);
  }
  devWatchdogUp(k, dev);
}

/**
 * dev_deactivate_many(): every queue of every device to noop, one grace period for all of them,
 * then the old qdiscs are reset. A packet that had read the old pointer is through by then.
 */
export function devDeactivateMany(k: Kernel, devs: readonly Addr[]): void {
  for (let i = 0; i < devs.length; i++) {
    tick(k.m, SITE.deactivateMany, devs[i]!, i, 0, 0);
    toNoop(k, devs[i]!);
    devWatchdogDown(k, devs[i]!);
    trace(k.m, EVENT.deactivate, devs[i]!, 0, 0);
  }
  synchronizeNet(k);
  for (let i = 0; i < devs.length; i++) trace(k.m, EVENT.deactivated, devs[i]!, 0, 0);
}

function toNoop(k: Kernel, dev: Addr): void {
  const count = ld(k.m, dev + DEV.numTxQueues);
  for (let i = 0; i < count; i++) {
    const queue = txq(dev, i);
    if (ld(k.m, queue + TXQ.qdisc) === QDISC.real) {
      setBits(k.m, queue + TXQ.qdiscState, QDISC_DEACTIVATED);
    }
    st(k.m, queue + TXQ.qdisc, QDISC.noop);
  }
}

/** netdev_watchdog_up(): arms the timer, which has a reference while it is armed. */
function devWatchdogUp(k: Kernel, dev: Addr): void {
  const timer = dev + DEV.watchdog;
  if (ld(k.m, timer) === WATCHDOG.none) return;
  if (xchg(k.m, timer, WATCHDOG.armed) === WATCHDOG.idle) devHold(k, dev);
}

/**
 * dev_watchdog_down(): a timer that runs now does not arm itself again, for the queues are noop.
 */
function devWatchdogDown(k: Kernel, dev: Addr): void {
  const m = k.m;
  const timer = dev + DEV.watchdog;
  if (ld(m, timer) === WATCHDOG.none) return;
  spinLock(m, dev + DEV.txGlobalLock);
  if (cas(m, timer, WATCHDOG.armed, WATCHDOG.idle) === WATCHDOG.armed) devPut(k, dev);
  spinUnlock(m, dev + DEV.txGlobalLock);
}

/**
 * dev_watchdog(), the timer, in softirq: arms itself again as long as the device sends. Looking for
 * queues that have been stopped too long is left out: none of the drivers here has ndo_tx_timeout.
 */
export function devWatchdog(k: Kernel, dev: Addr): void {
  const m = k.m;
  let isReleased = true;
  spinLock(m, dev + DEV.txGlobalLock);
  const sends = !qdiscTxIsNoop(k, dev) && netifRunning(k, dev) && netifCarrierOk(k, dev);
  if (sends && xchg(m, dev + DEV.watchdog, WATCHDOG.armed) === WATCHDOG.idle) isReleased = false;
  spinUnlock(m, dev + DEV.txGlobalLock);
  if (isReleased) devPut(k, dev);
}

function qdiscTxIsNoop(k: Kernel, dev: Addr): boolean {
  const count = ld(k.m, dev + DEV.numTxQueues);
  for (let i = 0; i < count; i++) {
    if (ld(k.m, txq(dev, i) + TXQ.qdisc) !== QDISC.noop) return false;
  }
  return true;
}

/** dev_shutdown(): noop once more, and the qdiscs given back. */
export function devShutdown(k: Kernel, dev: Addr): void {
  toNoop(k, dev);
  trace(k.m, EVENT.devShutdown, dev, 0, 0);
}
