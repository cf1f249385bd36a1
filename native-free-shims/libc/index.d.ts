// System calls of Linux without a compiler. See index.js for the two rules: a failed call returns
// the negative errno, and buffers are addresses of memory that does not move.

/** Sizes and byte offsets of C structures on 64-bit Linux. */
export const STRUCTS: typeof import("./structs.js").STRUCTS;

/** Constants of the kernel's interface, named as in the C headers. */
export const C: typeof import("./structs.js").C;

/** Memory that never moves, with its address. */
export interface Block {
  readonly buffer: SharedArrayBuffer;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly address: number;
}

export function block(sizeBytes: number): Block;
export function addressOf(buffer: SharedArrayBuffer | ArrayBuffer): number;

export function open(path: string, flags: number, mode?: number): number;
export function close(fd: number): number;
export function read(fd: number, address: number, length: number): number;
export function write(fd: number, address: number, length: number): number;
/** @param address of an array of `struct pollfd`. */
export function poll(address: number, count: number, timeoutMs: number): number;
export function ioctl(fd: number, request: number, arg: number): number;
export function setns(fd: number, type: number): number;
export function unshare(flags: number): number;
export function socket(domain: number, type: number, protocol: number): number;
export function bind(fd: number, address: number, length: number): number;
export function setsockopt(
  fd: number,
  level: number,
  name: number,
  address: number,
  length: number,
): number;
/** @param lengthAddress of a 32-bit word: the room, and afterwards the bytes written. */
export function getsockopt(
  fd: number,
  level: number,
  name: number,
  address: number,
  lengthAddress: number,
): number;
export function send(fd: number, address: number, length: number, flags: number): number;
export function sendto(
  fd: number,
  address: number,
  length: number,
  flags: number,
  to?: { readonly address: number; readonly length: number },
): number;
export function recv(fd: number, address: number, length: number, flags: number): number;
export function recvfrom(
  fd: number,
  address: number,
  length: number,
  flags: number,
  fromAddress?: number,
  fromLengthAddress?: number,
): number;
export function sendmmsg(fd: number, address: number, count: number, flags: number): number;
export function recvmmsg(fd: number, address: number, count: number, flags: number): number;
export function eventfd(initial: number, flags: number): number;
export function eventfdWrite(fd: number): number;
export function eventfdDrain(fd: number): number;
export function mount(source: string, target: string, type: string, flags: number): number;
export function umount2(target: string, flags: number): number;
export function prctl(option: number, value: number): number;
export function setThreadName(name: string): number;
export function setAffinity(cpus: readonly number[]): number;
export function getrlimit(resource: number): { soft: number; hard: number } | number;
export function setrlimit(resource: number, soft: number, hard: number): number;
export function gettid(): number;
/** @param words at most five arguments; those that are left out are 0. */
export function syscall(number: number, ...words: number[]): number;

export function errnoName(errno: number): string;

export interface SystemError extends Error {
  /** The errno's name: "EBADFD". */
  readonly code: string;
  /** Negative, as Node's own errors have it. */
  readonly errno: number;
  readonly syscall: string;
}

export function systemError(syscall: string, result: number, detail?: string): SystemError;

/** Runs `body`, which must be synchronous, with the calling thread inside a network namespace. */
export function withNetns<T>(fd: number, body: () => T): T;
