// The memory backend's door: a HostBackend for the main thread, and what other threads open from
// its descriptor. Twins of namespaces and multi-queue TAP and TUN devices in one process; needs no
// root, no addon and no system call. The state is one SharedArrayBuffer (see layout.ts).
import { PacketpathError } from "../../base/errors.js";
import type {
  BackendDescriptor,
  DeviceControl,
  DeviceRef,
  HostBackend,
  LinkStats,
  NamespaceRef,
  NetworkStats,
  QueueIo,
} from "../types.js";
import { MemoryDeviceControl } from "./device-control.js";
import * as devices from "./devices.js";
import { kickWaiter, lock, unlock } from "./waiting.js";
import { MemoryHostSide } from "./host-side.js";
import * as layout from "./layout.js";
import { createImage, imageOf, type Image } from "./layout.js";
import { MemoryQueueIo } from "./queue-io.js";

const { DEVICE, DEVICE_SLOTS, HEADER, NAMESPACE, NAMESPACES_AT, NAMESPACE_SLOTS } = layout;
const { NAMESPACE_WORDS, QUEUE, QUEUE_SLOTS, QUEUE_STATE } = layout;

/** A new backend without namespaces or devices. Main thread. */
export function openMemoryBackend(): HostBackend {
  return new MemoryBackend(createImage());
}

/** Frames in and out of queues, for a queue worker. */
export function openMemoryQueueIo(descriptor: BackendDescriptor): QueueIo {
  return new MemoryQueueIo(imageFrom(descriptor));
}

/** Deeds on devices, for a control thread. */
export function openMemoryDeviceControl(descriptor: BackendDescriptor): DeviceControl {
  return new MemoryDeviceControl(imageFrom(descriptor));
}

/** The namespace's side of devices, for a protocol stack. */
export function openMemoryHostSide(descriptor: BackendDescriptor): MemoryHostSide {
  return new MemoryHostSide(imageFrom(descriptor));
}

/** Wakes a waiter of this backend, from any thread: `stopHandle` of whatever it waits in. */
export function kickMemory(descriptor: BackendDescriptor, stopHandle: number): void {
  if (descriptor.kind !== "memory") throw new Error("not a memory backend");
  kickWaiter(new Int32Array(descriptor.shared), stopHandle);
}

function imageFrom(descriptor: BackendDescriptor): Image {
  if (descriptor.kind !== "memory") throw new Error("not a memory backend");
  return imageOf(descriptor.shared);
}

class MemoryBackend extends MemoryDeviceControl implements HostBackend {
  readonly kind = "memory";
  private readonly namespaceNames = new Set<string>();

  descriptor(): BackendDescriptor {
    return { kind: "memory", shared: this.image.shared };
  }

  addNamespace(name: string, options: { named: boolean }): NamespaceRef {
    if (options.named && this.namespaceNames.has(name)) {
      throw new PacketpathError("ENVIRONMENT", `namespace ${name}: EEXIST, the name is taken`);
    }
    const { words } = this.image;
    lock(words, HEADER.deviceLock);
    try {
      for (let index = 0; index < NAMESPACE_SLOTS; index++) {
        const at = NAMESPACES_AT + index * NAMESPACE_WORDS;
        if (words[at + NAMESPACE.used] !== 0) continue;
        words.fill(0, at, at + NAMESPACE_WORDS);
        words[at + NAMESPACE.used] = 1;
        words[at + NAMESPACE.nextIfindex] = 2;
        this.namespaceNames.add(name);
        return { name, handle: index, path: null };
      }
    } finally {
      unlock(words, HEADER.deviceLock);
    }
    throw new PacketpathError(
      "ENVIRONMENT",
      `the memory backend has room for ${NAMESPACE_SLOTS} namespaces`,
    );
  }

  linkStats(device: DeviceRef): LinkStats | null {
    return devices.withDevice(this.image, device, (slot) =>
      slot < 0 ? null : statsOf(this.image, slot),
    );
  }

  networkStats(namespace: NamespaceRef): NetworkStats {
    const at = NAMESPACES_AT + namespace.handle * NAMESPACE_WORDS;
    const { words } = this.image;
    return {
      listenOverflows: Atomics.load(words, at + NAMESPACE.listenOverflows),
      listenDrops: Atomics.load(words, at + NAMESPACE.listenDrops),
      retransmittedSegments: Atomics.load(words, at + NAMESPACE.retransmittedSegments),
    };
  }

  kick(stopHandle: number): void {
    kickWaiter(this.image.words, stopHandle);
  }

  leaks(): { namespaces: number; devices: number; fds: number } {
    const { words } = this.image;
    const left = { namespaces: 0, devices: 0, fds: 0 };
    for (let i = 0; i < NAMESPACE_SLOTS; i++) {
      left.namespaces += words[NAMESPACES_AT + i * NAMESPACE_WORDS + NAMESPACE.used]!;
    }
    for (let i = 0; i < DEVICE_SLOTS; i++) {
      if (words[devices.deviceAt(i) + DEVICE.id] !== 0) left.devices++;
    }
    for (let i = 0; i < QUEUE_SLOTS; i++) {
      if (words[devices.queueAt(i) + QUEUE.state] !== QUEUE_STATE.free) left.fds++;
    }
    return left;
  }

  /** Everything goes: devices of all threads' making, their queues, the namespaces. */
  override close(): void {
    const { words } = this.image;
    for (let slot = 0; slot < DEVICE_SLOTS; slot++) {
      const id = words[devices.deviceAt(slot) + DEVICE.id]!;
      if (id !== 0) this.deleteDevice(bareRef(id, []));
    }
    const handles: number[] = [];
    for (let slot = 0; slot < QUEUE_SLOTS; slot++) {
      const at = devices.queueAt(slot);
      if (words[at + QUEUE.state] === QUEUE_STATE.free) continue;
      handles.push((words[at + QUEUE.generation]! << layout.QUEUE_SLOT_BITS) | slot);
    }
    this.closeQueues(bareRef(0, handles));
    for (let i = 0; i < NAMESPACE_SLOTS; i++) {
      words[NAMESPACES_AT + i * NAMESPACE_WORDS + NAMESPACE.used] = 0;
    }
    super.close();
  }
}

/** A reference good enough for deeds that look only at the id and the queues. */
function bareRef(id: number, queues: readonly number[]): DeviceRef {
  const namespace = { name: "", handle: 0, path: null };
  return { id, name: "", namespace, ifindex: 0, mac: "", mode: "tap", queues, vnetHeaderBytes: 0 };
}

function statsOf(image: Image, slot: number): LinkStats {
  const { words, doubles } = image;
  const at = devices.deviceAt(slot);
  let txPackets = 0;
  let txBytes = 0;
  let txDropped = Atomics.load(words, at + DEVICE.txDroppedEarly);
  for (let i = 0; i < words[at + DEVICE.queues]!; i++) {
    const queue = devices.queueAt(words[at + DEVICE.slots + i]!);
    lock(words, queue + QUEUE.lock);
    if (words[queue + QUEUE.deviceId] === words[at + DEVICE.id]) {
      txPackets += doubles[(queue + QUEUE.txPackets) >> 1]!;
      txBytes += doubles[(queue + QUEUE.txBytes) >> 1]!;
      txDropped += doubles[(queue + QUEUE.txDropped) >> 1]!;
    }
    unlock(words, queue + QUEUE.lock);
  }
  lock(words, at + DEVICE.rxLock);
  const rxPackets = doubles[(at + DEVICE.rxPackets) >> 1]!;
  const rxBytes = doubles[(at + DEVICE.rxBytes) >> 1]!;
  unlock(words, at + DEVICE.rxLock);
  const rxDropped = Atomics.load(words, at + DEVICE.rxDropped);
  return { rxPackets, txPackets, rxBytes, txBytes, rxDropped, txDropped };
}
