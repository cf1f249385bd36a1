// Small datagrams of one flow that leave by one queue in one burst are written as one super-frame:
// most of what a small frame costs is its own trip through the kernel. One object per queue worker.
// A frame is held only until the end of its burst, inside the same read section, so nobody who
// waits for a grace period sees it later than it was. Whoever is terminated meanwhile leaves the
// number of held frames in its CPU block, for the books.
import { ERRNO } from "../base/errno.js";
import type { Frame } from "../datapath/datapath.js";
import type { QueueIo } from "../host/types.js";
import { type Addr, CPU, type Mem } from "../sync/memory.js";
import {
  datagramHeader,
  datagramOfRun,
  isSameFlow,
  RUN_BYTES_MAX,
  RUN_MAX,
  sealRun,
} from "../wire/datagram-run.js";
import { ETHERNET } from "../wire/ethernet.js";
import { HEADROOM_BYTES, VNET_BYTES } from "./frame-pool.js";

/** EINTR can only come before anything was written; twice in a row is already unheard of. */
const ATTEMPTS = 8;

/** Writes one frame: as `QueueIo.write`, and again after a signal. */
export function writeFrame(io: QueueIo, handle: number, offset: number, length: number): number {
  let written = 0;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    written = io.write(handle, offset, length);
    if (written !== -ERRNO.EINTR) return written;
  }
  return written;
}

/** Hears what became of held frames. */
export interface HeldFrames {
  /** Frames of `inPort` for `port`; `errno` 0, or why they were refused. */
  written(inPort: number, port: number, frames: number, bytes: number, errno: number): void;
}

export class DatagramWriter {
  private readonly io: QueueIo;
  private readonly m: Mem;
  private readonly block: Addr;
  private readonly bytes: Uint8Array;
  private readonly vnet: number;
  private readonly frame: number;
  private readonly owner: HeldFrames;
  /** Headers of the first datagram, with the vnet header: what a refused run is cut up with. */
  private readonly headers = new Uint8Array(VNET_BYTES + 62);
  /** False once the kernel has refused a super-frame (before Linux 6.2): each frame by itself. */
  private accepted = true;
  private frames = 0;
  private handle = -1;
  private inPort = 0;
  private port = 0;
  private header = 0;
  private payload = 0;
  private total = 0;
  /** No more fits: the last datagram was shorter than the first. */
  private closed = false;

  /** @param slot where in the pool the frames are put together. */
  constructor(
    io: QueueIo,
    place: { m: Mem; block: Addr; pool: SharedArrayBuffer; slot: number },
    owner: HeldFrames,
  ) {
    this.io = io;
    this.m = place.m;
    this.block = place.block;
    this.bytes = new Uint8Array(place.pool);
    this.vnet = place.slot + HEADROOM_BYTES;
    this.frame = this.vnet + VNET_BYTES;
    this.owner = owner;
  }

  /** Takes a frame over, if it is a datagram that others may join or that joins those held. */
  take(frame: Frame, handle: number, port: number): boolean {
    if (!this.accepted || frame.vnetOffset < 0) return false;
    const { bytes, offset, vnetOffset, length } = frame;
    const header = datagramHeader(bytes, vnetOffset, offset, length);
    if (header === 0) return false;
    if (this.frames > 0 && this.joins(frame, handle, header)) {
      this.append(frame, header);
    } else {
      this.flush();
      this.handle = handle;
      this.port = port;
      this.begin(frame, header);
    }
    return true;
  }

  /** Writes what is held. */
  flush(): void {
    const { frames } = this;
    if (frames === 0) return;
    const length = VNET_BYTES + this.header + this.total;
    if (frames > 1) sealRun(this.bytes, this.vnet, this.header, this.payload, this.total);
    const errno = this.write(this.vnet, length);
    this.frames = 0;
    this.m[this.block + CPU.heldFrames] = 0;
    if (errno === ERRNO.EINVAL && frames > 1) return this.writeEach(frames);
    this.owner.written(this.inPort, this.port, frames, frames * this.header + this.total, errno);
  }

  private joins(frame: Frame, handle: number, header: number): boolean {
    const payload = frame.length - header;
    if (this.closed || header !== this.header || payload > this.payload) return false;
    if (handle !== this.handle || frame.inPort !== this.inPort) return false;
    if (this.frames === RUN_MAX) return false;
    if (header - ETHERNET.header + this.total + payload > RUN_BYTES_MAX) return false;
    // Both lie in the pool.
    return isSameFlow(this.bytes, this.frame, frame.offset, header);
  }

  private begin(frame: Frame, header: number): void {
    const { bytes, vnet } = this;
    const from = frame.offset - VNET_BYTES;
    bytes.copyWithin(vnet, from, frame.offset + frame.length);
    for (let i = 0; i < VNET_BYTES + header; i++) this.headers[i] = bytes[from + i]!;
    this.inPort = frame.inPort;
    this.header = header;
    this.payload = frame.length - header;
    this.total = this.payload;
    this.closed = false;
    this.frames = 1;
    this.m[this.block + CPU.heldPort] = frame.inPort;
    this.m[this.block + CPU.heldFrames] = 1;
  }

  private append(frame: Frame, header: number): void {
    const payload = frame.length - header;
    const from = frame.offset + header;
    this.bytes.copyWithin(this.frame + header + this.total, from, from + payload);
    this.total += payload;
    this.closed = payload < this.payload;
    this.frames++;
    this.m[this.block + CPU.heldFrames] = this.frames;
  }

  private writeEach(frames: number): void {
    this.accepted = false;
    const headers = this.headers.subarray(0, VNET_BYTES + this.header);
    for (let i = 0; i < frames; i++) {
      const last = this.total - (frames - 1) * this.payload;
      const payload = i === frames - 1 ? last : this.payload;
      const at = this.frame + this.header + i * this.payload;
      const vnet = datagramOfRun(this.bytes, headers, at, payload);
      const errno = this.write(vnet, headers.length + payload);
      this.owner.written(this.inPort, this.port, 1, this.header + payload, errno);
    }
  }

  /** @returns 0, or the errno. */
  private write(offset: number, length: number): number {
    return Math.max(0, -writeFrame(this.io, this.handle, offset, length));
  }
}
