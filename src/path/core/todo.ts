// netdev_run_todo (net/core/dev.c): the end of unregistration, after RTNL has been dropped. Waits
// until nobody holds a reference. The switch's own reference is dropped in an RCU callback, so a
// worker that is lost inside a read section keeps the device for ever.
import {
  type Addr,
  deed,
  ld,
  NULL,
  rcuBarrier,
  st,
  tick,
  trace,
  waitUntilEqual,
} from "../../sync/index.js";
import type { Kernel } from "../kernel.js";
import { callNetdeviceNotifiers } from "./notifier.js";
import { DEED, EVENT, NETDEV, SITE } from "../trace-events.js";
import { DEV, NETREG } from "./netdevice.js";

/** netdev_wait_allrefs: NETDEV_UNREGISTER is sent again every second. */
const REBROADCAST_MS = 1000;
/** netdev_unregister_timeout_secs, default 10: how often the "waiting" line is printed. */
const MESSAGE_EVERY = 10;

/** Finishes the list that starts at `first` (through DEV.todoNext). */
export function netdevRunTodo(k: Kernel, first: Addr): void {
  rcuBarrier(k.m);
  for (let dev = first; dev !== NULL;) {
    const next = ld(k.m, dev + DEV.todoNext);
    tick(k.m, SITE.runTodo, dev, 0, 0, 0);
    st(k.m, dev + DEV.regState, NETREG.unregistered);
    trace(k.m, EVENT.unregistered, dev, 0, 0);
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
  st(k.m, dev + DEV.refcnt, 0);
  st(k.m, dev + DEV.regState, NETREG.released);
}
