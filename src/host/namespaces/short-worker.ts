// The thread whose kernel memory is limited: makes a namespace or asks for sockets whenever it is
// told to. Loaded by `short-thread.ts`; the layout of what they share is in `short-orders.ts`.
import { workerData } from "node:worker_threads";
import { close, gettid, socket } from "@packetpath/libc";
import { openOwnNamespace, tryNamespace } from "./raw.js";
import { GO_NAMESPACE, GO_SOCKETS, IDLE, type ShortWork, STOP } from "./short-orders.js";

const { words, calls, errnos } = workerData as ShortWork;
const home = openOwnNamespace();
/** Calls that fail at once, so that later ones need no more memory of this process. */
const WARM_UP = 2000;
for (let i = 0; i < WARM_UP; i++) socket(-1, -1, 0);
Atomics.store(words, 0, gettid());
for (;;) {
  Atomics.wait(words, 1, IDLE);
  const order = Atomics.load(words, 1);
  if (order === STOP) break;
  if (order === GO_NAMESPACE) Atomics.store(words, 2, tryNamespace(home));
  if (order === GO_SOCKETS) askForAll(errnos.length);
  Atomics.store(words, 1, IDLE);
}
close(home);

function askForAll(count: number): void {
  for (let i = 0; i < count; i++) {
    const fd = socket(calls[i * 3]!, calls[i * 3 + 1]!, calls[i * 3 + 2]!);
    if (fd >= 0) close(fd);
    errnos[i] = fd < 0 ? -fd : 0;
  }
}
