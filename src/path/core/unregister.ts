// unregister_netdevice_many (net/core/dev.c; rollback_registered_many before 5.12,
// unregister_netdevice_many_notify since 6.2): the steps U1 to U13. Process context, RTNL held by
// the caller; U14 is rtnl_unlock. The order is the kernel's, step by step:
//
//   for all devices   U1 dismantle  U2 close list  U3 START off  U4 queues to noop
//   grace period      U5
//   for all devices   U6 ndo_stop, IFF_UP off  U7 NETDEV_DOWN  U8 unlist, UNREGISTERING
//   for all CPUs      U9 flush backlogs
//   grace period      U10
//   device by device  U11 shutdown, NETDEV_UNREGISTER (the switch detaches), ndo_uninit,
//                     real_num_rx_queues = 0, real_num_tx_queues = 0   <- the dangerous store
//   grace period      U12, which unpublishes nothing
import { type Addr, deed, ld, NULL, st, tick, trace } from "../../sync/index.js";
import { ndoUninit, synchronizeNet } from "../drivers/ops.js";
import { globalWord, KERNEL, type Kernel } from "../kernel.js";
import { DEED, EVENT, NETDEV, SITE } from "../trace-events.js";
import { flushAllBacklogs } from "./backlog.js";
import { DEV, devPut, KIND, NETREG } from "./netdevice.js";
import { callNetdeviceNotifiers } from "./rtnl.js";
import { devCloseMany } from "./open-close.js";
import { netifResetXpsQueuesGt } from "./queue-counts.js";
import { devShutdown } from "./sch-generic.js";

/** Takes the devices of the batch down. Devices that are not REGISTERED are left out. */
export function unregisterNetdeviceMany(k: Kernel, batch: readonly Addr[]): void {
  const m = k.m;
  const devs: Addr[] = [];
  for (let i = 0; i < batch.length; i++) {
    tick(m, SITE.unregisterMany, batch[i]!, i, 0, 0);
    if (ld(m, batch[i]! + DEV.regState) !== NETREG.registered) continue;
    st(m, batch[i]! + DEV.dismantle, 1);
    trace(m, EVENT.dismantle, batch[i]!, 0, 0);
    devs.push(batch[i]!);
  }
  if (devs.length === 0) return;
  devCloseMany(k, devs);
  for (let i = 0; i < devs.length; i++) unlistNetdevice(k, devs[i]!);
  flushAllBacklogs(k);
  trace(m, EVENT.flushBacklogs, NULL, 0, 0);
  trace(m, EVENT.grace2, NULL, 0, 0);
  synchronizeNet(k);
  for (let i = 0; i < devs.length; i++) unregisterOne(k, devs[i]!);
  trace(m, EVENT.grace4, NULL, 0, 0);
  synchronizeNet(k);
  for (let i = 0; i < devs.length; i++) netSetTodo(k, devs[i]!);
}

// U8. The real device is deleted here, where the kernel takes it off its lists.
function unlistNetdevice(k: Kernel, dev: Addr): void {
  st(k.m, dev + DEV.listed, 0);
  trace(k.m, EVENT.unlist, dev, 0, 0);
  st(k.m, dev + DEV.regState, NETREG.unregistering);
  trace(k.m, EVENT.unregistering, dev, 0, 0);
  deed(DEED.deleteDevice, dev);
}

// U11, complete for one device before the next one begins.
function unregisterOne(k: Kernel, dev: Addr): void {
  const m = k.m;
  devShutdown(k, dev);
  trace(m, EVENT.notifyUnregister, dev, 0, 0);
  callNetdeviceNotifiers(k, NETDEV.unregister, dev);
  if (k.profile.preUninitEvent) callNetdeviceNotifiers(k, NETDEV.preUninit, dev);
  ndoUninit(k, dev);
  netdevUnregisterKobject(k, dev);
  netifResetXpsQueuesGt(k, dev, 0);
  st(m, dev + DEV.xpsCpus, 0);
  st(m, dev + DEV.xpsRxqs, 0);
}

/**
 * netdev_unregister_kobject(), remove_queue_kobjects(): the rx-N and tx-N objects go, then the
 * counts are stored as 0, receive before transmit (since d7dac083414e; before it they stayed).
 */
function netdevUnregisterKobject(k: Kernel, dev: Addr): void {
  const m = k.m;
  trace(m, EVENT.kobjects, dev, 0, 0);
  st(m, dev + DEV.queueKobjects, 0);
  if (!k.profile.zeroesQueueCounts) return;
  st(m, dev + DEV.realNumRxQueues, 0);
  trace(m, EVENT.zeroRx, dev, 0, 0);
  st(m, dev + DEV.realNumTxQueues, 0);
  trace(m, EVENT.zeroTx, dev, 0, 0);
}

// U13: the registration's reference goes, and the device joins net_todo_list at its end.
function netSetTodo(k: Kernel, dev: Addr): void {
  const m = k.m;
  const tail = globalWord(k, KERNEL.todoTail);
  const last = ld(m, tail);
  st(m, last === NULL ? globalWord(k, KERNEL.todoHead) : last + DEV.todoNext, dev);
  st(m, dev + DEV.todoNext, NULL);
  st(m, tail, dev);
  devPut(k, dev);
  trace(m, EVENT.netSetTodo, dev, 0, 0);
}

/**
 * rtnl_link_ops.dellink of a device that joins `batch`. veth_dellink(): both ends join it, the
 * named one first, and both peer pointers become NULL before anything else happens.
 */
export function dellink(k: Kernel, dev: Addr, batch: Addr[]): void {
  const m = k.m;
  const peer = ld(m, dev + DEV.kind) === KIND.veth ? ld(m, dev + DEV.peer) : NULL;
  unregisterNetdeviceQueue(dev, batch);
  if (peer === NULL) return;
  st(m, dev + DEV.peer, NULL);
  st(m, peer + DEV.peer, NULL);
  unregisterNetdeviceQueue(peer, batch);
}

// unregister_netdevice_queue(), list_move_tail: a device that is in the batch already (the other
// end of a veth whose two ends are named) moves to its end. Twice in it would mean twice on
// net_todo_list, which then never ends.
function unregisterNetdeviceQueue(dev: Addr, batch: Addr[]): void {
  const at = batch.indexOf(dev);
  if (at >= 0) batch.splice(at, 1);
  batch.push(dev);
}
