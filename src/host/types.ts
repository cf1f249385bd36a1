// What the rest of the program may ask of the host, whichever backend answers.
//
// Two backends stand behind these types: `linux` (real namespaces, real multi-queue TAP and TUN
// devices, needs root) and `memory` (twins of the same devices in one process, needs nothing).
// One conformance suite runs against both; where they differ is listed in host/README.md.
//
// Threads: a `HostBackend` belongs to the main thread. Every other thread gets the backend's
// `descriptor()` in its workerData and opens what it needs from it: `openQueueIo` in a queue
// worker, `openDeviceControl` in the control thread, `enterNamespace` in a load thread.

/** A network namespace of this run. Plain data: may be posted to other threads. */
export interface NamespaceRef {
  /** The name the scenario gives it ("client"). */
  readonly name: string;
  /** linux: an open file descriptor of the namespace. memory: its index. */
  readonly handle: number;
  /** linux, named namespaces: the name below /run/netns; otherwise null. */
  readonly path: string | null;
}

/** A TAP or TUN device as asked for. All sizes in bytes. */
export interface DeviceSpec {
  /** Interface name inside the namespace, 1 to 15 characters. */
  readonly name: string;
  readonly namespace: NamespaceRef;
  readonly mode: "tap" | "tun";
  /** Number of queues, 1 to 256; more than one asks for IFF_MULTI_QUEUE. */
  readonly queues: number;
  /** IFF_VNET_HDR: 12 bytes in front of each frame (layout of virtio_net_hdr_mrg_rxbuf). */
  readonly vnetHeader: boolean;
  /** TUN_F_CSUM | TSO4 | TSO6; needs `vnetHeader`. */
  readonly offloads: boolean;
  /**
   * How the device's kernel chooses the queue it sends a frame on. "automq" (default): the TAP's
   * own way, the queue that carried the flow's last written frame, one packet late. "flow-hash":
   * a function of addresses and ports, as stable as a veth's.
   */
  readonly steering?: "automq" | "flow-hash";
  /** 68 to 65521. */
  readonly mtu: number;
  /** Frames that each queue holds before the kernel drops silently. */
  readonly txQueueLen: number;
  /** `02:00:00:00:00:01`; null lets the host choose. Ignored for tun. */
  readonly mac: string | null;
  /** CIDR texts, IPv4 and IPv6. */
  readonly addresses: readonly string[];
  /** Gateways: "default via X" routes to add once the device is up. */
  readonly gateways: readonly string[];
  /** Set up (IFF_UP) at once. */
  readonly up: boolean;
}

/** A device that exists, or existed. Plain data: may be posted to other threads. */
export interface DeviceRef {
  readonly id: number;
  readonly name: string;
  readonly namespace: NamespaceRef;
  readonly ifindex: number;
  readonly mac: string;
  readonly mode: "tap" | "tun";
  /** One handle per queue (linux: file descriptors), for `QueueIo`. */
  readonly queues: readonly number[];
  /** 0 or 12: bytes in front of each frame. */
  readonly vnetHeaderBytes: number;
}

/** Counters of one device as its own side sees them (rx: frames the switch wrote to it). */
export interface LinkStats {
  readonly rxPackets: number;
  readonly txPackets: number;
  readonly rxBytes: number;
  readonly txBytes: number;
  readonly rxDropped: number;
  readonly txDropped: number;
}

/** Protocol counters of a namespace, so that our faults are not confused with a full backlog. */
export interface NetworkStats {
  readonly listenOverflows: number;
  readonly listenDrops: number;
  readonly retransmittedSegments: number;
}

/** Something that happened to a device, as the kernel reported it (RTM_NEWLINK, RTM_DELLINK). */
export interface LinkEvent {
  /** Monotonic nanoseconds, when it was read. */
  readonly atNs: number;
  readonly kind: "new" | "changed" | "deleted";
  readonly namespace: string;
  readonly name: string;
  readonly ifindex: number;
  readonly up: boolean;
  readonly carrier: boolean;
}

/** What another thread needs to reach the same backend. Structured-clonable. */
export type BackendDescriptor =
  /** `shared`: who owns which file descriptor, and the next device id (see fd-table.ts). */
  | { readonly kind: "linux"; readonly shared: SharedArrayBuffer }
  | { readonly kind: "memory"; readonly shared: SharedArrayBuffer };

/**
 * Frames in and out of device queues; one per queue worker. Nothing here throws or allocates:
 * results are byte counts, or negative errno numbers (see ERRNO and facts about TAP below).
 *   read:  -EAGAIN empty; -EFAULT once and then -EBADFD: the device is gone; -EINTR: again.
 *   write: -EIO the device is down; -EBADFD gone; -EINVAL the frame or its vnet header is bad.
 */
export interface QueueIo {
  /**
   * Registers the buffer that `read` and `write` address, once, before the first call.
   * @param pool the frame pool; the same buffer in all threads.
   */
  usePool(pool: SharedArrayBuffer): void;
  /** Reads one frame (with its vnet header) into the pool at byte `offset`. Never blocks. */
  read(queue: number, offset: number, lengthMax: number): number;
  /** Writes one frame (with its vnet header) from the pool. Never blocks. */
  write(queue: number, offset: number, length: number): number;
  /**
   * Waits until a queue of the set is readable or in error, the stop handle is kicked, or
   * `timeoutMs` has passed.
   * @param queues not changed once handed over: the same array stands for the same queues.
   * @param ready receives 1 at each index of `queues` that wants attention, else 0.
   * @returns how many are ready; 0 after a timeout or a kick.
   */
  wait(queues: readonly number[], ready: Uint8Array, timeoutMs: number): number;
  /** The handle that `kick` takes, to wake this thread out of `wait` (linux: an eventfd). */
  readonly stopHandle: number;
  close(): void;
}

/** Deeds on real devices, from the control thread. Synchronous; each is done when it returns. */
export interface DeviceControl {
  /** RTM_DELLINK. Returns 0, or -ENODEV when an outsider was first. */
  deleteDevice(device: DeviceRef): number;
  setUp(device: DeviceRef, up: boolean): number;
  /** TUNSETCARRIER. */
  setCarrier(device: DeviceRef, on: boolean): number;
  setMtu(device: DeviceRef, mtu: number): number;
  setTxQueueLen(device: DeviceRef, frames: number): number;
  /** TUNSETQUEUE: attach or detach one queue. */
  attachQueue(device: DeviceRef, queueIndex: number, attached: boolean): number;
  /** Moves the device into another namespace; addresses are lost, as in the kernel. */
  moveDevice(device: DeviceRef, target: NamespaceRef): number;
  /** Creates a device (again); its addresses and routes are set before this returns. */
  addDevice(spec: DeviceSpec): DeviceRef;
  /** Closes the queue handles. Only after no thread can use them any more. */
  closeQueues(device: DeviceRef): void;
  /** Removes the name of a named namespace (umount and unlink); a no-op for anonymous ones. */
  unlinkNamespace(namespace: NamespaceRef): void;
  /** Whether a namespace had a name and somebody else has removed it (`ip netns del`). */
  isUnnamed(namespace: NamespaceRef): boolean;
  /** Begins to watch a namespace's links. Call it before adding devices to miss nothing. */
  watch(namespace: NamespaceRef): void;
  /** Link events that have arrived, in order, without waiting. Overruns are re-read, not lost. */
  linkEvents(): LinkEvent[];
  /** Waits until a link event arrives, `kick(stopHandle)` is called or `timeoutMs` has passed. */
  wait(timeoutMs: number): void;
  readonly stopHandle: number;
  close(): void;
}

/** The host, as the main thread sees it. Everything made through it is gone after `close`. */
export interface HostBackend extends DeviceControl {
  readonly kind: "linux" | "memory";
  descriptor(): BackendDescriptor;
  /** @param named also give it a name below /run/netns, so that `ip netns exec` finds it. */
  addNamespace(name: string, options: { named: boolean }): NamespaceRef;
  linkStats(device: DeviceRef): LinkStats | null;
  networkStats(namespace: NamespaceRef): NetworkStats;
  /** Wakes a thread out of `wait`; callable from any thread that has opened the backend. */
  kick(stopHandle: number): void;
  /** What is left of what this run made; all zero after `close`. */
  leaks(): { namespaces: number; devices: number; fds: number };
}
