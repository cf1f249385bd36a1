// One thread of the tests of src/sync, over shared memory that the test has laid out. Runs from
// dist/, as worker threads do. Each message is one call of a primitive; the answer says how it
// ended.
import { parentPort, workerData } from "node:worker_threads";
import * as sync from "../../dist/sync/index.js";
import { EventRing } from "../../dist/sync/events.js";

const { memory, task, cpu, maySleep, ring } = workerData;
const m = new Int32Array(memory);
const words = { realNumTxQueues: 0, regState: 1 };
sync.bindThread({ task, cpu, maySleep, events: ring && new EventRing(ring, words), deed: null });

const calls = {
  mutexLock: ([a]) => sync.mutexLock(m, a),
  mutexUnlock: ([a]) => sync.mutexUnlock(m, a),
  acquireCpu: () => sync.acquireCpu(m),
  releaseCpu: () => sync.releaseCpu(m),
  rcuReadLock: () => sync.rcuReadLock(m),
  rcuReadUnlock: () => sync.rcuReadUnlock(m),
  synchronizeRcu: ([expedited]) => sync.synchronizeRcu(m, expedited),
  rcuBarrier: () => sync.rcuBarrier(m),
  sleepFor: ([ms]) => sync.sleepFor(m, ms),
  waitUntilEqual: ([a, value, ms]) => sync.waitUntilEqual(m, a, value, ms),
  queueWork: ([a, onCpu]) => sync.queueWork(m, a, onCpu),

  /** Adds 1 to a plain word `times` times under a mutex: lost additions mean no exclusion. */
  countUnderMutex([lock, word, times]) {
    for (let i = 0; i < times; i++) {
      sync.mutexLock(m, lock);
      m[word] = m[word] + 1;
      sync.mutexUnlock(m, lock);
    }
  },
  countUnderSpinLock([lock, word, times]) {
    for (let i = 0; i < times; i++) {
      sync.spinLock(m, lock);
      m[word] = m[word] + 1;
      sync.spinUnlock(m, lock);
    }
  },
  /** Takes turns on one CPU with others: a plain counter again, and a look who else is running. */
  countOnCpu([word, times]) {
    for (let i = 0; i < times; i++) {
      sync.acquireCpu(m);
      m[word] = m[word] + 1;
      sync.releaseCpu(m);
    }
  },
  trace([times]) {
    for (let i = 0; i < times; i++) sync.trace(m, 7, 0, i, i);
  },
};

parentPort.on("message", ({ name, args }) => {
  try {
    const answer = calls[name](args);
    parentPort.postMessage({ name, answer: answer ?? null });
  } catch (error) {
    parentPort.postMessage({ name, error: error.name });
  }
});
parentPort.postMessage({ name: "ready" });
