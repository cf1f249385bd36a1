// The HTTP client of a load: a worker thread in the client's namespace, started by http.ts.
//
// Every request has a connection of its own and ends in exactly one of two ways: ok (status,
// length and every byte of the body are right) or failed, under the name of the phase it had
// reached and the errno. So sent = ok + failed, always, also after a stop.
import { Agent, request, type ClientRequest, type IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { nowMs } from "../base/clock.js";
import { errnoName } from "../base/errno.js";
import { enterNamespace } from "../host/open.js";
import { AnswerContent, CLIENT_HEADER, requestPath, statement } from "./http-content.js";
import { LatencyRecorder, type Bucket } from "./latency.js";
import { checkConnectionLimits } from "./limits.js";
import { connectRole, type RoleLine } from "./threads.js";
import { keepMost, LOAD_COUNTER, type HttpLoadSpec, type LatencyMs } from "./types.js";

/** Connections begun in one turn of the event loop, so that answers are not kept waiting. */
const STARTS_PER_TURN = 64;
/** An open loop that fell behind starts at most so many at once; the rest of its slots lapse. */
const LATE_STARTS_MAX = 16;
/** After a stop, requests in flight may still succeed for so long. */
const STOP_PATIENCE_MS = 1000;

/** What this thread answers. */
export interface HttpClientResult {
  readonly sent: number;
  readonly ok: number;
  readonly failed: Record<string, number>;
  readonly seconds: number;
  readonly latencyMs: LatencyMs;
  readonly histogram: Bucket[];
}

class HttpClient {
  private readonly line: RoleLine<HttpLoadSpec>;
  private readonly spec: HttpLoadSpec;
  private readonly words: Int32Array;
  private readonly agent: Agent;
  private readonly content: AnswerContent;
  private readonly latency = new LatencyRecorder();
  private readonly failed = new Map<string, number>();
  private readonly inFlight = new Set<(failure: string) => void>();
  private readonly startedMs = nowMs();
  private lastEndMs = this.startedMs;
  private sent = 0;
  private ok = 0;
  /** Requests that were sent and have not ended. */
  private asked = 0;
  private isStopped = false;
  private isTurnDue = false;
  private pacer: NodeJS.Timeout | null = null;
  private slotsTaken = 0;

  constructor(line: RoleLine<HttpLoadSpec>) {
    this.line = line;
    this.spec = line.spec;
    this.words = line.words;
    this.agent = new Agent({ keepAlive: false, maxSockets: Infinity });
    this.content = new AnswerContent(this.spec.bodyBytes);
  }

  run(): void {
    const intervalMs = this.spec.intervalMs ?? 0;
    if (intervalMs > 0) {
      this.pacer = setInterval(() => this.startDue(intervalMs), Math.min(intervalMs, 50));
      this.startDue(intervalMs);
    } else {
      this.fill();
    }
  }

  /** Starts no more; fails what is still in flight after a while. */
  stop(): void {
    if (this.isStopped) return;
    this.isStopped = true;
    if (this.pacer !== null) clearInterval(this.pacer);
    this.finishIfDone();
    setTimeout(() => {
      for (const fail of [...this.inFlight]) fail("ECANCELED");
    }, STOP_PATIENCE_MS).unref();
  }

  private get mayStart(): boolean {
    if (this.isStopped) return false;
    if (this.spec.requests !== 0 && this.sent >= this.spec.requests) return false;
    return this.spec.concurrency === 0 || this.inFlight.size < this.spec.concurrency;
  }

  /** Closed loop: as many as allowed, a few per turn of the event loop. */
  private fill(): void {
    this.isTurnDue = false;
    for (let i = 0; i < STARTS_PER_TURN && this.mayStart; i++) this.start();
    if (this.mayStart) this.fillSoon();
    else this.finishIfDone();
  }

  private fillSoon(): void {
    if (this.isTurnDue) return;
    this.isTurnDue = true;
    setImmediate(() => this.fill());
  }

  /** Open loop: one request per slot of `intervalMs`, counted from the start of the run. */
  private startDue(intervalMs: number): void {
    const slots = Math.floor((nowMs() - this.startedMs) / intervalMs) + 1;
    const due = Math.min(slots - this.slotsTaken, LATE_STARTS_MAX);
    this.slotsTaken = slots;
    for (let i = 0; i < due && this.mayStart; i++) this.start();
  }

  private start(): void {
    const exchange = new Exchange(this.spec, this.agent, this.content, this.sent);
    this.sent++;
    Atomics.add(this.words, LOAD_COUNTER.sent, 1);
    const fail = (failure: string): void => exchange.fail(failure);
    this.inFlight.add(fail);
    const settled = (failure: string | null, latencyMs: number): void => {
      this.inFlight.delete(fail);
      if (exchange.isConnected) this.asked--;
      this.settle(failure, latencyMs);
    };
    exchange.begin(() => this.noteAsked(), settled);
  }

  private noteAsked(): void {
    this.asked++;
    keepMost(this.words, LOAD_COUNTER.maxInFlight, this.asked);
  }

  private settle(failure: string | null, latencyMs: number): void {
    this.lastEndMs = nowMs();
    if (failure === null) {
      this.ok++;
      this.latency.record(latencyMs);
      Atomics.add(this.words, LOAD_COUNTER.ok, 1);
    } else {
      this.failed.set(failure, (this.failed.get(failure) ?? 0) + 1);
      Atomics.add(this.words, LOAD_COUNTER.failed, 1);
    }
    if (this.pacer === null && this.mayStart) this.fillSoon();
    else this.finishIfDone();
  }

  private finishIfDone(): void {
    const isComplete = this.spec.requests !== 0 && this.sent >= this.spec.requests;
    if (this.inFlight.size > 0 || !(isComplete || this.isStopped)) return;
    if (this.pacer !== null) clearInterval(this.pacer);
    this.isStopped = true;
    this.agent.destroy();
    const result: HttpClientResult = {
      sent: this.sent,
      ok: this.ok,
      failed: Object.fromEntries(this.failed),
      seconds: (this.lastEndMs - this.startedMs) / 1000,
      latencyMs: this.latency.summary(),
      histogram: this.latency.buckets(),
    };
    this.line.finish(result);
  }
}

/** One request and its answer. */
class Exchange {
  private readonly spec: HttpLoadSpec;
  private readonly content: AnswerContent;
  private readonly number: number;
  private readonly request: ClientRequest;
  private readonly beganMs = nowMs();
  /** The request goes out as soon as the connection is there. */
  isConnected = false;
  private deadline: NodeJS.Timeout | null = null;
  private settle: ((failure: string | null, latencyMs: number) => void) | null = null;

  constructor(spec: HttpLoadSpec, agent: Agent, content: AnswerContent, number: number) {
    this.spec = spec;
    this.content = content;
    this.number = number;
    const sources = spec.sourceAddresses ?? [];
    this.request = request({
      host: spec.serverAddress,
      port: spec.serverPort,
      path: requestPath(number, spec.bodyBytes),
      agent,
      ...(sources.length === 0 ? {} : { localAddress: sources[number % sources.length]! }),
    });
  }

  begin(asked: () => void, settle: (failure: string | null, latencyMs: number) => void): void {
    this.settle = settle;
    this.deadline = setTimeout(() => this.fail("ETIMEDOUT"), this.spec.timeoutMs);
    this.request.on("socket", (socket) => {
      socket.once("connect", () => {
        // Who has failed already is settled, and counts no more.
        if (this.settle === null) return;
        this.isConnected = true;
        asked();
        if (this.spec.behind !== undefined) this.sayWho(socket);
      });
    });
    this.request.on("error", (error) => this.fail(errorText(error)));
    this.request.on("response", (response) => this.check(response));
    // What address it has, a balanced client knows when it is connected, and says so then.
    if (this.spec.behind === undefined) this.request.end();
  }

  private sayWho(socket: Socket): void {
    const { localAddress = "", localPort = 0 } = socket;
    this.request.setHeader(CLIENT_HEADER, statement(localAddress, localPort));
    this.request.end();
  }

  /** Ends the exchange as failed, in the phase it is in. Does nothing when it is over. */
  fail(why: string): void {
    this.end(`${this.isConnected ? "response" : "connect"} ${why}`);
  }

  private end(failure: string | null): void {
    const settle = this.settle;
    if (settle === null) return;
    this.settle = null;
    if (this.deadline !== null) clearTimeout(this.deadline);
    if (failure !== null) this.request.destroy();
    settle(failure, nowMs() - this.beganMs);
  }

  private check(response: IncomingMessage): void {
    const expected = this.content.body(this.number);
    let offset = 0;
    let isSame = response.statusCode === 200;
    response.on("data", (chunk: Buffer) => {
      const part = expected.subarray(offset, offset + chunk.length);
      isSame &&= part.equals(chunk);
      offset += chunk.length;
    });
    response.on("error", (error) => this.fail(errorText(error)));
    response.on("end", () => {
      if (response.statusCode !== 200) this.fail(`status ${response.statusCode}`);
      else if (offset !== expected.length) this.fail("wrong length");
      else if (!isSame) this.fail("wrong content");
      else this.end(null);
    });
  }
}

/** The errno's name; libuv has none for the rarer ones and says "Unknown system error -77". */
function errorText(error: NodeJS.ErrnoException): string {
  if (error.code !== undefined && /^[A-Z][A-Z0-9_]+$/.test(error.code)) return error.code;
  if (error.errno !== undefined) return errnoName(error.errno);
  return error.message;
}

await connectRole<HttpLoadSpec>(async (line) => {
  await enterNamespace(line.descriptor, line.namespace);
  checkConnectionLimits(line.spec);
  const client = new HttpClient(line);
  line.onStop(() => client.stop());
  line.ready();
  client.run();
});
