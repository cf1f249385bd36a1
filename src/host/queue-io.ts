// Frames in and out of TAP queues: one object per queue worker, used on that thread only.
// Hot path: no allocation, no exceptions; the kernel's answer is passed on as it comes.
//
// What the kernel answers (tun.c, Linux 6.18, seen): an empty queue reads -EAGAIN, also while the
// device is down or the queue is detached. A reader that sleeps in the kernel at the moment of
// removal gets -EFAULT once; everything after that is -EBADFD. A write to a device that is down
// gets -EIO; a write to a detached queue or without carrier is accepted and lost.
import {
  C,
  STRUCTS,
  addressOf,
  block,
  eventfd,
  eventfdDrain,
  poll,
  read as sysRead,
  write as sysWrite,
} from "@packetpath/libc";
import { nowMs } from "../base/clock.js";
import { ERRNO, errnoName } from "../base/errno.js";
import { PacketpathError } from "../base/errors.js";
import { FD_EVENT, type FdTable } from "./fd-table.js";
import type { QueueIo } from "./types.js";

const { pollfd } = STRUCTS;

/** Queues in one `wait`: 256 queues on each of 16 ports. */
const POLL_ENTRIES_MAX = 4096;

/** Interrupted polls in a row before `wait` gives up and reports a timeout. */
const INTERRUPTS_MAX = 1000;

/** Makes the eventfd that wakes a thread out of its `wait`. */
export function makeStopHandle(table: FdTable): number {
  const fd = eventfd(0, C.EFD_NONBLOCK | C.EFD_CLOEXEC);
  if (fd < 0) throw new PacketpathError("SYSTEM_CALL", `eventfd: ${errnoName(fd)}`);
  return table.own(fd, FD_EVENT);
}

/** An array of struct pollfd that is filled anew for each poll. Entry 0 is the stop handle. */
export class PollSet {
  private readonly stopHandle: number;
  private readonly entries = block(pollfd.size * (POLL_ENTRIES_MAX + 1));
  private readonly fds = new Int32Array(this.entries.buffer);
  private readonly events = new Int16Array(this.entries.buffer);

  constructor(stopHandle: number) {
    this.stopHandle = stopHandle;
    this.set(0, stopHandle);
  }

  set(index: number, fd: number): void {
    this.fds[index * 2] = fd;
    // events and revents are the two halves of the second word.
    this.events[index * 4 + 2] = C.POLLIN;
    this.events[index * 4 + 3] = 0;
  }

  /** Whether entry `index` is readable, in error or hung up. */
  isReady(index: number): boolean {
    return this.events[index * 4 + 3] !== 0;
  }

  /**
   * Polls entries 0 to `count`, again after signals (EINTR) with what is left of the time.
   * A kick is taken away, so that the next wait sleeps again.
   * @returns how many of entries 1 to `count` are ready.
   */
  wait(count: number, timeoutMs: number): number {
    let result = poll(this.entries.address, count + 1, timeoutMs);
    if (result === -ERRNO.EINTR) result = this.waitAgain(count, timeoutMs);
    if (result <= 0) return 0;
    if (!this.isReady(0)) return result;
    eventfdDrain(this.stopHandle);
    return result - 1;
  }

  private waitAgain(count: number, timeoutMs: number): number {
    const deadline = nowMs() + timeoutMs;
    for (let i = 0; i < INTERRUPTS_MAX; i++) {
      const left = timeoutMs < 0 ? -1 : Math.max(0, Math.ceil(deadline - nowMs()));
      const result = poll(this.entries.address, count + 1, left);
      if (result !== -ERRNO.EINTR) return result;
    }
    return 0;
  }
}

export class LinuxQueueIo implements QueueIo {
  readonly stopHandle: number;
  private readonly pollSet: PollSet;
  private readonly table: FdTable;
  private base = 0;
  /** Held, for the address in `base` is valid only as long as the buffer is. */
  private pool: SharedArrayBuffer | null = null;
  private size = 0;
  /** The array that entries 1 and up of the poll set stand for. */
  private polled: readonly number[] = [];

  constructor(table: FdTable) {
    this.table = table;
    this.stopHandle = makeStopHandle(table);
    this.pollSet = new PollSet(this.stopHandle);
  }

  usePool(pool: SharedArrayBuffer): void {
    this.pool = pool;
    this.base = addressOf(pool);
    this.size = this.pool.byteLength;
  }

  read(queue: number, offset: number, lengthMax: number): number {
    // The kernel writes wherever it is told to: a slot past the end would be somebody's memory.
    if (offset < 0 || offset + lengthMax > this.size) return -ERRNO.EFAULT;
    return sysRead(queue, this.base + offset, lengthMax);
  }

  write(queue: number, offset: number, length: number): number {
    if (offset < 0 || offset + length > this.size) return -ERRNO.EINVAL;
    return sysWrite(queue, this.base + offset, length);
  }

  wait(queues: readonly number[], ready: Uint8Array, timeoutMs: number): number {
    const count = queues.length;
    const set = this.pollSet;
    if (queues !== this.polled) {
      if (count > POLL_ENTRIES_MAX) throw new RangeError(`${count} queues in one wait`);
      for (let i = 0; i < count; i++) set.set(i + 1, queues[i]!);
      this.polled = queues;
    }
    const result = set.wait(count, timeoutMs);
    for (let i = 0; i < count; i++) ready[i] = result > 0 && set.isReady(i + 1) ? 1 : 0;
    return result;
  }

  close(): void {
    this.table.close(this.stopHandle, FD_EVENT);
    this.pool = null;
    this.size = 0;
  }
}
