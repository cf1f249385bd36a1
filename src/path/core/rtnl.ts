// RTNL: the lock, the events that are sent under it (call_netdevice_notifiers), and the work that
// dropping it leads to (netdev_run_todo, net/core/dev.c): the end of unregistration. Process
// context only. The switch's own reference to a device is dropped in an RCU callback, so a worker
// that is lost inside a read section keeps the device for ever.
import {
  type Addr,
  deed,
  ld,
  mutexLock,
  mutexUnlock,
  NULL,
  rcuBarrier,
  st,
  tick,
  trace,
  waitUntilEqual,
} from "../../sync/index.js";
import { globalWord, KERNEL, type Kernel } from "../kernel.js";
import { dpDeviceEvent } from "../openvswitch/dp-notify.js";
import { DEED, EVENT, NETDEV, SITE } from "../trace-events.js";
import { clearLinkState, DEV, LINK_STATE, NETREG, POISON_FREE } from "./netdevice.js";

/** netdev_wait_allrefs: NETDEV_UNREGISTER is sent again every second. */
const REBROADCAST_MS = 1000;
/** netdev_unregister_timeout_secs, default 10: how often the "waiting" line is printed. */
const MESSAGE_EVERY = 10;

/** rtnl_lock(). */
export function rtnlLock(k: Kernel): void {
  mutexLock(k.m, globalWord(k, KERNEL.rtnl));
  trace(k.m, EVENT.rtnlHeld, NULL, 0, 0);
}

/**
 * rtnl_unlock(): drops the lock FIRST, then finishes the devices whose unregistration it ends.
 * Whoever unlocks does that work, and so waits for the last references to those devices.
 */
export function rtnlUnlock(k: Kernel): void {
  const todo = globalWord(k, KERNEL.todoHead);
  const first = ld(k.m, todo);
  st(k.m, todo, NULL);
  st(k.m, globalWord(k, KERNEL.todoTail), NULL);
  trace(k.m, EVENT.rtnlUnlock, NULL, 0, 0);
  mutexUnlock(k.m, globalWord(k, KERNEL.rtnl));
  if (first !== NULL) netdevRunTodo(k, first);
}

/**
 * Sends a notifier event (NETDEV) for a device. RTNL is held, except on the re-broadcast. Here the
 * switch is the only listener that matters for this path.
 */
export function callNetdeviceNotifiers(k: Kernel, event: number, dev: Addr): void {
  trace(k.m, EVENT.notifier, dev, event, 0);
  dpDeviceEvent(k, event, dev);
}

// netdev_run_todo(): finishes the list that starts at `first` (through DEV.todoNext), in its order.
function netdevRunTodo(k: Kernel, first: Addr): void {
  rcuBarrier(k.m);
  for (let dev = first; dev !== NULL;) {
    const next = ld(k.m, dev + DEV.todoNext);
    tick(k.m, SITE.runTodo, dev, 0, 0, 0);
    st(k.m, dev + DEV.regState, NETREG.unregistered);
    trace(k.m, EVENT.unregistered, dev, 0, 0);
    // linkwatch_forget_dev: the carrier went while RTNL was held, and nobody acts on that any more.
    clearLinkState(k, dev, LINK_STATE.linkwatchPending);
    waitAllrefs(k, dev);
    freeNetdev(k, dev);
    dev = next;
  }
}

function waitAllrefs(k: Kernel, dev: Addr): void {
  for (let seconds = 1; ; seconds++) {
    if (waitUntilEqual(k.m, dev + DEV.refcnt, 1, REBROADCAST_MS)) return;
    const refs = ld(k.m, dev + DEV.refcnt);
    tick(k.m, SITE.runTodo, dev, 0, refs, 0);
    callNetdeviceNotifiers(k, NETDEV.unregister, dev);
    if (seconds % MESSAGE_EVERY === 0) trace(k.m, EVENT.waitRefs, dev, refs, seconds);
  }
}

/** free_netdev(): from here the structure may be used again for another device. */
function freeNetdev(k: Kernel, dev: Addr): void {
  trace(k.m, EVENT.freeNetdev, dev, 0, 0);
  deed(DEED.released, dev);
  // A packet that still has the device reads these first.
  st(k.m, dev + DEV.type, POISON_FREE);
  st(k.m, dev + DEV.mtu, POISON_FREE);
  st(k.m, dev + DEV.refcnt, 0);
  st(k.m, dev + DEV.regState, NETREG.released);
}
