// The net_device_ops of the device kinds, as one table of switches: what ndo_open, ndo_stop,
// ndo_start_xmit and ndo_uninit do. Transmit runs on any CPU in softirq; the others under RTNL.
//
//   kind      carrier at unregister            own selector     reaches
//   veth      off in ndo_stop, both ends       no               its peer
//   dummy     stays on (no ndo_stop)           no               nowhere: counted, freed
//   tun       stays on while a file attached   tun_select_queue the file at the queue
//   bond      off when the last slave leaves   bond_select_queue its active slave
//   macvlan   stays on                         no               the device below
//   vxlan     stays on (driver never touches)  no               the device below
//   ifb       stays on                         no               nowhere: counted, freed
//   internal  never transmits through here: see openvswitch/vport.ts
import { type Addr, ld, NULL, st, synchronizeRcu, tick, trace } from "../../sync/index.js";
import { DEV, isUp, KIND, QUEUE_STATE, TXQ, txq } from "../core/netdevice.js";
import { netifCarrierOff, netifCarrierOn } from "../core/link-watch.js";
import { netifRx } from "../core/backlog.js";
import { devQueueXmit } from "../core/xmit.js";
import type { Skb } from "../core/skb.js";
import { globalWord, KERNEL, type Kernel } from "../kernel.js";
import { EVENT, SITE } from "../trace-events.js";
import { XMIT } from "../verdict.js";

/** ndo_start_xmit of skb.dev; skb.queueMapping is the transmit queue. */
export function ndoStartXmit(k: Kernel, skb: Skb): number {
  switch (ld(k.m, skb.dev + DEV.kind)) {
    case KIND.veth:
      return vethXmit(k, skb);
    case KIND.tun:
      return tunNetXmit(k, skb);
    case KIND.bond:
      return bondXmit(k, skb);
    case KIND.macvlan:
    case KIND.vxlan:
      return lowerXmit(k, skb);
    default:
      return sinkXmit(skb);
  }
}

// dummy_xmit and ifb_xmit: count, free, NETDEV_TX_OK.
function sinkXmit(skb: Skb): number {
  skb.wireDev = skb.dev;
  skb.wireQueue = skb.queueMapping;
  return XMIT.ok;
}

/**
 * veth_xmit(): to the peer's receive side. The queue index is never reduced to the peer's receive
 * queues: there, out of range only means that no NAPI ring is used, and without XDP and GRO none
 * is in any case. Neither here nor in __dev_forward_skb is queue_mapping cleared.
 */
function vethXmit(k: Kernel, skb: Skb): number {
  const m = k.m;
  const peer = ld(m, skb.dev + DEV.peer);
  if (peer === NULL) return XMIT["no-peer"];
  // __dev_forward_skb: is_skb_forwardable.
  if (!isUp(k, peer)) return XMIT["peer-not-ready"];
  const verdict = netifRx(k, peer);
  if (verdict !== XMIT.ok) return verdict;
  skb.onBacklog = true;
  return deliver(skb, peer);
}

function deliver(skb: Skb, target: Addr): number {
  skb.wireDev = target;
  skb.wireQueue = skb.queueMapping;
  return XMIT.ok;
}

/** tun_net_xmit(): the file at the chosen queue, its ring, or a drop with a reason. */
function tunNetXmit(k: Kernel, skb: Skb): number {
  const queue = txq(skb.dev, skb.queueMapping);
  if (ld(k.m, queue + TXQ.tfile) === NULL) return XMIT["tun-no-queue"];
  if (ld(k.m, queue + TXQ.ringLen) >= ld(k.m, skb.dev + DEV.txQueueLen)) {
    return XMIT["tun-full-ring"];
  }
  return deliver(skb, skb.dev);
}

/** bond_start_xmit() in active-backup mode: on through the active slave. */
function bondXmit(k: Kernel, skb: Skb): number {
  const slave = ld(k.m, skb.dev + DEV.lower);
  if (slave === NULL) return XMIT["bond-no-slave"];
  skb.dev = slave;
  return devQueueXmit(k, skb);
}

/** macvlan_queue_xmit(), vxlan_xmit(): on through the device below; without one, into the void. */
function lowerXmit(k: Kernel, skb: Skb): number {
  const lower = ld(k.m, skb.dev + DEV.lower);
  if (lower === NULL) return sinkXmit(skb);
  skb.dev = lower;
  return devQueueXmit(k, skb);
}

/** ndo_open. */
export function ndoOpen(k: Kernel, dev: Addr): void {
  const m = k.m;
  if (ld(m, dev + DEV.kind) === KIND.veth) {
    // veth_open: carrier comes on at both ends when the second of them opens.
    const peer = ld(m, dev + DEV.peer);
    if (peer !== NULL && isUp(k, peer)) {
      netifCarrierOn(k, dev);
      netifCarrierOn(k, peer);
    }
  }
  startQueues(k, dev, 0);
}

/** ndo_stop. Which kinds lose their carrier here decides what the carrier guard is worth. */
export function ndoStop(k: Kernel, dev: Addr): void {
  const m = k.m;
  const kind = ld(m, dev + DEV.kind);
  trace(m, EVENT.ndoStop, dev, 0, 0);
  if (kind === KIND.veth) {
    // veth_close: both ends, but after veth_dellink the peer pointer is NULL already.
    netifCarrierOff(k, dev);
    const peer = ld(m, dev + DEV.peer);
    if (peer !== NULL) netifCarrierOff(k, peer);
  } else if (kind === KIND.tun) startQueues(k, dev, QUEUE_STATE.drvXoff);
}

function startQueues(k: Kernel, dev: Addr, state: number): void {
  const count = ld(k.m, dev + DEV.numTxQueues);
  for (let i = 0; i < count; i++) st(k.m, txq(dev, i) + TXQ.state, state);
}

/**
 * ndo_uninit. tun detaches its files and waits a grace period; a bond releases its slaves, drops
 * the carrier and waits. Both therefore sleep BEFORE the queue count is zeroed, and a work item
 * bound to this CPU usually runs in that sleep.
 */
export function ndoUninit(k: Kernel, dev: Addr): void {
  const m = k.m;
  const kind = ld(m, dev + DEV.kind);
  trace(m, EVENT.ndoUninit, dev, 0, 0);
  if (kind === KIND.tun) {
    const count = ld(m, dev + DEV.numTxQueues);
    for (let i = 0; i < count; i++) st(m, txq(dev, i) + TXQ.tfile, NULL);
    st(m, dev + DEV.numQueues, 0);
    synchronizeNet(k);
  } else if (kind === KIND.bond && ld(m, dev + DEV.lower) !== NULL) {
    st(m, dev + DEV.lower, NULL);
    netifCarrierOff(k, dev);
    synchronizeNet(k);
  }
}

/** synchronize_net(): expedited if RTNL is locked, by whomever. Never stops later packets. */
export function synchronizeNet(k: Kernel): void {
  const expedited = ld(k.m, globalWord(k, KERNEL.rtnl)) !== 0;
  trace(k.m, EVENT.expedited, NULL, expedited ? 1 : 0, 0);
  synchronizeRcu(k.m, expedited);
  trace(k.m, EVENT.gracePeriodEnds, NULL, expedited ? 1 : 0, 0);
}

/** tun: attaches files at queues 0 to count - 1 (TUNSETIFF on each descriptor). RTNL. */
export function tunAttachAll(k: Kernel, dev: Addr, count: number): void {
  for (let i = 0; i < count; i++) {
    tick(k.m, SITE.walk, dev, i, 0, 0);
    st(k.m, txq(dev, i) + TXQ.tfile, 1 + i);
  }
  st(k.m, dev + DEV.numQueues, count);
}
