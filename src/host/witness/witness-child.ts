// The witness's child process: enters the namespace, captures, counts, and answers `stop`. Started
// by witness.ts only; nothing else may import it. Runs on the main thread of its own process, the
// one place where cap may be loaded.
import { readdirSync, readlinkSync, writeSync } from "node:fs";
import { createRequire } from "node:module";
import * as libc from "@packetpath/libc";
import {
  enterNamespaceOfParent,
  EXTRA_FD,
  failureMessage,
  sendToParent,
} from "./namespaced-child.js";
import {
  addFrame,
  emptyTally,
  RECORD_BYTES,
  tallyReport,
  type CaptureBinding,
  type WitnessReport,
  type WitnessRequest,
} from "./witness.js";

/** The part of cap's API that is used. */
interface Capture {
  open(device: string, filter: string, bufSize: number, buffer: Buffer): string;
  on(event: "packet", listener: (nbytes: number, truncated: boolean) => void): unknown;
  on(event: "error", listener: (error: Error) => void): unknown;
  close(): unknown;
  /** Only the shim has these. */
  stats?(): { received: number; dropped: number };
  readonly lastOutgoing?: boolean;
}

interface CaptureModule {
  readonly Cap: new () => Capture;
}

const SNAP_LENGTH = 65_535;
const SOL_PACKET = 263;
const PACKET_STATISTICS = 6;
const SO_DOMAIN = 39;
/**
 * After `stop`: so many looks without a new frame mean that all have been taken. Not a time: a
 * process that gets no CPU sees none in any time.
 */
const QUIET_LOOKS = 6;
const LOOK_MS = 10;
/** Under traffic that never ends, `stop` stops looking after so many. */
const LOOKS_MAX = 200;

/** cap does not keep its buffer alive; a buffer collected while it captures corrupts the heap. */
const pinned: unknown[] = [];

async function loadBinding({
  binding: wanted,
}: WitnessRequest): Promise<{ binding: CaptureBinding; module: CaptureModule }> {
  if (wanted !== "shim") {
    try {
      const module = createRequire(import.meta.url)("cap") as CaptureModule;
      return { binding: "cap", module };
    } catch (error) {
      if (wanted === "cap") throw error;
    }
  }
  const shim = new URL("../../../native-free-shims/cap/index.js", import.meta.url);
  return { binding: "shim", module: (await import(shim.href)) as CaptureModule };
}

function packetSockets(): number[] {
  const found: number[] = [];
  for (const name of readdirSync("/proc/self/fd")) {
    const fd = Number(name);
    if (
      linkOf(fd).startsWith("socket:") &&
      integerOption(fd, libc.C.SOL_SOCKET, SO_DOMAIN) === 17
    ) {
      found.push(fd);
    }
  }
  return found;
}

function linkOf(fd: number): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return "";
  }
}

const scratch = libc.block(64);

function integerOption(fd: number, level: number, option: number): number {
  scratch.view.setUint32(0, 4, true);
  const result = libc.getsockopt(fd, level, option, scratch.address + 8, scratch.address);
  return result < 0 ? -1 : scratch.view.getInt32(8, true);
}

/** tp_drops since the last reading; the kernel starts again from zero at each. */
function takeDrops(fd: number): number {
  scratch.view.setUint32(0, 8, true);
  const address = scratch.address + 8;
  const result = libc.getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, address, scratch.address);
  return result < 0 ? 0 : scratch.view.getUint32(12, true);
}

/** The device's hardware address, or null where it has none (TUN). */
function macOf(device: string): Buffer | null {
  const fd = libc.socket(libc.C.AF_INET, libc.C.SOCK_DGRAM | libc.C.SOCK_CLOEXEC, 0);
  if (fd < 0) return null;
  const { ifreq } = libc.STRUCTS;
  scratch.bytes.fill(0);
  scratch.bytes.set(new TextEncoder().encode(device).subarray(0, 15), ifreq.name);
  const result = libc.ioctl(fd, libc.C.SIOCGIFHWADDR, scratch.address);
  libc.close(fd);
  if (result < 0) return null;
  const family = scratch.view.getUint16(ifreq.hwaddr, true);
  if (family !== libc.C.ARPHRD_ETHER) return null;
  return Buffer.from(scratch.bytes.slice(ifreq.hwaddr + 2, ifreq.hwaddr + 8));
}

interface State {
  readonly binding: CaptureBinding;
  readonly capture: Capture;
  readonly buffer: Buffer;
  readonly mac: Buffer | null;
  readonly sent: ReturnType<typeof emptyTally>;
  readonly received: ReturnType<typeof emptyTally>;
  /** cap's socket, to ask it for its losses; -1 under the shim, which can be asked itself. */
  readonly fd: number;
  /** Whether the binding or the source address tells directions apart. */
  readonly directions: boolean;
  truncated: number;
  drops: number;
  gone: boolean;
  flushPlanned: boolean;
}

function report(state: State): Omit<WitnessReport, "ended"> {
  const { sent, received, directions } = state;
  if (state.fd >= 0) state.drops += takeDrops(state.fd);
  else state.drops = state.capture.stats?.().dropped ?? 0;
  const all = {
    frames: sent.frames + received.frames,
    bytes: sent.bytes + received.bytes,
    low: (sent.low + received.low) >>> 0,
    high: (sent.high + received.high) >>> 0,
  };
  return {
    binding: state.binding,
    ...tallyReport(all),
    sent: directions ? tallyReport(sent) : null,
    received: directions ? tallyReport(received) : null,
    dropped: state.drops,
    truncated: state.truncated,
  };
}

/** Keeps the record fresh: it is all that remains when cap aborts on the removal of its device. */
function writeRecord(state: State): void {
  const text = JSON.stringify(report(state)).padEnd(RECORD_BYTES, " ");
  writeSync(EXTRA_FD, text, 0);
}

/** One frame. Under cap, all frames of a wake-up come before the planned flush runs. */
function take(state: State, nbytes: number, truncated: boolean): void {
  const { buffer, capture, mac } = state;
  const outgoing = capture.lastOutgoing ?? (mac !== null && mac.compare(buffer, 6, 12) === 0);
  addFrame(outgoing ? state.sent : state.received, buffer.subarray(0, nbytes));
  if (truncated || nbytes >= SNAP_LENGTH) state.truncated++;
  if (state.flushPlanned) return;
  state.flushPlanned = true;
  setImmediate(() => {
    state.flushPlanned = false;
    writeRecord(state);
  });
}

async function start(request: WitnessRequest): Promise<State> {
  const { binding, module } = await loadBinding(request);
  const capture = new module.Cap();
  const buffer = Buffer.alloc(SNAP_LENGTH);
  pinned.push(capture, buffer);
  const before = packetSockets();
  const linkType = capture.open(request.device, request.filter, request.bufferSizeBytes, buffer);
  const own = packetSockets().find((fd) => !before.includes(fd)) ?? -1;
  const mac = macOf(request.device);
  const state: State = {
    binding,
    capture,
    buffer,
    mac,
    sent: emptyTally(),
    received: emptyTally(),
    fd: binding === "cap" ? own : -1,
    directions: binding === "shim" || (linkType === "ETHERNET" && mac !== null),
    truncated: 0,
    drops: 0,
    gone: false,
    flushPlanned: false,
  };
  capture.on("packet", (nbytes, truncated) => take(state, nbytes, truncated));
  // The shim says so; cap aborts the process instead, and the parent reads the record.
  capture.on("error", () => (state.gone = true));
  writeRecord(state);
  return state;
}

/** Waits until no frame has come at QUIET_LOOKS in a row, at most LOOKS_MAX. */
async function drain(state: State): Promise<void> {
  const seen = (): number => state.sent.frames + state.received.frames;
  let last = seen();
  let quiet = 0;
  for (let look = 0; look < LOOKS_MAX && quiet < QUIET_LOOKS; look++) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    quiet = seen() === last ? quiet + 1 : 0;
    last = seen();
  }
}

async function stop(state: State): Promise<void> {
  if (!state.gone) await drain(state);
  const result = { ...report(state), ended: state.gone ? "device-gone" : "stopped" };
  state.capture.close();
  await sendToParent({ kind: "result", report: result });
  process.exit(0);
}

async function main(): Promise<void> {
  enterNamespaceOfParent();
  let state: State | null = null;
  const messages: (WitnessRequest | { kind: "stop" })[] = [];
  const next = async (): Promise<void> => {
    const message = messages.shift();
    if (message?.kind === "open") {
      state = await start(message);
      await sendToParent({ kind: "ready", binding: state.binding });
    } else if (message?.kind === "stop" && state !== null) {
      await stop(state);
    }
  };
  let chain = Promise.resolve();
  process.on("message", (message: WitnessRequest | { kind: "stop" }) => {
    messages.push(message);
    chain = chain.then(next).catch(fail);
  });
}

async function fail(error: unknown): Promise<void> {
  await sendToParent(failureMessage(error));
  process.exit(1);
}

main().catch(fail);
