// One thread of a test's kernel, over the same shared memory. Runs from dist/, as worker threads
// do. Roles: `packet` outputs what it is told to; `reader` sits in a read section until told;
// `control` runs administrator commands; `kworker`, `linkwatch`, `rcu` are the kernel's own.
import { parentPort, workerData } from "node:worker_threads";
import { linkwatchEvent } from "../../dist/path/core/link-watch.js";
import { cleanupNet, deleteLinks } from "../../dist/path/core/net-namespace.js";
import { DEV } from "../../dist/path/core/netdevice.js";
import { newSkb } from "../../dist/path/core/skb.js";
import { builtInGuard } from "../../dist/path/guards.js";
import { attachKernel, globalWord, KERNEL } from "../../dist/path/kernel.js";
import { doOutput } from "../../dist/path/openvswitch/actions.js";
import { ovsDpNotifyWq } from "../../dist/path/openvswitch/dp-notify.js";
import { ovsLock, ovsUnlock, runRcuCallback } from "../../dist/path/openvswitch/vport.js";
import { EventRing } from "../../dist/sync/events.js";
import * as sync from "../../dist/sync/index.js";

const { memory, config, profile, guard, role, cpu, task, ring } = workerData;
const m = new Int32Array(memory);
const k = attachKernel(m, config, profile, builtInGuard(guard));
const traced = { realNumTxQueues: DEV.realNumTxQueues, regState: DEV.regState };
const events = new EventRing(ring, traced);
const maySleep = role !== "packet" && role !== "reader" && role !== "rcu";
sync.bindThread({ task, cpu, maySleep, events, deed: null });

function work(item, run) {
  for (;;) {
    const bell = sync.ld(m, sync.HEADER.workBell);
    if (sync.ld(m, item) === 0) sync.waitWhile(m, sync.HEADER.workBell, bell);
    else {
      sync.acquireCpu(m);
      sync.st(m, item, 0);
      run(k);
      sync.releaseCpu(m);
    }
  }
}

function rcu() {
  for (;;) {
    let done = sync.ld(m, sync.HEADER.callbacksDone);
    const queued = sync.ld(m, sync.HEADER.callbacksQueued);
    if (done === queued) {
      sync.waitWhile(m, sync.HEADER.callbacksQueued, queued);
      continue;
    }
    sync.synchronizeRcu(m, false);
    for (; done !== queued; done++) {
      const slot = sync.callbackRing(config.cpus) + 2 * (done % sync.CALLBACK_RING_SIZE);
      runRcuCallback(k, sync.ld(m, slot), sync.ld(m, slot + 1));
      sync.st(m, sync.HEADER.callbacksDone, done + 1);
      Atomics.notify(m, sync.HEADER.callbacksDone);
    }
  }
}

const commands = {
  output({ port, ...fields }) {
    sync.rcuReadLock(m);
    const verdict = doOutput(k, Object.assign(newSkb(), { len: 100 }, fields), port);
    sync.rcuReadUnlock(m);
    return verdict;
  },
  enter: () => sync.rcuReadLock(m),
  leave: () => sync.rcuReadUnlock(m),
  deleteLinks: ({ devs }) => deleteLinks(k, devs),
  cleanupNet: ({ netns }) => cleanupNet(k, netns),
  ovsLock: () => ovsLock(k),
  ovsUnlock: () => ovsUnlock(k),
};

const kernelThreads = {
  kworker: () => work(globalWord(k, KERNEL.dpNotifyWork), ovsDpNotifyWq),
  linkwatch: () => work(globalWord(k, KERNEL.linkwatchWork), linkwatchEvent),
  rcu,
};

parentPort.postMessage({ ready: true });
if (role in kernelThreads) {
  try {
    kernelThreads[role]();
  } catch (error) {
    if (!(error instanceof sync.SyncAborted)) throw error;
  }
} else {
  parentPort.on("message", ({ command, data }) => {
    try {
      if (maySleep) sync.acquireCpu(m);
      const answer = commands[command](data ?? {});
      if (maySleep) sync.releaseCpu(m);
      parentPort.postMessage({ command, answer });
    } catch (error) {
      parentPort.postMessage({ command, aborted: error instanceof sync.SyncAborted });
      if (!(error instanceof sync.SyncAborted)) throw error;
    }
  });
}
