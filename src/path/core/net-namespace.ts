// A namespace going away (net/core/net_namespace.c, default_device_exit_batch in net/core/dev.c),
// and a device moving between two (__dev_change_net_namespace). Process context; takes RTNL.
import { type Addr, ld, NULL, st, tick, trace } from "../../sync/index.js";
import { synchronizeNet } from "../drivers/ops.js";
import { deviceAt, globalWord, KERNEL, type Kernel } from "../kernel.js";
import { EVENT, NETDEV, SITE } from "../trace-events.js";
import { DEV, NETREG } from "./netdevice.js";
import { devCloseMany } from "./open-close.js";
import { callNetdeviceNotifiers, rtnlLock, rtnlUnlock } from "./rtnl.js";
import { dellink, unregisterNetdeviceMany } from "./unregister.js";

/**
 * cleanup_net() as far as devices go: ONE batch of everything in the namespace, newest first; the
 * other end of a veth joins although it lives elsewhere.
 */
export function cleanupNet(k: Kernel, netns: number): void {
  trace(k.m, EVENT.netnsExit, NULL, netns, 0);
  rtnlLock(k);
  const batch: Addr[] = [];
  const count = ld(k.m, globalWord(k, KERNEL.deviceCount));
  for (let i = count - 1; i >= 0; i--) {
    const dev = deviceAt(k, i);
    tick(k.m, SITE.walk, dev, i, 0, 0);
    if (ld(k.m, dev + DEV.netns) !== netns) continue;
    if (ld(k.m, dev + DEV.regState) !== NETREG.registered) continue;
    dellink(k, dev, batch);
  }
  unregisterNetdeviceMany(k, batch);
  rtnlUnlock(k);
}

/** `ip link del DEV`, or the last descriptor of a tun device closed. */
export function deleteLink(k: Kernel, dev: Addr): void {
  deleteLinks(k, [dev]);
}

/** Several links in one batch, as `ip link del group N` does. */
export function deleteLinks(k: Kernel, devs: readonly Addr[]): void {
  rtnlLock(k);
  const batch: Addr[] = [];
  for (let i = 0; i < devs.length; i++) {
    tick(k.m, SITE.walk, devs[i]!, i, 0, 0);
    if (ld(k.m, devs[i]! + DEV.regState) === NETREG.registered) dellink(k, devs[i]!, batch);
  }
  unregisterNetdeviceMany(k, batch);
  rtnlUnlock(k);
}

/**
 * __dev_change_net_namespace(): closes the device and sends NETDEV_UNREGISTER, so the switch
 * detaches it, but the device stays REGISTERED and its queue counts are not touched.
 */
export function devChangeNetNamespace(k: Kernel, dev: Addr, netns: number): void {
  rtnlLock(k);
  // Whoever had RTNL before may have deleted it.
  if (ld(k.m, dev + DEV.regState) !== NETREG.registered) return rtnlUnlock(k);
  trace(k.m, EVENT.netnsMove, dev, netns, 0);
  devCloseMany(k, [dev]);
  st(k.m, dev + DEV.listed, 0);
  synchronizeNet(k);
  callNetdeviceNotifiers(k, NETDEV.unregister, dev);
  st(k.m, dev + DEV.netns, netns);
  st(k.m, dev + DEV.listed, 1);
  callNetdeviceNotifiers(k, NETDEV.register, dev);
  synchronizeNet(k);
  rtnlUnlock(k);
}
