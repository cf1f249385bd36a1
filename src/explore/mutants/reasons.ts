// Why a mutant that no cell can tell from the shipped path is no miss: each has a reason of its
// own, written by hand, and of one of a few classes. One that comes out equivalent and is not in
// this table counts as survived. Data; any thread.
import type { Mutant } from "./operators.js";

export const CLASSES = {
  "asked again": "another test on the same way says the same",
  "waited already": "another grace period, or the wait for references, has let everybody through",
  "under a lock": "who could see the difference needs the lock that is held",
  "no listener": "the kernel does it for somebody whom the path does not have",
} as const;
export type ReasonClass = keyof typeof CLASSES;

export interface Reason {
  readonly of: ReasonClass;
  readonly text: string;
}

/** By function, operator and the first line that changes. */
type Row = readonly [
  within: string,
  operator: string,
  before: string,
  of: ReasonClass,
  why: string,
];

const ROWS: readonly Row[] = [
  [
    "cleanupNet",
    "pass-test",
    "if (ld(k.m, dev + DEV.regState) !== NETREG.registered) continue;",
    "asked again",
    "unregister_netdevice_many() leaves out what is not REGISTERED, under the same RTNL",
  ],
  [
    "unregisterNetdeviceMany",
    "pass-test",
    "if (ld(m, batch[i]! + DEV.regState) !== NETREG.registered) continue;",
    "asked again",
    "each caller has asked, under the same RTNL",
  ],
  [
    "devChangeNetNamespace",
    "swap-order",
    "callNetdeviceNotifiers(k, NETDEV.unregister, dev);",
    "no listener",
    "the switch goes by the device, not by the namespace that it hears the event in",
  ],
  [
    "devChangeNetNamespace",
    "swap-order",
    "callNetdeviceNotifiers(k, NETDEV.register, dev);",
    "no listener",
    "the switch does nothing on NETDEV_REGISTER",
  ],
  [
    "devChangeNetNamespace",
    "swap-order",
    "synchronizeNet(k);",
    "no listener",
    "nothing is taken away after the last grace period; it is there for those who set devices up",
  ],
  [
    "devChangeNetNamespace",
    "drop-grace-period",
    "synchronizeNet(k);",
    "no listener",
    "nothing is taken away after the last grace period; it is there for those who set devices up",
  ],
  [
    "netifSetRealNumTxQueues",
    "pass-test",
    "if (ld(m, dev + DEV.regState) === NETREG.unregistering && count > old) {",
    "no listener",
    "only a driver asks for queues while its device is UNREGISTERING; these drivers do not",
  ],
  [
    "netdevRunTodo",
    "swap-order",
    "rcuBarrier(k.m);",
    "waited already",
    "each callback has a reference to the device, and gives it back as its last act on it",
  ],
  [
    "netdevRunTodo",
    "drop-grace-period",
    "rcuBarrier(k.m);",
    "waited already",
    "each callback has a reference to the device, and gives it back as its last act on it",
  ],
  [
    "netdevRunTodo",
    "swap-order",
    "st(k.m, dev + DEV.regState, NETREG.unregistered);",
    "no listener",
    "linkwatch does nothing for a device that is down, whatever its state is",
  ],
  [
    "unregisterNetdeviceMany",
    "swap-order",
    "for (let i = 0; i < devs.length; i++) unregisterOne(k, devs[i]!);",
    "waited already",
    "a port's vport keeps its reference for a grace period; others were waited for when unlisted",
  ],
  [
    "unregisterNetdeviceMany",
    "swap-order",
    "synchronizeNet(k);",
    "waited already",
    "the todo list is looked at when RTNL is dropped, after both",
  ],
  [
    "unregisterNetdeviceMany",
    "drop-grace-period",
    "synchronizeNet(k);",
    "waited already",
    "a port's vport keeps its reference for a grace period; others were waited for when unlisted",
  ],
  [
    "unregisterOne",
    "swap-order",
    "devShutdown(k, dev);",
    "asked again",
    "the queues are noop since the device was closed; dev_shutdown() does it once more",
  ],
  [
    "xmitNoqueue",
    "pass-test",
    "if (!isUp(k, dev)) {",
    "waited already",
    "who has read noqueue is through before IFF_UP goes (dev_deactivate_many)",
  ],
  [
    "vethXmit",
    "pass-test",
    'if (!isUp(k, peer)) return XMIT["peer-not-ready"];',
    "asked again",
    "netif_rx() asks for START, which goes before IFF_UP and comes before it",
  ],
  [
    "internalDevRecv",
    "pass-test",
    "if (!isUp(k, dev)) {",
    "asked again",
    "netif_rx() asks for START; only the name of the drop would be another",
  ],
  [
    "ndoUninit",
    "swap-order",
    "st(m, dev + DEV.numQueues, 0);",
    "waited already",
    "who could be in the driver was waited for when the device was closed",
  ],
  [
    "ndoUninit",
    "swap-order",
    "netifCarrierOff(k, dev);",
    "waited already",
    "who could be in the driver was waited for when the device was closed",
  ],
  [
    "ndoUninit",
    "drop-grace-period",
    "synchronizeNet(k);",
    "waited already",
    "who could be in the driver was waited for when the device was closed",
  ],
  [
    "close",
    "drop-lock",
    "rtnlLock(k);",
    "no listener",
    "nobody else changes devices in link-down and peer-down; deleteLinks() has rivals",
  ],
  [
    "ovsVportAdd",
    "swap-order",
    "devHold(k, dev);",
    "under a lock",
    "who takes references back for the port needs RTNL",
  ],
  [
    "ovsVportAdd",
    "swap-order",
    "rtnlUnlock(k);",
    "under a lock",
    "ports are changed under ovs_mutex, which is held over both",
  ],
  [
    "ovsVportAdd",
    "swap-order",
    "st(m, dev + DEV.rxHandler, 1);",
    "under a lock",
    "who looks at upper devices needs RTNL",
  ],
  [
    "ovsVportAdd",
    "swap-order",
    "add(m, dev + DEV.promiscuity, 1);",
    "under a lock",
    "who detaches the port needs RTNL",
  ],
  [
    "timerSoftirq",
    "drop-read-section",
    "rcuReadLock(m);",
    "waited already",
    "an armed timer holds a reference of the device until its handler has run or it was deleted",
  ],
];

/** Why a mutant cannot be told; null: nobody has said so. */
export function reasonOf({ within, operator, before }: Omit<Mutant, "edits">): Reason | null {
  const row = ROWS.find((one) => one[0] === within && one[1] === operator && one[2] === before);
  return row === undefined ? null : { of: row[3], text: row[4] };
}
