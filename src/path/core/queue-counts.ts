// Changing a device's real queue counts (net/core/dev.c: netif_set_real_num_tx_queues and its
// kin). Under RTNL; each function answers 0 or a negative errno.
import { type Addr, ld, NULL, st, tick, trace } from "../../sync/index.js";
import { synchronizeNet } from "../drivers/ops.js";
import { netifCarrierOff, netifCarrierOn } from "./link-watch.js";
import type { Kernel } from "../kernel.js";
import { EVENT, SITE } from "../trace-events.js";
import { DEV, isUp, NETREG, QDISC, TXQ, txq, XPS_IDS, XPS_LEN } from "./netdevice.js";
import { netifRunning } from "./netdevice.js";

const EINVAL = 22;

/**
 * netif_set_real_num_tx_queues(): 0 and more than were allocated are refused. A smaller count is
 * published first, then a grace period lets packets with an old index finish, then the queues
 * beyond it are reset and the XPS entries to them removed. The order is the whole point.
 */
export function netifSetRealNumTxQueues(k: Kernel, dev: Addr, count: number): number {
  const m = k.m;
  if (count < 1 || count > ld(m, dev + DEV.numTxQueues)) return -EINVAL;
  const old = ld(m, dev + DEV.realNumTxQueues);
  if (ld(m, dev + DEV.regState) === NETREG.unregistering && count > old) {
    trace(m, EVENT.growAfterUnregister, dev, count, old);
    return -EINVAL;
  }
  st(m, dev + DEV.realNumTxQueues, count);
  trace(m, EVENT.setRealTx, dev, count, old);
  if (count < old) {
    synchronizeNet(k);
    qdiscResetAllTxGt(k, dev, count);
    netifResetXpsQueuesGt(k, dev, count);
  }
  return 0;
}

/** qdisc_reset_all_tx_gt(): the queues from `from` on are emptied. */
function qdiscResetAllTxGt(k: Kernel, dev: Addr, from: number): void {
  const count = ld(k.m, dev + DEV.numTxQueues);
  for (let i = from; i < count; i++) {
    tick(k.m, SITE.walk, dev, i, 0, 0);
    if (ld(k.m, txq(dev, i) + TXQ.qdisc) === QDISC.real) st(k.m, txq(dev, i) + TXQ.ringLen, 0);
  }
  trace(k.m, EVENT.resetQueues, dev, from, 0);
}

/** netif_reset_xps_queues_gt(): map entries at or above `from` are taken out. */
export function netifResetXpsQueuesGt(k: Kernel, dev: Addr, from: number): void {
  const m = k.m;
  for (let list = 0; list < 2 * XPS_IDS; list++) {
    const at = dev + DEV.xps + list * (1 + XPS_LEN);
    const length = ld(m, at);
    let kept = 0;
    for (let i = 0; i < length; i++) {
      const queue = ld(m, at + 1 + i);
      if (queue < from) st(m, at + 1 + kept++, queue);
    }
    if (kept !== length) st(m, at, kept);
  }
}

/** netif_set_real_num_rx_queues(). */
export function netifSetRealNumRxQueues(k: Kernel, dev: Addr, count: number): number {
  if (count < 1 || count > ld(k.m, dev + DEV.numTxQueues)) return -EINVAL;
  st(k.m, dev + DEV.realNumRxQueues, count);
  return 0;
}

/** netif_set_real_num_queues(): increases first and decreases last, since those cannot fail. */
export function netifSetRealNumQueues(k: Kernel, dev: Addr, tx: number, rx: number): number {
  const growTx = tx > ld(k.m, dev + DEV.realNumTxQueues);
  const growRx = rx > ld(k.m, dev + DEV.realNumRxQueues);
  let err = 0;
  if (growTx) err = netifSetRealNumTxQueues(k, dev, tx);
  if (err === 0 && growRx) err = netifSetRealNumRxQueues(k, dev, rx);
  if (err === 0 && !growRx) err = netifSetRealNumRxQueues(k, dev, rx);
  if (err === 0 && !growTx) err = netifSetRealNumTxQueues(k, dev, tx);
  return err;
}

/** `ethtool -L` on a veth (veth_set_channels): both ends lose their carrier during the change. */
export function vethSetChannels(k: Kernel, dev: Addr, tx: number, rx: number): number {
  const peer = ld(k.m, dev + DEV.peer);
  const running = netifRunning(k, dev);
  if (running) {
    netifCarrierOff(k, dev);
    if (peer !== NULL) netifCarrierOff(k, peer);
  }
  const err = netifSetRealNumQueues(k, dev, tx, rx);
  if (running) {
    if (peer === NULL || isUp(k, peer)) netifCarrierOn(k, dev);
    if (peer !== NULL) netifCarrierOn(k, peer);
  }
  return err;
}

/** netdev_set_tc_queue() and netdev_set_num_tc(): one traffic class and its queues. */
export function netdevSetTcQueue(
  k: Kernel,
  dev: Addr,
  tc: number,
  queues: { offset: number; count: number },
): void {
  st(k.m, dev + DEV.tcToTxq + 2 * tc, queues.offset);
  st(k.m, dev + DEV.tcToTxq + 2 * tc + 1, queues.count);
  if (ld(k.m, dev + DEV.numTc) <= tc) st(k.m, dev + DEV.numTc, tc + 1);
}

/**
 * __tun_detach() without closing (TUNSETQUEUE, IFF_DETACH_QUEUE): the last file is swapped into the
 * hole, its old place cleared, the count reduced, a grace period, then the real count. The request
 * for 0 real queues is refused, so the last detach leaves a count of 1 and nobody attached.
 */
export function tunDetach(k: Kernel, dev: Addr, index: number): number {
  const m = k.m;
  const last = ld(m, dev + DEV.numQueues) - 1;
  if (index < 0 || index > last) return -EINVAL;
  st(m, txq(dev, index) + TXQ.tfile, ld(m, txq(dev, last) + TXQ.tfile));
  st(m, txq(dev, last) + TXQ.tfile, NULL);
  st(m, dev + DEV.numQueues, last);
  synchronizeNet(k);
  netifSetRealNumTxQueues(k, dev, last);
  netifSetRealNumRxQueues(k, dev, last);
  return 0;
}

/** tun_attach(): one more file, then one more real queue. */
export function tunAttach(k: Kernel, dev: Addr): number {
  const m = k.m;
  const index = ld(m, dev + DEV.numQueues);
  if (index >= ld(m, dev + DEV.numTxQueues)) return -EINVAL;
  st(m, txq(dev, index) + TXQ.tfile, 1 + index);
  st(m, dev + DEV.numQueues, index + 1);
  netifSetRealNumTxQueues(k, dev, index + 1);
  return netifSetRealNumRxQueues(k, dev, index + 1);
}
