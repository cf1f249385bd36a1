// struct vport and the ways to publish and unpublish one (net/openvswitch/vport.c, vport-netdev.c,
// datapath.c). dp->ports is changed under ovs_mutex and read under RCU; which vport a port number
// gives is decided at that one load.
import {
  type Addr,
  add,
  callRcu,
  ld,
  mutexLock,
  mutexUnlock,
  NULL,
  setBits,
  st,
  tick,
  trace,
} from "../../sync/index.js";
import { DEV, devHold, devPut, KIND, NETREG, POISON_FREE, PRIV } from "../core/netdevice.js";
import { rtnlLock, rtnlUnlock } from "../core/rtnl.js";
import { globalWord, KERNEL, type Kernel, portSlot } from "../kernel.js";
import { EVENT, SITE } from "../trace-events.js";
import { ovsNetdevDetachDev } from "./dp-notify.js";

export const VPORT = {
  /** vport->dev: set before it is published, never changed. */
  dev: 0,
  portNo: 1,
  /** 0 never used, 1 in use, 2 freed. ovs_mutex; `freed` by the rcu thread. */
  state: 2,
} as const;
export const VPORT_WORDS = 4;
export const VPORT_STATE = { unused: 0, inUse: 1, freed: 2 } as const;

/** RCU callback numbers of this room, for callRcu. */
export const RCU_CALLBACK = { vportNetdevFree: 1 } as const;

/** ovs_vport_rcu(): the vport published at a port number, or NULL. Inside a read section. */
export function ovsVportRcu(k: Kernel, portNo: number): Addr {
  const slot = portSlot(k, portNo);
  return slot === NULL ? NULL : ld(k.m, slot);
}

/** ovs_lock() and ovs_unlock(). */
export function ovsLock(k: Kernel): void {
  mutexLock(k.m, globalWord(k, KERNEL.ovsMutex));
  trace(k.m, EVENT.ovsMutexHeld, NULL, 0, 0);
}

export function ovsUnlock(k: Kernel): void {
  trace(k.m, EVENT.ovsMutexFree, NULL, 0, 0);
  mutexUnlock(k.m, globalWord(k, KERNEL.ovsMutex));
}

/**
 * ovs_vport_cmd_new() with ovs_netdev_link(): makes a device a port. Takes ovs_mutex, and RTNL
 * inside it. @returns false when the device is not registered (kernels of 2026 check that) or the
 * port number is taken.
 */
export function ovsVportAdd(k: Kernel, portNo: number, dev: Addr): boolean {
  const m = k.m;
  const slot = portSlot(k, portNo);
  ovsLock(k);
  if (slot === NULL || ld(m, slot) !== NULL) {
    ovsUnlock(k);
    return false;
  }
  const vport = allocVport(k);
  st(m, vport + VPORT.dev, dev);
  st(m, vport + VPORT.portNo, portNo);
  rtnlLock(k);
  const internal = ld(m, dev + DEV.kind) === KIND.internal;
  if (k.profile.linkChecksRegistered && ld(m, dev + DEV.regState) !== NETREG.registered) {
    ovsVportFree(k, vport);
    rtnlUnlock(k);
    ovsUnlock(k);
    return false;
  }
  devHold(k, dev);
  st(m, dev + DEV.rxHandlerData, vport);
  if (!internal) {
    st(m, dev + DEV.rxHandler, 1);
    st(m, dev + DEV.upper, 1);
    add(m, dev + DEV.promiscuity, 1);
    setBits(m, dev + DEV.privFlags, PRIV.ovsDatapath);
  }
  rtnlUnlock(k);
  st(m, slot, vport);
  trace(m, EVENT.vportAdd, dev, portNo, 0);
  ovsUnlock(k);
  return true;
}

// A freed vport's structure is used again, as kmalloc would.
function allocVport(k: Kernel): Addr {
  const m = k.m;
  const most = 2 * k.config.ports;
  for (let i = 0; i < most; i++) {
    const vport = k.map.vports + i * VPORT_WORDS;
    tick(m, SITE.walk, vport, i, 0, 0);
    if (ld(m, vport + VPORT.state) !== VPORT_STATE.inUse) {
      st(m, vport + VPORT.state, VPORT_STATE.inUse);
      return vport;
    }
  }
  throw new Error(`more than ${most} vports`);
}

/** ovs_dp_detach_port(): unpublishes. From here new readers find nothing. Under ovs_mutex. */
export function ovsDpDetachPort(k: Kernel, vport: Addr): void {
  const m = k.m;
  st(m, portSlot(k, ld(m, vport + VPORT.portNo)), NULL);
  trace(m, EVENT.detachPort, ld(m, vport + VPORT.dev), ld(m, vport + VPORT.portNo), 0);
  netdevDestroy(k, vport);
}

/**
 * netdev_destroy(): detaches the device if that has not happened yet, and frees the vport after a
 * grace period. Until 549822767630 it took RTNL in any case: a worker that does so while a batch
 * is being unregistered waits for the whole batch, with ovs_mutex held and later ports published.
 */
function netdevDestroy(k: Kernel, vport: Addr): void {
  const m = k.m;
  const dev = ld(m, vport + VPORT.dev);
  const attached = (ld(m, dev + DEV.privFlags) & PRIV.ovsDatapath) !== 0;
  if (k.profile.vportDestroyTakesRtnl || attached) {
    rtnlLock(k);
    if ((ld(m, dev + DEV.privFlags) & PRIV.ovsDatapath) !== 0) ovsNetdevDetachDev(k, vport);
    rtnlUnlock(k);
  }
  callRcu(m, RCU_CALLBACK.vportNetdevFree, vport);
}

/** vport_netdev_free(), the RCU callback: drops the switch's reference to the device. */
export function vportNetdevFree(k: Kernel, vport: Addr): void {
  const m = k.m;
  const dev = ld(m, vport + VPORT.dev);
  trace(m, EVENT.vportFree, dev, ld(m, vport + VPORT.portNo), 0);
  devPut(k, dev);
  ovsVportFree(k, vport);
}

/** ovs_vport_free(): kfree. Who still has the pointer finds a device that does not exist. */
function ovsVportFree(k: Kernel, vport: Addr): void {
  st(k.m, vport + VPORT.dev, POISON_FREE);
  st(k.m, vport + VPORT.state, VPORT_STATE.freed);
}

/**
 * ovs_vport_cmd_del(), `ovs-vsctl del-port`: unpublishes BEFORE the device is touched, which is
 * the safe order. @returns false when no vport is at that number.
 */
export function ovsVportDel(k: Kernel, portNo: number): boolean {
  ovsLock(k);
  const vport = ovsVportRcu(k, portNo);
  if (vport !== NULL) ovsDpDetachPort(k, vport);
  ovsUnlock(k);
  return vport !== NULL;
}

/** Runs an RCU callback by its number; the rcu thread calls it after a grace period. */
export function runRcuCallback(k: Kernel, fn: number, argument: Addr): void {
  if (fn === RCU_CALLBACK.vportNetdevFree) vportNetdevFree(k, argument);
  else throw new Error(`RCU callback ${fn} is not known`);
}
