// The HTTP client of a load on the memory backend's TCP, with the meaning of the sockets' one
// (src/load/http-client-thread.ts): a connection for each request, every byte of the answer
// compared, and a failure named by the phase it happened in and its errno. Stack threads.
import { nowMs } from "../../base/clock.js";
import { errnoName } from "../../base/errno.js";
import { PacketpathError } from "../../base/errors.js";
import { AnswerContent, requestPath } from "../http-content.js";
import { LatencyRecorder } from "../latency.js";
import { keepMost, LOAD_COUNTER, type HttpLoadResult, type HttpLoadSpec } from "../types.js";
import { answerHead } from "./http-server.js";
import type { Activity } from "./protocol.js";
import type { Connection, Owner } from "./tcp-connection.js";
import type { Tcp } from "./tcp.js";
import { parseIp } from "./wire.js";

/** Connections begun between two looks at arriving frames: a program is not faster than that. */
const STARTS_PER_STEP = 32;
/** While the neighbor is being asked for, packets to it pile up and the oldest would be lost. */
const UNRESOLVED_STARTS_MAX = 64;
const UNRESOLVED_PATIENCE_MS = 100;
/** An open loop that fell behind starts at most so many at once; the rest of its slots lapse. */
const LATE_STARTS_MAX = 16;
/** After a stop, requests in flight may still succeed for so long. */
const STOP_PATIENCE_MS = 1000;

export class HttpClient implements Activity {
  isDone = false;
  private readonly tcp: Tcp;
  private readonly spec: HttpLoadSpec;
  private readonly words: Int32Array;
  private readonly target: number;
  private readonly content: AnswerContent;
  private readonly head: Buffer;
  private readonly latency = new LatencyRecorder();
  private readonly failed = new Map<string, number>();
  /** In the order of their starts, hence of their deadlines. */
  private readonly inFlight = new Set<Request>();
  private readonly beganMs: number;
  private lastEndMs: number;
  private stopMs = Infinity;
  private sent = 0;
  private ok = 0;
  /** Requests that were sent and have not ended. */
  private asked = 0;
  private slotsTaken = 0;

  /** @throws PacketpathError USAGE: not an IPv4 address. */
  constructor(tcp: Tcp, spec: HttpLoadSpec, words: Int32Array) {
    const target = parseIp(spec.serverAddress);
    if (target === null) {
      throw new PacketpathError(
        "USAGE",
        `"${spec.serverAddress}": the memory backend's hosts speak IPv4 only`,
      );
    }
    this.tcp = tcp;
    this.spec = spec;
    this.words = words;
    this.target = target;
    this.content = new AnswerContent(spec.bodyBytes);
    this.head = Buffer.from(answerHead(spec.bodyBytes), "latin1");
    this.beganMs = nowMs();
    this.lastEndMs = this.beganMs;
  }

  step(now: number): boolean {
    this.expire(now);
    const isStopped = this.stopMs !== Infinity || Atomics.load(this.words, LOAD_COUNTER.stop) !== 0;
    if (isStopped) {
      this.stop(now);
    } else {
      const due = this.dueStarts(now);
      for (let i = 0; i < due && this.mayStart(); i++) this.start(now);
    }
    const isComplete = this.spec.requests !== 0 && this.sent >= this.spec.requests;
    if (this.inFlight.size === 0 && (isComplete || isStopped)) this.isDone = true;
    return !isStopped && !this.isPaced() && this.mayStart() && !this.isHeldBack(now);
  }

  private isPaced(): boolean {
    return (this.spec.intervalMs ?? 0) > 0;
  }

  private dueStarts(now: number): number {
    if (!this.isPaced()) return this.isHeldBack(now) ? 0 : STARTS_PER_STEP;
    const slots = Math.floor((now - this.beganMs) / this.spec.intervalMs!) + 1;
    const due = Math.min(slots - this.slotsTaken, LATE_STARTS_MAX);
    this.slotsTaken = slots;
    return due;
  }

  private isHeldBack(now: number): boolean {
    if (this.inFlight.size < UNRESOLVED_STARTS_MAX) return false;
    return now - this.beganMs < UNRESOLVED_PATIENCE_MS && !this.tcp.ip.isResolved(this.target);
  }

  private mayStart(): boolean {
    if (this.spec.requests !== 0 && this.sent >= this.spec.requests) return false;
    return this.spec.concurrency === 0 || this.inFlight.size < this.spec.concurrency;
  }

  private start(now: number): void {
    const request = new Request(this, this.sent, now);
    this.sent++;
    Atomics.add(this.words, LOAD_COUNTER.sent, 1);
    this.inFlight.add(request);
    request.connection = this.tcp.connect(this.target, this.spec.serverPort, request);
  }

  private expire(now: number): void {
    for (const request of this.inFlight) {
      if (now - request.beganMs < this.spec.timeoutMs) break;
      this.fail(request, "ETIMEDOUT");
    }
  }

  /** The connection is there: asks. */
  ask(request: Request, connection: Connection): void {
    this.asked++;
    keepMost(this.words, LOAD_COUNTER.maxInFlight, this.asked);
    const path = requestPath(request.number, this.spec.bodyBytes);
    const host = `${this.spec.serverAddress}:${this.spec.serverPort}`;
    const text = `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;
    this.tcp.send(connection, Buffer.from(text, "latin1"), false);
  }

  /** Compares a part of the answer with what it must be. */
  check(request: Request, bytes: Uint8Array, at: number, size: number): void {
    request.expected ??= Buffer.concat([this.head, this.content.body(request.number)]);
    const { expected, got } = request;
    request.got += size;
    if (request.got > expected.length) {
      this.fail(request, "wrong length");
      return;
    }
    for (let i = 0; i < size; i++) {
      if (bytes[at + i] === expected[got + i]) continue;
      this.fail(request, "wrong content");
      return;
    }
    if (request.got < expected.length) return;
    this.ok++;
    this.latency.record(nowMs() - request.beganMs);
    Atomics.add(this.words, LOAD_COUNTER.ok, 1);
    this.settle(request);
  }

  /** Ends our direction too; the FIN also acknowledges the server's. */
  hangUp(connection: Connection): void {
    this.tcp.send(connection, EMPTY, true);
  }

  /** Ends a request as failed, in the phase it is in, and its connection with a reset. */
  fail(request: Request, why: string): void {
    if (!this.inFlight.has(request)) return;
    const name = `${request.isConnected ? "response" : "connect"} ${why}`;
    this.failed.set(name, (this.failed.get(name) ?? 0) + 1);
    Atomics.add(this.words, LOAD_COUNTER.failed, 1);
    this.settle(request);
    if (request.connection !== null) this.tcp.abort(request.connection);
  }

  private settle(request: Request): void {
    this.inFlight.delete(request);
    if (request.isConnected) this.asked--;
    this.lastEndMs = nowMs();
  }

  nextMs(now: number): number {
    if (this.isDone) return now;
    if (this.isPaced()) return Math.min(now + 50, this.nextSlotMs());
    return now + 20;
  }

  private nextSlotMs(): number {
    return this.beganMs + this.slotsTaken * this.spec.intervalMs!;
  }

  stop(now: number): void {
    if (this.stopMs === Infinity) this.stopMs = now;
    if (now - this.stopMs < STOP_PATIENCE_MS) return;
    for (const request of [...this.inFlight]) this.fail(request, "ECANCELED");
  }

  result(): HttpLoadResult {
    return {
      sent: this.sent,
      ok: this.ok,
      failed: Object.fromEntries(this.failed),
      maxInFlight: Atomics.load(this.words, LOAD_COUNTER.maxInFlight),
      // The server's own count comes on top.
      maxHeld: 0,
      // Its servers are not asked for the addresses of their clients.
      clients: { same: 0, different: 0 },
      seconds: (this.lastEndMs - this.beganMs) / 1000,
      latencyMs: this.latency.summary(),
      histogram: this.latency.buckets(),
    };
  }
}

const EMPTY = new Uint8Array(0);

/** One request and its connection. */
class Request implements Owner {
  readonly number: number;
  readonly beganMs: number;
  connection: Connection | null = null;
  isConnected = false;
  expected: Buffer | null = null;
  /** Bytes of the answer so far. */
  got = 0;
  private readonly client: HttpClient;

  constructor(client: HttpClient, number: number, beganMs: number) {
    this.client = client;
    this.number = number;
    this.beganMs = beganMs;
  }

  connected(connection: Connection): void {
    this.isConnected = true;
    this.client.ask(this, connection);
  }

  received(_connection: Connection, bytes: Uint8Array, at: number, size: number): void {
    this.client.check(this, bytes, at, size);
  }

  /** The whole answer must have come before the end. */
  ended(connection: Connection): void {
    this.client.fail(this, "ECONNRESET");
    this.client.hangUp(connection);
  }

  closed(_connection: Connection, errno: number): void {
    this.connection = null;
    this.client.fail(this, errno === 0 ? "ECONNRESET" : errnoName(errno));
  }
}
