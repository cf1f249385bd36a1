// A queue of a real device as the program's cell `fd` sees it, and as its stopper does. On the
// thread of the queue's loop: a load reads a frame if none is in hand, an exchange takes it, a wait
// is poll{queue, stop eventfd}. Nothing here decides when a loop ends; the program does.
import { ERRNO } from "../../base/errno.js";
import type { QueueIo } from "../../host/types.js";
import { FOREIGN, GONE, STOP } from "../../models/endpoint/endpoint.js";
import type { Addr, Mem } from "../../sync/memory.js";
import { WAIT } from "../../sync/program/layout.js";
import type { Device } from "../../sync/program/thread.js";
import { beginWait, checkAborted, endWait, setMembership } from "../../sync/program/thread.js";
import { ETHERNET, isMulticast, macBytes, macHigh, macLow } from "../../wire/ethernet.js";
import { FRAME_BYTES_MAX } from "../frame-pool.js";
import { LOOP, loopWord } from "./layout.js";

/** Sleep without traffic; a kick ends it at once, so it only bounds the damage of a lost one. */
const IDLE_WAIT_MS = 100;
/** Reads in a row that fail in a way nobody expects before the device counts as gone. */
const FAILURES_MAX = 10;

export interface RegisterParts {
  readonly m: Mem;
  /** The program's cell that this queue stands behind: its word holds STOP and GONE. */
  readonly cell: Addr;
  readonly loop: number;
  /** The wait group that the loop is a member of while it runs. */
  readonly group: Addr;
  readonly io: QueueIo;
  readonly queue: number;
  readonly pool: SharedArrayBuffer;
  /** Where in the pool this loop's frame lies. */
  readonly slot: number;
  readonly mac: string;
  /** The program takes what there is before it looks for the stop. */
  readonly readsPastStop: boolean;
}

export class QueueRegister implements Device {
  /** Bytes of the frame in hand. */
  length = 0;
  private readonly p: RegisterParts;
  private readonly bytes: Uint8Array;
  private readonly queues: readonly number[];
  private readonly ready = new Uint8Array(1);
  private readonly macHigh: number;
  private readonly macLow: number;
  private readonly block: Addr;
  /** What the word says of the frame that has been read and not yet taken; 0: there is none. */
  private held = 0;
  private failures = 0;

  constructor(parts: RegisterParts) {
    this.p = parts;
    this.bytes = new Uint8Array(parts.pool);
    this.queues = [parts.queue];
    const mac = macBytes(parts.mac);
    this.macHigh = macHigh(mac, 0);
    this.macLow = macLow(mac, 0);
    this.block = loopWord(parts.loop, 0);
  }

  /**
   * STOP, GONE, and 1 (with FOREIGN) if there is a frame. A stop that comes while a frame is read
   * is told with the next load: what has been read is taken first.
   */
  load(): number {
    const { m, cell, readsPastStop } = this.p;
    setMembership(this.p.group);
    m[this.block + LOOP.inHand] = 0;
    m[this.block + LOOP.looks]!++;
    const word = Atomics.load(m, cell);
    const mayRead = word === 0 || (word === STOP && readsPastStop);
    if (this.held === 0 && mayRead) this.read();
    return word | this.held | (Atomics.load(m, cell) & GONE);
  }

  /** Takes the frame that a load has found. */
  cas(expected: number, _value: number): number {
    const { m, cell } = this.p;
    m[this.block + LOOP.inHand] = 1;
    m[this.block + LOOP.taken]!++;
    if (this.length < ETHERNET.header) m[this.block + LOOP.runts]!++;
    else if ((this.held & FOREIGN) !== 0) m[this.block + LOOP.foreign]!++;
    if ((Atomics.load(m, cell) & STOP) !== 0) m[this.block + LOOP.takenAfterStop]!++;
    this.held = 0;
    return expected;
  }

  waitWhile(value: number): number {
    const { m, cell, io } = this.p;
    m[this.block + LOOP.inHand] = 0;
    for (;;) {
      checkAborted();
      const state = Atomics.load(m, cell) | this.held;
      if (state !== value) return state;
      beginWait(WAIT.device, cell);
      io.wait(this.queues, this.ready, IDLE_WAIT_MS);
      endWait();
      // What it is ready for, a frame or an error, the next load finds out.
      if (this.ready[0] === 1) return Atomics.load(m, cell) | 1;
    }
  }

  private read(): void {
    const { io, queue, slot, m, cell } = this.p;
    const read = io.read(queue, slot, FRAME_BYTES_MAX);
    if (read > 0) {
      this.failures = 0;
      this.length = read;
      this.held = this.isForeign() ? 1 | FOREIGN : 1;
      return;
    }
    if (read === -ERRNO.EAGAIN || read === -ERRNO.EINTR) return;
    const isGone = read === -ERRNO.EBADFD || read === -ERRNO.EFAULT || read === -ERRNO.EBADF;
    if (isGone || ++this.failures >= FAILURES_MAX) Atomics.or(m, cell, GONE);
  }

  /** Not an Ethernet frame, or for somebody else: counted, and never a reason to end. */
  private isForeign(): boolean {
    const { bytes } = this;
    const { slot } = this.p;
    if (this.length < ETHERNET.header) return true;
    if (isMulticast(bytes, slot)) return false;
    return macHigh(bytes, slot) !== this.macHigh || macLow(bytes, slot) !== this.macLow;
  }
}

/** The same cell on a thread that stops loops: telling one to stop wakes it, too. */
export class StopRegister implements Device {
  private readonly m: Mem;
  private readonly cell: Addr;
  private readonly wake: () => void;

  constructor(m: Mem, cell: Addr, wake: () => void) {
    this.m = m;
    this.cell = cell;
    this.wake = wake;
  }

  setBits(mask: number): number {
    const before = Atomics.or(this.m, this.cell, mask);
    this.wake();
    return before;
  }
}
