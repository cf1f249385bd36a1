// The headline system: packets that the switch sends to a port while the port's device is taken
// away. Each function below is what one thread does; the functions that they call are those of
// `src/path`, which the workers of a run call too. Run by the explorer only; nothing of it is
// rewritten by hand for that.
import { linkwatchEvent } from "../path/core/link-watch.js";
import {
  cleanupNet,
  deleteLink,
  deleteLinks,
  devChangeNetNamespace,
} from "../path/core/net-namespace.js";
import { netdevSetTcQueue, netifSetRealNumTxQueues } from "../path/core/queue-counts.js";
import { processBacklog } from "../path/core/backlog.js";
import {
  DEV,
  devHold,
  devPut,
  type KindName,
  NETREG,
  registerNetdevice,
  TXQ,
  txq,
  vethPair,
} from "../path/core/netdevice.js";
import { devOpen } from "../path/core/open-close.js";
import { rtnlLock, rtnlUnlock } from "../path/core/rtnl.js";
import { newSkb } from "../path/core/skb.js";
import { tunAttachAll } from "../path/drivers/ops.js";
import { deviceAt, globalWord, KERNEL, type Kernel } from "../path/kernel.js";
import { doOutput } from "../path/openvswitch/actions.js";
import { ovsDpNotifyWq } from "../path/openvswitch/dp-notify.js";
import { ovsVportAdd, ovsVportDel, runRcuCallback } from "../path/openvswitch/vport.js";
import { XMIT } from "../path/verdict.js";
import {
  add,
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
/**
 * Other changes under traffic, for the races that the same functions have had:
 * `batch-delete` two ports in one batch; `add-port` the device becomes a port while it is deleted;
 * `tc-remap` traffic classes before their queues; `shrink` fewer transmit queues.
 */
export const CHANGES = ["batch-delete", "add-port", "tc-remap", "shrink"] as const;
export type EventName = (typeof EVENTS)[number] | (typeof CHANGES)[number];

export interface Plugged {
  readonly dev: Addr;
  /** The second port's device; NULL without one. */
  readonly other: Addr;
}

/** A device of a kind, open, and a port of the switch. Before the threads begin. */
export function setUp(k: Kernel, kind: KindName, queues: number, event: EventName): Plugged {
  rtnlLock(k);
  plug(k, kind, queues);
  if (event === "batch-delete") plug(k, kind, queues);
  rtnlUnlock(k);
  const { dev, other } = pluggedFor(k, kind, event);
  if (ld(k.m, globalWord(k, KERNEL.linkwatchWork)) !== 0) {
    st(k.m, globalWord(k, KERNEL.linkwatchWork), 0);
    linkwatchEvent(k);
  }
  if (event !== "add-port") ovsVportAdd(k, PORT, dev);
  if (other !== NULL) ovsVportAdd(k, PORT + 1, other);
  return { dev, other };
}

/** The devices of an event, as `setUp` has made them. */
export function pluggedFor(k: Kernel, kind: KindName, event: EventName): Plugged {
  const hasOther = kind === "veth" || kind === "bond" || kind === "macvlan" || kind === "vxlan";
  const other = event === "batch-delete" ? deviceAt(k, hasOther ? 2 : 1) : NULL;
  return { dev: deviceAt(k, 0), other };
}

/** A device with what belongs to it: a veth's far end, or the device below. Under RTNL. */
function plug(k: Kernel, kind: KindName, queues: number): void {
  const isVeth = kind === "veth";
  const netns = isVeth ? 0 : NETNS;
  const dev = registerNetdevice(k, { kind, numTxQueues: queues, netns });
  if (isVeth) {
    const peer = registerNetdevice(k, { kind, numTxQueues: queues, netns: NETNS });
    vethPair(k, dev, peer);
    devOpen(k, peer);
  } else if (kind === "bond" || kind === "macvlan" || kind === "vxlan") {
    const lower = registerNetdevice(k, { kind: "dummy", numTxQueues: 1 });
    devOpen(k, lower);
    st(k.m, dev + DEV.lower, lower);
  } else if (kind === "tun") tunAttachAll(k, dev, queues);
  devOpen(k, dev);
}

/**
 * A CPU that receives packets, each with its recorded queue, and sends them to a port. Without
 * `underRcu` it forgets the read section, which the kernel never does.
 */
export function receive(k: Kernel, mappings: readonly number[], how: Sending): void {
  for (let i = 0; i < mappings.length; i++) {
    const skb = newSkb();
    skb.len = 100;
    skb.hash = 0x8000_0000;
    skb.queueMapping = mappings[i]!;
    if (how.underRcu) rcuReadLock(k.m);
    const verdict = doOutput(k, skb, how.port);
    assert(verdict !== XMIT["queue-count-fault"], "divide error in the driver's selector");
    if (skb.onBacklog) processBacklog(k);
    if (how.fillsRings && verdict === XMIT.ok) {
      add(k.m, txq(skb.wireDev, skb.wireQueue) + TXQ.ringLen, 1);
    }
    if (how.underRcu) rcuReadUnlock(k.m);
  }
}

export interface Sending {
  readonly port: number;
  readonly underRcu: boolean;
  /** Packets stay in the queue that they were sent on. */
  readonly fillsRings: boolean;
}

/** How packets are sent while an event goes on: to the port whose device goes last. */
export function sendingDuring(event: EventName, kind: KindName, underRcu: boolean): Sending {
  const port = event === "batch-delete" ? PORT + 1 : PORT;
  const hasRings = kind === "tun" || kind === "ifb";
  return { port, underRcu, fillsRings: event === "shrink" && hasRings };
}

/** The administrator. */
export function takeAway(k: Kernel, event: EventName, { dev, other }: Plugged): void {
  switch (event) {
    case "link-delete":
    case "add-port":
      return deleteLink(k, dev);
    case "netns-delete":
      return cleanupNet(k, NETNS);
    case "netns-move":
      return devChangeNetNamespace(k, dev, NETNS);
    case "batch-delete":
      return deleteLinks(k, [dev, other]);
    case "tc-remap":
      return remapClasses(k, dev);
    case "shrink":
      rtnlLock(k);
      netifSetRealNumTxQueues(k, dev, 1);
      return rtnlUnlock(k);
    case "del-port":
      ovsVportDel(k, PORT);
      deleteLink(k, dev);
  }
}

// mqprio: netdev_set_num_tc() comes before the netdev_set_tc_queue() of each class.
function remapClasses(k: Kernel, dev: Addr): void {
  rtnlLock(k);
  st(k.m, dev + DEV.numTc, 1);
  netdevSetTcQueue(k, dev, 0, { offset: 0, count: ld(k.m, dev + DEV.realNumTxQueues) });
  rtnlUnlock(k);
}

/** Another administrator, who makes a port of the device: dev_get_by_name(), then the link. */
export function addPort(k: Kernel, dev: Addr): void {
  devHold(k, dev);
  if (ld(k.m, dev + DEV.listed) !== 0) ovsVportAdd(k, PORT, dev);
  devPut(k, dev);
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
export function final(k: Kernel, event: EventName, { dev, other }: Plugged): void {
  assert(ld(k.m, globalWord(k, KERNEL.rtnl)) === 0, "rtnl_mutex is still held");
  if (event === "netns-move" || event === "tc-remap") return;
  if (event === "shrink") return checkRings(k, dev);
  const released = "the device was not released: somebody keeps a reference";
  assert(ld(k.m, dev + DEV.regState) === NETREG.released, released);
  if (other !== NULL) assert(ld(k.m, other + DEV.regState) === NETREG.released, released);
}

/** Nobody empties a queue that is not in use any more. */
function checkRings(k: Kernel, dev: Addr): void {
  const count = ld(k.m, dev + DEV.numTxQueues);
  for (let i = ld(k.m, dev + DEV.realNumTxQueues); i < count; i++) {
    tick(k.m, SITE.walk, dev, i, 0, 0);
    const isEmpty = ld(k.m, txq(dev, i) + TXQ.ringLen) === 0;
    assert(isEmpty, "a packet is stranded in a queue that is not in use");
  }
}
