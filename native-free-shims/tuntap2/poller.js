// Tells the event loop which device queues have something to read.
//
// Node offers no way to add a foreign file descriptor to its own epoll, a blocking read parks a
// thread of libuv's pool for each device (with five of them `fs.stat` never comes back), and a
// timer costs either latency or CPU. So one thread per process polls all queues, whatever their
// number, and sends the number of a queue that became readable. A queue is armed for one report
// at a time (oneshot): the reader drains it, then arms it again, so a flood cannot fill the
// message queue.
//
// The poll lasts 200 ms at most and goes back through the thread's event loop, so that the thread
// can be terminated even if nobody says goodbye; an eventfd cuts it short when there is news.
import { Worker } from "node:worker_threads";
import { C, eventfd, eventfdWrite, systemError } from "@packetpath/libc";

let poller = null;

function start() {
  const wake = eventfd(0, C.EFD_NONBLOCK | C.EFD_CLOEXEC);
  if (wake < 0) throw systemError("eventfd", wake);
  const stop = new SharedArrayBuffer(4);
  const worker = new Worker(new URL("./poller-thread.js", import.meta.url), {
    workerData: { wake, stop },
    name: "tuntap2-poller",
  });
  const self = { worker, wake, readable: new Map(), closed: new Map() };
  worker.on("message", ({ ready, disarmed }) => {
    if (ready !== undefined) self.readable.get(ready)?.();
    if (disarmed !== undefined) {
      const done = self.closed.get(disarmed);
      self.closed.delete(disarmed);
      settle(self);
      done?.();
    }
  });
  // Without this the exit of the process would wait for the poll to time out.
  process.on("exit", () => {
    Atomics.store(new Int32Array(stop), 0, 1);
    eventfdWrite(wake);
  });
  worker.unref();
  return self;
}

/** The thread keeps the process alive exactly as long as a device is being read or closed. */
function settle(self) {
  if (self.readable.size + self.closed.size > 0) self.worker.ref();
  else self.worker.unref();
}

function send(message) {
  poller.worker.postMessage(message);
  eventfdWrite(poller.wake);
}

/** Calls `onReadable` once, from the event loop, when `fd` is readable or in error. */
export function arm(fd, onReadable) {
  poller ??= start();
  poller.readable.set(fd, onReadable);
  settle(poller);
  send({ arm: fd });
}

/**
 * Takes `fd` out of the poll, then calls `done`. Only after that may `fd` be closed: a poll in
 * progress holds the file, and the device would outlive its last close.
 */
export function disarm(fd, done) {
  if (poller === null || !poller.readable.has(fd)) {
    process.nextTick(done);
    return;
  }
  poller.readable.delete(fd);
  poller.closed.set(fd, done);
  settle(poller);
  send({ disarm: fd });
}
