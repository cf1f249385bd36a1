// Tap and Tun: a device as a Duplex stream of frames (Tap) or packets (Tun), with the properties
// of the npm package tuntap2. Main thread or worker; a device belongs to the thread that made it.
//
// The readable side is in object mode: one `data` event, or one `read()`, is one frame. Upstream's
// byte stream joins frames whenever the reader is slower than the device.
import { Duplex } from "node:stream";
import { addressOf, block, close, read, systemError, write } from "@packetpath/libc";
import { deviceName, openDevice, setCarrier, setQueueAttached } from "./open-device.js";
import { arm, disarm } from "./poller.js";
import * as settings from "./settings.js";

/** Longest frame: MTU 65535 or a 64 KB super-frame, Ethernet and VLAN headers, vnet header. */
const FRAME_BYTES_MAX = 65536 + 64;

/** Frames taken from one queue before other work gets its turn. */
const BURST = 64;

const EAGAIN = -11;
const EINTR = -4;

/** One queue of a device: synchronous, non-blocking access to its file descriptor. */
class Queue {
  constructor(fd) {
    this.fd = fd;
    this.attached = true;
  }

  /** @returns bytes read into `buffer`; 0 when the queue is empty; a negative errno otherwise. */
  read(buffer) {
    const n = read(this.fd, bufferAddress(buffer), buffer.byteLength);
    return n === EAGAIN ? 0 : n;
  }

  /** @returns bytes written, or a negative errno: -EIO down, -EBADFD gone, -EINVAL bad frame. */
  write(buffer) {
    return write(this.fd, bufferAddress(buffer), buffer.byteLength);
  }

  attach() {
    return this.turn(true);
  }

  detach() {
    return this.turn(false);
  }

  turn(on) {
    const result = setQueueAttached(this.fd, on);
    if (result === 0) this.attached = on;
    return result;
  }
}

/** `buffer.buffer` moves a small array out of V8's heap, so the address stays true. */
const bufferAddress = (buffer) => addressOf(buffer.buffer) + buffer.byteOffset;

export class Tuntap extends Duplex {
  constructor(mode, options = {}) {
    super({ readableObjectMode: true, allowHalfOpen: false, readableHighWaterMark: BURST });
    const device = openDevice({ ...options, mode });
    this._deviceMode = mode;
    this._ifName = device.name;
    this._fd = device.fds[0];
    this._isUp = false;
    this._netns = options.netns ?? null;
    this._ipv6 = null;
    this._frame = block(FRAME_BYTES_MAX);
    this._wanted = false;
    this.queues = Object.freeze(device.fds.map((fd) => new Queue(fd)));
    this.vnetHeaderBytes = device.vnetHeaderBytes;
    this.once("finish", () => this.destroy());
    process.nextTick(() => {
      if (this.destroyed) return;
      this.emit("open", this._fd);
      this.emit("ready");
    });
  }

  get name() {
    return this._ifName;
  }

  get isTap() {
    return this._deviceMode === "tap";
  }

  get isTun() {
    return !this.isTap;
  }

  get isUp() {
    return this._isUp;
  }

  set isUp(up) {
    settings.setUp(this._target(), up);
    this._isUp = Boolean(up);
  }

  get mtu() {
    return settings.getMtu(this._target());
  }

  set mtu(mtu) {
    settings.setMtu(this._target(), mtu);
  }

  get mac() {
    this._mustBeUp();
    return this.isTap ? settings.getMac(this._target()) : "00:00:00:00:00:00";
  }

  set mac(mac) {
    settings.setMac(this._target(), mac);
  }

  get ipv4() {
    return this._address("IPv4");
  }

  set ipv4(text) {
    settings.setIpv4(this._target(), text);
  }

  get ipv6() {
    return this._address("IPv6");
  }

  set ipv6(text) {
    this._ipv6 = settings.setIpv6(this._target(), text, this._ipv6);
  }

  /** The carrier as ethtool sees it: false while the device is down. */
  get carrier() {
    return settings.getCarrier(this._target());
  }

  set carrier(on) {
    const result = this.destroyed ? -77 : setCarrier(this._fd, on);
    if (result < 0) throw systemError("ioctl TUNSETCARRIER", result, this._ifName);
  }

  /** Closes the device; `callback` is called, once, when it is gone. */
  release(callback) {
    if (callback) {
      if (this.closed) process.nextTick(callback);
      else this.once("close", () => callback());
    }
    this.destroy();
  }

  /** Kept because upstream keeps it; does nothing there either. */
  onReceive() {}

  /** Kept because upstream keeps it; does nothing there either. */
  writePacket() {}

  setEncoding() {
    throw new Error("Method is not allowed.");
  }

  setDefaultEncoding() {
    throw new Error("Method is not allowed.");
  }

  /** The present name: the device may have been renamed from outside. */
  _target() {
    if (this.destroyed) throw systemError("ioctl", -77, `${this._ifName} is released`);
    return { name: deviceName(this._fd) ?? this._ifName, netns: this._netns };
  }

  _mustBeUp() {
    if (!this.isUp) throw "you must set isUp = true in order to access this method";
  }

  _address(family) {
    this._mustBeUp();
    const all = settings.addresses(this._target()).filter((entry) => entry.family === family);
    // A link-local address that the kernel gave comes first in the list, and is not the one set.
    const given = all.find((entry) => !entry.cidr.startsWith("fe80:")) ?? all[0];
    return given?.cidr ?? null;
  }

  _read() {
    if (this._wanted) return;
    this._wanted = true;
    for (const queue of this.queues) this._arm(queue);
  }

  _arm(queue) {
    arm(queue.fd, () => this._drain(queue));
  }

  /** Event loop, when `queue` is readable or in error. */
  _drain(queue) {
    if (this.destroyed) return;
    for (let i = 0; i < BURST && this._wanted; i++) {
      const n = read(queue.fd, this._frame.address, FRAME_BYTES_MAX);
      if (n === EAGAIN || n === EINTR) break;
      if (n < 0) {
        this.destroy(systemError("read", n, `${this._ifName} is gone`));
        return;
      }
      // `push` may call `_read` again from inside, hence the order.
      this._wanted = false;
      const more = this.push(Buffer.from(this._frame.bytes.slice(0, n).buffer));
      this._wanted ||= more;
    }
    if (this._wanted) this._arm(queue);
  }

  _write(chunk, _encoding, callback) {
    if (chunk.length > FRAME_BYTES_MAX) {
      callback(systemError("write", -90, `${chunk.length} bytes to ${this._ifName}`));
      return;
    }
    this._frame.bytes.set(chunk);
    const n = write(this._fd, this._frame.address, chunk.length);
    callback(n < 0 ? systemError("write", n, this._ifName) : null);
  }

  _destroy(error, callback) {
    let open = this.queues?.length ?? 0;
    if (open === 0) callback(error);
    for (const queue of this.queues ?? []) {
      disarm(queue.fd, () => {
        close(queue.fd);
        open -= 1;
        if (open === 0) callback(error);
      });
    }
  }
}

export class Tap extends Tuntap {
  constructor(options) {
    super("tap", options);
  }
}

export class Tun extends Tuntap {
  constructor(options) {
    super("tun", options);
  }

  get mac() {
    return super.mac;
  }

  set mac(_mac) {
    throw new Error("method not support by a tun device.");
  }
}
