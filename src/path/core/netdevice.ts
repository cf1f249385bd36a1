// struct net_device and the small predicates on it (include/linux/netdevice.h). All of it is shared
// state: any CPU reads it, and each word is stored to under the lock named in its line.
//
//   dev + DEV.*            the fixed words
//   dev + DEV_FIXED_WORDS  per transmit queue: qdisc, qdisc bits, queue state, tun file, ring
import { type Addr, add, clearBits, ld, setBits, st } from "../../sync/index.js";
import { globalWord, KERNEL, type Kernel, deviceAt } from "../kernel.js";

export const DEV = {
  /** dev->state: LINK_STATE bits. RTNL, but NOCARRIER also by drivers. */
  state: 0,
  /** dev->flags: IFF_UP. RTNL. */
  flags: 1,
  /** dev->reg_state: NETREG. RTNL. */
  regState: 2,
  /** dev->dismantle. RTNL. */
  dismantle: 3,
  /** dev->real_num_tx_queues. RTNL. */
  realNumTxQueues: 4,
  /** dev->real_num_rx_queues. RTNL. */
  realNumRxQueues: 5,
  /** dev->num_tx_queues: never changes. */
  numTxQueues: 6,
  /** KIND: never changes. */
  kind: 7,
  /** dev->type: ARPHRD. Never changes. */
  type: 8,
  /** dev->mtu. RTNL. */
  mtu: 9,
  ifindex: 10,
  /** dev->priv_flags: PRIV bits. RTNL. */
  privFlags: 11,
  /** dev->rx_handler: 1 = netdev_frame_hook. RTNL. */
  rxHandler: 12,
  /** dev->rx_handler_data: the vport. RTNL. */
  rxHandlerData: 13,
  /** An upper device (the datapath's local port) is linked. RTNL. */
  upper: 14,
  promiscuity: 15,
  /** Reference count; 1 is the structure's own, 1 the registration's. Any. */
  refcnt: 16,
  /** veth: the other end. RTNL. */
  peer: 17,
  /** macvlan, vxlan: the device below. bond: the active slave. RTNL. */
  lower: 18,
  /** dev->num_tc. RTNL. */
  numTc: 19,
  /** tun: numqueues. RTNL. */
  numQueues: 20,
  /** tun: a steering program is attached, and its last answer. RTNL. */
  steering: 21,
  steeringValue: 22,
  /** dev->tx_queue_len. RTNL. */
  txQueueLen: 23,
  /** Counters (dev_core_stats). Any CPU, atomic add. */
  txDropped: 24,
  rxDropped: 25,
  txErrors: 26,
  /** Messages of netdev_cap_txqueue so far, for the rate limit. Any CPU. */
  capWarnings: 27,
  /** WARN_ON_ONCE in skb_tx_hash has fired. Any CPU. */
  hashWarned: 28,
  /** Next on net_todo_list. RTNL. */
  todoNext: 29,
  /** Network namespace number. RTNL. */
  netns: 30,
  /** Selector that the driver has (SELECTOR), and whether it is IFF_NO_QUEUE or LLTX by kind. */
  selector: 31,
  /** XPS: number of entries of the CPU map and the receive-queue map (0: no map). RTNL. */
  xpsCpus: 32,
  xpsRxqs: 33,
  /** Whether it is on the device list. RTNL. */
  listed: 35,
  /** netdev rx-N and tx-N kobjects exist. RTNL. */
  queueKobjects: 36,
  /** dev->watchdog_timer: WATCHDOG. RTNL; the timer. */
  watchdog: 37,
  /** dev->tx_global_lock. */
  txGlobalLock: 38,
  /** tc_to_txq: offset and count per traffic class. RTNL. */
  tcToTxq: 40,
  /** prio_tc_map: class of each of 16 priorities. RTNL. */
  prioTcMap: 40 + 2 * 16,
  /** XPS maps: XPS_IDS lists of (length, XPS_LEN queues), CPUs first, then receive queues. */
  xps: 40 + 3 * 16,
} as const;

export const XPS_IDS = 4;
export const XPS_LEN = 3;
const XPS_WORDS = 2 * XPS_IDS * (1 + XPS_LEN);
export const DEV_FIXED_WORDS = DEV.xps + XPS_WORDS;

/** Per transmit queue. */
export const TXQ = {
  /** QDISC. RTNL; read on every transmit. */
  qdisc: 0,
  /** Bits of the qdisc: QDISC_DEACTIVATED. */
  qdiscState: 1,
  /** netdev_queue->state: QUEUE_STATE bits. */
  state: 2,
  /** netdev_queue->xmit_lock (not used by LLTX devices). */
  xmitLock: 3,
  /** netdev_queue->xmit_lock_owner: CPU + 1, 0 = none. */
  xmitLockOwner: 4,
  /** tun: the file attached here, or NULL. RTNL. */
  tfile: 5,
  /** tun: frames waiting in its ring. */
  ringLen: 6,
} as const;
export const QUEUE_WORDS = 8;

/** Bits of dev->state, by the kernel's numbers (enum netdev_state_t). */
export const LINK_STATE = { start: 1, present: 2, noCarrier: 4, linkwatchPending: 8 } as const;
/** POISON_FREE (include/linux/poison.h) in every byte: what freed structures hold. */
export const POISON_FREE = 0x6b6b6b6b;
export const IFF_UP = 1;
/** enum netdev_reg_state. */
export const NETREG = {
  uninitialized: 0,
  registered: 1,
  unregistering: 2,
  unregistered: 3,
  released: 4,
} as const;
/** Bits of DEV.privFlags. */
export const PRIV = { ovsDatapath: 1, noQueue: 2, lltx: 4 } as const;
/** Which qdisc a queue points at. `real` stands for any with an enqueue op that sends on. */
export const QDISC = { noop: 1, noqueue: 2, real: 3 } as const;
export const QDISC_DEACTIVATED = 1;
/** `none`: the driver has no ndo_tx_timeout, and so the device no timer. */
export const WATCHDOG = { none: 0, idle: 1, armed: 2 } as const;
export const QUEUE_STATE = { drvXoff: 1, stackXoff: 2 } as const;
export const ARPHRD = { ether: 1, none: 0xfffe, other: 772 } as const;

/** Device kinds: the driver's name, by number. */
export const KINDS = [
  "veth",
  "dummy",
  "tun",
  "bond",
  "macvlan",
  "vxlan",
  "ifb",
  "internal",
] as const;
export type KindName = (typeof KINDS)[number];
export const KIND = Object.fromEntries(KINDS.map((name, i) => [name, i])) as {
  readonly [name in KindName]: number;
};

/** ndo_select_queue of a driver. */
export const SELECTOR = { none: 0, tun: 1, bond: 2, cpuModulo: 3 } as const;

/** Address of transmit queue `index`. */
export function txq(dev: Addr, index: number): Addr {
  return dev + DEV_FIXED_WORDS + index * QUEUE_WORDS;
}

/** netif_running(): the device has been opened (START), from __dev_open to __dev_close_many. */
export function netifRunning(k: Kernel, dev: Addr): boolean {
  return (ld(k.m, dev + DEV.state) & LINK_STATE.start) !== 0;
}

/** netif_carrier_ok(). */
export function netifCarrierOk(k: Kernel, dev: Addr): boolean {
  return (ld(k.m, dev + DEV.state) & LINK_STATE.noCarrier) === 0;
}

export function isUp(k: Kernel, dev: Addr): boolean {
  return (ld(k.m, dev + DEV.flags) & IFF_UP) !== 0;
}

/** dev_hold() and dev_put(). */
export function devHold(k: Kernel, dev: Addr): void {
  add(k.m, dev + DEV.refcnt, 1);
}

export function devPut(k: Kernel, dev: Addr): void {
  add(k.m, dev + DEV.refcnt, -1);
}

export function setLinkState(k: Kernel, dev: Addr, bits: number): number {
  return setBits(k.m, dev + DEV.state, bits);
}

export function clearLinkState(k: Kernel, dev: Addr, bits: number): number {
  return clearBits(k.m, dev + DEV.state, bits);
}

export interface NetDeviceOptions {
  readonly kind: KindName;
  readonly numTxQueues: number;
  /** Real counts; default numTxQueues. A veth made without IFLA_NUM_TX_QUEUES has 1. */
  readonly realNumTxQueues?: number;
  readonly realNumRxQueues?: number;
  readonly mtu?: number;
  readonly netns?: number;
  readonly txQueueLen?: number;
  /** A driver that answers CPU modulo queue count (dev_pick_tx_cpu_id); old profiles only. */
  readonly cpuModuloSelector?: boolean;
}

/**
 * alloc_netdev_mqs() and register_netdevice() in one: a registered device, down, with carrier as
 * the driver leaves it (veth: off until both ends are up; the others: on). Caller holds RTNL, or
 * nobody else runs yet. Re-uses the structure of a released device when there is one.
 */
export function registerNetdevice(k: Kernel, options: NetDeviceOptions): Addr {
  const m = k.m;
  const dev = freeDevice(k);
  for (let word = 0; word < k.map.deviceWords; word++) st(m, dev + word, 0);
  const kind = KIND[options.kind];
  const count = options.numTxQueues;
  if (count < 1 || count > k.config.queues) {
    throw new RangeError(`${count} queues, allowed are 1 to ${k.config.queues}`);
  }
  const noCarrier = options.kind === "veth" ? LINK_STATE.noCarrier : 0;
  st(m, dev + DEV.state, LINK_STATE.present | noCarrier);
  st(m, dev + DEV.kind, kind);
  st(m, dev + DEV.type, ARPHRD.ether);
  st(m, dev + DEV.numTxQueues, count);
  st(m, dev + DEV.realNumTxQueues, options.realNumTxQueues ?? count);
  st(m, dev + DEV.realNumRxQueues, options.realNumRxQueues ?? options.realNumTxQueues ?? count);
  st(m, dev + DEV.mtu, options.mtu ?? 1500);
  st(m, dev + DEV.netns, options.netns ?? 0);
  st(m, dev + DEV.txQueueLen, options.txQueueLen ?? 1000);
  st(m, dev + DEV.privFlags, privFlagsOf(options.kind));
  st(m, dev + DEV.selector, selectorOf(k, options));
  st(m, dev + DEV.refcnt, 2);
  st(m, dev + DEV.listed, 1);
  st(m, dev + DEV.queueKobjects, 1);
  const ifindex = ld(m, globalWord(k, KERNEL.nextIfindex));
  st(m, globalWord(k, KERNEL.nextIfindex), ifindex + 1);
  st(m, dev + DEV.ifindex, ifindex);
  for (let i = 0; i < count; i++) st(m, txq(dev, i) + TXQ.qdisc, QDISC.noop);
  st(m, dev + DEV.regState, NETREG.registered);
  return dev;
}

function freeDevice(k: Kernel): Addr {
  const m = k.m;
  const used = ld(m, globalWord(k, KERNEL.deviceCount));
  for (let i = 0; i < used; i++) {
    if (ld(m, deviceAt(k, i) + DEV.regState) === NETREG.released) return deviceAt(k, i);
  }
  if (used >= k.config.devices) throw new Error(`more than ${k.config.devices} devices`);
  st(m, globalWord(k, KERNEL.deviceCount), used + 1);
  return deviceAt(k, used);
}

// IFF_NO_QUEUE and NETIF_F_LLTX by driver: veth, dummy, macvlan, vxlan have both; a bond has LLTX
// and no queue; tun and ifb have a default qdisc.
function privFlagsOf(kind: KindName): number {
  return kind === "tun" || kind === "ifb" ? 0 : PRIV.noQueue | PRIV.lltx;
}

function selectorOf(k: Kernel, options: NetDeviceOptions): number {
  if (options.kind === "tun") return SELECTOR.tun;
  if (options.kind === "bond") return SELECTOR.bond;
  if (options.cpuModuloSelector === true) {
    return k.profile.cpuModuloSelector ? SELECTOR.cpuModulo : SELECTOR.none;
  }
  return SELECTOR.none;
}

/** Makes two veth devices each other's peer. RTNL, before either is up. */
export function vethPair(k: Kernel, a: Addr, b: Addr): void {
  st(k.m, a + DEV.peer, b);
  st(k.m, b + DEV.peer, a);
}
