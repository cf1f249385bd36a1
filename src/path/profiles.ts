// What differs between kernel versions on this path, as data: one profile per kernel, one field
// per switch. "stable" means a late release of that stable branch. Values that were read in source
// and values inferred are told apart in README.md of this room.
import type { GracePeriodUs } from "../sync/index.js";
import type { GuardName } from "./guards.js";

export interface Profile {
  readonly id: string;
  /** d7dac083414e: netdev_unregister_kobject stores 0 in both real queue counts. */
  readonly zeroesQueueCounts: boolean;
  /** The guard that do_output of this kernel ships with. */
  readonly shippedGuard: GuardName;
  /** The warning in skb_tx_hash when the count is 0; in none of the forms does it end the loop. */
  readonly hashWarning: "none" | "debug" | "once";
  /** 0c57eeecc559: a traffic class without queues falls back to all queues. */
  readonly tcCountFallback: boolean;
  /** Who sets skb->queue_mapping that the switch sees behind a veth (see core/skb.ts). */
  readonly vethHint: "xdp" | "always" | "leftover";
  readonly unregisterFunction:
    "rollback_registered_many" | "unregister_netdevice_many" | "unregister_netdevice_many_notify";
  /** NETDEV_PRE_UNINIT is sent between NETDEV_UNREGISTER and ndo_uninit. */
  readonly preUninitEvent: boolean;
  /** 43d95b30cf57: a refusal by the guard is a drop with reason DEV_READY, not a plain free. */
  readonly dropReasons: boolean;
  /** What the noqueue branch returns for a device that is not up. */
  readonly notUpReturn: "ENETDOWN" | "ENOMEM";
  /** noop_enqueue counts the device's tx_dropped. */
  readonly noopCountsTxDropped: boolean;
  /** dev_pick_tx_cpu_id exists (removed by 17245a195df4). */
  readonly cpuModuloSelector: boolean;
  /** netdev_destroy takes RTNL even when the device is detached already (until 549822767630). */
  readonly vportDestroyTakesRtnl: boolean;
  /** ovs_netdev_detach_dev clears IFF_OVS_DATAPATH first (until 7c770dadfda5) or last. */
  readonly detachClearsFlag: "first" | "last";
  /** ovs_netdev_link refuses a device that is not registered (2026). */
  readonly linkChecksRegistered: boolean;
  /** A socket's cached queue expires (sk_tx_queue ageing, 6.19), and is written back always. */
  readonly socketCacheAges: boolean;
  /** XMIT_RECURSION_LIMIT. */
  readonly xmitRecursionLimit: number;
  readonly gracePeriodUs: GracePeriodUs;
}

// Expedited: tens to hundreds of microseconds; normal: several milliseconds, at HZ=250.
const GRACE: GracePeriodUs = {
  expeditedMin: 60,
  expeditedMax: 300,
  normalMin: 5_000,
  normalMax: 12_000,
};

const V5_4: Profile = {
  id: "5.4",
  zeroesQueueCounts: false,
  shippedGuard: "none",
  hashWarning: "none",
  tcCountFallback: false,
  vethHint: "xdp",
  unregisterFunction: "rollback_registered_many",
  preUninitEvent: false,
  dropReasons: false,
  notUpReturn: "ENETDOWN",
  noopCountsTxDropped: false,
  cpuModuloSelector: true,
  vportDestroyTakesRtnl: true,
  detachClearsFlag: "first",
  linkChecksRegistered: false,
  socketCacheAges: false,
  xmitRecursionLimit: 10,
  gracePeriodUs: GRACE,
};

const V5_10: Profile = { ...V5_4, id: "5.10", xmitRecursionLimit: 8 };

const V5_15: Profile = {
  ...V5_10,
  id: "5.15",
  zeroesQueueCounts: true,
  tcCountFallback: true,
  vethHint: "leftover",
  unregisterFunction: "unregister_netdevice_many",
};

const V6_1: Profile = { ...V5_15, id: "6.1" };

const V6_9: Profile = {
  ...V6_1,
  id: "6.9",
  shippedGuard: "carrier",
  hashWarning: "debug",
  unregisterFunction: "unregister_netdevice_many_notify",
  preUninitEvent: true,
  dropReasons: true,
};

const V6_12: Profile = {
  ...V6_9,
  id: "6.12",
  shippedGuard: "running-carrier",
  notUpReturn: "ENOMEM",
  noopCountsTxDropped: true,
  cpuModuloSelector: false,
  vportDestroyTakesRtnl: false,
  detachClearsFlag: "last",
};

/** All profiles, oldest first. */
export const PROFILES: readonly Profile[] = [
  V5_4,
  {
    ...V5_4,
    id: "5.4-stable",
    zeroesQueueCounts: true,
    shippedGuard: "running-carrier",
    hashWarning: "once",
    tcCountFallback: true,
    vethHint: "leftover",
  },
  V5_10,
  {
    ...V5_10,
    id: "5.10-stable",
    zeroesQueueCounts: true,
    shippedGuard: "running-carrier",
    hashWarning: "once",
    tcCountFallback: true,
    vethHint: "leftover",
    unregisterFunction: "unregister_netdevice_many",
    vportDestroyTakesRtnl: false,
  },
  V5_15,
  V6_1,
  {
    ...V6_1,
    id: "6.1-stable",
    shippedGuard: "running-carrier",
    hashWarning: "debug",
    unregisterFunction: "unregister_netdevice_many_notify",
    notUpReturn: "ENOMEM",
    vportDestroyTakesRtnl: false,
    detachClearsFlag: "last",
  },
  V6_9,
  V6_12,
  { ...V6_12, id: "current", linkChecksRegistered: true, socketCacheAges: true },
];

/** The profile of that name, or null. */
export function findProfile(id: string): Profile | null {
  return PROFILES.find((profile) => profile.id === id) ?? null;
}
