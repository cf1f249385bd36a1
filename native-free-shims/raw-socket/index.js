// The public API of raw-socket 1.8.1 without a native addon: raw IPv4 and IPv6 sockets, their
// options, checksums and byte order. Works in worker threads and in several at once (raw-socket
// itself crashes there). For probes and tests; the data plane does not use it.
//
// How messages are noticed: a timer of 1 ms, since Node lets no JavaScript wait for a foreign file
// descriptor and a thread per socket would be one more thing to stop. In the first milliseconds
// after a send the socket is looked at in every turn of the event loop instead, so that a round
// trip is measured in microseconds and not in timer ticks.
//
// What differs from raw-socket: `close` is emitted once; a socket stays closed after `close`
// (raw-socket opens a new one at the next send); a message is a copy, not a view of a buffer that
// the next one overwrites; an address of the wrong family is an error, not a random destination.
import { EventEmitter } from "node:events";
import { isIP } from "node:net";
import { createChecksum, htonl, htons, ntohl, ntohs, writeChecksum } from "./checksum.js";
import { AddressFamily, Protocol, SocketLevel, SocketOption } from "./constants.js";
import {
  closeRawIo,
  getRawOption,
  openRawIo,
  receiveRaw,
  sendRaw,
  setRawOption,
} from "./raw-io.js";

const IDLE_MS = 1;
/** How long after a send the socket is looked at without pause. */
const EAGER_NS = 5_000_000n;
/** Messages taken in one turn of the event loop before others get theirs. */
const MESSAGES_PER_TURN = 256;

const isUint32 = (value) => Number.isInteger(value) && value >= 0 && value <= 0xffffffff;

function checkNumbers(level, option) {
  if (typeof level !== "number") throw new TypeError("Level argument must be a number");
  if (typeof option !== "number") throw new TypeError("Option argument must be a number");
}

class Socket extends EventEmitter {
  #io;
  #timer = null;
  #eagerUntil = 0n;

  constructor(options = {}) {
    super();
    this.requests = [];
    this.recvPaused = false;
    this.sendPaused = true;
    const protocol = options.protocol || Protocol.None;
    if (!isUint32(protocol)) throw new TypeError("Protocol argument must be an unsigned integer");
    const family = options.addressFamily || AddressFamily.IPv4;
    if (!isUint32(family)) {
      throw new TypeError("Address family argument must be an unsigned integer");
    }
    this.#io = openRawIo({
      ipv6: family === AddressFamily.IPv6,
      protocol,
      bufferSizeBytes: options.bufferSize || 4096,
    });
    this.#plan();
  }

  /** Closes the socket and emits `close`, once; messages not yet sent are reported as failed. */
  close() {
    if (this.#io === null) return this;
    this.#stopTimer();
    closeRawIo(this.#io);
    this.#io = null;
    for (const request of this.requests.splice(0)) {
      request.afterCallback.call(this, new Error("Socket is closed"), 0);
    }
    this.emit("close");
    return this;
  }

  pauseRecv() {
    return this.#pause(true, this.sendPaused);
  }

  pauseSend() {
    return this.#pause(this.recvPaused, true);
  }

  resumeRecv() {
    return this.#pause(false, this.sendPaused);
  }

  resumeSend() {
    return this.#pause(this.recvPaused, false);
  }

  /**
   * Sends `length` bytes from `offset`. `beforeCallback()` runs right before, `afterCallback(error,
   * bytes)` after; with one callback it is the latter.
   */
  send(buffer, offset, length, address, beforeCallback, afterCallback) {
    const after = afterCallback ?? beforeCallback;
    const before = afterCallback ? beforeCallback : null;
    if (length + offset > buffer.length) {
      const what = `offset '${offset}' plus length '${length}'`;
      const text = `Buffer length '${buffer.length}' is not large enough for the specified ${what}`;
      after.call(this, new Error(text));
      return this;
    }
    if (isIP(address) === 0) {
      after.call(this, new Error(`Invalid IP address '${address}'`));
      return this;
    }
    const request = { buffer, offset, length, address };
    this.requests.push({ ...request, beforeCallback: before, afterCallback: after });
    if (this.sendPaused) this.resumeSend();
    return this;
  }

  /** Reads an option into `buffer`; the number of bytes it has. */
  getOption(level, option, buffer, length) {
    checkNumbers(level, option);
    if (!Buffer.isBuffer(buffer)) {
      throw new TypeError("Value argument must be a node Buffer object if length is provided");
    }
    if (!Number.isInteger(length)) {
      throw new TypeError("Length argument must be an unsigned integer");
    }
    return getRawOption(this.#opened(), level, option, buffer);
  }

  /** Sets an option from a 32-bit number, or from the first `length` bytes of a Buffer. */
  setOption(...args) {
    const [level, option, value, length] = args;
    checkNumbers(level, option);
    if (args.length <= 3) {
      if (!isUint32(value)) throw new TypeError("Value argument must be a unsigned integer");
      const bytes = Buffer.alloc(4);
      bytes.writeUInt32LE(value);
      return setRawOption(this.#opened(), level, option, bytes);
    }
    if (!Buffer.isBuffer(value)) {
      throw new TypeError("Value argument must be a node Buffer object if length is provided");
    }
    if (!isUint32(length)) throw new TypeError("Length argument must be an unsigned integer");
    if (length > value.length) throw new TypeError("Length argument is larger than buffer length");
    return setRawOption(this.#opened(), level, option, value.subarray(0, length));
  }

  #opened() {
    if (this.#io === null) throw new Error("Socket is closed");
    return this.#io;
  }

  #pause(recvPaused, sendPaused) {
    this.recvPaused = recvPaused;
    this.sendPaused = sendPaused;
    this.#plan();
    return this;
  }

  #stopTimer() {
    clearTimeout(this.#timer);
    clearImmediate(this.#timer);
    this.#timer = null;
  }

  /** Plans the next turn; none while both directions are paused, so the event loop may end. */
  #plan() {
    this.#stopTimer();
    if (this.#io === null || (this.recvPaused && this.sendPaused)) return;
    const turn = () => this.#turn();
    const now = !this.sendPaused || process.hrtime.bigint() < this.#eagerUntil;
    this.#timer = now ? setImmediate(turn) : setTimeout(turn, IDLE_MS);
  }

  #turn() {
    this.#timer = null;
    if (!this.sendPaused) this.#sendOne();
    if (!this.recvPaused) this.#receiveAll();
    if (this.#timer === null) this.#plan();
  }

  #sendOne() {
    const request = this.requests[0];
    if (request === undefined) {
      this.sendPaused = true;
      return;
    }
    let sent = 0;
    let error = null;
    try {
      request.beforeCallback?.();
      const { buffer, offset, length, address } = request;
      sent = sendRaw(this.#opened(), buffer.subarray(offset, offset + length), address);
    } catch (thrown) {
      error = thrown;
    }
    // A full socket buffer: the same message again at the next turn.
    if (sent === null) return;
    if (this.requests[0] === request) this.requests.shift();
    this.#eagerUntil = process.hrtime.bigint() + EAGER_NS;
    request.afterCallback.call(this, error, error === null ? sent : 0);
  }

  #receiveAll() {
    for (let i = 0; i < MESSAGES_PER_TURN; i++) {
      // A listener may have closed or paused the socket.
      if (this.#io === null || this.recvPaused) return;
      let message;
      try {
        message = receiveRaw(this.#io);
      } catch (error) {
        this.emit("error", error);
        return;
      }
      if (message === null) return;
      this.emit("message", message.buffer, message.source);
    }
  }
}

/** Opens a raw socket; see Socket. @throws Error "Operation not permitted" without root. */
const createSocket = (options) => new Socket(options ?? {});

export {
  AddressFamily,
  createChecksum,
  createSocket,
  htonl,
  htons,
  ntohl,
  ntohs,
  Protocol,
  Socket,
  SocketLevel,
  SocketOption,
  writeChecksum,
};
export default {
  AddressFamily,
  createChecksum,
  createSocket,
  htonl,
  htons,
  ntohl,
  ntohs,
  Protocol,
  Socket,
  SocketLevel,
  SocketOption,
  writeChecksum,
};
