// The independent witness: a child process in a namespace that captures on one device with libpcap
// (the package cap; our own shim where it is not built), counts the frames and digests them, so
// that the books of the data plane can be compared with what somebody else saw.
// Called by scenarios and tests, on the main thread.
import { closeSync, openSync, readSync, unlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { nowNs } from "../../base/clock.js";
import { workerEntry } from "../../base/entry.js";
import { PacketpathError } from "../../base/errors.js";
import {
  endError,
  forkIntoNamespace,
  throwFailure,
  type ChildEnd,
  type NamespacedChild,
} from "./namespaced-child.js";
import type { NamespaceRef } from "../types.js";

/** Which binding captures: the npm package cap (libpcap), or native-free-shims/cap. */
export type CaptureBinding = "cap" | "shim";

/** A set of frames, whatever their order. Equal sets have equal digests. */
export interface FrameCount {
  readonly frames: number;
  /** Bytes on the wire, with Ethernet headers. */
  readonly bytes: number;
  /**
   * 16 hexadecimal digits: the sums of two mixings of each frame's CRC-32 and length. Independent
   * of order; a lost, doubled or changed frame goes unnoticed with a chance of about 2^-32.
   */
  readonly digest: string;
}

/** What the witness saw. */
export interface WitnessReport extends FrameCount {
  readonly binding: CaptureBinding;
  /**
   * Frames that the namespace's kernel transmitted on the device, and those it received. Under
   * cap, which does not tell, by the source MAC address: wrong for a device that forwards other
   * machines' frames. Null for a TUN device under cap.
   */
  readonly sent: FrameCount | null;
  readonly received: FrameCount | null;
  /** Frames that passed the filter and found the capture buffer full (PACKET_STATISTICS). */
  readonly dropped: number;
  /** Frames longer than 65535 bytes, of which only so much was digested. */
  readonly truncated: number;
  /** What ended the capture: `stop`, or the device's removal (under cap also its going down). */
  readonly ended: "stopped" | "device-gone";
}

export interface WitnessOptions {
  /** Default `auto`: cap if it loads, else the shim. */
  readonly binding?: CaptureBinding | "auto";
  /**
   * Capture buffer, 1 MiB to 1 GiB; default 128 MiB. Under cap each waiting frame occupies 65.6 KB
   * of it, however short it is: 2,000 frames fit the default.
   */
  readonly bufferSizeBytes?: number;
}

export interface Witness {
  readonly binding: CaptureBinding;
  readonly pid: number;
  /**
   * Ends the capture after frames already on their way have been taken, and reaps the child. After
   * the device is gone it returns what was seen until then. Calling it again gives the same report.
   */
  stop(): Promise<WitnessReport>;
}

/** Totals while counting; also what the child writes for the case that it is aborted. */
export interface FrameTally {
  frames: number;
  bytes: number;
  low: number;
  high: number;
}

export function emptyTally(): FrameTally {
  return { frames: 0, bytes: 0, low: 0, high: 0 };
}

/** The finalizer of MurmurHash3: makes sums of CRCs, which are linear, say something. */
function mix(word: number): number {
  let h = word;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** Adds one frame, from its destination address on. */
export function addFrame(tally: FrameTally, frame: Uint8Array): void {
  const crc = crc32(frame);
  tally.frames++;
  tally.bytes += frame.length;
  tally.low = (tally.low + mix(crc)) >>> 0;
  tally.high = (tally.high + mix(crc ^ Math.imul(frame.length, 0x9e3779b1))) >>> 0;
}

/** A tally as a report shows it. */
export function tallyReport(tally: FrameTally): FrameCount {
  const word = (value: number): string => value.toString(16).padStart(8, "0");
  return {
    frames: tally.frames,
    bytes: tally.bytes,
    digest: word(tally.high) + word(tally.low),
  };
}

/** What the parent asks of the child. */
export interface WitnessRequest {
  readonly kind: "open";
  readonly device: string;
  readonly filter: string;
  readonly binding: CaptureBinding | "auto";
  readonly bufferSizeBytes: number;
}

/** Bytes of the record that the child keeps up to date in a file, blank-padded JSON. */
export const RECORD_BYTES = 1_024;
const MIB = 1_048_576;

function checkOptions(device: string, options: WitnessOptions): Omit<WitnessRequest, "filter"> {
  const bufferSizeBytes = options.bufferSizeBytes ?? 128 * MIB;
  const whole = Number.isInteger(bufferSizeBytes);
  if (!whole || bufferSizeBytes < MIB || bufferSizeBytes > 1_024 * MIB) {
    throw new PacketpathError(
      "USAGE",
      `witness on ${device}: bufferSizeBytes is ${bufferSizeBytes}; ` +
        "it must be 1048576 to 1073741824",
    );
  }
  return { kind: "open", device, binding: options.binding ?? "auto", bufferSizeBytes };
}

/** A file without a name: the child writes into it, and it vanishes with the last descriptor. */
function openRecord(): number {
  const path = join(tmpdir(), `packetpath-witness-${process.pid}-${nowNs()}`);
  const fd = openSync(path, "wx+", 0o600);
  unlinkSync(path);
  return fd;
}

function readRecord(fd: number): Omit<WitnessReport, "ended"> | null {
  const bytes = Buffer.alloc(RECORD_BYTES);
  const length = readSync(fd, bytes, 0, RECORD_BYTES, 0);
  const text = bytes.toString("utf8", 0, length).trim();
  return text === "" ? null : (JSON.parse(text) as Omit<WitnessReport, "ended">);
}

/** cap 0.2.1 asserts that its socket never reports an error; the removal of the device is one. */
function abortedByRemoval(end: ChildEnd, stderr: string): boolean {
  return end.signal === "SIGABRT" && stderr.includes("Assertion `status == 0' failed");
}

function resultOf(message: unknown): WitnessReport | undefined {
  throwFailure(message, "witness");
  if (typeof message !== "object" || message === null || !("kind" in message)) return undefined;
  if (message.kind !== "result" || !("report" in message)) return undefined;
  return message.report as WitnessReport;
}

async function finish(child: NamespacedChild, recordFd: number): Promise<WitnessReport> {
  try {
    const answer = child.reply(resultOf);
    if (child.process.connected) child.process.send({ kind: "stop" }, () => undefined);
    const report = await answer;
    await child.ended;
    return report;
  } catch (error) {
    const end = await child.ended;
    const record = abortedByRemoval(end, child.stderr()) ? readRecord(recordFd) : null;
    if (record !== null) return { ...record, ended: "device-gone" };
    throw error instanceof PacketpathError ? error : endError(end, child.stderr());
  } finally {
    closeSync(recordFd);
  }
}

/**
 * Starts to capture; when it returns, every later frame on the device is seen.
 * @param namespace a namespace of the linux backend.
 * @param filter "" for everything; see pcap-filter(7) and, for the shim, its index.d.ts.
 * @throws PacketpathError USAGE for options; ENVIRONMENT when the namespace, the device, the filter
 *   or the binding cannot be had, in the words of who refused it.
 */
export async function startWitness(
  namespace: NamespaceRef,
  deviceName: string,
  filter: string,
  options: WitnessOptions = {},
): Promise<Witness> {
  const request: WitnessRequest = { ...checkOptions(deviceName, options), filter };
  const recordFd = openRecord();
  const entry = workerEntry("./witness-child.js", import.meta.url);
  const child = forkIntoNamespace(entry, namespace, recordFd);
  try {
    const ready = child.reply((message) => {
      throwFailure(message, `witness on ${namespace.name}:${deviceName}`);
      return readyBinding(message);
    });
    child.process.send(request, () => undefined);
    const binding = await ready;
    let report: Promise<WitnessReport> | null = null;
    return {
      binding,
      pid: child.process.pid ?? 0,
      stop: () => (report ??= finish(child, recordFd)),
    };
  } catch (error) {
    await child.kill();
    closeSync(recordFd);
    throw error;
  }
}

function readyBinding(message: unknown): CaptureBinding | undefined {
  if (typeof message !== "object" || message === null || !("kind" in message)) return undefined;
  if (message.kind !== "ready" || !("binding" in message)) return undefined;
  return message.binding === "cap" ? "cap" : "shim";
}
