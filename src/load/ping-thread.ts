// ICMP and ICMPv6 echo: a worker thread with a raw socket in its namespace. Started by linux.ts.
// Blocks in poll for at most POLL_MS, so it sees the stop word in time though it reads no message.
import { isIPv6 } from "node:net";
import { threadId } from "node:worker_threads";
import * as libc from "@packetpath/libc";
import { nowMs } from "../base/clock.js";
import { ERRNO } from "../base/errno.js";
import { PacketpathError } from "../base/errors.js";
import { enterNamespace } from "../host/open.js";
import { closeSockets, ErrnoCounts, openSocket, ReadableWait, socketAddress } from "./datagrams.js";
import { LatencyRecorder } from "./latency.js";
import { connectRole, type RoleLine } from "./threads.js";
import { LOAD_COUNTER, type DatagramResult, type PingSpec } from "./types.js";

const { C } = libc;

const POLL_MS = 20;
/** RFC 792 and RFC 4443: type, code, checksum, identifier, sequence number. */
const ECHO_HEADER_BYTES = 8;
const ECHO_REQUEST = 8;
const ECHO_REPLY = 0;
const ECHO_REQUEST_V6 = 128;
const ECHO_REPLY_V6 = 129;
/** As ping(8) sends by default. */
const PAYLOAD_BYTES = 56;
const RECEIVE_BYTES = 2048;
const SEQUENCES = 0x1_0000;

class Pinger {
  private readonly spec: PingSpec;
  private readonly words: Int32Array;
  private readonly isV6: boolean;
  private readonly socket: number;
  private readonly target: libc.Block;
  private readonly identifier = (process.pid * 31 + threadId) & 0xffff;
  private readonly echo = libc.block(ECHO_HEADER_BYTES + PAYLOAD_BYTES);
  private readonly answer = libc.block(RECEIVE_BYTES);
  private readonly readable = new ReadableWait();
  private readonly latency = new LatencyRecorder();
  private readonly errors = new ErrnoCounts();
  /** When each sequence number was sent; 0 once it is answered or given up. */
  private readonly sentAtMs = new Float64Array(SEQUENCES);
  private attempts = 0;
  private sent = 0;
  private received = 0;
  /** All before this attempt are settled. */
  private oldest = 0;

  constructor(line: RoleLine<PingSpec>) {
    this.spec = line.spec;
    this.words = line.words;
    if (!(this.spec.intervalMs > 0) && this.spec.count === 0) {
      throw new PacketpathError("USAGE", "a ping without end needs an intervalMs above 0");
    }
    this.isV6 = isIPv6(this.spec.targetAddress);
    const target = socketAddress(this.spec.targetAddress, 0);
    this.target = libc.block(target.length);
    this.target.bytes.set(target);
    this.socket = openSocket("icmp", this.spec.targetAddress);
  }

  run(): DatagramResult {
    const startMs = nowMs();
    let nextMs = startMs;
    // Ends with the last deadline: `oldest` moves at least once per timeoutMs.
    while (!this.isOver()) {
      if (this.maySend() && nowMs() >= nextMs) {
        this.send();
        nextMs = Math.max(nextMs + this.spec.intervalMs, nowMs() - POLL_MS);
      }
      const untilNext = this.maySend() ? Math.max(0, nextMs - nowMs()) : POLL_MS;
      const hasSome = this.readable.wait(this.socket, Math.ceil(Math.min(untilNext, POLL_MS)));
      if (hasSome) this.receive();
      this.giveUp(this.isStopped() ? 0 : this.spec.timeoutMs);
    }
    return {
      sent: this.sent,
      received: this.received,
      errors: this.errors.toRecord(),
      seconds: (nowMs() - startMs) / 1000,
      latencyMs: this.received === 0 ? null : this.latency.summary(),
    };
  }

  private isStopped(): boolean {
    return Atomics.load(this.words, LOAD_COUNTER.stop) !== 0;
  }

  private isOver(): boolean {
    const isComplete = this.spec.count !== 0 && this.attempts >= this.spec.count;
    return this.isStopped() || (isComplete && this.oldest === this.attempts);
  }

  private maySend(): boolean {
    if (this.spec.count !== 0 && this.attempts >= this.spec.count) return false;
    return this.attempts - this.oldest < SEQUENCES;
  }

  private send(): void {
    const sequence = this.attempts % SEQUENCES;
    this.attempts++;
    fillEcho(this.echo.bytes, this.isV6, this.identifier, sequence);
    this.sentAtMs[sequence] = nowMs();
    const { address, bytes } = this.echo;
    const to = { address: this.target.address, length: this.target.bytes.length };
    const result = libc.sendto(this.socket, address, bytes.length, C.MSG_DONTWAIT, to);
    if (result < 0) {
      this.sentAtMs[sequence] = 0;
      this.errors.add(result);
      return;
    }
    this.sent++;
    Atomics.store(this.words, LOAD_COUNTER.datagramsSent, this.sent);
  }

  /** A raw socket gets a copy of every ICMP packet of the namespace; most are not ours. */
  private receive(): void {
    for (let i = 0; i < 256; i++) {
      const length = libc.recv(this.socket, this.answer.address, RECEIVE_BYTES, C.MSG_DONTWAIT);
      if (length === -ERRNO.EAGAIN) return;
      if (length < 0) this.errors.add(length);
      else this.match(length);
    }
  }

  private match(length: number): void {
    const bytes = this.answer.bytes;
    // Raw IPv4 sockets show the IP header, raw IPv6 sockets do not.
    const start = this.isV6 ? 0 : (bytes[0]! & 0xf) * 4;
    if (length !== start + this.echo.bytes.length) return;
    if (bytes[start] !== (this.isV6 ? ECHO_REPLY_V6 : ECHO_REPLY)) return;
    const sequence = sequenceOf(bytes, start, this.identifier);
    const sentAtMs = sequence < 0 ? 0 : this.sentAtMs[sequence]!;
    if (sentAtMs === 0) return;
    if (!hasPayload(bytes, start, sequence)) return;
    this.sentAtMs[sequence] = 0;
    this.received++;
    this.latency.record(nowMs() - sentAtMs);
    Atomics.store(this.words, LOAD_COUNTER.datagramsReceived, this.received);
  }

  /** Settles what has waited longer than `timeoutMs`, oldest first. */
  private giveUp(timeoutMs: number): void {
    const now = nowMs();
    while (this.oldest < this.attempts) {
      const sequence = this.oldest % SEQUENCES;
      const sentAtMs = this.sentAtMs[sequence]!;
      if (sentAtMs !== 0) {
        if (now - sentAtMs < timeoutMs) return;
        this.errors.add(-ERRNO.ETIMEDOUT);
        this.sentAtMs[sequence] = 0;
      }
      this.oldest++;
    }
  }
}

function fillEcho(echo: Uint8Array, isV6: boolean, identifier: number, sequence: number): void {
  echo[0] = isV6 ? ECHO_REQUEST_V6 : ECHO_REQUEST;
  echo[1] = 0;
  echo[2] = 0;
  echo[3] = 0;
  echo[4] = identifier >>> 8;
  echo[5] = identifier & 0xff;
  echo[6] = sequence >>> 8;
  echo[7] = sequence & 0xff;
  for (let i = ECHO_HEADER_BYTES; i < echo.length; i++) echo[i] = (i + sequence) & 0xff;
  // ICMPv6 checksums cover addresses that only the kernel knows; it fills them in (RFC 3542 3.1).
  if (isV6) return;
  const sum = internetChecksum(echo);
  echo[2] = sum >>> 8;
  echo[3] = sum & 0xff;
}

/** RFC 1071, for an even number of bytes. */
function internetChecksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += (bytes[i]! << 8) | bytes[i + 1]!;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/** The sequence number of an echo reply with our identifier, or -1. */
function sequenceOf(bytes: Uint8Array, start: number, identifier: number): number {
  if (((bytes[start + 4]! << 8) | bytes[start + 5]!) !== identifier) return -1;
  return (bytes[start + 6]! << 8) | bytes[start + 7]!;
}

function hasPayload(bytes: Uint8Array, start: number, sequence: number): boolean {
  for (let i = ECHO_HEADER_BYTES; i < ECHO_HEADER_BYTES + PAYLOAD_BYTES; i++) {
    if (bytes[start + i] !== ((i + sequence) & 0xff)) return false;
  }
  return true;
}

await connectRole<PingSpec>(async (line) => {
  await enterNamespace(line.descriptor, line.namespace);
  try {
    const pinger = new Pinger(line);
    line.ready();
    line.finish(pinger.run());
  } finally {
    closeSockets();
  }
});
