// Opening and closing devices (net/core/dev.c: __dev_open, __dev_close_many, dev_close_many), and
// the administrator's way to them. Under RTNL.
import { type Addr, clearBits, deed, setBits, st, tick, trace } from "../../sync/index.js";
import { ndoOpen, ndoStop } from "../drivers/ops.js";
import type { Kernel } from "../kernel.js";
import { DEED, EVENT, NETDEV, SITE } from "../trace-events.js";
import { clearLinkState, DEV, IFF_UP, isUp, LINK_STATE, setLinkState } from "./netdevice.js";
import { callNetdeviceNotifiers } from "./rtnl.js";
import { devActivate, devDeactivateMany } from "./sch-generic.js";

/** __dev_open(): START, ndo_open, IFF_UP, dev_activate, NETDEV_UP. */
export function devOpen(k: Kernel, dev: Addr): void {
  if (isUp(k, dev)) return;
  setLinkState(k, dev, LINK_STATE.start);
  // veth_open looks at the peer's IFF_UP, and the first end's own flag is set only afterwards.
  ndoOpen(k, dev);
  setBits(k.m, dev + DEV.flags, IFF_UP);
  devActivate(k, dev);
  trace(k.m, EVENT.devOpen, dev, 0, 0);
  callNetdeviceNotifiers(k, NETDEV.up, dev);
  deed(DEED.linkUp, dev);
}

/**
 * dev_close_many(): closes the devices of the list that are up. START is cleared for ALL of them
 * before any qdisc is touched; the qdiscs of all before any ndo_stop; IFF_UP goes last.
 */
export function devCloseMany(k: Kernel, devs: readonly Addr[]): void {
  const closing: Addr[] = [];
  for (let i = 0; i < devs.length; i++) {
    if (isUp(k, devs[i]!)) closing.push(devs[i]!);
  }
  if (closing.length === 0) return;
  for (let i = 0; i < closing.length; i++) {
    callNetdeviceNotifiers(k, NETDEV.goingDown, closing[i]!);
    clearLinkState(k, closing[i]!, LINK_STATE.start);
    trace(k.m, EVENT.clearStart, closing[i]!, 0, 0);
  }
  devDeactivateMany(k, closing);
  for (let i = 0; i < closing.length; i++) {
    ndoStop(k, closing[i]!);
    clearBits(k.m, closing[i]! + DEV.flags, IFF_UP);
    trace(k.m, EVENT.clearUp, closing[i]!, 0, 0);
  }
  for (let i = 0; i < closing.length; i++) {
    tick(k.m, SITE.walk, closing[i]!, i, 0, 0);
    callNetdeviceNotifiers(k, NETDEV.down, closing[i]!);
  }
}

/** `ip link set DEV down`: close only; no queue count changes. RTNL. */
export function devClose(k: Kernel, dev: Addr): void {
  devCloseMany(k, [dev]);
  deed(DEED.linkDown, dev);
}

/** `ip link set DEV txqueuelen N`: the device is deactivated around the change; START stays. */
export function devChangeTxQueueLen(k: Kernel, dev: Addr, frames: number): void {
  const active = isUp(k, dev);
  if (active) devDeactivateMany(k, [dev]);
  st(k.m, dev + DEV.txQueueLen, frames);
  if (active) devActivate(k, dev);
}
