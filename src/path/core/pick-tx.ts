// Choosing a transmit queue (net/core/dev.c: netdev_core_pick_tx and what it calls). Runs on any
// CPU inside the RCU read section of the transmit path; reads the real queue count five times.
// This is where the lockup happens: with a recorded receive queue and a count of 0, the subtract
// loop of skb_tx_hash never ends. It is written as the kernel has it, without a way out.
import { type Addr, ld, NULL, smpProcessorId, st, tally, tick, trace } from "../../sync/index.js";
import { NO_QUEUE_MAPPING, SOCK, type Kernel } from "../kernel.js";
import { hashLoopPatched } from "../guards.js";
import { EVENT, SITE } from "../trace-events.js";
import { DEV, SELECTOR, XPS_IDS, XPS_LEN } from "./netdevice.js";
import { type Skb, skbGetRxQueue, skbRxQueueRecorded } from "./skb.js";

/** netdev_core_pick_tx() answers a queue index, or this: the driver's selector faulted. */
export const PICK_FAULT = -1;
/** Messages of netdev_cap_txqueue that are let through per device (net_ratelimit). */
const CAP_WARNINGS_MAX = 10;

/**
 * netdev_core_pick_tx(): the transmit queue of a packet. The selection is skipped if and only if
 * the real count is exactly 1; at 0 it runs. Overwrites skb.queueMapping with the index, which
 * destroys the receive hint.
 */
export function netdevCorePickTx(k: Kernel, dev: Addr, skb: Skb): number {
  if (skb.senderCpu === 0) skb.senderCpu = smpProcessorId() + 1;
  skb.picks++;
  if (skbRxQueueRecorded(skb)) skb.hinted++;
  let queueIndex = 0;
  const count = ld(k.m, dev + DEV.realNumTxQueues);
  if (count !== 1) {
    if (count === 0) notePickAtZero(k, dev, skb);
    const selected = ndoSelectQueue(k, dev, skb);
    if (selected === PICK_FAULT) return PICK_FAULT;
    queueIndex = netdevCapTxqueue(k, dev, selected, skb);
  }
  skb.queueMapping = queueIndex;
  return queueIndex;
}

// For observers only. The line is printed before the loop, because after it there is no "after".
function notePickAtZero(k: Kernel, dev: Addr, skb: Skb): void {
  skb.picksAtZero++;
  const event = skbRxQueueRecorded(skb) ? EVENT.brokenDevice : EVENT.pickAtZero;
  trace(k.m, event, dev, skb.queueMapping, skb.len);
}

function ndoSelectQueue(k: Kernel, dev: Addr, skb: Skb): number {
  switch (ld(k.m, dev + DEV.selector)) {
    case SELECTOR.tun:
      return tunSelectQueue(k, dev, skb);
    case SELECTOR.bond:
      return bondSelectQueue(k, dev, skb);
    case SELECTOR.cpuModulo:
      return devPickTxCpuId(k, dev);
    default:
      return netdevPickTx(k, dev, skb);
  }
}

/** netdev_pick_tx(): the socket's cached queue, else XPS, else the hash. */
export function netdevPickTx(k: Kernel, dev: Addr, skb: Skb): number {
  const sk = skb.sk;
  const cached = skTxQueueGet(k, sk);
  if (cached >= 0 && !skb.oooOkay && cached < ld(k.m, dev + DEV.realNumTxQueues)) {
    return cached;
  }
  const xps = getXpsQueue(k, dev, skb);
  const selected = xps >= 0 ? xps : skbTxHash(k, dev, dev, skb);
  // Only a full socket with a cached dst remembers. Kernels before 6.19 write only a change;
  // later ones write always, because the write also refreshes the age of the entry.
  if (sk !== NULL && ld(k.m, sk + SOCK.full) !== 0 && ld(k.m, sk + SOCK.dstCached) !== 0) {
    if (k.profile.socketCacheAges || selected !== cached) {
      st(k.m, sk + SOCK.txQueueMapping, selected);
      st(k.m, sk + SOCK.aged, 0);
    }
  }
  return selected;
}

/** sk_tx_queue_get(): the cached index, or -1 without a socket, without an entry or when aged. */
export function skTxQueueGet(k: Kernel, sk: Addr): number {
  if (sk === NULL) return -1;
  const mapping = ld(k.m, sk + SOCK.txQueueMapping);
  if (mapping === NO_QUEUE_MAPPING) return -1;
  if (k.profile.socketCacheAges && ld(k.m, sk + SOCK.aged) !== 0) return -1;
  return mapping;
}

/** get_xps_queue(): receive-queue map first (needs a socket that recorded one), then CPU map. */
export function getXpsQueue(k: Kernel, dev: Addr, skb: Skb): number {
  const m = k.m;
  if (ld(m, dev + DEV.xpsRxqs) !== 0 && skb.sk !== NULL) {
    const rxq = ld(m, skb.sk + SOCK.rxQueueMapping);
    if (rxq !== NO_QUEUE_MAPPING) {
      const queue = xpsLookup(k, dev, XPS_IDS + rxq, ld(m, dev + DEV.xpsRxqs), rxq, skb);
      if (queue >= 0) return queue;
    }
  }
  const ids = ld(m, dev + DEV.xpsCpus);
  const id = skb.senderCpu - 1;
  return ids === 0 ? -1 : xpsLookup(k, dev, id, ids, id, skb);
}

// __get_xps_queue_idx(): a map of one entry gives it, a longer one is scaled by the flow hash; an
// entry that is not below the real count counts as none.
function xpsLookup(k: Kernel, dev: Addr, list: number, ids: number, id: number, skb: Skb): number {
  if (id < 0 || id >= ids) return -1;
  const at = dev + DEV.xps + list * (1 + XPS_LEN);
  const length = ld(k.m, at);
  if (length === 0) return -1;
  const entry = length === 1 ? 0 : reciprocalScale(skb.hash, length);
  const queue = ld(k.m, at + 1 + entry);
  return queue < ld(k.m, dev + DEV.realNumTxQueues) ? queue : -1;
}

/** reciprocal_scale(): a u32 scaled into [0, range); with range 0 the answer is 0. */
export function reciprocalScale(value: number, range: number): number {
  return Math.floor(((value >>> 0) * range) / 0x1_0000_0000);
}

/**
 * skb_tx_hash(). `sbDev` is the subordinate whose traffic-class table is used (macvlan offload),
 * else `dev` itself. The real count is read once, into a 16-bit local: storing a new count later
 * does not help a loop that has begun.
 */
export function skbTxHash(k: Kernel, dev: Addr, sbDev: Addr, skb: Skb): number {
  const m = k.m;
  let qoffset = 0;
  let qcount = ld(m, dev + DEV.realNumTxQueues) & 0xffff;
  if (ld(m, dev + DEV.numTc) !== 0) {
    const tc = ld(m, dev + DEV.prioTcMap + (skb.priority & 15));
    qoffset = ld(m, sbDev + DEV.tcToTxq + 2 * tc);
    qcount = ld(m, sbDev + DEV.tcToTxq + 2 * tc + 1);
    if (qcount === 0 && k.profile.tcCountFallback) {
      trace(m, EVENT.invalidQcount, sbDev, qoffset, tc);
      qoffset = 0;
      qcount = ld(m, dev + DEV.realNumTxQueues) & 0xffff;
    }
  }
  if (!skbRxQueueRecorded(skb)) return reciprocalScale(skb.hash, qcount) + qoffset;
  if (qcount === 0) warnQcount(k, dev);
  let hash = skbGetRxQueue(skb);
  if (hash >= qoffset) hash -= qoffset;
  const patched = hashLoopPatched(k);
  while (hash >= qcount) {
    // The local patch of guard `qcount`: it ends the loop for the recorded queue 0 only.
    if (patched && hash === 0 && qcount === 0) break;
    hash = (hash - qcount) >>> 0;
    tick(m, SITE.skbTxHash, dev, skb.queueMapping, hash, qcount);
  }
  return (hash + qoffset) & 0xffff;
}

// DEBUG_NET_WARN_ON_ONCE says nothing unless the kernel was built for debugging; the stable
// backports have WARN_ON_ONCE. Neither leaves the loop.
function warnQcount(k: Kernel, dev: Addr): void {
  if (k.profile.hashWarning !== "once") return;
  if (tally(k.m, dev + DEV.hashWarned) === 0) trace(k.m, EVENT.warnOnQcount, dev, 0, 0);
}

/** netdev_cap_txqueue(): an index that is not below the real count becomes 0, with a message. */
export function netdevCapTxqueue(k: Kernel, dev: Addr, queueIndex: number, skb: Skb): number {
  const count = ld(k.m, dev + DEV.realNumTxQueues);
  if (queueIndex < count) return queueIndex;
  skb.capped++;
  if (tally(k.m, dev + DEV.capWarnings) < CAP_WARNINGS_MAX) {
    trace(k.m, EVENT.capTxqueue, dev, queueIndex, count);
  }
  return 0;
}

/** tun_select_queue(): never loops; without queues it answers 0, whatever the real count is. */
export function tunSelectQueue(k: Kernel, dev: Addr, skb: Skb): number {
  const numQueues = ld(k.m, dev + DEV.numQueues);
  if (ld(k.m, dev + DEV.steering) !== 0) {
    return numQueues === 0 ? 0 : ld(k.m, dev + DEV.steeringValue) % numQueues;
  }
  return reciprocalScale(skb.hash, numQueues);
}

/**
 * bond_select_queue(): the recorded receive queue, or 0, brought below the real count by
 * subtraction, reading the count anew each time. With count 0 it never ends, hint or no hint.
 */
export function bondSelectQueue(k: Kernel, dev: Addr, skb: Skb): number {
  let queue = skbRxQueueRecorded(skb) ? skbGetRxQueue(skb) : 0;
  if (queue < ld(k.m, dev + DEV.realNumTxQueues)) return queue;
  do {
    const count = ld(k.m, dev + DEV.realNumTxQueues);
    queue = (queue - count) >>> 0;
    tick(k.m, SITE.bondSelectQueue, dev, skb.queueMapping, queue, count);
  } while (queue >= ld(k.m, dev + DEV.realNumTxQueues));
  return queue;
}

/** dev_pick_tx_cpu_id(): CPU modulo count; on x86 a count of 0 is a divide error. */
export function devPickTxCpuId(k: Kernel, dev: Addr): number {
  const count = ld(k.m, dev + DEV.realNumTxQueues);
  return count === 0 ? PICK_FAULT : smpProcessorId() % count;
}
