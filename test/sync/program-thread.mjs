// One thread of a program in the tests of src/sync/program, from dist/ as worker threads run. Each
// message is a list of primitives to be called one after the other; the answer says how it ended.
import { parentPort, workerData } from "node:worker_threads";
import * as door from "../../dist/sync/program/door.js";
import { bindProgramThread } from "../../dist/sync/program/thread.js";

const { memory, thread } = workerData;
bindProgramThread({ memory: new Int32Array(memory), thread, devices: new Map() });

/** Adds 1 to a cell `times` times under a lock for writing: a lost one means two writers. */
function countUnder(lock, cell, times) {
  for (let i = 0; i < times; i++) {
    door.rwlock(lock);
    door.write(cell, door.read(cell) + 1);
    door.rwunlock(lock);
  }
}

/** Looks `times` times, reading: the cell never changes inside. Answers how often it did. */
function watchUnder(lock, cell, times) {
  let changes = 0;
  for (let i = 0; i < times; i++) {
    door.rlock(lock);
    const before = door.read(cell);
    if (door.read(cell) !== before) changes++;
    door.runlock(lock);
  }
  return changes;
}

const calls = { ...door, countUnder, watchUnder };

parentPort.on("message", (list) => {
  try {
    let answer;
    for (const [name, ...args] of list) answer = calls[name](...args);
    parentPort.postMessage({ answer: answer ?? null });
  } catch (error) {
    parentPort.postMessage({ error: error.message });
  }
});
parentPort.postMessage({ answer: "ready" });
