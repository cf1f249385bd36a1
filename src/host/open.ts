// The door of this room: opens a backend, and what each thread needs from it. Each backend is
// loaded when it is asked for, so that `memory` works for an ordinary user on a machine without
// koffi, and `linux` does not carry the twins.
import type {
  BackendDescriptor,
  DeviceControl,
  HostBackend,
  NamespaceRef,
  QueueIo,
} from "./types.js";

/**
 * Main thread, once per run. `linux` also settles libuv's thread pool in the namespace that the
 * program was started in, hence call it before any worker starts.
 * @throws PacketpathError ENVIRONMENT later, from the first deed that needs root.
 */
export async function openBackend(kind: "linux" | "memory"): Promise<HostBackend> {
  if (kind === "memory") return (await import("./memory/backend.js")).openMemoryBackend();
  const [{ LinuxBackend }, { settleThreadPool }] = await Promise.all([
    import("./linux.js"),
    import("./netns.js"),
  ]);
  await settleThreadPool();
  return new LinuxBackend();
}

/** Frames in and out, for the calling queue worker. */
export async function openQueueIo(descriptor: BackendDescriptor): Promise<QueueIo> {
  if (descriptor.kind === "memory") {
    return (await import("./memory/backend.js")).openMemoryQueueIo(descriptor);
  }
  const [{ LinuxQueueIo }, { tableOf }] = await Promise.all([
    import("./queue-io.js"),
    import("./linux.js"),
  ]);
  return new LinuxQueueIo(tableOf(descriptor));
}

/** Deeds on devices, for the calling control thread. */
export async function openDeviceControl(descriptor: BackendDescriptor): Promise<DeviceControl> {
  if (descriptor.kind === "memory") {
    return (await import("./memory/backend.js")).openMemoryDeviceControl(descriptor);
  }
  const { LinuxDeviceControl, tableOf } = await import("./linux.js");
  return new LinuxDeviceControl(tableOf(descriptor));
}

/**
 * What wakes other threads out of their `wait`, for threads other than main (main has
 * `HostBackend.kick`). Opened once; the function it gives is synchronous.
 */
export async function openKick(
  descriptor: BackendDescriptor,
): Promise<(stopHandle: number) => void> {
  if (descriptor.kind === "memory") {
    const { kickMemory } = await import("./memory/backend.js");
    return (stopHandle) => kickMemory(descriptor, stopHandle);
  }
  const { eventfdWrite } = await import("@packetpath/libc");
  return (stopHandle) => void eventfdWrite(stopHandle);
}

/**
 * Moves the calling thread into a namespace for good: sockets it opens, and processes and threads
 * it starts, are born there. A load thread's first deed. The memory backend has no kernel network
 * stack; there it does nothing.
 */
export async function enterNamespace(
  descriptor: BackendDescriptor,
  namespace: NamespaceRef,
): Promise<void> {
  if (descriptor.kind === "memory") return;
  (await import("./netns.js")).enterNamespaceForever(namespace);
}
