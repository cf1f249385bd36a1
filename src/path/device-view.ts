// A device as a user's guard sees it. Called by guards.ts on any CPU, inside the RCU read section
// of the transmit path. Where schedules are explored, a view of the explorer's own takes its place:
// there each property is a scheduling point.
import { type Addr } from "../sync/index.js";
import type { Skb } from "./core/skb.js";
import { deviceProperty } from "./guards.js";
import type { Kernel } from "./kernel.js";

/** Each property is one atomic load at the moment it is read. */
export class DeviceView {
  private readonly k: Kernel;
  private dev: Addr = 0;

  constructor(k: Kernel) {
    this.k = k;
  }

  /** Points the view at a device; one view per thread is used for all packets. */
  at(dev: Addr): this {
    this.dev = dev;
    return this;
  }

  /** netif_running(): __LINK_STATE_START is set. */
  get running(): boolean {
    return deviceProperty(this.k, this.dev, "running") as boolean;
  }

  /** netif_carrier_ok(): __LINK_STATE_NOCARRIER is clear. */
  get carrierOk(): boolean {
    return deviceProperty(this.k, this.dev, "carrierOk") as boolean;
  }

  /** dev->flags & IFF_UP. */
  get up(): boolean {
    return deviceProperty(this.k, this.dev, "up") as boolean;
  }

  /** dev->reg_state: 1 registered, 2 unregistering, 3 unregistered, 4 released. */
  get regState(): number {
    return deviceProperty(this.k, this.dev, "regState") as number;
  }

  /** dev->real_num_tx_queues. */
  get realNumTxQueues(): number {
    return deviceProperty(this.k, this.dev, "realNumTxQueues") as number;
  }

  /** dev->num_tx_queues. */
  get numTxQueues(): number {
    return deviceProperty(this.k, this.dev, "numTxQueues") as number;
  }

  /** dev->dismantle: the device is being unregistered. */
  get dismantle(): boolean {
    return deviceProperty(this.k, this.dev, "dismantle") as boolean;
  }
}

/** The answer of the user's guard for this device now. */
export function userGuardAllows(k: Kernel, dev: Addr, skb: Skb): boolean {
  return k.guard.user!(skb.guardView!.at(dev), skb);
}
