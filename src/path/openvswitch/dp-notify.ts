// How the switch learns that a device goes away (net/openvswitch/dp_notify.c, vport-netdev.c). The
// notifier runs under RTNL and may not take ovs_mutex, so it only detaches the device and queues a
// work item; the port stays published until that item runs. In between lies the lockup.
import {
  add,
  type Addr,
  clearBits,
  ld,
  NULL,
  queueWork,
  smpProcessorId,
  st,
  tick,
  trace,
} from "../../sync/index.js";
import { DEV, KIND, PRIV } from "../core/netdevice.js";
import { callNetdeviceNotifiers } from "../core/rtnl.js";
import { synchronizeNet } from "../drivers/ops.js";
import { globalWord, KERNEL, type Kernel } from "../kernel.js";
import { EVENT, NETDEV, SITE } from "../trace-events.js";
import { ovsDpDetachPort, ovsLock, ovsUnlock, ovsVportRcu, VPORT } from "./vport.js";

/** dp_device_event(): only NETDEV_UNREGISTER of a device that is a port matters. RTNL is held. */
export function dpDeviceEvent(k: Kernel, event: number, dev: Addr): void {
  const m = k.m;
  if (event !== NETDEV.unregister || ld(m, dev + DEV.kind) === KIND.internal) return;
  // ovs_netdev_get_vport: the flag, then the handler's data. A second UNREGISTER finds the flag
  // clear and does nothing.
  if ((ld(m, dev + DEV.privFlags) & PRIV.ovsDatapath) === 0) return;
  const vport = ld(m, dev + DEV.rxHandlerData);
  if (vport === NULL) return;
  ovsNetdevDetachDev(k, vport);
  queueWork(m, globalWord(k, KERNEL.dpNotifyWork), smpProcessorId());
  trace(m, EVENT.queueNotifyWork, dev, 0, 0);
}

/**
 * ovs_netdev_detach_dev(): the device stops receiving for the switch. Nothing here stops the switch
 * from transmitting to it. The flag goes first (until 7c770dadfda5) or last. vport->dev is read
 * anew each time, as the kernel does: with the flag gone first, the vport may be freed before the
 * last of these reads.
 */
export function ovsNetdevDetachDev(k: Kernel, vport: Addr): void {
  const m = k.m;
  trace(m, EVENT.detachDev, ld(m, vport + VPORT.dev), 0, 0);
  if (k.profile.detachClearsFlag === "first") clearOvsFlag(k, vport);
  netdevRxHandlerUnregister(k, ld(m, vport + VPORT.dev));
  netdevUpperDevUnlink(k, ld(m, vport + VPORT.dev));
  add(m, ld(m, vport + VPORT.dev) + DEV.promiscuity, -1);
  if (k.profile.detachClearsFlag === "last") clearOvsFlag(k, vport);
}

// Handler, grace period, data.
function netdevRxHandlerUnregister(k: Kernel, dev: Addr): void {
  const m = k.m;
  trace(m, EVENT.handlerUnregister, dev, 0, 0);
  st(m, dev + DEV.rxHandler, 0);
  synchronizeNet(k);
  st(m, dev + DEV.rxHandlerData, NULL);
  trace(m, EVENT.handlerUnregistered, dev, 0, 0);
}

function netdevUpperDevUnlink(k: Kernel, dev: Addr): void {
  callNetdeviceNotifiers(k, NETDEV.preChangeUpper, dev);
  st(k.m, dev + DEV.upper, 0);
  callNetdeviceNotifiers(k, NETDEV.changeUpper, dev);
}

// dev->priv_flags &= ~IFF_OVS_DATAPATH: from here dp_device_event and netdev_destroy take the
// device for detached.
function clearOvsFlag(k: Kernel, vport: Addr): void {
  clearBits(k.m, ld(k.m, vport + VPORT.dev) + DEV.privFlags, PRIV.ovsDatapath);
}

/** ovs_dp_notify_wq(), the work item: unpublishes every port whose device has been detached. */
export function ovsDpNotifyWq(k: Kernel): void {
  const m = k.m;
  trace(m, EVENT.notifyWorkStarts, NULL, 0, 0);
  ovsLock(k);
  for (let portNo = 0; portNo < k.config.ports; portNo++) {
    const vport = ovsVportRcu(k, portNo);
    if (vport === NULL) continue;
    const dev = ld(m, vport + VPORT.dev);
    tick(m, SITE.dpNotify, dev, portNo, 0, 0);
    if (ld(m, dev + DEV.kind) === KIND.internal) continue;
    if ((ld(m, dev + DEV.privFlags) & PRIV.ovsDatapath) === 0) ovsDpDetachPort(k, vport);
  }
  ovsUnlock(k);
}
