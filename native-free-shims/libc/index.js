// The one place where libc is bound. Everything here is a plain system call through koffi: no
// compiler, no callbacks, no asynchronous calls (koffi's run on threads of its own, and its open
// reports about aborts all concern those). Usable from the main thread and from workers; each
// thread that imports this file binds for itself, in under a millisecond.
//
// Two rules for callers:
//   - A failed call returns the negative errno, as the kernel does; nothing throws.
//   - Buffers are addresses (JavaScript numbers), taken once with `block` or `addressOf` from
//     memory that does not move and is kept alive by the caller. Passing an address costs the
//     same as passing a typed array (0.29-0.37 us for read and write of a frame, most of it the
//     kernel's part) but needs no view per offset, hence no allocation per frame.
import koffi from "koffi";
import { constants } from "node:os";
import { C, STRUCTS } from "./structs.js";

export { C, STRUCTS };

// The symbols of the process itself: Node is linked with the system's libc, glibc or musl.
const lib = koffi.load(null);

// `ssize_t` and `size_t` results fit a double exactly; addresses stay below 2^48.
const c = {
  open: lib.func("int open(const char *path, int flags, int mode)"),
  close: lib.func("int close(int fd)"),
  read: lib.func("long read(int fd, uintptr_t buf, unsigned long count)"),
  write: lib.func("long write(int fd, uintptr_t buf, unsigned long count)"),
  poll: lib.func("int poll(uintptr_t fds, unsigned long count, int timeout)"),
  // Variadic in C. Linux passes three register arguments the same way on x86-64 and arm64.
  ioctl: lib.func("int ioctl(int fd, unsigned long request, uintptr_t arg)"),
  setns: lib.func("int setns(int fd, int type)"),
  unshare: lib.func("int unshare(int flags)"),
  socket: lib.func("int socket(int domain, int type, int protocol)"),
  bind: lib.func("int bind(int fd, uintptr_t addr, unsigned int length)"),
  setsockopt: lib.func(
    "int setsockopt(int fd, int level, int name, uintptr_t value, unsigned int length)",
  ),
  getsockopt: lib.func(
    "int getsockopt(int fd, int level, int name, uintptr_t value, uintptr_t length)",
  ),
  sendto: lib.func(
    "long sendto(int fd, uintptr_t buf, unsigned long n, int flags, uintptr_t to, unsigned int m)",
  ),
  recvfrom: lib.func(
    "long recvfrom(int fd, uintptr_t buf, unsigned long n, int flags, uintptr_t from, uintptr_t m)",
  ),
  sendmmsg: lib.func("int sendmmsg(int fd, uintptr_t vec, unsigned int count, int flags)"),
  recvmmsg: lib.func(
    "int recvmmsg(int fd, uintptr_t vec, unsigned int count, int flags, uintptr_t timeout)",
  ),
  eventfd: lib.func("int eventfd(unsigned int initial, int flags)"),
  mount: lib.func(
    "int mount(const char *from, const char *to, const char *type, unsigned long f, uintptr_t x)",
  ),
  umount2: lib.func("int umount2(const char *target, int flags)"),
  prctl: lib.func(
    "int prctl(int option, uintptr_t a, unsigned long b, unsigned long c, unsigned long d)",
  ),
  sched_setaffinity: lib.func("int sched_setaffinity(int tid, unsigned long size, uintptr_t mask)"),
  getrlimit: lib.func("int getrlimit(int resource, uintptr_t limit)"),
  setrlimit: lib.func("int setrlimit(int resource, uintptr_t limit)"),
  gettid: lib.func("int gettid()"),
  syscall: lib.func(
    "long syscall(long number, long a, uintptr_t b, uintptr_t c, uintptr_t d, uintptr_t e)",
  ),
};

/** The result of a call, or its negative errno. `koffi.errno` is this thread's. */
function answer(result) {
  return result === -1 ? -koffi.errno() : result;
}

export const open = (path, flags, mode = 0) => answer(c.open(path, flags, mode));
export const close = (fd) => answer(c.close(fd));
export const socket = (domain, type, protocol) => answer(c.socket(domain, type, protocol));
export const bind = (fd, address, length) => answer(c.bind(fd, address, length));
export const setns = (fd, type) => answer(c.setns(fd, type));
export const unshare = (flags) => answer(c.unshare(flags));
export const umount2 = (target, flags) => answer(c.umount2(target, flags));
export const eventfd = (initial, flags) => answer(c.eventfd(initial, flags));
export const gettid = () => c.gettid();
/** A system call that libc has no function for; words that are not given are 0. */
export function syscall(number, ...words) {
  const [first = 0, second = 0, third = 0, fourth = 0, fifth = 0] = words;
  return answer(c.syscall(number, first, second, third, fourth, fifth));
}

export function read(fd, address, length) {
  const n = c.read(fd, address, length);
  return n === -1 ? -koffi.errno() : n;
}

export function write(fd, address, length) {
  const n = c.write(fd, address, length);
  return n === -1 ? -koffi.errno() : n;
}

export function poll(address, count, timeoutMs) {
  const n = c.poll(address, count, timeoutMs);
  return n === -1 ? -koffi.errno() : n;
}

/** @param arg an address, or the integer itself for requests that take one by value. */
export function ioctl(fd, request, arg) {
  return answer(c.ioctl(fd, request, arg));
}

export function setsockopt(fd, level, name, address, length) {
  return answer(c.setsockopt(fd, level, name, address, length));
}

/** @param lengthAddress a 32-bit word: the room at `address`, and afterwards what was written. */
export function getsockopt(fd, level, name, address, lengthAddress) {
  return answer(c.getsockopt(fd, level, name, address, lengthAddress));
}

export function sendto(fd, address, length, flags, to) {
  return answer(c.sendto(fd, address, length, flags, to?.address ?? 0, to?.length ?? 0));
}

export const send = (fd, address, length, flags) => sendto(fd, address, length, flags);

/** @param fromAddress,fromLengthAddress 0 when the sender is of no interest. */
export function recvfrom(fd, address, length, flags, fromAddress = 0, fromLengthAddress = 0) {
  return answer(c.recvfrom(fd, address, length, flags, fromAddress, fromLengthAddress));
}

export const recv = (fd, address, length, flags) => recvfrom(fd, address, length, flags);

export function sendmmsg(fd, address, count, flags) {
  return answer(c.sendmmsg(fd, address, count, flags));
}

/** Never waits longer than `flags` say: there is no timeout argument (the kernel's is broken). */
export function recvmmsg(fd, address, count, flags) {
  return answer(c.recvmmsg(fd, address, count, flags, 0));
}

export function mount(source, target, type, flags) {
  return answer(c.mount(source, target, type, flags, 0));
}

/** @param value an address or an integer, as the option wants. */
export const prctl = (option, value) => answer(c.prctl(option, value, 0, 0, 0));

/** Memory that never moves, for structures handed to the kernel; shared between threads. */
export function block(sizeBytes) {
  const buffer = new SharedArrayBuffer(sizeBytes);
  const bytes = new Uint8Array(buffer);
  return { buffer, bytes, view: new DataView(buffer), address: addressOf(buffer) };
}

/**
 * Where a buffer lies. Valid as long as something in JavaScript refers to the buffer.
 * Only whole buffers: a small typed array may live inside V8's heap, where it moves.
 */
export function addressOf(buffer) {
  return Number(koffi.address(new Uint8Array(buffer)));
}

// A few words of this thread's own for the calls below.
const scratch = block(256);

/** Adds one to an eventfd: wakes whoever polls it. Callable from any thread. */
export function eventfdWrite(fd) {
  scratch.view.setBigUint64(0, 1n, true);
  return write(fd, scratch.address, 8);
}

/** Takes an eventfd back to zero; -EAGAIN when it was. */
export function eventfdDrain(fd) {
  return read(fd, scratch.address + 8, 8);
}

/** Names the calling thread (15 bytes at most), as `top -H` and /proc/.../comm show it. */
export function setThreadName(name) {
  scratch.bytes.fill(0, 16, 32);
  scratch.bytes.set(new TextEncoder().encode(name).subarray(0, 15), 16);
  return prctl(C.PR_SET_NAME, scratch.address + 16);
}

/** Binds the calling thread to CPUs, 0 to 1023. */
export function setAffinity(cpus) {
  scratch.bytes.fill(0, 32, 160);
  for (const cpu of cpus) scratch.bytes[32 + (cpu >> 3)] |= 1 << (cpu & 7);
  return answer(c.sched_setaffinity(0, 128, scratch.address + 32));
}

/** @returns `{ soft, hard }` (Infinity for RLIM_INFINITY), or the negative errno. */
export function getrlimit(resource) {
  const result = answer(c.getrlimit(resource, scratch.address + 160));
  if (result < 0) return result;
  return { soft: limitAt(160), hard: limitAt(168) };
}

function limitAt(offset) {
  const value = scratch.view.getBigUint64(offset, true);
  return value === 0xffff_ffff_ffff_ffffn ? Infinity : Number(value);
}

export function setrlimit(resource, soft, hard) {
  const all = 0xffff_ffff_ffff_ffffn;
  scratch.view.setBigUint64(176, soft === Infinity ? all : BigInt(soft), true);
  scratch.view.setBigUint64(184, hard === Infinity ? all : BigInt(hard), true);
  return answer(c.setrlimit(resource, scratch.address + 176));
}

const NAMES = new Map(Object.entries(constants.errno).map(([name, n]) => [n, name]));
// Node has no name for the errno of a TAP queue whose device is gone.
NAMES.set(77, "EBADFD");
// Two names of one number: the one that the manual pages of system calls use.
NAMES.set(11, "EAGAIN");
NAMES.set(95, "EOPNOTSUPP");

/** The name of an errno, from its positive or negative number. */
export function errnoName(errno) {
  const n = Math.abs(errno);
  return NAMES.get(n) ?? `errno ${n}`;
}

/** An Error as Node's own system calls throw it, but with a name for every errno. */
export function systemError(syscall, result, detail) {
  const code = errnoName(result);
  const error = new Error(`${syscall} ${code}${detail === undefined ? "" : `: ${detail}`}`);
  return Object.assign(error, { code, errno: result, syscall });
}

/**
 * Runs `body` with the calling thread inside a network namespace, and takes the thread back.
 * `body` must be synchronous: whatever it starts on other threads runs elsewhere.
 * @throws when a namespace cannot be entered (EPERM without root), and whatever `body` throws.
 */
export function withNetns(fd, body) {
  const home = open("/proc/thread-self/ns/net", C.O_RDONLY | C.O_CLOEXEC, 0);
  if (home < 0) throw systemError("open", home, "/proc/thread-self/ns/net");
  try {
    const entered = setns(fd, C.CLONE_NEWNET);
    if (entered < 0) throw systemError("setns", entered, `namespace fd ${fd}`);
    try {
      return body();
    } finally {
      const back = setns(home, C.CLONE_NEWNET);
      // A thread left in a foreign namespace would do all later deeds there.
      if (back < 0) throw systemError("setns", back, "cannot return to the thread's namespace");
    }
  } finally {
    close(home);
  }
}
