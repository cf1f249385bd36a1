// What goes in and out of a dummy port, written to pcap files as `options:tx_pcap`, `rxq_pcap` and
// `pcap` of its interface say (lib/netdev-dummy.c of Open vSwitch 3.1). Frames are in the file when
// the command that moved them is over. Main thread.
import { closeSync, openSync, writeSync } from "node:fs";
import { wallClock } from "../../base/clock.js";
import { pcapFileHeader, pcapPacketHeader } from "../../wire/pcap.js";

/** One file that frames are written to. */
class Capture {
  readonly path: string;
  private readonly fd: number;

  constructor(path: string) {
    this.path = path;
    this.fd = openSync(path, "w");
    writeSync(this.fd, pcapFileHeader());
  }

  write(frame: Uint8Array): void {
    writeSync(this.fd, pcapPacketHeader(Date.parse(wallClock()), frame.length));
    writeSync(this.fd, frame);
  }

  close(): void {
    closeSync(this.fd);
  }
}

/** The files of one port. */
export class PortCaptures {
  private sent: Capture | null = null;
  private received: Capture | null = null;

  /**
   * Begins new files, unless they are the ones that are written already.
   * @returns the file that cannot be written to, with the reason; null: all can.
   */
  set(paths: { readonly sent: string | null; readonly received: string | null }): string | null {
    try {
      if (paths.sent === (this.sent?.path ?? null)) {
        if (paths.received === (this.received?.path ?? null)) return null;
      }
      this.close();
      if (paths.sent !== null) this.sent = new Capture(paths.sent);
      const isShared = paths.received === paths.sent;
      if (isShared) this.received = this.sent;
      else if (paths.received !== null) this.received = new Capture(paths.received);
      return null;
    } catch (error) {
      return (error as Error).message;
    }
  }

  onSent(frame: Uint8Array): void {
    this.sent?.write(frame);
  }

  onReceived(frame: Uint8Array): void {
    this.received?.write(frame);
  }

  close(): void {
    if (this.received !== this.sent) this.received?.close();
    this.sent?.close();
    this.sent = null;
    this.received = null;
  }
}
