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
import { BACKLOG, BACKLOG_WORDS, processBacklog } from "../path/core/backlog.js";
import {
  DEV,
  devHold,
  devPut,
  isUp,
  KIND,
  type KindName,
  LINK_STATE,
  netifRunning,
  NETREG,
  PRIV,
  QDISC,
  registerNetdevice,
  TXQ,
  txq,
  vethPair,
} from "../path/core/netdevice.js";
import { devClose, devOpen } from "../path/core/open-close.js";
import { rtnlLock, rtnlUnlock } from "../path/core/rtnl.js";
import { newSkb } from "../path/core/skb.js";
import { tunAttachAll } from "../path/drivers/ops.js";
import { deviceAt, globalWord, KERNEL, type Kernel, portSlot } from "../path/kernel.js";
import { doOutput } from "../path/openvswitch/actions.js";
import { ovsDpNotifyWq } from "../path/openvswitch/dp-notify.js";
import {
  ovsVportAdd,
  ovsVportDel,
  runRcuCallback,
  VPORT,
  VPORT_STATE,
  VPORT_WORDS,
} from "../path/openvswitch/vport.js";
import { XMIT } from "../path/verdict.js";
import {
  add,
  type Addr,
  assert,
  CALLBACK_RING_SIZE,
  callbackRing,
  CPU,
  cpuBlock,
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
 * `tc-remap` traffic classes before their queues; `shrink` fewer transmit queues;
 * `link-down` closed and still a port.
 */
export const CHANGES = ["batch-delete", "add-port", "tc-remap", "shrink", "link-down"] as const;
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
    if (how.looksAtDriver && verdict === XMIT.ok) {
      // dev_deactivate_many waits for this section before a driver is stopped.
      assert(isUp(k, skb.wireDev), "a driver is stopped while it has a packet");
    }
    if (how.fillsRings && verdict === XMIT.ok) {
      add(k.m, txq(skb.wireDev, skb.wireQueue) + TXQ.ringLen, 1);
    }
    if (how.underRcu) rcuReadUnlock(k.m);
    if (skb.onBacklog) receiveFromBacklog(k, how);
  }
}

/** The softirq that comes after: the packet has no reference to its device. */
function receiveFromBacklog(k: Kernel, how: Sending): void {
  rcuReadLock(k.m);
  const dev = processBacklog(k);
  if (dev !== NULL) ld(k.m, dev + DEV.type);
  // A device that is closed only has no packets flushed.
  else assert(!how.looksAtDriver, "a packet is lost on the backlog");
  rcuReadUnlock(k.m);
}

export interface Sending {
  readonly port: number;
  readonly underRcu: boolean;
  /** Packets stay in the queue that they were sent on. */
  readonly fillsRings: boolean;
  /** A packet that was sent wants its driver running until its read section ends. */
  readonly looksAtDriver: boolean;
}

/** How packets are sent while an event goes on: to the port whose device goes last. */
export function sendingDuring(event: EventName, kind: KindName, underRcu: boolean): Sending {
  const port = event === "batch-delete" ? PORT + 1 : PORT;
  const hasRings = kind === "tun" || kind === "ifb";
  const fillsRings = event === "shrink" && hasRings;
  return { port, underRcu, fillsRings, looksAtDriver: event === "link-down" };
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
    case "link-down":
      rtnlLock(k);
      devClose(k, dev);
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

/** When all is over: locks are free, nothing is half done, and who was unregistered is gone. */
export function final(k: Kernel, event: EventName, { dev, other }: Plugged): void {
  const m = k.m;
  assert(ld(m, globalWord(k, KERNEL.rtnl)) === 0, "rtnl_mutex is still held");
  assert(ld(m, globalWord(k, KERNEL.ovsMutex)) === 0, "ovs_mutex is still held");
  const todo = ld(m, globalWord(k, KERNEL.todoHead)) | ld(m, globalWord(k, KERNEL.todoTail));
  assert(todo === 0, "net_todo_list is not empty");
  for (let cpu = 0; cpu < k.config.cpus; cpu++) checkCpu(k, cpu);
  const count = ld(m, globalWord(k, KERNEL.deviceCount));
  for (let i = 0; i < count; i++) checkDevice(k, deviceAt(k, i));
  if (event === "tc-remap") return;
  if (event === "shrink") return checkRings(k, dev);
  if (event === "link-down") return assert(!isUp(k, dev), "a device that was closed is up");
  checkGone(k, dev, event === "netns-move");
  // dev_get_by_name() finds listed devices only; here a look at a released one counts, too.
  const refs = event === "netns-move" ? 2 : 0;
  assert(event === "add-port" || ld(m, dev + DEV.refcnt) === refs, "a reference is lost or kept");
  if (other !== NULL) checkGone(k, other, false);
}

function checkCpu(k: Kernel, cpu: number): void {
  assert(ld(k.m, cpuBlock(cpu) + CPU.rcuNesting) === 0, "a read section has not ended");
  const backlog = k.map.backlogs + cpu * BACKLOG_WORDS;
  assert(ld(k.m, backlog + BACKLOG.lock) === 0, "the lock of a backlog is still held");
  assert(ld(k.m, backlog + BACKLOG.length) === 0, "a packet is left on a backlog");
}

/** What holds for any device, whatever has been done to it. */
function checkDevice(k: Kernel, dev: Addr): void {
  const m = k.m;
  const queues = ld(m, dev + DEV.numTxQueues);
  const isDown = !netifRunning(k, dev);
  assert(isDown === !isUp(k, dev), "IFF_UP and START differ");
  for (let i = 0; i < queues; i++) {
    const owner = ld(m, txq(dev, i) + TXQ.xmitLockOwner) | ld(m, txq(dev, i) + TXQ.xmitLock);
    assert(owner === 0, "the lock of a transmit queue is still held");
    const isNoop = ld(m, txq(dev, i) + TXQ.qdisc) === QDISC.noop;
    assert(isNoop || !isDown, "a device that is down has a queue that sends");
  }
  const pending = ld(m, dev + DEV.state) & LINK_STATE.linkwatchPending;
  const isQueued = ld(m, globalWord(k, KERNEL.linkwatchWork)) !== 0;
  assert(pending === 0 || isQueued, "a change of the carrier that nobody will act on");
  const hasTx = ld(m, dev + DEV.realNumTxQueues) === 0;
  const hasRx = ld(m, dev + DEV.realNumRxQueues) === 0;
  assert(hasTx === hasRx, "the queue counts differ in being 0");
}

/** A device that has been taken from the switch, and but for `isMoved` is released. */
function checkGone(k: Kernel, dev: Addr, isMoved: boolean): void {
  const m = k.m;
  const expected = isMoved ? NETREG.registered : NETREG.released;
  const released = "the device was not released: somebody keeps a reference";
  assert(ld(m, dev + DEV.regState) === expected, released);
  assert(ld(m, dev + DEV.listed) === (isMoved ? 1 : 0), "the device list is wrong");
  assert(!isUp(k, dev), "a device that was closed is up");
  const queues = ld(m, dev + DEV.numQueues);
  assert(isMoved || queues === 0, "a tun device is gone and has queues");
  const file = ld(m, txq(dev, 0) + TXQ.tfile);
  assert(isMoved || file === NULL, "a tun device is gone and has a file");
  for (let port = 0; port < k.config.ports; port++) {
    const vport = k.map.vports + port * VPORT_WORDS;
    assert(ld(m, portSlot(k, port)) === NULL, "the port is still published");
    assert(ld(m, vport + VPORT.state) !== VPORT_STATE.inUse, "a vport is never freed");
  }
  if (ld(m, dev + DEV.kind) === KIND.internal) return;
  assert((ld(m, dev + DEV.privFlags) & PRIV.ovsDatapath) === 0, "still marked as a port");
  const handler = ld(m, dev + DEV.rxHandler) | ld(m, dev + DEV.rxHandlerData);
  assert(handler === 0, "the receive handler is still there");
  assert(ld(m, dev + DEV.upper) === 0, "still linked to the switch");
  assert(ld(m, dev + DEV.promiscuity) === 0, "promiscuity is not as before");
}

/** Nobody empties a queue that is not in use any more. */
function checkRings(k: Kernel, dev: Addr): void {
  assert(ld(k.m, dev + DEV.realNumTxQueues) === 1, "the queue count has not changed");
  const count = ld(k.m, dev + DEV.numTxQueues);
  for (let i = ld(k.m, dev + DEV.realNumTxQueues); i < count; i++) {
    tick(k.m, SITE.walk, dev, i, 0, 0);
    const isEmpty = ld(k.m, txq(dev, i) + TXQ.ringLen) === 0;
    assert(isEmpty, "a packet is stranded in a queue that is not in use");
  }
}
