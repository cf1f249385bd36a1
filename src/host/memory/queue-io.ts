// QueueIo over the memory backend: what read(2), write(2) and poll(2) are on a TAP queue. One per
// queue worker; results are byte counts or negative errno numbers as on Linux 6.18.
import { ERRNO } from "../../base/errno.js";
import type { QueueIo } from "../types.js";
import { allocFrame, copyIn, copyOut, flushMagazine, freeFrame, metaAt } from "./cells.js";
import { FRAME_BYTES_MAX, newMagazine, poolOf, type Magazine, type Pool } from "./cells.js";
import { deviceAt, queueAt } from "./devices.js";
import {
  arm,
  closeWaiter,
  lock,
  openWaiter,
  ringArmed,
  unlock,
  waitUntil,
  waiterSlot,
} from "./waiting.js";
import { flowHash, flowUpdate } from "./flow-table.js";
import * as layout from "./layout.js";
import type { Image } from "./layout.js";
import { checkWrite, REFUSED } from "./vnet-header.js";

const { CELL, DEVICE, QUEUE, QUEUE_SLOTS, QUEUE_SLOT_BITS, QUEUE_STATE } = layout;

const { EAGAIN, EBADF, EBADFD, EFAULT, EINVAL, EIO } = ERRNO;

/**
 * Frames that a namespace may be behind with. The kernel handles a written frame before write(2)
 * returns; here the namespace has a thread of its own, and a writer that runs away from it is told
 * EAGAIN, as tun_alloc_skb tells it when the socket's send buffer is full.
 */
const RX_FRAMES_MAX = 8192;

export class MemoryQueueIo implements QueueIo {
  readonly stopHandle: number;
  private readonly image: Image;
  private readonly magazine: Magazine;
  private readonly slot: number;
  private pool: Pool;
  private waited: readonly number[];
  private ready: Uint8Array;
  private readonly look: () => number;

  constructor(image: Image) {
    this.image = image;
    this.magazine = newMagazine();
    this.stopHandle = openWaiter(image.words);
    this.slot = waiterSlot(this.stopHandle);
    this.pool = poolOf(new ArrayBuffer(0));
    this.waited = [];
    this.ready = new Uint8Array(0);
    this.look = () => this.scan();
  }

  usePool(pool: SharedArrayBuffer): void {
    this.pool = poolOf(pool);
  }

  read(queue: number, offset: number, lengthMax: number): number {
    const words = this.image.words;
    const at = queueAt(queue & (QUEUE_SLOTS - 1));
    if (words[at + QUEUE.generation] !== queue >>> QUEUE_SLOT_BITS) return -EBADF;
    if (Atomics.load(words, at + QUEUE.count) === 0) return this.emptyReason(at);
    const header = words[at + QUEUE.vnetHeaderBytes]!;
    if (lengthMax < header) return -EINVAL;

    lock(words, at + QUEUE.lock);
    const frame = words[at + QUEUE.head]! - 1;
    if (frame < 0) {
      unlock(words, at + QUEUE.lock);
      return this.emptyReason(at);
    }
    const meta = metaAt(frame);
    const next = words[meta + CELL.nextFrame]!;
    words[at + QUEUE.head] = next;
    if (next === 0) words[at + QUEUE.tail] = 0;
    Atomics.sub(words, at + QUEUE.count, 1);
    const length = words[meta + CELL.length]!;
    this.image.doubles[(at + QUEUE.txPackets) >> 1]! += 1;
    this.image.doubles[(at + QUEUE.txBytes) >> 1]! += length;
    unlock(words, at + QUEUE.lock);

    // A short buffer truncates and the rest is gone, without a word (seen: 100 of 542).
    const room = lengthMax - header;
    const size = length < room ? length : room;
    for (let i = 0; i < header; i++) this.pool.bytes[offset + i] = 0;
    copyOut(this.image, frame, this.pool, offset + header, size);
    freeFrame(words, this.magazine, frame);
    return header + size;
  }

  private emptyReason(at: number): number {
    const words = this.image.words;
    if (Atomics.load(words, at + QUEUE.state) !== QUEUE_STATE.gone) return -EAGAIN;
    return Atomics.exchange(words, at + QUEUE.efault, 0) === 1 ? -EFAULT : -EBADFD;
  }

  write(queue: number, offset: number, length: number): number {
    const words = this.image.words;
    const at = queueAt(queue & (QUEUE_SLOTS - 1));
    if (words[at + QUEUE.generation] !== queue >>> QUEUE_SLOT_BITS) return -EBADF;
    if (Atomics.load(words, at + QUEUE.state) === QUEUE_STATE.gone) return -EBADFD;
    const header = words[at + QUEUE.vnetHeaderBytes]!;
    const isTap = words[at + QUEUE.tap] === 1;
    const verdict = checkWrite(this.pool.bytes, offset, length, header, isTap);
    if (verdict === REFUSED || length > FRAME_BYTES_MAX) return -EINVAL;
    const deviceSlot = words[at + QUEUE.device]!;
    const device = deviceAt(deviceSlot);
    if (Atomics.load(words, device + DEVICE.up) === 0) {
      if (Atomics.load(words, device + DEVICE.id) !== words[at + QUEUE.deviceId]) return -EBADFD;
      Atomics.add(words, device + DEVICE.rxDropped, 1);
      return -EIO;
    }
    const result = this.deliver(at, offset + header, length - header, verdict);
    return result < 0 ? result : length;
  }

  /** Puts a frame on the device's rx list, if anybody listens there. */
  private deliver(queue: number, offset: number, size: number, partial: number): number {
    const words = this.image.words;
    const deviceSlot = words[queue + QUEUE.device]!;
    const device = deviceAt(deviceSlot);
    // tun_get_user asks for the hash only where it can matter.
    const isSteered =
      Atomics.load(words, device + DEVICE.numqueues) > 1 &&
      Atomics.load(words, queue + QUEUE.state) === QUEUE_STATE.attached;
    let hash = 0;
    if (isSteered) {
      hash = flowHash(this.pool.bytes, offset, size, words[queue + QUEUE.tap] === 1);
    }
    // With the carrier off a write is accepted and nothing comes of it.
    const isHeard =
      Atomics.load(words, device + DEVICE.consumer) !== 0 &&
      Atomics.load(words, device + DEVICE.carrier) === 1;
    let frame = -1;
    if (isHeard) {
      frame = allocFrame(words, this.magazine, size, 0);
      if (frame < 0) return -EAGAIN;
      copyIn(this.image, this.pool, offset, frame);
      const meta = metaAt(frame);
      words[meta + CELL.partial] = partial;
      words[meta + CELL.hash] = hash;
      words[meta + CELL.rxQueue] = words[queue + QUEUE.index]!;
      words[meta + CELL.nextFrame] = 0;
    }

    lock(words, device + DEVICE.rxLock);
    let result = 0;
    if (words[device + DEVICE.id] !== words[queue + QUEUE.deviceId]) result = -EBADFD;
    else if (frame >= 0 && words[device + DEVICE.rxCount]! >= RX_FRAMES_MAX) result = -EAGAIN;
    else {
      this.image.doubles[(device + DEVICE.rxPackets) >> 1]! += 1;
      this.image.doubles[(device + DEVICE.rxBytes) >> 1]! += size;
      if (frame >= 0) appendRx(words, device, frame);
    }
    unlock(words, device + DEVICE.rxLock);

    if (frame < 0) {
      if (hash !== 0) flowUpdate(this.image, deviceSlot, hash, words[queue + QUEUE.index]!);
    } else if (result < 0) {
      freeFrame(words, this.magazine, frame);
    } else {
      ringArmed(words, device + DEVICE.consumer);
    }
    return result;
  }

  wait(queues: readonly number[], ready: Uint8Array, timeoutMs: number): number {
    this.waited = queues;
    this.ready = ready;
    return waitUntil(this.image.words, this.slot, timeoutMs, this.look);
  }

  private scan(): number {
    const words = this.image.words;
    let found = 0;
    for (let i = 0; i < this.waited.length; i++) {
      const queue = this.waited[i]!;
      const at = queueAt(queue & (QUEUE_SLOTS - 1));
      arm(words, at + QUEUE.armed, this.slot);
      const isReady =
        Atomics.load(words, at + QUEUE.count) > 0 ||
        Atomics.load(words, at + QUEUE.state) === QUEUE_STATE.gone ||
        Atomics.load(words, at + QUEUE.generation) !== queue >>> QUEUE_SLOT_BITS;
      this.ready[i] = isReady ? 1 : 0;
      if (isReady) found++;
    }
    return found;
  }

  close(): void {
    flushMagazine(this.image.words, this.magazine);
    closeWaiter(this.image.words, this.stopHandle);
  }
}

function appendRx(words: Int32Array, device: number, frame: number): void {
  const tail = words[device + DEVICE.rxTail]!;
  if (tail === 0) words[device + DEVICE.rxHead] = frame + 1;
  else words[metaAt(tail - 1) + CELL.nextFrame] = frame + 1;
  words[device + DEVICE.rxTail] = frame + 1;
  Atomics.add(words, device + DEVICE.rxCount, 1);
}
