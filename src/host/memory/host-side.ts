// The namespace's own side of memory devices: what the kernel's protocol stack does with a TAP
// device. One per stack thread; the queue workers are on the other side of the same lists.
import { ERRNO } from "../../base/errno.js";
import type { DeviceRef } from "../types.js";
import { allocFrame, copyIn, copyOut, flushMagazine, freeFrame, metaAt } from "./cells.js";
import { newMagazine, poolOf, RESERVED_CELLS, type Magazine, type Pool } from "./cells.js";
import { deviceAt, queueAt, slotOf } from "./devices.js";
import * as waiting from "./waiting.js";
import { flowFind, flowHash, flowUpdate } from "./flow-table.js";
import * as layout from "./layout.js";
import type { Image } from "./layout.js";

const { CELL, DEVICE, HEADER, NAMESPACE, NAMESPACES_AT, NAMESPACE_WORDS } = layout;
const { QUEUE, QUEUE_STATE } = layout;
const { EAGAIN, EINVAL, ENETDOWN, ENODEV } = ERRNO;

// Outcomes of putting a frame on a queue.
const QUEUED = 0;
const FULL = 1;
const CLOSED = 2;

/** What the stack needs to know of a device before it sends. */
export interface LinkState {
  readonly namespace: number;
  readonly up: boolean;
  readonly carrier: boolean;
  readonly mtu: number;
}

/** A protocol counter of a namespace, as `networkStats` reports it. */
export type NetworkCounter = "listenOverflows" | "listenDrops" | "retransmittedSegments";

export class MemoryHostSide {
  readonly stopHandle: number;
  /** Whether the frame received last has partial checksums or is a super-frame. */
  partial: boolean;
  private readonly image: Image;
  private readonly magazine: Magazine;
  private readonly slot: number;
  private pool: Pool;
  private claimed: readonly DeviceRef[];
  // The flow record of the frame received last, made when the next one is asked for: the stack
  // answers in between, steered by what was known before (see flow-table.ts).
  private lastDevice: number;
  private lastHash: number;
  private lastQueue: number;
  private readonly look: () => number;

  constructor(image: Image) {
    this.image = image;
    this.magazine = newMagazine();
    this.stopHandle = waiting.openWaiter(image.words);
    this.slot = waiting.waiterSlot(this.stopHandle);
    this.pool = poolOf(new ArrayBuffer(0));
    this.partial = false;
    this.claimed = [];
    this.lastDevice = 0;
    this.lastHash = 0;
    this.lastQueue = 0;
    this.look = () => this.scan();
  }

  /** The buffer that `transmit` and `receive` address. */
  useBuffer(buffer: ArrayBuffer | SharedArrayBuffer): void {
    this.pool = poolOf(buffer);
  }

  /** Begins to receive from exactly these devices; those that are gone stay silent. */
  claim(devices: readonly DeviceRef[]): void {
    const words = this.image.words;
    for (const device of this.claimed) {
      const slot = slotOf(this.image, device);
      if (slot >= 0 && !devices.some((other) => other.id === device.id)) {
        Atomics.store(words, deviceAt(slot) + DEVICE.consumer, 0);
      }
    }
    for (const device of devices) {
      const slot = slotOf(this.image, device);
      if (slot >= 0) Atomics.store(words, deviceAt(slot) + DEVICE.consumer, this.slot + 1);
    }
    this.claimed = devices;
  }

  /** The device as it is now; null when it is gone. Allocates: not per frame. */
  link(device: DeviceRef): LinkState | null {
    const words = this.image.words;
    const slot = slotOf(this.image, device);
    if (slot < 0) return null;
    const at = deviceAt(slot);
    return {
      namespace: Atomics.load(words, at + DEVICE.namespace),
      up: Atomics.load(words, at + DEVICE.up) === 1,
      carrier: Atomics.load(words, at + DEVICE.carrier) === 1,
      mtu: Atomics.load(words, at + DEVICE.mtu),
    };
  }

  /**
   * Sends a frame, as dev_queue_xmit does on a TAP device: picks the transmit queue, and drops
   * silently (only the device's counter moves) when that queue holds txQueueLen frames, when no
   * queue is attached or when the carrier is off.
   * @param hash the frame's flow hash, or 0 to have it computed.
   * @returns 0, whether delivered or dropped; -ENETDOWN or -ENODEV, which a sender is told.
   */
  transmit(device: DeviceRef, offset: number, length: number, hash: number): number {
    const { words } = this.image;
    const slot = slotOf(this.image, device);
    if (slot < 0) return -ENODEV;
    const at = deviceAt(slot);
    if (Atomics.load(words, at + DEVICE.up) === 0) return -ENETDOWN;
    const queue = this.pickTx(slot, offset, length, hash);
    if (queue < 0) {
      Atomics.add(words, at + DEVICE.txDroppedEarly, 1);
      return 0;
    }
    const base = queueAt(queue);
    const limit = Atomics.load(words, at + DEVICE.txQueueLen);
    let frame = -1;
    if (Atomics.load(words, base + QUEUE.count) < limit) {
      frame = allocFrame(words, this.magazine, length, RESERVED_CELLS);
    }
    if (frame >= 0) {
      copyIn(this.image, this.pool, offset, frame);
      words[metaAt(frame) + CELL.nextFrame] = 0;
    }
    const outcome = this.enqueue(base, device.id, frame, limit);
    if (outcome === QUEUED) {
      waiting.ringArmed(words, base + QUEUE.armed);
      return 0;
    }
    if (outcome === CLOSED) Atomics.add(words, at + DEVICE.txDroppedEarly, 1);
    if (frame >= 0) freeFrame(words, this.magazine, frame);
    return 0;
  }

  /** tun_select_queue, then netdev_cap_txqueue. -1: nothing to send through. */
  private pickTx(slot: number, offset: number, length: number, hash: number): number {
    const { words } = this.image;
    const at = deviceAt(slot);
    const count = Atomics.load(words, at + DEVICE.numqueues);
    if (count === 0 || Atomics.load(words, at + DEVICE.carrier) === 0) return -1;
    let index = 0;
    if (count > 1) {
      const isTap = words[at + DEVICE.tap] === 1;
      const flow = hash === 0 ? flowHash(this.pool.bytes, offset, length, isTap) : hash;
      index = words[at + DEVICE.flowSteering] === 1 ? -1 : flowFind(this.image, slot, flow);
      if (index < 0) index = Math.floor(((flow >>> 0) * count) / 0x1_0000_0000);
      if (index >= count) index = 0;
    }
    return Atomics.load(words, at + DEVICE.tfiles + index);
  }

  /** tun_net_xmit. `frame` -1: there was no room for it; it is only counted. */
  private enqueue(base: number, deviceId: number, frame: number, limit: number): number {
    const { words } = this.image;
    waiting.lock(words, base + QUEUE.lock);
    const isOpen =
      words[base + QUEUE.state] === QUEUE_STATE.attached &&
      words[base + QUEUE.deviceId] === deviceId;
    const fits = isOpen && frame >= 0 && words[base + QUEUE.count]! < limit;
    if (fits) {
      const tail = words[base + QUEUE.tail]!;
      if (tail === 0) words[base + QUEUE.head] = frame + 1;
      else words[metaAt(tail - 1) + CELL.nextFrame] = frame + 1;
      words[base + QUEUE.tail] = frame + 1;
      Atomics.add(words, base + QUEUE.count, 1);
    } else if (isOpen) {
      this.image.doubles[(base + QUEUE.txDropped) >> 1]! += 1;
    }
    waiting.unlock(words, base + QUEUE.lock);
    return fits ? QUEUED : isOpen ? FULL : CLOSED;
  }

  /**
   * Takes the next frame that the switch wrote to the device.
   * @returns its length; -EAGAIN, -ENODEV; -EINVAL when it is longer than `lengthMax` (it is lost).
   */
  receive(device: DeviceRef, offset: number, lengthMax: number): number {
    const { words } = this.image;
    if (this.lastHash !== 0) {
      flowUpdate(this.image, this.lastDevice, this.lastHash, this.lastQueue);
      this.lastHash = 0;
    }
    const slot = slotOf(this.image, device);
    if (slot < 0) return -ENODEV;
    const at = deviceAt(slot);
    if (Atomics.load(words, at + DEVICE.rxCount) === 0) return -EAGAIN;
    waiting.lock(words, at + DEVICE.rxLock);
    const frame = words[at + DEVICE.rxHead]! - 1;
    if (frame < 0) {
      waiting.unlock(words, at + DEVICE.rxLock);
      return -EAGAIN;
    }
    const meta = metaAt(frame);
    const next = words[meta + CELL.nextFrame]!;
    words[at + DEVICE.rxHead] = next;
    if (next === 0) words[at + DEVICE.rxTail] = 0;
    Atomics.sub(words, at + DEVICE.rxCount, 1);
    waiting.unlock(words, at + DEVICE.rxLock);

    this.lastDevice = slot;
    this.lastHash = words[meta + CELL.hash]!;
    this.lastQueue = words[meta + CELL.rxQueue]!;
    this.partial = words[meta + CELL.partial] === 1;
    const length = words[meta + CELL.length]!;
    const fits = length <= lengthMax;
    if (fits) copyOut(this.image, frame, this.pool, offset, length);
    freeFrame(words, this.magazine, frame);
    return fits ? length : -EINVAL;
  }

  /** Sleeps until a claimed device has a frame, a kick arrives or `timeoutMs` has passed. */
  wait(timeoutMs: number): number {
    return waiting.waitUntil(this.image.words, this.slot, timeoutMs, this.look);
  }

  /** Tells the steering how late it is, from a thread that never waits. */
  setJiffies(milliseconds: number): void {
    Atomics.store(this.image.words, HEADER.jiffiesMs, milliseconds | 0);
  }

  private scan(): number {
    let found = 0;
    for (let i = 0; i < this.claimed.length; i++) {
      const slot = slotOf(this.image, this.claimed[i]!);
      if (slot < 0) continue;
      if (Atomics.load(this.image.words, deviceAt(slot) + DEVICE.rxCount) > 0) found++;
    }
    return found;
  }

  /** Adds to a protocol counter of a namespace. */
  count(namespace: number, counter: NetworkCounter, by: number): void {
    const at = NAMESPACES_AT + namespace * NAMESPACE_WORDS + NAMESPACE[counter];
    Atomics.add(this.image.words, at, by);
  }

  close(): void {
    this.claim([]);
    flushMagazine(this.image.words, this.magazine);
    waiting.closeWaiter(this.image.words, this.stopHandle);
  }
}
