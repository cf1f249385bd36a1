// The guards of do_output over time, and the one a user brings. A guard is asked after the vport
// was found and before anything else looks at the device (net/openvswitch/actions.c, do_output).
//
//   none             up to 6.2: the vport was found, nothing more
//   carrier          066b86787fa3 (6.3): netif_carrier_ok
//   running-carrier  47e55e4b410f (6.13): netif_running, then netif_carrier_ok
//   running          netif_running alone (never merged; passes while a veth's peer is down)
//   registered       reg_state == NETREG_REGISTERED (first posting of the 2023 fix)
//   qcount           `none`, and skb_tx_hash leaves its loop when hash and count are both 0:
//                    a local patch that covers the recorded receive queue 0 and no other
import { type Addr, ld } from "../sync/index.js";
import type { Kernel } from "./kernel.js";
import { DEV, isUp, netifCarrierOk, netifRunning, NETREG } from "./core/netdevice.js";
import type { Skb } from "./core/skb.js";
import { type DeviceView, userGuardAllows } from "./device-view.js";

export const GUARD_NAMES = [
  "none",
  "carrier",
  "running-carrier",
  "running",
  "registered",
  "qcount",
] as const;
export type GuardName = (typeof GUARD_NAMES)[number];

/**
 * A guard of a user's own: gets the output device and the packet, answers whether the packet may
 * be sent. It runs inside the RCU read section; each property it reads is one load of shared
 * state at that moment, so reading one twice may give two answers.
 */
export type UserGuard = (dev: DeviceView, skb: SkbView) => boolean;

export interface Guard {
  /** One of GUARD_NAMES, or the path of the user's module. */
  readonly name: string;
  /** Index in GUARD_NAMES; -1 for a user's guard. */
  readonly id: number;
  readonly user: UserGuard | null;
}

/** What a user's guard may look at of the packet. */
export interface SkbView {
  /** 0: no receive queue recorded; else the recorded queue + 1. */
  readonly queueMapping: number;
  /** Bytes, Ethernet header included. */
  readonly len: number;
  readonly priority: number;
}

/** What a user's guard may look at of the device. */
export type DeviceProperty =
  "running" | "carrierOk" | "up" | "regState" | "realNumTxQueues" | "numTxQueues" | "dismantle";

/** Reads one property of a device for a user's guard: one atomic load. */
export function deviceProperty(k: Kernel, dev: Addr, name: DeviceProperty): number | boolean {
  switch (name) {
    case "running":
      return netifRunning(k, dev);
    case "carrierOk":
      return netifCarrierOk(k, dev);
    case "up":
      return isUp(k, dev);
    case "regState":
      return ld(k.m, dev + DEV.regState);
    case "realNumTxQueues":
      return ld(k.m, dev + DEV.realNumTxQueues);
    case "numTxQueues":
      return ld(k.m, dev + DEV.numTxQueues);
    case "dismantle":
      return ld(k.m, dev + DEV.dismantle) !== 0;
  }
}

export function builtInGuard(name: GuardName): Guard {
  return { name, id: GUARD_NAMES.indexOf(name), user: null };
}

export function userGuard(name: string, user: UserGuard): Guard {
  return { name, id: -1, user };
}

export function isGuardName(name: string): name is GuardName {
  return (GUARD_NAMES as readonly string[]).includes(name);
}

const NONE = GUARD_NAMES.indexOf("none");
const CARRIER = GUARD_NAMES.indexOf("carrier");
const RUNNING_CARRIER = GUARD_NAMES.indexOf("running-carrier");
const RUNNING = GUARD_NAMES.indexOf("running");
const REGISTERED = GUARD_NAMES.indexOf("registered");
const QCOUNT = GUARD_NAMES.indexOf("qcount");

/** The guard's answer for this device now. Loads in the order the kernel's source has them. */
export function guardAllows(k: Kernel, dev: Addr, skb: Skb): boolean {
  switch (k.guard.id) {
    case NONE:
    case QCOUNT:
      return true;
    case CARRIER:
      return netifCarrierOk(k, dev);
    case RUNNING_CARRIER:
      return netifRunning(k, dev) && netifCarrierOk(k, dev);
    case RUNNING:
      return netifRunning(k, dev);
    case REGISTERED:
      return ld(k.m, dev + DEV.regState) === NETREG.registered;
    default:
      return userGuardAllows(k, dev, skb);
  }
}

/** Whether skb_tx_hash carries the local patch of `qcount`. */
export function hashLoopPatched(k: Kernel): boolean {
  return k.guard.id === QCOUNT;
}
