// One AF_PACKET socket: opened with a filter and a buffer, read in batches, with time stamp and
// direction of each frame. Called by index.js, on the thread that owns the Cap object.
//
// The order in `openPacketSocket` matters: a socket of protocol 0 receives nothing, so no frame
// gets in between `socket` and the filter; binding to ETH_P_ALL opens the tap.
import * as libc from "@packetpath/libc";
import { compileFilter, filterBytes, SNAP_LENGTH } from "./filter.js";

const { C, STRUCTS } = libc;

// linux/if_packet.h, linux/if_arp.h, asm-generic/socket.h
const SOL_PACKET = 263;
const PACKET_ADD_MEMBERSHIP = 1;
const PACKET_STATISTICS = 6;
const PACKET_AUXDATA = 8;
const PACKET_MR_PROMISC = 1;
export const PACKET_OUTGOING = 4;
const SO_ATTACH_FILTER = 26;
const SO_TIMESTAMPNS = 35;
const ETH_P_ALL = 0x0003;
const MSG_TRUNC = 0x20;
const SIOCGIFNAME = 0x8910;
const TP_STATUS_VLAN_VALID = 1 << 4;
const TP_STATUS_VLAN_TPID_VALID = 1 << 6;
const ETHERTYPE_VLAN = 0x8100;
const LINK_TYPES = new Map([
  [1, "ETHERNET"], // ARPHRD_ETHER
  [772, "ETHERNET"], // ARPHRD_LOOPBACK
  [519, "RAW"], // ARPHRD_RAWIP
  [65534, "RAW"], // ARPHRD_NONE: a TUN device
]);
const ARPHRD_LOOPBACK = 772;
const ENODEV = 19;

/** Frames per system call: one recvmmsg costs about as much as two recvmsg. */
const BATCH = 8;
/** Room for a VLAN tag that the kernel took out of the frame and that goes back in front of it. */
const TAG_BYTES = 4;
const SLOT_BYTES = SNAP_LENGTH + 1 + 16;
const CONTROL_BYTES = 128;
const NAME_BYTES = 24;

/** Calls and throws Node's kind of error when the kernel refuses. */
function must(result, syscall, detail) {
  if (result < 0) throw libc.systemError(syscall, result, detail);
  return result;
}

const scratch = libc.block(256);

/** An `ifreq` with the device's name, answered by an ioctl of this socket's namespace. */
function interfaceRequest(fd, request, device) {
  scratch.bytes.fill(0, 0, STRUCTS.ifreq.size);
  scratch.bytes.set(new TextEncoder().encode(device).subarray(0, 15), STRUCTS.ifreq.name);
  return libc.ioctl(fd, request, scratch.address);
}

/** @returns `{ ifindex, hardwareType }`; throws libpcap's sentence for an unknown device. */
function interfaceOf(fd, device) {
  const known = device.length <= 15 && interfaceRequest(fd, C.SIOCGIFINDEX, device) === 0;
  if (!known) throw new Error(`${device}: No such device exists`);
  const ifindex = scratch.view.getInt32(STRUCTS.ifreq.ifindex, true);
  must(interfaceRequest(fd, C.SIOCGIFHWADDR, device), "ioctl", `SIOCGIFHWADDR ${device}`);
  return { ifindex, hardwareType: scratch.view.getUint16(STRUCTS.ifreq.hwaddr, true) };
}

function setInteger(fd, level, option, value) {
  scratch.view.setInt32(0, value, true);
  return libc.setsockopt(fd, level, option, scratch.address, 4);
}

/** The receive buffer; beyond the system's limit only with CAP_NET_ADMIN, else what it grants. */
function setReceiveBuffer(fd, sizeBytes) {
  const half = Math.min(sizeBytes, 0x3fffffff);
  if (setInteger(fd, C.SOL_SOCKET, C.SO_RCVBUFFORCE, half) === 0) return;
  must(setInteger(fd, C.SOL_SOCKET, C.SO_RCVBUF, half), "setsockopt", "SO_RCVBUF");
}

function attachFilter(fd, program) {
  const instructions = filterBytes(program);
  const memory = libc.block(16 + instructions.length);
  memory.bytes.set(instructions, 16);
  // struct sock_fprog: count, padding, pointer
  memory.view.setUint16(0, program.length, true);
  memory.view.setBigUint64(8, BigInt(memory.address + 16), true);
  must(
    libc.setsockopt(fd, C.SOL_SOCKET, SO_ATTACH_FILTER, memory.address, 16),
    "setsockopt",
    "SO_ATTACH_FILTER",
  );
}

function bindTo(fd, ifindex) {
  const { sockaddr_ll } = STRUCTS;
  scratch.bytes.fill(0, 0, sockaddr_ll.size);
  scratch.view.setUint16(sockaddr_ll.family, C.AF_PACKET, true);
  scratch.view.setUint16(sockaddr_ll.protocol, ETH_P_ALL, false);
  scratch.view.setInt32(sockaddr_ll.ifindex, ifindex, true);
  must(libc.bind(fd, scratch.address, sockaddr_ll.size), "bind", `ifindex ${ifindex}`);
}

/** Promiscuous as long as the socket lives (struct packet_mreq), as cap always is. */
function setPromiscuous(fd, ifindex) {
  scratch.bytes.fill(0, 0, 16);
  scratch.view.setInt32(0, ifindex, true);
  scratch.view.setUint16(4, PACKET_MR_PROMISC, true);
  must(
    libc.setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, scratch.address, 16),
    "setsockopt",
    "PACKET_ADD_MEMBERSHIP",
  );
}

/** Receive memory: per slot a frame, a sender and control messages, with the headers for them. */
function receiveArea() {
  const { msghdr, mmsghdr, iovec } = STRUCTS;
  const headers = mmsghdr.size * BATCH;
  const slotBytes = iovec.size + NAME_BYTES + CONTROL_BYTES + SLOT_BYTES;
  const memory = libc.block(headers + slotBytes * BATCH);
  const slots = [];
  for (let i = 0; i < BATCH; i++) {
    const iov = headers + i * slotBytes;
    const name = iov + iovec.size;
    const control = name + NAME_BYTES;
    const frame = control + CONTROL_BYTES + TAG_BYTES;
    const header = i * mmsghdr.size;
    const word = (offset, value) => memory.view.setBigUint64(offset, BigInt(value), true);
    word(header + msghdr.name, memory.address + name);
    word(header + msghdr.iov, memory.address + iov);
    word(header + msghdr.iovlen, 1);
    word(header + msghdr.control, memory.address + control);
    word(iov + iovec.base, memory.address + frame);
    word(iov + iovec.len, SNAP_LENGTH);
    slots.push({ header, name, control, frame });
  }
  return { memory, slots };
}

/**
 * Opens a capture on a device of the calling thread's namespace.
 * @param options `{ filter, bufferSizeBytes }`.
 * @throws Error: no such device, no permission, a filter outside the language, a link type that
 *   is neither Ethernet nor bare IP.
 */
export function openPacketSocket(device, options) {
  const type = C.SOCK_RAW | C.SOCK_NONBLOCK | C.SOCK_CLOEXEC;
  const fd = must(libc.socket(C.AF_PACKET, type, 0), "socket", "AF_PACKET");
  try {
    const { ifindex, hardwareType } = interfaceOf(fd, device);
    const linkType = LINK_TYPES.get(hardwareType);
    if (linkType === undefined) {
      throw new Error(`${device}: hardware type ${hardwareType} is neither Ethernet nor bare IP`);
    }
    const program = compileFilter(options.filter, linkType);
    if (program !== null) attachFilter(fd, program);
    setReceiveBuffer(fd, options.bufferSizeBytes);
    must(setInteger(fd, SOL_PACKET, PACKET_AUXDATA, 1), "setsockopt", "PACKET_AUXDATA");
    must(setInteger(fd, C.SOL_SOCKET, SO_TIMESTAMPNS, 1), "setsockopt", "SO_TIMESTAMPNS");
    bindTo(fd, ifindex);
    setPromiscuous(fd, ifindex);
    const loopback = hardwareType === ARPHRD_LOOPBACK;
    return {
      fd,
      ifindex,
      linkType,
      loopback,
      ...receiveArea(),
      totals: { received: 0, dropped: 0 },
    };
  } catch (error) {
    libc.close(fd);
    throw error;
  }
}

/** Where the last frame given to a receiver came from; reused for every frame. */
export function frameInfo() {
  return { start: 0, length: 0, wireLength: 0, packetType: 0, seconds: 0n, nanoseconds: 0n };
}

/** Reads time stamp and auxiliary data of one slot; the VLAN tag to put back, or -1. */
function readControl(socket, slot, info) {
  const { view } = socket.memory;
  const end =
    slot.control + Number(view.getBigUint64(slot.header + STRUCTS.msghdr.controllen, true));
  let tag = -1;
  // struct cmsghdr: length (8), level (4), type (4), data; aligned to 8.
  for (let at = slot.control; at + 16 <= end;) {
    const length = Number(view.getBigUint64(at, true));
    if (length < 16) break;
    const level = view.getInt32(at + 8, true);
    const type = view.getInt32(at + 12, true);
    if (level === C.SOL_SOCKET && type === SO_TIMESTAMPNS) {
      info.seconds = view.getBigInt64(at + 16, true);
      info.nanoseconds = view.getBigInt64(at + 24, true);
    } else if (level === SOL_PACKET && type === PACKET_AUXDATA) {
      // struct tpacket_auxdata: status, len, snaplen (32 bits each), mac, net, tci, tpid (16 each)
      const status = view.getUint32(at + 16, true);
      info.wireLength = view.getUint32(at + 20, true);
      if ((status & TP_STATUS_VLAN_VALID) !== 0) {
        const known = (status & TP_STATUS_VLAN_TPID_VALID) !== 0;
        const tpid = known ? view.getUint16(at + 34, true) : ETHERTYPE_VLAN;
        tag = tpid * 0x10000 + view.getUint16(at + 32, true);
      }
    }
    at += (length + 7) & ~7;
  }
  return tag;
}

/** Fills `info` for a received slot; false for what libpcap hides too. */
function describe(socket, slot, length, info) {
  const { memory } = socket;
  info.packetType = memory.bytes[slot.name + STRUCTS.sockaddr_ll.pkttype];
  // On loopback every frame passes twice; the outgoing copy is left out, as in libpcap.
  if (socket.loopback && info.packetType === PACKET_OUTGOING) return false;
  info.start = slot.frame;
  info.length = Math.min(length, SNAP_LENGTH);
  info.wireLength = length;
  const tag = readControl(socket, slot, info);
  if (tag >= 0 && socket.linkType === "ETHERNET" && info.length >= 14) {
    memory.bytes.copyWithin(slot.frame - TAG_BYTES, slot.frame, slot.frame + 12);
    memory.view.setUint32(slot.frame + 8, tag, false);
    info.start -= TAG_BYTES;
    info.length = Math.min(info.length + TAG_BYTES, SNAP_LENGTH);
    info.wireLength += TAG_BYTES;
  }
  return true;
}

/**
 * Receives at most BATCH frames and hands each to `receive(info)`; the bytes are at
 * `socket.memory.bytes[info.start ...]` until the next call.
 * @returns frames read from the kernel, or a negative errno (-EAGAIN: none there).
 */
export function receiveBatch(socket, info, receive) {
  const { memory, slots } = socket;
  const { msghdr, mmsghdr } = STRUCTS;
  for (const { header } of slots) {
    memory.view.setUint32(header + msghdr.namelen, STRUCTS.sockaddr_ll.size, true);
    memory.view.setBigUint64(header + msghdr.controllen, BigInt(CONTROL_BYTES), true);
  }
  const flags = C.MSG_DONTWAIT | MSG_TRUNC;
  const count = libc.recvmmsg(socket.fd, memory.address, slots.length, flags);
  for (let i = 0; i < count; i++) {
    const length = memory.view.getUint32(slots[i].header + mmsghdr.len, true);
    if (describe(socket, slots[i], length, info)) receive(info);
  }
  return count;
}

/** Sends one frame as it is. @throws the kernel's error (ENETDOWN, EMSGSIZE, ...). */
export function sendFrame(socket, frame) {
  const memory = libc.block(Math.max(frame.length, 1));
  memory.bytes.set(frame);
  must(libc.send(socket.fd, memory.address, frame.length, 0), "send", `${frame.length} bytes`);
}

/** Frames that passed the filter, and those of them lost because the buffer was full. */
export function statistics(socket) {
  scratch.view.setUint32(8, 8, true);
  const result = libc.getsockopt(
    socket.fd,
    SOL_PACKET,
    PACKET_STATISTICS,
    scratch.address,
    scratch.address + 8,
  );
  if (result === 0) {
    // The kernel starts again from zero at each reading.
    socket.totals.received += scratch.view.getUint32(0, true);
    socket.totals.dropped += scratch.view.getUint32(4, true);
  }
  return { ...socket.totals };
}

/** Whether the device still exists (ENETDOWN alone may only mean that it is down). */
export function deviceExists(socket) {
  scratch.bytes.fill(0, 0, STRUCTS.ifreq.size);
  scratch.view.setInt32(STRUCTS.ifreq.ifindex, socket.ifindex, true);
  return libc.ioctl(socket.fd, SIOCGIFNAME, scratch.address) !== -ENODEV;
}

export function closePacketSocket(socket) {
  libc.close(socket.fd);
}
