// net/sched/sch_generic.c: which qdisc a device's queues point at. Under RTNL; the transmit path
// reads the pointers at any time.
import { type Addr, ld, setBits, st, tick, trace } from "../../sync/index.js";
import { synchronizeNet } from "../drivers/ops.js";
import type { Kernel } from "../kernel.js";
import { EVENT, SITE } from "../trace-events.js";
import { DEV, netifCarrierOk, PRIV, QDISC, QDISC_DEACTIVATED, TXQ, txq } from "./netdevice.js";

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
}

/**
 * dev_deactivate_many(): every queue of every device to noop, one grace period for all of them,
 * then the old qdiscs are reset. A packet that had read the old pointer is through by then.
 */
export function devDeactivateMany(k: Kernel, devs: readonly Addr[]): void {
  for (let i = 0; i < devs.length; i++) {
    tick(k.m, SITE.deactivateMany, devs[i]!, i, 0, 0);
    toNoop(k, devs[i]!);
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

/** dev_shutdown(): noop once more, and the qdiscs given back. */
export function devShutdown(k: Kernel, dev: Addr): void {
  toNoop(k, dev);
  trace(k.m, EVENT.devShutdown, dev, 0, 0);
}
