// What holds when an execution of the headline system is over, whatever its schedule was. Run by
// the explorer, and by the checker of a schedule on real threads, with nobody else there.
import { BACKLOG, BACKLOG_WORDS } from "../../path/core/backlog.js";
import {
  DEV,
  isUp,
  KIND,
  LINK_STATE,
  netifRunning,
  NETREG,
  POISON_FREE,
  PRIV,
  QDISC,
  QUEUE_STATE,
  TXQ,
  txq,
  WATCHDOG,
} from "../../path/core/netdevice.js";
import { deviceAt, globalWord, KERNEL, type Kernel, portSlot } from "../../path/kernel.js";
import { VPORT, VPORT_STATE, VPORT_WORDS } from "../../path/openvswitch/vport.js";
import { SITE } from "../../path/trace-events.js";
import { type Addr, assert, CPU, cpuBlock, ld, NULL, tick } from "../../sync/index.js";
import { type EventName, type Plugged, PORT } from "./events.js";

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
  switch (event) {
    case "tc-remap":
    case "remap-shrink":
    case "peer-down":
      return checkPort(k, dev);
    case "shrink":
      checkPort(k, dev);
      return checkRings(k, dev);
    case "link-down":
      assert(!isUp(k, dev), "a device that was closed is up");
      return checkPort(k, dev);
    case "delete-other":
      checkPort(k, dev);
      return checkReleased(k, other, false);
    case "foreign-handler":
      assert(ld(m, dev + DEV.rxHandlerData) !== NULL, "a handler of somebody else's is gone");
      return checkReleased(k, dev, false);
    case "re-use":
      if (ld(m, dev + DEV.regState) !== NETREG.registered) return checkReleased(k, dev, false);
      return assert(ld(m, dev + DEV.refcnt) === 2, "a structure in use again is changed");
  }
  const isMoved = MOVES.includes(event);
  checkGone(k, dev, isMoved);
  // dev_get_by_name() finds listed devices only; here a look at a released one counts, too.
  const refs = isMoved ? 2 : 0;
  assert(event === "add-port" || ld(m, dev + DEV.refcnt) === refs, "a reference is lost or kept");
  if (event === "batch-delete") checkGone(k, other, false);
}

/** Events after which the device is there, in another namespace. */
const MOVES: readonly EventName[] = ["netns-move", "lookup-move", "frame-move"];

/** A device that is a port still, whatever went on beside it. */
function checkPort(k: Kernel, dev: Addr): void {
  const m = k.m;
  const vport = ld(m, portSlot(k, PORT));
  assert(vport !== NULL, "a port is unpublished, and its device was not taken away");
  assert(ld(m, dev + DEV.rxHandlerData) === vport, "the device does not know its port");
  if (ld(m, dev + DEV.kind) === KIND.internal) return;
  assert(ld(m, dev + DEV.rxHandler) !== 0, "nothing is received for a port");
  assert((ld(m, dev + DEV.privFlags) & PRIV.ovsDatapath) !== 0, "not marked as a port");
  assert(ld(m, dev + DEV.upper) !== 0, "not linked to the switch");
  assert(ld(m, dev + DEV.promiscuity) === 1, "a port is not promiscuous");
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
    const isStopped = (ld(m, txq(dev, i) + TXQ.state) & QUEUE_STATE.drvXoff) !== 0;
    const stops = ld(m, dev + DEV.kind) === KIND.tun && isDown;
    assert(isStopped === stops, "a queue is stopped that should run, or runs on");
  }
  const pending = ld(m, dev + DEV.state) & LINK_STATE.linkwatchPending;
  const isQueued = ld(m, globalWord(k, KERNEL.linkwatchWork)) !== 0;
  assert(pending === 0 || isQueued, "a change of the carrier that nobody will act on");
  const hasTx = ld(m, dev + DEV.realNumTxQueues) === 0;
  const hasRx = ld(m, dev + DEV.realNumRxQueues) === 0;
  assert(hasTx === hasRx, "the queue counts differ in being 0");
  const isArmed = ld(m, dev + DEV.watchdog) === WATCHDOG.armed;
  assert(!isArmed || !isDown, "the timer of a device that is down is armed");
  const { numTc, tcToTxq } = DEV;
  const isMapped = ld(m, dev + numTc) === 0 || ld(m, dev + tcToTxq + 1) !== 0;
  assert(isMapped, "a traffic class without queues");
}

/** A device that has been taken from the switch, and but for `isMoved` is released. */
function checkGone(k: Kernel, dev: Addr, isMoved: boolean): void {
  const m = k.m;
  checkReleased(k, dev, isMoved);
  for (let port = 0; port < k.config.ports; port++) {
    assert(ld(m, portSlot(k, port)) === NULL, "the port is still published");
    const vport = k.map.vports + port * VPORT_WORDS;
    assert(ld(m, vport + VPORT.state) !== VPORT_STATE.inUse, "a vport is never freed");
    const isFreed = ld(m, vport + VPORT.state) === VPORT_STATE.freed;
    const isPoisoned = ld(m, vport + VPORT.dev) === POISON_FREE;
    const wasUsed = isFreed && ld(m, vport + VPORT.portNo) !== 0;
    assert(!wasUsed || isPoisoned, "a freed vport can still be used");
  }
  if (ld(m, dev + DEV.kind) === KIND.internal) return;
  const handler = ld(m, dev + DEV.rxHandler) | ld(m, dev + DEV.rxHandlerData);
  assert(handler === 0, "the receive handler is still there");
}

/** A device that is nobody's any more; or, `isMoved`, as good as new. */
function checkReleased(k: Kernel, dev: Addr, isMoved: boolean): void {
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
  if (ld(m, dev + DEV.kind) === KIND.internal) return;
  assert((ld(m, dev + DEV.privFlags) & PRIV.ovsDatapath) === 0, "still marked as a port");
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
