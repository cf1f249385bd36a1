// DeviceControl over the memory backend: what `ip link` and the TUN ioctls do, for the control
// thread (and, through backend.ts, for the main thread). Each deed is done when it returns.
import { nowNs } from "../../base/clock.js";
import { ERRNO } from "../../base/errno.js";
import type { DeviceControl, DeviceRef, DeviceSpec, LinkEvent, NamespaceRef } from "../types.js";
import { flushMagazine, newMagazine } from "./cells.js";
import { checkSpec } from "./device-spec.js";
import * as devices from "./devices.js";
import { closeWaiter, lock, openWaiter, unlock, waitUntil, waiterSlot } from "./waiting.js";
import * as events from "./events.js";
import * as layout from "./layout.js";
import type { Image } from "./layout.js";

const { DEVICE, DEVICE_SLOTS, HEADER, NAMESPACE, NAMESPACES_AT } = layout;
const { NAMESPACE_WORDS, QUEUE, QUEUE_STATE } = layout;
const { EEXIST, EINVAL, ENODEV } = ERRNO;

export class MemoryDeviceControl implements DeviceControl {
  readonly stopHandle: number;
  protected readonly image: Image;
  private readonly magazine = newMagazine();
  private readonly slot: number;
  /** Watched namespaces: name, and the devices that this reader has been told of. */
  private readonly watched = new Map<number, { name: string; known: Map<number, LinkEvent> }>();
  private cursor: number;

  constructor(image: Image) {
    this.image = image;
    this.stopHandle = openWaiter(image.words);
    this.slot = waiterSlot(this.stopHandle);
    this.cursor = events.eventCount(image);
  }

  addDevice(spec: DeviceSpec): DeviceRef {
    checkSpec(spec);
    return devices.createDevice(this.image, spec);
  }

  deleteDevice(device: DeviceRef): number {
    return devices.withDevice(this.image, device, (slot) => {
      if (slot < 0) return -ENODEV;
      devices.destroyDevice(this.image, slot, this.magazine);
      flushMagazine(this.image.words, this.magazine);
      return 0;
    });
  }

  setUp(device: DeviceRef, up: boolean): number {
    return this.setWord(device, DEVICE.up, up ? 1 : 0);
  }

  setCarrier(device: DeviceRef, on: boolean): number {
    return this.setWord(device, DEVICE.carrier, on ? 1 : 0);
  }

  setMtu(device: DeviceRef, mtu: number): number {
    if (!(mtu >= 68 && mtu <= 65521)) return -EINVAL;
    return this.setWord(device, DEVICE.mtu, mtu);
  }

  private setWord(device: DeviceRef, word: number, value: number): number {
    return devices.withDevice(this.image, device, (slot) => {
      if (slot < 0) return -ENODEV;
      const at = devices.deviceAt(slot) + word;
      if (Atomics.exchange(this.image.words, at, value) !== value) {
        events.logEvent(this.image, slot, events.EVENT_CHANGED);
      }
      return 0;
    });
  }

  setTxQueueLen(device: DeviceRef, frames: number): number {
    if (!(frames >= 0 && frames <= 0x7fffffff)) return -EINVAL;
    return devices.withDevice(this.image, device, (slot) => {
      if (slot < 0) return -ENODEV;
      devices.resizeQueues(this.image, slot, frames, this.magazine);
      flushMagazine(this.image.words, this.magazine);
      return 0;
    });
  }

  attachQueue(device: DeviceRef, queueIndex: number, attached: boolean): number {
    return devices.withDevice(this.image, device, (slot) => {
      const { words } = this.image;
      if (slot < 0) return -ENODEV;
      const at = devices.deviceAt(slot);
      if (!(queueIndex >= 0 && queueIndex < words[at + DEVICE.queues]!)) return -EINVAL;
      const queueSlot = words[at + DEVICE.slots + queueIndex]!;
      const state = words[devices.queueAt(queueSlot) + QUEUE.state];
      // Attaching what is attached, or detaching what is not, is EINVAL (Linux 6.18).
      if (state !== (attached ? QUEUE_STATE.detached : QUEUE_STATE.attached)) return -EINVAL;
      if (attached) {
        devices.reattachQueue(this.image, slot, queueSlot);
      } else {
        const after = { state: QUEUE_STATE.detached, magazine: this.magazine };
        devices.detachQueue(this.image, slot, queueSlot, after);
        flushMagazine(words, this.magazine);
      }
      return 0;
    });
  }

  moveDevice(device: DeviceRef, target: NamespaceRef): number {
    return devices.withDevice(this.image, device, (slot) => {
      const { words } = this.image;
      if (slot < 0) return -ENODEV;
      const at = devices.deviceAt(slot);
      const name = events.nameAt(this.image, at + DEVICE.name);
      const present = devices.findByName(this.image, target.handle, name);
      if (present === slot) return 0;
      if (present >= 0) return -EEXIST;
      Atomics.store(words, at + DEVICE.up, 0);
      events.logEvent(this.image, slot, events.EVENT_DELETED);
      const ifindexAt = NAMESPACES_AT + target.handle * NAMESPACE_WORDS + NAMESPACE.nextIfindex;
      Atomics.store(words, at + DEVICE.namespace, target.handle);
      Atomics.store(words, at + DEVICE.ifindex, words[ifindexAt]!++);
      events.logEvent(this.image, slot, events.EVENT_NEW);
      return 0;
    });
  }

  closeQueues(device: DeviceRef): void {
    const { words } = this.image;
    lock(words, HEADER.deviceLock);
    for (const handle of device.queues) devices.closeQueue(this.image, handle, this.magazine);
    // Closing the last queue of a device that is not persistent deletes it.
    const slot = devices.slotOf(this.image, device);
    if (slot >= 0) devices.destroyDevice(this.image, slot, this.magazine);
    flushMagazine(words, this.magazine);
    unlock(words, HEADER.deviceLock);
  }

  /** Namespaces of this backend have no name outside the process; nothing to remove. */
  unlinkNamespace(_namespace: NamespaceRef): void {}

  /** Namespaces of this backend never have a name. */
  isUnnamed(_namespace: NamespaceRef): boolean {
    return false;
  }

  watch(namespace: NamespaceRef): void {
    if (this.watched.has(namespace.handle)) return;
    if (this.watched.size === 0) this.cursor = events.eventCount(this.image);
    this.watched.set(namespace.handle, { name: namespace.name, known: new Map() });
  }

  linkEvents(): LinkEvent[] {
    const logged = events.readEvents(this.image, this.cursor);
    if (logged === null) return this.resynchronize();
    this.cursor = (this.cursor + logged.length) | 0;
    const result: LinkEvent[] = [];
    for (const event of logged) {
      const event2 = this.told(event);
      if (event2 !== null) result.push(event2);
    }
    return result;
  }

  private told(event: events.LoggedEvent): LinkEvent | null {
    const watch = this.watched.get(event.namespace);
    if (watch === undefined) return null;
    const { name, ifindex, up, carrier } = event;
    const kind = events.EVENT_KINDS[event.kind]!;
    const result = { atNs: nowNs(), kind, namespace: watch.name, name, ifindex, up, carrier };
    if (kind === "deleted") watch.known.delete(ifindex);
    else watch.known.set(ifindex, result);
    return result;
  }

  /** After an overrun: says again what is, and what is no more (as a re-dump after ENOBUFS). */
  private resynchronize(): LinkEvent[] {
    const { words } = this.image;
    const result: LinkEvent[] = [];
    lock(words, HEADER.deviceLock);
    this.cursor = events.eventCount(this.image);
    const present = new Set<string>();
    for (let slot = 0; slot < DEVICE_SLOTS; slot++) {
      const at = devices.deviceAt(slot);
      if (words[at + DEVICE.id] === 0) continue;
      const namespace = words[at + DEVICE.namespace]!;
      const ifindex = words[at + DEVICE.ifindex]!;
      present.add(`${namespace}/${ifindex}`);
      const isKnown = this.watched.get(namespace)?.known.has(ifindex) === true;
      const event = this.told({
        kind: isKnown ? events.EVENT_CHANGED : events.EVENT_NEW,
        namespace,
        ifindex,
        up: words[at + DEVICE.up] === 1,
        carrier: words[at + DEVICE.carrier] === 1,
        name: events.nameAt(this.image, at + DEVICE.name),
      });
      if (event !== null) result.push(event);
    }
    unlock(words, HEADER.deviceLock);
    for (const [namespace, watch] of this.watched) {
      for (const [ifindex, last] of [...watch.known]) {
        if (present.has(`${namespace}/${ifindex}`)) continue;
        watch.known.delete(ifindex);
        result.push({ ...last, atNs: nowNs(), kind: "deleted", up: false });
      }
    }
    return result;
  }

  wait(timeoutMs: number): void {
    const look = (): number => (events.eventCount(this.image) === this.cursor ? 0 : 1);
    waitUntil(this.image.words, this.slot, timeoutMs, look);
  }

  close(): void {
    flushMagazine(this.image.words, this.magazine);
    closeWaiter(this.image.words, this.stopHandle);
  }
}
