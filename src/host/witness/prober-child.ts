// The prober's child process: enters the namespace, sends echo requests, answers with the report
// and ends. Started by prober.ts only; nothing else may import it. Runs on the main thread of its
// own process, the one place where raw-socket may be loaded.
import { createRequire } from "node:module";
import { isIPv6 } from "node:net";
import { nowMs } from "../../base/clock.js";
import { enterNamespaceOfParent, failureMessage, sendToParent } from "./namespaced-child.js";
import type { ProbeBinding, ProbeReport, ProbeRequest } from "./prober.js";

/** The part of raw-socket's API that is used. */
interface RawSocket {
  on(event: "message", listener: (buffer: Buffer, source: string) => void): unknown;
  on(event: "error", listener: (error: Error) => void): unknown;
  send(
    buffer: Buffer,
    offset: number,
    length: number,
    address: string,
    before: () => void,
    after: (error: Error | null) => void,
  ): unknown;
  setOption(level: number, option: number, value: number): void;
  close(): unknown;
}

interface RawModule {
  createSocket(options: { addressFamily: number; protocol: number; bufferSize: number }): RawSocket;
  createChecksum(part: Buffer): number;
  writeChecksum(buffer: Buffer, offset: number, checksum: number): Buffer;
  readonly AddressFamily: { readonly IPv4: number; readonly IPv6: number };
  readonly Protocol: { readonly ICMP: number; readonly ICMPv6: number };
  readonly SocketLevel: { readonly SOL_SOCKET: number };
  readonly SocketOption: { readonly SO_RCVBUF: number };
}

const ICMP_HEADER_BYTES = 8;
const RECEIVE_BUFFER_BYTES = 1_048_576;

/** Message types: ICMP (RFC 792) and ICMPv6 (RFC 4443). */
const ECHO = {
  4: { request: 8, reply: 0 },
  6: { request: 128, reply: 129 },
} as const;

async function loadBinding({
  binding: wanted,
}: ProbeRequest): Promise<{ binding: ProbeBinding; raw: RawModule }> {
  if (wanted !== "shim") {
    try {
      const raw = createRequire(import.meta.url)("raw-socket") as RawModule;
      return { binding: "raw-socket", raw };
    } catch (error) {
      if (wanted === "raw-socket") throw error;
    }
  }
  const shim = new URL("../../../native-free-shims/raw-socket/index.js", import.meta.url);
  return { binding: "shim", raw: (await import(shim.href)) as RawModule };
}

interface Run {
  readonly request: ProbeRequest;
  readonly raw: RawModule;
  readonly socket: RawSocket;
  readonly family: 4 | 6;
  /** Tells our requests from those of others in the same namespace. */
  readonly identifier: number;
  /** When each request was given to the kernel, by sequence number; NaN once answered. */
  readonly sentAtMs: Float64Array;
  readonly rttMs: number[];
  readonly errors: Record<string, number>;
  sent: number;
  duplicates: number;
  corrupted: number;
}

/** A byte of request `sequence`'s payload: all differ, so that a stale answer is found out. */
function payloadByte(sequence: number, index: number): number {
  return (sequence * 31 + index) & 0xff;
}

function echoRequest(run: Run, sequence: number): Buffer {
  const message = Buffer.alloc(ICMP_HEADER_BYTES + run.request.sizeBytes);
  message[0] = ECHO[run.family].request;
  message.writeUInt16BE(run.identifier, 4);
  message.writeUInt16BE(sequence, 6);
  for (let i = ICMP_HEADER_BYTES; i < message.length; i++) {
    message[i] = payloadByte(sequence, i - ICMP_HEADER_BYTES);
  }
  // The kernel fills in ICMPv6 checksums itself (RFC 3542 3.1).
  if (run.family === 4) run.raw.writeChecksum(message, 2, run.raw.createChecksum(message));
  return message;
}

function samePayload(run: Run, message: Buffer, at: number, sequence: number): boolean {
  const { sizeBytes } = run.request;
  if (message.length - at - ICMP_HEADER_BYTES !== sizeBytes) return false;
  for (let i = 0; i < sizeBytes; i++) {
    if (message[at + ICMP_HEADER_BYTES + i] !== payloadByte(sequence, i)) return false;
  }
  return true;
}

/** One received message: an IPv4 raw socket hands over the IP header too, an IPv6 one does not. */
function receive(run: Run, message: Buffer): void {
  const now = nowMs();
  const at = run.family === 4 ? ((message[0] ?? 0) & 0x0f) * 4 : 0;
  if (message.length < at + ICMP_HEADER_BYTES) return;
  if (message[at] !== ECHO[run.family].reply) return;
  if (message.readUInt16BE(at + 4) !== run.identifier) return;
  const sequence = message.readUInt16BE(at + 6);
  if (sequence >= run.request.count) return;
  const sentAt = run.sentAtMs[sequence]!;
  if (Number.isNaN(sentAt)) {
    run.duplicates++;
  } else if (!samePayload(run, message, at, sequence)) {
    run.corrupted++;
  } else {
    run.rttMs.push(now - sentAt);
    run.sentAtMs[sequence] = Number.NaN;
  }
}

function send(run: Run, sequence: number): Promise<void> {
  const message = echoRequest(run, sequence);
  return new Promise((resolve) => {
    run.socket.send(
      message,
      0,
      message.length,
      run.request.target,
      () => (run.sentAtMs[sequence] = nowMs()),
      (error) => {
        if (error === null) run.sent++;
        else run.errors[error.message] = (run.errors[error.message] ?? 0) + 1;
        resolve();
      },
    );
  });
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits for the answers still missing. */
async function collect(run: Run): Promise<void> {
  const deadline = nowMs() + run.request.timeoutMs;
  while (run.rttMs.length + run.corrupted < run.sent && nowMs() < deadline) await pause(1);
}

async function perform(request: ProbeRequest): Promise<ProbeReport> {
  const { binding, raw } = await loadBinding(request);
  const family = isIPv6(request.target) ? 6 : 4;
  const socket = raw.createSocket({
    addressFamily: family === 6 ? raw.AddressFamily.IPv6 : raw.AddressFamily.IPv4,
    protocol: family === 6 ? raw.Protocol.ICMPv6 : raw.Protocol.ICMP,
    bufferSize: 65_535,
  });
  socket.setOption(raw.SocketLevel.SOL_SOCKET, raw.SocketOption.SO_RCVBUF, RECEIVE_BUFFER_BYTES);
  const run: Run = {
    request,
    raw,
    socket,
    family,
    identifier: process.pid & 0xffff,
    sentAtMs: new Float64Array(request.count),
    rttMs: [],
    errors: {},
    sent: 0,
    duplicates: 0,
    corrupted: 0,
  };
  socket.on("message", (message) => receive(run, message));
  socket.on("error", (error) => {
    run.errors[error.message] = (run.errors[error.message] ?? 0) + 1;
  });
  for (let sequence = 0; sequence < request.count; sequence++) {
    if (sequence > 0 && request.intervalMs > 0) await pause(request.intervalMs);
    await send(run, sequence);
  }
  await collect(run);
  socket.close();
  const { sent, duplicates, corrupted, rttMs, errors } = run;
  return { binding, sent, received: rttMs.length, duplicates, corrupted, rttMs, errors };
}

async function answer(request: ProbeRequest): Promise<void> {
  await sendToParent({ kind: "result", report: await perform(request) });
  process.exit(0);
}

async function fail(error: unknown): Promise<void> {
  await sendToParent(failureMessage(error));
  process.exit(1);
}

try {
  enterNamespaceOfParent();
  process.once("message", (request: ProbeRequest) => {
    answer(request).catch(fail);
  });
} catch (error) {
  await fail(error);
}
