// The public API of cap 0.2.1 without a native addon: capture and send on a device, list devices,
// decode headers. Works in worker threads and in several at once (cap itself aborts the process
// there). For tools, tests and the witness; the data plane does not use it.
//
// How frames are noticed. Node lets no JavaScript wait for a foreign file descriptor, so the
// choice is between a helper thread in poll(2) and a timer. Here it is a timer of 1 ms, and no
// wait at all while frames keep coming: no thread to start, stop or leak for each namespace, at
// the price of up to about 1 ms of latency for the first frame after silence. Nothing is lost by
// that: the kernel's buffer holds the frames, and each frame carries the kernel's time stamp.
import { EventEmitter } from "node:events";
import { decoders } from "./decoders.js";
import { deviceList, findDevice } from "./devices.js";
import { compileFilter } from "./filter.js";
import {
  closePacketSocket,
  deviceExists,
  frameInfo,
  openPacketSocket,
  PACKET_OUTGOING,
  receiveBatch,
  sendFrame,
  statistics,
} from "./packet-socket.js";

const EAGAIN = 11;
const EINTR = 4;
/** Batches (of 8) taken in one turn of the event loop before others get theirs. */
const BATCHES_PER_TURN = 32;
const IDLE_MS = 1;
/** After ENETDOWN, how many idle rounds pass between two looks whether the device still exists. */
const DOWN_ROUNDS = 10;

function checkOpenArguments(args) {
  if (args.length < 4) throw new TypeError("Expecting 4 arguments");
  const [device, filter, bufSize, buffer] = args;
  if (typeof device !== "string") throw new TypeError("device must be a string");
  if (typeof filter !== "string") throw new TypeError("filter must be a string");
  if (!Number.isInteger(bufSize) || bufSize < 0 || bufSize > 0xffffffff) {
    throw new TypeError("bufSize must be a positive integer");
  }
  if (!Buffer.isBuffer(buffer)) throw new TypeError("buffer must be a Buffer");
}

/**
 * A capture. Emits `packet` (bytes in the buffer, truncated?) for each frame, and, beyond cap,
 * `error` when the device is gone; without a listener for it the capture just ends.
 */
class Cap extends EventEmitter {
  #socket = null;
  #buffer = null;
  #timer = null;
  #info = frameInfo();
  #totals = { received: 0, dropped: 0 };
  #downRounds = -1;

  /**
   * Starts to capture; closes an earlier capture of this object first.
   * @returns the link type: "ETHERNET", or "RAW" for a TUN device.
   * @throws TypeError for arguments, Error for device, permission or filter.
   */
  open(...args) {
    checkOpenArguments(args);
    this.close();
    const [device, filter, bufferSizeBytes, buffer] = args;
    this.#socket = openPacketSocket(device, { filter, bufferSizeBytes });
    this.#buffer = buffer;
    this.#downRounds = -1;
    this.#totals = { received: 0, dropped: 0 };
    this.#schedule(IDLE_MS);
    return this.#socket.linkType;
  }

  /** Ends the capture; false when there was none. No event follows. */
  close() {
    if (this.#socket === null) return false;
    this.#totals = statistics(this.#socket);
    clearTimeout(this.#timer);
    clearImmediate(this.#timer);
    closePacketSocket(this.#socket);
    this.#socket = null;
    // Kept until here: a native reader would still be writing into it.
    this.#buffer = null;
    return true;
  }

  /** Sends the first `nBytes` (default: all) of a frame, link header included. */
  send(...args) {
    const [buffer, nBytes] = args;
    if (args.length === 0) throw new TypeError("the first parameter must be a buffer");
    if (!Buffer.isBuffer(buffer)) throw new TypeError("first parameter must be a buffer");
    const length = args.length >= 2 ? nBytes : buffer.length;
    if (!Number.isInteger(length) || length < 0) {
      throw new TypeError("length must be a positive integer");
    }
    if (length > buffer.length) {
      throw new TypeError("size must be smaller or equal to buffer length");
    }
    if (this.#socket === null) throw new Error("Not currently capturing/open");
    sendFrame(this.#socket, buffer.subarray(0, length));
  }

  /** Windows only in cap; here it checks its argument and changes nothing. */
  setMinBytes(nBytes) {
    if (!Number.isInteger(nBytes) || nBytes < 0) {
      throw new TypeError("min bytes must be a positive number");
    }
  }

  /** Beyond cap: frames that passed the filter, and those lost to a full buffer. */
  stats() {
    return this.#socket === null ? { ...this.#totals } : statistics(this.#socket);
  }

  /** Beyond cap: when the kernel saw the last frame, nanoseconds since 1970 as a BigInt. */
  get lastTimestamp() {
    return this.#info.seconds * 1_000_000_000n + this.#info.nanoseconds;
  }

  /** Beyond cap: the last frame's length on the wire, however much of it was captured. */
  get lastWireLength() {
    return this.#info.wireLength;
  }

  /** Beyond cap: whether this machine sent the last frame (PACKET_OUTGOING). */
  get lastOutgoing() {
    return this.#info.packetType === PACKET_OUTGOING;
  }

  #schedule(delayMs) {
    const round = () => this.#round();
    this.#timer = delayMs === 0 ? setImmediate(round) : setTimeout(round, delayMs);
  }

  /** One turn: takes what is there, up to the bound, and plans the next. */
  #round() {
    const socket = this.#socket;
    let result = 0;
    for (let batch = 0; batch < BATCHES_PER_TURN; batch++) {
      result = receiveBatch(socket, this.#info, (info) => this.#deliver(socket, info));
      // A listener may have closed or reopened the capture.
      if (this.#socket !== socket) return;
      if (result < 0) break;
    }
    if (result >= 0 || result === -EINTR) return this.#schedule(0);
    if (result !== -EAGAIN) this.#downRounds = 0;
    if (this.#downRounds >= 0 && this.#downRounds++ % DOWN_ROUNDS === 0 && !deviceExists(socket)) {
      return this.#gone();
    }
    this.#schedule(IDLE_MS);
  }

  #deliver(socket, info) {
    if (this.#socket !== socket) return;
    const length = Math.min(info.length, this.#buffer.length);
    this.#buffer.set(socket.memory.bytes.subarray(info.start, info.start + length));
    this.emit("packet", length, length < info.length);
  }

  #gone() {
    this.close();
    if (this.listenerCount("error") > 0) this.emit("error", new Error("the device is gone"));
  }
}

Cap.findDevice = findDevice;
Cap.deviceList = deviceList;

export { Cap, compileFilter, decoders, deviceList, findDevice };
export default { Cap, decoders, deviceList, findDevice };
