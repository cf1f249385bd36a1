// The headline system: packets that the switch sends to a port while the port's device is taken
// away. Each function below is what one thread does; the functions that they call are those of
// `src/path`, which the workers of a run call too. Run by the explorer only; nothing of it is
// rewritten by hand for that.
import { linkwatchEvent } from "../path/core/link-watch.js";
import { cleanupNet, devChangeNetNamespace, deleteLink } from "../path/core/net-namespace.js";
import { processBacklog } from "../path/core/backlog.js";
import { DEV, type KindName, NETREG, registerNetdevice, vethPair } from "../path/core/netdevice.js";
import { devOpen } from "../path/core/open-close.js";
import { rtnlLock, rtnlUnlock } from "../path/core/rtnl.js";
import { newSkb } from "../path/core/skb.js";
import { tunAttachAll } from "../path/drivers/ops.js";
import { globalWord, KERNEL, type Kernel } from "../path/kernel.js";
import { doOutput } from "../path/openvswitch/actions.js";
import { ovsDpNotifyWq } from "../path/openvswitch/dp-notify.js";
import { ovsVportAdd, ovsVportDel, runRcuCallback } from "../path/openvswitch/vport.js";
import { XMIT } from "../path/verdict.js";
import {
  type Addr,
  assert,
  CALLBACK_RING_SIZE,
  callbackRing,
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
import { SITE } from "../path/trace-events.js";

/** Port that the packets are sent to, and the namespace that goes away. */
const PORT = 1;
const NETNS = 7;
const FOR_EVER = 2 ** 31 - 1;

/** What takes the device away. */
export const EVENTS = ["link-delete", "netns-delete", "del-port", "netns-move"] as const;
export type EventName = (typeof EVENTS)[number];

export interface Plugged {
  readonly dev: Addr;
  /** A veth's far end, or the device below; NULL for kinds that have none. */
  readonly other: Addr;
}

/** A device of a kind, open, and a port of the switch. Before the threads begin. */
export function setUp(k: Kernel, kind: KindName, queues: number): Plugged {
  rtnlLock(k);
  const isVeth = kind === "veth";
  const netns = isVeth ? 0 : NETNS;
  const dev = registerNetdevice(k, { kind, numTxQueues: queues, netns });
  let other: Addr = NULL;
  if (isVeth) {
    other = registerNetdevice(k, { kind, numTxQueues: queues, netns: NETNS });
    vethPair(k, dev, other);
    devOpen(k, other);
  } else if (kind === "bond" || kind === "macvlan" || kind === "vxlan") {
    other = registerNetdevice(k, { kind: "dummy", numTxQueues: 1 });
    devOpen(k, other);
    st(k.m, dev + DEV.lower, other);
  } else if (kind === "tun") tunAttachAll(k, dev, queues);
  devOpen(k, dev);
  rtnlUnlock(k);
  if (ld(k.m, globalWord(k, KERNEL.linkwatchWork)) !== 0) {
    st(k.m, globalWord(k, KERNEL.linkwatchWork), 0);
    linkwatchEvent(k);
  }
  ovsVportAdd(k, PORT, dev);
  return { dev, other };
}

/**
 * A CPU that receives packets, each with its recorded queue, and sends them to the port. Without
 * `underRcu` it forgets the read section, which the kernel never does.
 */
export function receive(k: Kernel, mappings: readonly number[], underRcu: boolean): void {
  for (let i = 0; i < mappings.length; i++) {
    const skb = newSkb();
    skb.len = 100;
    skb.hash = 0x8000_0000;
    skb.queueMapping = mappings[i]!;
    if (underRcu) rcuReadLock(k.m);
    const verdict = doOutput(k, skb, PORT);
    assert(verdict !== XMIT["queue-count-fault"], "divide error in the driver's selector");
    if (skb.onBacklog) processBacklog(k);
    if (underRcu) rcuReadUnlock(k.m);
  }
}

/** The administrator. */
export function takeAway(k: Kernel, event: EventName, dev: Addr): void {
  if (event === "link-delete") deleteLink(k, dev);
  else if (event === "netns-delete") cleanupNet(k, NETNS);
  else if (event === "netns-move") devChangeNetNamespace(k, dev, NETNS);
  else {
    ovsVportDel(k, PORT);
    deleteLink(k, dev);
  }
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

/** When all is over: who was unregistered is gone, and nobody has a reference to it any more. */
export function final(k: Kernel, event: EventName, dev: Addr): void {
  if (event === "netns-move") return;
  const state = ld(k.m, dev + DEV.regState);
  assert(state === NETREG.released, "the device was not released: somebody keeps a reference");
  assert(ld(k.m, globalWord(k, KERNEL.rtnl)) === 0, "rtnl_mutex is still held");
}
