// Life of a device in the memory backend: create, attach and detach queues, delete. The twin of
// register_netdevice, __tun_attach, __tun_detach and unregister_netdevice. Main and control
// threads only; all of it runs under `deviceLock`, the twin of RTNL.
//
// Slots are used again, ids never: a DeviceRef of a deleted device finds another id in its slot,
// and a queue handle another generation. A list of frames is closed under the list's own lock
// before it is emptied, so a thread in the middle of a write cannot leave a frame behind.
import { PacketpathError } from "../../base/errors.js";
import type { DeviceRef, DeviceSpec } from "../types.js";
import { freeList, type Magazine } from "./cells.js";
import { isSleeping, lock, ringArmed, unlock } from "./waiting.js";
import { EVENT_CHANGED, EVENT_DELETED, EVENT_NEW, logEvent, nameAt, setNameAt } from "./events.js";
import { flowsReset } from "./flow-table.js";
import * as layout from "./layout.js";
import type { Image } from "./layout.js";

const { DEVICE, DEVICES_AT, DEVICE_SLOTS, DEVICE_WORDS, HEADER, NAMESPACE, NAMESPACES_AT } = layout;
const { NAMESPACE_WORDS, QUEUE, QUEUES_AT, QUEUE_SLOTS, QUEUE_SLOT_BITS } = layout;
const { QUEUE_STATE, QUEUE_WORDS } = layout;

const GENERATION_MASK = 0x3ffff;

/** First word of a device slot. */
export function deviceAt(slot: number): number {
  return DEVICES_AT + slot * DEVICE_WORDS;
}

/** First word of a queue slot. */
export function queueAt(slot: number): number {
  return QUEUES_AT + slot * QUEUE_WORDS;
}

/** The slot in which a device lives; -1 when it is gone. */
export function slotOf(image: Image, device: DeviceRef): number {
  const slot = device.id & (DEVICE_SLOTS - 1);
  return Atomics.load(image.words, deviceAt(slot) + DEVICE.id) === device.id ? slot : -1;
}

/** Runs `change` under the device lock with the device's slot; -1 stays -1. */
export function withDevice<T>(image: Image, device: DeviceRef, change: (slot: number) => T): T {
  lock(image.words, HEADER.deviceLock);
  try {
    return change(slotOf(image, device));
  } finally {
    unlock(image.words, HEADER.deviceLock);
  }
}

/** The device of that name in a namespace, or -1. Under deviceLock. */
export function findByName(image: Image, namespace: number, name: string): number {
  for (let slot = 0; slot < DEVICE_SLOTS; slot++) {
    const at = deviceAt(slot);
    if (image.words[at + DEVICE.id] === 0) continue;
    if (image.words[at + DEVICE.namespace] !== namespace) continue;
    if (nameAt(image, at + DEVICE.name) === name) return slot;
  }
  return -1;
}

/** Registers a device and its queues. `spec` has been checked. */
export function createDevice(image: Image, spec: DeviceSpec): DeviceRef {
  const words = image.words;
  const namespace = spec.namespace.handle;
  lock(words, HEADER.deviceLock);
  try {
    if (findByName(image, namespace, spec.name) >= 0) {
      throw new PacketpathError(
        "SYSTEM_CALL",
        `device ${spec.name} in namespace ${spec.namespace.name}: EEXIST, the name is taken`,
      );
    }
    const slot = freeDeviceSlot(image);
    const queues = freeQueueSlots(image, spec.queues);
    const id = nextId(image, slot);
    const ifindex = words[NAMESPACES_AT + namespace * NAMESPACE_WORDS + NAMESPACE.nextIfindex]!++;
    const mac = spec.mac === null ? ownMac(id) : parseMac(spec.mac);
    fillDevice(image, slot, { spec, ifindex, mac, queues });
    for (let i = 0; i < queues.length; i++) {
      fillQueue(image, queues[i]!, { slot, id, index: i, spec });
    }
    Atomics.store(words, deviceAt(slot) + DEVICE.id, id);
    logEvent(image, slot, EVENT_NEW);
    if (spec.up) {
      Atomics.store(words, deviceAt(slot) + DEVICE.up, 1);
      logEvent(image, slot, EVENT_CHANGED);
    }
    return {
      id,
      name: spec.name,
      namespace: spec.namespace,
      ifindex,
      mac: spec.mode === "tap" ? macText(mac) : "",
      mode: spec.mode,
      queues: queues.map((q) => (words[queueAt(q)]! << QUEUE_SLOT_BITS) | q),
      vnetHeaderBytes: spec.vnetHeader ? 12 : 0,
    };
  } finally {
    unlock(words, HEADER.deviceLock);
  }
}

function nextId(image: Image, slot: number): number {
  const serial = (image.words[HEADER.deviceSerial]! % 0x1ffffff) + 1;
  image.words[HEADER.deviceSerial] = serial;
  return serial * DEVICE_SLOTS + slot;
}

function freeDeviceSlot(image: Image): number {
  for (let slot = 0; slot < DEVICE_SLOTS; slot++) {
    if (image.words[deviceAt(slot) + DEVICE.id] === 0) return slot;
  }
  throw new PacketpathError(
    "ENVIRONMENT",
    `the memory backend has room for ${DEVICE_SLOTS} devices at a time`,
  );
}

function freeQueueSlots(image: Image, count: number): number[] {
  const slots: number[] = [];
  for (let slot = 0; slot < QUEUE_SLOTS && slots.length < count; slot++) {
    if (image.words[queueAt(slot) + QUEUE.state] === QUEUE_STATE.free) slots.push(slot);
  }
  if (slots.length === count) return slots;
  throw new PacketpathError(
    "ENVIRONMENT",
    `the memory backend has ${QUEUE_SLOTS} queues; ${count} more do not fit (closeQueues?)`,
  );
}

function fillDevice(
  image: Image,
  slot: number,
  from: { spec: DeviceSpec; ifindex: number; mac: readonly number[]; queues: readonly number[] },
): void {
  const { words } = image;
  const at = deviceAt(slot);
  // All but the id and the lock words, which threads of the slot's former life may be holding.
  words.fill(0, at + 1, at + DEVICE.rxLock);
  words[at + DEVICE.namespace] = from.spec.namespace.handle;
  words[at + DEVICE.ifindex] = from.ifindex;
  words[at + DEVICE.carrier] = 1;
  words[at + DEVICE.mtu] = from.spec.mtu;
  words[at + DEVICE.txQueueLen] = from.spec.txQueueLen;
  words[at + DEVICE.queues] = from.queues.length;
  words[at + DEVICE.numqueues] = from.queues.length;
  words[at + DEVICE.vnetHeaderBytes] = from.spec.vnetHeader ? 12 : 0;
  words[at + DEVICE.tap] = from.spec.mode === "tap" ? 1 : 0;
  words[at + DEVICE.flowSteering] = from.spec.steering === "flow-hash" ? 1 : 0;
  setNameAt(image, at + DEVICE.name, from.spec.name);
  for (let i = 0; i < 6; i++) image.bytes[(at + DEVICE.mac) * 4 + i] = from.mac[i]!;
  for (let i = 0; i < from.queues.length; i++) {
    words[at + DEVICE.slots + i] = from.queues[i]!;
    words[at + DEVICE.tfiles + i] = from.queues[i]!;
  }
  lock(words, at + DEVICE.rxLock);
  image.doubles[(at + DEVICE.rxPackets) >> 1] = 0;
  image.doubles[(at + DEVICE.rxBytes) >> 1] = 0;
  unlock(words, at + DEVICE.rxLock);
  flowsReset(image, slot);
}

function fillQueue(
  image: Image,
  queueSlot: number,
  from: { slot: number; id: number; index: number; spec: DeviceSpec },
): void {
  const { words } = image;
  const at = queueAt(queueSlot);
  lock(words, at + QUEUE.lock);
  words[at + QUEUE.device] = from.slot;
  words[at + QUEUE.deviceId] = from.id;
  words[at + QUEUE.index] = from.index;
  words[at + QUEUE.vnetHeaderBytes] = from.spec.vnetHeader ? 12 : 0;
  words[at + QUEUE.tap] = from.spec.mode === "tap" ? 1 : 0;
  words[at + QUEUE.armed] = 0;
  words[at + QUEUE.efault] = 0;
  image.doubles.fill(0, (at + QUEUE.txPackets) >> 1, (at + QUEUE_WORDS) >> 1);
  Atomics.store(words, at + QUEUE.state, QUEUE_STATE.attached);
  unlock(words, at + QUEUE.lock);
}

/** Changes a queue's state and empties its list, under its lock. */
function shutQueue(image: Image, queueSlot: number, state: number, magazine: Magazine): void {
  const { words } = image;
  const at = queueAt(queueSlot);
  lock(words, at + QUEUE.lock);
  const head = words[at + QUEUE.head]!;
  words[at + QUEUE.head] = 0;
  words[at + QUEUE.tail] = 0;
  Atomics.store(words, at + QUEUE.count, 0);
  // A reader that slept when the device went is told EFAULT once (Linux 6.18: RCV_SHUTDOWN is seen
  // before the missing device is).
  const armed = words[at + QUEUE.armed]!;
  if (state === QUEUE_STATE.gone && armed > 0 && isSleeping(words, armed - 1)) {
    words[at + QUEUE.efault] = 1;
  }
  Atomics.store(words, at + QUEUE.state, state);
  unlock(words, at + QUEUE.lock);
  // tun_queue_purge: what waited is lost and no counter says so (14 of 64 frames; Linux 6.18).
  freeList(words, magazine, head);
  ringArmed(words, at + QUEUE.armed);
}

/** Unregisters the device in `slot`. Under deviceLock. */
export function destroyDevice(image: Image, slot: number, magazine: Magazine): void {
  const { words } = image;
  const at = deviceAt(slot);
  Atomics.store(words, at + DEVICE.up, 0);
  logEvent(image, slot, EVENT_DELETED);
  lock(words, at + DEVICE.rxLock);
  Atomics.store(words, at + DEVICE.id, 0);
  const head = words[at + DEVICE.rxHead]!;
  words[at + DEVICE.rxHead] = 0;
  words[at + DEVICE.rxTail] = 0;
  Atomics.store(words, at + DEVICE.rxCount, 0);
  unlock(words, at + DEVICE.rxLock);
  freeList(words, magazine, head);
  for (let i = 0; i < words[at + DEVICE.queues]!; i++) {
    const queueSlot = words[at + DEVICE.slots + i]!;
    const state = words[queueAt(queueSlot) + QUEUE.state]!;
    if (state === QUEUE_STATE.attached || state === QUEUE_STATE.detached) {
      shutQueue(image, queueSlot, QUEUE_STATE.gone, magazine);
    }
  }
  ringArmed(words, at + DEVICE.consumer);
}

/** __tun_detach: the last attached queue moves into the hole, and its index changes with it. */
export function detachQueue(
  image: Image,
  slot: number,
  queueSlot: number,
  after: { state: number; magazine: Magazine },
): void {
  const { words } = image;
  const at = deviceAt(slot);
  const index = words[queueAt(queueSlot) + QUEUE.index]!;
  const last = words[at + DEVICE.numqueues]! - 1;
  const moved = words[at + DEVICE.tfiles + last]!;
  Atomics.store(words, at + DEVICE.tfiles + index, moved);
  Atomics.store(words, queueAt(moved) + QUEUE.index, index);
  Atomics.store(words, at + DEVICE.numqueues, last);
  shutQueue(image, queueSlot, after.state, after.magazine);
}

/** tun_attach of a queue that was detached: it comes last. */
export function reattachQueue(image: Image, slot: number, queueSlot: number): void {
  const { words } = image;
  const at = deviceAt(slot);
  const count = words[at + DEVICE.numqueues]!;
  Atomics.store(words, queueAt(queueSlot) + QUEUE.index, count);
  Atomics.store(words, at + DEVICE.tfiles + count, queueSlot);
  lock(words, queueAt(queueSlot) + QUEUE.lock);
  Atomics.store(words, queueAt(queueSlot) + QUEUE.state, QUEUE_STATE.attached);
  unlock(words, queueAt(queueSlot) + QUEUE.lock);
  Atomics.store(words, at + DEVICE.numqueues, count + 1);
}

/** Closes a queue handle: detaches the queue if need be; the handle says EBADF from now on. */
export function closeQueue(image: Image, handle: number, magazine: Magazine): void {
  const { words } = image;
  const queueSlot = handle & (QUEUE_SLOTS - 1);
  const at = queueAt(queueSlot);
  if (words[at + QUEUE.generation] !== handle >>> QUEUE_SLOT_BITS) return;
  const slot = words[at + QUEUE.device]!;
  const isLive = words[deviceAt(slot) + DEVICE.id] === words[at + QUEUE.deviceId];
  if (isLive && words[at + QUEUE.state] === QUEUE_STATE.attached) {
    detachQueue(image, slot, queueSlot, { state: QUEUE_STATE.free, magazine });
  } else {
    shutQueue(image, queueSlot, QUEUE_STATE.free, magazine);
  }
  Atomics.store(
    words,
    at + QUEUE.generation,
    (words[at + QUEUE.generation]! % GENERATION_MASK) + 1,
  );
}

/** Shortens the queues to `frames`: what is beyond is dropped (ptr_ring_resize_multiple). */
export function resizeQueues(image: Image, slot: number, frames: number, magazine: Magazine): void {
  const { words } = image;
  const at = deviceAt(slot);
  Atomics.store(words, at + DEVICE.txQueueLen, frames);
  for (let i = 0; i < words[at + DEVICE.queues]!; i++) {
    const queue = queueAt(words[at + DEVICE.slots + i]!);
    lock(words, queue + QUEUE.lock);
    let surplus = 0;
    if (words[queue + QUEUE.count]! > frames) surplus = cutAfter(words, queue, frames);
    unlock(words, queue + QUEUE.lock);
    freeList(words, magazine, surplus);
  }
}

function cutAfter(words: Int32Array, queue: number, frames: number): number {
  let last = 0;
  let next = words[queue + QUEUE.head]!;
  for (let i = 0; i < frames; i++) {
    last = next;
    next = words[layout.CELL_META_AT + (next - 1) * layout.CELL_META_WORDS]!;
  }
  if (last === 0) words[queue + QUEUE.head] = 0;
  else words[layout.CELL_META_AT + (last - 1) * layout.CELL_META_WORDS] = 0;
  words[queue + QUEUE.tail] = last;
  Atomics.store(words, queue + QUEUE.count, frames);
  return next;
}

function ownMac(id: number): readonly number[] {
  return [0x02, 0x70, (id >>> 24) & 255, (id >>> 16) & 255, (id >>> 8) & 255, id & 255];
}

/** `02:00:00:00:00:01` as bytes. */
export function parseMac(text: string): readonly number[] {
  return text.split(":").map((part) => Number.parseInt(part, 16));
}

function macText(mac: readonly number[]): string {
  return mac.map((byte) => byte.toString(16).padStart(2, "0")).join(":");
}
