// A thread at one side of memory devices, for memory-threads.test.ts. Runs from dist/, as worker
// threads do. Posts one message when it is done.
import { parentPort, workerData } from "node:worker_threads";
import { openMemoryHostSide, openMemoryQueueIo } from "../../dist/host/memory/backend.js";

const { role, shared, device, count, seed } = workerData;
const descriptor = { kind: "memory", shared };
const FRAME = 64;

const roles = {
  /** Waits for one thing to happen on the queues; tells what `read` says then, twice. */
  waitOnce() {
    const io = openMemoryQueueIo(descriptor);
    io.usePool(new SharedArrayBuffer(4096));
    parentPort.postMessage({ stopHandle: io.stopHandle });
    const ready = new Uint8Array(device.queues.length);
    const found = io.wait(device.queues, ready, 10_000);
    const first = io.read(device.queues[0], 0, 4096);
    const second = io.read(device.queues[0], 0, 4096);
    io.close();
    return { found, first, second };
  },

  /** Sends `count` numbered frames, each to be read once by somebody. */
  produce() {
    const side = openMemoryHostSide(descriptor);
    const bytes = new Uint8Array(4096);
    side.useBuffer(bytes.buffer);
    const view = new DataView(bytes.buffer);
    for (let i = 0; i < count; i++) {
      view.setUint32(14, seed * count + i);
      side.transmit(device, 0, FRAME, (i * 2654435761) | 1);
    }
    side.close();
    return {};
  },

  /** Reads until no frame has come for a while; tells the numbers it saw. */
  consume() {
    const io = openMemoryQueueIo(descriptor);
    const pool = new SharedArrayBuffer(4096);
    io.usePool(pool);
    const view = new DataView(pool);
    const seen = [];
    const ready = new Uint8Array(device.queues.length);
    while (io.wait(device.queues, ready, 300) > 0) {
      for (const queue of device.queues) {
        while (io.read(queue, 0, 4096) > 0) seen.push(view.getUint32(14));
      }
    }
    io.close();
    return { seen };
  },

  /** Writes each frame that it reads back to the device. */
  reflect() {
    const io = openMemoryQueueIo(descriptor);
    io.usePool(new SharedArrayBuffer(4096));
    const ready = new Uint8Array(1);
    let reflected = 0;
    while (reflected < count && io.wait(device.queues, ready, 5000) > 0) {
      const length = io.read(device.queues[0], 0, 4096);
      if (length > 0 && io.write(device.queues[0], 0, length) > 0) reflected++;
    }
    io.close();
    return { reflected };
  },
};

parentPort.postMessage({ result: roles[role]() });
