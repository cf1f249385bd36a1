// UDP flood, its receiver, and ping, on the memory backend's stack. Stack threads.
import { errnoName } from "../../base/errno.js";
import { PacketpathError } from "../../base/errors.js";
import { LatencyRecorder } from "../latency.js";
import { LOAD_COUNTER, type DatagramResult, type PingSpec, type UdpFloodSpec } from "../types.js";
import { PAYLOAD_AT, type IpStack } from "./ip-stack.js";
import type { Activity } from "./protocol.js";
import { parseIp, UDP_HLEN } from "./wire.js";

const BURST_MAX = 64;
/** How far a sender that was held up may catch up; what is older lapses. */
const CATCH_UP_MS = 10;
const SOURCE_PORT_FIRST = 20_000;
/** Until the neighbor is known its queue would drop most of a flood. */
const RESOLVE_PATIENCE_MS = 1000;
/** What has not arrived when nothing has for so long after the sender's end is lost. */
const SILENCE_MS = 300;

function ipOf(address: string): number {
  const ip = parseIp(address);
  if (ip !== null) return ip;
  throw new PacketpathError("USAGE", `"${address}": the memory backend's hosts speak IPv4 only`);
}

function addError(errors: Map<string, number>, name: string): void {
  errors.set(name, (errors.get(name) ?? 0) + 1);
}

/** Sends until it is stopped. */
export class UdpSender implements Activity {
  isDone = false;
  private readonly ip: IpStack;
  private readonly spec: UdpFloodSpec;
  private readonly words: Int32Array;
  private readonly target: number;
  private readonly errors = new Map<string, number>();
  private beganMs = -1;
  private endMs = -1;
  private paceMs = 0;
  private sent = 0;
  private flow = 0;

  constructor(ip: IpStack, spec: UdpFloodSpec, words: Int32Array) {
    this.ip = ip;
    this.spec = spec;
    this.words = words;
    this.target = ipOf(spec.targetAddress);
  }

  step(now: number): boolean {
    if (this.beganMs < 0) {
      this.beganMs = now;
      this.paceMs = now;
    }
    if (Atomics.load(this.words, LOAD_COUNTER.stop) !== 0) this.stop(now);
    if (this.isDone) return false;
    const isFirst = now - this.beganMs < RESOLVE_PATIENCE_MS && this.sent === 0;
    if (isFirst && !this.ip.isResolved(this.target)) return false;
    const due = this.due(now);
    for (let i = 0; i < due; i++) this.send();
    return due > 0;
  }

  private due(now: number): number {
    const rate = this.spec.ratePerSecond;
    if (rate === 0) return BURST_MAX;
    if (now - this.paceMs > CATCH_UP_MS) this.paceMs = now - CATCH_UP_MS;
    const due = Math.min(BURST_MAX, Math.floor(((now - this.paceMs) * rate) / 1000));
    this.paceMs += (due * 1000) / rate;
    return due;
  }

  private send(): void {
    const { payloadBytes, flows, targetPort } = this.spec;
    const source = SOURCE_PORT_FIRST + this.flow;
    this.flow = this.flow + 1 >= flows ? 0 : this.flow + 1;
    this.ip.bytes.fill(0x55, PAYLOAD_AT + UDP_HLEN, PAYLOAD_AT + UDP_HLEN + payloadBytes);
    const result = this.ip.sendUdp(this.target, source, targetPort, payloadBytes);
    if (result < 0) {
      addError(this.errors, errnoName(result));
      return;
    }
    this.sent++;
    Atomics.add(this.words, LOAD_COUNTER.datagramsSent, 1);
  }

  nextMs(now: number): number {
    const rate = this.spec.ratePerSecond;
    return rate === 0 ? now + 1 : Math.max(now + 0.2, this.paceMs + 1000 / rate);
  }

  stop(now: number): void {
    this.isDone = true;
    this.endMs = now;
  }

  /** `received` is the receiver's to say. */
  result(): DatagramResult {
    const errors = Object.fromEntries(this.errors);
    const seconds = (this.endMs - this.beganMs) / 1000;
    return { sent: this.sent, received: 0, errors, seconds, latencyMs: null };
  }
}

/** Counts what arrives at a port, until all is there that was sent, or the rest must be lost. */
export class UdpReceiver implements Activity {
  isDone = false;
  private readonly ip: IpStack;
  private readonly port: number;
  private readonly words: Int32Array;
  private received = 0;
  /** How many there were at the last look after the stop, and since when. */
  private seen = -1;
  private quietSinceMs = Infinity;
  private isStopped = false;

  /** @throws PacketpathError SYSTEM_CALL: the port is taken. */
  constructor(ip: IpStack, spec: UdpFloodSpec, words: Int32Array) {
    if (ip.udpReceivers.has(spec.targetPort)) {
      throw new PacketpathError("SYSTEM_CALL", `cannot bind port ${spec.targetPort}: EADDRINUSE`);
    }
    this.ip = ip;
    this.port = spec.targetPort;
    this.words = words;
    ip.udpReceivers.set(this.port, () => {
      this.received++;
      Atomics.add(words, LOAD_COUNTER.datagramsReceived, 1);
    });
  }

  step(now: number): boolean {
    if (!this.isStopped || this.isDone) return false;
    if (this.seen !== this.received) {
      this.seen = this.received;
      this.quietSinceMs = now;
    }
    const sent = Atomics.load(this.words, LOAD_COUNTER.datagramsSent);
    if (this.received >= sent || now - this.quietSinceMs >= SILENCE_MS) {
      this.isDone = true;
      this.ip.udpReceivers.delete(this.port);
    }
    return false;
  }

  nextMs(now: number): number {
    return now + 50;
  }

  /** Comes when the sender has ended. */
  stop(): void {
    this.isStopped = true;
  }

  result(): number {
    return this.received;
  }
}

/** Echo requests at a steady pace. */
export class Ping implements Activity {
  isDone = false;
  private readonly ip: IpStack;
  private readonly spec: PingSpec;
  private readonly words: Int32Array;
  private readonly target: number;
  private readonly identifier: number;
  private readonly latency = new LatencyRecorder();
  private readonly errors = new Map<string, number>();
  /** When each unanswered request was sent, by its number, in order. */
  private readonly open = new Map<number, number>();
  private beganMs = -1;
  private lastMs = -1;
  private attempts = 0;
  private sent = 0;
  private received = 0;
  private isStopped = false;

  /** @param identifier the echo identifier, 0 to 65535; of its own for each ping of a stack. */
  constructor(ip: IpStack, spec: PingSpec, words: Int32Array, identifier: number) {
    this.ip = ip;
    this.spec = spec;
    this.words = words;
    this.target = ipOf(spec.targetAddress);
    this.identifier = identifier & 0xffff;
  }

  /** An echo reply has arrived at the stack. */
  replied(source: number, identifier: number, sequence: number, nowMs: number): void {
    if (identifier !== this.identifier || source !== this.target) return;
    for (const [number, sentMs] of this.open) {
      if ((number & 0xffff) !== sequence) continue;
      this.open.delete(number);
      this.received++;
      this.latency.record(nowMs - sentMs);
      Atomics.add(this.words, LOAD_COUNTER.datagramsReceived, 1);
      return;
    }
  }

  step(now: number): boolean {
    if (this.beganMs < 0) this.beganMs = now;
    this.lastMs = now;
    if (Atomics.load(this.words, LOAD_COUNTER.stop) !== 0) this.stop();
    for (const [number, sentMs] of this.open) {
      if (now - sentMs < this.spec.timeoutMs && !this.isStopped) break;
      this.open.delete(number);
      addError(this.errors, "ETIMEDOUT");
    }
    if (!this.isStopped && this.hasMore() && now >= this.nextSendMs()) this.send(now);
    if (this.open.size === 0 && (this.isStopped || !this.hasMore())) this.isDone = true;
    return false;
  }

  private hasMore(): boolean {
    return this.spec.count === 0 || this.attempts < this.spec.count;
  }

  private nextSendMs(): number {
    return this.beganMs + this.attempts * this.spec.intervalMs;
  }

  private send(now: number): void {
    const number = this.attempts++;
    const result = this.ip.sendEcho(this.target, this.identifier, number & 0xffff);
    if (result < 0) {
      addError(this.errors, errnoName(result));
      return;
    }
    this.sent++;
    this.open.set(number, now);
    Atomics.add(this.words, LOAD_COUNTER.datagramsSent, 1);
  }

  nextMs(now: number): number {
    return Math.min(now + 20, this.hasMore() ? this.nextSendMs() : Infinity);
  }

  stop(): void {
    this.isStopped = true;
  }

  result(): DatagramResult {
    return {
      sent: this.sent,
      received: this.received,
      errors: Object.fromEntries(this.errors),
      seconds: (this.lastMs - this.beganMs) / 1000,
      latencyMs: this.received === 0 ? null : this.latency.summary(),
    };
  }
}
