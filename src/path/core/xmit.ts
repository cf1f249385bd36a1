// __dev_queue_xmit (net/core/dev.c): from a packet with an output device to the driver's
// ndo_start_xmit. Runs on any CPU; run to completion. The order matters more than anything else in
// this room: the queue is chosen BEFORE the qdisc pointer and IFF_UP are looked at, so whatever
// makes those safe during unregister comes too late for the choice.
import {
  type Addr,
  CPU,
  cpuBlock,
  ld,
  rcuReadLock,
  rcuReadUnlock,
  smpProcessorId,
  spinLock,
  spinUnlock,
  st,
  tally,
  trace,
} from "../../sync/index.js";
import type { Kernel } from "../kernel.js";
import { EVENT } from "../trace-events.js";
import { XMIT } from "../verdict.js";
import { ndoStartXmit } from "../drivers/ops.js";
import { DEV, isUp, PRIV, QDISC, QDISC_DEACTIVATED, QUEUE_STATE, TXQ, txq } from "./netdevice.js";
import { netdevCorePickTx, PICK_FAULT } from "./pick-tx.js";
import type { Skb } from "./skb.js";

/** dev_queue_xmit(): transmits skb on skb.dev; answers what became of it (XMIT). */
export function devQueueXmit(k: Kernel, skb: Skb): number {
  rcuReadLock(k.m);
  const verdict = devQueueXmitRcu(k, skb);
  rcuReadUnlock(k.m);
  return verdict;
}

function devQueueXmitRcu(k: Kernel, skb: Skb): number {
  const dev = skb.dev;
  const index = netdevCorePickTx(k, dev, skb);
  if (index === PICK_FAULT) return XMIT["queue-count-fault"];
  // _tx[] has num_tx_queues entries until free_netdev, so the queue exists whatever the count is.
  const queue = txq(dev, index);
  const qdisc = ld(k.m, queue + TXQ.qdisc);
  if (qdisc !== QDISC.noqueue) return devXmitSkb(k, skb, queue, qdisc);
  return xmitNoqueue(k, skb, queue);
}

/** __dev_xmit_skb(): the qdisc's enqueue op. noop_qdisc has one: it frees the packet. */
function devXmitSkb(k: Kernel, skb: Skb, queue: Addr, qdisc: number): number {
  const m = k.m;
  if (qdisc === QDISC.noop) {
    if (k.profile.noopCountsTxDropped) tally(m, skb.dev + DEV.txDropped);
    return XMIT["noop-qdisc"];
  }
  if ((ld(m, queue + TXQ.qdiscState) & QDISC_DEACTIVATED) !== 0) {
    return XMIT["qdisc-deactivated"];
  }
  if (xmitStopped(k, queue)) return XMIT["queue-stopped"];
  return devHardStartXmit(k, skb, queue);
}

// The branch for devices without a queueing discipline. Each test is reached only by those.
function xmitNoqueue(k: Kernel, skb: Skb, queue: Addr): number {
  const m = k.m;
  const dev = skb.dev;
  const cpu = smpProcessorId();
  if (!isUp(k, dev)) {
    tally(m, dev + DEV.txDropped);
    return XMIT["device-down"];
  }
  if (ld(m, queue + TXQ.xmitLockOwner) === cpu + 1) return deadLoop(k, dev);
  const recursion = cpuBlock(cpu) + CPU.xmitRecursion;
  // The counter is this CPU's own. Strictly greater: 9 nested transmits pass where the limit is 8.
  const depth = ld(m, recursion);
  if (depth > k.profile.xmitRecursionLimit) return deadLoop(k, dev);
  if (xmitStopped(k, queue)) {
    trace(m, EVENT.asksToQueue, dev, 0, 0);
    return XMIT["queue-stopped"];
  }
  st(m, recursion, depth + 1);
  const verdict = devHardStartXmit(k, skb, queue);
  st(m, recursion, depth);
  return verdict;
}

function deadLoop(k: Kernel, dev: Addr): number {
  trace(k.m, EVENT.deadLoop, dev, 0, 0);
  tally(k.m, dev + DEV.txDropped);
  return XMIT["dead-loop"];
}

/** netif_xmit_stopped(). */
function xmitStopped(k: Kernel, queue: Addr): boolean {
  const stopped = QUEUE_STATE.drvXoff | QUEUE_STATE.stackXoff;
  return (ld(k.m, queue + TXQ.state) & stopped) !== 0;
}

/** HARD_TX_LOCK and dev_hard_start_xmit(): LLTX drivers take no lock and never set an owner. */
function devHardStartXmit(k: Kernel, skb: Skb, queue: Addr): number {
  const m = k.m;
  if ((ld(m, skb.dev + DEV.privFlags) & PRIV.lltx) !== 0) return ndoStartXmit(k, skb);
  spinLock(m, queue + TXQ.xmitLock);
  st(m, queue + TXQ.xmitLockOwner, smpProcessorId() + 1);
  const verdict = ndoStartXmit(k, skb);
  st(m, queue + TXQ.xmitLockOwner, 0);
  spinUnlock(m, queue + TXQ.xmitLock);
  return verdict;
}

/** Return value of dev_queue_xmit for a device that is not up, as user space would see it. */
export function notUpErrno(k: Kernel): "ENETDOWN" | "ENOMEM" {
  return k.profile.notUpReturn;
}
