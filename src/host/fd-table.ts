// Which file descriptors this run has open, and for what. Shared by all threads of the run.
//
// One process has one table of file descriptors but many threads that open and close them, and a
// worker that was lost in a lockup is terminated without closing its own. The table makes two
// things possible that no thread knows alone: the main thread's `close` leaves none behind, and a
// descriptor number that has been reused is never taken for the device it once belonged to.
//
// Layout (Int32, one SharedArrayBuffer in the backend's descriptor):
//   [0]      next device id            any thread, Atomics.add
//   [1 + fd] owner of descriptor `fd`  written by the thread that opens or closes it
import { close } from "@packetpath/libc";
import { PacketpathError } from "../base/errors.js";

/** Descriptors beyond this one are refused: the table has an entry for each. */
const FD_MAX = 65_535;

/** Owners that are not devices. */
export const FD_FREE = 0;
export const FD_NAMESPACE = -1;
export const FD_EVENT = -2;
export const FD_NETLINK = -3;

export class FdTable {
  readonly shared: SharedArrayBuffer;
  private readonly words: Int32Array;

  constructor(shared: SharedArrayBuffer) {
    this.shared = shared;
    this.words = new Int32Array(shared);
  }

  static create(): FdTable {
    return new FdTable(new SharedArrayBuffer((FD_MAX + 2) * Int32Array.BYTES_PER_ELEMENT));
  }

  /** A number that no other device of this run has, from 1. */
  nextDeviceId(): number {
    return Atomics.add(this.words, 0, 1) + 1;
  }

  /** Notes that `fd`, just opened by the caller, belongs to `owner`. @returns `fd`. */
  own(fd: number, owner: number): number {
    if (fd > FD_MAX) {
      close(fd);
      throw new PacketpathError("ENVIRONMENT", `file descriptor ${fd} is above ${FD_MAX}`, {
        fix: "Close other files of the process, or run fewer devices.",
      });
    }
    Atomics.store(this.words, 1 + fd, owner);
    return fd;
  }

  ownerOf(fd: number): number {
    return fd >= 0 && fd <= FD_MAX ? Atomics.load(this.words, 1 + fd) : FD_FREE;
  }

  /**
   * Closes `fd` if it still belongs to `owner`, once, whoever asks: the entry is taken away before
   * the close, so two threads cannot both close the number (the second might hit a stranger).
   */
  close(fd: number, owner: number): boolean {
    if (fd < 0 || fd > FD_MAX) return false;
    if (Atomics.compareExchange(this.words, 1 + fd, owner, FD_FREE) !== owner) return false;
    close(fd);
    return true;
  }

  /** Every descriptor that is open now, with its owner. */
  all(): { fd: number; owner: number }[] {
    const found: { fd: number; owner: number }[] = [];
    for (let fd = 0; fd <= FD_MAX; fd++) {
      const owner = Atomics.load(this.words, 1 + fd);
      if (owner !== FD_FREE) found.push({ fd, owner });
    }
    return found;
  }

  /** Closes whatever is left. Main thread, after every other thread of the run has ended. */
  closeAll(): void {
    for (const { fd, owner } of this.all()) this.close(fd, owner);
  }
}
