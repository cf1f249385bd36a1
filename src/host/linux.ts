// The linux backend: real namespaces, real multi-queue TAP and TUN devices. Needs root.
//
// `LinuxDeviceControl` is what a control thread opens; `LinuxBackend` is the main thread's and
// adds what only the main thread does: namespaces, statistics, and the end of everything.
import { open, close, C, eventfdWrite } from "@packetpath/libc";
import { setPersist } from "tuntap2";
import { ERRNO, errnoName } from "../base/errno.js";
import { PacketpathError } from "../base/errors.js";
import { FD_EVENT, FD_FREE, FD_NAMESPACE, FdTable } from "./fd-table.js";
import { leadsTo, nameNamespace, namesLeft, namespaceIdentity, unnameNamespace } from "./ledger.js";
import type { Link } from "./link-message.js";
import { LinkMonitor } from "./link-monitor.js";
import { heldNamespaces, makeNamespace, readNetworkStats } from "./netns.js";
import { PollSet, makeStopHandle } from "./queue-io.js";
import { RtnetlinkSocket } from "./rtnetlink.js";
import * as tap from "./tap.js";
import type {
  BackendDescriptor,
  DeviceControl,
  DeviceRef,
  DeviceSpec,
  HostBackend,
  LinkEvent,
  LinkStats,
  NamespaceRef,
  NetworkStats,
} from "./types.js";

/** The fd table behind a descriptor, on whatever thread. */
export function tableOf(descriptor: BackendDescriptor): FdTable {
  if (descriptor.kind !== "linux") throw new Error("not a linux backend");
  return new FdTable(descriptor.shared);
}

export class LinuxDeviceControl implements DeviceControl {
  readonly stopHandle: number;
  protected readonly table: FdTable;
  private readonly monitor: LinkMonitor;
  private readonly pollSet: PollSet;
  /** One rtnetlink socket per namespace, made when it is first needed. */
  private readonly sockets = new Map<number, RtnetlinkSocket>();
  /** Default routes of devices made down: the kernel takes them only once they are up. */
  private readonly gateways = new Map<number, readonly string[]>();

  constructor(table: FdTable) {
    this.table = table;
    this.monitor = new LinkMonitor(table);
    this.stopHandle = makeStopHandle(table);
    this.pollSet = new PollSet(this.stopHandle);
  }

  protected netlink(namespace: NamespaceRef): RtnetlinkSocket {
    let socket = this.sockets.get(namespace.handle);
    if (socket === undefined) {
      socket = new RtnetlinkSocket(this.table, namespace);
      this.sockets.set(namespace.handle, socket);
    }
    return socket;
  }

  /**
   * Does something to a device where it is: in the namespace it was made in, or else wherever an
   * outsider has moved it, which its queues still know.
   * @returns the deed's result; -ENODEV when the device is nowhere.
   */
  private onLink(
    device: DeviceRef,
    deed: (netlink: RtnetlinkSocket, ifindex: number) => number,
  ): number {
    const result = deed(this.netlink(device.namespace), device.ifindex);
    if (result !== -ERRNO.ENODEV) return result;
    const place = tap.locate(device, this.table);
    if (place === null) return result;
    const fd = this.table.own(place.netns, FD_NAMESPACE);
    const netlink = new RtnetlinkSocket(this.table, { name: "moved", handle: fd, path: null });
    try {
      const link = netlink.getLink(place.name);
      return typeof link === "number" ? link : deed(netlink, link.ifindex);
    } finally {
      netlink.close();
      this.table.close(fd, FD_NAMESPACE);
    }
  }

  deleteDevice(device: DeviceRef): number {
    return this.onLink(device, (netlink, ifindex) => netlink.deleteLink(ifindex));
  }

  setUp(device: DeviceRef, up: boolean): number {
    return this.onLink(device, (netlink, ifindex) => {
      const result = netlink.changeLink(ifindex, { up });
      const gateways = this.gateways.get(device.id);
      if (result !== 0 || !up || gateways === undefined) return result;
      this.gateways.delete(device.id);
      return tap.addGateways(ifindex, gateways, netlink);
    });
  }

  setCarrier(device: DeviceRef, on: boolean): number {
    return tap.changeCarrier(device, on, this.table);
  }

  setMtu(device: DeviceRef, mtu: number): number {
    return this.onLink(device, (netlink, ifindex) => netlink.changeLink(ifindex, { mtu }));
  }

  setTxQueueLen(device: DeviceRef, frames: number): number {
    // The attribute is unsigned: -1 would be four billion frames.
    if (!(Number.isInteger(frames) && frames >= 0 && frames <= 0x7fff_ffff)) return -ERRNO.EINVAL;
    const change = { txQueueLen: frames };
    return this.onLink(device, (netlink, ifindex) => netlink.changeLink(ifindex, change));
  }

  attachQueue(device: DeviceRef, queueIndex: number, attached: boolean): number {
    return tap.changeAttachment(device, queueIndex, attached, this.table);
  }

  moveDevice(device: DeviceRef, target: NamespaceRef): number {
    const change = { netns: target.handle };
    return this.onLink(device, (netlink, ifindex) => netlink.changeLink(ifindex, change));
  }

  addDevice(spec: DeviceSpec): DeviceRef {
    const device = tap.createDevice(spec, this.netlink(spec.namespace), this.table);
    if (!spec.up && spec.gateways.length > 0) this.gateways.set(device.id, spec.gateways);
    return device;
  }

  closeQueues(device: DeviceRef): void {
    this.gateways.delete(device.id);
    for (const fd of device.queues) this.table.close(fd, device.id);
  }

  unlinkNamespace(namespace: NamespaceRef): void {
    const isOpen = this.table.ownerOf(namespace.handle) === FD_NAMESPACE;
    if (namespace.path !== null && isOpen) unnameNamespace(namespace.path, namespace.handle);
  }

  isUnnamed(namespace: NamespaceRef): boolean {
    return namespace.path !== null && !leadsTo(namespace.path, namespace.handle);
  }

  watch(namespace: NamespaceRef): void {
    this.monitor.watch(namespace);
  }

  linkEvents(): LinkEvent[] {
    return this.monitor.take();
  }

  wait(timeoutMs: number): void {
    let count = 0;
    for (const fd of this.monitor.fds()) this.pollSet.set(++count, fd);
    this.pollSet.set(0, this.stopHandle);
    this.pollSet.wait(count, timeoutMs);
  }

  close(): void {
    this.monitor.close();
    for (const socket of this.sockets.values()) socket.close();
    this.sockets.clear();
    this.table.close(this.stopHandle, FD_EVENT);
  }
}

export class LinuxBackend extends LinuxDeviceControl implements HostBackend {
  readonly kind = "linux";
  /** Every namespace this run has made, by inode number. */
  private readonly made = new Map<string, NamespaceRef>();
  private readonly atExit = (): void => this.unlinkNames();
  private closed = false;

  constructor() {
    super(FdTable.create());
    // A run that ends by an exception must not leave names behind; descriptors die by themselves.
    process.on("exit", this.atExit);
  }

  descriptor(): BackendDescriptor {
    return { kind: "linux", shared: this.table.shared };
  }

  addNamespace(name: string, options: { named: boolean }): NamespaceRef {
    if (!/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/.test(name)) {
      throw new PacketpathError(
        "SCENARIO_INVALID",
        `namespace name "${name}": 1 to 64 letters, digits, _ . -`,
      );
    }
    for (const other of this.made.values()) {
      if (other.name !== name || this.table.ownerOf(other.handle) === FD_FREE) continue;
      throw new PacketpathError("SCENARIO_INVALID", `two namespaces are called "${name}"`);
    }
    const handle = this.table.own(makeNamespace(name), FD_NAMESPACE);
    try {
      if (options.named) nameNamespace(name, handle);
    } catch (error) {
      this.table.close(handle, FD_NAMESPACE);
      throw error;
    }
    const ref = { name, handle, path: options.named ? name : null };
    this.made.set(namespaceIdentity(`/proc/self/fd/${handle}`).ino, ref);
    return ref;
  }

  linkStats(device: DeviceRef): LinkStats | null {
    const link = this.netlink(device.namespace).getLink(device.ifindex);
    if (typeof link !== "number") return link.stats;
    if (link === -ERRNO.ENODEV) return null;
    throw new PacketpathError("SYSTEM_CALL", `getlink ${device.name}: ${errnoName(link)}`);
  }

  networkStats(namespace: NamespaceRef): NetworkStats {
    return readNetworkStats(namespace);
  }

  kick(stopHandle: number): void {
    eventfdWrite(stopHandle);
  }

  leaks(): { namespaces: number; devices: number; fds: number } {
    const held = heldNamespaces(new Set(this.made.keys()));
    const named = this.made.size === 0 ? 0 : namesLeft().length;
    let devices = 0;
    for (const path of held.values()) devices += devicesIn(path).length;
    const fds = this.table.all().length;
    return { namespaces: Math.max(held.size, named), devices, fds };
  }

  /** Idempotent. After every other thread of the run has ended. */
  override close(): void {
    if (this.closed) return;
    this.closed = true;
    process.off("exit", this.atExit);
    this.unlinkNames();
    // Closing the last queue of a device unregisters it then and there, 17 to 21 ms each. A
    // persistent device stays, and goes with its namespace, all of them at once, in the
    // background: 0.1 ms each.
    for (const { fd, owner } of this.table.all()) if (owner > 0) setPersist(fd, true);
    super.close();
    this.table.closeAll();
  }

  private unlinkNames(): void {
    for (const namespace of this.made.values()) this.unlinkNamespace(namespace);
  }
}

/** Devices other than `lo` in the namespace that `path` leads to. */
function devicesIn(path: string): Link[] {
  const fd = open(path, C.O_RDONLY | C.O_CLOEXEC);
  if (fd < 0) return [];
  const aside = FdTable.create();
  try {
    const netlink = new RtnetlinkSocket(aside, { name: path, handle: fd, path: null });
    const links = netlink.dumpLinks().filter((link) => link.name !== "lo");
    netlink.close();
    return links;
  } finally {
    aside.closeAll();
    close(fd);
  }
}
