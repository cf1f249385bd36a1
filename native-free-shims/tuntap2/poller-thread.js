// The thread behind poller.js: one poll over all armed queues and the eventfd that announces
// messages. Started by poller.js only.
import { parentPort, workerData } from "node:worker_threads";
import { C, STRUCTS, block, eventfdDrain, poll, setThreadName } from "@packetpath/libc";

const POLL_MS = 200;
const { pollfd } = STRUCTS;
const stop = new Int32Array(workerData.stop);
const armed = new Set();
let entries = block(pollfd.size * 16);
let scheduled = false;

setThreadName("tuntap2-poller");

parentPort.on("message", (message) => {
  if (message.arm !== undefined) armed.add(message.arm);
  if (message.disarm !== undefined) {
    armed.delete(message.disarm);
    parentPort.postMessage({ disarmed: message.disarm });
  }
  schedule();
});

/** The next round comes after the messages that have arrived: setImmediate follows them. */
function schedule() {
  if (scheduled || armed.size === 0) return;
  scheduled = true;
  setImmediate(round);
}

function setEntry(index, fd) {
  const at = index * pollfd.size;
  entries.view.setInt32(at + pollfd.fd, fd, true);
  entries.view.setInt16(at + pollfd.events, C.POLLIN, true);
  entries.view.setInt16(at + pollfd.revents, 0, true);
}

function round() {
  scheduled = false;
  if (Atomics.load(stop, 0) !== 0) process.exit();
  const fds = [...armed];
  if ((fds.length + 1) * pollfd.size > entries.bytes.length) {
    entries = block((fds.length + 1) * pollfd.size * 2);
  }
  fds.forEach((fd, index) => setEntry(index, fd));
  setEntry(fds.length, workerData.wake);
  // An interrupted poll (EINTR) reports nothing ready; the next round asks again.
  const ready = poll(entries.address, fds.length + 1, POLL_MS);
  if (ready > 0) report(fds);
  schedule();
}

function report(fds) {
  const revents = (index) => entries.view.getInt16(index * pollfd.size + pollfd.revents, true);
  if (revents(fds.length) !== 0) eventfdDrain(workerData.wake);
  fds.forEach((fd, index) => {
    if (revents(index) === 0) return;
    armed.delete(fd);
    parentPort.postMessage({ ready: fd });
  });
}
