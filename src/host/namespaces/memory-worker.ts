// The thread whose kernel memory is limited: makes a namespace whenever it is told to, and says
// what came. Loaded by `memory-rollback.ts`; ends when it is told to.
//
// Layout of `words` (Int32): [0] thread id, written once by this thread; [1] order: IDLE, GO, STOP,
// by the main thread, and back to IDLE by this one; [2] 0 or a negative errno, by this thread.
import { workerData } from "node:worker_threads";
import { close, gettid } from "@packetpath/libc";
import { GO, IDLE, STOP } from "./memory-orders.js";
import { openOwnNamespace, tryNamespace } from "./raw.js";

const words = workerData as Int32Array;
const home = openOwnNamespace();
Atomics.store(words, 0, gettid());
for (;;) {
  Atomics.wait(words, 1, IDLE);
  const order = Atomics.load(words, 1);
  if (order === STOP) break;
  if (order !== GO) continue;
  Atomics.store(words, 2, tryNamespace(home));
  Atomics.store(words, 1, IDLE);
}
close(home);
