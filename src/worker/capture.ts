// Captures of the ports that a scenario names: what a worker read from the port's device and what
// it wrote to it, as pcapng. One file per worker and port, joined by time at the end of the run;
// each worker writes only its own. Frames whose checksum the sender left to the hardware say so in
// a comment, so that a "bad checksum" in an analyzer is not taken for a fault.
import { closeSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { nowNs } from "../base/clock.js";
import type { Frame } from "../datapath/datapath.js";
import {
  LINKTYPE_ETHERNET,
  PACKET_DIRECTION,
  packetBlockBytes,
  type PacketInfo,
  packetInfo,
  type PcapngBuffer,
  pcapngBuffer,
  setPacketTime,
  writeInterface,
  writePacketBlock,
  writeSectionHeader,
} from "../wire/pcapng.js";

import type { CaptureRequest } from "./shared.js";

const BUFFER_BYTES = 1 << 20;
const VNET_F_NEEDS_CSUM = 1;
const PARTIAL = new TextEncoder().encode("checksum left to the device (partial)");

interface CaptureFile {
  readonly fd: number;
  readonly out: PcapngBuffer;
  used: number;
}

/** Name of a worker's capture file of a port. */
export function captureFileName(port: string, worker: number): string {
  return `${port}.worker${worker}.pcapng`;
}

export class Capture {
  private readonly files = new Map<number, CaptureFile>();
  private readonly info: PacketInfo = packetInfo();
  private readonly pool: PcapngBuffer;
  /** Wall-clock seconds at monotonic time 0. */
  private readonly epochSeconds: number;
  private packets = 0;

  constructor(options: CaptureRequest, worker: number, pool: SharedArrayBuffer) {
    this.pool = pcapngBuffer(pool);
    this.epochSeconds = options.epochSeconds;
    for (const { number, name } of options.ports) {
      const out = pcapngBuffer(new ArrayBuffer(BUFFER_BYTES));
      let used = writeSectionHeader(out, 0, "packetpath");
      used += writeInterface(out, used, {
        name,
        description: `port ${number}`,
        linkType: LINKTYPE_ETHERNET,
        snapLengthBytes: 0,
      });
      const fd = openSync(join(options.folder, captureFileName(name, worker)), "w");
      this.files.set(number, { fd, out, used });
    }
    // A file of a worker that locks up later is a capture all the same.
    this.flush();
  }

  /** A frame that was read from its input port. */
  received(frame: Frame): void {
    this.write(frame.inPort, frame, PACKET_DIRECTION.inbound);
  }

  /** A frame that was written to `port`. */
  sent(port: number, frame: Frame): void {
    this.write(port, frame, PACKET_DIRECTION.outbound);
  }

  private write(port: number, frame: Frame, direction: number): void {
    const file = this.files.get(port);
    if (file === undefined) return;
    const partial =
      frame.vnetOffset >= 0 && (frame.bytes[frame.vnetOffset]! & VNET_F_NEEDS_CSUM) !== 0;
    const info = this.info;
    info.capturedBytes = frame.length;
    info.originalBytes = frame.length;
    info.direction = direction;
    info.queue = frame.queueMapping;
    info.packetIdLow = ++this.packets;
    info.comment = partial ? PARTIAL : null;
    setPacketTime(info, this.epochSeconds, nowNs());
    if (packetBlockBytes(frame.length, PARTIAL.length) + file.used > BUFFER_BYTES) {
      this.flushFile(file);
    }
    file.used += writePacketBlock(file.out, file.used, info, this.pool, frame.offset);
  }

  private flushFile(file: CaptureFile): void {
    if (file.used === 0) return;
    writeSync(file.fd, file.out.bytes, 0, file.used);
    file.used = 0;
  }

  flush(): void {
    for (const file of this.files.values()) this.flushFile(file);
  }

  close(): void {
    this.flush();
    for (const file of this.files.values()) closeSync(file.fd);
    this.files.clear();
  }
}
