// The low level: opens TUN and TAP queues, synchronously, on any thread. Both the stream classes
// of this package and packetpath's data plane stand on `openDevice`.
import { C, STRUCTS, block, close, ioctl, open, systemError, withNetns } from "@packetpath/libc";

const { ifreq } = STRUCTS;

/** The kernel's MAX_TAP_QUEUES; a 257th open is refused with E2BIG. */
export const QUEUES_MAX = 256;

/** Bytes of the header in front of each frame: virtio_net_hdr_mrg_rxbuf, 12. */
export const VNET_HEADER_BYTES = 12;

const request = block(ifreq.size);
const decoder = new TextDecoder();

/**
 * Opens a new device with all its queues, each a non-blocking, close-on-exec file descriptor.
 *
 * The device belongs to the namespace in which /dev/net/tun is opened, hence the detour through
 * `netns`. The first TUNSETIFF carries IFF_TUN_EXCL where a name is asked for: without it an
 * existing device of that name would silently be joined.
 *
 * @param options mode "tap" | "tun"; name (the kernel chooses when empty; may hold one %d); queues;
 *   vnetHdr; offloads (needs vnetHdr); persist; netns (an open namespace fd).
 * @returns `{ name, mode, fds, vnetHeaderBytes }`
 * @throws an Error with `code`, `errno` and `syscall`; nothing stays open or behind then.
 */
export function openDevice(options) {
  const wanted = checked(options);
  const fds = [];
  try {
    const name = wanted.netns === null ? attachAll(wanted, fds) : inside(wanted, fds);
    if (wanted.persist) setPersist(fds[0], true);
    const vnetHeaderBytes = wanted.vnetHdr ? VNET_HEADER_BYTES : 0;
    return { name, mode: wanted.mode, fds, vnetHeaderBytes };
  } catch (error) {
    for (const fd of fds) close(fd);
    throw error;
  }
}

function inside(wanted, fds) {
  return withNetns(wanted.netns, () => attachAll(wanted, fds));
}

function checked({ mode, name = "", queues = 1, netns = null, ...flags }) {
  const { vnetHdr = false, offloads = false, persist = false } = flags;
  if (mode !== "tap" && mode !== "tun") throw new RangeError(`illegal type ${mode}`);
  if (!/^[^\s/:]{0,15}$/.test(name) || name === "." || name === "..") {
    throw new RangeError(
      `illegal interface name "${name}": 1 to 15 characters without / : or space`,
    );
  }
  if (!Number.isInteger(queues) || queues < 1 || queues > QUEUES_MAX) {
    throw new RangeError(`illegal number of queues ${queues}: 1 to ${QUEUES_MAX}`);
  }
  if (offloads && !vnetHdr) throw new RangeError("offloads need vnetHdr: super-frames have one");
  return { mode, name, queues, netns, vnetHdr, offloads, persist };
}

function attachAll(wanted, fds) {
  let name = wanted.name;
  for (let queue = 0; queue < wanted.queues; queue++) {
    const fd = open("/dev/net/tun", C.O_RDWR | C.O_NONBLOCK | C.O_CLOEXEC);
    if (fd < 0) throw systemError("open", fd, "/dev/net/tun");
    fds.push(fd);
    name = attachQueue(fd, wanted, name, queue);
  }
  return name;
}

/** TUNSETIFF and what follows it, for one queue. @returns the device's name. */
function attachQueue(fd, wanted, name, queue) {
  let flags = (wanted.mode === "tap" ? C.IFF_TAP : C.IFF_TUN) | C.IFF_NO_PI;
  if (wanted.queues > 1) flags |= C.IFF_MULTI_QUEUE;
  if (wanted.vnetHdr) flags |= C.IFF_VNET_HDR;
  if (queue === 0 && name !== "") flags |= C.IFF_TUN_EXCL;
  request.bytes.fill(0);
  for (let i = 0; i < name.length; i++) request.bytes[i] = name.charCodeAt(i);
  request.view.setUint16(ifreq.flags, flags, true);
  must("TUNSETIFF", ioctl(fd, C.TUNSETIFF, request.address), name);
  const given = requestName();
  if (wanted.vnetHdr) {
    request.view.setInt32(0, VNET_HEADER_BYTES, true);
    must("TUNSETVNETHDRSZ", ioctl(fd, C.TUNSETVNETHDRSZ, request.address), given);
  }
  // Offloads are the device's, not the queue's; once is enough. Said also when none are wanted:
  // a name that existed before may carry somebody's setting.
  if (queue === 0) {
    const offloads = wanted.offloads ? C.TUN_F_CSUM | C.TUN_F_TSO4 | C.TUN_F_TSO6 : 0;
    must("TUNSETOFFLOAD", ioctl(fd, C.TUNSETOFFLOAD, offloads), given);
  }
  return given;
}

function must(what, result, name) {
  if (result < 0) throw systemError(`ioctl ${what}`, result, name === "" ? undefined : name);
}

function requestName() {
  const end = request.bytes.indexOf(0);
  return decoder.decode(request.bytes.slice(0, end < 0 || end > 16 ? 16 : end));
}

/** A persistent device stays when its last queue is closed. @returns 0 or -errno. */
export function setPersist(fd, on) {
  return ioctl(fd, C.TUNSETPERSIST, on ? 1 : 0);
}

/**
 * Attaches a queue to its device or detaches it (IFF_MULTI_QUEUE only). A detached queue reads
 * as empty for ever, and writes to it vanish without an error.
 * @returns 0; -EINVAL when it is so already, the device has a single queue, or is gone.
 */
export function setQueueAttached(fd, on) {
  request.bytes.fill(0);
  request.view.setUint16(ifreq.flags, on ? C.IFF_ATTACH_QUEUE : C.IFF_DETACH_QUEUE, true);
  return ioctl(fd, C.TUNSETQUEUE, request.address);
}

/** @returns 0 or -errno; -EBADFD when the device is gone. A detached queue will do. */
export function setCarrier(fd, on) {
  request.view.setInt32(0, on ? 1 : 0, true);
  return ioctl(fd, C.TUNSETCARRIER, request.address);
}

/**
 * The present name of the device behind a queue; it follows renames and moves.
 * @returns null when the device is gone.
 */
export function deviceName(fd) {
  request.bytes.fill(0);
  return ioctl(fd, C.TUNGETIFF, request.address) < 0 ? null : requestName();
}

/**
 * Opens the namespace that the device behind a queue lives in now (Linux 5.2 and later).
 * @returns a new file descriptor, to be closed by the caller, or -errno.
 */
export function deviceNetns(fd) {
  return ioctl(fd, C.TUNGETDEVNETNS, 0);
}
