// Who else touches the device while it is taken away: one more thread in process context for each
// event that has one. Each keeps the kernel's law of its kind, and asserts what that law promises
// him. Run by the explorer, and on the threads of a replay.
import { DEV, devHold, devPut, NETREG, TXQ, txq } from "../../path/core/netdevice.js";
import { deleteLink } from "../../path/core/net-namespace.js";
import { netdevSetTcQueue } from "../../path/core/queue-counts.js";
import { rtnlLock, rtnlUnlock } from "../../path/core/rtnl.js";
import type { Kernel } from "../../path/kernel.js";
import { ovsVportAdd, ovsVportDel } from "../../path/openvswitch/vport.js";
import {
  type Addr,
  assert,
  ld,
  spinLock,
  spinUnlock,
  st,
  waitUntilEqual,
} from "../../sync/index.js";
import { type EventName, PORT } from "./events.js";

const FOR_EVER = 2 ** 31 - 1;

/** The second administrator, driver or owner of an event (RIVALS). */
export function rival(k: Kernel, event: EventName, dev: Addr): void {
  switch (event) {
    case "add-port":
      return addPort(k, dev);
    case "move-delete":
      return deleteLink(k, dev);
    case "del-port-delete":
      ovsVportDel(k, PORT);
      return;
    case "remap-delete":
    case "remap-shrink":
      return remapClasses(k, dev);
    case "freeze-delete":
      return freezeQueues(k, dev);
    case "hold-delete":
      return holdDevice(k, dev);
    case "re-use":
      return useAgain(k, dev);
  }
}

/** Another administrator, who makes a port of the device: dev_get_by_name(), then the link. */
function addPort(k: Kernel, dev: Addr): void {
  devHold(k, dev);
  if (ld(k.m, dev + DEV.listed) !== 0) ovsVportAdd(k, PORT, dev);
  devPut(k, dev);
}

/**
 * mqprio: netdev_set_num_tc() comes before the netdev_set_tc_queue() of each class. Who has looked
 * the device up under RTNL keeps it, and its queues (netif_set_real_num_tx_queues: ASSERT_RTNL),
 * until he drops RTNL.
 */
export function remapClasses(k: Kernel, dev: Addr): void {
  const m = k.m;
  rtnlLock(k);
  if (ld(m, dev + DEV.listed) !== 0) {
    const count = ld(m, dev + DEV.realNumTxQueues);
    st(m, dev + DEV.numTc, 1);
    netdevSetTcQueue(k, dev, 0, { offset: 0, count });
    const isSame = ld(m, dev + DEV.realNumTxQueues) === count;
    assert(isSame, "queue counts change under somebody else's RTNL");
    assert(ld(m, dev + DEV.listed) !== 0, "a device is unlisted under somebody else's RTNL");
  }
  rtnlUnlock(k);
}

/** netif_tx_lock(): who has a queue's lock knows that no CPU is in its driver. */
function freezeQueues(k: Kernel, dev: Addr): void {
  const m = k.m;
  const count = ld(m, dev + DEV.numTxQueues);
  for (let i = 0; i < count; i++) {
    const queue = txq(dev, i);
    spinLock(m, queue + TXQ.xmitLock);
    assert(ld(m, queue + TXQ.xmitLockOwner) === 0, "a CPU is in the driver of a locked queue");
    spinUnlock(m, queue + TXQ.xmitLock);
  }
}

/** Somebody with a reference, who gives it back when the device says that it is UNREGISTERED. */
function holdDevice(k: Kernel, dev: Addr): void {
  waitUntilEqual(k.m, dev + DEV.regState, NETREG.unregistered, FOR_EVER);
  devPut(k, dev);
}

/** alloc_netdev(): a structure that is free is somebody else's from then on. */
function useAgain(k: Kernel, dev: Addr): void {
  const m = k.m;
  rtnlLock(k);
  if (ld(m, dev + DEV.regState) === NETREG.released) {
    st(m, dev + DEV.refcnt, 2);
    st(m, dev + DEV.regState, NETREG.registered);
  }
  rtnlUnlock(k);
}
