// call_netdevice_notifiers: here the switch is the only listener that matters for this path.
import { type Addr, trace } from "../../sync/index.js";
import type { Kernel } from "../kernel.js";
import { dpDeviceEvent } from "../openvswitch/dp-notify.js";
import { EVENT } from "../trace-events.js";

/** Sends a notifier event (NETDEV) for a device. RTNL is held, except on the re-broadcast. */
export function callNetdeviceNotifiers(k: Kernel, event: number, dev: Addr): void {
  trace(k.m, EVENT.notifier, dev, event, 0);
  dpDeviceEvent(k, event, dev);
}
