// TAP and TUN devices: made with all their queues, and told things through rtnetlink and the
// ioctls of a queue. Synchronous; main and control threads.
import { existsSync } from "node:fs";
import { withNetns } from "@packetpath/libc";
import {
  deviceName,
  deviceNetns,
  openDevice,
  setCarrier,
  setFlowSteering,
  setQueueAttached,
} from "tuntap2";
import { ERRNO, errnoName } from "../base/errno.js";
import { PacketpathError } from "../base/errors.js";
import type { FdTable } from "./fd-table.js";
import { checkSpec } from "./memory/device-spec.js";
import { setIpv6Conf } from "./netns.js";
import type { RtnetlinkSocket } from "./rtnetlink.js";
import type { DeviceRef, DeviceSpec } from "./types.js";

/**
 * Makes a device, its addresses and, if it is to be up, its default routes.
 * @throws PacketpathError naming the device, the deed and the errno; nothing is left behind then.
 */
export function createDevice(
  spec: DeviceSpec,
  netlink: RtnetlinkSocket,
  table: FdTable,
): DeviceRef {
  checkSpec(spec);
  const opened = openQueues(spec);
  const id = table.nextDeviceId();
  try {
    for (const fd of opened.fds) table.own(fd, id);
    const link = netlink.getLink(spec.name);
    if (typeof link === "number") return refuse(spec, "getlink", link);
    configure(spec, link.ifindex, netlink);
    // Best effort: a kernel without bpf(2) keeps the TAP's own steering, slower but not wrong.
    if (spec.steering === "flow-hash") setFlowSteering(opened.fds[0]!);
    const made = netlink.getLink(link.ifindex);
    return {
      id,
      name: spec.name,
      namespace: spec.namespace,
      ifindex: link.ifindex,
      mac: typeof made === "number" ? "" : made.mac,
      mode: spec.mode,
      queues: opened.fds,
      vnetHeaderBytes: opened.vnetHeaderBytes,
    };
  } catch (error) {
    for (const fd of opened.fds) table.close(fd, id);
    throw error;
  }
}

function openQueues(spec: DeviceSpec): { fds: number[]; vnetHeaderBytes: number } {
  try {
    return openDevice({
      mode: spec.mode,
      name: spec.name,
      queues: spec.queues,
      vnetHdr: spec.vnetHeader,
      offloads: spec.offloads,
      netns: spec.namespace.handle,
    });
  } catch (error) {
    const { errno, syscall } = error as { errno?: number; syscall?: string };
    if (errno === undefined) throw error;
    const errnoText = errnoName(errno);
    throw new PacketpathError(
      errno === -ERRNO.EBUSY ? "SYSTEM_CALL" : "ENVIRONMENT",
      `device ${spec.name} in ${spec.namespace.name}: ${errnoText} (${syscall})`,
      { fix: FIXES[errnoText] ?? "See `packetpath doctor`." },
    );
  }
}

const FIXES: { readonly [errno: string]: string } = {
  EBUSY: "Choose another name: a device of this name exists in the namespace.",
  ENOENT: "Load the tun module (modprobe tun), or give the container /dev/net/tun.",
  EPERM: "Run as root (CAP_NET_ADMIN).",
  EACCES: "Run as root (CAP_NET_ADMIN).",
  EMFILE: "Raise the limit of open files (ulimit -Hn).",
};

function refuse(spec: DeviceSpec, deed: string, result: number): never {
  throw new PacketpathError(
    "SYSTEM_CALL",
    `device ${spec.name} in ${spec.namespace.name}: ${errnoName(result)} (${deed})`,
  );
}

function configure(spec: DeviceSpec, ifindex: number, netlink: RtnetlinkSocket): void {
  const must = (deed: string, result: number): void => {
    if (result < 0) refuse(spec, deed, result);
  };
  const isAlreadyThere = (result: number): boolean => result === -ERRNO.EEXIST;
  const { mtu, txQueueLen, mode, mac } = spec;
  const named = mode === "tap" && mac !== null ? { mac } : {};
  must("set mtu, txqueuelen, mac", netlink.changeLink(ifindex, { mtu, txQueueLen, ...named }));
  if (spec.addresses.some((address) => address.includes(":"))) enableIpv6(spec);
  for (const address of spec.addresses) {
    const result = netlink.addAddress(ifindex, address);
    if (!isAlreadyThere(result)) must(`add address ${address}`, result);
  }
  if (!spec.up) return;
  must("set up", netlink.changeLink(ifindex, { up: true }));
  must("add default route", addGateways(ifindex, spec.gateways, netlink));
}

/** The kernel takes a route only while its device is up. @returns 0 or the first errno. */
export function addGateways(
  ifindex: number,
  gateways: readonly string[],
  netlink: RtnetlinkSocket,
): number {
  for (const gateway of gateways) {
    const result = netlink.addDefaultRoute(ifindex, gateway);
    if (result < 0 && result !== -ERRNO.EEXIST) return result;
  }
  return 0;
}

/** IPv6 is off by default (makeNamespace); addresses stay while the link is down, as IPv4's do. */
function enableIpv6(spec: DeviceSpec): void {
  withNetns(spec.namespace.handle, () => {
    if (!existsSync("/proc/sys/net/ipv6")) {
      throw new PacketpathError("ENVIRONMENT", `device ${spec.name}: this kernel has no IPv6`, {
        fix: "Leave out IPv6 addresses.",
      });
    }
    setIpv6Conf(spec.name, "keep_addr_on_down", "1");
    setIpv6Conf(spec.name, "disable_ipv6", "0");
  });
}

/** Those of the device's descriptors that are still its own. */
export function openQueuesOf(device: DeviceRef, table: FdTable): number[] {
  return device.queues.filter((fd) => table.ownerOf(fd) === device.id);
}

/** TUNSETCARRIER, through any queue; one that is detached will do. */
export function changeCarrier(device: DeviceRef, on: boolean, table: FdTable): number {
  const fd = openQueuesOf(device, table)[0];
  if (fd === undefined) return -ERRNO.ENODEV;
  const result = setCarrier(fd, on);
  return result === -ERRNO.EBADFD ? -ERRNO.ENODEV : result;
}

/** TUNSETQUEUE. @returns 0; -EINVAL already so, or no such queue; -ENODEV gone. */
export function changeAttachment(
  device: DeviceRef,
  queueIndex: number,
  attached: boolean,
  table: FdTable,
): number {
  const fd = device.queues[queueIndex];
  if (fd === undefined) return -ERRNO.EINVAL;
  if (table.ownerOf(fd) !== device.id) return -ERRNO.ENODEV;
  const result = setQueueAttached(fd, attached);
  // The kernel says EINVAL for a dead device too (tun_set_queue, Linux 6.18).
  return result < 0 && deviceName(fd) === null ? -ERRNO.ENODEV : result;
}

/**
 * Where a device is now: somebody may have moved or renamed it. Only its queues know.
 * @returns a new descriptor of its namespace (the caller closes it) and its name, or null.
 */
export function locate(device: DeviceRef, table: FdTable): { netns: number; name: string } | null {
  for (const fd of openQueuesOf(device, table)) {
    const name = deviceName(fd);
    if (name === null) continue;
    const netns = deviceNetns(fd);
    if (netns >= 0) return { netns, name };
  }
  return null;
}
