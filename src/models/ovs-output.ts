// The headline system: packets that the switch sends to a port while the port's device is taken
// away. Each function below is what one thread does; the functions that they call are those of
// `src/path`, which the workers of a run call too. Run by the explorer only; nothing of it is
// rewritten by hand for that.
import { processBacklog } from "../path/core/backlog.js";
import {
  cleanupNet,
  deleteLink,
  deleteLinks,
  devChangeNetNamespace,
} from "../path/core/net-namespace.js";
import {
  DEV,
  devPut,
  isUp,
  type KindName,
  NETREG,
  TXQ,
  txq,
  WATCHDOG,
} from "../path/core/netdevice.js";
import { devClose } from "../path/core/open-close.js";
import { netifSetRealNumTxQueues } from "../path/core/queue-counts.js";
import { rtnlLock, rtnlUnlock } from "../path/core/rtnl.js";
import { devWatchdog } from "../path/core/sch-generic.js";
import { newSkb } from "../path/core/skb.js";
import { devQueueXmit } from "../path/core/xmit.js";
import { deviceAt, globalWord, KERNEL, type Kernel } from "../path/kernel.js";
import { doOutput } from "../path/openvswitch/actions.js";
import { ovsDpNotifyWq } from "../path/openvswitch/dp-notify.js";
import { ovsVportDel, runRcuCallback } from "../path/openvswitch/vport.js";
import { SITE } from "../path/trace-events.js";
import { XMIT } from "../path/verdict.js";
import {
  add,
  type Addr,
  assert,
  CALLBACK_RING_SIZE,
  callbackRing,
  cas,
  HEADER,
  ld,
  NULL,
  rcuReadLock,
  rcuReadUnlock,
  st,
  synchronizeRcu,
  tick,
  waitUntilEqual,
  waitWhile,
} from "../sync/index.js";
import {
  type EventName,
  type Meeting,
  MEETING,
  NETNS,
  type Plugged,
  PORT,
} from "./output/events.js";
import { remapClasses } from "./output/rivals.js";

const FOR_EVER = 2 ** 31 - 1;

/**
 * A CPU that receives packets, each with its recorded queue, and sends them to a port. Without
 * `underRcu` it forgets the read section, which the kernel never does.
 */
export function receive(k: Kernel, mappings: readonly number[], how: Sending): void {
  const m = k.m;
  let waiting = 0;
  for (let i = 0; i < mappings.length; i++) {
    if (how.what !== "packets") {
      meet(k, how);
      continue;
    }
    const skb = newSkb();
    skb.len = 100;
    skb.hash = 0x8000_0000;
    skb.queueMapping = mappings[i]!;
    if (how.underRcu) rcuReadLock(m);
    const isLate = how.late !== NULL && !isUp(k, how.late);
    const verdict = doOutput(k, skb, how.port);
    assert(verdict !== XMIT["queue-count-fault"], "divide error in the driver's selector");
    if (isLate && looksAtCarrier(k)) {
      assert(verdict === XMIT.guard, "the guard lets a packet to a device without carrier");
    }
    if (how.looksAtDriver && verdict === XMIT.ok) {
      // dev_deactivate_many waits for this section before a driver is stopped.
      assert(isUp(k, skb.wireDev), "a driver is stopped while it has a packet");
    }
    if (how.fillsRings && verdict === XMIT.ok) {
      add(m, txq(skb.wireDev, skb.wireQueue) + TXQ.ringLen, 1);
    }
    if (how.underRcu) rcuReadUnlock(m);
    if (!skb.onBacklog) continue;
    if (how.inBursts) waiting++;
    else receiveFromBacklog(k, how);
  }
  for (let i = 0; i < waiting; i++) receiveFromBacklog(k, how);
}

/** Whether the guard promises that nothing goes to a device without carrier. */
function looksAtCarrier(k: Kernel): boolean {
  return k.guard.name === "carrier" || k.guard.name === "running-carrier";
}

/** The softirq that comes after: the packet has no reference to its device. */
function receiveFromBacklog(k: Kernel, how: Sending): void {
  const m = k.m;
  rcuReadLock(m);
  const dev = processBacklog(k);
  if (dev !== NULL) {
    ld(m, dev + DEV.type);
    // get_rps_cpu() looks for the queue. What is flushed, then waited for, is never here.
    const hasQueues = ld(m, dev + DEV.realNumRxQueues) !== 0;
    assert(hasQueues, "a packet is received for a device without receive queues");
  } else assert(!how.keepsBacklog, "a packet is lost on the backlog");
  rcuReadUnlock(m);
}

/** What else a CPU does with a device than to send it packets of the switch. */
function meet(k: Kernel, { what, dev }: Sending): void {
  if (what === "list") lookUp(k, dev);
  else if (what === "handler") frameIn(k, dev);
  else hostSend(k, dev);
}

// dev_get_by_name_rcu(), dumps of links: who has found a device in the list finds it whole, and in
// its namespace, until he leaves the read section.
function lookUp(k: Kernel, dev: Addr): void {
  const m = k.m;
  rcuReadLock(m);
  const state = ld(m, dev + DEV.regState);
  if (ld(m, dev + DEV.listed) !== 0) {
    assert(state === NETREG.registered, "a device is listed that is not registered");
    const netns = ld(m, dev + DEV.netns);
    assert(ld(m, dev + DEV.realNumTxQueues) !== 0, "a device that was found loses its queues");
    assert(ld(m, dev + DEV.netns) === netns, "a device that was found changes its namespace");
  }
  rcuReadUnlock(m);
}

// __netif_receive_skb_core(): who sees a handler sees its data (netdev_rx_handler_unregister), and
// nobody is told of the end of a device while others may still have found it in the list.
function frameIn(k: Kernel, dev: Addr): void {
  const m = k.m;
  rcuReadLock(m);
  if (ld(m, dev + DEV.rxHandler) !== 0) {
    assert(ld(m, dev + DEV.rxHandlerData) !== NULL, "a receive handler has lost its data");
  }
  rcuReadUnlock(m);
  rcuReadLock(m);
  if (ld(m, dev + DEV.listed) !== 0) {
    const flags = ld(m, dev + DEV.privFlags);
    assert(ld(m, dev + DEV.privFlags) === flags, "a notifier runs before the list is left");
  }
  rcuReadUnlock(m);
}

// A socket of the host's own, with a reference to the device and no read section around the send.
function hostSend(k: Kernel, dev: Addr): void {
  const skb = newSkb();
  skb.len = 100;
  skb.dev = dev;
  const verdict = devQueueXmit(k, skb);
  const isDrained = verdict !== XMIT["device-down"];
  assert(isDrained, "a packet that has its queue meets a device that is down");
  devPut(k, dev);
}

export interface Sending {
  readonly port: number;
  readonly underRcu: boolean;
  /** What the CPU does with the device; other than sending, once for each packet. */
  readonly what: "packets" | Meeting;
  readonly dev: Addr;
  /** Packets stay in the queue that they were sent on. */
  readonly fillsRings: boolean;
  /** A packet that was sent wants its driver running until its read section ends. */
  readonly looksAtDriver: boolean;
  /** The backlog is worked off after the burst, not after each packet. */
  readonly inBursts: boolean;
  /** Nothing may be flushed from it: whom its packets are for stays. */
  readonly keepsBacklog: boolean;
  /** A device that a packet which finds it down must be kept from; or NULL. */
  readonly late: Addr;
}

/** How packets are sent while an event goes on: to the port whose device goes last. */
export function sendingDuring(
  k: Kernel,
  event: EventName,
  kind: KindName,
  { underRcu, softirq }: { readonly underRcu: boolean; readonly softirq?: boolean },
): Sending {
  const stays = event === "link-down" || event === "peer-down";
  return {
    port: event === "batch-delete" ? PORT + 1 : PORT,
    underRcu,
    what: MEETING[event] ?? "packets",
    dev: deviceAt(k, 0),
    fillsRings: event === "shrink" && (kind === "tun" || kind === "ifb"),
    looksAtDriver: stays,
    inBursts: softirq === true || event === "delete-other",
    keepsBacklog: stays || event === "delete-other",
    late: event === "peer-down" ? deviceAt(k, 1) : NULL,
  };
}

/** The administrator. */
export function takeAway(k: Kernel, event: EventName, { dev, other }: Plugged): void {
  switch (event) {
    case "netns-delete":
      return cleanupNet(k, NETNS);
    case "netns-move":
    case "lookup-move":
    case "frame-move":
    case "move-delete":
      return devChangeNetNamespace(k, dev, NETNS);
    case "batch-delete":
      return deleteLinks(k, [dev, other]);
    case "delete-other":
      return deleteLink(k, other);
    case "tc-remap":
      return remapClasses(k, dev);
    case "shrink":
    case "remap-shrink":
      rtnlLock(k);
      netifSetRealNumTxQueues(k, dev, 1);
      return rtnlUnlock(k);
    case "link-down":
      return close(k, dev);
    case "peer-down":
      return close(k, ld(k.m, dev + DEV.peer));
    case "del-port":
      ovsVportDel(k, PORT);
      return deleteLink(k, dev);
    default:
      return deleteLink(k, dev);
  }
}

function close(k: Kernel, dev: Addr): void {
  rtnlLock(k);
  devClose(k, dev);
  rtnlUnlock(k);
}

/** The thread that runs ovs_dp_notify_wq. */
export function kworker(k: Kernel): void {
  const work = globalWord(k, KERNEL.dpNotifyWork);
  for (;;) {
    waitUntilEqual(k.m, work, 1, FOR_EVER);
    st(k.m, work, 0);
    ovsDpNotifyWq(k);
  }
}

/** How often the timer fires at most: each time is a read section, and those are counted. */
const FIRES_MAX = 2;

/** The timer softirq of a CPU, with dev->watchdog_timer: it fires at any time once it is armed. */
export function timerSoftirq(k: Kernel, dev: Addr): void {
  const m = k.m;
  const word = dev + DEV.watchdog;
  for (let fired = 0; fired < FIRES_MAX; fired++) {
    waitUntilEqual(m, word, WATCHDOG.armed, FOR_EVER);
    // timer_delete() may have been sooner.
    if (cas(m, word, WATCHDOG.armed, WATCHDOG.idle) !== WATCHDOG.armed) continue;
    rcuReadLock(m);
    devWatchdog(k, dev);
    rcuReadUnlock(m);
  }
}

/** The thread that runs RCU callbacks: a batch, a grace period, then each of them. */
export function rcuCallbacks(k: Kernel): void {
  const m = k.m;
  for (let done = 0; ;) {
    waitWhile(m, HEADER.callbacksQueued, done);
    const queued = ld(m, HEADER.callbacksQueued);
    synchronizeRcu(m, false);
    for (; done !== queued; done++) {
      tick(m, SITE.walk, NULL, done, queued, 0);
      const slot = callbackRing(k.config.cpus) + 2 * (done % CALLBACK_RING_SIZE);
      runRcuCallback(k, ld(m, slot), ld(m, slot + 1));
      st(m, HEADER.callbacksDone, done + 1);
    }
  }
}
