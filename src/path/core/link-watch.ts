// Carrier, and what follows a change of it (net/core/link_watch.c). Drivers change the bit at any
// time; the work item that acts on it needs RTNL, so while a device is being unregistered it stays
// pending, which is why a crash dump shows LINKWATCH_PENDING beside NOCARRIER.
import { type Addr, ld, queueWork, smpProcessorId, tick, trace } from "../../sync/index.js";
import { deviceAt, globalWord, KERNEL, type Kernel } from "../kernel.js";
import { EVENT, SITE } from "../trace-events.js";
import { clearLinkState, DEV, isUp, LINK_STATE, netifCarrierOk } from "./netdevice.js";
import { NETREG, setLinkState } from "./netdevice.js";
import { devActivate, devDeactivateMany } from "./sch-generic.js";
import { rtnlLock, rtnlUnlock } from "./rtnl.js";

/** netif_carrier_on(). */
export function netifCarrierOn(k: Kernel, dev: Addr): void {
  if ((clearLinkState(k, dev, LINK_STATE.noCarrier) & LINK_STATE.noCarrier) === 0) return;
  trace(k.m, EVENT.carrierOn, dev, 0, 0);
  linkwatchFireEvent(k, dev);
}

/** netif_carrier_off(). */
export function netifCarrierOff(k: Kernel, dev: Addr): void {
  if ((setLinkState(k, dev, LINK_STATE.noCarrier) & LINK_STATE.noCarrier) !== 0) return;
  trace(k.m, EVENT.carrierOff, dev, 0, 0);
  linkwatchFireEvent(k, dev);
}

function linkwatchFireEvent(k: Kernel, dev: Addr): void {
  if (ld(k.m, dev + DEV.regState) === NETREG.uninitialized) return;
  const before = setLinkState(k, dev, LINK_STATE.linkwatchPending);
  if ((before & LINK_STATE.linkwatchPending) !== 0) return;
  queueWork(k.m, globalWord(k, KERNEL.linkwatchWork), smpProcessorId());
}

/** linkwatch_event(), the work item: acts on every device with a pending event. */
export function linkwatchEvent(k: Kernel): void {
  rtnlLock(k);
  const count = ld(k.m, globalWord(k, KERNEL.deviceCount));
  for (let i = 0; i < count; i++) {
    tick(k.m, SITE.linkwatch, deviceAt(k, i), i, 0, 0);
    linkwatchDoDev(k, deviceAt(k, i));
  }
  rtnlUnlock(k);
}

function linkwatchDoDev(k: Kernel, dev: Addr): void {
  if ((ld(k.m, dev + DEV.state) & LINK_STATE.linkwatchPending) === 0) return;
  clearLinkState(k, dev, LINK_STATE.linkwatchPending);
  trace(k.m, EVENT.linkwatch, dev, 0, 0);
  if (!isUp(k, dev)) return;
  if (netifCarrierOk(k, dev)) devActivate(k, dev);
  else devDeactivateMany(k, [dev]);
}
