// Entry of the kernel threads of a run: plain process-context tasks that run the path's deferred
// work. One role per thread, so that a work item that blocks on a lock does not keep the others
// from running, as a concurrency-managed workqueue would see to.
//
//   kworker    ovs_dp_notify_wq: unpublishes ports, on the CPU of whoever queued it
//   linkwatch  linkwatch_event, likewise
//   rcu        runs callbacks after a normal grace period
//   vswitchd   holds ovs_mutex for a flow dump now and then
import { isMainThread, parentPort, workerData } from "node:worker_threads";
import { linkwatchEvent } from "../path/core/link-watch.js";
import { globalWord, KERNEL, type Kernel, portSlot } from "../path/kernel.js";
import { ovsDpNotifyWq } from "../path/openvswitch/dp-notify.js";
import { ovsLock, ovsUnlock, runRcuCallback } from "../path/openvswitch/vport.js";
import { EVENT } from "../path/trace-events.js";
import { PortTable } from "../pipeline/ports.js";
import {
  acquireCpu,
  type Addr,
  bindThread,
  CALLBACK_RING_SIZE,
  callbackRing,
  HEADER,
  ld,
  NULL,
  releaseCpu,
  sleepFor,
  st,
  SyncAborted,
  synchronizeRcu,
  trace,
  waitWhile,
} from "../sync/index.js";
import { openEvents, openKernel, type ThreadData } from "./shared.js";
import { threadId } from "./thread-id.js";

export interface KthreadData extends ThreadData {
  readonly role: "kworker" | "linkwatch" | "rcu" | "vswitchd";
  /** vswitchd: how often it dumps, and how long a dump holds ovs_mutex. */
  readonly dump: { readonly everyMs: number; readonly forMs: number } | null;
}

/** Runs the work item at `item` each time it is queued. Ends by SyncAborted. */
function workLoop(k: Kernel, item: Addr, run: (k: Kernel) => void): never {
  const m = k.m;
  for (;;) {
    const bell = ld(m, HEADER.workBell);
    if (ld(m, item) === 0) {
      waitWhile(m, HEADER.workBell, bell);
      continue;
    }
    // Bound to the CPU of whoever queued it: it starts when the task there sleeps.
    acquireCpu(m);
    st(m, item, 0);
    run(k);
    releaseCpu(m);
  }
}

/** ovs_dp_notify_wq, then what ovs-vswitchd does when it hears of it: it forgets the ports. */
function notifyWork(k: Kernel, ports: PortTable): void {
  ovsDpNotifyWq(k);
  for (const number of ports.list()) {
    if (ld(k.m, portSlot(k, number)) === NULL) ports.remove(number);
  }
}

function rcuLoop(k: Kernel): never {
  const m = k.m;
  const ring = callbackRing(k.config.cpus);
  for (;;) {
    let done = ld(m, HEADER.callbacksDone);
    const queued = ld(m, HEADER.callbacksQueued);
    if (done === queued) {
      waitWhile(m, HEADER.callbacksQueued, queued);
      continue;
    }
    synchronizeRcu(m, false);
    for (; done !== queued; done++) {
      const slot = ring + 2 * (done % CALLBACK_RING_SIZE);
      runRcuCallback(k, ld(m, slot), ld(m, slot + 1));
      st(m, HEADER.callbacksDone, done + 1);
      Atomics.notify(m, HEADER.callbacksDone);
    }
  }
}

function vswitchdLoop(k: Kernel, dump: { everyMs: number; forMs: number }): never {
  const m = k.m;
  acquireCpu(m);
  for (;;) {
    sleepFor(m, dump.everyMs);
    ovsLock(k);
    trace(m, EVENT.flowDump, NULL, dump.forMs, 0);
    sleepFor(m, dump.forMs);
    ovsUnlock(k);
  }
}

async function main(data: KthreadData): Promise<void> {
  const k = await openKernel(data.parts);
  const events = openEvents(data.events);
  const maySleep = data.role !== "rcu";
  bindThread({ task: data.index, cpu: data.cpu, maySleep, events, deed: null });
  parentPort!.postMessage({ type: "ready", tid: threadId() });
  try {
    if (data.role === "rcu") rcuLoop(k);
    if (data.role === "vswitchd") vswitchdLoop(k, data.dump!);
    if (data.role === "linkwatch") {
      workLoop(k, globalWord(k, KERNEL.linkwatchWork), linkwatchEvent);
    }
    const ports = new PortTable(data.parts.switch.ports);
    workLoop(k, globalWord(k, KERNEL.dpNotifyWork), () => notifyWork(k, ports));
  } catch (error) {
    if (!(error instanceof SyncAborted)) throw error;
  }
}

if (!isMainThread && parentPort !== null) await main(workerData as KthreadData);
